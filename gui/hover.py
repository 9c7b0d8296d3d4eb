"""What is under the pointer of a chart, told beside it: a ring and a box of words on a pane above the canvas.

The pane is Qt's, so the chart itself is never drawn anew for it, and no exported file shows it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from PySide6.QtCore import QPoint, QRect, QSize, Qt
from PySide6.QtGui import QColor, QFontMetrics, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QWidget

from gui.theme import theme

WIDEST = 380
RING_RADIUS = 7
AWAY = 12
"""Pixels between the point and its words."""
PADDING = 9
EDGE = 4
WRAPPED = Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop


class Hover(QWidget):
    """Follows the pointer over one canvas; takes no clicks."""

    def __init__(self, canvas: Any) -> None:
        super().__init__(canvas)
        self.setObjectName("hover")
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.setAttribute(Qt.WidgetAttribute.WA_NoSystemBackground)
        self.hide()  # else it is shown with the canvas, and rings the corner
        self.hide()  # else it is shown with the canvas, and rings the corner
        self._canvas = canvas
        self._points: Sequence[tuple[float, float]] = ()
        self._nearest: Callable[[Any, float, float], int | None] = lambda axes, x, y: None
        self._readout: Callable[[int], str] = str
        self._at, self._box = QPoint(), QRect()
        self.index: int | None = None
        """The point that is told of now."""
        self.text = ""
        self.hide()  # else it would be shown with its canvas, with nothing to tell
        canvas.mpl_connect("motion_notify_event", lambda event: self._tell(self.under(event)))
        for leaving in ("axes_leave_event", "figure_leave_event"):
            canvas.mpl_connect(leaving, lambda _: self._tell(None))

    def follow(self, chart: Any, data: Any) -> None:
        """The canvas shows other data, of a chart module that has `points(data)` and `readout(data, index)`.

        Optional are `leading(data)`, how many of the first points are marks on a line made of the others, and `ALONG`,
        `y` for charts of rows.
        """
        from planner.charts import scatter

        self._tell(None)
        self._points = chart.points(data) if hasattr(chart, "points") else ()
        leading = chart.leading(data) if hasattr(chart, "leading") else 0
        along = getattr(chart, "ALONG", "")
        self._nearest = lambda axes, x, y: scatter.nearest(axes, self._points, x, y, leading=leading, along=along)
        self._readout = lambda index: chart.readout(data, index)

    def under(self, event: Any) -> int | None:
        """The point under the pointer of one of the canvas' events."""
        axes = self._canvas.figure.axes[0] if self._canvas.figure.axes else None
        return self._nearest(axes, event.x, event.y) if axes is not None and event.inaxes is axes else None

    def _tell(self, index: int | None) -> None:
        if index == self.index:
            return
        self.index = index
        self.text = "" if index is None else self._readout(index)
        if index is not None:
            self.setGeometry(self._canvas.rect())
            self._at = self._place(index)
            self._box = beside(self._at, self._size(), self._canvas.size())
        self.setVisible(index is not None)
        self.update()

    def _place(self, index: int) -> QPoint:
        """A point of the chart in pixels of the canvas."""
        x, y = self._canvas.figure.axes[0].transData.transform(self._points[index])
        ratio = self._canvas.device_pixel_ratio
        return QPoint(round(x / ratio), round(self._canvas.height() - y / ratio))

    def _size(self) -> QSize:
        room = QRect(0, 0, min(WIDEST, self._canvas.width() - 2 * (EDGE + PADDING)), 10_000)
        words = QFontMetrics(self.font()).boundingRect(room, WRAPPED, self.text)
        return words.size() + QSize(2 * PADDING + 1, 2 * PADDING)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The ring and the words."""
        look, painter = theme(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
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
