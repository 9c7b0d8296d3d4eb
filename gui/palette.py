"""The command palette: type a few letters, and run a command, go to a field or open a number's derivation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from PySide6.QtCore import QEvent, QObject, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QFrame, QLabel, QLineEdit, QListWidget, QListWidgetItem, QVBoxLayout, QWidget

WIDTH, HEIGHT, TOP = 620, 420, 60
MOST_SHOWN = 60
_MOVES = {Qt.Key.Key_Up, Qt.Key.Key_Down, Qt.Key.Key_PageUp, Qt.Key.Key_PageDown}


@dataclass(frozen=True)
class Entry:
    """A line: what it is, a word on the right (a shortcut, a value), and what choosing it does."""

    text: str
    hint: str
    act: Callable[[], object]


def matching(entries: Sequence[Entry], typed: str) -> list[Entry]:
    """Entries that hold every typed word, those beginning with the first word ahead of the others."""
    words = typed.casefold().split()
    found = [one for one in entries if all(word in f"{one.text} {one.hint}".casefold() for word in words)]
    return sorted(found, key=lambda one: not one.text.casefold().startswith(words[0])) if words else found


class Palette(QFrame):
    """A sheet over the window's upper part; Escape or a click elsewhere closes it."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self.setObjectName("palette")
        self.setProperty("card", "true")
        self.setAutoFillBackground(True)
        self.setAccessibleName("Find a command, a field or a number")
        self.typed = QLineEdit()
        self.typed.setObjectName("palette.typed")
        self.typed.setAccessibleName("What to find")
        self.typed.installEventFilter(self)
        self.typed.textChanged.connect(self._show_matching)
        self.typed.returnPressed.connect(self._choose)
        self.list = QListWidget()
        self.list.setObjectName("palette.list")
        self.list.setAccessibleName("What was found")
        self.list.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.list.itemClicked.connect(self._choose)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(10, 10, 10, 10)
        caption = QLabel("&Find a command, a field or a number")
        caption.setBuddy(self.typed)
        layout.addWidget(caption)
        layout.addWidget(self.typed)
        layout.addWidget(self.list)
        self._entries: Sequence[Entry] = ()
        self._shown: list[Entry] = []
        self.hide()

    def ask(self, entries: Sequence[Entry]) -> None:
        """Open, with the cursor in it."""
        self._entries = entries
        around = self.parentWidget().rect()
        width = min(WIDTH, around.width() - 40)
        self.setGeometry((around.width() - width) // 2, TOP, width, min(HEIGHT, around.height() - 2 * TOP))
        self.typed.clear()
        self._show_matching("")
        self.show()
        self.raise_()
        self.typed.setFocus()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The arrows move through the list while one types; Escape closes, as does leaving."""
        if watched is self.typed and event.type() == QEvent.Type.FocusOut:
            self.hide()
        if watched is not self.typed or not isinstance(event, QKeyEvent):
            return super().eventFilter(watched, event)
        if event.key() == Qt.Key.Key_Escape:  # ahead of the window's own shortcut
            event.accept()
            self.setVisible(event.type() == QEvent.Type.ShortcutOverride and self.isVisible())
            return True
        if event.type() == QEvent.Type.KeyPress and event.key() in _MOVES:
            self.list.event(event)
            return True
        return super().eventFilter(watched, event)

    def _show_matching(self, typed: str) -> None:
        self._shown = matching(self._entries, typed)[:MOST_SHOWN]
        self.list.clear()
        for entry in self._shown:
            item = QListWidgetItem(f"{entry.text}    {entry.hint}" if entry.hint else entry.text)
            self.list.addItem(item)
        if not self._shown:
            nothing = QListWidgetItem("Nothing of that name")
            nothing.setFlags(Qt.ItemFlag.NoItemFlags)
            self.list.addItem(nothing)
        self.list.setCurrentRow(0 if self._shown else -1)

    def _choose(self, *_: object) -> None:
        row = self.list.currentRow()
        if 0 <= row < len(self._shown):
            self.hide()
            self._shown[row].act()
