"""Small parts that several pages use: labels of the type scale, cards, chips, buttons."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import TypeVar

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QBoxLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QSplitter,
    QToolTip,
    QVBoxLayout,
    QWidget,
)

from gui.theme import scaled

AnyLabel = TypeVar("AnyLabel", bound=QLabel)

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
    made = _styled(QLabel(text), role, size, bold)
    made.setWordWrap(wrap)
    return made


def _styled(made: AnyLabel, role: str, size: float, bold: bool) -> AnyLabel:
    if size != 1.0 or bold:
        made.setFont(scaled(made.font(), size, QFont.Weight.DemiBold if bold else QFont.Weight.Normal))
    if role:
        made.setProperty("role", role)
    made.setTextFormat(Qt.TextFormat.PlainText)
    return made


class ElidedLabel(QLabel):
    """One line of text that gives way: cut with an ellipsis where there is no room, and whole in its tip and for a
    screen reader."""

    def __init__(self, text: str = "") -> None:
        super().__init__(text)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    @property
    def shown(self) -> str:
        """What there is room for."""
        room = self.contentsRect().width() - 2 * self.margin()
        return self.fontMetrics().elidedText(self.text(), Qt.TextElideMode.ElideRight, room)

    def paintEvent(self, event: QPaintEvent) -> None:
        """What there is room for, in the label's own colour; the rest is in the tip."""
        painter, shown = QPainter(self), self.shown
        self.style().drawItemText(
            painter, self.contentsRect(), self.alignment(), self.palette(), self.isEnabled(), shown,
            self.foregroundRole(),
        )  # fmt: skip

    def event(self, event: QEvent) -> bool:
        """The tip is the whole text where it is cut, unless another one was set."""
        if event.type() == QEvent.Type.ToolTip and not self.toolTip() and self.shown != self.text():
            QToolTip.showText(event.globalPos(), plain(self.text()), self)
            return True
        return super().event(event)


def elided(text: str = "", role: str = "", *, size: float = 1.0, bold: bool = False) -> ElidedLabel:
    """As `label`, of one line that is cut with an ellipsis where there is no room."""
    return _styled(ElidedLabel(text), role, size, bold)


def plain(text: str) -> str:
    """A text for a tip, shown as it stands: Qt takes for HTML what looks like it, and names come from files."""
    return "<span>{}</span>".format(html.escape(text).replace("\n", "<br>")) if "<" in text else text


def sentence(text: str) -> str:
    """With a capital letter in front, as on a screen; symbols (`tp 2 × …`) stay as they are."""
    return text if len(text.split(" ", 1)[0]) < 3 and text[:1] != "a" else text[:1].upper() + text[1:]


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
    _fill(layout, widgets)
    return made


def beside(*widgets: QWidget, sizes: tuple[int, ...], stretch: tuple[int, ...] = (), handle: int = 12) -> QSplitter:
    """Widgets side by side with handles between them: their widths at first, and how they share what a window adds."""
    made = QSplitter(Qt.Orientation.Horizontal)
    made.setChildrenCollapsible(False)
    made.setHandleWidth(handle)
    for widget in widgets:
        made.addWidget(widget)
    made.setSizes(sizes)
    for number, share in enumerate(stretch):
        made.setStretchFactor(number, share)
    return made


def framed(content: QWidget) -> Card:
    """A chart in a box."""
    made = Card()
    made.body.setContentsMargins(10, 8, 10, 8)
    made.body.addWidget(content, 1)
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
    _fill(layout, widgets)
    return made


def _fill(layout: QBoxLayout, widgets: Sequence[QWidget | None]) -> None:
    for widget in widgets:
        if widget is None:
            layout.addStretch(1)
        else:
            layout.addWidget(widget)


def clear(layout: object) -> None:
    """Remove and delete everything in a layout."""
    while item := layout.takeAt(0):
        if widget := item.widget():
            widget.hide()
            widget.deleteLater()
