"""The schedule of a plan's step, with the times that its estimate is made of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from planner.estimate import Estimate
from planner.formula import Number
from planner.plan.workload import Workload, workload
from planner.schedule.order import Pipeline
from planner.schedule.simulation import Block, simulate
from planner.timing import layer
from planner.timing import step as step_timing

Kind = Literal["forward", "backward", "messages", "gradients", "optimizer", "other", "bubble"]
KINDS: dict[Kind, str] = {
    "forward": "Forward", "backward": "Backward", "messages": "Messages between stages",
    "gradients": "Gradient reduction", "optimizer": "Optimizer", "other": "Host and stragglers", "bubble": "Bubble",
}  # fmt: skip
MOST_BLOCKS = 12_000
"""A schedule of more is neither drawn nor simulated: nobody could see its blocks."""
HEAD_FORWARD = 1 / 3
"""Share of the head's time that is forward: one of its three products."""


@dataclass(frozen=True, slots=True)
class Event:
    """What one stage does from `start_s` to `end_s`. `collectives_s`: how much of a forward or backward waits for
    collectives that nothing hides. `micro_batch`: counted from 0, −1 where it is none's."""

    stage: int
    kind: Kind
    start_s: float
    end_s: float
    micro_batch: int = -1
    chunk: int = 0
    collectives_s: float = 0.0


@dataclass(frozen=True)
class Schedule:
    """One step, stage by stage."""

    pipeline: Pipeline
    blocks: tuple[Block, ...]
    collectives: tuple[tuple[float, ...], tuple[float, ...]]
    """Share of a block that waits for collectives, by direction and stage."""
    head_s: tuple[float, float]
    """Of the last chunk's blocks: head and loss, forward at the end and backward at the beginning."""
    tail: tuple[tuple[Kind, float], ...]
    """What every stage does after its last block, and for how long."""
    estimated_s: float
    """The step time of the estimate. It takes uneven stages for as long as the longest, so what is simulated may be
    shorter; with even ones both are equal."""

    @property
    def makespan_s(self) -> float:
        """From the step's beginning to its end."""
        return max(block.free_s for block in self.blocks) + sum(lasts for _, lasts in self.tail)

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Everything, stage by stage, in the order of time; bubbles are what lies between."""
        return tuple(event for stage in range(self.pipeline.stages) for event in self._of_stage(stage))

    def share(self, kind: Kind) -> float:
        """Share of all stages' time that goes into one kind."""
        spent = sum(event.end_s - event.start_s for event in self.events if event.kind == kind)
        return spent / (self.makespan_s * self.pipeline.stages)

    @property
    def table(self) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
        """Every event; stages, micro-batches and chunks are counted from 1."""
        header = ("stage", "what", "micro_batch", "chunk", "start_s", "end_s", "collectives_s")
        return header, [
            (one.stage + 1, one.kind, one.micro_batch + 1 or None, one.chunk + 1 if one.micro_batch >= 0 else None,
             one.start_s, one.end_s, one.collectives_s)
            for one in self.events
        ]  # fmt: skip

    @property
    def json(self) -> dict[str, Any]:
        """As `estimate --schedule --json` has it."""
        header, rows = self.table
        return {
            "name": self.pipeline.name, "stages": self.pipeline.stages, "chunks": self.pipeline.chunks,
            "micro_batches": self.pipeline.micro_batches, "makespan_s": self.makespan_s,
            "estimated_s": self.estimated_s, "shares": {kind: self.share(kind) for kind in KINDS},
            "events": [dict(zip(header, row, strict=True)) for row in rows],
        }  # fmt: skip

    def _of_stage(self, stage: int) -> Iterator[Event]:
        now = 0.0
        for block in (one for one in self.blocks if one.stage == stage):
            if block.start_s > now:
                yield Event(stage, "bubble", now, block.start_s)
            work, lasts = block.work, block.end_s - block.start_s
            waits = lasts * self.collectives[work.is_backward][stage]
            kind: Kind = "backward" if work.is_backward else "forward"
            yield Event(stage, kind, block.start_s, block.end_s, work.micro_batch, work.chunk, waits)
            if block.free_s > block.end_s:
                yield Event(stage, "messages", block.end_s, block.free_s, work.micro_batch, work.chunk)
            now = block.free_s
        for kind, lasts in self.tail:
            yield Event(stage, kind, now, now + lasts)
            now += lasts
        if now < self.makespan_s * (1 - 1e-12):
            yield Event(stage, "bubble", now, self.makespan_s)


