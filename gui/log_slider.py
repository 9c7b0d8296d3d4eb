"""A slider over several powers of ten."""

from __future__ import annotations

import math

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QSlider

STEPS_A_DECADE = 50


class LogSlider(QSlider):
    """Tells `moved` with the value while a person moves it. The wheel scrolls the page, not the slider."""

    moved = Signal(float)

    def __init__(self, low: float, high: float) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self._low = math.log10(low)
        self.setRange(0, round((math.log10(high) - self._low) * STEPS_A_DECADE))
        self.setPageStep(STEPS_A_DECADE // 2)
        self.setMinimumWidth(80)
        self.valueChanged.connect(lambda step: self.moved.emit(self.value_at(step)))

    def value_at(self, step: int) -> float:
        """The value at a step."""
        return float(10 ** (self._low + step / STEPS_A_DECADE))

    def show_value(self, value: float) -> None:
        """Put the handle where a value is; beyond the ends it stays at them."""
        place = (math.log10(value) - self._low) * STEPS_A_DECADE if value > 0 else 0.0
        self.blockSignals(True)
        self.setValue(round(min(max(place, 0.0), float(self.maximum()))))
        self.blockSignals(False)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the page."""
        event.ignore()
