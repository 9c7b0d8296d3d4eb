"""The profile file: round trips, refusals, and what its rows amount to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.errors import InputError, UnknownNameError
from planner.timing import profile as profiles
from planner.timing.efficiencies import efficiencies
from planner.timing.profile import Device
from tests.timing.made import made, made_rows


def test_a_saved_profile_is_read_back_the_same(tmp_path: Path) -> None:
    profiles.save(made(), tmp_path / "p.json")
    assert profiles.load(tmp_path / "p.json") == made()


def test_a_profile_without_rows_is_still_a_file(tmp_path: Path) -> None:
    profiles.save(made(rows=[]), tmp_path / "p.json")
    assert profiles.load(tmp_path / "p.json").rows == ()


def test_a_profile_is_found_by_name_in_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINPLAN_HOME", str(tmp_path))
    (tmp_path / "measured").mkdir()
    profiles.save(made(), tmp_path / "measured" / "my-cpu.json")
    assert profiles.load("my-cpu").name == "made"
    with pytest.raises(UnknownNameError, match="my-cpu"):
        profiles.load("my-gpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "trainplan-plan"}, "not a profile"),
        ({"version": 99}, "newer Trainplan"),
        ({"version": True}, "version"),
        ({"dtype": None}, "dtype"),
        ({"rows": [{"operation": "dance"}]}, r"rows\.0\.operation"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_field(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**json.loads(profiles.to_text(made())), **change}))
    with pytest.raises(InputError, match=message) as caught:
        profiles.load(path)
    assert "p.json" in str(caught.value)


@pytest.mark.parametrize(("place", "field"), [("device", "name"), ("model", "name")])
@pytest.mark.parametrize("mark", ["\x1b[2J", "\u202e"], ids=ascii)
def test_what_a_terminal_would_obey_is_refused_by_its_field(tmp_path: Path, place: str, field: str, mark: str) -> None:
    profiles.save(made(), tmp_path / "p.json")
    data = json.loads((tmp_path / "p.json").read_text())
    data[place][field] += mark
    with pytest.raises(InputError, match=rf"{place}.{field}: .*control character \(U\+"):
        profiles.from_data(data)


def test_a_torn_or_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(profiles.to_text(made())[:-30])
    with pytest.raises(InputError, match="not a whole JSON file"):
        profiles.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        profiles.load(tmp_path / "none.json")


VARIANTS = [{"variant": "foreach"}, {"compiled": True}, {"sdpa": "flash"}, {"recompute": True}, {"l2": "flushed"}]


@pytest.mark.parametrize("change", VARIANTS)
def test_a_variant_is_another_shape_and_no_fit_reads_it(change: dict[str, Any]) -> None:
    plain = made_rows()
    beside = [one.model_copy(update={"median_s": 9 * one.median_s, **change}) for one in plain]
    assert not {one.shape for one in plain} & {one.shape for one in beside}
    assert efficiencies(made(rows=[*plain, *beside])) == efficiencies(made(rows=plain))


@pytest.mark.parametrize("change", [{"n": 1}, {"throttled": True}])
def test_the_sum_of_the_parts_is_told_from_shapes_measured_well_or_not_at_all(change: dict[str, Any]) -> None:
    rows = made_rows()
    at_128 = [one.model_copy(update=change) if one.tokens == 128 else one for one in rows]
    assert len(profiles.summarize(at_128).comparisons) == 3 and profiles.summarize(at_128).ratio is not None
    one_part_each = [one.model_copy(update=change) if one.operation == "attention" else one for one in rows]
    assert profiles.summarize(one_part_each).ratio is None


def test_a_cpus_profile_is_refused_for_a_gpu() -> None:
    profiles.require_same_kind(made(), "cpu")
    with pytest.raises(InputError, match="measured on a CPU"):
        profiles.require_same_kind(made(), "gpu")


def test_the_fingerprint_knows_the_device_and_not_the_run() -> None:
    assert made().fingerprint == made(created="2027-01-01", name="other").fingerprint
    other = Device(kind="cpu", name="Another CPU", memory_bytes=2**34)
    assert other.fingerprint != made().fingerprint


def test_a_device_named_by_half_a_character_has_a_fingerprint(gpt2_profile) -> None:
    assert len(gpt2_profile.device.model_copy(update={"name": "\ud800"}).fingerprint) == 16
