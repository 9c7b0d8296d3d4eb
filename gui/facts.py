"""Names and values in two columns. A value that is a figure opens its derivation, by a click, Enter or F1."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QWidget

from gui.derived import Fact
from gui.style_sheet import mark
from gui.widgets import label, plain

EXPLAIN_KEYS = (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space, Qt.Key.Key_F1)


class FigureLabel(QLabel):
    """A text that stands for a figure, named by `key`; without one it is plain text."""

    opened = Signal(str)

    def __init__(self, name: str = "") -> None:
        super().__init__()
        self.key = ""
        self.setObjectName(name)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)

    def show_text(self, text: str, key: str = "", title: str = "") -> None:
        """Another text; `key`: of its figure, `title`: what it is."""
        self.setText(text)
        self.setAccessibleName(f"{title}: {text}" if title else text)
        self.key = key
        mark(self, "figure", "true" if key else "false")
        self.setCursor(Qt.CursorShape.PointingHandCursor if key else Qt.CursorShape.ArrowCursor)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if key else Qt.FocusPolicy.NoFocus)
        self.setToolTip(plain(f"{title or 'Explain'}: explain this number (F1)") if key else "")
        self._make_room()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Another width wraps the words in another way; a layout at work hears of it only afterwards."""
        super().resizeEvent(event)
        QTimer.singleShot(0, self, self._make_room)

    def _make_room(self) -> None:
        """All lines of the words: a scrolled card's layout, asked for its least height, counts one."""
        self.setMinimumHeight(max(0, self.heightForWidth(self.width())))

    @property
    def can_explain(self) -> bool:
        """It stands for a figure."""
        return bool(self.key)

    def explain_current(self) -> None:
        """Ask for the derivation."""
        if self.key:
            self.opened.emit(self.key)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click opens the derivation."""
        if self.key:
            self.setFocus(Qt.FocusReason.MouseFocusReason)
            self.opened.emit(self.key)
        else:
            super().mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Enter, Space and F1 open the derivation."""
        if self.key and event.key() in EXPLAIN_KEYS:
            self.opened.emit(self.key)
        else:
            super().keyPressEvent(event)


class Facts(QWidget):
    """Names and values in two aligned columns; made once, filled often. `opened` tells the key of a figure."""

    opened = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(14)
        self._grid.setVerticalSpacing(6)
        self._grid.setColumnStretch(1, 1)
        self._labels: list[tuple[QLabel, FigureLabel]] = []

    def show_facts(self, facts: list[Fact], keys: Mapping[str, str] | None = None) -> None:
        """Fill in; spare lines are hidden. `keys`: of the figures that values are, by name."""
        while len(self._labels) < len(facts):
            self._add_line()
        for number, (name, value) in enumerate(self._labels):
            shown = number < len(facts)
            if shown:
                title, text = facts[number]
                name.setText(title)
                value.show_text(text, (keys or {}).get(title, ""), title)
            name.setVisible(shown)
            value.setVisible(shown)

    def _add_line(self) -> None:
        name, value, line = label(role="muted"), FigureLabel(), len(self._labels)
        value.opened.connect(self.opened)
        for place, one in enumerate((name, value)):
            one.setAlignment(Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(one, line, place)
        self._labels.append((name, value))
