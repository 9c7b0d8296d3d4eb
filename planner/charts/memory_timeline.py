"""What a GPU holds in memory while a step runs: the fullest stage part by part, the others as lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from planner.charts import style
from planner.charts.style import Table, Theme
from planner.estimate import Figure as Explained
from planner.formula import Array
from planner.schedule.memory import Timeline
from planner.units import GIB, show

TITLE = "Memory over one step"
PARTS = ("Weights, gradients, optimizer", "Buffers, reserve, context", "Activations and logits")
Ask = Callable[[Timeline, int], Explained]
"""What a stage holds at a point of its timeline, with the derivation."""
_MOST_LINES = 3
"""Stages drawn beside the fullest; of more, some evenly chosen ones."""


@dataclass(frozen=True)
class Data:
    """Timelines by stage, and what a GPU has. `why`: what to say where there are none."""

    lines: tuple[Timeline, ...] = ()
    capacity_bytes: float | None = None
    why: str = "No memory to show yet."
    explain: Ask | None = field(default=None, compare=False, repr=False)

    @classmethod
    def of(cls, lines: Sequence[Timeline], capacity_bytes: float | None = None, explain: Ask | None = None) -> Data:
        """From the timelines of all stages."""
        return cls(tuple(lines), capacity_bytes, explain=explain)

    @property
    def fullest(self) -> Timeline:
        """The stage with the highest peak, the first of equals."""
        return max(self.lines, key=lambda line: (round(line.peak_bytes), -line.stage))

    @property
    def peak(self) -> tuple[float, float]:
        """(seconds, bytes): when the fullest stage first holds the most, and how much."""
        line = self.fullest
        when, _ = max(line.points, key=lambda point: (point[1], -point[0]))
        return when, line.peak_bytes


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.lines:
        style.message(figure, theme, TITLE, data.why)
        return
    axes = style.start(figure, theme)
    line = data.fullest
    at, moving = np.array(line.points).T
    ends = [np.full_like(at, line.states), np.full_like(at, line.states + line.rest), line.states + line.rest + moving]
    begin: Array = np.zeros_like(at)
    for number, (end, name) in enumerate(zip(ends, PARTS, strict=True)):
        axes.fill_between(at, begin / GIB, end / GIB, color=theme.parts[(0, 7, 2)[number]], linewidth=0, label=name)
        begin = end
    _others(axes, data, theme)
    _limit(axes, data, theme)
    axes.set_xlim(0, at[-1])
    axes.set_ylim(0, max(line.peak_bytes, data.capacity_bytes or 0.0) / GIB * 1.1)
    scale, unit = next((pair for pair in ((1.0, "s"), (1e-3, "ms")) if at[-1] >= pair[0]), (1e-6, "µs"))
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / scale:g}"))
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    style.label_axes(axes, theme, f"Time ({unit})", "GiB")
    _legend(axes, theme)
    style.finish(figure, theme, TITLE, _verdict(data))


def describe(data: Data) -> str:
    """One sentence: the peak, when and where, and what is free of it again at the end."""
    if not data.lines:
        return data.why if data.why.endswith(".") else f"{data.why}."
    return f"{_verdict(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every point of every stage; between two of them activations grow or shrink evenly. Stages are counted from 1."""
    header = ("stage", "time_s", "states_bytes", "buffers_bytes", "activations_bytes", "total_bytes")
    rows: list[tuple[object, ...]] = [
        (line.stage + 1, at, line.states, line.rest, moving, line.states + line.rest + moving)
        for line in data.lines for at, moving in line.points
    ]  # fmt: skip
    return header, rows


def points(data: Data) -> list[tuple[float, float]]:
    """The corners of the fullest stage, seconds and GiB."""
    if not data.lines:
        return []
    line = data.fullest
    return [(at, (line.states + line.rest + moving) / GIB) for at, moving in line.points]


def readout(data: Data, index: int) -> str:
    """One corner in words."""
    line = data.fullest
    at, moving = line.points[index]
    total = line.states + line.rest + moving
    sizes = (line.states, line.rest, moving)
    parts = "; ".join(f"{name.lower()} {show(size, 'B')}" for name, size in zip(PARTS, sizes, strict=True))
    return f"Stage {line.stage + 1} after {show(at, 's')}: {show(total, 'B')}\n{parts}"


def explained(data: Data, index: int) -> Callable[[], Explained] | None:
    """What the fullest stage holds at one corner, worked out when it is asked for."""
    return partial(data.explain, data.fullest, index) if data.explain else None


def _others(axes: Axes, data: Data, theme: Theme) -> None:
    """The other stages' totals, dashed by place so that they differ without colour."""
    rest = [line for line in data.lines if line is not data.fullest]
    chosen = rest if len(rest) <= _MOST_LINES else [rest[round(i)] for i in np.linspace(0, len(rest) - 1, _MOST_LINES)]
    dashes = ("-", "--", ":")
    for number, line in enumerate(chosen):
        at, moving = np.array(line.points).T
        axes.plot(
            at, (line.states + line.rest + moving) / GIB, color=theme.text, linewidth=1.0, linestyle=dashes[number],
            alpha=0.85, label=f"Stage {line.stage + 1}",
        )  # fmt: skip


def _limit(axes: Axes, data: Data, theme: Theme) -> None:
    if data.capacity_bytes is None:
        return
    over = data.peak[1] > data.capacity_bytes
    colour = theme.limit if over else theme.muted
    axes.axhline(data.capacity_bytes / GIB, color=colour, linewidth=1.4, linestyle=(0, (4, 2)))
    axes.annotate(
        f"capacity {show(data.capacity_bytes, 'B')}", (1, data.capacity_bytes / GIB),
        xycoords=("axes fraction", "data"), xytext=(-2, 2), textcoords="offset points", ha="right", va="bottom",
        color=colour, fontsize=style.SMALL_SIZE, family=style.FAMILY,
    )  # fmt: skip


def _legend(axes: Axes, theme: Theme) -> None:
    handles, names = axes.get_legend_handles_labels()
    figure = axes.figure
    for columns in (len(names), 5, 4, 3, 2, 1):
        legend = figure.legend(
            handles, names, loc="outside lower left", ncols=columns, frameon=False, labelcolor=theme.text,
            prop={"family": style.FAMILY, "size": style.SMALL_SIZE}, handlelength=1.6, columnspacing=1.3,
        )  # fmt: skip
        left, _, right, _ = style.extent(legend)
        if columns == 1 or right - left < figure.bbox.width - 12:
            return
        legend.remove()


def _verdict(data: Data) -> str:
    when, peak = data.peak
    line = data.fullest
    stage = f"stage {line.stage + 1}, the fullest," if len(data.lines) > 1 else "each GPU,"
    there = f" of {show(data.capacity_bytes, 'B')}" if data.capacity_bytes else ""
    kept = show(line.states + line.rest, "B")
    return f"{show(peak, 'B')}{there} on {stage} {show(when, 's')} into the step; {kept} stay all the time"
