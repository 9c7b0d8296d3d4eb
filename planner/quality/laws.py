"""A published (or fitted) law: its form, parameters, source and range of validity. One JSON file a law."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, ValidationError, model_validator

from planner import library
from planner.errors import InputError
from planner.formula import Array, Number, given
from planner.plan.section import LARGEST_COUNT, Plain
from planner.quality import losses
from planner.units import show

DEFAULT = "besiroglu-2024"

Form = Literal[
    "chinchilla", "over-training", "data-constrained", "precision", "kaplan", "allocation", "critical-batch", "step"
]
_NEEDED: dict[str, set[str]] = {
    "chinchilla": {"E", "A", "B", "alpha", "beta"},
    "over-training": {"E", "a", "b", "eta"},
    "data-constrained": {"E", "A", "B", "alpha", "beta", "R_D", "R_N"},
    "precision": {"E", "A", "B", "alpha", "beta", "gamma_w", "gamma_a", "gamma_kv"},
    "kaplan": {"N_c", "D_c", "alpha_N", "alpha_D", "N_1", "a", "N_c_steps", "S_c", "alpha_N_steps", "alpha_S",
               "B_star", "alpha_B"},
    "allocation": {"k", "a"},
    "critical-batch": {"B_star", "alpha_B"},
    "step": {"lr", "lr_N", "lr_D", "batch", "batch_D"},
}  # fmt: skip
"""Parameters that each form cannot do without."""
_EXPONENTS = {"alpha", "beta", "eta", "alpha_N", "alpha_D", "alpha_N_steps", "alpha_S", "alpha_B", "gamma_D", "gamma_N"}
_LOWEST_EXPONENT, _HIGHEST_EXPONENT = 1e-3, 10.0
"""Between a loss that a thousand times the size hardly moves and one that falls like nothing that was ever trained."""
_SMALLEST, _LARGEST = 1.0, float(LARGEST_COUNT)
"""Parameters and tokens that a law can be asked for."""

SAMPLED = ("ln A", "ln B", "ln E", "alpha", "beta")
"""What a covariance is of, in this order."""

_ROUNDING = 1e-6
"""Of a covariance's largest element: what a printed table may be off."""

HALF_PRECISION_BITS = 16.0
_LOSSES = (0.1, 20.0)
"""From below a text's own entropy to above that of guessing among all tokens, nats a token."""
_MOST_TOLD = 20
_FAR = 100.0
"""Compute beyond a law's range by more than this factor is called an extrapolation far outside."""


class Range(BaseModel):
    """Where the law was measured: lowest and highest. Absent where the source does not say."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    parameters: tuple[PositiveFloat, PositiveFloat] | None = None
    tokens: tuple[PositiveFloat, PositiveFloat] | None = None
    flops: tuple[PositiveFloat, PositiveFloat] | None = None


class Covariance(BaseModel):
    """How far, and how together, the parameters may be off: of ln A, ln B, ln E, α, β in this order."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    matrix: tuple[tuple[float, ...], ...]
    source: Plain
    is_borrowed: bool = Field(default=False, description="Of another fit: the law's own source has none that holds")

    @model_validator(mode="after")
    def _can_be_drawn_from(self) -> Covariance:
        if np.shape(self.matrix) != (len(SAMPLED), len(SAMPLED)):
            raise ValueError(f"a covariance is {len(SAMPLED)} × {len(SAMPLED)}: of {', '.join(SAMPLED)}")
        matrix = np.array(self.matrix)
        scale = np.abs(matrix).max() or 1.0
        unit = matrix / scale
        if not np.allclose(unit, unit.T, rtol=0, atol=_ROUNDING) or np.linalg.eigvalsh(unit)[0] < -_ROUNDING:
            raise ValueError(
                "a covariance is symmetric, and no combination of its parameters varies by less than nothing"
            )
        return self


class Chinchilla(NamedTuple):
    """The five parameters of L = E + A/N^α + B/D^β: floats, or arrays with one element a bootstrap sample."""

    E: Number
    A: Number
    B: Number
    alpha: Number
    beta: Number


@dataclass(frozen=True)
class Optimum:
    """The size and the data that a budget is best spent on. `loss` is NaN where a law only says the size."""

    parameters: Number
    tokens: Number
    loss: Number

    @property
    def perplexity(self) -> Number:
        """exp(loss)."""
        return losses.perplexity(self.loss)


