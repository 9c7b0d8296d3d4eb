"""Cards of the headline figures: label, value, band, and the kind of number."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from gui.style_sheet import mark
from gui.tables import short_band
from gui.theme import scaled
from gui.widgets import KIND_SIGNS, chip, elided, label, plain

if TYPE_CHECKING:
    from planner.estimate import Figure

NARROWEST, SQUEEZED, LEAST_COLUMNS = 178, 150, 2
"""Pixels of a card from which there may be more columns than the least, and of one where there is no room."""
WIDE_ENOUGH_FOR_KIND = 212


class MetricCard(QFrame):
    """One figure. A click, Enter or F1 opens its derivation."""

    opened = Signal(str)
    _figure_kind = "estimated"
    _is_wide = True

    def __init__(self, key: str, title: str) -> None:
        super().__init__()
        self.key = key
        self.setObjectName(f"card.{key}")
        self.setProperty("metric", "true")
        self.setAccessibleName(title)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 11, 12, 11)
        layout.setSpacing(3)
        self._kind = chip("estimated")
        top = QHBoxLayout()
        top.addWidget(elided(title, "muted", size=0.92), 1)
        top.addWidget(self._kind)
        layout.addLayout(top)
        self.value = label("–", bold=True)
        self.value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._fonts = [scaled(self.font(), size, QFont.Weight.DemiBold) for size in (1.55, 1.35, 1.15, 1.0)]
        self.value.setFixedHeight(QFontMetrics(self._fonts[0]).height())
        self.value.setObjectName(f"card.{key}.value")
        layout.addWidget(self.value)
        self._band = elided(" ", "muted", size=0.88)
        layout.addWidget(self._band)

    def show_figure(
        self, figure: Figure | None, *, is_stale: bool, value: str = "", note: str = "", tone: str = ""
    ) -> None:
        """Show a figure; `value`, `note` and `tone` stand in for its own text, band and colour."""
        self.value.setText(value or (figure.text if figure else "–"))
        mark(self.value, "role", "muted" if is_stale else tone)
        self._fit_value()
        self._band.setText(note or (short_band(figure.band_text) if figure else "") or " ")
        self._figure_kind = kind = figure.kind if figure else "estimated"
        mark(self._kind, "chip", kind)
        self._show_kind()
        self.setAccessibleDescription(f"{self.value.text()}, {self._band.text()}, {kind}")
        self.setToolTip(plain(f"{figure.label if figure else ''}: explain this number (F1)"))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The value takes the type that fits."""
        super().resizeEvent(event)
        self._fit_value()

    def show_width(self, wide: bool) -> None:
        """A narrow card shows the sign of the kind without its word."""
        self._is_wide = wide
        self._show_kind()

    def _fit_value(self) -> None:
        """The largest type in which the value is not cut."""
        room = self.width() - 30
        fitting = [font for font in self._fonts if QFontMetrics(font).horizontalAdvance(self.value.text()) <= room]
        self.value.setFont((fitting or self._fonts[-1:])[0])

    def _show_kind(self) -> None:
        words = KIND_SIGNS.get(self._figure_kind, self._figure_kind)
        self._kind.setText(words if self._is_wide else words[:1])
        self._kind.setToolTip(words)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click opens the derivation."""
        self.setFocus(Qt.FocusReason.MouseFocusReason)
        self.opened.emit(self.key)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter, Space and F1 open the derivation."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space, Qt.Key.Key_F1):
            self.opened.emit(self.key)
        else:
            super().keyPressEvent(event)


class CardGrid(QWidget):
    """Cards in as many columns as fit.

    What it shows follows from its width, so its least width may not follow from what it shows: a scroll area that is
    narrower would make it wider and narrower again within one call, until the stack is full and the program dies.
    """

    def __init__(self, cards: list[MetricCard]) -> None:
        super().__init__()
        self._cards, self._columns = cards, 0
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(12)
        self.setMinimumWidth(LEAST_COLUMNS * SQUEEZED + self._grid.spacing())
        self._arrange(4)

    def resizeEvent(self, event: object) -> None:
        """Arrange anew when another number of columns fits."""
        fitting = self.width() // NARROWEST
        self._arrange(8 if fitting >= 8 else 4 if fitting >= 4 else LEAST_COLUMNS)
        for card in self._cards:
            card.show_width(self.width() / self._columns >= WIDE_ENOUGH_FOR_KIND)

    def _arrange(self, columns: int) -> None:
        if columns == self._columns:
            return
        for column in range(8):
            self._grid.setColumnStretch(column, 1 if column < columns else 0)
        self._columns = columns
        for number, card in enumerate(self._cards):
            self._grid.addWidget(card, number // columns, number % columns)
