"""Perplexity against size at one budget: the law's curve with its band, the best size, the plan, known models."""

from __future__ import annotations

import math

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from planner.charts import style, ticks
from planner.charts.labels import Label, place
from planner.charts.perplexity_data import (
    Data,
    Marker,
    Series,
    explained,
    leading,
    of_row,
    points,
    readout,
    series,
    short,
    table,
)
from planner.charts.style import Theme
from planner.units import show

__all__ = [
    "TITLE", "Data", "Marker", "Series", "describe", "draw", "explained", "leading", "of_row", "points", "readout",
    "series", "table",
]  # fmt: skip

TITLE = "Perplexity against size"
_HEADROOM = 1.30
"""The curve is drawn as far as this many times its lowest perplexity, further where a marker lies."""
_MOST_NAMED = 9
"""Models of a series that are named on the chart; of more the pointer tells."""
_LONGEST_NAME = 18


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.parameters and not data.markers:
        style.message(figure, theme, TITLE, "This law gives no perplexity.\nChoose another one to see its curve.")
        return
    axes = style.start(figure, theme)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _draw_curve(axes, data, theme)
    _draw_lines(axes, data, theme)
    _draw_markers(axes, data, theme)
    _limit(axes, data)
    _draw_limits(axes, data, theme)
    style.label_axes(axes, theme, "Parameters", "Perplexity a token")
    if data.parameters or data.series:
        _legend(axes, theme)
    style.finish(figure, theme, f"{TITLE} at {data.budget}" if data.budget else TITLE, _subtitle(data))
    drawn = [(data.parameters, data.perplexity), *((line.parameters, line.perplexity) for line in data.lines)]
    place(axes, _labels(data, theme) + _line_labels(axes, data, theme), drawn)


def describe(data: Data) -> str:
    """One sentence: the best size and how the plan compares."""
    if data.optimum is None:
        return f"{data.law or 'The law'} gives no perplexity, so there is no curve."
    best = data.optimum
    tokens = f" on {show(best.tokens)} tokens" if best.tokens else ""
    size = f"{show(best.parameters)} parameters{tokens}"
    words = f"At {data.budget}, {data.law} is best at {size}: perplexity {best.perplexity:.3g}"
    if data.plan:
        words += f"; {data.plan.label} with {show(data.plan.parameters)} reaches {data.plan.perplexity:.3g}"
    if data.lifetime:
        words += f"; cheapest over the life are {show(data.lifetime.parameters)} parameters"
    return f"{words}.".replace("\N{NO-BREAK SPACE}", " ")


def _draw_lines(axes: Axes, data: Data, theme: Theme) -> None:
    for number, line in enumerate(data.lines):
        axes.plot(
            line.parameters, line.perplexity, color=theme.curve, linewidth=0.9, alpha=0.6, linestyle=(0, (5, 3)),
            label="" if number else "other budgets",
        )  # fmt: skip


def _draw_limits(axes: Axes, data: Data, theme: Theme) -> None:
    """Left of these sizes the budget needs more tokens than there are."""
    low, high = axes.get_ylim()
    for words, N in data.limits:
        axes.axvline(N, color=theme.limit, linewidth=0.9, linestyle=(0, (2, 2)))
        axes.annotate(
            words, (N, high), xytext=(3, -2), textcoords="offset points", va="top", ha="left", color=theme.limit,
            fontsize=style.SMALL_SIZE, family=style.FAMILY, rotation=90,
        )  # fmt: skip
    axes.set_ylim(low, high)


def _line_labels(axes: Axes, data: Data, theme: Theme) -> list[Label]:
    """Each other budget is named where its curve leaves the axes on the right."""
    right, (low, high) = axes.get_xlim()[1], axes.get_ylim()
    found = []
    for line in data.lines:
        inside = [
            (N, value) for N, value in zip(line.parameters, line.perplexity, strict=True)
            if right >= N and low <= value <= high
        ]  # fmt: skip
        if inside:
            found.append(Label(*inside[-1], line.label, theme.muted))
    return found


def _draw_curve(axes: Axes, data: Data, theme: Theme) -> None:
    if data.low:
        axes.fill_between(
            data.parameters,
            data.low,
            data.high,
            color=theme.curve,
            alpha=0.16,
            linewidth=0,
            label="80 % band",
        )
    if data.parameters:
        axes.plot(data.parameters, data.perplexity, color=theme.curve, linewidth=1.8, label="same compute, other sizes")


