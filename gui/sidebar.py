"""The list of pages on the left, in groups, each page with a sign of its state."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QFont, QPainter
from PySide6.QtWidgets import QListWidget, QListWidgetItem, QStyledItemDelegate, QStyleOptionViewItem

from gui.theme import scaled, theme
from gui.widgets import plain

KEY, SIGN, TONE, IS_GROUP, SHORTCUT = (Qt.ItemDataRole.UserRole + i for i in range(5))


@dataclass(frozen=True)
class Sign:
    """The state of a page: a glyph, its tone (good, warning, bad, muted), and what it means."""

    glyph: str = ""
    tone: str = "muted"
    meaning: str = ""


class Sidebar(QListWidget):
    """Emits the key of the page that was picked by mouse or keyboard."""

    picked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("sidebar")
        self.setAccessibleName("Pages")
        self.setFixedWidth(172)
        self.setItemDelegate(_Painter(self))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.currentItemChanged.connect(lambda item, _: item and self.picked.emit(item.data(KEY)))
        self._items: dict[str, QListWidgetItem] = {}

    def add_group(self, title: str) -> None:
        """A heading."""
        item = QListWidgetItem(title)
        item.setFlags(Qt.ItemFlag.NoItemFlags)
        item.setData(IS_GROUP, True)
        item.setSizeHint(QSize(10, 34 if self.count() else 26))
        self.addItem(item)

    def add_page(self, key: str, title: str, shortcut: str) -> None:
        """A page below the last heading."""
        item = QListWidgetItem(title)
        item.setData(KEY, key)
        item.setData(SHORTCUT, shortcut)
        item.setSizeHint(QSize(10, 34))
        self._items[key] = item
        self.addItem(item)

    def select(self, key: str) -> None:
        """Show a page as the open one."""
        self.setCurrentItem(self._items[key])

    @property
    def selected(self) -> str:
        """Key of the page that is marked."""
        return self.currentItem().data(KEY)

    def set_sign(self, key: str, sign: Sign) -> None:
        """Show the state of a page."""
        item = self._items[key]
        if item.data(SIGN) != sign.glyph or item.toolTip() != sign.meaning:
            item.setData(SIGN, sign.glyph)
            item.setData(TONE, sign.tone)
            item.setToolTip(plain(sign.meaning))
            item.setData(
                Qt.ItemDataRole.AccessibleTextRole, f"{item.text()}: {sign.meaning}" if sign.meaning else item.text()
            )


class _Painter(QStyledItemDelegate):
    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        look, box = theme(), option.rect
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if index.data(IS_GROUP):
            painter.setFont(scaled(option.font, 0.82, QFont.Weight.DemiBold))
            painter.setPen(QColor(look.muted))
            painter.drawText(
                box.adjusted(10, 0, -8, -5),
                Qt.AlignmentFlag.AlignBottom | Qt.AlignmentFlag.AlignLeft,
                index.data().upper(),
            )
        else:
            self._page(painter, option, index)
        painter.restore()

    def _page(self, painter: QPainter, option: QStyleOptionViewItem, index: QModelIndex) -> None:
        look, box = theme(), option.rect.adjusted(0, 1, 0, -1)
        picked = index.data(KEY) == (self.parent().currentItem().data(KEY) if self.parent().currentItem() else None)
        hovered = bool(option.state & option.state.State_MouseOver)
        if picked or hovered:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(QColor(look.accent_soft if picked else look.raised))
            painter.drawRoundedRect(box, 6, 6)
        if picked:
            painter.setBrush(QColor(look.accent))
            painter.drawRoundedRect(QRect(box.left(), box.top() + 7, 3, box.height() - 14), 1.5, 1.5)
        painter.setPen(QColor(look.text))
        painter.setFont(scaled(option.font, 1.0, QFont.Weight.DemiBold if picked else QFont.Weight.Normal))
        painter.drawText(box.adjusted(14, 0, -30, 0), Qt.AlignmentFlag.AlignVCenter, index.data())
        painter.setPen(
            QColor({"good": look.good, "warning": look.warning, "bad": look.bad}.get(index.data(TONE), look.muted))
        )
        painter.setFont(scaled(option.font, 0.95, QFont.Weight.Bold))
        painter.drawText(
            box.adjusted(0, 0, -11, 0),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight,
            index.data(SIGN) or "",
        )
