"""What the GPUs of each stage hold in memory while a step runs, from its schedule and the estimate's own sizes."""

from __future__ import annotations

from dataclasses import dataclass

from planner.counting import memory as counting
from planner.counting.activations import layer_saved_bytes
from planner.estimate import Estimate
from planner.formula import Number
from planner.plan.workload import Workload, workload
from planner.schedule.simulation import Block
from planner.schedule.step import Schedule


@dataclass(frozen=True)
class Timeline:
    """Bytes of one stage over a step. Between two points the activations grow or shrink layer by layer, evenly."""

    stage: int
    states: float
    """Weights, gradients, optimizer."""
    rest: float
    """Gathered shards, buffers, the allocator's reserve, the CUDA context."""
    points: tuple[tuple[float, float], ...]
    """(seconds, bytes of activations, logits and what is recomputed)."""

    @property
    def peak_bytes(self) -> float:
        """The most that it holds at once."""
        return self.states + self.rest + max(moving for _, moving in self.points)


def timelines(estimate: Estimate, schedule: Schedule) -> list[Timeline]:
    """One of each stage. The highest peak is the estimate's memory."""
    w = workload(estimate.plan)
    device_bytes = estimate.plan.cluster.accelerator.memory_bytes
    found = []
    for stage in range(schedule.pipeline.stages):
        held = counting.stage(w, estimate.outcome.parameters, stage, estimate.machine.allocation, device_bytes)
        states = float(held.weights + held.gradients + held.optimizer)
        rest = float(held.gathered + held.buffers + held.reserve + held.context)
        blocks = [block for block in schedule.blocks if block.stage == stage]
        points = _points(w, estimate, schedule, held, blocks)
        found.append(Timeline(stage, states, rest, (*points, (schedule.makespan_s, 0.0))))
    return found


def _points(
    w: Workload, estimate: Estimate, schedule: Schedule, held: counting.Memory, blocks: list[Block]
) -> list[tuple[float, float]]:
    """Up by a chunk with each block forward, down with each backward; a layer that is computed again and the logits
    come on top. Logits stay from the loss to their own backward where that follows at once."""
    a_chunk, again = map(float, sizes(w, estimate, schedule, held, blocks[0].stage))
    return _path(schedule, blocks, a_chunk, again, float(held.logits))


def sizes(
    w: Workload, estimate: Estimate, schedule: Schedule, held: counting.Memory, stage: int
) -> tuple[Number, Number]:
    """Bytes of a chunk of a micro-batch in flight, and of the layer that is computed again."""
    pipeline = schedule.pipeline
    whole, _, _ = layer_saved_bytes(w, estimate.machine.allocation)
    again = w.recompute_full * whole
    after, chunks = pipeline.stages - 1 - stage, pipeline.chunks
    most = counting.layers_in_flight(chunks, after, pipeline.stages, chunks, pipeline.micro_batches, w.gpipe)
    return (held.activations - again) / most, again


def alive(schedule: Schedule, stage: int, index: int) -> tuple[float, float, float]:
    """How many chunks in flight, layers computed again and logits a stage holds at a point of its timeline."""
    blocks = [block for block in schedule.blocks if block.stage == stage]
    units = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    paths = [(*_path(schedule, blocks, *unit), (0.0, 0.0)) for unit in units]
    chunks, layers, logits = (path[index][1] for path in paths)
    return chunks, layers, logits


def _path(
    schedule: Schedule, blocks: list[Block], a_chunk: float, again: float, logits_bytes: float
) -> list[tuple[float, float]]:
    """Seconds and bytes, from the sizes of what comes and goes."""
    after, chunks = schedule.pipeline.stages - 1 - blocks[0].stage, schedule.pipeline.chunks
    now, points = 0.0, [(0.0, 0.0)]
    for block, following in zip(blocks, [*blocks[1:], None], strict=True):
        has_head = after == 0 and block.work.chunk == chunks - 1
        logits = logits_bytes * has_head
        there, back = (seconds * has_head for seconds in schedule.head_s)
        start, end = block.start_s, block.end_s
        if block.work.is_backward:
            top = now + again
            points += [(start, now), (start, top + logits), (start + back, top + logits), (start + back, top)]
            points += [(end, top - a_chunk), (end, now - a_chunk)]
            now -= a_chunk
        else:
            now += a_chunk
            points += [(start, now - a_chunk), (end - there, now), (end - there, now + logits), (end, now + logits)]
            stays = following is not None and following.work.is_backward
            points += [(following.start_s, now + logits)] if stays and following else [(end, now)]
    return points
