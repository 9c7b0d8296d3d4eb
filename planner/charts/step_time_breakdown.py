"""What one optimizer step's time is spent on."""

from __future__ import annotations

from matplotlib.figure import Figure

from planner.charts import stack, style
from planner.charts.style import Table, Theme
from planner.units import percent, show

TITLE = "Time of one step"
ALONG = "y"
"""Any place of a row means its part."""

Data = stack.Whole
"""Parts in seconds."""


def points(data: Data) -> list[tuple[float, float]]:
    """The end of each bar."""
    return stack.points(data.parts, _scale(data.total)[0])


def readout(data: Data, index: int) -> str:
    """One part in words."""
    return stack.readout(data.parts, index, "s")


def explained(data: Data, index: int) -> str:
    """The key of the figure that a bar is."""
    return stack.explained(data.parts, index, "time.step")


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if data.total <= 0:
        style.message(figure, theme, TITLE, "Nothing to show yet: the plan needs a model and a device.")
        return
    axes = style.start(figure, theme)
    scale, unit = _scale(data.total)
    stack.draw(axes, data, theme, unit="s", scale=scale)
    style.label_axes(axes, theme, unit)
    style.finish(figure, theme, TITLE, _verdict(data))


def describe(data: Data) -> str:
    """One sentence: how long, and what takes longest."""
    if data.total <= 0:
        return "No step time to show yet."
    return f"A step takes {_verdict(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Seconds by part."""
    return ("part", "seconds", "kind"), data.rows


def _verdict(data: Data) -> str:
    largest = data.largest
    return f"{show(data.total, 's')}, most of it in {largest.label.lower()} ({percent(largest.value / data.total, 0)})"


def _scale(total_s: float) -> tuple[float, str]:
    return next((pair for pair in ((1.0, "s"), (1e-3, "ms")) if total_s >= pair[0]), (1e-6, "µs"))
