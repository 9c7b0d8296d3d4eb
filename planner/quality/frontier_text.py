"""The frontier of a budget for a terminal."""

from __future__ import annotations

import math
import sys

from planner.errors import TrainplanError
from planner.estimate import Estimate, estimate
from planner.plan.plan import Plan
from planner.quality.budget import show_budget
from planner.quality.frontier import Frontier, Point, off_optimum, same_quality_sizes
from planner.quality.recipe import Hint
from planner.quality.sizes import plan_of_size, with_best_layout
from planner.units import percent, show

_TABLE_SIZES = 9


def optimum_as_plan(plan: Plan, found: Frontier) -> Estimate | None:
    """The best size as a plan of its own, in the plan's family and on its cluster; None, and a warning, where there is
    no such plan."""
    try:
        return estimate(with_best_layout(plan_of_size(plan, found.optimum.parameters, found.optimum.tokens)))
    except TrainplanError as error:
        print(f"warning: the best size is no plan of its own: {error}", file=sys.stderr)
        return None


def text(found: Frontier, best: Estimate | None, advice: list[Hint]) -> str:
    """Everything that `frontier` prints."""
    lines = [f"{found.verdict}.", "", *_heading(found), "", *_table(found), "", *_prices(found)]
    if best is not None:
        model = best.plan.model
        made = f"{model.layers} layers of {model.hidden:,}, cheapest layout"
        lines.append(
            f"The best size as a plan of its own ({made}): {best.verdict}; MFU {best.figures['time.mfu'].text}."
        )
    lines += ["", "Advice for the plan's recipe", *(f"  {hint}" for hint in advice)]
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _heading(found: Frontier) -> list[str]:
    amounts = " = ".join(show_budget(amount, unit) for unit, amount in found.amounts)
    whose = ", the plan's own compute" if found.budget is None else ""
    on = "" if len(found.amounts) < 2 else ", at what the plan costs a FLOP"
    return [
        f"Law     {found.law.title} ({found.law.name})",
        f"Source  {found.law.source}",
        f"Budget  {amounts}{whose}{on}",
    ]


def _table(found: Frontier) -> list[str]:
    lines = [
        f"{'':16}{'parameters':>12}{'tokens':>12}{'tokens/param':>14}{'loss':>9}{'perplexity':>12}"
        "   80 % band        compute for the best loss",
        _row("best", found.optimum, "1×" if found.curve else ""),
    ]
    step = max(1, (len(found.curve) - 1) // (_TABLE_SIZES - 1))
    lines += [_row("", point, _price(point)) for point in found.curve[::step]]
    if found.lifetime is not None:
        lines += ["", _row("lifetime-optimal", found.lifetime, _price(found.lifetime))]
    if found.plan is not None:
        lines += ["", _row(found.plan.name, found.plan.point, "")]
    return lines


def _row(name: str, point: Point, price: str) -> str:
    loss = "" if point.loss is None else f"{point.loss:.4f}"
    value = "" if point.perplexity is None else f"{point.perplexity:.3f}"
    band = "" if point.low is None else f"{point.low:.3f} to {point.high:.3f}"
    ratio = point.tokens / point.parameters
    cells = f"{name:16.16}{show(point.parameters):>12}{show(point.tokens):>12}{ratio:>14,.3g}{loss:>9}{value:>12}"
    return f"{cells}   {band:17}{price}".rstrip()


def _price(point: Point) -> str:
    ratio = point.compute_ratio
    return "" if ratio is None else "never" if math.isinf(ratio) else f"{ratio:.3g}×"


def _prices(found: Frontier) -> list[str]:
    """What it costs to be off the optimum, how flat that is, and how sure."""
    lines = []
    if found.plan is not None and found.plan.compute_ratio is not None:
        spent = show_budget(found.plan.flops, "FLOP")
        lines.append(f"The plan spends {spent}, {found.plan.compute_ratio:.3g}× the least that reaches its loss.")
    for words, ratio in off_optimum(found):
        lines.append(f"A {words} model {_costs(ratio)}.")
    flat = same_quality_sizes(found.law, found.budget_flops) if found.unique_tokens is None else None
    if flat:
        sizes = f"{show(flat[0])} to {show(flat[1])}"
        lines.append(f"Any size from {sizes} comes within 0.5 % of the best loss at this budget.")
    for name, (low, high) in found.bands.items():
        if name in ("parameters", "tokens"):
            lines.append(f"80 % band of the best {name}: {show(low)} to {show(high)}")
    return lines


def _costs(ratio: float) -> str:
    if math.isinf(ratio):
        return "never reaches the best loss, however much it is trained"
    return f"costs {percent(ratio - 1, 0)} more training for the same loss"
