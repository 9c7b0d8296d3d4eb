"""The perplexity that a law expects of a plan, as a figure of its estimate."""

from __future__ import annotations

from planner.estimate import Estimate, Figure
from planner.formula import Traced, given, recording
from planner.quality import laws, losses
from planner.quality.budget import Training
from planner.quality.frontier import SAMPLES, standing


def perplexity_figure(estimate: Estimate) -> Figure:
    """Under the default law, with its 80 % band and its derivation."""
    plan, law = estimate.plan, laws.law(laws.DEFAULT)
    point = standing(law, Training.of(estimate), law.samples(SAMPLES)).point
    assert law.chinchilla is not None  # the default law is of that form
    constants = law.chinchilla._asdict().items()
    with recording():
        known = (given(name, value, source=law.source, kind="published") for name, value in constants)
        tokens = given("tokens", float(plan.recipe.tokens), unit="tokens", source="plan")
        value = losses.perplexity(losses.chinchilla_loss(estimate.outcome.parameters.active, tokens, *known))
    node = value.node if isinstance(value, Traced) else None
    return Figure(
        "quality.perplexity", "Perplexity", float(value), "", point.low, point.high, "estimated",
        node.expression if node else "", f"{law.title}: {law.source}", node,
    )  # fmt: skip
