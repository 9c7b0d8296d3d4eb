"""One task's ways in dollars against the calls: straight lines, and where they meet."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from matplotlib.figure import Figure

from planner.charts import scatter, style, ticks
from planner.charts.labels import Label, place
from planner.charts.style import Table, Theme
from planner.estimate import Figure as Explained
from planner.formula import Array
from planner.quality.task import Comparison, Way, break_even_figure, cost_figure
from planner.units import show

TITLE = "General or specific"
_POINTS = 121


@dataclass(frozen=True)
class Data:
    """The ways, the plan's calls, and the break-evens as (the two ways' labels, calls, dollars)."""

    ways: tuple[Way, ...] = ()
    calls: float = 1.0
    break_evens: tuple[tuple[str, float, float], ...] = ()

    @classmethod
    def of_comparison(cls, found: Comparison) -> Data:
        """From a comparison. Empty where a price is unknown."""
        if not all(math.isfinite(float(way.cost(1.0))) for way in found.ways):
            return cls()
        by_key = {way.key: way for way in found.ways}
        met = []
        for pair, calls in found.break_evens.items():
            if 0 < calls < math.inf:
                met.append((pair, calls, float(by_key[pair.split(" → ")[1]].cost(calls))))
        return cls(found.ways, found.task.calls, tuple(met))


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.ways:
        style.message(figure, theme, TITLE, "Nothing to show: the price of an accelerator is unknown.")
        return
    axes = style.start(figure, theme)
    axes.set_xscale("log")
    axes.set_yscale("log")
    calls = _calls(data)
    for way, colour, dashes in zip(data.ways, theme.parts, ("-", "--", ":", "-."), strict=False):
        axes.plot(
            calls, np.maximum(way.cost(calls), 1e-9), color=colour, linewidth=1.8, linestyle=dashes, label=_named(way)
        )
    axes.axvline(data.calls, color=theme.plan, linewidth=1.0, linestyle=(0, (4, 2)))
    for _, at, usd in data.break_evens:
        axes.plot([at], [usd], marker="o", markersize=6, color=theme.text, linestyle="none", zorder=5)
    axes.set_xlim(calls[0], calls[-1])
    ticks.follow(axes.xaxis, lambda value, digits: _short(value, money=False))
    ticks.follow(axes.yaxis, lambda value, digits: _short(value, money=True))
    style.label_axes(axes, theme, "Calls over the life", "USD")
    handles, names = axes.get_legend_handles_labels()
    figure.legend(
        handles, names, loc="outside lower left", ncols=1, frameon=False, labelcolor=theme.text,
        prop={"family": style.FAMILY, "size": style.SMALL_SIZE}, handlelength=2.2,
    )  # fmt: skip
    style.finish(figure, theme, TITLE, _verdict(data))
    merged = _merged(data.break_evens)
    labels = [Label(at, usd, f"{show(at)} calls", theme.text) for _, at, usd in merged]
    place(axes, labels, [(calls.tolist(), np.asarray(way.cost(calls)).tolist()) for way in data.ways])


def points(data: Data) -> list[tuple[float, float]]:
    """The break-evens, then each way's line."""
    met = [(calls, usd) for _, calls, usd in data.break_evens]
    return met + [(float(c), float(way.cost(c))) for way in data.ways for c in _calls(data)]


def leading(data: Data) -> int:
    """The break-evens lie on the lines."""
    return len(data.break_evens)


def series(data: Data) -> list[list[int]]:
    """The break-evens, then the lines."""
    names = [-1] * len(data.break_evens) + [way for way in range(len(data.ways)) for _ in range(_POINTS)]
    return scatter.grouped(names)


