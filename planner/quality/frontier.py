"""What a budget buys: the best size and data under a law, perplexity against size, and where a plan stands."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

import numpy as np

from planner.costing import lifetime as life_costs
from planner.errors import InputError
from planner.formula import Array, Number
from planner.quality import losses
from planner.quality.budget import Budget, Training, plausible, show_budget
from planner.quality.laws import DEFAULT, Chinchilla, Law
from planner.quality.laws import law as read_law
from planner.units import show

LEVEL = 0.8
"""Share of the parameter draws that a band holds."""
CURVE_POINTS = 121
CURVE_SPAN = 30.0
"""The curve runs from the best size over this factor to the best size times it, and always past the plan's size."""
SAMPLES = 1000
LINES = (0.25, 0.5, 2.0, 4.0)
"""Other budgets whose curves are shown, as multiples of the one that is asked."""
LINE_POINTS = 61
MOST_NATS = 12.5
"""A law that gives more is asked far outside its range: exp(12.5) is 268,337, and who guesses evenly among the largest
vocabularies (262,144) does better. No perplexity is told then."""

Interval = tuple[float, float]


@dataclass(frozen=True)
class Point:
    """A size and what becomes of it. `low` and `high` bound the perplexity; None where the law has no covariance."""

    parameters: float
    tokens: float
    loss: float | None
    perplexity: float | None
    low: float | None = None
    high: float | None = None
    compute_ratio: float | None = None
    """Compute that this size needs for the budget's best loss, over the budget; infinite where no data bring it there,
    None where the law cannot say."""

    def to_json(self) -> dict[str, float | None]:
        """As in the contract; a compute without end as None."""
        ratio = self.compute_ratio
        return {**vars(self), "compute_ratio": ratio if ratio is None or math.isfinite(ratio) else None}


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
class Line:
    """The same curve at another budget."""

    label: str
    flops: float
    parameters: tuple[float, ...]
    perplexity: tuple[float, ...]


@dataclass(frozen=True)
class Demand:
    """What a model is to serve after its training, and the price of a FLOP in serving over one in training."""

    served_tokens: float
    price_ratio: float


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
    lines: tuple[Line, ...] = ()
    amounts: tuple[tuple[str, float], ...] = ()
    """The budget in every unit that the plan's estimate knows, FLOPs first."""
    price_source: str = ""
    lifetime: Point | None = None
    """The size that is cheapest to train and to serve with the optimum's loss; None without a demand."""
    demand: Demand | None = None

    @property
    def verdict(self) -> str:
        """What the budget buys at best, and how the plan compares, in one sentence."""
        words = f"{self.budget or show_budget(self.budget_flops, 'FLOP')} buys at best {_told(self.optimum)}"
        if self.plan is not None:
            words += f"; {self.plan.name} is {_told(self.plan.point)}"
            if self.plan.compute_ratio is not None:
                words += f", {self.plan.compute_ratio:.3g}× the least compute for that"
        return words

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
            "budget": dict(self.amounts),
            "lifetime_optimum": self.lifetime.to_json() if self.lifetime else {},
            "warnings": list(self.warnings),
        }  # fmt: skip


def _told(point: Point) -> str:
    size = f"{show(point.parameters)} parameters on {show(point.tokens)} tokens"
    if point.perplexity is None:
        return size
    band = "" if point.low is None else f" ({point.low:.2f} – {point.high:.2f})"
    return f"{size}, perplexity {point.perplexity:.2f}{band}"


