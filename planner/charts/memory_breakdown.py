"""What fills one GPU's memory, against what it has."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.figure import Figure

from planner.charts import stack, style
from planner.charts.stack import Row
from planner.charts.style import Table, Theme
from planner.units import GIB, percent, show

TITLE = "Memory of one GPU"
ALONG = "y"
"""Any place of a row means its part."""


@dataclass(frozen=True)
class Data(stack.Whole):
    """Parts in bytes, the device's capacity in bytes and its name."""

    capacity_bytes: float | None = None
    device: str = ""

    @classmethod
    def of(cls, rows: Sequence[Row], capacity_bytes: float | None = None, device: str = "") -> Data:
        """From rows in bytes."""
        return cls(stack.Whole.of(rows).parts, capacity_bytes, device)


def points(data: Data) -> list[tuple[float, float]]:
    """The end of each bar."""
    return stack.points(data.parts, GIB)


def readout(data: Data, index: int) -> str:
    """One part in words."""
    return stack.readout(data.parts, index, "B")


def explained(data: Data, index: int) -> str:
    """The key of the figure that a bar is."""
    return stack.explained(data.parts, index, "memory.total")


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if data.total <= 0:
        style.message(figure, theme, TITLE, "Nothing to show yet: the plan needs a model and a device.")
        return
    axes = style.start(figure, theme)
    limit = data.capacity_bytes / GIB if data.capacity_bytes else None
    stack.draw(axes, data, theme, unit="B", scale=GIB, limit=limit)
    if limit:
        over = data.total > (data.capacity_bytes or 0)
        colour = theme.limit if over else theme.muted
        axes.axvline(limit, color=colour, linewidth=1.4, linestyle=(0, (4, 2)))
        axes.annotate(
            f"capacity {show(limit * GIB, 'B')}", (limit, 1), xycoords=("data", "axes fraction"), xytext=(0, 2),
            textcoords="offset points", ha="center", va="bottom", color=colour, fontsize=style.SMALL_SIZE,
            family=style.FAMILY,
        )  # fmt: skip
    style.label_axes(axes, theme, "GiB")
    style.finish(figure, theme, TITLE, _verdict(data))


def describe(data: Data) -> str:
    """One sentence: how much of what there is, and the largest part."""
    if data.total <= 0:
        return "No memory to show yet."
    share = data.largest.value / data.total
    words = f"{_verdict(data)}; the largest part is {data.largest.label.lower()}, {percent(share, 0)}."
    return words.replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Bytes by part."""
    capacity = [("Capacity", data.capacity_bytes, "published")] if data.capacity_bytes else []
    return ("part", "bytes", "kind"), [*data.rows, *capacity]


def _verdict(data: Data) -> str:
    used = show(data.total, "B")
    if not data.capacity_bytes:
        return f"{used} needed"
    capacity = show(data.capacity_bytes, "B")
    gap = data.capacity_bytes - data.total
    state = f"{show(gap, 'B')} free" if gap >= 0 else f"{show(-gap, 'B')} too much"
    return f"{used} of {capacity}{f' on {data.device}' if data.device else ''}: {state}"
