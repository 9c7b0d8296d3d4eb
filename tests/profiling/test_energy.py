"""Energy from counters of the form that the kernel has; nothing where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.profiling import energy
from planner.profiling.energy import Meter


def packages(folder: Path, *microjoules: int) -> list[Path]:
    found = []
    for number, value in enumerate(microjoules):
        place = folder / f"intel-rapl:{number}"
        place.mkdir()
        (place / "max_energy_range_uj").write_text("1000000000\n")
        (place / "energy_uj").write_text(f"{value}\n")
        found.append(place / "energy_uj")
    return found


def test_without_a_counter_the_energy_is_unknown_and_the_reason_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    meter = Meter("cpu")
    meter.start()
    assert meter.joules() is None
    assert "not measurable here" in meter.why_not


def test_all_packages_are_added_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    first, second = packages(tmp_path, 5_000_000, 7_000_000)
    meter = Meter("cpu")
    meter.start()
    first.write_text("8000000")
    second.write_text("7500000")
    assert meter.joules() == pytest.approx(3.5)


def test_a_counter_that_wrapped_around_is_read_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(energy, "RAPL", tmp_path)
    (counter,) = packages(tmp_path, 999_000_000)
    meter = Meter("cpu")
    meter.start()
    counter.write_text("1000000")
    assert meter.joules() == pytest.approx(2.0)
