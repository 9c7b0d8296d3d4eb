"""From plan to estimate: the figures agree with one another, explain themselves, and are the same for many at once."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import library
from planner.costing.rates import rates
from planner.estimate import Estimate, Outcome, compute, estimate, machine
from planner.formula import Node
from planner.plan import file
from planner.plan.check import check
from planner.plan.plan import Plan
from planner.plan.workload import Workload, workload

PLANS = [path.stem for path in sorted((library.SHIPPED / "plans").glob("*.json"))]
META_GPU_HOURS = {"7b": 184_320, "13b": 368_640, "34b": 1_038_336, "70b": 1_720_320}
CONTRACT = {
    "parameters", "model_flops", "hardware_flops", "step_time_s", "tokens_per_s", "tokens_per_s_per_gpu",
    "flops_per_s_per_gpu", "mfu", "hfu", "memory_bytes", "fits", "train_time_s", "gpu_hours", "energy_kwh", "co2e_kg",
    "cost_usd", "kernel_source", "bands",
}  # fmt: skip


@cache
def shipped(name: str) -> Estimate:
    return estimate(file.load(name))


def nodes(root: Node | None) -> Iterator[Node]:
    """Every node of a derivation once."""
    waiting, seen = [root], set()
    while waiting:
        node = waiting.pop()
        if node is not None and id(node) not in seen:
            seen.add(id(node))
            yield node
            waiting.extend(node.children.values())


@pytest.mark.parametrize("size", META_GPU_HOURS)
def test_llama_2_takes_the_gpu_hours_that_meta_publishes_within_a_quarter(size: str) -> None:
    assert shipped(f"llama-2-{size}").outcome.gpu_hours == pytest.approx(META_GPU_HOURS[size], rel=0.25)


@pytest.mark.parametrize("name", PLANS)
def test_parts_add_up_to_their_totals(name: str) -> None:
    figures, result = shipped(name).figures, shipped(name)
    for parts, total in (
        (result.memory_parts, "memory.total"),
        (result.time_parts, "time.step"),
        (result.money_parts, "money.total"),
    ):
        assert math.fsum(part.value for part in parts) == pytest.approx(figures[total].value, rel=1e-9)
        assert all(part.value >= 0 for part in parts)
    counted = [figure.value for key, figure in figures.items() if key.startswith("work.parameters.")]
    assert sum(counted) == figures["work.parameters"].value


@pytest.mark.parametrize("name", PLANS)
def test_figures_follow_from_one_another_by_their_definitions(name: str) -> None:
    o, plan = shipped(name).outcome, shipped(name).plan
    assert o.tokens_per_s * o.step.total == pytest.approx(plan.recipe.batch_tokens)
    assert o.steps * plan.recipe.batch_tokens == pytest.approx(plan.recipe.tokens)
    assert o.model_flops == pytest.approx(o.flops.step_full * plan.recipe.tokens / plan.recipe.batch_tokens)
    assert o.train_time_s * o.goodput == pytest.approx(o.steps * o.step.total)
    assert o.gpu_hours == pytest.approx(o.train_time_s / 3600 * plan.cluster.gpus)
    assert o.mfu * plan.cluster.accelerator.peak(plan.recipe.precision) == pytest.approx(o.flops_per_s_per_gpu)
    assert 0 < o.mfu_causal <= o.mfu <= o.hfu < 1
    assert 0.5 < o.goodput < 1


@pytest.mark.parametrize("name", PLANS)
def test_every_figure_is_told_by_a_derivation_that_computes_its_value(name: str) -> None:
    for key, figure in shipped(name).figures.items():
        assert figure.node is not None, key
        assert figure.node.value == figure.value, key
        for node in nodes(figure.node):
            assert node.recombined() == node.value or math.isnan(node.value), (key, node.name)
            assert node.source, (key, node.name)
            assert len(node.name) <= 60 and not node.name.startswith(("×", "+", "−", "÷", "if ")), (key, node.name)


def test_derivations_end_in_the_plans_own_numbers_and_the_data_sheet() -> None:
    leaves = {node.name: node for node in nodes(shipped("llama-2-70b").figures["money.total"].node) if not node.inputs}
    assert leaves["layers"].value == 80 and leaves["layers"].source == "plan"
    assert leaves["tp"].value == 4
    assert leaves["usd_per_gpu_hour"].unit == "USD/h" and len(leaves["usd_per_gpu_hour"].source) > 10
    peak = {node.name: node for node in nodes(shipped("llama-2-70b").figures["time.mfu"].node)}["peak_flops"]
    assert peak.value == 312e12 and "A100" in peak.source


def test_recording_changes_no_number() -> None:
    plan = file.load("llama-2-70b")
    assert_same(compute(workload(plan), machine(plan), rates(plan)), shipped("llama-2-70b").outcome, exactly=True)


def test_llama_2_70b_has_its_published_parameters_in_the_json_of_the_contract() -> None:
    data = json.loads(json.dumps(shipped("llama-2-70b").json, allow_nan=False))
    assert set(data) >= CONTRACT
    assert data["parameters"] == 68_976_648_192
    assert set(data["memory_bytes"]) >= {"total", "weights", "gradients", "optimizer", "activations"}
    assert data["cost_usd"]["total"] == pytest.approx(math.fsum(v for k, v in data["cost_usd"].items() if k != "total"))
    assert data["kernel_source"] in ("measured", "interpolated", "carried", "specification")
    for name, (low, high) in data["bands"].items():
        value = data[name]["total"] if isinstance(data[name], dict) else data[name]
        assert low < value < high, name
    assert data["fits"] is True


def test_what_nobody_knows_is_null_in_the_json_and_a_warning_at_its_field() -> None:
    result = estimate(file.load("gpt2").replace(**{"cluster.accelerator.name": "Chip of tomorrow"}))
    assert result.json["cost_usd"]["total"] is None
    assert json.dumps(result.json, allow_nan=False)
    assert any(warning.startswith("prices.usd_per_gpu_hour: ") for warning in result.json["warnings"])
    assert "price unknown" in result.verdict


def test_too_little_memory_is_an_answer_that_says_how_much_is_needed() -> None:
    one_stage = {"layout.zero_stage": 0, "layout.pp": 1, "layout.virtual_stages": 1}
    result = estimate(file.load("llama-2-70b").replace(**one_stage))
    assert not result.fits
    assert result.verdict.startswith("Does not fit on 2,048 × A100-80GB-SXM: needs ")
    assert any(problem.path == "layout" for problem in result.problems)
    assert result.figures["memory.total"].value > result.plan.cluster.accelerator.memory_bytes


def test_the_verdict_names_what_limits() -> None:
    assert shipped("llama-2-70b").limiter == "compute"
    slow = estimate(file.load("llama-2-70b").replace(**{"cluster.fabric.bits_per_s_per_gpu": 1e7}))
    assert slow.limiter != "compute" and slow.limiter in slow.verdict


@pytest.mark.parametrize(
    ("change", "direction"),
    [
        ({"cluster.accelerator.peak_flops.bf16": 624e12}, -1),
        ({"cluster.accelerator.memory_bandwidth_bytes_per_s": 8e12}, -1),
        ({"cluster.fabric.bits_per_s_per_gpu": 1e12}, -1),
        ({"cluster.fabric.bits_per_s_per_gpu": 1e9}, 1),
        ({"layout.recompute": "full"}, 1),
        ({"model.layers": 160}, 1),
        ({"recipe.attention": "unfused"}, 1),
        ({"recipe.global_batch": 2048}, 1),
    ],
    ids=str,
)
def test_a_step_gets_faster_or_slower_as_it_must(change: dict[str, Any], direction: int) -> None:
    before = shipped("llama-2-70b").outcome.step.total
    after = estimate(file.load("llama-2-70b").replace(**change)).outcome.step.total
    assert np.sign(float(after) - float(before)) == direction


def test_dearer_gpus_and_dirtier_grids_cost_in_proportion() -> None:
    plan = file.load("llama-2-7b").replace(**{"prices.usd_per_gpu_hour": 2.0, "prices.grid_kg_per_kwh": 0.2})
    one, two = estimate(plan), estimate(plan.replace(**{"prices.usd_per_gpu_hour": 4.0, "prices.grid_kg_per_kwh": 0.4}))
    assert two.outcome.accelerators_usd == pytest.approx(2 * float(one.outcome.accelerators_usd))
    assert two.outcome.co2e_kg == pytest.approx(2 * float(one.outcome.co2e_kg))
    assert two.outcome.step.total == one.outcome.step.total


@pytest.mark.parametrize("name", ["gpt2", "llama-2-70b", "mixtral-8x7b"])
def test_no_figure_overflows_at_the_largest_runs(name: str) -> None:
    plan = file.load(name)
    small, large = (estimate(plan.replace(**{"recipe.tokens": tokens})) for tokens in (10**12, 10**18))
    numbers = [figure.value for figure in large.figures.values() if isinstance(figure.value, float)]
    assert numbers and np.all(np.isfinite(numbers))
    for key in ("work.model_flops", "work.hardware_flops"):
        assert large.figures[key].value == pytest.approx(1e6 * float(small.figures[key].value), rel=1e-6)
    huge = estimate(plan.replace(**{"recipe.tokens": 10**18, "model.hidden": 2**19, "model.layers": 1000}))
    assert float(huge.figures["work.model_flops"].value) > 1e30
    assert np.all(np.isfinite([one.value for one in huge.figures.values() if isinstance(one.value, float)]))


layout_changes = st.fixed_dictionaries({
    "layout.tp": st.sampled_from([1, 2, 4, 8]), "layout.pp": st.sampled_from([1, 2, 4, 5, 8, 16]),
    "layout.cp": st.sampled_from([1, 1, 2, 4]), "layout.zero_stage": st.integers(0, 3),
    "layout.micro_batch": st.sampled_from([1, 2, 4]), "layout.virtual_stages": st.sampled_from([1, 1, 2, 4]),
    "layout.schedule": st.sampled_from(["1f1b", "gpipe"]), "layout.sequence_parallel": st.booleans(),
    "layout.recompute": st.sampled_from(["none", "selective", "full"]),
    "layout.recompute_layers": st.none() | st.integers(0, 4), "layout.ep": st.sampled_from([1, 2, 8]),
    "layout.optimizer_offload": st.booleans(), "layout.activation_offload": st.booleans(),
    "recipe.global_batch": st.sampled_from([256, 1024, 4096]),
    "recipe.attention": st.sampled_from(["flash", "unfused"]),
})  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(st.sampled_from(["llama-2-70b", "mixtral-8x7b", "gpt3-175b"]), st.lists(layout_changes, min_size=3, max_size=12))
def test_a_table_of_layouts_gives_the_numbers_that_each_layout_gives_alone(
    name: str, changes: list[dict[str, Any]]
) -> None:
    base = file.load(name)
    plans = [plan for plan in (base.replace(**change) for change in changes) if not is_broken(plan)]
    plans = [*plans, base]
    alone = [compute(workload(plan), machine(plan), rates(plan)) for plan in plans]
    rows = [workload(plan) for plan in plans]
    columns = {field.name: np.array([getattr(row, field.name) for row in rows]) for field in fields(Workload)}
    together = compute(Workload(**columns), machine(base), rates(base))
    for i, one in enumerate(alone):
        assert_same(row_of(together, i, len(plans)), one)


def is_broken(plan: Plan) -> bool:
    return any(problem.severity == "error" for problem in check(plan))


def row_of(value: Any, i: int, count: int) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return type(value)(**{field.name: row_of(getattr(value, field.name), i, count) for field in fields(value)})
    return np.broadcast_to(np.asarray(value), (count,))[i]


def assert_same(left: Any, right: Any, *, exactly: bool = False, path: str = "") -> None:
    if is_dataclass(left):
        assert isinstance(left, Outcome) or path
        for field in fields(left):
            assert_same(
                getattr(left, field.name), getattr(right, field.name), exactly=exactly, path=f"{path}.{field.name}"
            )
    elif exactly:
        assert float(left) == float(right), path
    else:
        assert float(left) == pytest.approx(float(right), rel=1e-12, abs=0, nan_ok=True), path
