"""What scaling laws advise on the recipe: the batch, the learning rate, the number format. Advice, never a rule.

Each law was fitted far from large runs, and each says so in its file; the words carry the source.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from planner.counting import parameters as counting
from planner.estimate import Estimate, Figure
from planner.formula import Number, given, recording
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.quality import losses
from planner.quality.laws import DEFAULT, Law, law
from planner.units import percent, show

BITS = {"fp32": 32.0, "tf32": 19.0, "bf16": 16.0, "fp16": 16.0, "fp8": 8.0, "mxfp8": 8.0, "nvfp4": 4.0}
"""Bits of the operands of the matrix products. Keys and values of training stay in 16 bits below that."""
HALF_PRECISION_BITS = 16.0
FAR_FROM_CRITICAL = 3.0
"""A batch this many times above or below the critical one is worth a word."""
WORTH_A_WORD = 0.001
"""Nats a token: a smaller loss through the number format is not worth a word."""


@dataclass(frozen=True)
class Hint:
    """One piece of advice: what it is about, what the plan has, what the law says, and what follows."""

    about: str
    path: str
    """The plan's field; empty where the plan has none."""
    plan: str
    advised: str
    words: str
    source: str
    is_notable: bool = False
    """The plan lies far from the advice."""
    figure: Figure | None = field(default=None, compare=False)
    """What is advised, with its derivation; None where the law advises no number."""
    changes: dict[str, Any] = field(default_factory=dict)
    """What to set in the plan to follow it; empty where it does so already, and where the plan has no such field."""

    def __str__(self) -> str:
        return f"{self.about}: {self.words} ({self.source})".replace("\N{NO-BREAK SPACE}", " ")

    def to_json(self) -> dict[str, Any]:
        """As `frontier --json` prints it."""
        return {name: value for name, value in vars(self).items() if name not in ("figure", "changes")}


def hints(result: Estimate, loss_law: Law | str = DEFAULT) -> list[Hint]:
    """The advice for an estimate's plan. `loss_law` gives the loss at which the critical batch is taken."""
    chosen = law(loss_law) if isinstance(loss_law, str) else loss_law
    plan = result.plan
    lean = without_embeddings(plan.model)
    with recording():
        size = given("parameters", result.outcome.parameters.active, unit="parameters", source="plan")
        tokens = given("tokens", float(plan.recipe.tokens), unit="tokens", source="plan")
        loss = (chosen if chosen.gives_loss else law(DEFAULT)).traced.loss(size, tokens)
        small = given("parameters", lean, unit="parameters", source="plan, without embedding and head")
        found = [_critical_batch(plan, loss), _step_batch(plan, tokens), _learning_rate(small, tokens)]
    found.append(_precision(plan.recipe.precision, lean))
    if plan.lifetime is not None and plan.lifetime.precision is not None:
        found.append(_quantization(plan.lifetime.precision, lean, float(tokens)))
    return found


def whole_batch(plan: Plan, tokens: float) -> int:
    """The global batch, in sequences, that is nearest to so many tokens and that the layout's ranks can share: a
    multiple of their micro-batches."""
    share = plan.dp * plan.layout.micro_batch
    return max(1, round(tokens / plan.recipe.sequence_length / share)) * share


def without_embeddings(model: Model) -> float:
    """Active parameters of a model without its embedding and its head, as Kaplan, Step Law and Kumar count."""
    with_one, with_two = (
        float(counting.of_model(model.model_copy(update={"vocabulary": entries})).active) for entries in (1, 2)
    )
    return with_one - (with_two - with_one)


def _critical_batch(plan: Plan, loss: Number) -> Hint:
    found, batch = law("mccandlish-2018"), float(plan.recipe.batch_tokens)
    p = found.traced.parameters
    advised = losses.critical_batch_tokens(loss, p["B_star"], p["alpha_B"])
    critical = float(advised)
    steps, tokens = (_excess(critical, batch), _excess(batch, critical))
    words = (
        f"{show(batch)} tokens are {batch / critical:.2g}× the critical batch of {show(critical)} at a loss of "
        f"{float(loss):.2f}: {steps:.2g}× the fewest steps, {tokens:.2g}× the fewest tokens"
    )
    far = batch > FAR_FROM_CRITICAL * critical or batch < critical / FAR_FROM_CRITICAL
    if far:
        words += "; a smaller one would save compute" if batch > critical else "; a larger one would save time"
    figure = Figure.of("recipe.critical_batch", "Critical batch", advised, "tokens")
    return _of_batch("Critical batch", plan, figure, words, found.source, far)


