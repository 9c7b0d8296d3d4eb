"""What a budget buys: the best size and data under a law, perplexity against size, and where a plan stands.

A budget in FLOPs is the law's own C = 6·N·D. Any other budget (dollars, GPU-hours, days, kWh, kg CO2e) is turned into
FLOPs by what the plan itself costs for each of its 6·N·D FLOPs: the same cluster, the same model FLOP/s.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from planner.errors import InputError, shorten
from planner.formula import Array
from planner.quality import losses
from planner.quality.laws import DEFAULT, Chinchilla, Law
from planner.quality.laws import law as read_law
from planner.units import parse, show

LEVEL = 0.8
"""Share of the parameter draws that a band holds."""
CURVE_POINTS = 121
CURVE_SPAN = 30.0
"""The curve runs from the best size over this factor to the best size times it, and always past the plan's size."""
SAMPLES = 1000

Interval = tuple[float, float]


@dataclass(frozen=True)
class Budget:
    """An amount of one thing. `unit` is one of `UNITS`."""

    amount: float
    unit: str

    def __str__(self) -> str:
        return show_budget(self.amount, self.unit)


UNITS = {
    "FLOP": "",
    "USD": "cost_usd",
    "GPU-hours": "gpu_hours",
    "s": "train_time_s",
    "kWh": "energy_kwh",
    "kg": "co2e_kg",
}
"""Units of a budget, and under which key of an estimate the plan's own amount stands."""

FLOPS_RANGE = (1e9, 1e36)
"""A budget outside is a slip of the pen: 1e9 FLOP is a millisecond of a laptop, 1e36 far beyond any run."""


def parse_budget(text: str) -> Budget:
    """`1e24 FLOP`, `$2M`, `3.3M GPU-hours`, `30 days`, `500 MWh`, `31 t CO2e`; a bare number is FLOPs.

    Raises `InputError` that quotes the text.
    """
    words = re.sub(r"\s*CO2e?\b", "", text.strip(), flags=re.IGNORECASE)
    units = ["USD"] if words.startswith("$") or re.search(r"USD|dollars?", words, re.IGNORECASE) else list(UNITS)
    words = re.sub(r"dollars?", "USD", words, flags=re.IGNORECASE)
    for unit in units:
        try:
            amount = parse(words, unit)
        except InputError:
            continue
        if not amount > 0:
            raise InputError(f"budget: {shorten(text)!r} must be above zero")
        return Budget(amount, unit)
    examples = "1e24 FLOP, $2M, 3.3M GPU-hours, 30 days, 500 MWh or 31 t"
    raise InputError(f"budget: {shorten(text)!r} is not a budget; write it like {examples}")


def show_budget(amount: float, unit: str) -> str:
    """A budget for the screen; FLOPs as a power of ten, which is how they are compared."""
    if unit != "FLOP":
        return show(amount, unit) + {"kg": " CO₂e", "GPU-hours": " GPU-hours"}.get(unit, "")
    if not 0 < amount < math.inf:
        return f"{amount:g} FLOP"
    exponent = math.floor(math.log10(amount))
    mantissa = f"{amount / 10**exponent:.3g}"
    if mantissa == "10":
        mantissa, exponent = "1", exponent + 1
    return f"{mantissa} × 10{str(exponent).translate(_SUPERSCRIPT)} FLOP"


_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class Training:
    """The plan as a law sees it: a name, N and D, and what each of its 6·N·D FLOPs costs, by unit of a budget."""

    name: str
    parameters: float
    tokens: float
    cost_per_flop: Mapping[str, float]

    @property
    def flops(self) -> float:
        """C = 6·N·D."""
        return losses.training_flops(self.parameters, self.tokens)  # type: ignore[return-value]

    @classmethod
    def of_estimate(cls, name: str, tokens: float, estimate: Mapping[str, Any]) -> Training:
        """From `estimate(plan).json`. N is the active parameters where experts make a difference.

        Sums that do not grow with the training (people) are left out of the dollars a FLOP.
        """
        parameters = float(estimate.get("active_parameters") or estimate["parameters"])
        flops = float(losses.training_flops(parameters, tokens))
        return cls(
            name, parameters, tokens, {unit: _amount(estimate, key) / flops for unit, key in UNITS.items() if key}
        )

    def budget_flops(self, budget: Budget) -> float:
        """FLOPs that a budget buys on the plan's cluster at its speed. Raises `InputError` where unknown."""
        if budget.unit == "FLOP":
            return _plausible(budget.amount, budget)
        price = self.cost_per_flop.get(budget.unit, math.nan)
        if not price > 0 or not math.isfinite(price):
            why = f"the plan's own amount of {budget.unit} is {'zero' if price == 0 else 'unknown'}"
            raise InputError(f"budget: {budget} cannot be turned into FLOPs: {why}; give the budget in FLOP")
        return _plausible(budget.amount / price, budget)


