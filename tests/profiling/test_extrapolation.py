"""From a real, tiny profile to an estimate, and what is refused on the way.

The profile is made by the profiler itself on the real decoder; its clock counts the operations that torch dispatches
and their FLOPs, so that the times are those of a made-up processor and the same on every machine.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import FlopCounterMode

from planner import cli, library
from planner.estimate import Estimate, estimate
from planner.plan import file
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.plan.section import PlanError
from planner.profiling import command, demand, devices, events, points, profiler, timer
from planner.timing import profile as profiles
from planner.timing.profile import Profile

OPERATION_S, FLOP_S, BYTE_S = 1e-5, 1e-10, 1e-10
SHAPES = ((1, 32), (1, 64), (1, 128), (2, 64), (2, 128))


class CountingClock:
    """Seconds of a processor that takes 10 µs an operation, 0.1 ns a FLOP and 0.1 ns a byte of its result."""

    bunch = 1

    def __init__(self) -> None:
        self._runs: list[list[float]] = []
        self._counters: list[Any] = []

    def new_run(self) -> None:
        if not self._counters:
            self._counters = [FlopCounterMode(display=False), _Operations()]
            for counter in self._counters:
                counter.__enter__()
        self._runs.append([])

    def mark(self) -> None:
        flops, operations_ = self._counters
        self._runs[-1].append(operations_.time_s + FLOP_S * flops.get_total_flops())

    def read(self) -> list[list[float]]:
        for counter in reversed(self._counters):
            counter.__exit__(None, None, None)
        runs, self._runs, self._counters = self._runs, [], []
        return [[end - start for start, end in itertools.pairwise(run)] for run in runs]


class _Operations(TorchDispatchMode):
    time_s = 0.0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        outputs = result if isinstance(result, tuple | list) else (result,)
        moved = sum(one.nbytes for one in outputs if isinstance(one, torch.Tensor))
        self.time_s += OPERATION_S + BYTE_S * moved
        return result


@pytest.fixture(scope="module")
def measured(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """A whole profile of the tiny model on the made-up processor."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timer, "clock_for", lambda kind: CountingClock())
        patch.setattr(devices, "_reference_s", lambda: 2e-3)
        patch.setitem(timer.PATIENCE, "cpu", timer.Patience(spread=0.05, warm_up=1, least=3, most=3))
        patch.setitem(demand.MATMUL_SIZE, "cpu", 128)
        patch.setitem(demand.COPY_BYTES, "cpu", 2**20)
        patch.setattr(demand, "LAUNCHES", 10)
        patch.setitem(points._LAYER_SHAPES, ("quick", "cpu"), SHAPES)
        out = tmp_path_factory.mktemp("profiles") / "tiny-cpu.json"
        for _ in profiler.profile(tiny, device="cpu", out=out, budget_s=600):
            pass
        return profiles.load(out)


@pytest.fixture
def kept(measured: Profile, user_folder: Path) -> Iterator[Path]:
    """The profile in the user's folder."""
    path = user_folder / "measured" / "tiny-cpu.json"
    path.parent.mkdir()
    profiles.save(measured, path)
    yield path


def plan(model: Model, batch: int = 1, sequence: int = 64, **changes: Any) -> Plan:
    """One layer on one processor, one micro-batch a step."""
    recipe = {"tokens": 10**6, "sequence_length": sequence, "global_batch": batch, "framework": "pytorch"}
    data: dict[str, Any] = {
        "name": "tiny", "model": model.model_copy(update={"layers": 1}).model_dump(),
        "recipe": recipe | {"precision": "fp32"}, "layout": {"micro_batch": batch},
        "cluster": {"accelerator": "CPU", "gpus_per_node": 1, "nodes": 1, "fabric": library.names("fabrics")[0]},
    }  # fmt: skip
    return Plan.model_validate(data).replace(**changes)


def layer_s(result: Estimate) -> float:
    return result.figures["time.part.forward"].value + result.figures["time.part.backward"].value


def whole_layers(profile: Profile) -> dict[tuple[int, int], float]:
    """Measured forward and backward of the whole layer by shape, in seconds."""
    times: dict[tuple[int, int], float] = {}
    for row in profile.rows:
        if row.operation == "layer":
            times[row.batch, row.sequence] = times.get((row.batch, row.sequence), 0.0) + row.median_s
    return times


def test_an_estimate_reproduces_the_layers_that_were_measured(measured: Profile, kept: Path, tiny: Model) -> None:
    whole = whole_layers(measured)
    assert set(whole) == set(SHAPES)
    results = {shape: estimate(plan(tiny, *shape)) for shape in whole}
    errors = [abs(layer_s(results[shape]) / time_s - 1) for shape, time_s in whole.items()]
    assert np.median(errors) < 0.25, errors
    for result in results.values():
        assert result.kernel_source == "measured" and result.machine.profile == "tiny-cpu"
        assert "this layer shape was measured" in result.machine.device.basis
        assert "tiny-cpu" in result.machine.device.basis and measured.created[:10] in result.machine.device.basis
        assert result.figures["time.step"].kind == "estimated"


def test_between_and_beyond_the_measured_shapes_the_source_says_so(kept: Path, tiny: Model) -> None:
    between, beyond = estimate(plan(tiny, 1, 96)), estimate(plan(tiny, 4, 512))
    assert between.kernel_source == "interpolated"
    assert beyond.kernel_source == "carried" and "beyond the measured shapes" in beyond.machine.device.basis


