"""How many tokens? The most that a budget pays for, and those that are compute-optimal for the model's size."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from planner.costing.rates import rates
from planner.errors import InputError
from planner.estimate import Estimate, Figure, Outcome, compute
from planner.formula import given, recording
from planner.plan.workload import workload
from planner.quality import laws, losses
from planner.quality.budget import Budget, Training, parse_budget
from planner.quality.frontier import SAMPLES, Point, standing
from planner.quality.frontier_figures import perplexity_figure

AMOUNTS = {
    "USD": "total_usd", "GPU-hours": "gpu_hours", "s": "train_time_s", "kWh": "energy_kwh", "kg": "co2e_kg",
}  # fmt: skip
"""Which field of an outcome a budget's unit counts."""
DIGITS = 3
"""Significant digits of a proposal: it is typed into the plan, and no training is known more exactly."""
CLOSE = 1e-6


@dataclass(frozen=True)
class Proposal:
    """A number of tokens for the plan, why, and what the default law expects of it."""

    words: str
    point: Point
    figure: Figure
    """The tokens with their derivation."""
    perplexity: Figure

    @property
    def tokens(self) -> int:
        """As the plan takes it."""
        return int(self.point.tokens)


def within_budget(estimate: Estimate, text: str) -> Proposal:
    """The most tokens that a budget such as `$300k`, `30 days` or `1e23 FLOP` pays for, on the plan's cluster with its
    layout, rounded down to three digits. Raises `InputError` that quotes the text.

    Dollars are all that the plan counts, people too; FLOPs are the law's own C = 6·N·D.
    """
    budget = parse_budget(text)
    tokens = _rounded_down(_affordable(estimate, budget))
    step = estimate.plan.recipe.batch_tokens
    if not tokens >= step:
        raise InputError(f"{budget} does not pay for one step of {step:,} tokens; raise it, or use a smaller model")
    told = f"the most of which the plan's own estimate stays within {budget}, rounded down to three digits"
    figure = Figure.of("tokens.within", f"Tokens within {budget}", tokens, "tokens", source=told)
    return _proposal(f"Most for {budget} with this layout", estimate, tokens, figure)


def compute_optimal(estimate: Estimate) -> Proposal:
    """The tokens at which no other size would make better use of the compute, under the default law."""
    law = laws.law(laws.DEFAULT)
    assert law.chinchilla is not None  # the default law is of that form
    with recording():
        form = law.traced.chinchilla
        assert form is not None
        size = given("parameters", estimate.outcome.parameters.active, unit="parameters", source="plan")
        best = losses.optimal_tokens(size, *form[1:])
    figure = Figure.of("tokens.optimal", "Compute-optimal tokens", best, "tokens")
    return _proposal("Compute-optimal", estimate, float(f"{best:.{DIGITS}g}"), figure)


def _affordable(estimate: Estimate, budget: Budget) -> float:
    """Where the amount meets the budget. It grows with the tokens nearly along a line, so that secants find it."""
    if budget.unit == "FLOP":
        return float(losses.tokens_within(budget.amount, Training.of(estimate).parameters))

    def over(tokens: float) -> float:
        return float(getattr(_outcome(estimate, tokens), AMOUNTS[budget.unit])) / budget.amount - 1.0

    left, right = float(estimate.plan.recipe.tokens), 2.0 * estimate.plan.recipe.tokens
    at_left, at_right = over(left), over(right)
    for _ in range(20):
        if not math.isfinite(at_right) or at_left == at_right:
            raise InputError(
                f"the plan's amount of {budget.unit} is unknown; give its price or rate on the Hardware page"
            )
        if abs(at_right) < CLOSE:
            break
        left, right, at_left = right, right - at_right * (right - left) / (at_right - at_left), at_right
        if right <= 0:
            return 0.0
        at_right = over(right)
    return right


def _outcome(estimate: Estimate, tokens: float) -> Outcome:
    return compute(replace(workload(estimate.plan), tokens=tokens), estimate.machine, rates(estimate.plan))


def _proposal(words: str, estimate: Estimate, tokens: float, figure: Figure) -> Proposal:
    law = laws.law(laws.DEFAULT)
    point = standing(law, replace(Training.of(estimate), tokens=tokens), law.samples(SAMPLES)).point
    expected = perplexity_figure(law, estimate.outcome.parameters.active, tokens, band=(point.low, point.high))
    return Proposal(words, point, figure, expected)


def _rounded_down(tokens: float) -> float:
    """To so many digits that the budget still holds."""
    if not tokens >= 1:
        return 0.0
    unit = 10.0 ** max(0, math.floor(math.log10(tokens)) + 1 - DIGITS)
    return math.floor(round(tokens / unit, 6)) * unit