def readout(data: Data, index: int) -> str:
    """A break-even, or a way at a number of calls with its published scores."""
    if index < len(data.break_evens):
        pair, calls, usd = data.break_evens[index]
        return f"{pair}: as dear at {show(calls)} calls, {show(usd, 'USD')}".replace("\N{NO-BREAK SPACE}", " ")
    way, at = divmod(index - len(data.break_evens), _POINTS)
    one, calls = data.ways[way], float(_calls(data)[at])
    each = f"{show(float(one.fixed_usd), 'USD')} once, ${float(one.usd_per_call) * 1000:.4g} a thousand calls"
    scores = [f"published: {s.model} {s.score:g} ({s.metric}; {s.source})" for s in one.scores]
    told = [f"{one.label}: {show(float(one.cost(calls)), 'USD')} at {show(calls)} calls", each, *scores]
    return "\n".join([*told, f"Price: {one.source}" if one.source else ""]).strip().replace("\N{NO-BREAK SPACE}", " ")


def _calls(data: Data) -> Array:
    return np.asarray(np.geomspace(*_range(data), _POINTS))


def explained(data: Data, index: int) -> Callable[[], Explained]:
    """The dollars of a way after so many calls, or the calls of a break-even; the derivation when it is asked for."""
    if index < len(data.break_evens):
        pair = data.break_evens[index][0]
        first, second = ({way.key: way for way in data.ways}[key] for key in pair.split(" → "))
        return partial(break_even_figure, first, second)
    way, at = divmod(index - len(data.break_evens), _POINTS)
    return partial(cost_figure, data.ways[way], float(_calls(data)[at]))


def of_row(data: Data, row: int) -> int:
    """Which point a row of the table is; a way's row is its line at the calls that come nearest the plan's."""
    ways, met = len(data.ways), len(data.break_evens)
    if row >= ways:
        return row - ways
    return met + row * _POINTS + int(np.argmin(np.abs(np.log(_calls(data) / data.calls))))


def describe(data: Data) -> str:
    """One sentence: the cheapest way at the plan's calls, and the first break-even."""
    if not data.ways:
        return "No ways of doing a task to show yet."
    return f"{_verdict(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """The ways with what they cost and what was published of them; then the break-evens."""
    rows: list[tuple[object, ...]] = []
    for way in data.ways:
        scores = "; ".join(f"{s.model} {s.score:g} ({s.metric}; {s.source})" for s in way.scores)
        spent = float(way.cost(data.calls))
        each = float(way.fixed_usd), float(way.usd_per_call)
        rows.append((way.label, way.parameters, *each, data.calls, spent, scores, way.source))
    rows += [(f"break-even {pair}", "", "", "", calls, usd, "", "") for pair, calls, usd in data.break_evens]
    return ("way", "parameters", "fixed_usd", "usd_per_call", "calls", "total_usd", "published", "price_source"), rows


def _named(way: Way) -> str:
    """The way with the first score that was published for it."""
    if not way.scores:
        return way.label
    first = way.scores[0]
    return f"{way.label} ({first.model} {first.score:g})"


def _verdict(data: Data) -> str:
    best = min(data.ways, key=lambda way: float(way.cost(data.calls)))
    words = f"At {show(data.calls)} calls the cheapest is {best.label}: {show(float(best.cost(data.calls)), 'USD')}"
    if data.break_evens:
        words += f"; prompting is overtaken at {show(min(calls for _, calls, _ in data.break_evens))} calls"
    return words


def _range(data: Data) -> tuple[float, float]:
    seen = [data.calls, *(calls for _, calls, _ in data.break_evens)]
    return max(1.0, min(seen) / 300), max(seen) * 300


def _merged(points: Sequence[tuple[str, float, float]]) -> list[tuple[str, float, float]]:
    """Crossings so near each other that one name does for both are named once."""
    kept: list[tuple[str, float, float]] = []
    for point in sorted(points, key=lambda one: one[1]):
        if not kept or point[1] > 1.5 * kept[-1][1]:
            kept.append(point)
    return kept


def _short(value: float, money: bool) -> str:
    scale, name = next(
        (pair for pair in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")) if value >= pair[0]), (1.0, "")
    )
    return f"{'$' if money else ''}{value / scale:g}{name}"
