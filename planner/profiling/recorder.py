"""Times one task and writes down its rows; pools the rows of a shape that was come back to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from planner.profiling import devices, operations, timer
from planner.profiling.operations import Task
from planner.profiling.points import Point
from planner.timing.profile import Row

MOST_SAMPLES = 200
"""Times of single runs that a row keeps. A row of more keeps every so-many-eth of them in ascending order, and what is
pooled later counts for a little more."""
DIGITS = 5
"""Of a sample in the file."""


class Recorder:
    """Times tasks on one device."""

    def __init__(self, kind: str, cancel: Callable[[], bool]) -> None:
        self.kind, self.cancel = kind, cancel
        self.sensor = devices.Sensor(kind)
        self.clock = timer.clock_for(kind)

    def rows(self, task: Task, point: Point, cap_s: float) -> list[Row]:
        """The rows of one task, one a direction. Raises what torch raises for want of memory or of a kernel."""
        subject = task.prepare()
        self.sensor.start()
        base = operations.start_peak(self.kind)
        patience = replace(timer.PATIENCE[self.kind], cap_s=cap_s)
        samples = timer.measure(subject.once, self.clock, patience, sense=self.sensor.read, cancel=self.cancel)
        peak, origin = operations.peak_memory(self.kind, subject, base)
        rows = []
        for stage, times in enumerate(samples.stages):
            each = [time_s / task.repeats_inside for time_s in times]
            changes: dict[str, Any] = {
                **_quartiles(each), "n": len(each), "samples_s": _kept(each), "bytes": subject.bytes[stage],
                "parameters": subject.parameters, "peak_memory_bytes": peak, "peak_memory_from": origin,
                "activation_bytes": subject.activation_bytes, "condition": samples.condition,
                "throttled": self.sensor.is_throttled(samples.condition),
            }  # fmt: skip
            rows.append(Row.model_validate({**blank(task, point, stage).model_dump(), **changes}))
        return rows


def blank(task: Task, point: Point, stage: int) -> Row:
    """A task's row before it is timed: what makes it a measurement of this and nothing else."""
    model, t = task.model, point.shards
    widths: dict[str, Any] = {}
    if point.batch:
        widths = {
            "hidden": model.hidden, "heads": model.heads // t, "kv_heads": max(1, model.kv_heads // t),
            "head_dim": model.head_dim, "ffn": model.ffn // t, "vocabulary": math.ceil(model.vocabulary / t),
        }  # fmt: skip
    return Row(
        operation=task.operation, direction=task.directions[stage], dtype=task.dtype, batch=point.batch,
        sequence=point.sequence, shards=t, flops=task.flops[stage], median_s=1.0, lower_quartile_s=1.0,
        upper_quartile_s=1.0, n=1, sdpa=point.sdpa, compiled=point.compiled, variant=point.variant,
        recompute=point.recompute, l2="flushed" if point.flushed else "warm", **widths,
    )  # fmt: skip


def pooled(before: Row, now: Row) -> Row:
    """Two visits to one shape as one row: the runs of both, unless only one of them was undisturbed: then its own.

    A row without its samples (of an older file) gives way to one of as many runs.
    """
    if bool(before.throttled) != bool(now.throttled):
        return before if now.throttled else now
    if not before.samples_s or not now.samples_s:
        return now if now.n >= before.n else before
    samples = (*before.samples_s, *now.samples_s)
    condition = now.condition.model_copy(update={"reference_s": _reference_s(before, now)})
    return now.model_copy(update={
        **_quartiles(samples), "samples_s": _kept(samples), "n": before.n + now.n, "visits": before.visits + now.visits,
        "condition": condition,
        "peak_memory_bytes": max(before.peak_memory_bytes or 0.0, now.peak_memory_bytes or 0.0) or None,
    })  # fmt: skip


def _reference_s(before: Row, now: Row) -> float | None:
    """How fast a CPU was during both, by their runs."""
    found = [(row.condition.reference_s, row.n) for row in (before, now) if row.condition.reference_s is not None]
    return sum(time_s * n for time_s, n in found) / sum(n for _, n in found) if found else None


def folded(visits: Iterable[Row]) -> tuple[Row, ...]:
    """One row a shape: what was visited more than once, pooled; in the order of the first visits."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in visits:
        before = found.get(row.shape)
        found[row.shape] = pooled(before, row) if before else row
    return tuple(found.values())


def _quartiles(samples_s: Any) -> dict[str, float]:
    low, middle, high = np.percentile(samples_s, (25, 50, 75))
    return {"lower_quartile_s": float(low), "median_s": float(middle), "upper_quartile_s": float(high)}


def _kept(samples_s: Any) -> tuple[float, ...]:
    ascending = np.sort(samples_s)
    if len(ascending) > MOST_SAMPLES:
        ascending = np.quantile(ascending, (np.arange(MOST_SAMPLES) + 0.5) / MOST_SAMPLES)
    return tuple(float(f"{one:.{DIGITS}g}") for one in ascending)
