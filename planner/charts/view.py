"""The part of a chart that is looked at: other limits and scales than the chart chose itself.

`look` tells a figure before a chart is drawn on it; `apply` is called by `style.finish`, when the axes have their own
limits and before they are laid out, so ticks, labels and layout are those of the view.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Annotation, Text
from matplotlib.ticker import FixedLocator

from planner.charts.ticks import RoundTicks

Limits = tuple[float, float]
LEADER = "leader"
"""The gid of a line that leads from a point to its name."""
_EDGE = 1e-6
"""Share of the axes by which a point may lie outside and still be on the edge."""


@dataclass(frozen=True)
class View:
    """Limits by axis, as far as they are not the chart's own; `log`: axes switched to the other scale than its own."""

    x: Limits | None = None
    y: Limits | None = None
    switched: str = ""

    @property
    def is_whole(self) -> bool:
        """All of the chart is seen."""
        return self.x is None and self.y is None


_VIEWS: WeakKeyDictionary[Figure, View] = WeakKeyDictionary()


def look(figure: Figure, view: View) -> None:
    """What the next chart drawn on the figure shows of itself."""
    _VIEWS[figure] = view


def apply(figure: Figure) -> None:
    """Show the part that the figure was told of. Charts of several axes are shown whole."""
    view = _VIEWS.get(figure, View())
    if len(figure.axes) != 1:
        return
    axes = figure.axes[0]
    for name in view.switched:
        if may_switch(axes, name):
            switch(axes, name)
    for name, limits in (("x", view.x), ("y", view.y)):
        if limits is not None and may_zoom(axes, name):
            _set_limits(axes, name, limits)
    if not view.is_whole:
        tidy(axes)


def may_zoom(axes: Axes, name: str) -> bool:
    """Rows and columns with a name each are shown all; an axis of numbers may be zoomed."""
    return bool(axes.axison) and not isinstance(_axis(axes, name).get_major_locator(), FixedLocator)


def may_switch(axes: Axes, name: str) -> bool:
    """An axis of numbers may be logarithmic or linear where nothing on it is at zero or below, and no bar begins there:
    bars' axes have other ticks."""
    return bool(axes.axison) and isinstance(_axis(axes, name).get_major_locator(), RoundTicks)


def switch(axes: Axes, name: str) -> None:
    """Linear to logarithmic, or back. A logarithmic axis begins at the least value above zero that is drawn."""
    axis = _axis(axes, name)
    locator, formatter = axis.get_major_locator(), axis.get_major_formatter()
    minor = axis.get_minor_locator(), axis.get_minor_formatter()
    low, high = axis.get_view_interval()
    is_log = axis.get_scale() == "log"
    (axes.set_xscale if name == "x" else axes.set_yscale)("linear" if is_log else "log")
    axis.set_major_locator(locator)
    axis.set_major_formatter(formatter)
    axis.set_minor_locator(minor[0])
    axis.set_minor_formatter(minor[1])
    if not is_log and low <= 0:
        low = min(high / 1.5, float(getattr(axes.dataLim, f"minpos{name}")) / 1.3)
    _set_limits(axes, name, (low, high))


def tidy(axes: Axes) -> None:
    """Hide the words whose place is outside the view, and the lines that lead to them."""
    for text in axes.texts:
        text.set_visible(_is_seen(axes, text))
    for line in axes.lines:
        if line.get_gid() == LEADER:
            line.set_visible(False)


def is_inside(axes: Axes, x: float | None, y: float | None) -> bool:
    """Whether a place is within the limits; None: of no account."""
    found = axes.transLimits.transform(axes.transScale.transform((
        axes.get_xlim()[0] if x is None else x, axes.get_ylim()[0] if y is None else y
    )))  # fmt: skip
    return bool(all(-_EDGE <= float(share) <= 1 + _EDGE for share in found))


def _is_seen(axes: Axes, text: Text) -> bool:
    if isinstance(text, Annotation):
        x, y = text.xy
        kinds = text.xycoords if isinstance(text.xycoords, tuple) else (text.xycoords, text.xycoords)
        return is_inside(axes, x if kinds[0] == "data" else None, y if kinds[1] == "data" else None)
    return is_inside(axes, *text.get_position()) if text.get_transform() == axes.transData else True


def _set_limits(axes: Axes, name: str, limits: Limits) -> None:
    (axes.set_xlim if name == "x" else axes.set_ylim)(*limits)


def _axis(axes: Axes, name: str) -> Any:
    return axes.xaxis if name == "x" else axes.yaxis
