"""Editors of single fields. Each shows a value, and tells what was typed or chosen; none knows the plan."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QKeySequence, QPainter, QPaintEvent, QWheelEvent
from PySide6.QtWidgets import QCheckBox, QComboBox, QCompleter, QLineEdit

from gui.quantity_text import editable

SUFFIX_GAP = 42
"""Pixels: the field's own margins, and air between text and suffix."""


class HistoryLineEdit(QLineEdit):
    """A line edit that leaves undo and redo to the document, which knows all edits."""

    def event(self, event: QEvent) -> bool:
        """Let the window's undo and redo shortcuts through."""
        if event.type() == QEvent.Type.ShortcutOverride and _is_history(event):
            event.ignore()
            return False
        return super().event(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Everything but undo and redo."""
        if _is_history(event):
            event.ignore()
        else:
            super().keyPressEvent(event)


class TextField(HistoryLineEdit):
    """A number with unit, or words. Emits `typed` while typing and `left` on Enter or when the focus goes."""

    typed = Signal(str)
    left = Signal(str)
    entered = Signal()

    def __init__(self, unit: str, *, is_number: bool) -> None:
        super().__init__()
        self._unit, self.is_number = unit, is_number
        self.suffix = ""
        self.textEdited.connect(self.typed)
        self.editingFinished.connect(lambda: self.left.emit(self.text()))

    def show_value(self, value: Any) -> None:
        """Show a value of the plan as an engineer would type it."""
        text = editable(value, self._unit) if self.is_number else str(value or "")
        if text != self.text():
            self.setText(text)
            self.setCursorPosition(0)

    def show_suffix(self, text: str) -> None:
        """Quiet words at the right end inside the field: the unit, or the value in full."""
        if text != self.suffix:
            self.suffix = text
            self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        """The suffix is left out where the text needs the room."""
        super().paintEvent(event)
        metrics = self.fontMetrics()
        typed = metrics.horizontalAdvance(self.text() or self.placeholderText())
        if not self.suffix or typed + metrics.horizontalAdvance(self.suffix) + SUFFIX_GAP > self.width():
            return
        painter = QPainter(self)
        painter.setPen(self.palette().placeholderText().color())
        side = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        painter.drawText(self.rect().adjusted(0, 0, -11, 0), side, self.suffix)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """A new visit of the field begins."""
        self.entered.emit()
        super().focusInEvent(event)


class ComboField(QComboBox):
    """A choice of a few words. The wheel scrolls the page, not the choice."""

    chosen = Signal(object)

    def __init__(self, choices: list[tuple[str, Any]]) -> None:
        super().__init__()
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        for text, value in choices:
            self.addItem(text, value)
        self.activated.connect(lambda index: self.chosen.emit(self.itemData(index)))

    def show_value(self, value: Any) -> None:
        """Select a value; one that is not offered is shown as it is."""
        index = self.findData(value)
        if index < 0:
            self.addItem(str(value), value)
            index = self.count() - 1
        self.setCurrentIndex(index)

    def wheelEvent(self, event: QWheelEvent) -> None:
        """Leave the wheel to the page."""
        event.ignore()


class SearchField(ComboField):
    """A choice of many names, with search: typing filters by any part of a name."""

    typed_unknown = Signal(str)

    def __init__(self, names: list[str]) -> None:
        super().__init__([(name, name) for name in names])
        self.setEditable(True)
        self.setLineEdit(HistoryLineEdit())
        self.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        completer = QCompleter(self.model(), self)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setCompletionMode(QCompleter.CompletionMode.PopupCompletion)
        self.setCompleter(completer)
        self._shown = ""
        self.lineEdit().editingFinished.connect(self._take_typed)
        self.lineEdit().setClearButtonEnabled(False)

    def show_value(self, value: Any) -> None:
        """Show a name, known or not."""
        self._shown = str(value)
        self.setCurrentIndex(self.findData(value))
        self.setEditText(self._shown)
        self.lineEdit().setCursorPosition(0)

    def show_names(self, names: list[str]) -> None:
        """Offer other names; what is shown stays."""
        self.clear()
        for name in names:
            self.addItem(name, name)
        self.show_value(self._shown)

    def _take_typed(self) -> None:
        text = self.lineEdit().text().strip()
        if text == self._shown:
            return
        index = self.findText(text, Qt.MatchFlag.MatchFixedString)
        if index >= 0:
            self.chosen.emit(self.itemData(index))
        else:
            self.typed_unknown.emit(text)


class CheckField(QCheckBox):
    """Yes or no."""

    chosen = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.clicked.connect(lambda checked: self.chosen.emit(checked))

    def show_value(self, value: Any) -> None:
        """Show yes or no."""
        self.setChecked(bool(value))


def _is_history(event: QEvent) -> bool:
    keys = QKeySequence.StandardKey
    return isinstance(event, QKeyEvent) and (event.matches(keys.Undo) or event.matches(keys.Redo))
