"""Each end of a range is the estimate of the plan that has it; laws that any sensitivity must keep."""

from __future__ import annotations

import json

import pytest

from planner import library
from planner.estimate import Estimate, estimate
from planner.plan.file import load
from planner.scenarios.ranges import ranges
from planner.scenarios.sensitivity import PREDICTION, Sensitivity, curve, range_of, sensitivity
from planner.scenarios.variants import MEASURES


@pytest.fixture(scope="module")
def result() -> Estimate:
    return estimate(load("llama-2-70b"))


@pytest.fixture(scope="module")
def found(result: Estimate) -> Sensitivity:
    return sensitivity(result)


def test_the_base_is_the_estimate(result: Estimate, found: Sensitivity) -> None:
    for key, measure in MEASURES.items():
        if measure.figure in result.figures:
            assert found.base[key] == pytest.approx(result.figures[measure.figure].value, rel=1e-12)


def test_each_end_is_what_the_estimate_says_of_that_plan(result: Estimate, found: Sensitivity) -> None:
    for swing in [one for one in found.swings if one.range is not None and not one.range.is_constant][::2]:
        end = swing.ends[-1]
        if end.measures is None:
            continue
        there = estimate(result.plan.replace(**{swing.key: end.value}))
        assert end.measures["cost_usd"] == pytest.approx(float(there.outcome.total_usd), rel=1e-12), swing.key
        assert end.measures["memory_bytes"] == pytest.approx(float(there.outcome.memory.total), rel=1e-12), swing.key
        assert end.fits == there.fits


def test_what_must_move_a_measure_does_and_what_cannot_does_not(found: Sensitivity) -> None:
    moving = {key: {one.key for one in found.ranked(key)} for key in MEASURES}
    assert "prices.usd_per_gpu_hour" in moving["cost_usd"] - moving["train_time_s"]
    assert "prices.pue" in moving["energy_kwh"] - moving["cost_usd"]
    assert "prices.grid_kg_per_kwh" in moving["co2e_kg"] - moving["energy_kwh"]
    assert moving["perplexity"] == {"recipe.tokens", PREDICTION}
    assert "layout.zero_stage" in moving["memory_bytes"]
    assert "software.expert_imbalance" not in moving["train_time_s"]  # a dense model


def test_the_widest_comes_first(found: Sensitivity) -> None:
    for key in MEASURES:
        widths = [high - low for low, high in (one.span(key, found.base[key]) for one in found.ranked(key))]
        assert widths == sorted(widths, reverse=True)


def test_the_prediction_itself_swings_by_its_band(result: Estimate, found: Sensitivity) -> None:
    own = found.swings[-1]
    cost = result.figures["money.total"]
    assert own.key == PREDICTION and own.span("cost_usd", cost.value) == pytest.approx((cost.low, cost.high))


def test_a_value_that_contradicts_the_plan_says_why() -> None:
    plan = load("llama-2-7b").replace(**{"cluster.nodes": 1, "recipe.global_batch": 8, "layout.tp": 1})
    swing = next(one for one in sensitivity(estimate(plan)).swings if one.key == "cluster.nodes")
    assert [end.measures is None for end in swing.ends] == [True] and "sequences" in swing.ends[0].why


def test_ranges_are_data_with_reasons_and_sources() -> None:
    for row in library.read_json(library.SHIPPED / "sensitivity.json")["rows"]:
        assert row["reason"] and row["source"] and row["confidence"] in ("seen", "recalled", "assumed")
        assert ("path" in row) != ("constant" in row)


def test_ranges_fit_the_plan(result: Estimate) -> None:
    known = {one.key: one for one in ranges(result.plan, result.machine)}
    assert known["prices.usd_per_gpu_hour"].values == (0.8, 3.45)  # of the offers in profiles/prices.json
    assert "recipe.precision" not in known  # an A100 has no fp8
    hopper = estimate(load("llama-3.1-8b"))
    assert "fp8" in {one.key: one for one in ranges(hopper.plan, hopper.machine)}["recipe.precision"].values


def test_a_curve_goes_through_the_plan_and_both_ends(result: Estimate, found: Sensitivity) -> None:
    chosen = range_of(result, "recipe.tokens")
    assert chosen is not None
    points = curve(result, chosen).points
    assert [point.value for point in points] == sorted(point.value for point in points)
    own = next(point for point in points if point.value == result.plan.recipe.tokens)
    assert own.measures == found.base
    assert points[0].measures["perplexity"] > own.measures["perplexity"] > points[-1].measures["perplexity"]
    assert points[0].value * 4 == points[-1].value


def test_a_curve_of_whole_numbers_leaves_out_what_cannot_be(result: Estimate) -> None:
    chosen = range_of(result, "cluster.nodes")
    assert chosen is not None
    found = curve(result, chosen)
    assert [point.value for point in found.points] == [128, 256, 512] and found.left_out > 0
    choice = range_of(result, "layout.recompute")
    assert choice is not None and {point.value for point in curve(result, choice).points} == {
        "none",
        "selective",
        "full",
    }


def test_everything_can_be_printed(found: Sensitivity, result: Estimate) -> None:
    json.dumps(found.json, allow_nan=False)
    header, rows = found.table
    assert rows and all(len(row) == len(header) for row in rows)
    unpriced = load("gpt2").replace(**{"cluster.accelerator": "MI100", "recipe.precision": "fp16"})
    unknown = sensitivity(estimate(unpriced))
    assert unknown.ranked("cost_usd") == [] and unknown.ranked("train_time_s")
    json.dumps(unknown.json, allow_nan=False)
