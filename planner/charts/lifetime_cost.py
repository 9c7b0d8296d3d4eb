"""Training and serving in dollars against the size, all sizes with the plan's own loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from planner.charts import scatter, style, ticks
from planner.charts.labels import Label, place
from planner.charts.style import Table, Theme
from planner.estimate import Figure as Explained
from planner.quality.lifetime import Choice, Life, choice_figure
from planner.units import percent, show

TITLE = "Cost over the life, by size"
_HEADROOM = 3.0
"""Sizes are drawn as far as they cost this many times the cheapest."""


@dataclass(frozen=True)
class Data:
    """Points of equal loss from small to large; dollars. `marked`: the best, the plan, the compute-optimal."""

    plan: str = ""
    served_tokens: float = 0.0
    parameters: tuple[float, ...] = ()
    tokens: tuple[float, ...] = ()
    training_usd: tuple[float, ...] = ()
    serving_usd: tuple[float, ...] = ()
    marked: tuple[Choice, ...] = ()
    source: str = ""
    """Of the law and of both prices."""
    life: Life | None = field(default=None, compare=False, repr=False)
    """What it was drawn from, which tells how each point was computed."""

    @classmethod
    def of_life(cls, found: Life) -> Data:
        """From a plan's life. Empty where a price is unknown."""
        if not math.isfinite(found.plan.total_usd):
            return cls()
        least = min(choice.total_usd for choice in found.curve)
        kept = [choice for choice in found.curve if choice.total_usd <= _HEADROOM * least]
        return cls(
            found.estimate.plan.name, found.life.served_tokens,
            tuple(choice.parameters for choice in kept), tuple(choice.tokens for choice in kept),
            tuple(choice.training_usd for choice in kept), tuple(choice.serving_usd for choice in kept),
            (found.best, found.plan, found.compute_optimal), found.sources, found,
        )  # fmt: skip

    @property
    def total_usd(self) -> tuple[float, ...]:
        """Both together."""
        return tuple(a + b for a, b in zip(self.training_usd, self.serving_usd, strict=True))


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.parameters:
        style.message(figure, theme, TITLE, "Nothing to show: the price of an accelerator is unknown.")
        return
    axes = style.start(figure, theme)
    axes.set_xscale("log")
    scale, unit = _scale(max(data.total_usd))
    lines = (
        ("training and serving", data.total_usd, theme.curve, 2.0),
        ("training", data.training_usd, theme.parts[1], 1.4),
        ("serving", data.serving_usd, theme.parts[2], 1.4),
    )
    for (name, values, colour, width), dashes in zip(lines, ("-", "--", ":"), strict=True):
        axes.plot(
            data.parameters, [v / scale for v in values], color=colour, linewidth=width, linestyle=dashes, label=name
        )
    colours = (theme.optimum, theme.plan, theme.muted)
    for choice, colour, shape in zip(data.marked, colours, ("*", "o", "s"), strict=False):
        axes.plot(
            [choice.parameters], [choice.total_usd / scale], marker=shape, markersize=9, color=colour, linestyle="none"
        )
    _limit(axes, data, scale)
    style.label_axes(axes, theme, "Parameters", unit)
    _legend(axes, theme)
    style.finish(figure, theme, TITLE, _verdict(data))
    labels = [
        Label(c.parameters, c.total_usd / scale, c.name, colour, True)
        for c, colour in zip(data.marked, colours, strict=False)
    ]
    place(axes, labels, [(data.parameters, [v / scale for v in values]) for _, values, _, _ in lines])


def points(data: Data) -> list[tuple[float, float]]:
    """The named sizes, then the curve of both costs together."""
    scale = _scale(max(data.total_usd, default=1.0))[0]
    named = [(choice.parameters, choice.total_usd / scale) for choice in data.marked]
    return named + [(N, usd / scale) for N, usd in zip(data.parameters, data.total_usd, strict=True)]


def leading(data: Data) -> int:
    """The named sizes lie on the curve."""
    return len(data.marked)


def series(data: Data) -> list[list[int]]:
    """The named sizes, then the curve."""
    return scatter.grouped([0] * len(data.marked) + [1] * len(data.parameters))


def readout(data: Data, index: int) -> str:
    """One size: its data, what training and serving cost, and from where the prices are."""
    if index < len(data.marked):
        one = data.marked[index]
        name, N, D, costs = one.name, one.parameters, one.tokens, (one.training_usd, one.serving_usd)
    else:
        i = index - len(data.marked)
        name, N, D = "The same loss", data.parameters[i], data.tokens[i]
        costs = data.training_usd[i], data.serving_usd[i]
    told = [
        f"{name}: {show(N)} parameters, {show(D)} tokens ({D / N:.3g} each)",
        f"training {show(costs[0], 'USD')} + serving {show(costs[1], 'USD')} = {show(sum(costs), 'USD')}, estimated",
        data.source,
    ]  # fmt: skip
    return "\n".join(told).replace("\N{NO-BREAK SPACE}", " ")


def explained(data: Data, index: int) -> Callable[[], Explained] | None:
    """What training and serving that size cost, with the derivation, worked out when it is asked for."""
    if data.life is None:
        return None
    kept = {choice.parameters: choice for choice in data.life.curve}
    named = len(data.marked)
    return partial(
        choice_figure, data.life, data.marked[index] if index < named else kept[data.parameters[index - named]]
    )


def of_row(data: Data, row: int) -> int:
    """Which point a row of the table is: there the named sizes come last."""
    curve = len(data.parameters)
    return row + len(data.marked) if row < curve else row - curve


def describe(data: Data) -> str:
    """One sentence: the cheapest size over the life against the plan's."""
    if not data.parameters:
        return "No cost over the life to show yet."
    return f"{_verdict(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every point, then the marked ones."""
    columns = zip(data.parameters, data.tokens, data.training_usd, data.serving_usd, data.total_usd, strict=True)
    rows: list[tuple[object, ...]] = [("", *row, data.source) for row in columns]
    rows += [
        (c.name, c.parameters, c.tokens, c.training_usd, c.serving_usd, c.total_usd, data.source) for c in data.marked
    ]
    return ("name", "parameters", "tokens", "training_usd", "serving_usd", "total_usd", "source"), rows


def _verdict(data: Data) -> str:
    best, plan = data.marked[0], data.marked[1]
    saved = 1 - best.total_usd / plan.total_usd
    size = f"{show(best.parameters)} parameters on {show(best.tokens)} tokens"
    return f"{size} would cost {percent(saved)} less than {plan.name} with {show(data.served_tokens)} tokens served"


def _scale(most: float) -> tuple[float, str]:
    return next((pair for pair in ((1e6, "Million USD"), (1e3, "Thousand USD")) if most >= pair[0]), (1.0, "USD"))


def _limit(axes: Axes, data: Data, scale: float) -> None:
    top = max([*data.total_usd, *(c.total_usd for c in data.marked)]) / scale
    axes.set_ylim(0, top * 1.08)
    sizes = [*data.parameters, *(c.parameters for c in data.marked)]
    left, right = min(sizes) / 1.1, max(sizes) * 1.1
    axes.set_xlim(left, right)
    ticks.follow(axes.xaxis, lambda value, digits: show(value, digits=digits - 2) if value >= 1e4 else f"{value:g}")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _legend(axes: Axes, theme: Theme) -> None:
    handles, names = axes.get_legend_handles_labels()
    axes.figure.legend(
        handles, names, loc="outside lower left", ncols=3, frameon=False, labelcolor=theme.text,
        prop={"family": style.FAMILY, "size": style.SMALL_SIZE}, handlelength=2.2,
    )  # fmt: skip
