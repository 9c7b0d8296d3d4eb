"""What the money of a whole training is spent on."""

from __future__ import annotations

from matplotlib.figure import Figure

from planner.charts import stack, style
from planner.charts.style import Table, Theme
from planner.units import percent, show

TITLE = "Cost of the training"
_SCALES = ((1e6, "million USD"), (1e3, "thousand USD"))
ALONG = "y"
"""Any place of a row means its part."""

Data = stack.Whole
"""Parts in dollars."""


def points(data: Data) -> list[tuple[float, float]]:
    """The end of each bar."""
    return stack.points(data.parts, _scale(data.total)[0])


def readout(data: Data, index: int) -> str:
    """One part in words."""
    return stack.readout(data.parts, index, "USD")


def explained(data: Data, index: int) -> str:
    """The key of the figure that a bar is."""
    return stack.explained(data.parts, index, "money.total")


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if data.total <= 0:
        style.message(figure, theme, TITLE, "Nothing to show: the price of the accelerator is unknown.")
        return
    axes = style.start(figure, theme)
    scale, unit = _scale(data.total)
    stack.draw(axes, data, theme, unit="USD", scale=scale)
    style.label_axes(axes, theme, unit)
    style.finish(figure, theme, TITLE, _verdict(data))


def describe(data: Data) -> str:
    """One sentence: how much, and the largest part."""
    return f"{_verdict(data)}." if data.total > 0 else "No cost to show yet."


def table(data: Data) -> Table:
    """Dollars by part."""
    return ("part", "usd", "kind"), data.rows


def _verdict(data: Data) -> str:
    largest = data.largest
    share = percent(largest.value / data.total, 0)
    return f"{show(data.total, 'USD')}, most of it for {largest.label.lower()} ({share})"


def _scale(total_usd: float) -> tuple[float, str]:
    return next((pair for pair in _SCALES if total_usd >= pair[0]), (1.0, "USD"))
