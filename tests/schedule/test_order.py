"""The order of a stage's work, against the figures of the papers."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.schedule.order import Pipeline, Work, order, warm_up


def written(pipeline: Pipeline, stage: int) -> str:
    """Like the figures: micro-batches from 1, backward with a prime, chunks as letters."""
    letters = "" if pipeline.chunks == 1 else "abcdefgh"
    return " ".join(
        f"{work.micro_batch + 1}{letters[work.chunk : work.chunk + 1]}{'´' * work.is_backward}"
        for work in order(pipeline, stage)
    )


def test_1f1b_is_figure_4_of_narayanan() -> None:
    pipeline = Pipeline(stages=4, chunks=1, micro_batches=8)
    assert written(pipeline, 0).startswith("1 2 3 4 1´ 5 2´ 6 3´ 7 4´ 8 5´ 6´ 7´ 8´")
    assert written(pipeline, 2).startswith("1 2 1´ 3 2´ 4 3´")
    assert written(pipeline, 3).startswith("1 1´ 2 2´ 3 3´")


def test_gpipe_is_all_forward_then_all_backward() -> None:
    assert written(Pipeline(2, 1, 3, is_gpipe=True), 0) == "1 2 3 1´ 2´ 3´"


def test_interleaved_takes_as_many_micro_batches_as_stages_through_a_chunk_before_the_next() -> None:
    pipeline = Pipeline(stages=4, chunks=2, micro_batches=8)
    assert written(pipeline, 3).startswith("1a 2a 3a 4a 1b 1b´ 2b 2b´ 3b 3b´ 4b 4b´ 5a 1a´ 6a 2a´")
    assert warm_up(pipeline, 0) == 2 * 3 + 4


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 6), st.integers(1, 4), st.integers(1, 5), st.booleans())
def test_every_stage_does_everything_once_and_forward_before_backward(
    stages: int, chunks: int, groups: int, is_gpipe: bool
) -> None:
    pipeline = Pipeline(stages, chunks if stages > 1 else 1, groups * stages, is_gpipe)
    for stage in range(stages):
        works = order(pipeline, stage)
        assert set(Counter(works).values()) == {1}
        assert len(works) == 2 * pipeline.chunks * pipeline.micro_batches
        for work in (one for one in works if one.is_backward):
            assert works.index(Work(False, work.micro_batch, work.chunk)) < works.index(work)


@pytest.mark.parametrize(("pipeline", "name"), [
    (Pipeline(1, 1, 4), "one stage"), (Pipeline(2, 1, 4), "1F1B"), (Pipeline(2, 2, 4), "interleaved 1F1B"),
    (Pipeline(2, 1, 4, is_gpipe=True), "GPipe"),
])  # fmt: skip
def test_schedules_are_called_as_the_field_calls_them(pipeline: Pipeline, name: str) -> None:
    assert pipeline.name == name