class Law(BaseModel):
    """A law as data. Loss in nats a token unless `loss_unit` says otherwise; C = 6·N·D."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: Plain
    title: Plain = Field(description="As in a legend: author and year, and which variant")
    form: Form
    formula: Plain = Field(description="In symbols")
    parameters: dict[Plain, float]
    standard_errors: dict[Plain, float] = {}
    covariance: Covariance | None = None
    source: Plain = Field(description="Paper, and the equation or table")
    as_of: Plain = ""
    confidence: Plain = Field(default="seen", description="seen in the source, recalled, or fitted here")
    data_set: Plain = ""
    tokenizer: Plain = ""
    context_length: int | None = None
    counts: Plain = Field(default="total", description="Which parameters N counts")
    loss_unit: Plain = "nats/token"
    valid: Range = Range()
    recommended: bool = False
    notes: tuple[Plain, ...] = ()

    @model_validator(mode="after")
    def _has_its_parameters(self) -> Law:
        missing = _NEEDED[self.form] - set(self.parameters)
        if missing:
            raise ValueError(f"a law of form {self.form!r} needs the parameters {', '.join(sorted(missing))}")
        wrong = [told for name in sorted(self.parameters) if (told := self._out_of_bounds(name))]
        if wrong:
            raise ValueError("; ".join(wrong))
        if not self._is_finite():
            raise ValueError(
                f"its parameters give no finite number for 1 to {_LARGEST:.0e} parameters and tokens; check their units"
            )
        return self

    def _out_of_bounds(self, name: str) -> str:
        """What is wrong with a parameter, empty where nothing is."""
        value = self.parameters[name]
        exponents = _EXPONENTS | ({"a"} if self.form in ("kaplan", "allocation") else set())
        if name in exponents and not _LOWEST_EXPONENT <= value <= _HIGHEST_EXPONENT:
            return f"parameters.{name} = {value:g}: an exponent from {_LOWEST_EXPONENT:g} to {_HIGHEST_EXPONENT:g}"
        may_be_below = self.form == "step" or name not in _NEEDED[self.form]
        if not may_be_below and (value < 0 or (value == 0 and name != "E")):
            return f"parameters.{name} = {value:g}: must be above zero"
        return ""

    def _is_finite(self) -> bool:
        """Whether it answers at both ends of what it can be asked."""
        sizes = (_SMALLEST, _LARGEST)
        with np.errstate(all="ignore"):
            try:
                found = [self._answers(N, D) for N in sizes for D in sizes]
            except ArithmeticError:  # Python's own numbers overflow with an error, NumPy's without
                return False
        return bool(np.isfinite(np.concatenate(found)).all())

    def _answers(self, parameters: float, tokens: float) -> list[float]:
        p, flops = self.parameters, losses.training_flops(parameters, tokens)
        if self.form == "critical-batch":
            return [float(losses.critical_batch_tokens(loss, p["B_star"], p["alpha_B"])) for loss in _LOSSES]
        if self.form == "step":
            powers = ((p["lr"], p["lr_N"], p["lr_D"]), (p["batch"], 0.0, p["batch_D"]))
            return [float(losses.power_of_size_and_data(parameters, tokens, *power)) for power in powers]
        found = [float(self.optimum(flops).parameters)]
        return [*found, float(self.loss(parameters, tokens))] if self.gives_loss else found

    @property
    def traced(self) -> Law:
        """The same law with its constants as published leaves of every derivation; inside `recording()`."""
        told = f"{self.title}: {self.source}"
        numbers = {name: given(name, value, source=told, kind="published") for name, value in self.parameters.items()}
        return self.model_copy(update={"parameters": numbers})

    @property
    def words(self) -> list[str]:
        """What one should know of the law, in paragraphs: form, figures, range, what it counts, caveats."""
        errors = self.standard_errors
        figures = [
            f"{name} = {value:.6g}" + (f" ± {errors[name]:.3g}" if name in errors else "")
            for name, value in self.parameters.items()
        ]
        ranges = [
            f"{what} {_words(low, what)} to {_words(high, what)}" for what, (low, high) in self._known_ranges.items()
        ]
        text = ", ".join(filter(None, (self.data_set, self.tokenizer, self._context)))
        found = [
            self.title, self.formula, ",  ".join(figures),
            f"N counts {self.counts} parameters; loss in {self.loss_unit}{f' of {text}' if text else ''}.",
            f"Measured on {'; '.join(ranges)}." if ranges else "Its source does not say what it was measured on.",
            *self.notes,
            f"Band: {self.covariance.source}." if self.covariance else "No band: its source gives no covariance.",
            f"Source: {self.source} ({', '.join(filter(None, (self.as_of, self.confidence)))}).",
        ]  # fmt: skip
        return [one.replace("..", ".") for one in found]

    @property
    def _known_ranges(self) -> dict[str, tuple[float, float]]:
        named = {name: getattr(self.valid, name) for name in ("parameters", "tokens", "flops")}
        return {name: limits for name, limits in named.items() if limits}

    @property
    def _context(self) -> str:
        return f"context {self.context_length:,}" if self.context_length else ""

    @property
    def gives_loss(self) -> bool:
        """Whether it predicts a loss; the others only say how to split a budget, or advise on the recipe."""
        return self.form in ("chinchilla", "over-training", "data-constrained", "precision", "kaplan")

    @property
    def gives_optimum(self) -> bool:
        """Whether it says how a budget is best split between size and data."""
        return self.gives_loss or self.form == "allocation"

    @property
    def chinchilla(self) -> Chinchilla | None:
        """The law as L = E + A/N^α + B/D^β for one epoch in half precision, None where it has no such form."""
        p = self.parameters
        if self.form == "over-training":
            A, B = (losses.over_training_coefficient(p[key], p["eta"]) for key in ("a", "b"))
            return Chinchilla(p["E"], A, B, 2 * p["eta"], 2 * p["eta"])
        if self.form == "precision":
            share = losses.parameters_at_precision(
                1.0, *(HALF_PRECISION_BITS,) * 3, p["gamma_w"], p["gamma_a"], p["gamma_kv"]
            )
            return Chinchilla(p["E"], p["A"] / share ** p["alpha"], p["B"], p["alpha"], p["beta"])
        if self.form in ("chinchilla", "data-constrained"):
            return Chinchilla(p["E"], p["A"], p["B"], p["alpha"], p["beta"])
        return None

    def loss(self, parameters: Number, tokens: Number, unique_tokens: Number | None = None) -> Number:
        """Loss of a model of N parameters after D tokens, of which `unique_tokens` are different (None: all).

        Raises `InputError` for a law without a loss, and for repeated data in a law that knows none.
        """
        if unique_tokens is not None:
            parameters, tokens = self._effective(parameters, tokens, unique_tokens)
        form = self.chinchilla
        if form is not None:
            return losses.chinchilla_loss(parameters, tokens, *form)
        if self.form == "kaplan":
            p = self.parameters
            return losses.kaplan_loss(parameters, tokens, p["N_c"], p["D_c"], p["alpha_N"], p["alpha_D"])
        raise InputError(f"{self.name}: this law predicts no loss; use {DEFAULT}")

    def loss_within(self, parameters: Number, flops: Number, unique_tokens: Number | None = None) -> Number:
        """Loss of a model of N parameters trained with a budget of C FLOPs. Kaplan has a law of its own for this."""
        if self.form == "kaplan" and unique_tokens is None:
            p = self.parameters
            return losses.kaplan_loss_at_compute(
                parameters, flops, p["N_c_steps"], p["S_c"], p["alpha_N_steps"], p["alpha_S"], p["B_star"], p["alpha_B"]
            )
        return self.loss(parameters, losses.tokens_within(flops, parameters), unique_tokens)

    def perplexity(self, parameters: Number, tokens: Number, unique_tokens: Number | None = None) -> Number:
        """exp(loss). Raises as `loss` does."""
        return losses.perplexity(self.loss(parameters, tokens, unique_tokens))

    def optimum(self, flops: Number, unique_tokens: float | None = None) -> Optimum:
        """The split of a budget with the lowest loss: closed form, or a search along the curve with repeated data."""
        if unique_tokens is not None:
            return self._searched(float(flops), unique_tokens)
        form, p = self.chinchilla, self.parameters
        if form is not None:
            size = losses.optimal_parameters(flops, form.A, form.B, form.alpha, form.beta)
            return Optimum(size, losses.tokens_within(flops, size), losses.optimal_loss(flops, *form))
        if self.form == "kaplan":
            size = losses.allocated_parameters(flops, p["N_1"], p["a"], losses.FLOPS_PER_PETAFLOP_DAY)
            return Optimum(size, losses.tokens_within(flops, size), self.loss_within(size, flops))
        if self.form == "allocation":
            size = losses.allocated_parameters(flops, p["k"], p["a"])
            return Optimum(size, losses.tokens_within(flops, size), flops * np.nan)
        raise InputError(f"{self.name}: this law advises on the recipe and knows no best size; use {DEFAULT}")

    def cheapest(self, loss: Number) -> Number:
        """The least FLOPs that reach a loss; infinite where none do. NaN for laws without a closed form."""
        form = self.chinchilla
        return losses.cheapest_flops(loss, *form) if form is not None else loss * np.nan

    def samples(self, count: int, seed: int = 2022) -> Chinchilla | None:
        """`count` draws of the parameters from their covariance, as arrays; None where none is known."""
        form = self.chinchilla
        if self.covariance is None or form is None:
            return None
        centre = np.array([np.log(form.A), np.log(form.B), np.log(form.E), form.alpha, form.beta])
        matrix = np.array(self.covariance.matrix)
        drawn = np.random.default_rng(seed).multivariate_normal(
            centre, matrix, count, check_valid="ignore", method="eigh"
        )
        a, b, e, alpha, beta = drawn.T
        tiny = 1e-3  # a law with an exponent at 0 or below has no optimum; such draws are clipped, not dropped
        return Chinchilla(np.exp(e), np.exp(a), np.exp(b), np.maximum(alpha, tiny), np.maximum(beta, tiny))

    def outside(
        self, parameters: float | None = None, tokens: float | None = None, flops: float | None = None
    ) -> list[str]:
        """A sentence for each quantity outside the range that the law was measured in."""
        asked = {"parameters": parameters, "tokens": tokens, "flops": flops}
        found = []
        for what, value in asked.items():
            limits = getattr(self.valid, what)
            if value is None or limits is None or limits[0] <= value <= limits[1]:
                continue
            end, factor = ("above", value / limits[1]) if value > limits[1] else ("below", limits[0] / value)
            far = ": a far extrapolation" if factor > _FAR else ""
            measured = f"{_words(limits[0], what)} to {_words(limits[1], what)}"
            found.append(
                f"{self.name}: {_words(value, what)} is {factor:.3g}× {end} the range measured ({measured}){far}"
            )
        return found

    def _effective(self, parameters: Number, tokens: Number, unique_tokens: Number) -> tuple[Number, Number]:
        """N' and D' of repeated data."""
        if self.form != "data-constrained":
            raise InputError(f"{self.name}: this law knows no repeated data; use muennighoff-2023")
        p = self.parameters
        unique = cast(Number, np.minimum(tokens, unique_tokens))
        return (
            losses.effective_parameters(parameters, unique, p["A"], p["B"], p["alpha"], p["beta"], p["R_N"]),
            losses.effective_tokens(tokens, unique_tokens, p["R_D"]),
        )

    def _searched(self, flops: float, unique_tokens: float) -> Optimum:
        """The lowest point of the iso-budget curve: a log grid about the closed form, refined three times."""
        centre, width = np.log(float(self.optimum(flops).parameters)), np.log(1e4)
        for _ in range(4):
            grid = np.exp(np.linspace(centre - width, centre + width, 401))
            curve = cast(Array, self.loss_within(grid, flops, unique_tokens))
            centre, width = np.log(grid[int(np.argmin(curve))]), width / 100
        size = float(np.exp(centre))
        tokens = losses.tokens_within(flops, size)
        return Optimum(size, tokens, float(self.loss(size, tokens, unique_tokens)))


def _words(value: float, what: str) -> str:
    return f"{value:.3g} FLOP" if what == "flops" else show(value, what)


@library.by_name("laws")
def _named(name: str, data: dict[str, Any]) -> Law:
    return validated(data, name)


def law(name: str | Path = DEFAULT) -> Law:
    """A law by name (shipped, or the user's own), or from a file. Raises `UnknownNameError` or `InputError`."""
    text = str(name)
    if text.endswith(".json") or os.sep in text:
        return validated(library.read_json(Path(text)), text)
    return _named(text)


def names() -> list[str]:
    """Every known law, by name."""
    return library.names("laws")


def validated(data: dict[str, Any], where: str) -> Law:
    """A law from a file's content. Raises `InputError` with every mistake, one a line."""
    try:
        return Law.model_validate(data)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, item['loc'])) or 'law'}: {item['msg'].removeprefix('Value error, ')}"
            for item in error.errors()[:_MOST_TOLD]
        ]
        raise InputError("\n".join(f"{where}: {line}" for line in lines)) from None
