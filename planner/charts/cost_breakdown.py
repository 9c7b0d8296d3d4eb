"""What the money of a whole training is spent on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from planner.charts import stack, style
from planner.charts.stack import Part, Row
from planner.charts.style import Table, Theme
from planner.units import percent, show

TITLE = "Cost of the training"
_SCALES = ((1e6, "million USD"), (1e3, "thousand USD"))
ALONG = "y"
"""Any place of a row means its part."""


@dataclass(frozen=True)
class Data:
    """Parts in dollars."""

    parts: tuple[Part, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Row]) -> Data:
        """From rows in dollars."""
        return cls(stack.parts_of(parts))

    @property
    def total_usd(self) -> float:
        """Sum of the parts."""
        return sum(part.value for part in self.parts)


def points(data: Data) -> list[tuple[float, float]]:
    """The end of each bar."""
    return stack.points(data.parts, _scale(data.total_usd)[0])


def readout(data: Data, index: int) -> str:
    """One part in words."""
    return stack.readout(data.parts, index, "USD")


def explained(data: Data, index: int) -> str:
    """The key of the figure that a bar is."""
    return stack.explained(data.parts, index, "money.total")


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if data.total_usd <= 0:
        style.message(figure, theme, TITLE, "Nothing to show: the price of the accelerator is unknown.")
        return
    axes = style.start(figure, theme)
    scale, unit = _scale(data.total_usd)
    scaled = [Part(part.label, part.value / scale, part.kind) for part in data.parts]
    stack.draw(axes, scaled, theme, show=lambda value: show(value * scale, "USD"), limit=None)
    style.label_axes(axes, theme, unit)
    style.finish(figure, theme, TITLE, _verdict(data))


def describe(data: Data) -> str:
    """One sentence: how much, and the largest part."""
    return f"{_verdict(data)}." if data.total_usd > 0 else "No cost to show yet."


def table(data: Data) -> Table:
    """Dollars by part."""
    rows: list[tuple[object, ...]] = [(part.label, part.value, part.kind) for part in data.parts]
    return ("part", "usd", "kind"), [*rows, ("Total", data.total_usd, "")]


def _verdict(data: Data) -> str:
    largest = max(data.parts, key=lambda part: part.value)
    share = percent(largest.value / data.total_usd, 0)
    return f"{show(data.total_usd, 'USD')}, most of it for {largest.label.lower()} ({share})"


def _scale(total_usd: float) -> tuple[float, str]:
    return next((pair for pair in _SCALES if total_usd >= pair[0]), (1.0, "USD"))
