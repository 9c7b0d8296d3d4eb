"""Small parts that several pages use: labels of the type scale, cards, chips, buttons."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QScrollArea, QSizePolicy, QVBoxLayout, QWidget

from gui.theme import scaled

KIND_SIGNS = {
    "measured": "● measured",
    "calibrated": "◐ calibrated",
    "published": "❝ published",
    "estimated": "≈ estimated",
    "assumed": "○ assumed",
}
"""Each kind of number has a sign, a word and a form: never colour alone."""


def label(text: str = "", role: str = "", *, size: float = 1.0, bold: bool = False, wrap: bool = False) -> QLabel:
    """A text of the type scale; `role` gives its colour: muted, error, warning, good."""
    made = QLabel(text)
    if size != 1.0 or bold:
        made.setFont(scaled(made.font(), size, QFont.Weight.DemiBold if bold else QFont.Weight.Normal))
    if role:
        made.setProperty("role", role)
    made.setWordWrap(wrap)
    made.setTextFormat(Qt.TextFormat.PlainText)
    return made


def chip(kind: str) -> QLabel:
    """The kind of a number: measured, estimated, published or assumed."""
    made = QLabel(KIND_SIGNS.get(kind, kind))
    made.setFont(scaled(made.font(), 0.82))
    made.setProperty("chip", kind)
    made.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
    return made


def button(text: str, name: str, *, primary: bool = False, flat: bool = False) -> QPushButton:
    """A push button; at most one on a page is primary."""
    made = QPushButton(text)
    made.setObjectName(name)
    made.setAccessibleName(text.replace("&", ""))
    made.setProperty("primary", "true" if primary else "false")
    made.setProperty("flat", "true" if flat else "false")
    return made


class Card(QFrame):
    """A titled box."""

    def __init__(self, title: str = "", name: str = "") -> None:
        super().__init__()
        self.setProperty("card", "true")
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.body = QVBoxLayout(self)
        self.body.setContentsMargins(18, 14, 18, 14)
        self.body.setSpacing(8)
        if title:
            self.body.addWidget(label(title, bold=True))

    def add(self, *widgets: QWidget) -> None:
        """Put widgets below what is there."""
        for widget in widgets:
            self.body.addWidget(widget)


def row(*widgets: QWidget | None, spacing: int = 8) -> QWidget:
    """Widgets side by side; None is the stretch."""
    made = QWidget()
    layout = QHBoxLayout(made)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(spacing)
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        else:
            layout.addWidget(widget)
    return made


def scrolling(content: QWidget) -> QScrollArea:
    """Content that scrolls up and down when the window is low, never sideways."""
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(content)
    return area


def column(*widgets: QWidget | None, margins: tuple[int, int, int, int] = (0, 0, 0, 0), spacing: int = 14) -> QWidget:
    """Widgets below each other; None is the stretch."""
    made = QWidget()
    layout = QVBoxLayout(made)
    layout.setContentsMargins(*margins)
    layout.setSpacing(spacing)
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        else:
            layout.addWidget(widget)
    return made


def clear(layout: object) -> None:
    """Remove and delete everything in a layout."""
    while item := layout.takeAt(0):
        if widget := item.widget():
            widget.hide()
            widget.deleteLater()
