"""The tokens that a budget pays for, held against the estimate of the plan that has them; and the optimal ones."""

from __future__ import annotations

import pytest

from planner.errors import InputError
from planner.estimate import Estimate, estimate
from planner.plan.file import load
from planner.quality import laws, losses
from planner.scenarios.tokens import compute_optimal, within_budget


@pytest.fixture(scope="module")
def result() -> Estimate:
    return estimate(load("llama-2-13b"))


@pytest.mark.parametrize(
    ("text", "amount", "key"),
    [("$300k", 3e5, "total_usd"), ("30 days", 30 * 86400.0, "train_time_s"), ("1M GPU-hours", 1e6, "gpu_hours"),
     ("80 MWh", 8e4, "energy_kwh"), ("30 t", 3e4, "co2e_kg")],
)  # fmt: skip
def test_a_budget_pays_for_the_proposal_and_not_for_one_percent_more(
    result: Estimate, text: str, amount: float, key: str
) -> None:
    proposal = within_budget(result, text)
    there = estimate(result.plan.replace(**{"recipe.tokens": proposal.tokens}))
    more = estimate(result.plan.replace(**{"recipe.tokens": round(1.01 * proposal.tokens)}))
    assert float(getattr(there.outcome, key)) <= amount < float(getattr(more.outcome, key))


def test_people_are_part_of_the_dollars(result: Estimate) -> None:
    alone = within_budget(result, "$300k").tokens
    staffed = result.plan.replace(**{"prices.staff_usd": 100_000})
    assert within_budget(estimate(staffed), "$300k").tokens < alone


def test_flops_are_the_laws_own(result: Estimate) -> None:
    proposal = within_budget(result, "1e23 FLOP")
    assert 6 * proposal.point.parameters * proposal.tokens == pytest.approx(1e23, rel=0.01)


def test_what_does_not_pay_for_a_step_or_is_no_budget_is_said(result: Estimate) -> None:
    with pytest.raises(InputError, match="does not pay for one step"):
        within_budget(result, "$0.01")
    with pytest.raises(InputError, match="'three apples' is not a budget"):
        within_budget(result, "three apples")


def test_compute_optimal_tokens_are_those_of_the_budget_whose_best_size_is_the_plans(result: Estimate) -> None:
    proposal = compute_optimal(result)
    flops = float(losses.training_flops(proposal.point.parameters, proposal.tokens))
    best = laws.law(laws.DEFAULT).optimum(flops)
    assert float(best.parameters) == pytest.approx(proposal.point.parameters, rel=0.01)
    assert float(best.tokens) == pytest.approx(proposal.tokens, rel=0.01)
    assert 15 < proposal.tokens / proposal.point.parameters < 30