def _of_batch(about: str, plan: Plan, figure: Figure, words: str, source: str, far: bool) -> Hint:
    """Advice on the global batch, and the nearest one that the layout can have."""
    nearest, now = whole_batch(plan, figure.value), plan.recipe.global_batch
    changes = {"recipe.global_batch": nearest} if nearest != now else {}
    told = show(plan.recipe.batch_tokens), show(figure.value)
    return Hint(about, "recipe.global_batch", *told, words, source, far, figure, changes)


def _excess(of: Number, over: Number) -> Number:
    """1 + of/over: S/S_min with B_crit over B, E/E_min with B over B_crit (McCandlish 2018, equation 2.11)."""
    return losses.steps_at_batch(1.0, over, of)


def _step_batch(plan: Plan, tokens: Number) -> Hint:
    found, p, batch = law("step-law-2025"), law("step-law-2025").traced.parameters, float(plan.recipe.batch_tokens)
    recorded = losses.power_of_size_and_data(1.0, tokens, p["batch"], 0.0, p["batch_D"])
    advised, data = float(recorded), float(tokens)
    words = f"{show(advised)} tokens a step for {show(data)} tokens in all; the plan has {show(batch)}"
    words += _outside(found, tokens=data)
    far = not advised / FAR_FROM_CRITICAL <= batch <= advised * FAR_FROM_CRITICAL
    figure = Figure.of("recipe.step_batch", "Batch by the data", recorded, "tokens")
    return _of_batch("Batch by the data", plan, figure, words, found.source, far)


def _learning_rate(lean: Number, tokens: Number) -> Hint:
    found, p = law("step-law-2025"), law("step-law-2025").traced.parameters
    advised, size, data = losses.power_of_size_and_data(lean, tokens, p["lr"], p["lr_N"], p["lr_D"]), lean, tokens
    words = f"a peak of {advised:.2g} for {show(float(size))} parameters without embeddings and {show(float(data))} "
    words += f"tokens{_outside(found, parameters=float(size), tokens=float(data))}"
    figure = Figure.of("recipe.learning_rate", "Peak learning rate", advised, "")
    return Hint("Learning rate", "", "", f"{advised:.2g}", words, found.source, figure=figure)


def _precision(precision: str, lean: float) -> Hint:
    found, bits = law("kumar-2024"), BITS[precision]
    p = found.parameters
    gammas = p["gamma_w"], p["gamma_a"], p["gamma_kv"]
    kept = losses.parameters_at_precision(1.0, bits, bits, max(bits, HALF_PRECISION_BITS), *gammas)
    half = losses.parameters_at_precision(1.0, *(HALF_PRECISION_BITS,) * 3, *gammas)
    share = float(kept / half)
    lost = p["A"] / lean ** p["alpha"] * (float(kept) ** -p["alpha"] - float(half) ** -p["alpha"])
    words = f"products in {precision} are worth {percent(share)} of the parameters in 16 bits, {lost:+.4f} nats a token"
    words += _outside(found, parameters=lean)
    return Hint(
        "Number format", "recipe.precision", precision, "7 to 8 bits", words, _kumar(found), lost > WORTH_A_WORD
    )


def _quantization(precision: str, lean: float, tokens: float) -> Hint:
    found, bits = law("kumar-2024"), BITS[precision]
    p = found.parameters
    constants = p["C_T"], p["gamma_D"], p["gamma_N"], p["gamma_post"]
    lost, at_four = (float(losses.quantization_penalty(lean, tokens, b, *constants)) for b in (bits, 4.0))
    words = (
        f"weights rounded to {precision} after training: {lost:+.4f} nats a token (to 4 bits {at_four:+.3f}); "
        f"the more tokens a parameter saw, the more{_outside(found, parameters=lean, tokens=tokens)}"
    )
    return Hint("Serving format", "lifetime.precision", precision, "", words, _kumar(found), lost > WORTH_A_WORD)


def _kumar(found: Law) -> str:
    return f"{found.source}; constants {found.confidence}"


def _outside(found: Law, parameters: float | None = None, tokens: float | None = None) -> str:
    """How far beyond the runs that the law was fitted to."""
    beyond = found.outside(parameters, tokens)
    return "; extrapolated" if beyond else ""
