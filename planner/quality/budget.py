"""A budget in whatever is scarce, and what the plan's own training says of its price in FLOPs.

A budget in FLOPs is a law's own C = 6·N·D. Any other (dollars, GPU-hours, days, kWh, kg CO2e) is turned into FLOPs by
what the plan itself costs for each of its 6·N·D FLOPs: the same cluster, the same model FLOP/s, the same prices.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.errors import InputError, shorten
from planner.quality import losses
from planner.units import parse, show

if TYPE_CHECKING:
    from planner.estimate import Estimate


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


def editable_budget(amount: float, unit: str) -> str:
    """A budget to three digits as one would type it; `parse_budget` reads it back."""
    if unit == "FLOP":
        return f"{amount:.3g} FLOP".replace("e+", "e")
    words = show(amount, unit).replace("\N{NO-BREAK SPACE}", " ")
    return f"{words} GPU-hours" if unit == "GPU-hours" else words


_SUPERSCRIPT = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


@dataclass(frozen=True)
class Training:
    """The plan as a law sees it: a name, N and D, and what each of its 6·N·D FLOPs costs, by unit of a budget."""

    name: str
    parameters: float
    tokens: float
    cost_per_flop: Mapping[str, float]
    price_source: str = ""
    """Where the price of a GPU-hour is from."""

    @property
    def flops(self) -> float:
        """C = 6·N·D."""
        return losses.training_flops(self.parameters, self.tokens)  # type: ignore[return-value]

    @classmethod
    def of(cls, estimate: Estimate) -> Training:
        """From a plan's estimate. N is the active parameters where experts make a difference.

        Sums that do not grow with the training (people) are left out of the dollars a FLOP.
        """
        from planner.costing.quote import quote

        plan, told = estimate.plan, estimate.json
        parameters = float(told.get("active_parameters") or told["parameters"])
        flops = float(losses.training_flops(parameters, plan.recipe.tokens))
        prices = {unit: _amount(told, key) / flops for unit, key in UNITS.items() if key}
        return cls(plan.name, parameters, float(plan.recipe.tokens), prices, quote(plan).told())

    def amounts(self, flops: float) -> dict[str, float]:
        """What so many FLOPs are in each unit that is known, FLOPs first."""
        known = {unit: flops * price for unit, price in self.cost_per_flop.items() if 0 < price < math.inf}
        return {"FLOP": flops, **known}

    def budget_flops(self, budget: Budget) -> float:
        """FLOPs that a budget buys on the plan's cluster at its speed. Raises `InputError` where unknown."""
        if budget.unit == "FLOP":
            return plausible(budget.amount, budget)
        price = self.cost_per_flop.get(budget.unit, math.nan)
        if not price > 0 or not math.isfinite(price):
            why = f"the plan's own amount of {budget.unit} is {'zero' if price == 0 else 'unknown'}"
            raise InputError(f"budget: {budget} cannot be turned into FLOPs: {why}; give the budget in FLOP")
        return plausible(budget.amount / price, budget)


def _amount(estimate: Mapping[str, Any], key: str) -> float:
    value = estimate.get(key)
    if isinstance(value, Mapping):
        total, staff = value.get("total"), value.get("staff")
        value = None if total is None else float(total) - float(staff or 0.0)
    return math.nan if value is None else float(value)


def plausible(flops: float, budget: Budget) -> float:
    """The FLOPs themselves. Raises `InputError` where they are a slip of the pen."""
    low, high = FLOPS_RANGE
    if not low <= flops <= high:
        raise InputError(
            f"budget: {budget} is {flops:.3g} FLOP; a training budget lies between {low:.0e} and {high:.0e} FLOP"
        )
    return flops
