"""The canvas of a chart: it keeps its last picture while it is being resized. Imports matplotlib."""

from __future__ import annotations

from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
from PySide6.QtGui import QColor, QImage, QPainter, QPaintEvent, QResizeEvent


class Canvas(FigureCanvasQTAgg):
    """matplotlib's, which paints everything anew at each size that it passes through, a tenth of a second each. Who
    hosts this one draws it when the size has settled, and asks for a picture then."""

    _is_resized = False

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Take the size, and paint nothing for it yet."""
        self._is_resized = hasattr(self, "renderer")
        try:
            super().resizeEvent(event)
        finally:
            self._is_resized = False

    def draw_idle(self) -> None:
        """As matplotlib does, but not for a size alone."""
        if not self._is_resized:
            super().draw_idle()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The picture; one of another size in the corner that charts begin in."""
        ratio = self.device_pixel_ratio
        height, width = self.buffer_rgba().shape[:2] if hasattr(self, "renderer") else (0, 0)
        if not width or max(abs(width - ratio * self.width()), abs(height - ratio * self.height())) <= 1:
            super().paintEvent(event)
            return
        image = QImage(self.buffer_rgba(), width, height, QImage.Format.Format_RGBA8888)
        image.setDevicePixelRatio(ratio)
        painter = QPainter(self)
        painter.fillRect(self.rect(), QColor.fromRgbF(*self.figure.get_facecolor()))
        painter.drawImage(0, 0, image)
        painter.end()
