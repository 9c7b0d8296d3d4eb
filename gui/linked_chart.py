"""A chart of points that is linked to a table: a click chooses a point, a ring shows the chosen one."""

from __future__ import annotations

from PySide6.QtCore import Signal

from gui.chart_view import ChartView
from gui.theme import theme


class LinkedChart(ChartView):
    """Of a chart module that has `points(data)` and `readout(data, index)`; indices are those of its data."""

    picked = Signal(int)
    _chosen = -1

    def choose(self, index: int) -> None:
        """Ring the point of an index; -1 rings none."""
        if index != self._chosen:
            self._chosen = index
            self._show_ring()

    def draw_now(self) -> None:
        """Draw at once; the ring comes back on what was drawn anew."""
        before = self._drawn
        super().draw_now()
        if self._drawn != before:
            self._show_ring()

    def _show_ring(self) -> None:
        if self._canvas is None or not self._canvas.figure.axes or self._data is None:
            return
        from planner.charts import scatter

        points = self._chart.points(self._data)
        at = points[self._chosen] if 0 <= self._chosen < len(points) else None
        scatter.ring(self._canvas.figure.axes[0], at, self._style.THEMES[theme().name])
        self._paint.start()

    def activate(self, index: int) -> None:
        """A click, or Enter: the point is chosen."""
        self.choose(index)
        self.picked.emit(index)
