"""What one optimizer step's time is spent on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from planner.charts import stack, style
from planner.charts.stack import Part, Row
from planner.charts.style import Table, Theme
from planner.units import percent, show

TITLE = "Time of one step"
ALONG = "y"
"""Any place of a row means its part."""


@dataclass(frozen=True)
class Data:
    """Parts in seconds."""

    parts: tuple[Part, ...] = ()

    @classmethod
    def of(cls, parts: Sequence[Row]) -> Data:
        """From rows in seconds."""
        return cls(stack.parts_of(parts))

    @property
    def total_s(self) -> float:
        """Sum of the parts."""
        return sum(part.value for part in self.parts)


def points(data: Data) -> list[tuple[float, float]]:
    """The end of each bar."""
    return stack.points(data.parts, _scale(data.total_s)[0])


def readout(data: Data, index: int) -> str:
    """One part in words."""
    return stack.readout(data.parts, index, "s")


def explained(data: Data, index: int) -> str:
    """The key of the figure that a bar is."""
    return stack.explained(data.parts, index, "time.step")


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if data.total_s <= 0:
        style.message(figure, theme, TITLE, "Nothing to show yet: the plan needs a model and a device.")
        return
    axes = style.start(figure, theme)
    scale, unit = _scale(data.total_s)
    scaled = [Part(part.label, part.value / scale, part.kind) for part in data.parts]
    stack.draw(axes, scaled, theme, show=lambda value: show(value * scale, "s"), limit=None)
    style.label_axes(axes, theme, unit)
    style.finish(figure, theme, TITLE, _verdict(data))


def describe(data: Data) -> str:
    """One sentence: how long, and what takes longest."""
    if data.total_s <= 0:
        return "No step time to show yet."
    return f"A step takes {_verdict(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Seconds by part."""
    rows: list[tuple[object, ...]] = [(part.label, part.value, part.kind) for part in data.parts]
    return ("part", "seconds", "kind"), [*rows, ("Total", data.total_s, "")]


def _verdict(data: Data) -> str:
    largest = max(data.parts, key=lambda part: part.value)
    return (
        f"{show(data.total_s, 's')}, most of it in {largest.label.lower()} ({percent(largest.value / data.total_s, 0)})"
    )


def _scale(total_s: float) -> tuple[float, str]:
    return next((pair for pair in ((1.0, "s"), (1e-3, "ms")) if total_s >= pair[0]), (1e-6, "µs"))
