"""What scaling laws advise on the recipe: the batch, the learning rate, the number format. Advice, never a rule.

Each law was fitted far from large runs, and each says so in its file; the words carry the source.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from planner.counting import parameters as counting
from planner.estimate import Estimate
from planner.formula import Number
from planner.plan.model import Model
from planner.quality import losses
from planner.quality.laws import DEFAULT, Law, law
from planner.units import show

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

    def __str__(self) -> str:
        return f"{self.about}: {self.words} ({self.source})".replace("\N{NO-BREAK SPACE}", " ")

    def to_json(self) -> dict[str, Any]:
        """As `frontier --json` prints it."""
        return dict(vars(self))


def hints(result: Estimate, loss_law: Law | str = DEFAULT) -> list[Hint]:
    """The advice for an estimate's plan. `loss_law` gives the loss at which the critical batch is taken."""
    chosen = law(loss_law) if isinstance(loss_law, str) else loss_law
    plan = result.plan
    size, tokens = float(result.outcome.parameters.active), float(plan.recipe.tokens)
    loss = float((chosen if chosen.gives_loss else law(DEFAULT)).loss(size, tokens))
    lean = without_embeddings(plan.model)
    found = [_critical_batch(float(plan.recipe.batch_tokens), loss), _step_batch(plan.recipe.batch_tokens, tokens)]
    found.append(_learning_rate(lean, tokens))
    found.append(_precision(plan.recipe.precision, lean))
    if plan.lifetime is not None and plan.lifetime.precision is not None:
        found.append(_quantization(plan.lifetime.precision, lean, tokens))
    return found


def without_embeddings(model: Model) -> float:
    """Active parameters of a model without its embedding and its head, as Kaplan, Step Law and Kumar count."""
    with_one, with_two = (
        float(counting.of_model(model.model_copy(update={"vocabulary": entries})).active) for entries in (1, 2)
    )
    return with_one - (with_two - with_one)


def _critical_batch(batch: float, loss: float) -> Hint:
    found = law("mccandlish-2018")
    critical = float(losses.critical_batch_tokens(loss, found.parameters["B_star"], found.parameters["alpha_B"]))
    steps, tokens = (_excess(critical, batch), _excess(batch, critical))
    words = (
        f"{show(batch)} tokens are {batch / critical:.2g}× the critical batch of {show(critical)} at a loss of "
        f"{loss:.2f}: {steps:.2g}× the fewest steps, {tokens:.2g}× the fewest tokens"
    )
    far = batch > FAR_FROM_CRITICAL * critical or batch < critical / FAR_FROM_CRITICAL
    if far:
        words += "; a smaller one would save compute" if batch > critical else "; a larger one would save time"
    path = "recipe.global_batch"
    return Hint("Critical batch", path, show(batch), show(critical), words, found.source, far)


def _excess(of: Number, over: Number) -> Number:
    """1 + of/over: S/S_min with B_crit over B, E/E_min with B over B_crit (McCandlish 2018, equation 2.11)."""
    return losses.steps_at_batch(1.0, over, of)


def _step_batch(batch: float, tokens: float) -> Hint:
    found, p = law("step-law-2025"), law("step-law-2025").parameters
    advised = float(losses.power_of_size_and_data(1.0, tokens, p["batch"], 0.0, p["batch_D"]))
    words = f"{show(advised)} tokens a step for {show(tokens)} tokens in all; the plan has {show(batch)}"
    words += _outside(found, tokens=tokens)
    far = not advised / FAR_FROM_CRITICAL <= batch <= advised * FAR_FROM_CRITICAL
    return Hint("Batch by the data", "recipe.global_batch", show(batch), show(advised), words, found.source, far)


def _learning_rate(lean: float, tokens: float) -> Hint:
    found, p = law("step-law-2025"), law("step-law-2025").parameters
    advised = float(losses.power_of_size_and_data(lean, tokens, p["lr"], p["lr_N"], p["lr_D"]))
    words = f"a peak of {advised:.2g} for {show(lean)} parameters without embeddings and {show(tokens)} tokens"
    words += _outside(found, parameters=lean, tokens=tokens)
    return Hint("Learning rate", "", "", f"{advised:.2g}", words, found.source)


def _precision(precision: str, lean: float) -> Hint:
    found, bits = law("kumar-2024"), BITS[precision]
    p = found.parameters
    gammas = p["gamma_w"], p["gamma_a"], p["gamma_kv"]
    kept = losses.parameters_at_precision(1.0, bits, bits, max(bits, HALF_PRECISION_BITS), *gammas)
    half = losses.parameters_at_precision(1.0, *(HALF_PRECISION_BITS,) * 3, *gammas)
    share = float(kept / half)
    lost = p["A"] / lean ** p["alpha"] * (float(kept) ** -p["alpha"] - float(half) ** -p["alpha"])
    words = f"products in {precision} are worth {share:.1%} of the parameters in 16 bits, {lost:+.4f} nats a token"
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
