"""The simulated step against the estimate, and against what any schedule must keep to."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import library
from planner.estimate import estimate
from planner.plan.check import check
from planner.plan.file import load
from planner.plan.plan import Plan
from planner.plan.workload import workload
from planner.schedule.derivation import event_figure
from planner.schedule.memory import timelines
from planner.schedule.order import Pipeline
from planner.schedule.simulation import simulate
from planner.schedule.step import KINDS, Schedule, layers_of, schedule

PIPELINES = ("llama-2-70b", "gpt3-175b", "mixtral-8x7b", "llama-3.1-70b", "llama-33b")


def changed(name: str, **changes: Any) -> Plan:
    return load(name).replace(**{key.replace("__", "."): value for key, value in changes.items()})


def even(stages: int, chunks: int, seconds: float) -> list[list[float]]:
    return [[seconds] * chunks for _ in range(stages)]


@pytest.mark.parametrize(("stages", "chunks", "micro_batches", "is_gpipe"), [
    (4, 1, 8, False), (4, 1, 8, True), (4, 2, 8, False), (8, 4, 16, False), (1, 1, 3, False), (3, 1, 1, False),
])  # fmt: skip
def test_equal_stages_take_what_narayanan_says(stages: int, chunks: int, micro_batches: int, is_gpipe: bool) -> None:
    """(m + (p − 1)/v)·(t_f + t_b), arXiv 2104.04473 §2.2."""
    forward, backward = 1.0, 2.0
    pipeline = Pipeline(stages, chunks, micro_batches, is_gpipe)
    blocks = simulate(pipeline, even(stages, chunks, forward / chunks), even(stages, chunks, backward / chunks), 0.0)
    expected = (micro_batches + (stages - 1) / chunks) * (forward + backward)
    assert max(block.end_s for block in blocks) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("name", library.names("plans"))
def test_the_step_of_a_shipped_plan_takes_as_long_as_its_estimate_says(name: str) -> None:
    made = schedule(estimate(load(name)))
    if name == "llama-3.1-405b":  # one layer less at both ends: the estimate takes all stages as the longest
        assert 0.98 < made.makespan_s / made.estimated_s < 1
    else:
        assert made.makespan_s == pytest.approx(made.estimated_s, rel=1e-9)


@pytest.mark.parametrize("name", library.names("plans"))
def test_the_highest_peak_of_the_timelines_is_the_estimates_memory(name: str) -> None:
    result = estimate(load(name))
    lines = timelines(result, schedule(result))
    assert max(line.peak_bytes for line in lines) == pytest.approx(float(result.outcome.memory.total), rel=1e-9)
    assert all(line.points[0][1] == 0 and abs(line.points[-1][1]) < 1 for line in lines)
    assert all(line.peak_bytes <= lines[0].peak_bytes * (1 + 1e-9) for line in lines[1:-1])


@settings(max_examples=20, deadline=None)
@given(
    st.sampled_from(PIPELINES), st.sampled_from([1, 2, 4, 8]), st.sampled_from([1, 2, 5]),
    st.sampled_from(["1f1b", "gpipe"]), st.sampled_from(["none", "full"]),
)  # fmt: skip
def test_time_and_memory_agree_with_the_estimate_whatever_the_layout(
    name: str, pp: int, virtual: int, order: str, recompute: str
) -> None:
    plan = changed(
        name, layout__pp=pp, layout__virtual_stages=virtual, layout__schedule="1f1b" if virtual > 1 else order,
        layout__recompute=recompute,
    )  # fmt: skip
    if any(problem.severity == "error" for problem in check(plan)):
        return
    result = estimate(plan)
    made = schedule(result)
    assert made.makespan_s == pytest.approx(made.estimated_s, rel=0.02)
    if plan.model.layers % (pp * virtual) == 0:
        assert made.makespan_s == pytest.approx(made.estimated_s, rel=1e-9)
    peak = max(line.peak_bytes for line in timelines(result, made))
    assert peak == pytest.approx(float(result.outcome.memory.total), rel=1e-9)


def test_stages_cut_by_cost_are_shorter_where_the_head_is() -> None:
    plan = changed("llama-3.1-8b", layout__pp=4, layout__tp=2, recipe__framework="nanotron")
    layers = [sum(stage) for stage in layers_of(workload(plan), 1.0, 3.0, 1.0)]
    assert layers == [9, 9, 8, 6]
    made = schedule(estimate(plan))
    assert made.makespan_s == pytest.approx(made.estimated_s, rel=0.05)


def test_layers_are_dealt_whole_and_none_is_lost() -> None:
    plan = load("llama-3.1-405b")
    layers = layers_of(workload(plan), 1.0, 0.9, 0.0)
    assert sum(map(sum, layers)) == 126
    assert layers[0][0] == layers[-1][-1] == 1 and layers[1] == [2, 2, 2, 2]


@pytest.fixture(scope="module")
def made() -> Schedule:
    return schedule(estimate(load("llama-2-70b")))


def test_events_fill_every_stage_from_beginning_to_end(made: Schedule) -> None:
    for stage in range(made.pipeline.stages):
        mine = [event for event in made.events if event.stage == stage]
        assert mine[0].start_s == 0 and mine[-1].end_s == pytest.approx(made.makespan_s)
        assert all(one.end_s == pytest.approx(two.start_s) for one, two in pairwise(mine))
    assert sum(made.share(kind) for kind in KINDS) == pytest.approx(1)


def test_nothing_begins_before_its_input_is_there(made: Schedule) -> None:
    ends = {(b.work.is_backward, b.work.micro_batch, b.work.chunk * 4 + b.stage): b.end_s for b in made.blocks}
    for block in made.blocks:
        place = block.work.chunk * 4 + block.stage
        if block.work.is_backward:
            assert block.start_s >= ends[False, block.work.micro_batch, place] - 1e-12
        before = (block.work.is_backward, block.work.micro_batch, place + (1 if block.work.is_backward else -1))
        assert block.start_s >= ends.get(before, 0.0) - 1e-12


def test_a_stage_does_one_thing_at_a_time(made: Schedule) -> None:
    for one, two in pairwise(made.blocks):
        assert one.stage != two.stage or two.start_s >= one.free_s - 1e-12


def test_gpipe_holds_all_micro_batches_and_1f1b_no_more_than_stages() -> None:
    peaks = {}
    for name in ("1f1b", "gpipe"):
        plan = changed("llama-2-70b", layout__virtual_stages=1, layout__schedule=name)
        result = estimate(plan)
        line = timelines(result, schedule(result))[0]
        peaks[name] = max(moving for _, moving in line.points)
    assert peaks["gpipe"] == pytest.approx(2 * peaks["1f1b"], rel=0.01)  # 8 micro-batches, 4 stages


def test_a_bubble_opens_into_the_two_moments_it_lies_between() -> None:
    found = estimate(load("llama-2-70b"))
    step = schedule(found)
    bubble = next(one for one in step.events if one.kind == "bubble" and one.start_s > 0)
    figure = event_figure(found, step, bubble)
    assert figure.value == bubble.end_s - bubble.start_s
    assert figure.node is not None and list(map(float, figure.node.inputs.values())) == [bubble.end_s, bubble.start_s]