def test_what_the_measured_layer_contains_is_not_charged_again(kept: Path, tiny: Model) -> None:
    software = estimate(plan(tiny)).machine.software
    assert software.matmul_slowdown == software.attention_slowdown == 1.0
    assert software.host_s_per_layer == 0.0 and software.host_s_per_step > 0.0


def test_the_head_and_the_optimizer_come_out_as_measured(measured: Profile, kept: Path, tiny: Model) -> None:
    at = {
        (row.operation, row.direction): row for row in measured.rows if (row.batch, row.sequence) in ((1, 32), (0, 0))
    }
    edge_s = sum(row.median_s for (name, _), row in at.items() if name in ("embedding", "head_loss"))
    result = estimate(plan(tiny, 1, 32))
    assert result.figures["time.part.head"].value == pytest.approx(edge_s, rel=0.25)
    step = at["optimizer", "step"]
    in_proportion_s = step.median_s * result.outcome.parameters.total / step.parameters
    assert step.median_s < result.figures["time.part.optimizer"].value < in_proportion_s  # launches do not grow


def test_a_named_profile_is_used_and_an_unknown_one_is_refused_by_name(kept: Path, tiny: Model) -> None:
    assert estimate(plan(tiny, profile="tiny-cpu")).machine.profile == "tiny-cpu"
    with pytest.raises(PlanError, match="profile: unknown measured profile 'tiny-gpu'; did you mean tiny-cpu"):
        estimate(plan(tiny, profile="tiny-gpu"))


def test_a_processors_profile_is_refused_for_a_gpu_with_exit_code_2(
    kept: Path, tiny: Model, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file.save(plan(tiny, profile="tiny-cpu"), tmp_path / "plan.json")
    assert cli.run(["estimate", str(tmp_path / "plan.json"), "--set", "cluster.accelerator=H100-80GB-SXM"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("profile: 'tiny-cpu' was measured on a CPU") and "H100-80GB-SXM" in told
    assert "leave the field blank" in told and len(told.splitlines()) == 1


def test_a_gpus_plan_takes_no_notice_of_a_processors_profile(kept: Path, tiny: Model) -> None:
    result = estimate(plan(tiny, **{"cluster.accelerator": "H100-80GB-SXM"}))
    assert result.machine.profile == "" and not [one for one in result.problems if one.path == "profile"]


def test_a_torn_profile_is_named_and_skipped_unless_the_plan_names_it(kept: Path, tiny: Model) -> None:
    kept.with_name("torn.json").write_text(kept.read_text()[:-40])
    result = estimate(plan(tiny))
    assert result.machine.profile == "tiny-cpu"
    (problem,) = [one for one in result.problems if one.path == "profile"]
    assert problem.severity == "warning" and "torn.json" in problem.message
    with pytest.raises(PlanError, match=r"profile: .*torn\.json: not a whole JSON file"):
        estimate(plan(tiny, profile="torn"))


def test_the_newest_complete_profile_of_the_models_own_width_is_taken(
    measured: Profile, kept: Path, tiny: Model
) -> None:
    def keep(name: str, **changes: Any) -> None:
        profiles.save(measured.model_copy(update={"name": name, **changes}), kept.with_name(f"{name}.json"))

    keep("newer", created="2099-01-01T00:00:00+00:00")
    keep("newest", created="2099-01-02T00:00:00+00:00", complete=False, incomplete_because="cancelled")
    keep("wider", created="2099-01-03T00:00:00+00:00", model=tiny.model_copy(update={"ffn": 128}))
    assert estimate(plan(tiny)).machine.profile == "newer"
    result = estimate(plan(tiny, profile="newest"))
    assert result.machine.profile == "newest"
    assert ["not complete" in one.message for one in result.problems if one.path == "profile"] == [True]


def test_a_precision_that_was_not_measured_is_told_and_the_data_sheet_used(kept: Path, tiny: Model) -> None:
    result = estimate(plan(tiny, **{"recipe.precision": "bf16"}))
    (problem,) = [one for one in result.problems if one.path == "profile"]
    assert result.machine.profile == "" and result.kernel_source == "specification"
    assert "fp32" in problem.message and problem.changes == {"recipe.precision": "fp32"}
    with pytest.raises(PlanError, match="no layer in bf16"):
        estimate(plan(tiny, **{"recipe.precision": "bf16", "profile": "tiny-cpu"}))


def test_a_profile_that_is_measured_again_is_read_again(measured: Profile, kept: Path, tiny: Model) -> None:
    before = layer_s(estimate(plan(tiny)))
    rows = [{**row.model_dump(), "median_s": 2 * row.median_s, "lower_quartile_s": 2 * row.lower_quartile_s,
             "upper_quartile_s": 2 * row.upper_quartile_s} for row in measured.rows]  # fmt: skip
    text = json.loads(profiles.to_text(measured)) | {"rows": rows}
    kept.write_text(json.dumps(text))
    assert layer_s(estimate(plan(tiny))) == pytest.approx(2 * before, rel=0.05)


def test_the_profile_tells_how_far_off_shapes_left_out_of_its_fit_are(measured: Profile) -> None:
    found = {(one.operation, one.direction): one for one in measured.summary.left_out}
    assert ("layer", "forward") in found and ("layer", "backward") in found
    assert all(one.rows == len(SHAPES) and 0 <= one.median <= one.p80 < 0.5 for one in found.values())
    ended = events.Finished("tiny.json", True, len(measured.rows), 1.0, measured.summary)
    told = command._closing(ended)
    assert "predicted from the other shapes" in told
    assert f"{100 * found['layer', 'forward'].median:.1f}\N{NO-BREAK SPACE}%" in told
