"""The sequential design: what it measures next, on rows as a profile holds them."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from planner.plan import shipped
from planner.profiling import design, timer
from planner.profiling.demand import Demand
from planner.profiling.design import Design
from planner.profiling.points import Offers, Point, points
from planner.timing.profile import Row

OFFERS = Offers(("fp16", "fp32", "tf32", "fp8"), ("flash", "cudnn", "math"), ("foreach", "for-loop"), compiler=True)
RATES = {"bf16": 4e14, "fp16": 4e14, "fp32": 3e13, "tf32": 2e14, "fp8": 8e14}


def made(limit_bytes: float = 8e10) -> Design:
    """The full suite of Llama 2 7B on a GPU of 80 GB."""
    model = shipped.model("llama-2-7b")
    demand = Demand(model, "cuda", "bf16", limit_bytes, RATES, 2e12, 10**8)
    suite = points(model, "full", "cuda", OFFERS)
    return Design((*suite.essential, *suite.grid), demand)


def rows(one: Design, point: Point, slower: float = 1.3, **changes: Any) -> list[Row]:
    """As a visit records them: ten runs an operation, a hundredth apart, all `slower` than the first idea."""
    kinds = [(operation, 1.0) for operation in point.operations]
    once_s = slower * one.demand.once_s(point) / len(kinds)
    return [
        Row.model_validate({
            "operation": operation, "direction": "forward", "dtype": "bf16", "median_s": once_s, "n": 10,
            "lower_quartile_s": 0.995 * once_s, "upper_quartile_s": 1.005 * once_s, **changes,
        })
        for operation, _ in kinds
    ]  # fmt: skip


def simulated(one: Design, left_s: float = 300.0, **changes: Any) -> list[Point]:
    """The points that are measured, one after another, until the time is up."""
    chosen = []
    while (point := one.next(left_s, left_s / 5)) is not None:
        took_s = one.seconds(point)
        left_s -= took_s
        one.learn(point, rows(one, point, **changes), took_s)
        chosen.append(point)
    return chosen


def test_the_same_rows_lead_to_the_same_design() -> None:
    assert simulated(made()) == simulated(made())


def test_time_goes_over_every_family_before_any_shape_is_come_back_to() -> None:
    one = made()
    chosen = simulated(one, 600.0)
    first_again = next((n for n, point in enumerate(chosen) if point in chosen[:n]), len(chosen))
    families = {point.family for point in chosen[:first_again]}
    assert len(families) > 0.6 * len({point.family for point in one.points})


def test_what_is_measured_leaves_less_uncertain() -> None:
    one = made()
    before = one.deviation
    point = one.next(300.0, 60.0)
    assert point
    one.learn(point, rows(one, point))
    assert one.deviation < before
    simulated(one, 900.0)
    assert one.deviation < 0.15 * before


def test_a_disturbed_visit_teaches_less_and_is_come_back_to() -> None:
    quiet, disturbed = made(), made()
    point = Point("layer", 1, 4096)
    for one, throttled in ((quiet, False), (disturbed, True)):
        one.learn(point, rows(one, point, throttled=throttled))
    number = quiet.points.index(point)
    assert disturbed.knowledge.deviations[number] > 3 * quiet.knowledge.deviations[number]
    weights = [float(one.knowledge.gains(one._worth, one._worth * 0 + 0.04)[number]) for one in (quiet, disturbed)]
    assert weights[1] > 5 * weights[0]


def test_a_point_that_takes_longer_than_the_time_left_is_not_chosen() -> None:
    one = made()
    chosen = one.ahead(20.0, 4.0)
    assert sum(map(one.seconds, chosen)) <= 20.0 and max(map(one.seconds, chosen)) <= 4.0
    assert not any(point.compiled for point in chosen)
    assert one.next(0.01, 0.01) is None


def test_planning_ahead_learns_nothing() -> None:
    one = made()
    deviation, following = one.deviation, one.next(300.0, 60.0)
    assert one.ahead(300.0, 60.0)[0] == following
    assert (one.deviation, one.next(300.0, 60.0)) == (deviation, following)


def test_the_first_times_correct_the_idea_of_all_others() -> None:
    """A device that is three times slower than its data sheet has it."""
    one = made()
    far = Point("layer", 8, 4096)
    before = one.once_s(far)
    for point in (Point("layer", 1, 1024), Point("layer", 1, 4096)):
        one.learn(point, rows(one, point, slower=3.0))
    assert one.once_s(far) == pytest.approx(3 * before, rel=0.25)
    beside = Point("layer", 3, 4096)
    assert beside not in one.knowledge
    assert one.once_s(beside) / one.demand.once_s(beside) == pytest.approx(3.0, rel=0.25)


def test_overhead_is_learned_compiling_apart_from_the_rest() -> None:
    one = made()
    eager, compiled = Point("layer", 1, 1024), Point("layer", 1, 1024, compiled=True)
    assert one.seconds(compiled) - one.seconds(eager) == pytest.approx(design.COMPILE_S["cuda"], rel=0.05)
    measured = rows(one, compiled)
    run_s = sum(row.median_s for row in measured) * (10 + timer.PATIENCE["cuda"].warm_up + 1)
    one.learn(compiled, measured, run_s + 7.0)
    assert one.overhead_s(replace(compiled, sequence=4096)) == pytest.approx(7.0)
    assert one.overhead_s(eager) == design.OVERHEAD_S["cuda"]


def test_what_is_impossible_is_dropped_with_its_family_and_what_is_too_large_with_the_larger() -> None:
    one = made()
    one.drop(Point("layer", 1, 4096, compiled=True), family=True)
    one.drop(Point("layer", 8, 4096), larger=True)
    chosen = one.ahead(10_000.0, 10_000.0)
    assert not any(point.family == ("layer", "compiled") for point in chosen)
    plain = [point for point in chosen if point.family == ("layer", "") and point.shards == 1]
    assert plain and all(point.tokens <= 8 * 4096 for point in plain)


def test_points_that_do_not_fit_are_not_there() -> None:
    small, large = made(4e9), made()
    assert set(small.points) < set(large.points)
    assert all(small.demand.needed_bytes(point) <= 4e9 for point in small.points if point.group != "optimizer")


def test_worth_is_a_share_and_most_of_it_the_plain_layers() -> None:
    one = made()
    assert math.isclose(one._worth.sum(), 1.0)
    by_family: dict[tuple[str, str], float] = {}
    for point, worth in zip(one.points, one._worth, strict=True):
        by_family[point.family] = by_family.get(point.family, 0.0) + float(worth)
    assert max(by_family, key=lambda family: by_family[family]) == ("layer", "")


@pytest.mark.parametrize(
    ("changes", "least", "most"),
    [({}, 0.03, 0.05), ({"n": 1}, 0.1, 0.12), ({"visits": 9}, 0.01, 0.02), ({"throttled": True}, 0.4, 0.45)],
)
def test_the_error_of_a_row_knows_runs_visits_and_disturbance(
    changes: dict[str, Any], least: float, most: float
) -> None:
    one = made()
    assert least <= design.error_of(rows(one, Point("optimizer"), **changes)) <= most
