"""Predicted against measured: one row a figure, and the whole result as JSON. Nothing here needs torch."""

from __future__ import annotations

import statistics
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np

from planner.estimate import Estimate
from planner.plan.plan import Plan
from planner.profiling.verification_events import Predicted
from planner.timing.measured import REFERENCE_SHARE
from planner.units import percent

BUSY_LOAD = 0.1
"""Share of a processor's cores in other programs' hands above which measured times are told to be disturbed."""


@dataclass(frozen=True)
class Measured:
    """What real training took. Times in seconds, of the steps after warming up; memory in bytes."""

    step_times_s: tuple[float, ...]
    parts_s: dict[str, float]
    """Medians over the steps: forward, backward (with what it recomputes), head, optimizer, host."""
    kernels_s: dict[str, float]
    """One step under torch.profiler, by kind of kernel."""
    tokens_per_step: int
    parameters: int
    allocated_bytes: float
    allocated_from: str
    reserved_bytes: float | None
    reserved_from: str
    energy_j: float | None
    """Of one step; None where nothing can be read."""
    energy_from: str
    """The counter, or why there is none."""
    losses: tuple[float, ...]
    other_load: float | None
    """Share of the processor's cores that other programs took meanwhile."""
    slowing: float | None = None
    """How much longer a processor's reference product took than while the layer was measured; None where unknown."""

    @property
    def step_time_s(self) -> float:
        """The median step."""
        return statistics.median(self.step_times_s)

    @property
    def quartiles_s(self) -> tuple[float, float]:
        """Lower and upper quartile of the steps."""
        low, high = np.percentile(self.step_times_s, (25, 75))
        return float(low), float(high)


@dataclass(frozen=True)
class Row:
    """One figure both ways. `error` is predicted over measured − 1; None where one of the two is unknown."""

    what: str
    unit: str
    predicted: float | None
    low: float | None
    high: float | None
    measured: float | None
    note: str = ""

    @property
    def error(self) -> float | None:
        if self.predicted is None or not self.measured:
            return None
        return self.predicted / self.measured - 1

    @property
    def inside(self) -> bool | None:
        """The measured figure lies in the prediction's 80 % band."""
        if self.low is None or self.high is None or self.measured is None:
            return None
        return bool(self.low <= self.measured <= self.high)

    @property
    def json(self) -> dict[str, Any]:
        return {**asdict(self), "error": self.error, "inside_band": self.inside}


def predicted(found: Estimate) -> Predicted:
    """What is compared, of an estimate."""
    step, memory, figures = found.outcome.step, found.outcome.memory, found.figures
    low, high = figures["time.step"].low, figures["time.step"].high
    assert low is not None and high is not None
    return Predicted(
        step_time_s=float(step.total), step_time_band_s=(low, high), tokens_per_s=float(found.outcome.tokens_per_s),
        memory_allocated_bytes=float(memory.allocated), memory_reserved_bytes=float(memory.reserved),
        energy_j=float(found.outcome.power_w) * float(step.total) * found.plan.cluster.gpus,
        parts_s=_parts(found), profile=found.machine.profile, kernel_source=found.kernel_source,
        kernel_basis=str(found.machine.device.basis),
    )  # fmt: skip


def _parts(found: Estimate) -> dict[str, float]:
    """The estimate's parts as a real step tells them apart: with several ranks compute and messages are one."""
    step = found.outcome.step
    if found.plan.cluster.gpus > 1:
        rest = float(step.optimizer)
        return {"layers": float(step.total) - rest, "optimizer": rest}
    backward = float(step.backward + step.recompute + step.offload)
    return {
        "forward": float(step.forward), "backward": backward, "head": float(step.head),
        "optimizer": float(step.optimizer), "host": float(step.host + step.stragglers),
    }  # fmt: skip


def rows(there: Predicted, here: Measured) -> list[Row]:
    """The table: headline figures, then the step's parts."""
    low, high = there.step_time_band_s
    tokens = here.tokens_per_step
    found = [
        Row("step time", "s", there.step_time_s, low, high, here.step_time_s),
        Row("throughput", "tokens/s", there.tokens_per_s, tokens / high, tokens / low, tokens / here.step_time_s),
        Row(
            "memory allocated", "B", there.memory_allocated_bytes, None, None, here.allocated_bytes, here.allocated_from
        ),
        Row("memory reserved", "B", there.memory_reserved_bytes, None, None, here.reserved_bytes, here.reserved_from),
        Row("energy a step", "J", there.energy_j, None, None, here.energy_j, here.energy_from),
    ]
    if here.slowing is not None:
        shared = (1 + here.slowing) ** REFERENCE_SHARE
        slower = f"{percent(abs(here.slowing))} {'slower' if here.slowing > 0 else 'faster'}"
        told = f"the processor, by its reference product, was {slower} than while the layer was measured"
        then = (there.step_time_s * shared, low * shared, high * shared)
        found.insert(1, Row("step time at that speed", "s", *then, here.step_time_s, told))
    parts = [
        Row(f"step: {name}", "s", seconds, None, None, here.parts_s.get(name))
        for name, seconds in there.parts_s.items()
    ]
    return found + parts


def result(plan: Plan, notes: list[str], machine: dict[str, Any], there: Predicted, here: Measured) -> dict[str, Any]:
    """The object that `verify --json` prints. machine: device, host and PyTorch's version; plan: the one trained."""
    low, high = here.quartiles_s
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"), "machine": machine,
        "model": plan.model.name, "layers": plan.model.layers, "parameters": here.parameters,
        "device": machine["device"]["name"],
        "ranks": plan.cluster.gpus, "precision": plan.recipe.precision, "framework": plan.recipe.framework,
        "optimizer": plan.recipe.optimizer, "recompute": plan.layout.recompute,
        "data_parallel": plan.dp, "micro_batch": plan.layout.micro_batch,
        "sequence_length": plan.recipe.sequence_length, "global_batch": plan.recipe.global_batch,
        "steps": len(here.step_times_s),
        "predicted": _plain(there), "measured": {
            **asdict(here), "step_time_s": here.step_time_s, "step_time_quartiles_s": [low, high],
            "tokens_per_s": here.tokens_per_step / here.step_time_s,
        },
        "rows": [row.json for row in rows(there, here)], "notes": notes, "busy_load": BUSY_LOAD,
        "plan": plan.model_copy(update={"profile": there.profile}).model_dump(mode="json"),
    }  # fmt: skip


def _plain(there: Predicted) -> dict[str, Any]:
    return {**asdict(there), "step_time_band_s": list(there.step_time_band_s)}
