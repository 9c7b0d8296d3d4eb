"""The order in which one pipeline stage works through its micro-batches: GPipe, 1F1B, interleaved 1F1B."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What the order follows from. `chunks`: model chunks a stage holds (virtual stages)."""

    stages: int
    chunks: int
    micro_batches: int
    is_gpipe: bool = False

    @property
    def name(self) -> str:
        """As the field calls the schedule."""
        if self.stages == 1:
            return "one stage"
        return "GPipe" if self.is_gpipe else "interleaved 1F1B" if self.chunks > 1 else "1F1B"


@dataclass(frozen=True, slots=True)
class Work:
    """One micro-batch through one chunk, in one direction."""

    is_backward: bool
    micro_batch: int
    chunk: int


def order(pipeline: Pipeline, stage: int) -> list[Work]:
    """Everything a stage does in a step: Narayanan 2021 (arXiv 2104.04473), figures 3 and 4; interleaved in the order
    of Megatron's `forward_backward_pipelining_with_interleaving`."""
    total = pipeline.micro_batches * pipeline.chunks
    ahead = total if pipeline.is_gpipe else min(total, warm_up(pipeline, stage))
    forward, backward = ([_work(pipeline, i, is_backward=back) for i in range(total)] for back in (False, True))
    pairs = [work for pair in zip(forward[ahead:], backward, strict=False) for work in pair]
    return [*forward[:ahead], *pairs, *backward[total - ahead :]]


def warm_up(pipeline: Pipeline, stage: int) -> int:
    """Chunks forward before the first one backward: one for each later stage; interleaved, all but the last chunk of
    the first group of micro-batches, and two for each later stage."""
    after = pipeline.stages - 1 - stage
    return after if pipeline.chunks == 1 else 2 * after + (pipeline.chunks - 1) * pipeline.stages


def _work(pipeline: Pipeline, number: int, *, is_backward: bool) -> Work:
    """The chunks take turns after as many micro-batches as there are stages; backward begins with the last chunk."""
    if pipeline.chunks == 1:
        return Work(is_backward, number, 0)
    group, rest = divmod(number, pipeline.stages * pipeline.chunks)
    chunk, inside = divmod(rest, pipeline.stages)
    return Work(is_backward, group * pipeline.stages + inside, pipeline.chunks - 1 - chunk if is_backward else chunk)