def frontier(
    budget: Budget | float | None = None,
    *,
    law: Law | str = DEFAULT,
    training: Training | None = None,
    unique_tokens: float | None = None,
    demand: Demand | None = None,
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
    optimum = _point(float(best.parameters), float(best.tokens), float(best.loss), low, high)
    return Frontier(
        law, flops, optimum, bands, curve, standing(law, training, draws, unique_tokens) if training else None, budget,
        unique_tokens, tuple(_warnings(law, optimum, flops, training, unique_tokens)),
        _lines(law, flops, curve, unique_tokens, budget, training),
        tuple(training.amounts(flops).items()) if training else (("FLOP", flops),),
        training.price_source if training else "",
        _lifetime(law, optimum, flops, demand) if demand and unique_tokens is None else None, demand,
    )  # fmt: skip


def compute_ratio(law: Law, parameters: Number, best_parameters: Number, flops: Number) -> Number:
    """Compute that a model of another size needs for the loss of the best one, over the best one's: ≥ 1.

    "A 3× smaller model costs 11 % more training for the same loss" is a ratio of 1.11. Infinite where no amount of
    data brings the size there, NaN for a law that cannot say. Elementwise in `parameters`.
    """
    form = law.chinchilla
    if form is None:
        return parameters * np.nan
    loss = law.loss(best_parameters, losses.tokens_within(flops, best_parameters))
    tokens = losses.tokens_for_loss(loss, parameters, *form)
    return losses.training_flops(parameters, tokens) / flops


def off_optimum(found: Frontier) -> list[tuple[str, float]]:
    """The compute of models 3× and 10× off the best size for the best loss, over the budget; infinite where no data
    bring them there. Empty for a law that cannot say, and for repeated data."""
    if found.law.chinchilla is None or found.unique_tokens is not None:
        return []
    best = found.optimum.parameters
    sizes = {"3× smaller": best / 3, "10× smaller": best / 10, "3× larger": best * 3, "10× larger": best * 10}
    return [(words, float(compute_ratio(found.law, size, best, found.budget_flops))) for words, size in sizes.items()]


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
        return plausible(training.flops, Budget(training.flops, "FLOP"))
    if training is None:
        if budget.unit != "FLOP":
            raise InputError(f"budget: without a plan it must be in FLOP, not {budget.unit}")
        return plausible(budget.amount, budget)
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
    knows_price = law.chinchilla is not None and unique_tokens is None
    ratios = cast(Array, compute_ratio(law, sizes, best, flops)).tolist() if knows_price else [None] * len(sizes)
    columns = zip(sizes.tolist(), tokens.tolist(), loss.tolist(), lows, highs, ratios, strict=True)
    return tuple(point for column in columns if (point := _point(*column)).perplexity is not None)


def _point(
    parameters: float, tokens: float, loss: float, low: float | None, high: float | None, ratio: float | None = None
) -> Point:
    if math.isnan(loss) or loss > MOST_NATS:
        return Point(parameters, tokens, None, None)
    return Point(parameters, tokens, loss, float(losses.perplexity(loss)), low, high, ratio)


def _lines(
    law: Law,
    flops: float,
    curve: tuple[Point, ...],
    unique_tokens: float | None,
    budget: Budget | None,
    training: Training | None,
) -> tuple[Line, ...]:
    """The curve at other budgets, named in the budget's own unit; in dollars where none was given and a price is
    known."""
    if not curve:
        return ()
    amounts = training.amounts(flops) if training else {"FLOP": flops}
    unit = budget.unit if budget else "USD" if "USD" in amounts else "FLOP"
    sizes = np.geomspace(curve[0].parameters, curve[-1].parameters, LINE_POINTS)
    found = []
    for multiple in LINES:
        loss = cast(Array, law.loss_within(sizes, flops * multiple, unique_tokens))
        values = tuple(cast(Array, losses.perplexity(np.minimum(loss, MOST_NATS))).tolist())
        label = show_budget(amounts[unit] * multiple, unit)
        found.append(Line(label, flops * multiple, tuple(sizes.tolist()), values))
    return tuple(found)


def _lifetime(law: Law, optimum: Point, flops: float, demand: Demand) -> Point | None:
    """The size and data with the optimum's loss that cost least together with serving (Sardana 2023)."""
    form = law.chinchilla
    if form is None or optimum.loss is None:
        return None
    best = life_costs.best(optimum.loss, demand.served_tokens, *form, demand.price_ratio)
    N, D = float(best.parameters), float(best.tokens)
    return _point(N, D, optimum.loss, None, None, float(losses.training_flops(N, D)) / flops)


def _perplexity_band(draws: Chinchilla | None, sizes: Array, tokens: Array) -> tuple[list[Any], list[Any]]:
    """Band of the perplexity at each point, None without draws."""
    if draws is None:
        return [None] * len(sizes), [None] * len(sizes)
    columns = Chinchilla(*(cast(Array, value)[:, None] for value in draws))
    loss = losses.chinchilla_loss(sizes[None], tokens[None], *columns)
    low, high = np.exp(np.minimum(np.quantile(loss, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0), MOST_NATS))
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


def _warnings(law: Law, best: Point, flops: float, training: Training | None, unique_tokens: float | None) -> list[str]:
    found = law.outside(best.parameters, best.tokens, flops)
    if not law.gives_loss:
        found.append(f"{law.name}: this law says how to split a budget, not which perplexity comes of it")
    elif law.covariance is None:
        found.append(f"{law.name}: its source gives no covariance, so there are no bands")
    elif law.covariance.is_borrowed:
        found.append(f"{law.name}: the bands are not its own. {law.covariance.source}")
    if law.counts != "total":
        found.append(f"{law.name}: its N counts {law.counts} parameters, the plan's N all of them")
    if law.form == "kaplan":
        found.append(f"{law.name}: historical; its best size, a printed power law, lies above its curve's minimum")
    if unique_tokens is not None and best.tokens > unique_tokens:
        epochs = best.tokens / unique_tokens
        found.append(f"the best split passes {epochs:.3g} times over the data; the law cannot see over-fitting")
    return found
