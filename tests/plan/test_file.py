"""The plan file: whole or not at all, readable for ever, every mistake told with its field."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import library
from planner.errors import InputError
from planner.plan import file
from planner.plan.section import PlanError

SHIPPED = sorted(path.stem for path in (library.SHIPPED / "plans").glob("*.json"))


def content(name: str = "gpt2") -> dict[str, Any]:
    return json.loads(file.to_text(file.load(name)))


@pytest.mark.parametrize("name", SHIPPED)
def test_a_plan_saved_and_opened_again_is_the_same_plan(name: str, tmp_path: Path) -> None:
    plan = file.load(name)
    path = tmp_path / "a plan.json"
    file.save(plan, path)
    assert file.load(path) == plan
    assert file.load(str(path)) == plan
    file.save(file.load(path), tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_the_file_is_readable_json_with_format_and_version_first(tmp_path: Path) -> None:
    file.save(file.load("gpt2").replace(name="Größe ×2"), tmp_path / "plan.json")
    text = (tmp_path / "plan.json").read_text("utf-8")
    assert list(json.loads(text))[:2] == ["format", "version"]
    assert "Größe ×2" in text and text.endswith("}\n") and len(text.splitlines()) > 50


def test_saving_leaves_no_temporary_file_and_keeps_the_files_permissions(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    file.save(file.load("gpt2"), path)
    path.chmod(0o640)
    file.save(file.load("gpt2-xl"), path)
    assert path.stat().st_mode & 0o777 == 0o640
    assert [one.name for one in tmp_path.iterdir()] == ["plan.json"]


def test_a_link_is_followed_and_stays_a_link(tmp_path: Path) -> None:
    target, link = tmp_path / "target.json", tmp_path / "link.json"
    target.write_text("old")
    link.symlink_to(target)
    file.save(file.load("gpt2"), link)
    assert link.is_symlink() and file.load(target).name == "gpt2"


def test_a_place_that_cannot_be_written_is_named_and_what_is_there_stays(tmp_path: Path) -> None:
    occupied = tmp_path / "a file"
    occupied.write_text("old")
    folder = tmp_path / "folder.json"
    (folder / "inside").mkdir(parents=True)
    for path in (
        occupied / "plan.json",
        folder,
        tmp_path / "missing" / "plan.json",
        tmp_path / ("x" * 300),
        Path("a\0b"),
    ):
        with pytest.raises(InputError, match="cannot be written") as caught:
            file.save(file.load("gpt2"), path)
        assert str(path)[:100] in str(caught.value)
    assert occupied.read_text() == "old"
    assert [one.name for one in folder.iterdir()] == ["inside"]
    assert sorted(one.name for one in tmp_path.iterdir()) == ["a file", "folder.json"]


def test_an_interrupted_save_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    for function in ("fsync", "replace"):
        with monkeypatch.context() as patch:
            patch.setattr(os, function, full)
            with pytest.raises(InputError, match="No space left on device"):
                file.save(file.load("gpt2"), path)
        assert path.read_text() == "old"
        assert [one.name for one in tmp_path.iterdir()] == ["plan.json"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_file_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(InputError, match="read-only"):
        file.save(file.load("gpt2"), path)
    assert path.read_text() == "old"


def test_a_truncated_file_is_named_at_every_length_and_stays_as_it_is(tmp_path: Path) -> None:
    whole = file.to_text(file.load("gpt2")).rstrip()
    path = tmp_path / "cut.json"
    for length in range(0, len(whole), 97):
        path.write_text(whole[:length])
        with pytest.raises(InputError) as caught:
            file.load(path)
        assert str(path) in str(caught.value)
        assert path.read_text() == whole[:length]


def test_a_plan_of_a_newer_version_says_to_update() -> None:
    with pytest.raises(InputError, match=r"newer Trainplan \(version 2, this one reads 1\)"):
        file.from_data(content() | {"version": 2}, "x.json")


@pytest.mark.parametrize("version", [0, -1, True, "1", 1.5, None, [1], 10**30])
def test_a_version_that_is_none_is_refused(version: object) -> None:
    with pytest.raises(InputError, match="version"):
        file.from_data(content() | {"version": version})


def test_a_file_of_another_format_is_refused() -> None:
    with pytest.raises(InputError, match="not a plan file"):
        file.from_data(content() | {"format": "trainplan-profile"})


def test_an_old_version_is_carried_through_every_migration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file, "VERSION", 3)
    monkeypatch.setattr(file, "MIGRATIONS", {
        1: lambda data: data | {"notes": data["notes"] + " one"},
        2: lambda data: data | {"notes": data["notes"] + " two"},
    })  # fmt: skip
    old = content() | {"version": 1, "notes": "since"}
    assert file.from_data(old).notes == "since one two"
    assert old["notes"] == "since"


def test_five_mistakes_are_five_lines_each_beginning_with_its_field() -> None:
    data = content()
    data["model"]["layers"] = "twelve"
    data["recipe"]["tokens"] = -5
    data["cluster"]["accelerator"] = "H100-SMX"
    data["layout"]["recompute"] = "some"
    data["prices"]["puee"] = 1.1
    with pytest.raises(PlanError) as caught:
        file.from_data(data, "x.json")
    lines = str(caught.value).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == [
        "cluster.accelerator", "layout.recompute", "model.layers", "prices.puee", "recipe.tokens",
    ]  # fmt: skip
    assert any("twelve" in line for line in lines)
    assert any("'H100-SMX'; did you mean" in line and "H100-80GB-SXM" in line for line in lines)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("recipe.tokens", -2e12),
        ("recipe.tokens", 0),
        ("recipe.tokens", float("nan")),
        ("recipe.tokens", float("inf")),
        ("recipe.tokens", 1.5),
        ("recipe.tokens", "9" * 1_000_000),
        ("recipe.tokens", 10**5000),
        ("recipe.tokens", True),
        ("recipe.tokens", None),
        ("recipe.tokens", [1]),
        ("recipe.tokens", {"a": {"b": 1}}),
        ("model.hidden", "NaN"),
        ("cluster.nodes", "-1"),
        ("cluster.fabric", "carrier pigeon"),
        ("model", "llama-2-7c"),
        ("model", None),
        ("prices.pue", 0.5),
        ("prices.pue", float("nan")),
        ("name", "x" * 201),
    ],
    ids=lambda value: "many digits" if isinstance(value, int) and value > 10**100 else str(value)[:20],
)
def test_a_bad_value_is_one_problem_at_its_field_told_briefly(path: str, value: object) -> None:
    with pytest.raises(PlanError) as caught:
        file.with_settings(file.load("gpt2"), [(path, value)])
    assert [where for where, _ in caught.value.problems] == [path]
    assert len(str(caught.value)) < 500 and "\n" not in str(caught.value)


def test_the_same_mistakes_in_a_file_are_told_by_the_json_reader_too(tmp_path: Path) -> None:
    for literal in ("NaN", "-Infinity", "1e999", "-2", "9" * 4000):
        data = content()
        data["recipe"]["tokens"] = 123456789
        path = tmp_path / "plan.json"
        path.write_text(json.dumps(data).replace("123456789", literal))
        with pytest.raises(PlanError, match=r"recipe\.tokens") as caught:
            file.load(path)
        assert len(str(caught.value)) < 400


def test_a_text_in_a_number_field_is_read_in_the_fields_unit() -> None:
    plan = file.with_settings(
        file.load("gpt2"),
        [
            ("recipe.tokens", "2T"), ("cluster.accelerator.memory_bytes", "80 GiB"), ("cluster.nodes", "64"),
            ("cluster.fabric.bits_per_s_per_gpu", "400 Gb/s"), ("layout.dp", "auto"), ("prices.pue", "1.2"),
            ("layout.zero_stage", "3"),
            ("prices.grid_kg_per_kwh", "400 g/kWh"),
        ],
    )  # fmt: skip
    assert plan.recipe.tokens == 2 * 10**12 and isinstance(plan.recipe.tokens, int)
    assert plan.cluster.accelerator.memory_bytes == 80 * 2**30
    assert plan.cluster.nodes == 64 and plan.layout.dp is None
    assert plan.layout.zero_stage == 3
    assert plan.cluster.fabric.bits_per_s_per_gpu == 400e9
    assert plan.prices.grid_kg_per_kwh == pytest.approx(0.4)


def test_contradictions_of_valid_fields_are_told_beside_the_invalid_ones() -> None:
    data = file.load("llama-2-7b").model_dump(mode="json")
    data["recipe"] |= {"tokens": -5, "precision": "bf17", "framework": "megatron"}
    data["cluster"] |= {"accelerator": "H100"}
    data["layout"] |= {"tp": 3}
    with pytest.raises(PlanError) as failure:
        file.validated(data)
    told = [path for path, _ in failure.value.problems]
    assert {"recipe.tokens", "recipe.precision", "cluster.accelerator", "layout.tp", "recipe.framework"} <= set(told)
    assert told.count("recipe.tokens") == 1 and told.index("recipe.tokens") < told.index("layout.tp")


def test_no_rule_looks_at_a_field_that_is_wrong() -> None:
    data = file.load("llama-2-7b").model_dump(mode="json")
    data["layout"] |= {"tp": 3}
    data["cluster"] |= {"nodes": 0}
    data["model"] = "no such model"
    with pytest.raises(PlanError) as failure:
        file.validated(data)
    assert [path for path, _ in failure.value.problems] == ["model", "cluster.nodes", "layout.sequence_parallel"]


def test_an_unknown_setting_is_named_with_the_nearest_fields_beside_the_other_mistakes() -> None:
    with pytest.raises(PlanError) as caught:
        file.with_settings(file.load("gpt2"), [("cluster.node", 2), ("recipe.tokens", -1), ("nonsense.at.all", 1)])
    said = dict(caught.value.problems)
    assert set(said) == {"cluster.node", "recipe.tokens", "nonsense.at.all"}
    assert "nodes" in said["cluster.node"]


def test_a_file_that_is_not_there_and_a_name_that_nobody_knows_are_told_apart() -> None:
    with pytest.raises(InputError, match="no such file"):
        file.load("plans/mine.json")
    with pytest.raises(InputError, match="llama-2-70b"):
        file.load("lama-2-70b")


json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=True) | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
top = st.sampled_from(
    ["model", "recipe", "cluster", "layout", "prices", "name", "notes", "format", "version", "profile"]
)
recipe_keys = st.sampled_from(list(content()["recipe"]))


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(top, json_values, max_size=3), st.dictionaries(recipe_keys, json_values, max_size=3))
def test_whatever_stands_in_a_file_it_is_a_plan_or_an_input_error(outer: dict[str, Any], inner: dict[str, Any]) -> None:
    data = content()
    data["recipe"].update(inner)
    data.update(outer)
    try:
        plan = file.from_data(data)
    except InputError as error:
        assert str(error)
    else:
        assert file.from_data(json.loads(file.to_text(plan))) == plan


@pytest.mark.parametrize("held", [None, 1, "plan", [["a", 1]], ["x"]])
def test_a_plan_that_is_no_object_is_refused(held: Any) -> None:
    with pytest.raises(InputError, match="where an object"):
        file.from_data(held, "x.json")


def test_a_fabric_whose_bandwidth_is_next_to_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match=r"cluster\.fabric\.bits_per_s_per_gpu.*greater than or equal to 1"):
        file.with_settings(file.load("gpt2"), [("cluster.fabric.bits_per_s_per_gpu", 5e-324)])


def test_a_device_whose_memory_gives_next_to_nothing_is_refused() -> None:
    with pytest.raises(PlanError, match="greater than or equal to 1"):
        file.with_settings(file.load("gpt2"), [("cluster.accelerator.memory_bandwidth_bytes_per_s", 5e-324)])