def blocks_of(estimate: Estimate) -> int:
    """How many blocks a schedule would have."""
    w = workload(estimate.plan)
    return int(2 * w.pp * w.virtual_stages * w.micro_batches)


def schedule(estimate: Estimate) -> Schedule:
    """The step of an estimate's plan, simulated."""
    w, machine, step = workload(estimate.plan), estimate.machine, estimate.outcome.step
    pipeline = Pipeline(int(w.pp), int(w.virtual_stages), int(w.micro_batches), bool(w.gpipe))
    there, back = layer.passes(w, machine.device, machine.network, machine.software)
    head = float(step_timing.head_s(w, machine.device, machine.software))
    shares = layers_of(w, float(there.total + back.total), head, machine.software.balances_head)
    last = pipeline.stages - 1, pipeline.chunks - 1
    durations = [
        [
            [layers * float(one.total) + share * head * ((stage, chunk) == last) for chunk, layers in enumerate(held)]
            for stage, held in enumerate(shares)
        ]
        for one, share in ((there, HEAD_FORWARD), (back, 1 - HEAD_FORWARD))
    ]
    message = float(step_timing.messages_s(w, machine.network, machine.software)) / (2 * pipeline.chunks)
    blocks = simulate(pipeline, durations[0], durations[1], message)
    waits = tuple(
        tuple(
            sum(held) * _collectives_s(one) / max(sum(lasts), 1e-30) for held, lasts in zip(shares, part, strict=True)
        )
        for one, part in zip((there, back), durations, strict=True)
    )
    of_layers = float(there.offload + back.offload) * float(w.micro_batches) * max(map(sum, shares))
    tail: tuple[tuple[Kind, float], ...] = (
        ("gradients", float(step.gradients)),
        ("optimizer", float(step.optimizer) + max(0.0, float(step.offload) - of_layers)),
        ("other", float(step_timing.outside_layers_s(w, machine.software)) + float(step.stragglers)),
    )
    heads = head * HEAD_FORWARD, head * (1 - HEAD_FORWARD)
    return Schedule(pipeline, tuple(blocks), (waits[0], waits[1]), heads, tail, float(step.total))


def _collectives_s(one: layer.Pass) -> float:
    return float(one.tensor + one.context + one.experts + one.gather)


def layers_of(w: Workload, layer_s: float, head_s: float, balances_head: Number) -> list[list[float]]:
    """Layers of each chunk of each stage: even, one less at both ends where that evens the chunks, the first stages
    longer where nothing does; or dealt so that the stage with the head takes no longer than the others."""
    blocks, stages, chunks = int(w.blocks), int(w.pp), int(w.virtual_stages)
    slowest = float(step_timing.slowest_stage_s(blocks, stages, layer_s, head_s, balances_head))
    even = float(step_timing.slowest_stage_s(blocks, stages, layer_s, head_s, 0.0))
    if slowest < even * (1 - 1e-9):
        last = min(blocks, int((slowest - head_s) / layer_s + 1e-6))
        held = [*_dealt(blocks - last, stages - 1), last]
    elif chunks > 1 and blocks % (stages * chunks):
        whole = (blocks + 2) // (stages * chunks)
        return [
            [whole - ((stage, chunk) in ((0, 0), (stages - 1, chunks - 1))) for chunk in range(chunks)]
            for stage in range(stages)
        ]
    else:
        held = _dealt(blocks, stages)
    return [[layers / chunks] * chunks for layers in held]


def _dealt(layers: int, stages: int) -> list[int]:
    return [layers // stages + (stage < layers % stages) for stage in range(stages)]
