"""What changed between two profiles: the ratio of the times of each class at the shapes that both measured."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from planner.charts import operations, style, ticks
from planner.charts.style import Table, Theme
from planner.timing.profile_comparison import Change, ProfileComparison
from planner.units import percent

TITLE = "What changed"
MOST_CLASSES = 12
"""More than these are left to the table; the largest changes are drawn."""
WITHIN = "within the spread"
_LOOKS = {"faster": ("optimum", "<"), "slower": ("limit", ">"), WITHIN: ("muted", "o")}
"""Colour's role and mark of a verdict."""
_LEAST_REACH = 1.12
"""The axis shows at least so much on either side of no change."""


@dataclass(frozen=True)
class Data:
    """The classes, and in a few words what else differs."""

    changes: tuple[Change, ...] = ()
    before: str = ""
    after: str = ""
    differing: str = ""

    @classmethod
    def of_comparison(cls, found: ProfileComparison) -> Data:
        """From a comparison."""
        return cls(found.changes, found.before, found.after, versions_in_words(found))

    @property
    def drawn(self) -> list[Change]:
        """The largest changes, in the order of the operations."""
        largest = sorted(self.changes, key=lambda one: -abs(math.log(one.time_ratio)))[:MOST_CLASSES]
        return sorted(largest, key=lambda one: operations.order(one.operation))


def versions_in_words(found: ProfileComparison) -> str:
    """`torch 2.11.0 → 2.13.0, driver 560 → 580`; that nothing differs is said, too."""
    told = [f"{one.name} {one.before or 'none'} → {one.after or 'none'}" for one in found.differing]
    return ", ".join(told) or "same software, device and model"


def class_name(change: Change) -> str:
    """A class as the reader knows it."""
    told = f"{operations.name(change.operation)} {change.direction}"
    return f"{told} ({change.manner})" if change.manner else told


ALONG = "y"
"""Any place of a line means its class."""


def points(data: Data) -> list[tuple[float, float]]:
    """Where each drawn class stands."""
    return [(one.time_ratio, float(line)) for line, one in enumerate(data.drawn)]


def readout(data: Data, index: int) -> str:
    """One class in words."""
    one = data.drawn[index]
    memory = f"\npeak memory ×{one.memory_ratio:.2f}" if one.memory_ratio else ""
    shapes = f"{one.shapes} shape{'s' * (one.shapes != 1)}"
    return (
        f"{class_name(one)} in {one.dtype}, {shapes}\ntime ×{one.time_ratio:.3f} "
        f"({one.lowest:.2f} – {one.largest:.2f}); the stated spread {percent(one.spread, 0)}: {one.verdict}{memory}"
    )


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.changes:
        chosen = "No measured shape in common." if data.after else "Two profiles are needed."
        style.message(figure, theme, TITLE, chosen)
        return
    axes = style.start(figure, theme)
    rows = data.drawn
    axes.set_xscale("log")
    reach = _reach(rows)
    axes.set_xlim(1 / reach, reach)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.axvline(1.0, color=theme.text, linewidth=1.0, zorder=2)
    for line, change in enumerate(rows):
        _draw_change(axes, line, change, theme)
    style.ticks(axes.yaxis, [float(line) for line in range(len(rows))], [class_name(one) for one in rows])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    ticks.follow(axes.xaxis, "×{:,g}".format)
    style.label_axes(axes, theme, "Time after ÷ before")
    _legend(figure, theme)
    style.finish(figure, theme, TITLE, _subtitle(data))


def describe(data: Data) -> str:
    """One sentence: what differs, and the largest change."""
    if not data.changes:
        return "Two profiles without a shape in common: nothing to compare."
    return f"{TITLE} from {data.before} to {data.after}: {_subtitle(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every class."""
    header = (
        "operation", "direction", "dtype", "manner", "shapes", "time_ratio", "lowest_ratio", "largest_ratio",
        "spread", "memory_ratio", "verdict",
    )  # fmt: skip
    return header, [
        (one.operation, one.direction, one.dtype, one.manner, one.shapes, one.time_ratio, one.lowest, one.largest,
         one.spread, one.memory_ratio, one.verdict)
        for one in data.changes
    ]  # fmt: skip


def _draw_change(axes: Axes, line: int, change: Change, theme: Theme) -> None:
    """The spread as a band about no change, the shapes' range as a thin line, the median as a mark with its figure."""
    colour, mark = getattr(theme, _LOOKS[change.verdict][0]), _LOOKS[change.verdict][1]
    axes.barh(
        line, 1 + change.spread - 1 / (1 + change.spread), left=1 / (1 + change.spread), height=0.56, color=theme.grid,
        zorder=1,
    )  # fmt: skip
    axes.plot([change.lowest, change.largest], [line, line], color=colour, linewidth=1.4, zorder=3)
    axes.plot([change.time_ratio], [line], marker=mark, color=colour, markersize=7, linestyle="none", zorder=4)
    axes.annotate(
        f"×{change.time_ratio:.2f}", (1.0, line), xycoords=("axes fraction", "data"), xytext=(5, 0),
        textcoords="offset points", ha="left", va="center", color=colour, fontsize=style.SMALL_SIZE,
        family=style.FAMILY, fontweight="normal" if change.verdict == WITHIN else "bold",
    )  # fmt: skip


def _legend(figure: Figure, theme: Theme) -> None:
    marks = [
        Line2D([], [], linestyle="none", marker=mark, color=getattr(theme, role), markersize=6, label=verdict)
        for verdict, (role, mark) in _LOOKS.items()
    ]
    style.legend_below(figure, [*marks, Patch(color=theme.grid, label="spread of the rows")], theme, handle_length=1.0)


def _reach(rows: Sequence[Change]) -> float:
    """The axis' right end; the left end is its inverse."""
    seen = [value for one in rows for value in (one.lowest, one.largest, 1 + one.spread)]
    most = max(max(value, 1 / value) for value in seen)
    return float(max(_LEAST_REACH, most) ** 1.1)


def _subtitle(data: Data) -> str:
    largest = max(data.changes, key=lambda one: abs(math.log(one.time_ratio)))
    changed = sum(one.verdict != WITHIN for one in data.changes)
    told = f"{data.differing}; {changed} of {len(data.changes)} classes changed beyond their spread"
    if changed:
        told += f", most {class_name(largest)}: ×{largest.time_ratio:.2f}"
    return told
