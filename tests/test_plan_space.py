"""Laws that hold for every plan, tried on plans from all over the space of what a plan can say.

A dozen examples a law here; `EXAMPLES=2000 pytest tests/test_plan_space.py` tries more.
"""

from __future__ import annotations

import itertools
import json
import math
import os
from dataclasses import fields

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from planner.costing.rates import rates
from planner.estimate import Outcome, compute, estimate, machine
from planner.plan import file
from planner.plan.check import check
from planner.plan.plan import Plan
from planner.plan.workload import Workload, workload

EXAMPLES = int(os.environ.get("EXAMPLES", "12"))
space = settings(
    deadline=None, max_examples=EXAMPLES, derandomize="EXAMPLES" not in os.environ,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)  # fmt: skip
BASES = ["gpt2", "llama-2-7b", "llama-2-70b", "mixtral-8x7b", "gpt3-175b"]
ACCELERATORS = ["A100-80GB-SXM", "H100-80GB-SXM", "V100-32GB-SXM", "B200-SXM", "MI300X", "L40S"]


def powers(most: int) -> st.SearchStrategy[int]:
    """1, 2, 4 … 2^most."""
    return st.integers(0, most).map(lambda exponent: 2**exponent)


CHANGES = st.fixed_dictionaries({
    "cluster.accelerator": st.sampled_from(ACCELERATORS), "cluster.gpus_per_node": powers(3),
    "cluster.nodes": powers(10),
    "cluster.fabric.bits_per_s_per_gpu": st.floats(1e9, 1e13), "cluster.fabric.latency_s": st.floats(0, 1e-3),
    "cluster.failures_per_node_day": st.floats(0, 0.1), "cluster.other_losses": st.floats(0, 0.9),
    "model.layers": st.integers(1, 60).map(lambda n: 2 * n), "model.hidden": st.integers(1, 160).map(lambda n: 128 * n),
    "model.vocabulary": st.integers(256, 300_000), "recipe.tokens": st.integers(10**6, 10**18),
    "recipe.sequence_length": powers(17), "recipe.global_batch": powers(14),
    "recipe.optimizer": st.sampled_from(["adamw", "adamw-8bit", "adafactor", "muon", "sgd"]),
    "recipe.precision": st.sampled_from(["fp32", "fp16", "bf16"]), "recipe.dropout": st.booleans(),
    "layout.tp": powers(3), "layout.pp": powers(4), "layout.cp": powers(2), "layout.micro_batch": powers(3),
    "layout.zero_stage": st.integers(0, 3), "layout.sequence_parallel": st.booleans(),
    "layout.schedule": st.sampled_from(["1f1b", "gpipe"]),
    "layout.recompute": st.sampled_from(["none", "selective", "full"]),
    "prices.usd_per_gpu_hour": st.floats(0.01, 1000), "prices.pue": st.floats(1, 3),
})  # fmt: skip


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan that nothing speaks against, changed in a few to all of its numbers."""
    base = file.load(draw(st.sampled_from(BASES)))
    wanted = draw(CHANGES)
    kept = draw(st.sets(st.sampled_from(sorted(wanted)), min_size=3))
    plain = [("layout.virtual_stages", 1), ("layout.sequence_parallel", False)]
    plan = file.with_settings(base, [*plain, *((name, wanted[name]) for name in sorted(kept))])
    assume(is_whole(plan))
    return plan


def is_whole(plan: Plan) -> bool:
    return not any(problem.severity == "error" for problem in check(plan))


def outcome(plan: Plan) -> Outcome:
    return compute(workload(plan), machine(plan), rates(plan))


def doubled(plan: Plan, path: str) -> Plan:
    section, name = path.split(".")
    changed = plan.replace(**{path: 2 * getattr(getattr(plan, section), name)})
    assume(is_whole(changed))
    return changed


@space
@given(plans())
def test_parts_sum_to_their_totals_and_every_figure_is_a_finite_number(plan: Plan) -> None:
    result = estimate(plan)
    for parts, total in (
        (result.memory_parts, "memory.total"), (result.time_parts, "time.step"), (result.money_parts, "money.total"),
    ):  # fmt: skip
        assert math.fsum(part.value for part in parts) == pytest.approx(result.figures[total].value, rel=1e-9)
        assert all(part.value >= 0 for part in parts)
    numbers = {key: one.value for key, one in result.figures.items() if isinstance(one.value, float)}
    assert all(map(math.isfinite, numbers.values())), numbers
    o = result.outcome
    assert o.tokens_per_s * o.productive_s == pytest.approx(plan.recipe.tokens, rel=1e-9)
    assert o.gpu_hours * 3600 == pytest.approx(o.train_time_s * plan.cluster.gpus)
    assert 0 < o.mfu_causal <= o.mfu * (1 + 1e-12) and o.mfu <= o.hfu * (1 + 1e-12) and o.hfu < 1 and 0 < o.goodput <= 1
    for figure in result.figures.values():
        if figure.low is not None and figure.high is not None:
            assert figure.low <= figure.value * (1 + 1e-9) and figure.value <= figure.high * (1 + 1e-9), figure


@space
@given(plans())
def test_twice_the_tokens_are_twice_the_work_and_the_same_step(plan: Plan) -> None:
    assume(plan.recipe.tokens < 5 * 10**17)
    one, two = outcome(plan), outcome(doubled(plan, "recipe.tokens"))
    for name in ("model_flops", "hardware_flops", "steps", "productive_s"):
        assert getattr(two, name) == pytest.approx(2 * float(getattr(one, name)), rel=1e-9), name
    assert two.step.total == one.step.total and two.memory.total == one.memory.total


@space
@given(plans(), st.sampled_from(["layout.tp", "layout.pp"]))
def test_memory_of_the_state_falls_with_sharding(plan: Plan, path: str) -> None:
    """Weights, gradients and optimizer states; what a framework holds beside them may grow with the ranks."""
    assume(plan.cluster.gpus >= 2 and plan.layout.dp is None and plan.layout.zero_stage == 0)
    one, two = outcome(plan).memory, outcome(doubled(plan, path)).memory
    for name in ("weights", "gradients", "optimizer"):
        assert float(getattr(two, name)) <= float(getattr(one, name)) * (1 + 1e-9), name


@space
@given(plans())
def test_each_zero_stage_holds_no_more_of_the_state_than_the_one_before(plan: Plan) -> None:
    stages = [plan.replace(**{"layout.zero_stage": stage}) for stage in range(4)]
    assume(all(map(is_whole, stages)))
    held = [
        float(memory.weights + memory.gradients + memory.optimizer)
        for memory in (outcome(one).memory for one in stages)
    ]
    assert all(later <= before * (1 + 1e-9) for before, later in itertools.pairwise(held)), held


@space
@given(plans())
def test_recomputing_more_saves_no_less_memory_and_costs_no_less_work(plan: Plan) -> None:
    ways = [outcome(plan.replace(**{"layout.recompute": way})) for way in ("none", "selective", "full")]
    assert [float(one.hardware_flops) for one in ways] == sorted(float(one.hardware_flops) for one in ways)
    saved = [float(one.memory.activations) for one in ways]
    assert saved[2] <= saved[0] * (1 + 1e-9) and saved[1] <= saved[0] * (1 + 1e-9), saved
    assert ways[0].model_flops == ways[2].model_flops


@space
@given(plans(), st.sampled_from(["bits_per_s_per_gpu", "latency_s"]))
def test_a_better_network_makes_no_step_slower(plan: Plan, what: str) -> None:
    worse = plan.replace(
        **{f"cluster.fabric.{what}": getattr(plan.cluster.fabric, what) * (0.5 if "bits" in what else 2)}
    )
    assert float(outcome(worse).step.total) >= float(outcome(plan).step.total) * (1 - 1e-9)


@space
@given(plans(), st.floats(1.5, 100))
def test_dearer_gpus_cost_in_proportion_and_change_nothing_else(plan: Plan, factor: float) -> None:
    plan = plan.replace(**{"prices.usd_per_gpu_hour": 2.0})
    one, two = outcome(plan), outcome(plan.replace(**{"prices.usd_per_gpu_hour": 2.0 * factor}))
    assert two.accelerators_usd == pytest.approx(factor * float(one.accelerators_usd))
    assert (two.step.total, two.energy_kwh, two.memory.total) == (one.step.total, one.energy_kwh, one.memory.total)


@space
@given(plans())
def test_a_saved_plan_is_the_same_plan(plan: Plan) -> None:
    again = file.from_data(json.loads(file.to_text(plan)))
    assert again == plan and outcome(again) == outcome(plan)


@space
@given(plans(), st.lists(st.tuples(powers(3), powers(3), powers(3), st.integers(0, 3)), min_size=2, max_size=6))
def test_the_array_path_gives_each_plan_the_number_it_gets_alone(plan: Plan, ways: list[tuple[int, ...]]) -> None:
    names = ("layout.tp", "layout.pp", "layout.micro_batch", "layout.zero_stage")
    rows = [plan.replace(**dict(zip(names, way, strict=True))) for way in ways]
    rows = [plan, *(one for one in rows if is_whole(one))]
    table = [workload(one) for one in rows]
    columns = Workload(**{one.name: np.array([getattr(row, one.name) for row in table]) for one in fields(Workload)})
    together = compute(columns, machine(plan), rates(plan))
    alone = [outcome(one) for one in rows]
    for name in ("tokens_per_s", "mfu", "hfu", "model_flops", "train_time_s", "energy_kwh", "total_usd", "goodput"):
        numbers = np.broadcast_to(np.asarray(getattr(together, name), dtype=float), len(rows))
        assert numbers == pytest.approx([float(getattr(one, name)) for one in alone], rel=1e-12, nan_ok=True), name
    assert np.broadcast_to(together.memory.total, len(rows)) == pytest.approx([float(o.memory.total) for o in alone])
