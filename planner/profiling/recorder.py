"""Times one task and writes down its rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from planner.profiling import devices, operations, timer
from planner.profiling.operations import Task
from planner.profiling.points import Point
from planner.profiling.pooling import kept, quartiles
from planner.timing.profile import Row


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
                **quartiles(each), "n": len(each), "samples_s": kept(each), "bytes": subject.bytes[stage],
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
