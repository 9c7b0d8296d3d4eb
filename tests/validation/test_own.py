"""The user's own runs: appended whole, read by the same table, scored by their plans."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.estimate import estimate
from planner.plan.file import load
from planner.plan.plan import Plan
from planner.validation import own, validate

MEASURED = {"as_of": "2026-11-23", "step_time_s": 2.5, "mem_gb_per_gpu": 30.0, "mem_definition": "allocated"}


def plan() -> Plan:
    return load("gpt2").replace(**{"recipe.framework": "pytorch", "recipe.precision": "bf16"})


def test_a_run_is_scored_with_the_published_ones_by_its_own_plan(user_folder: Path) -> None:
    before = len(validate().rows)
    run = own.append(plan(), MEASURED)
    rows = [row for row in validate().rows if row["id"] == run]
    assert len(validate().rows) == before + len(rows)
    step = next(row for row in rows if row["metric"] == "step_time_s")
    found = estimate(plan())
    assert step["published"] == 2.5 and step["predicted"] == pytest.approx(float(found.outcome.step.total))
    held = next(row for row in rows if row["metric"] == "memory_bytes")
    assert held["predicted"] == pytest.approx(float(found.outcome.memory.allocated))


def test_a_run_of_a_processor_is_scored_where_its_plan_is_kept(user_folder: Path) -> None:
    here = plan().replace(**{"cluster.accelerator": "CPU", "recipe.precision": "fp32"})
    run = own.append(here, MEASURED)
    assert not next(row for row in validate().rows if row["id"] == run)["skipped"]
    own.plan_path(run).unlink()
    assert "not a GPU" in next(row for row in validate().rows if row["id"] == run)["skipped"]


def test_the_columns_are_those_of_the_published_table(user_folder: Path) -> None:
    first, second = own.append(plan(), MEASURED), own.append(plan(), MEASURED | {"step_time_s": 2.6})
    assert first != second
    with own.path().open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    with (Path(own.library.SHIPPED) / "runs.csv").open(newline="") as stream:
        header = next(csv.reader(stream))
    assert list(rows[0]) == header
    assert [row["step_time_s"] for row in rows] == ["2.5", "2.6"]
    assert (rows[0]["gpu"], rows[0]["global_batch"], rows[0]["framework"]) == ("A100-80GB-SXM", "512", "PyTorch")
    assert len(validate(own.path()).rows) >= 4  # the same table by its name


def test_a_table_that_is_none_of_runs_is_left_alone(user_folder: Path) -> None:
    own.path().write_text("name,value\na,1\n")
    with pytest.raises(InputError, match="move it away"):
        own.append(plan(), MEASURED)
    assert own.path().read_text() == "name,value\na,1\n"
    assert not list(user_folder.glob("runs/*"))


def test_a_folder_that_cannot_be_written_is_named(user_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (user_folder / "runs").write_text("a file in the way")
    with pytest.raises(InputError, match="runs"):
        own.append(plan(), MEASURED)
    assert not own.path().exists()


@pytest.mark.parametrize("content", ["", "id,source_key\na,own,and more\n"], ids=["empty", "more cells than columns"])
def test_a_broken_table_is_named_and_left_alone(user_folder: Path, content: str) -> None:
    own.path().write_text(content)
    with pytest.raises(InputError, match="move it away"):
        own.append(plan(), MEASURED)
    assert own.path().read_text() == content


def test_a_models_name_is_no_formula_in_the_table(user_folder: Path) -> None:
    own.append(plan().replace(**{"model.name": "=cmd|' /C calc'!A0"}), MEASURED)
    own.append(plan(), MEASURED)
    with own.path().open(newline="") as stream:
        assert [row["model_name"] for row in csv.DictReader(stream)] == ["'=cmd|' /C calc'!A0", "gpt2"]
