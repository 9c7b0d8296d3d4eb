"""Predicted against measured, from the plan to the table: what is told, in which order, and what is left behind."""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from typing import Any

import pytest

from planner import library
from planner.errors import CancelledError
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.profiling import events, needs, verification
from planner.profiling.trainable import Here, default
from planner.profiling.verification import verify
from planner.profiling.verification_events import Compared, Predicted, Started, Stepped
from planner.timing.profile import load

QUICKLY, SMALL = 1.0, 64.0 * 2**20
"""Seconds for measuring the layer first, and bytes of the ceilings: the rows are then few and rough, which is told."""


@pytest.fixture
def here() -> Here:
    from planner.profiling import devices

    return Here(devices.describe("cpu"), "fp32")


def plan_of(model: Model, here: Here, **changes: Any) -> Plan:
    return default(model, here).replace(**({"recipe.sequence_length": 32} | changes))


def happenings(plan: Plan, here: Here, **options: Any) -> list[events.Event]:
    return list(verify(plan, here, **({"steps": 2, "budget_s": QUICKLY, "memory_limit_bytes": SMALL} | options)))


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, tiny: Model) -> list[events.Event]:
    """One verification, told to several tests."""
    from planner.profiling import devices

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINPLAN_HOME", str(tmp_path_factory.mktemp("home")))
        machine = Here(devices.describe("cpu"), "fp32")
        return happenings(plan_of(tiny.model_copy(update={"hidden": 256, "vocabulary": 4000}), machine), machine)


def last(found: list[events.Event]) -> dict[str, Any]:
    end = found[-1]
    assert isinstance(end, Compared), end
    return end.result


def test_the_prediction_is_told_before_anything_is_trained(told: list[events.Event]) -> None:
    order = [type(event) for event in told if isinstance(event, (Started, Predicted, Stepped, Compared))]
    assert order == [Started, Predicted, *[Stepped] * 4, Compared]  # two of the steps warm up


def test_the_peak_memory_is_predicted_within_five_percent(told: list[events.Event]) -> None:
    (row,) = [row for row in last(told)["rows"] if row["what"] == "memory allocated"]
    assert abs(row["error"]) < 0.05


def test_the_parts_of_the_step_add_up_on_both_sides(told: list[events.Event]) -> None:
    result = last(told)
    predicted, measured = result["predicted"], result["measured"]
    assert sum(predicted["parts_s"].values()) == pytest.approx(predicted["step_time_s"])
    for parts in (predicted["parts_s"], measured["parts_s"]):
        assert set(parts) == {"forward", "backward", "head", "optimizer", "host"}
    assert sum(measured["kernels_s"].values()) > 0 and "products" in measured["kernels_s"]


def test_how_fast_the_processor_was_meanwhile_is_told_and_never_replaces_the_prediction(
    told: list[events.Event],
) -> None:
    result = last(told)
    slowing = result["measured"]["slowing"]
    assert -0.9 < slowing < 9
    rows = {row["what"]: row for row in result["rows"]}
    plain, then = rows["step time"], rows["step time at that speed"]
    assert plain["predicted"] == result["predicted"]["step_time_s"] and then["measured"] == plain["measured"]
    assert (then["predicted"] > plain["predicted"]) == (slowing > 0)
    assert "reference product" in then["note"] and f"{100 * abs(slowing):.1f}\N{NO-BREAK SPACE}%" in then["note"]


def test_what_cannot_be_measured_is_unknown_with_the_reason(told: list[events.Event]) -> None:
    (row,) = [row for row in last(told)["rows"] if row["what"] == "energy a step"]
    if row["measured"] is None:
        assert row["error"] is None and "not measurable" in row["note"]
    else:
        assert row["measured"] > 0 and row["note"] in ("RAPL", "NVML")


def test_the_profile_measured_on_the_way_is_kept_and_used_again(tiny: Model, here: Here) -> None:
    plan = plan_of(tiny, here)
    first = happenings(plan, here)
    (name,) = library.paths("measured")
    assert last(first)["predicted"]["profile"] == name
    content = load(name)
    if needs.holds(content, plan):  # on a busy machine no row is quiet, and it is measured anew
        second = happenings(plan, here)
        assert not any(isinstance(event, events.Measured) for event in second)
        assert last(second)["predicted"]["profile"] == name


def test_a_profile_that_cannot_be_kept_serves_this_run_and_leaves_nothing(
    tiny: Model, here: Here, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "temporary").mkdir()
    monkeypatch.setenv("TRAINPLAN_HOME", str(tmp_path / "file" / "trainplan"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    result = last(happenings(plan_of(tiny, here), here))
    assert any("not kept" in note and "TRAINPLAN_HOME" in note for note in result["notes"])
    gc.collect()
    assert not list((tmp_path / "temporary").iterdir())


def test_a_model_too_large_is_trained_with_fewer_layers_and_says_so(tiny: Model, here: Here) -> None:
    deep = tiny.model_copy(update={"layers": 12})
    whole = verification.comparison.predicted(verification.estimate(plan_of(deep, here))).memory_allocated_bytes
    result = last(happenings(plan_of(deep, here), here, memory_limit_bytes=0.6 * whole))
    assert 2 < result["layers"] < 9
    assert any(f"{result['layers']} of 12 layers" in note for note in result["notes"])
    assert result["plan"]["model"]["layers"] == result["layers"]
    assert result["measured"]["allocated_bytes"] < 0.6 * whole


def test_nothing_fits_is_an_answer_that_says_what_to_do(tiny: Model, here: Here) -> None:
    end = happenings(plan_of(tiny, here), here, memory_limit_bytes=1000.0)[-1]
    assert isinstance(end, events.Failed) and end.exit_code == 3
    assert "--memory-limit" in end.message


def test_memory_that_runs_out_after_all_ends_in_a_smaller_training(
    tiny: Model, here: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first training meets what PyTorch raises for want of memory; the next has fewer layers, and its estimate."""
    import torch

    real, seen = verification.Training, []

    def too_large(plan: Plan, *rest: Any, **options: Any) -> Any:
        seen.append(plan.model.layers)
        if plan.model.layers == tiny.layers:
            raise torch.OutOfMemoryError("out of memory")
        return real(plan, *rest, **options)

    monkeypatch.setattr(verification, "Training", too_large)
    found = happenings(plan_of(tiny, here), here)
    assert seen == [tiny.layers, tiny.layers - 1]
    assert sum(isinstance(event, Predicted) for event in found) == 2
    assert any("memory ran out" in note for note in last(found)["notes"])


def test_cancelled_in_training_it_ends_with_130_and_leaves_no_half_file(
    tiny: Model, here: Here, user_folder: Path
) -> None:
    steps = []
    found = []
    for event in verify(
        plan_of(tiny, here), here, steps=50, budget_s=QUICKLY, memory_limit_bytes=SMALL, cancel=lambda: bool(steps)
    ):
        found.append(event)
        if isinstance(event, Stepped) and not event.warm_up:
            steps.append(event)
    assert isinstance(found[-1], events.Failed) and found[-1].exit_code == CancelledError.exit_code
    left = [path for path in user_folder.rglob("*") if path.is_file()]
    assert [path.parent.name for path in left] == ["measured"]  # the profile, whole
    assert load(left[0]).complete
