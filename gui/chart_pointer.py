"""The mouse on a chart: the wheel zooms at the pointer, dragging pans, Shift and dragging draws a box to zoom into, a
double click shows all, a click chooses the point that it meant."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6.QtCore import QPoint, QRect, Qt

from gui.chart_lens import SMALLEST_BOX, STEP, Lens
from gui.hover import Hover

SLIP_PX = 4
"""So far a hand may slip in a click."""
LEFT = 1


class Pointer:
    """Turns the canvas' events into movements of the lens; `moved` and `clicked` tell what came of them."""

    def __init__(
        self, canvas: Any, lens: Lens, hover: Hover, moved: Callable[[], None], clicked: Callable[[int], None]
    ) -> None:
        self._canvas, self._lens, self._hover = canvas, lens, hover
        self._moved, self._clicked = moved, clicked
        self._from: tuple[float, float] | None = None
        self._last: tuple[float, float] = (0.0, 0.0)
        self._is_box = self._was_moved = False
        for name, act in (
            ("scroll_event", self._wheel), ("button_press_event", self._press), ("motion_notify_event", self._drag),
            ("button_release_event", self._release),
        ):  # fmt: skip
            canvas.mpl_connect(name, act)

    def _wheel(self, event: Any) -> None:
        axes = self._lens.axes
        if axes is None or event.inaxes is not axes:
            return
        if self._lens.zoom(STEP**event.step, self._lens.share(event.x, event.y)):
            self._moved()

    def _press(self, event: Any) -> None:
        if event.button != LEFT:
            return
        if event.dblclick:
            self._from = None
            if self._lens.reset():
                self._moved()
            return
        self._from = self._last = (event.x, event.y)
        self._is_box = "shift" in event.modifiers
        self._was_moved = False

    def _drag(self, event: Any) -> None:
        if self._from is None or self._lens.axes is None:
            return
        far = max(abs(event.x - self._from[0]), abs(event.y - self._from[1]))
        if not self._was_moved and far <= SLIP_PX * self._canvas.device_pixel_ratio:
            return
        self._was_moved = True
        if self._is_box:
            self._hover.band = self._rect(self._from, (event.x, event.y))
            self._hover.place()
            return
        before, now = self._lens.share(*self._last), self._lens.share(event.x, event.y)
        self._last = (event.x, event.y)
        self._canvas.setCursor(Qt.CursorShape.ClosedHandCursor)
        if self._lens.pan(now[0] - before[0], now[1] - before[1]):
            self._moved()

    def _release(self, event: Any) -> None:
        start, self._from = self._from, None
        self._canvas.unsetCursor()
        if start is None or event.button != LEFT:
            return
        if self._was_moved and self._is_box and self._lens.axes is not None:
            self._zoom_into(start, (event.x, event.y))
        elif not self._was_moved:
            index = self._hover.under(event)
            if index is not None:
                self._clicked(index)

    def _zoom_into(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        self._hover.band = QRect()
        (x0, y0), (x1, y1) = self._lens.share(*start), self._lens.share(*end)
        box = min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1)
        if max(box[2] - box[0], box[3] - box[1]) > SMALLEST_BOX and self._lens.show_box(box):
            self._moved()
        self._hover.place()

    def _rect(self, start: tuple[float, float], end: tuple[float, float]) -> QRect:
        ratio, height = self._canvas.device_pixel_ratio, self._canvas.height()
        corners = [QPoint(round(x / ratio), round(height - y / ratio)) for x, y in (start, end)]
        return QRect(*corners).normalized()
