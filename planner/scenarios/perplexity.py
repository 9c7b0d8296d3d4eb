"""The perplexity that a law expects of a plan, as a figure of its estimate."""

from __future__ import annotations

from planner.estimate import Estimate, Figure
from planner.quality import frontier_figures, laws
from planner.quality.budget import Training
from planner.quality.frontier import SAMPLES, standing


def perplexity_figure(estimate: Estimate) -> Figure:
    """Under the default law, with its 80 % band and its derivation."""
    law = laws.law(laws.DEFAULT)
    point = standing(law, Training.of(estimate), law.samples(SAMPLES)).point
    size, tokens = estimate.outcome.parameters.active, float(estimate.plan.recipe.tokens)
    return frontier_figures.perplexity_figure(law, size, tokens, band=(point.low, point.high), asked="plan")
