"""The shipped plans: one a model, without a problem, and small enough for their GPUs."""

from __future__ import annotations

import json

import pytest

from planner import library
from planner.counting import memory, parameters
from planner.counting.allocation import allocation
from planner.plan import file
from planner.plan.check import check
from planner.plan.workload import workload

NAMES = sorted(path.stem for path in (library.SHIPPED / "plans").glob("*.json"))


def test_there_is_a_plan_of_the_same_name_for_every_model() -> None:
    assert sorted(path.stem for path in (library.SHIPPED / "models").glob("*.json")) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_plan_begins_with_its_name_and_has_nothing_to_complain_about(name: str) -> None:
    data = json.loads((library.SHIPPED / "plans" / f"{name}.json").read_text("utf-8"))
    assert next(iter(data)) == "name"
    plan = file.load(name)
    assert plan.name == plan.model.name == name
    assert plan.notes
    assert check(plan) == []
    assert library.grid(plan.prices.grid_region)


@pytest.mark.parametrize("name", NAMES)
def test_a_shipped_plan_fits_in_memory(name: str) -> None:
    plan = file.load(name)
    numbers = workload(plan)
    kept, device_bytes = allocation(plan.recipe.framework), plan.cluster.accelerator.memory_bytes
    assert memory.count(numbers, parameters.count(numbers), kept, device_bytes).total <= device_bytes


@pytest.mark.parametrize(
    ("size", "gpus", "watts"), [("7b", 256, 400), ("13b", 512, 400), ("34b", 1024, 350), ("70b", 2048, 400)]
)
def test_llama_2_plans_are_as_meta_trained_them(size: str, gpus: int, watts: float) -> None:
    plan = file.load(f"llama-2-{size}")
    assert plan.recipe.tokens == 2e12
    assert plan.recipe.batch_tokens == 2**22
    assert plan.cluster.gpus == gpus
    assert plan.cluster.accelerator.name == "A100-80GB-SXM"
    assert plan.cluster.fabric.bits_per_s_per_gpu == 200e9
    assert plan.prices.power_share is not None and plan.cluster.accelerator.tdp_w is not None
    assert plan.prices.power_share * plan.cluster.accelerator.tdp_w == watts
    assert plan.prices.pue * library.grid(plan.prices.grid_region)["kg_per_kwh"] == pytest.approx(0.4235)
