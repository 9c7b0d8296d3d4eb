"""Scenarios side by side: what differs is listed and nothing else; deltas and bands by hand."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import InputError
from planner.estimate import estimate
from planner.plan.file import load
from planner.plan.plan import Plan
from planner.scenarios.comparison import Comparison, Scenario, compare


def beside(*plans: Plan) -> Comparison:
    return compare([Scenario(plan.name, estimate(plan)) for plan in plans])


def differing(**changes: Any) -> list[str]:
    plan = load("llama-2-7b")
    return [row.path for row in beside(plan, plan.replace(**changes)).differing]


@pytest.mark.parametrize(("path", "value"), [
    ("cluster.nodes", 64), ("recipe.tokens", 10**12), ("prices.pue", 1.3), ("layout.micro_batch", 2),
    ("cluster.fabric.efficiency", 0.7), ("cluster.accelerator.memory_bytes", 40e9), ("recipe.dropout", True),
    ("model.vocabulary", 64000), ("prices.usd_per_gpu_hour", 3.0),
])  # fmt: skip
def test_two_scenarios_that_differ_in_one_input_list_exactly_that_input(path: str, value: Any) -> None:
    assert differing(**{path: value}) == [path]


@pytest.mark.parametrize(("part", "name", "path"), [
    ("cluster.accelerator", "H100-80GB-SXM", "cluster.accelerator.name"),
    ("cluster.fabric", "infiniband-ndr-400", "cluster.fabric.name"), ("model", "mistral-7b", "model.name"),
])  # fmt: skip
def test_another_shipped_thing_is_one_input_and_not_its_data_sheet(part: str, name: str, path: str) -> None:
    assert differing(**{part: name}) == [path]


def test_an_edited_shipped_thing_is_told_by_what_was_edited() -> None:
    plan = load("llama-2-7b")
    other = plan.replace(**{"cluster.accelerator": "H100-80GB-SXM"}).replace(**{"cluster.accelerator.tdp_w": 500.0})
    paths = [row.path for row in beside(plan, other).differing]
    assert "cluster.accelerator.name" in paths and "cluster.accelerator.tdp_w" in paths


def test_names_and_notes_are_no_inputs() -> None:
    assert differing(name="other", notes="why", **{"prices.price_source": "a friend"}) == []


def test_a_section_that_one_plan_lacks_is_one_input() -> None:
    with_life = load("llama-2-7b").replace(**{"lifetime.served_tokens": 1e12})
    without = load("llama-2-7b").model_copy(update={"lifetime": None})
    rows = beside(with_life, without).differing
    assert [(row.path, row.texts) for row in rows] == [("lifetime", ("given", "none"))]


def test_differing_inputs_come_first() -> None:
    plan = load("llama-2-7b")
    inputs = beside(plan, plan.replace(**{"prices.pue": 1.5})).inputs
    assert [row.differs for row in inputs] == sorted((row.differs for row in inputs), reverse=True)
    assert len(inputs) > 30


def test_deltas_and_bands_by_hand() -> None:
    plan = load("llama-2-7b")
    found = beside(plan, plan.replace(**{"recipe.tokens": plan.recipe.tokens * 10}))
    cost = next(row for row in found.figures if row.key == "money.accelerators")
    first, second = cost.figures
    assert first is not None and second is not None
    assert cost.ratio(1) == pytest.approx(9) and cost.delta(1) == pytest.approx(9 * first.value)
    assert cost.overlaps(1) is False and cost.differs
    parameters = next(row for row in found.figures if row.key == "work.parameters")
    assert parameters.overlaps(1) is None and not parameters.differs
    again = beside(plan, plan.replace(**{"cluster.other_losses": 0.11}))
    assert next(row for row in again.figures if row.key == "money.total").overlaps(1) is True


def test_perplexity_stands_beside_the_figures_and_explains_itself() -> None:
    plan = load("llama-2-7b")
    row = beside(plan, plan.replace(**{"recipe.tokens": plan.recipe.tokens * 2})).figures[-1]
    first, second = row.figures
    assert row.key == "quality.perplexity" and first is not None and second is not None
    assert second.value < first.value and first.low is not None and first.low < first.value < (first.high or 0)
    assert first.node is not None and first.node.recombined() == pytest.approx(first.value, rel=1e-12)


def test_an_unknown_price_is_no_difference() -> None:
    plan = load("gpt2").replace(**{"cluster.accelerator": "MI100", "recipe.precision": "fp16"})
    found = beside(plan, plan.replace(**{"prices.pue": 1.2}))
    assert not next(row for row in found.figures if row.key == "money.total").differs
    assert found.json["figures"][-1]["key"] == "quality.perplexity"


def test_from_one_to_four_scenarios_and_namesakes_are_told_apart() -> None:
    plan = load("gpt2")
    with pytest.raises(InputError, match="5 scenarios"):
        beside(*[plan] * 5)
    assert [one.name for one in beside(plan, plan).scenarios] == ["gpt2 (1)", "gpt2 (2)"]
    header, rows = beside(plan, plan, plan).table
    assert all(len(row) == len(header) for row in rows)
