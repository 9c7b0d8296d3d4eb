"""What is under the pointer or the keyboard's cursor of a chart, told beside it: a ring and a box of words on a pane
above the canvas.

The pane is Qt's, so the chart itself is never drawn anew for it, and no exported file shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget
from shiboken6 import isValid

from gui.theme import theme

WIDEST = 380
RING_RADIUS = 7
AWAY = 12
"""Pixels between the point and its words."""
PADDING = 9
EDGE = 4
WRAPPED = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop


class Hover(QWidget):
    """Points to one point of one canvas; takes no clicks. `told` is called when it is another one."""

    def __init__(self, canvas: Any, told: Callable[[], None] = lambda: None) -> None:
        super().__init__(canvas)
        self.setObjectName("hover")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self._canvas, self._told = canvas, told
        self._chart: Any = None
        self._data: Any = None
        self.points: Sequence[tuple[float, float]] = ()
        self.series: Sequence[Sequence[int]] = ()
        self._at, self._box = QPoint(), QRect()
        self.band = QRect()
        """The box that is being drawn to zoom into."""
        self.is_focused = False
        self.index: int | None = None
        """The point that is told of now."""
        self.text = ""
        self.hide()  # else it would be shown with its canvas, with nothing to tell
        canvas.mpl_connect("motion_notify_event", self._follow_pointer)
        for leaving in ("axes_leave_event", "figure_leave_event"):
            canvas.mpl_connect(leaving, lambda _: isValid(self) and self.tell(None))  # a closed window still gets one

    def follow(self, chart: Any, data: Any, *, stays: bool = False) -> None:
        """The canvas was drawn anew; `stays`: with the same data, so the point stays. Of a chart module that has
        `points(data)` and `readout(data, index)`.

        Optional are `leading(data)`, how many of the first points are marks on a line made of the others; `ALONG`,
        `y` for charts of rows; `at(data, x, y)`, the point that a place means, where that is not the nearest one;
        `axes_of(data, index)`, the number of a point's axes; `series(data)`, the points that belong together.
        """
        before = self.index if stays else None
        self.tell(None)
        self._chart, self._data = chart, data
        self.points = chart.points(data) if hasattr(chart, "points") else ()
        self.series = chart.series(data) if hasattr(chart, "series") else [range(len(self.points))]
        self.tell(before)

    @property
    def along(self) -> str:
        """`y` for a chart of rows."""
        return getattr(self._chart, "ALONG", "")

    def under(self, event: Any) -> int | None:
        """The point under the pointer of one of the canvas' events."""
        from planner.charts import scatter

        shown = self._canvas.figure.axes
        if event.inaxes not in shown or not self.points:
            return None
        if hasattr(self._chart, "at"):
            return self._chart.at(self._data, event.xdata, event.ydata)
        number = shown.index(event.inaxes)
        mine = [index for index in range(len(self.points)) if self._axes_of(index) == number]
        leading = self._chart.leading(self._data) if hasattr(self._chart, "leading") else 0
        places = [self.points[index] for index in mine]
        found = scatter.nearest(event.inaxes, places, event.x, event.y, leading=leading, along=self.along)
        return None if found is None else mine[found]

    def tell(self, index: int | None) -> None:
        """Point to a point, or to none."""
        if index != self.index:
            self.index = index
            self.text = "" if index is None else self._chart.readout(self._data, index)
            self._told()
        self.place()

    def place(self) -> None:
        """Stand where the point is now: the chart may have been moved."""
        self.setGeometry(self._canvas.rect())
        if self.index is not None:
            self._at = self._place(self.index)
            self._box = beside(self._at, self._size(), self._canvas.size())
        self.setVisible(self.index is not None or self.is_focused or not self.band.isEmpty())
        self.update()

    def _follow_pointer(self, event: Any) -> None:
        if event.button is None:
            index = self.under(event)
            if index != self.index:
                self.tell(index)

    def _axes_of(self, index: int) -> int:
        return self._chart.axes_of(self._data, index) if hasattr(self._chart, "axes_of") else 0

    def _place(self, index: int) -> QPoint:
        """A point of the chart in pixels of the canvas."""
        axes = self._canvas.figure.axes[self._axes_of(index)]
        x, y = axes.transData.transform(self.points[index])
        ratio = self._canvas.device_pixel_ratio
        return QPoint(round(x / ratio), round(self._canvas.height() - y / ratio))

    def _size(self) -> QSize:
        room = QRect(0, 0, min(WIDEST, self._canvas.width() - 2 * (EDGE + PADDING)), 10_000)
        words = QFontMetrics(self.font()).boundingRect(room, WRAPPED, self.text)
        return words.size() + QSize(2 * PADDING + 1, 2 * PADDING)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The frame of the focus, the box to zoom into, the ring and the words."""
        look, painter = theme(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self.is_focused:
            painter.setPen(QPen(QColor(look.accent), 1.6))
            painter.drawRoundedRect(self.rect().adjusted(1, 1, -2, -2), 4, 4)
        if not self.band.isEmpty():
            painter.setPen(QPen(QColor(look.accent), 1.2, Qt.PenStyle.DashLine))
            painter.drawRect(self.band)
        if self.index is None:
            return
        painter.setPen(QPen(QColor(look.text), 1.6))
        painter.drawEllipse(self._at, RING_RADIUS, RING_RADIUS)
        painter.setPen(QColor(look.strong_border))
        painter.setBrush(QColor(look.raised))
        painter.drawRoundedRect(self._box, 6, 6)
        painter.setPen(QColor(look.text))
        painter.drawText(self._box.adjusted(PADDING, PADDING, 0, 0), WRAPPED, self.text)


def beside(at: QPoint, size: QSize, room: QSize) -> QRect:
    """A box right of and above a place, on the other side where it would leave the room, and inside in any case."""
    right, above = at.x() + AWAY, at.y() - AWAY - size.height()
    left = right if right + size.width() <= room.width() - EDGE else at.x() - AWAY - size.width()
    top = above if above >= EDGE else at.y() + AWAY
    left = max(EDGE, min(left, room.width() - EDGE - size.width()))
    return QRect(QPoint(left, max(EDGE, min(top, room.height() - EDGE - size.height()))), size)