def _amount(estimate: Mapping[str, Any], key: str) -> float:
    value = estimate.get(key)
    if isinstance(value, Mapping):
        total, staff = value.get("total"), value.get("staff")
        value = None if total is None else float(total) - float(staff or 0.0)
    return math.nan if value is None else float(value)


def _plausible(flops: float, budget: Budget) -> float:
    low, high = FLOPS_RANGE
    if not low <= flops <= high:
        raise InputError(
            f"budget: {budget} is {flops:.3g} FLOP; a training budget lies between {low:.0e} and {high:.0e} FLOP"
        )
    return flops


@dataclass(frozen=True)
class Point:
    """A size and what becomes of it. `low` and `high` bound the perplexity; None where the law has no covariance."""

    parameters: float
    tokens: float
    loss: float | None
    perplexity: float | None
    low: float | None = None
    high: float | None = None

    def to_json(self) -> dict[str, float | None]:
        """As in the contract."""
        return dict(vars(self))


@dataclass(frozen=True)
class Standing:
    """Where the plan stands under the law, at its own compute."""

    name: str
    point: Point
    flops: float
    cheapest_flops: float | None
    """The least compute with the same loss; None where the law cannot say."""

    @property
    def compute_ratio(self) -> float | None:
        """Compute of the plan over the least with the same loss: 1.11 is 11 % more than needed."""
        return None if self.cheapest_flops is None else self.flops / self.cheapest_flops

    def to_json(self) -> dict[str, Any]:
        """As in the contract."""
        return {"name": self.name, **self.point.to_json(), "flops": self.flops, "compute_ratio": self.compute_ratio}


