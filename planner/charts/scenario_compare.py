"""One figure of every scenario, with its 80 % band."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.figure import Figure as Canvas
from matplotlib.ticker import FuncFormatter, MaxNLocator

from planner.charts import style
from planner.charts.style import Table, Theme
from planner.estimate import Figure
from planner.scenarios.comparison import Comparison, FigureRow
from planner.units import show, show_change

ALONG = "y"
_LONGEST_NAME = 26
_NARROW_IN = 4.0
"""Inches below which four ticks with their units run into each other."""


@dataclass(frozen=True)
class Bar:
    """One scenario's value; `low` and `high` are None without a band. `ratio`: over the first one's, less 1."""

    name: str
    value: float
    low: float | None
    high: float | None
    ratio: float
    overlaps: bool | None
    figure: Figure | None = None
    """Of the scenario's own estimate."""


@dataclass(frozen=True)
class Data:
    """The scenarios' values of one figure."""

    bars: tuple[Bar, ...] = ()
    label: str = ""
    unit: str = ""

    @classmethod
    def of(cls, found: Comparison, row: FigureRow) -> Data:
        """From a comparison and the row that was chosen."""
        bars = []
        for number, (scenario, figure) in enumerate(zip(found.scenarios, row.figures, strict=True)):
            if figure is not None and not math.isnan(figure.value):
                ratio, overlaps = (row.ratio(number), row.overlaps(number)) if number else (math.nan, None)
                bars.append(Bar(scenario.name, figure.value, figure.low, figure.high, ratio, overlaps, figure))
        return cls(tuple(bars), row.label, row.unit)


def draw(figure: Canvas, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.bars:
        style.message(figure, theme, data.label or "Scenarios", describe(data))
        return
    axes = style.start(figure, theme)
    most = max(max(bar.value, bar.high or 0.0) for bar in data.bars) or 1.0
    for row, bar in enumerate(data.bars):
        axes.barh(row, bar.value, height=0.5, color=theme.parts[row % len(theme.parts)])
        if bar.low is not None and bar.high is not None:
            axes.plot([bar.low, bar.high], [row, row], color=theme.text, linewidth=1.4, marker="|", markersize=8)
        axes.annotate(
            f"{show(bar.value, data.unit)}{_delta(bar)}", (0, row - 0.26), xytext=(2, 2), textcoords="offset points",
            va="bottom", ha="left", color=theme.text, fontsize=style.SMALL_SIZE, family=style.FAMILY,
            fontweight="bold" if row == 0 else "normal",
        )  # fmt: skip
    axes.set_xlim(0, most * 1.06)
    axes.set_ylim(max(3.0, len(data.bars) - 0.4), -0.8)
    style.ticks(axes.yaxis, [float(row) for row in range(len(data.bars))], [_short(bar.name) for bar in data.bars])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4 if figure.get_figwidth() >= _NARROW_IN else 2, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value, data.unit)))
    style.finish(figure, theme, data.label, "Lines: 80 % bands" if data.bars[0].low is not None else "")


def describe(data: Data) -> str:
    """One sentence: the first scenario's value, and the others against it."""
    if not data.bars:
        return "Choose a figure of the table." if not data.label else "No scenario knows this figure."
    told = [f"{bar.name} {show(bar.value, data.unit)}{_delta(bar)}" for bar in data.bars]
    return f"{data.label}: {'; '.join(told)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every scenario."""
    unit = f" [{data.unit}]" if data.unit else ""
    header = (
        "scenario",
        f"{data.label or 'figure'}{unit}",
        "low",
        "high",
        "ratio to the first, less 1",
        "bands overlap",
    )
    return header, [
        (bar.name, bar.value, bar.low, bar.high, None if math.isnan(bar.ratio) else bar.ratio, bar.overlaps)
        for bar in data.bars
    ]


def points(data: Data) -> list[tuple[float, float]]:
    """The end of each bar."""
    return [(bar.value, float(row)) for row, bar in enumerate(data.bars)]


def readout(data: Data, index: int) -> str:
    """One scenario in words."""
    bar = data.bars[index]
    band = (
        f"\n80 % band {show(bar.low, data.unit)} – {show(bar.high, data.unit)}"
        if bar.low is not None and bar.high is not None
        else ""
    )
    sure = "\nbands overlap: the order is not certain" if bar.overlaps else ""
    return f"{bar.name}: {show(bar.value, data.unit)}{_delta(bar)}{band}{sure}"


def explained(data: Data, index: int) -> Figure | None:
    """The figure that a bar is."""
    return data.bars[index].figure


def _delta(bar: Bar) -> str:
    if math.isnan(bar.ratio):
        return ""
    return f"  ({'≈ ' if bar.overlaps else ''}{show_change(bar.ratio)})"


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
