"""What the planner predicts against what was published, on two equal log axes, with lines of equal error."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.legend import Legend

from planner import units
from planner.charts import scatter, style, ticks
from planner.charts.labels import Label, place
from planner.charts.style import Table, Theme
from planner.formula import Array
from planner.units import show

TITLE = "Predicted against published"
ERRORS = (0.10, 0.25)
"""Shares at which a line of equal error is drawn, above and below."""
_NAMED = 3
"""The worst rows are named, where they miss by more than the outer line."""


@dataclass(frozen=True)
class Mark:
    """One row of a table of runs: what was published and what is predicted, in SI units."""

    row: str
    source: str
    gpu: str
    published: float
    predicted: float
    inside_band: bool | None = None

    @property
    def error(self) -> float:
        """Signed share of the published figure."""
        return self.predicted / self.published - 1


@dataclass(frozen=True)
class Data:
    """The rows of one metric."""

    marks: tuple[Mark, ...] = ()
    metric: str = "Step time"
    unit: str = "s"
    errors: Array | None = None
    """Of all rows, where the marks are a sample of them."""

    @classmethod
    def of_rows(
        cls, rows: Iterable[Mapping[str, Any]], metric: str = "Step time", unit: str = "s", errors: Array | None = None
    ) -> Data:
        """From rows as `validate --json` has them; those without a prediction are left out. errors: of all rows, where
        these are a sample."""
        return cls(tuple(
            Mark(row["id"], row["source"], row["gpu"], float(row["published"]), float(row["predicted"]),
                 row["inside_band"])
            for row in rows if row["published"] and row["predicted"]
        ), metric, unit, errors)  # fmt: skip

    @property
    def count(self) -> int:
        """Rows that the sentence speaks of."""
        return len(self.marks) if self.errors is None else len(self.errors)

    def within(self, share: float) -> float:
        """Share of the rows that miss by at most this share."""
        errors = np.array([mark.error for mark in self.marks]) if self.errors is None else self.errors
        return float(np.mean(np.abs(errors) <= share))


def points(data: Data) -> list[tuple[float, float]]:
    """Where each mark stands."""
    return [(mark.published, mark.predicted) for mark in data.marks]


def series(data: Data) -> list[list[int]]:
    """The rows inside their band, outside it, and without one."""
    return scatter.grouped([mark.inside_band for mark in data.marks])


def readout(data: Data, index: int) -> str:
    """One mark in words."""
    mark = data.marks[index]
    there, here = show(mark.published, data.unit), show(mark.predicted, data.unit)
    return f"{mark.row} on {mark.gpu}\npublished {there}, predicted {here}: {units.percent(mark.error, sign=True)}"


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.marks:
        style.message(figure, theme, TITLE, "No row with a published figure and a prediction.")
        return
    axes = style.start(figure, theme)
    low, high = _limits(data)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(low, high)
    axes.set_box_aspect(1.0)
    axes.set_anchor("NW")
    for axis in (axes.xaxis, axes.yaxis):
        ticks.follow(axis, lambda value, digits: _tick(value, data.unit), units.GIB if data.unit == "B" else 1.0)
    _draw_errors(axes, low, high, theme)
    _draw_marks(axes, data, theme)
    style.label_axes(axes, theme, f"Published {data.metric.lower()}", f"Predicted {data.metric.lower()}")
    legend = _legend(axes, theme)
    style.finish(figure, theme, TITLE, _subtitle(data))
    near = sorted(points(data))
    lines = [([low, high], [low, high]), ([x for x, _ in near], [y for _, y in near])]
    place(axes, _labels(data, theme), lines, keep_clear=[style.extent(legend)], least_pt=scatter.OFF_RING_PT)
    scatter.halo(axes, theme)


def describe(data: Data) -> str:
    """One sentence: how many rows, and how many lie within the lines."""
    if not data.marks:
        return "No rows with a prediction to show yet."
    return f"{data.metric}: {_subtitle(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every row."""
    header = ("id", "source", "gpu", "metric", "unit", "published", "predicted", "error", "inside_band")
    return header, [
        (one.row, one.source, one.gpu, data.metric, data.unit, one.published, one.predicted, one.error, one.inside_band)
        for one in data.marks
    ]


def _limits(data: Data) -> tuple[float, float]:
    seen = [value for mark in data.marks for value in (mark.published, mark.predicted)]
    return min(seen) / 1.6, max(seen) * 1.6


def _draw_errors(axes: Axes, low: float, high: float, theme: Theme) -> None:
    """The line of no error, and on each side those of ten and twenty-five per cent."""
    ends = np.array([low, high])
    axes.plot(ends, ends, color=theme.text, linewidth=1.0, zorder=2, label="no error")
    for share, dashes in zip(ERRORS, ((0, (5, 2)), (0, (1, 2))), strict=True):
        name = f"±{units.percent(share, 0)}"
        for factor, label in ((1 + share, name), (1 - share, "_")):
            axes.plot(ends, ends * factor, color=theme.muted, linewidth=1.0, linestyle=dashes, zorder=2, label=label)


def _draw_marks(axes: Axes, data: Data, theme: Theme) -> None:
    """Inside and outside the band of 80 % differ in shape and colour; rows without a band are plain."""
    looks = (
        (True, "o", theme.curve, "in the 80 % band"), (False, "D", theme.plan, "outside it"),
        (None, "o", theme.curve, "a run"),
    )  # fmt: skip
    for inside, shape, colour, name in looks:
        mine = [mark for mark in data.marks if mark.inside_band is inside]
        if mine:
            axes.plot(
                [mark.published for mark in mine], [mark.predicted for mark in mine], linestyle="none", marker=shape,
                markersize=4.6, color=colour, alpha=0.8, markeredgecolor=theme.background, markeredgewidth=0.5,
                label=name, zorder=4,
            )  # fmt: skip


def _legend(axes: Axes, theme: Theme) -> Legend:
    """In the corner that the points leave free: far above the line of no error."""
    return axes.legend(
        loc="upper left", frameon=False, labelcolor=theme.text, handlelength=1.8, borderpad=0.2, labelspacing=0.35,
        prop={"family": style.FAMILY, "size": style.SMALL_SIZE},
    )  # fmt: skip


def _tick(value: float, unit: str) -> str:
    """`10 ms`, `100 s`, `30 GiB`: one unit as far as it goes, so that decades read as decades."""
    if unit == "B":
        return f"{value:g} GiB"
    if unit == "s":
        return f"{value:g} s" if value >= 1 else f"{value * 1e3:g} ms"
    return show(value, unit, 1)


def _labels(data: Data, theme: Theme) -> list[Label]:
    worst = sorted(data.marks, key=lambda mark: -abs(math.log(mark.predicted / mark.published)))[:_NAMED]
    return [
        Label(
            mark.published,
            mark.predicted,
            f"{mark.row} {units.percent(mark.error, 0, sign=True)}",
            theme.text,
            is_needed=False,
        )
        for mark in worst
        if abs(mark.error) > ERRORS[-1]
    ]


def _subtitle(data: Data) -> str:
    near, far = (f"{units.percent(data.within(share), 0)} within ±{units.percent(share, 0)}" for share in ERRORS)
    drawn = f"; {len(data.marks):,} of them drawn" if data.count > len(data.marks) else ""
    return f"{data.count:,} row{'' if data.count == 1 else 's'}; {near}, {far}{drawn}"
