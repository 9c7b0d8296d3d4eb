"""Parts of a whole, the form that the memory and the step-time chart share: the total as one stacked bar on top, and
below it a bar a part, each beginning where the one before ended, so that every part has its own line for its name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate

from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from planner import units
from planner.charts import style
from planner.charts.style import Theme

MOST_ROWS = 10
"""More parts than this are drawn as `other`; the table keeps them all."""

_HATCH_WIDTH = 0.6


@dataclass(frozen=True)
class Part:
    """A part of the whole. `kind`: measured, published, estimated or assumed. `key`: of the estimate's figure that it
    is, where it is one; `band` and `source` as the figure tells them."""

    label: str
    value: float
    kind: str = "estimated"
    key: str = ""
    band: str = ""
    source: str = ""


Row = tuple[str, float, str] | tuple[str, float, str, str, str, str]
"""Label, value, kind; of a figure of an estimate also its key, band and source."""


@dataclass(frozen=True)
class Whole:
    """Parts that add up, in one SI unit (or dollars)."""

    parts: tuple[Part, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Whole:
        """From rows."""
        return cls(tuple(Part(*row) for row in rows))

    @property
    def total(self) -> float:
        """Sum of the parts."""
        return sum(part.value for part in self.parts)

    @property
    def largest(self) -> Part:
        """The part that is most of it; there must be one."""
        return max(self.parts, key=lambda part: part.value)

    @property
    def rows(self) -> list[tuple[object, ...]]:
        """Label, value and kind of each part, then the total."""
        return [*((part.label, part.value, part.kind) for part in self.parts), ("Total", self.total, "")]


def points(parts: Sequence[Part], scale: float) -> list[tuple[float, float]]:
    """The end of the total's bar, then of each part's. `scale`: one of the axis' unit in the parts'."""
    ends = list(accumulate(part.value for part in drawn(parts)))
    return [(ends[-1] / scale, 0.0), *((end / scale, float(row)) for row, end in enumerate(ends, 1))] if ends else []


def readout(parts: Sequence[Part], index: int, unit: str) -> str:
    """The total, or a part with its share, band, kind and source."""
    total = sum(part.value for part in parts)
    if index == 0:
        return f"Total: {units.show(total, unit)}"
    part = drawn(parts)[index - 1]
    band = f" ({part.band})" if part.band else ""
    share = units.percent(part.value / total)
    told = [f"{part.label}: {units.show(part.value, unit)}{band}, {part.kind}, {share} of the total"]
    return "\n".join([*told, *([f"Source: {part.source}"] if part.source else [])])


def explained(parts: Sequence[Part], index: int, total: str) -> str:
    """The key of the figure that a point is; `total`: that of the whole."""
    return (total if any(part.key for part in parts) else "") if index == 0 else drawn(parts)[index - 1].key


def drawn(parts: Sequence[Part]) -> list[Part]:
    """The parts that get a line: those above zero, the smallest put together where they are too many."""
    positive = [part for part in parts if part.value > 0]
    if len(positive) <= MOST_ROWS:
        return positive
    keep = sorted(positive, key=lambda part: -part.value)[: MOST_ROWS - 1]
    rest = [part for part in positive if part not in keep]
    kinds = {part.kind for part in rest}
    other = Part(
        f"Other ({len(rest)})", sum(part.value for part in rest), kinds.pop() if len(kinds) == 1 else "estimated"
    )
    return [part for part in positive if part in keep] + [other]


def draw(axes: Axes, whole: Whole, theme: Theme, *, unit: str, scale: float, limit: float | None = None) -> None:
    """Draw total and parts. `unit`: of the parts; `scale`: one of the axis' unit in it; `limit`: where a line (a
    capacity) stands that the axis reaches in any case, in the axis' unit."""
    rows = [replace(part, value=part.value / scale) for part in drawn(whole.parts)]
    total = whole.total / scale
    reach = max(total, limit or 0.0) * 1.16
    hatched = len({part.kind for part in rows}) > 1
    _bars(axes, rows, theme, hatched)
    begin = 0.0
    for row, part in enumerate(rows, start=1):
        begin += part.value
        share = part.value / total
        percent = f"{'<' * (share < 0.01)}{units.percent(max(share, 0.01), 0)}"
        _value(axes, begin, row, f"{units.show(part.value * scale, unit)}  {percent}", part.value, reach, theme)
    _value(axes, total, 0, units.show(whole.total, unit), total, reach, theme, bold=True)
    axes.set_xlim(0, reach)
    axes.set_ylim(len(rows) + 0.5, -0.6)
    style.ticks(axes.yaxis, [float(row) for row in range(len(rows) + 1)], ["Total", *(part.label for part in rows)])
    axes.get_yticklabels()[0].set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.axhline(0.5, color=theme.grid, linewidth=0.8)
    axes.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if hatched:
        _legend(axes, rows, theme)


def _bars(axes: Axes, rows: Sequence[Part], theme: Theme, hatched: bool) -> None:
    begin = 0.0
    for row, part in enumerate(rows, start=1):
        colour = theme.parts[(row - 1) % len(theme.parts)]
        for y, height in ((0, 0.66), (row, 0.62)):
            bars = axes.barh(
                y, part.value, left=begin, height=height, color=colour, edgecolor=theme.background, linewidth=0.8,
                hatch=style.HATCHES[part.kind] if hatched else "",
            )  # fmt: skip
            bars[0].set_hatch_linewidth(_HATCH_WIDTH)
        begin += part.value


def _value(
    axes: Axes, end: float, row: int, text: str, width: float, reach: float, theme: Theme, *, bold: bool = False
) -> None:
    """The number after its bar, or before it where there is no room to the right."""
    right = end < 0.78 * reach or end - width < 0.25 * reach
    axes.annotate(
        text, (end if right else end - width, row), xytext=(5 if right else -5, 0), textcoords="offset points",
        va="center", ha="left" if right else "right", color=theme.text, fontsize=style.SMALL_SIZE, family=style.FAMILY,
        fontweight="bold" if bold else "normal", zorder=5,
        bbox={"facecolor": theme.background, "edgecolor": "none", "pad": 1.0},
    )  # fmt: skip


def _legend(axes: Axes, rows: Sequence[Part], theme: Theme) -> None:
    kinds = [kind for kind in style.HATCHES if any(part.kind == kind for part in rows)]
    patches = [
        Patch(facecolor=theme.muted, edgecolor=theme.background, hatch=style.HATCHES[kind], label=kind)
        for kind in kinds
    ]
    for patch in patches:
        patch.set_hatch_linewidth(_HATCH_WIDTH)
    axes.figure.legend(
        handles=patches,
        loc="outside lower left",
        ncols=len(patches),
        frameon=False,
        fontsize=style.SMALL_SIZE,
        labelcolor=theme.text,
    )
