"""A chart of points that is linked to a table: a click chooses a point, a ring shows the chosen one."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, Signal
from PySide6.QtGui import QCursor
from PySide6.QtWidgets import QToolTip

from gui.chart_view import ChartView
from gui.theme import theme


class LinkedChart(ChartView):
    """A chart module that also has `points(data)` and `readout(data, index)`; indices are those of its data."""

    picked = Signal(int)
    _chosen = -1
    _is_listening = False

    def choose(self, index: int) -> None:
        """Ring the point of an index; -1 rings none."""
        if index != self._chosen:
            self._chosen = index
            self._show_ring()

    def draw_now(self) -> None:
        """Draw at once; the ring comes back on what was drawn anew."""
        before = self._drawn
        super().draw_now()
        if self._canvas is not None and not self._is_listening:
            self._is_listening = True
            self._canvas.mpl_connect("button_press_event", self._press)
            self._canvas.mpl_connect("motion_notify_event", self._hover)
        if self._drawn != before:
            self._show_ring()

    def event(self, event: QEvent) -> bool:
        """The point under the pointer is told by `_hover`; the chart's sentence only beside the points."""
        if event.type() == QEvent.Type.ToolTip and QToolTip.isVisible():
            return True
        return super().event(event)

    def _axes(self) -> Any:
        return self._canvas.figure.axes[0] if self._canvas is not None and self._canvas.figure.axes else None

    def _show_ring(self) -> None:
        axes = self._axes()
        if axes is None or self._data is None:
            return
        from planner.charts import scatter

        points = self._chart.points(self._data)
        at = points[self._chosen] if 0 <= self._chosen < len(points) else None
        scatter.ring(axes, at, self._style.THEMES[theme().name])
        self._canvas.draw_idle()

    def _nearest(self, event: Any) -> int | None:
        axes = self._axes()
        if axes is None or event.inaxes is not axes or self._data is None:
            return None
        from planner.charts import scatter

        return scatter.nearest(axes, self._chart.points(self._data), event.x, event.y)

    def _press(self, event: Any) -> None:
        index = self._nearest(event) if event.button == 1 else None
        if index is not None:
            self.choose(index)
            self.picked.emit(index)

    def _hover(self, event: Any) -> None:
        index = self._nearest(event)
        if index is None:
            QToolTip.hideText()
        else:
            QToolTip.showText(QCursor.pos(), self._chart.readout(self._data, index), self._canvas)