def _draw_markers(axes: Axes, data: Data, theme: Theme) -> None:
    looks = [(data.family, "s", theme.family, theme.family)]
    looks += [
        (one, shape, theme.background, theme.observed) for one, shape in zip(data.observed, "^v<>Ph", strict=False)
    ]
    for models, shape, face, edge in looks:
        if models:
            shown = [one for one in models.markers if not (data.plan and _same_place(one, data.plan))]
            axes.plot(
                [one.parameters for one in shown], [one.perplexity for one in shown], linestyle="none", marker=shape,
                markersize=5.5, markerfacecolor=face, markeredgecolor=edge, markeredgewidth=1.2, label=models.title,
                zorder=4,
            )  # fmt: skip
    single = (
        (data.optimum, "*", 13, theme.optimum), (data.lifetime, "D", 7, theme.optimum), (data.plan, "o", 8, theme.plan),
    )  # fmt: skip
    for marker, shape, size, colour in single:
        if marker:
            axes.plot(
                [marker.parameters], [marker.perplexity], linestyle="none", marker=shape, markersize=size, color=colour,
                markeredgecolor=theme.background, zorder=5,
            )  # fmt: skip


def _limit(axes: Axes, data: Data) -> None:
    """Limits: the useful part of the curve and every marker, with some air; then round ticks inside them."""
    seen = [marker.perplexity for marker in data.markers]
    values = [value for value in data.perplexity if value == value]
    top = max([*seen, min(values) * _HEADROOM] if values else seen)
    bottom = min([*seen, *data.low, *values, *(value for line in data.lines for value in line.perplexity)])
    low, high = bottom * (bottom / top) ** 0.08, top * (top / bottom) ** 0.06
    if high <= low * 1.02:
        low, high = low / 1.1, high * 1.1
    axes.set_ylim(low, high)
    sizes = [N for N, value in zip(data.parameters, data.perplexity, strict=True) if value <= high]
    sizes += [marker.parameters for marker in data.markers]
    left, right = min(sizes) / 1.25, max(sizes) * 1.25
    axes.set_xlim(left, right)
    ticks.follow(axes.xaxis, lambda value, digits: short(value))
    ticks.follow(axes.yaxis)


def _labels(data: Data, theme: Theme) -> list[Label]:
    """The best size and the plan first: they get the best places."""
    found = []
    if data.optimum:
        found.append(_label(data.optimum, f"{data.optimum.label} {show(data.optimum.parameters)}", theme.optimum, True))
    known = data.family.markers if data.family else ()
    if data.plan:
        is_named = any(one.label.casefold() == data.plan.label.casefold() for one in known)
        found.append(
            _label(data.plan, data.plan.label if is_named else f"{data.plan.label} (the plan)", theme.plan, True)
        )
    if data.lifetime:
        found.append(_label(data.lifetime, f"lifetime-optimal {show(data.lifetime.parameters)}", theme.optimum, False))
    colours = [theme.family] * bool(data.family) + [theme.observed] * len(data.observed)
    for one, colour in zip(data.series, colours, strict=True):
        if len(one.markers) <= _MOST_NAMED:
            shown = [marker for marker in one.markers if not (data.plan and _same_place(marker, data.plan))]
            found += [_label(marker, _named(marker, one), colour, False) for marker in shown]
    return found


def _label(marker: Marker, text: str, colour: str, bold: bool) -> Label:
    return Label(marker.parameters, marker.perplexity, text, colour, bold)


def _same_place(first: Marker, second: Marker) -> bool:
    return math.isclose(first.parameters, second.parameters, rel_tol=0.02) and math.isclose(
        first.perplexity, second.perplexity, rel_tol=0.002
    )


def _named(marker: Marker, series: Series) -> str:
    """`Llama-2-7B` → `7B` where the legend names the family; else the model's own name."""
    size = marker.label.split("-")[-1].split(" ")[-1].upper()
    is_family = not series.title.startswith("models ") and size[:1].isdigit() and size[-1:] in "BMT"
    return size if is_family else marker.label[:_LONGEST_NAME]


def _legend(axes: Axes, theme: Theme) -> None:
    """Below the axes, in two columns where the figure is wide enough."""
    handles, _ = axes.get_legend_handles_labels()
    style.legend_below(axes.figure, handles, theme, most_columns=4)


def _subtitle(data: Data) -> str:
    return f"Law: {data.law}" if data.law else ""
