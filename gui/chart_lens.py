"""Looking closer at a chart: zoom, pan, a box, another scale. Says which part of the chart is looked at; draws nothing.

Every movement is a box in shares of what is seen now, so linear and logarithmic axes are moved alike.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.charts.view import View

STEP = 1.25
"""Of one notch of the wheel, or one press of a key."""
DEEPEST = 500.0
"""So many times closer than the whole chart."""
SMALLEST_BOX = 0.02
"""Share of the axes below which a box is a slip of the hand."""
Box = tuple[float, float, float, float]
"""Left, bottom, right, top in shares of the axes."""


class Lens:
    """Of one canvas: the view that its chart is drawn with."""

    def __init__(self, canvas: Any) -> None:
        self._canvas = canvas
        self._views: Any = import_module(
            "planner.charts.view"
        )  # with matplotlib, which the first window is not to load
        self.view: View = self._views.View()
        self._whole: tuple[Any, Any] = ((0.0, 1.0), (0.0, 1.0))
        """What the chart shows of itself when all of it is seen: the transform to shares and the limits."""

    @property
    def axes(self) -> Any:
        """The axes that may be looked at closer; None where the chart has none, or several."""
        found = self._canvas.figure.axes
        return found[0] if len(found) == 1 and found[0].axison else None

    def forget(self) -> None:
        """Other data are coming: all of them are to be seen. The scales stay."""
        self.view = replace(self.view, x=None, y=None)

    def drawn(self) -> None:
        """The chart was drawn with this view."""
        if self.axes is not None and self.view.is_whole:
            self._whole = self.axes.get_xlim(), self.axes.get_ylim()

    def may(self, name: str) -> bool:
        """Whether an axis may have the other scale."""
        return self.axes is not None and self._views.may_switch(self.axes, name)

    def is_log(self, name: str) -> bool:
        """Whether an axis is logarithmic now."""
        return self.axes is not None and (self.axes.get_xscale() if name == "x" else self.axes.get_yscale()) == "log"

    def switch(self, name: str) -> None:
        """Give an axis the other scale, and show all of it."""
        names = set(self.view.switched) ^ {name}
        self.view = self._views.View(switched="".join(sorted(names)))

    def share(self, x_px: float, y_px: float) -> tuple[float, float]:
        """A place of the figure as shares of the axes."""
        x, y = self.axes.transAxes.inverted().transform((x_px, y_px))
        return float(x), float(y)

    def zoom(self, factor: float, at: tuple[float, float] = (0.5, 0.5)) -> bool:
        """Closer (a factor above one) or further, the place `at` (in shares) staying where it is."""
        (x, y), size = at, 1 / factor
        return self.show_box((x - x * size, y - y * size, x + (1 - x) * size, y + (1 - y) * size))

    def pan(self, right: float, up: float) -> bool:
        """Move what is seen by so many shares of the axes. All of the chart cannot be moved."""
        return not self.view.is_whole and self.show_box((-right, -up, 1 - right, 1 - up), keep_size=True)

    def centre(self, point: tuple[float, float]) -> bool:
        """Bring a point of the data into view; False where it is there already."""
        if self.axes is None or self._views.is_inside(self.axes, *point):
            return False
        x, y = self.axes.transAxes.inverted().transform(self.axes.transData.transform(point))
        return self.pan(0.5 - x, 0.5 - y)

    def show_box(self, box: Box, *, keep_size: bool = False) -> bool:
        """Show a part of what is seen now; False where nothing changes. It ends where the whole chart ends."""
        if self.axes is None or min(box[2] - box[0], box[3] - box[1]) <= 0:
            return False
        before = self.view
        found = {
            name: self._limits(name, box[number], box[number + 2], keep_size)
            for number, name in enumerate("xy") if self._views.may_zoom(self.axes, name)
        }  # fmt: skip
        self.view = replace(self.view, **found)
        if self.view != before:
            self._move()
        return self.view != before

    def reset(self) -> bool:
        """All of the chart again; the scales stay. False where all is seen."""
        if self.view.is_whole:
            return False
        self.view = replace(self.view, x=None, y=None)
        if self.axes is not None:
            self._move()
        return True

    def _limits(self, name: str, low: float, high: float, keep_size: bool) -> Any:
        """Limits of an axis from shares of what is seen, kept within the whole; None where that is all of it."""
        axis = self.axes.xaxis if name == "x" else self.axes.yaxis
        scale = axis.get_transform()
        now = scale.transform(self.axes.get_xlim() if name == "x" else self.axes.get_ylim())
        whole = scale.transform(self._whole["xy".index(name)])
        span = now[1] - now[0]
        ends = [(now[0] + share * span - whole[0]) / (whole[1] - whole[0]) for share in (low, high)]
        if keep_size:
            ends = [end - min(0.0, ends[0]) - max(0.0, ends[1] - 1) for end in ends]
        ends = [max(0.0, ends[0]), min(1.0, ends[1])]
        if ends[1] - ends[0] < 1 / DEEPEST:
            return self.view.x if name == "x" else self.view.y
        if ends[0] <= 1e-9 and ends[1] >= 1 - 1e-9:
            return None
        values = scale.inverted().transform([whole[0] + end * (whole[1] - whole[0]) for end in ends])
        return float(values[0]), float(values[1])

    def _move(self) -> None:
        """Show it on what is drawn already; the chart is drawn anew for it when the hand rests."""
        self.axes.set_xlim(*(self.view.x or self._whole[0]))
        self.axes.set_ylim(*(self.view.y or self._whole[1]))
        self._views.tidy(self.axes)
