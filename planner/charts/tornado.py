"""What would change the answer: one bar an input, from the least to the greatest value of a figure over its range."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FuncFormatter, MaxNLocator

from planner.charts import style
from planner.charts.style import Table, Theme
from planner.scenarios.sensitivity import End, Sensitivity, Swing
from planner.scenarios.variants import MEASURES
from planner.units import show

ALONG = "y"
"""Any place of a row means its bar."""
MOST_BARS = 12
_AIR = 0.4
"""Room on each side for the words at a bar's ends, as a share of the widest bar."""
_WORDS_FROM_PX = 430.0
"""Width of a figure that has room for them."""
_AROUND_PX, _GAP_PX = 30.0, 12.0
"""What a figure keeps free beside its axes and titles, and a word of a bar beside its bar and the rows' titles."""


@dataclass(frozen=True)
class Bar:
    """One input: the figure's least and greatest value, and the input's value at each, with a cross where that does
    not fit in memory."""

    key: str
    title: str
    low: float
    high: float
    low_text: str
    high_text: str
    reason: str = ""


@dataclass(frozen=True)
class Data:
    """The bars, widest first, and the plan's own value of the figure."""

    bars: tuple[Bar, ...] = ()
    title: str = ""
    unit: str = ""
    base: float = math.nan

    @classmethod
    def of(cls, found: Sensitivity, measure: str) -> Data:
        """From a sensitivity, for one of its measures."""
        base, one = found.base[measure], MEASURES[measure]
        if math.isnan(base):
            return cls((), one.title, one.unit, base)
        return cls(tuple(_bar(swing, measure, base) for swing in found.ranked(measure)), one.title, one.unit, base)


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    title = f"What would change the {data.title.lower()}?" if data.title else "What would change the answer?"
    if not data.bars:
        style.message(figure, theme, title, describe(data))
        return
    axes = style.start(figure, theme)
    bars = data.bars[:MOST_BARS]
    has_words = figure.bbox.width / figure.dpi * 100 >= _WORDS_FROM_PX
    for row, bar in enumerate(bars):
        for left, right, colour in ((bar.low, data.base, theme.curve), (data.base, bar.high, theme.plan)):
            axes.barh(row, right - left, left=left, height=0.62, color=colour, edgecolor=theme.background)
        for value, text, side in ((bar.low, bar.low_text, -1), (bar.high, bar.high_text, 1)):
            if value != data.base and has_words:
                _word(axes, value, row, text, side, theme)
    axes.axvline(data.base, color=theme.text, linewidth=1.0)
    _axis(axes, data, bars)
    _make_room(axes)
    style.finish(figure, theme, title, _subtitle(data))


def describe(data: Data) -> str:
    """One sentence: the plan's own value, and the input that moves it most."""
    if not data.bars:
        return "The price is unknown." if data.title == "Cost" else "Nothing to show yet."
    first = data.bars[0]
    words = f"{data.title} is {show(data.base, data.unit)}; {first.title.lower()} moves it most, from "
    return f"{words}{show(first.low, data.unit)} to {show(first.high, data.unit)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every input, in the figure's unit."""
    unit = f" [{data.unit}]" if data.unit else ""
    header = ("input", "title", f"low{unit}", f"high{unit}", "value at low", "value at high", "reason")
    return header, [
        (bar.key, bar.title, bar.low, bar.high, bar.low_text, bar.high_text, bar.reason) for bar in data.bars
    ]


def points(data: Data) -> list[tuple[float, float]]:
    """The further end of each bar that is drawn."""
    return [
        (bar.high if bar.high - data.base >= data.base - bar.low else bar.low, float(row))
        for row, bar in enumerate(data.bars[:MOST_BARS])
    ]


def readout(data: Data, index: int) -> str:
    """One bar in words."""
    bar = data.bars[index]
    ends = f"{show(bar.low, data.unit)} ({bar.low_text}) to {show(bar.high, data.unit)} ({bar.high_text})"
    return f"{bar.title}: {ends}\n{bar.reason}"


def _bar(swing: Swing, measure: str, base: float) -> Bar:
    low, high = swing.span(measure, base)
    low_text, high_text = (_text(swing, swing.end_at(measure, value, base)) for value in (low, high))
    return Bar(swing.key, swing.title, low, high, low_text, high_text, swing.reason)


def _text(swing: Swing, end: End | None) -> str:
    if end is None:
        return swing.now or "as planned"
    return end.text if end.fits else f"{end.text} ✕"


def _word(axes: Axes, value: float, row: int, text: str, side: int, theme: Theme) -> None:
    axes.annotate(
        text, (value, row), xytext=(4 * side, 0), textcoords="offset points", va="center",
        ha="left" if side > 0 else "right", color=theme.muted, fontsize=style.SMALL_SIZE - 0.5, family=style.FAMILY,
    )  # fmt: skip


def _axis(axes: Axes, data: Data, bars: tuple[Bar, ...]) -> None:
    low, high = min(bar.low for bar in bars), max(bar.high for bar in bars)
    # Words take the more of a narrow figure.
    air = (high - low) * _AIR * max(1.0, 520.0 / (axes.figure.bbox.width / axes.figure.dpi * 100))
    axes.set_xlim(low - air, high + air)
    axes.set_ylim(len(bars) - 0.4, -0.6)
    style.ticks(axes.yaxis, [float(row) for row in range(len(bars))], [bar.title for bar in bars])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: show(value, data.unit) if value >= 0 else ""))


def _make_room(axes: Axes) -> None:
    """The axis begins so far left that no word at a bar's low end reaches the rows' titles."""
    scale = axes.figure.dpi / 100
    left, right = axes.get_xlim()
    width = axes.figure.bbox.width - max(map(_width, axes.get_yticklabels())) - _AROUND_PX * scale
    for word in axes.texts:
        if isinstance(word, Annotation) and word.get_horizontalalignment() == "right":
            needed = min(_width(word) + _GAP_PX * scale, width / 2)
            left = min(left, (word.xy[0] * width - needed * right) / (width - needed))
    axes.set_xlim(left, right)


def _width(text: Text) -> float:
    left, _, right, _ = style.extent(text)
    return right - left


def _subtitle(data: Data) -> str:
    more = len(data.bars) - MOST_BARS
    rest = f"; {more} inputs that move it less are left out" if more > 0 else ""
    cross = "; ✕ does not fit" if any("✕" in bar.low_text + bar.high_text for bar in data.bars[:MOST_BARS]) else ""
    return f"Now {show(data.base, data.unit)}; each input over its stated range, the others as planned{cross}{rest}"
