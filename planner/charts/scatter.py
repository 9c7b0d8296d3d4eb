"""What charts of many points share: a ring round the chosen one, the point under the pointer, ticks of a log axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke

from planner.charts import ticks
from planner.charts.style import Theme
from planner.charts.ticks import Show

REACH_PX = 14.0
"""How far from a point the pointer may be and still mean it."""
_LEAD_PX = 8.0
"""So much nearer than it is counts a mark that lies on a line."""
_WIDE = 5.0
"""Ratio of largest to smallest from which an axis is logarithmic."""
SMALL_PX = 250.0
_RING = "chosen"
OFF_RING_PT = 15.0
"""A label this far from its point is not covered by the ring, in any direction."""


def ring(axes: Axes, at: tuple[float, float] | None, theme: Theme) -> None:
    """Mark one point, in place of the one marked before; None marks none."""
    for old in [line for line in axes.lines if line.get_gid() == _RING]:
        old.remove()
    if at is not None and _is_inside(axes, at):
        axes.plot(
            [at[0]], [at[1]], linestyle="none", marker="o", markersize=13, markerfacecolor="none",
            markeredgecolor=theme.text, markeredgewidth=1.8, zorder=8, gid=_RING, clip_on=False, scalex=False,
            scaley=False,
        )  # fmt: skip


def _is_inside(axes: Axes, at: tuple[float, float]) -> bool:
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    return left <= at[0] <= right and bottom <= at[1] <= top


def nearest(
    axes: Axes, points: Sequence[tuple[float, float]], x_px: float, y_px: float, *, leading: int = 0, along: str = ""
) -> int | None:
    """The point nearest to a place on the figure, in pixels; None where none is within reach.

    leading: so many of the first points are marks that lie on a line made of the others, and win where both are near.
    along: `y` for charts of rows, where any place of a row means it (`x`: of columns).
    """
    if not points:
        return None
    with np.errstate(all="ignore"):
        places = axes.transData.transform(np.asarray(points, dtype=float))
    scale = axes.figure.dpi / 100
    apart = _apart(places, x_px, y_px, along)
    apart = np.where(np.isfinite(apart), apart, math.inf)
    apart[:leading] = np.where(apart[:leading] <= REACH_PX * scale, apart[:leading] - _LEAD_PX * scale, math.inf)
    index = int(np.argmin(apart))
    return index if apart[index] <= (math.inf if along else REACH_PX * scale) else None


def _apart(places: Any, x_px: float, y_px: float, along: str) -> Any:
    if along:
        return np.abs(places[:, 1] - y_px if along == "y" else places[:, 0] - x_px)
    return np.hypot(places[:, 0] - x_px, places[:, 1] - y_px)


def grouped(names: Sequence[object]) -> list[list[int]]:
    """Indices by name, in the order in which the names come: the series that a keyboard goes along."""
    found: dict[object, list[int]] = {}
    for index, name in enumerate(names):
        found.setdefault(name, []).append(index)
    return list(found.values())


def pareto(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other is below and left of, from left to right."""
    found: list[int] = []
    least = math.inf
    for index in sorted(range(len(points)), key=lambda i: points[i]):
        if points[index][1] < least:
            least = points[index][1]
            found.append(index)
    return found


def scale(
    axis: Any, low: float, high: float, unit: float = 1.0, show: Show = "{:,g}".format, *,
    is_log: bool | None = None,
) -> None:  # fmt: skip
    """Limits with some air, and round ticks that follow the view; logarithmic where the ends are far apart, or as
    `is_log` says.

    unit: what one of the axis' unit is in the data's (86,400 for days of seconds); `show` writes a number of it
    with so many digits."""
    log = low > 0 and high / low >= _WIDE if is_log is None else is_log
    air = (high / low) ** 0.06 if log else (high - low or abs(high) or 1.0) * 0.08
    left, right = (low / air, high * air) if log else (low - air, high + air)
    axes, horizontal = axis.axes, axis is axis.axes.xaxis
    (axes.set_xscale if horizontal else axes.set_yscale)("log" if log else "linear")
    (axes.set_xlim if horizontal else axes.set_ylim)(left, right)
    ticks.follow(axis, show, unit)


def is_small(axes: Axes) -> bool:
    """The figure has no room for more than the points and one line above them."""
    return bool(axes.figure.bbox.height / axes.figure.dpi * 100 < SMALL_PX)


def halo(axes: Axes, theme: Theme) -> None:
    """Texts among points stay readable: a rim of the background round the letters."""
    for text in axes.texts:
        text.set_path_effects([withStroke(linewidth=2.4, foreground=theme.background)])
