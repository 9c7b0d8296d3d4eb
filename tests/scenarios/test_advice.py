"""Advice is true, possible and to the point: what it promises is what the estimate says of the changed plan."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import library
from planner.estimate import Estimate, estimate
from planner.plan.check import check
from planner.plan.file import load, with_settings
from planner.plan.plan import Plan
from planner.plan.workload import workload
from planner.scenarios.advice import LEAST_GAIN, MOST, Advice, advise
from planner.scenarios.bottlenecks import bottlenecks, idle_s
from planner.scenarios.neighbours import nearby


def changed(name: str, **changes: Any) -> Plan:
    return load(name).replace(**{key.replace("__", "."): value for key, value in changes.items()})


def holds(result: Estimate, one: Advice) -> None:
    """The promise is kept, nothing breaks, and the change is the one told."""
    plan = with_settings(result.plan, list(one.changes.items()))
    assert plan == one.plan
    there = estimate(plan)
    assert there.fits and not [problem for problem in check(plan) if problem.severity == "error"]
    for key, value in (
        ("cost_usd", there.outcome.total_usd), ("train_time_s", there.outcome.train_time_s),
        ("memory_bytes", there.outcome.memory.total),
    ):  # fmt: skip
        assert one.after[key] == pytest.approx(float(value), rel=1e-12, nan_ok=True)
    assert one.gain >= LEAST_GAIN or one.bottleneck.key == "memory"
    assert "→" in one.words


@pytest.mark.parametrize("name", library.names("plans"))
def test_what_is_advised_for_a_shipped_plan_comes_true(name: str) -> None:
    result = estimate(load(name))
    told = advise(result)
    assert len(told) <= MOST and len({one.bottleneck.key for one in told}) == len(told)
    assert [one.gain for one in told] == sorted((one.gain for one in told), reverse=True)
    for one in told:
        holds(result, one)


@settings(max_examples=12, deadline=None)
@given(
    st.sampled_from(["llama-2-13b", "mixtral-8x7b", "gpt3-175b"]), st.sampled_from([1, 2, 4, 8]),
    st.sampled_from([1, 2, 4]), st.sampled_from([0, 1, 2, 3]), st.sampled_from(["none", "full"]),
)  # fmt: skip
def test_it_comes_true_whatever_the_layout(name: str, tp: int, pp: int, zero: int, recompute: str) -> None:
    plan = changed(name, layout__tp=tp, layout__pp=pp, layout__virtual_stages=1, layout__zero_stage=zero,
                   layout__recompute=recompute)  # fmt: skip
    if any(problem.severity == "error" for problem in check(plan)):
        return
    result = estimate(plan)
    for one in advise(result):
        holds(result, one)


def keys(plan: Plan) -> dict[str, Advice]:
    return {one.bottleneck.key: one for one in advise(estimate(plan))}


def test_a_bubble_is_met_by_the_pipeline() -> None:
    one = keys(changed("llama-3.1-405b", layout__virtual_stages=1))["bubble"]
    assert one.changes == {"layout.virtual_stages": 4} and one.change("train_time_s") < -0.3


def test_needless_recomputation_is_switched_off() -> None:
    one = keys(changed("llama-2-7b", layout__recompute="full"))["recompute"]
    assert one.changes["layout.recompute"] in ("none", "selective")


def test_a_plan_that_does_not_fit_is_first_made_to_fit() -> None:
    result = estimate(changed("llama-2-70b", layout__pp=1, layout__virtual_stages=1, layout__zero_stage=0))
    first, *_ = advise(result)
    assert not result.fits and first.bottleneck.key == "memory"
    holds(result, first)


def test_a_slow_network_is_met_by_a_faster_one_with_its_price() -> None:
    one = keys(changed("llama-2-70b", cluster__fabric="ethernet-25"))["network"]
    assert one.changes["cluster.fabric"].startswith(("roce", "infiniband"))
    assert one.changes["prices.usd_per_gpu_hour"] > 2.45  # the plan's all-in price with a dearer fabric in it
    assert one.change("train_time_s") < one.change("cost_usd") < 0


def test_attention_written_out_is_met_by_a_fused_kernel() -> None:
    assert keys(changed("gpt2-xl", recipe__attention="unfused"))["memory traffic"].changes == {
        "recipe.attention": "flash"
    }


def test_without_a_price_time_counts() -> None:
    plan = load("gpt2").replace(**{"cluster.accelerator": "MI100", "recipe.precision": "fp16", "layout.micro_batch": 8})
    told = advise(estimate(plan))
    assert told and all(one.gain == -one.change("train_time_s") > 0 for one in told)
    json.dumps([one.json for one in told], allow_nan=False)


def test_the_bottlenecks_are_the_estimates_own_parts() -> None:
    result = estimate(load("llama-2-70b"))
    found = {one.key: one for one in bottlenecks(result)}
    for key in ("bubble", "tensor", "pipeline", "gradients"):
        assert found[key].seconds == pytest.approx(float(getattr(result.outcome.step, key)))
        assert found[key].figure in result.figures
    assert 0 < found["kernels"].seconds < float(result.outcome.step.total) / 4
    assert 0 < found["memory traffic"].seconds < float(result.outcome.step.total)


def test_idle_by_hand() -> None:
    # Three stages of 4, 4 and 1 s, ten micro-batches, no virtual stages: the mean stage works 3 s of the slowest's 4.
    assert idle_s(40.0, 4.0 + 1.0, 3, 1, 10) == pytest.approx(10.0)
    assert idle_s(40.0, 8.0, 3, 1, 10) == 0  # equal ones
    assert idle_s(40.0, 0.0, 1, 1, 10) == 0


def test_every_neighbour_is_a_plan_and_its_numbers_are_the_estimates() -> None:
    result = estimate(changed("llama-2-13b", layout__virtual_stages=1))
    layouts, times = [], []
    for block in nearby(result.plan, result.machine, 3):
        layouts += block.layouts
        times += block.time_s.tolist()
    assert len(layouts) > 50 and len({json.dumps(layout, sort_keys=True) for layout in layouts}) == len(layouts)
    for number in range(0, len(layouts), 25):
        plan = result.plan.replace(**{f"layout.{name}": value for name, value in layouts[number].items()})
        assert not [problem for problem in check(plan) if problem.severity == "error"]
        assert float(estimate(plan).outcome.train_time_s) == pytest.approx(times[number], rel=1e-12)
        assert workload(plan).gpus == workload(result.plan).gpus
