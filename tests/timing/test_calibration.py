"""A one-point calibration: what it multiplies, where it is told, whom it serves."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.errors import InputError
from planner.estimate import Estimate, estimate
from planner.plan.file import load
from planner.plan.plan import Plan
from planner.plan.section import PlanError
from planner.reports import csv_report
from planner.search import search
from planner.timing import calibration
from planner.timing.calibration import Calibration
from planner.timing.profile import Device

A100 = Device(kind="cuda", name="NVIDIA A100-SXM4-80GB", memory_bytes=80e9)


def made(ratio: float = 1.25, device: Device = A100) -> Calibration:
    return Calibration(
        name="our cluster", created="2026-11-23T12:00:00+00:00", device=device, software="2.13.0", framework="pytorch",
        model="llama-2-7b", shape="4 layers, micro-batches of 1 × 4096 tokens", precision="bf16", profile="ours",
        ratio=ratio,
    )  # fmt: skip


def plan() -> Plan:
    return load("llama-2-7b")


@pytest.fixture
def calibrated(user_folder: Path) -> Estimate:
    calibration.save(made())
    return estimate(plan().replace(calibration="our cluster"))


def test_it_multiplies_the_compute_of_a_step_and_nothing_else(calibrated: Estimate) -> None:
    before, after = estimate(plan()).outcome, calibrated.outcome
    for part in ("forward", "backward", "head"):
        assert getattr(after.step, part) == pytest.approx(1.25 * getattr(before.step, part))
    assert after.step.optimizer == before.step.optimizer and after.step.tensor == before.step.tensor
    assert after.memory.total == before.memory.total and after.model_flops == before.model_flops


def test_recomputation_is_multiplied_too(user_folder: Path) -> None:
    calibration.save(made())
    again = plan().replace(**{"layout.recompute": "full"})
    before, after = estimate(again), estimate(again.replace(calibration="our cluster"))
    assert after.outcome.step.recompute == pytest.approx(1.25 * before.outcome.step.recompute)


def test_every_number_that_rests_on_it_says_so_and_no_other(calibrated: Estimate) -> None:
    touched = {
        key for key, figure in calibrated.figures.items() if "one-point calibration our cluster" in figure.source
    }
    assert {
        "time.step",
        "time.part.forward",
        "time.training",
        "time.mfu",
        "energy.energy",
        "time.tokens_per_s",
    } <= touched
    assert not any(key.startswith(("memory.", "work.")) for key in touched)
    assert "time.part.optimizer" not in touched
    told = {figure.kind for key, figure in calibrated.figures.items() if key in touched}
    assert told <= {"calibrated", "assumed"} and calibrated.figures["time.step"].kind == "calibrated"
    assert "calibrated × 1.25 by our cluster" in calibrated.verdict
    assert calibrated.json["calibration"] == "our cluster" and "one-point" in calibrated.json["kernel_basis"]
    rows = {row["item"]: row for row in csv_report.rows_of(calibrated)}
    assert rows["Step time"]["kind"] == "calibrated" and "one-point calibration" in rows["Step time"]["source"]


def test_a_plan_that_names_none_is_as_it_was(user_folder: Path) -> None:
    calibration.save(made())
    assert estimate(plan()).figures["time.step"].kind == "estimated"
    assert "calibrat" not in estimate(plan()).verdict


def test_another_devices_calibration_is_refused_by_name(user_folder: Path) -> None:
    calibration.save(made(device=Device(kind="cuda", name="NVIDIA H100 80GB HBM3", memory_bytes=85e9)))
    with pytest.raises(PlanError, match=r"calibration: .*NVIDIA H100.*A100-80GB-SXM"):
        estimate(plan().replace(calibration="our cluster"))


def test_an_unknown_one_is_named_with_the_nearest(user_folder: Path) -> None:
    with pytest.raises(PlanError, match="verify --calibrate"):
        estimate(plan().replace(calibration="none yet"))
    calibration.save(made())
    with pytest.raises(PlanError, match="did you mean our-cluster"):
        estimate(plan().replace(calibration="our clutser"))


def test_a_damaged_file_is_named_and_left_alone(user_folder: Path) -> None:
    path = calibration.save(made())
    for text, words in (("{", "JSON"), ('{"format": "other"}', "not a calibration"), (_newer(path), "version")):
        path.write_text(text)
        with pytest.raises(InputError, match=words):
            calibration.load("our cluster")
        assert path.read_text() == text


def _newer(path: Path) -> str:
    return path.read_text().replace('"version": 1', '"version": 9')


def test_the_search_is_calibrated_as_the_estimate_is_and_not_on_other_devices(calibrated: Estimate) -> None:
    (best,) = search(calibrated.plan, top=1).best
    own = calibrated.plan.model_copy(update={"layout": best.layout})
    assert best.figures["step_time_s"] == pytest.approx(float(estimate(own).outcome.step.total))
    (other,) = search(calibrated.plan, accelerators=["H100-80GB-SXM"], top=1).best
    assert other.plan.calibration == ""