@dataclass(frozen=True)
class Frontier:
    """A law at a budget. `curve` is empty where the law knows sizes but no loss."""

    law: Law
    budget_flops: float
    optimum: Point
    bands: dict[str, Interval]
    curve: tuple[Point, ...]
    plan: Standing | None = None
    budget: Budget | None = None
    unique_tokens: float | None = None
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `frontier --json` prints."""
        best = self.optimum
        return {
            "law": self.law.name,
            "budget_flops": self.budget_flops,
            "optimum": {
                "parameters": best.parameters, "tokens": best.tokens, "loss": best.loss, "perplexity": best.perplexity,
                "bands": {name: list(interval) for name, interval in self.bands.items()},
            },
            "curve": [point.to_json() for point in self.curve],
            "plan": self.plan.to_json() if self.plan else {},
        }  # fmt: skip


def frontier(
    budget: Budget | float | None = None,
    *,
    law: Law | str = DEFAULT,
    training: Training | None = None,
    unique_tokens: float | None = None,
) -> Frontier:
    """The frontier of a budget; without one, of the plan's own compute. Raises `InputError`.

    unique_tokens: how many different tokens there are; beyond them data are repeated (a law of repeated data only).
    """
    law = read_law(law) if isinstance(law, str) else law
    if isinstance(budget, float | int):
        budget = Budget(float(budget), "FLOP")
    flops = _flops(budget, training)
    best = law.optimum(flops, unique_tokens)
    draws = law.samples(SAMPLES) if unique_tokens is None else None
    curve = _curve(law, flops, float(best.parameters), draws, training, unique_tokens) if law.gives_loss else ()
    bands = _bands(draws, flops) if draws is not None else {}
    low, high = bands.get("perplexity", (None, None))
    return Frontier(
        law, flops, _point(float(best.parameters), float(best.tokens), float(best.loss), low, high), bands, curve,
        standing(law, training, draws, unique_tokens) if training else None, budget, unique_tokens,
        tuple(_warnings(law, flops, float(best.parameters), float(best.tokens), training, unique_tokens)),
    )  # fmt: skip


def compute_ratio(law: Law, parameters: float, best_parameters: float, flops: float) -> float:
    """Compute that a model of another size needs for the loss of the best one, over the best one's: ≥ 1.

    "A 3× smaller model costs 11 % more training for the same loss" is a ratio of 1.11. Infinite where no amount of
    data brings the size there, NaN for a law that cannot say.
    """
    form = law.chinchilla
    if form is None:
        return math.nan
    loss = law.loss(best_parameters, losses.tokens_within(flops, best_parameters))
    tokens = losses.tokens_for_loss(loss, parameters, *form)
    return float(losses.training_flops(parameters, tokens)) / flops


def same_quality_sizes(law: Law, flops: float, tolerance: float = 0.005) -> Interval | None:
    """Smallest and largest size whose loss at the budget is within a share of the lowest: how flat the optimum is."""
    if not law.gives_loss:
        return None
    best = float(law.optimum(flops).parameters)
    sizes = np.geomspace(best / 1e3, best * 1e3, 6001)
    curve = cast(Array, law.loss_within(sizes, flops))
    good = sizes[curve <= curve.min() * (1 + tolerance)]
    return float(good[0]), float(good[-1])


def _flops(budget: Budget | None, training: Training | None) -> float:
    if budget is None:
        if training is None:
            raise InputError("budget: give one, or a plan whose own compute is the budget")
        return _plausible(training.flops, Budget(training.flops, "FLOP"))
    if training is None:
        if budget.unit != "FLOP":
            raise InputError(f"budget: without a plan it must be in FLOP, not {budget.unit}")
        return _plausible(budget.amount, budget)
    return training.budget_flops(budget)


def _curve(
    law: Law,
    flops: float,
    best: float,
    draws: Chinchilla | None,
    training: Training | None,
    unique_tokens: float | None,
) -> tuple[Point, ...]:
    """Points of equal compute, evenly spaced in the logarithm of the size; the best size is one of them."""
    low, high = best / CURVE_SPAN, best * CURVE_SPAN
    if training is not None:
        low, high = min(low, training.parameters / 1.5), max(high, training.parameters * 1.5)
    sizes = np.union1d(np.geomspace(low, high, CURVE_POINTS - 1), [best])
    tokens = cast(Array, losses.tokens_within(flops, sizes))
    loss = cast(Array, law.loss_within(sizes, flops, unique_tokens))
    lows, highs = _perplexity_band(draws, sizes, tokens)
    columns = zip(sizes.tolist(), tokens.tolist(), loss.tolist(), lows, highs, strict=True)
    return tuple(_point(*column) for column in columns)


def _point(parameters: float, tokens: float, loss: float, low: float | None, high: float | None) -> Point:
    if math.isnan(loss):
        return Point(parameters, tokens, None, None)
    return Point(parameters, tokens, loss, float(losses.perplexity(loss)), low, high)


def _perplexity_band(draws: Chinchilla | None, sizes: Array, tokens: Array) -> tuple[list[Any], list[Any]]:
    """Band of the perplexity at each point, None without draws."""
    if draws is None:
        return [None] * len(sizes), [None] * len(sizes)
    columns = Chinchilla(*(cast(Array, value)[:, None] for value in draws))
    loss = losses.chinchilla_loss(sizes[None], tokens[None], *columns)
    low, high = np.exp(np.quantile(loss, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0))
    return low.tolist(), high.tolist()


def _bands(draws: Chinchilla, flops: float) -> dict[str, Interval]:
    """Bands of the optimum: each draw has its own best size."""
    sizes = losses.optimal_parameters(flops, draws.A, draws.B, draws.alpha, draws.beta)
    loss = losses.optimal_loss(flops, *draws)
    of = {
        "parameters": sizes,
        "tokens": losses.tokens_within(flops, sizes),
        "loss": loss,
        "perplexity": losses.perplexity(loss),
    }
    return {name: _interval(cast(Array, values)) for name, values in of.items()}


def _interval(values: Array) -> Interval:
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


def standing(law: Law, training: Training, draws: Chinchilla | None, unique_tokens: float | None = None) -> Standing:
    """The plan at its own N and D. `draws`: of the law's parameters (`law.samples`), for the band."""
    N, D, flops = training.parameters, training.tokens, training.flops
    if not law.gives_loss:
        return Standing(training.name, Point(N, D, None, None), flops, None)
    loss = float(law.loss_within(N, flops, unique_tokens))
    lows, highs = _perplexity_band(draws, np.array([N]), np.array([D]))
    cheapest = float(law.cheapest(loss))
    known = math.isfinite(cheapest) and unique_tokens is None
    return Standing(training.name, _point(N, D, loss, lows[0], highs[0]), flops, cheapest if known else None)


def _warnings(
    law: Law, flops: float, best: float, tokens: float, training: Training | None, unique_tokens: float | None
) -> list[str]:
    found = law.outside(best, tokens, flops)
    if not law.gives_loss:
        found.append(f"{law.name}: this law says how to split a budget, not which perplexity comes of it")
    elif law.covariance is None:
        found.append(f"{law.name}: its source gives no covariance, so there are no bands")
    if law.counts != "total":
        found.append(f"{law.name}: its N counts {law.counts} parameters, the plan's N all of them")
    if law.form == "kaplan":
        found.append(f"{law.name}: historical; its best size, a printed power law, lies above its curve's minimum")
    if unique_tokens is not None and tokens > unique_tokens:
        epochs = tokens / unique_tokens
        found.append(f"the best split passes {epochs:.3g} times over the data; the law cannot see over-fitting")
    return found
