"""The pipeline run event by event: every stage in its order, each chunk as soon as its input is there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from planner.schedule.order import Pipeline, Work, order


@dataclass(frozen=True, slots=True)
class Block:
    """One piece of work with its time, seconds from the step's beginning. The stage is busy with its messages from
    `end_s` to `free_s`."""

    stage: int
    work: Work
    start_s: float
    end_s: float
    free_s: float


Durations = Sequence[Sequence[float]]
"""Seconds by stage and chunk, for one micro-batch."""


def simulate(pipeline: Pipeline, forward_s: Durations, backward_s: Durations, message_s: float) -> list[Block]:
    """Every block of a step, stage by stage. `message_s`: how long a stage is busy with its neighbours after a block.

    What leaves a stage is taken to be there at once: like the estimate, this leaves out the way of the first
    micro-batch's messages while the pipeline fills and drains (below half a percent of a step)."""
    orders = [order(pipeline, stage) for stage in range(pipeline.stages)]
    found: list[list[Block]] = [[] for _ in orders]
    ends: dict[tuple[bool, int, int], float] = {}
    free = [0.0] * pipeline.stages
    waiting = list(range(pipeline.stages))
    while waiting:
        for stage in waiting:
            for work in orders[stage][len(found[stage]) :]:
                ready = _ready_s(pipeline, stage, work, ends)
                if ready is None:
                    break
                lasts = (backward_s if work.is_backward else forward_s)[stage][work.chunk]
                start = max(free[stage], ready)
                end = start + lasts
                free[stage] = end + message_s
                ends[work.is_backward, work.micro_batch, work.chunk * pipeline.stages + stage] = end
                found[stage].append(Block(stage, work, start, end, free[stage]))
        waiting = [stage for stage in waiting if len(found[stage]) < len(orders[stage])]
    return [block for blocks in found for block in blocks]


def _ready_s(pipeline: Pipeline, stage: int, work: Work, ends: dict[tuple[bool, int, int], float]) -> float | None:
    """When the input of a block is there: the chunk before it forward, the one after it backward; None: not yet."""
    place = work.chunk * pipeline.stages + stage
    if not work.is_backward:
        return ends.get((False, work.micro_batch, place - 1)) if place else 0.0
    if place == pipeline.stages * pipeline.chunks - 1:
        return ends.get((False, work.micro_batch, place))
    return ends.get((True, work.micro_batch, place + 1))
