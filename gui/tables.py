"""Trees of figures, and copying what is selected as tab-separated text with headers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QPoint, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableWidget, QTreeWidget, QTreeWidgetItem

from gui.theme import theme
from gui.widgets import KIND_SIGNS, plain
from planner.units import percent

if TYPE_CHECKING:
    from planner.estimate import Figure

KEY = Qt.ItemDataRole.UserRole
WIDE_ENOUGH_FOR_BAND, WIDE_ENOUGH_FOR_KIND = 390, 500
COLUMNS = ["Item", "Value", "Share", "80 % band", "Kind"]


class FigureTree(QTreeWidget):
    """Figures of one section with value, share of the whole, band and kind. Parts hang below their whole."""

    opened = Signal(str)

    def __init__(self, name: str, title: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setHeaderLabels(COLUMNS)
        self.setUniformRowHeights(True)
        self.setIndentation(14)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        header = self.header()
        header.setStretchLastSection(False)
        header.setMinimumSectionSize(40)
        header.setSectionResizeMode(QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        for column in (1, 2, 3):
            self.headerItem().setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.itemActivated.connect(lambda item, _: self.opened.emit(item.data(0, KEY)))
        self.itemDoubleClicked.connect(lambda item, _: self.opened.emit(item.data(0, KEY)))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Band and kind give way where there is little room: both are in the explanation, too."""
        super().resizeEvent(event)
        self.setColumnHidden(3, self.width() < WIDE_ENOUGH_FOR_BAND)
        self.setColumnHidden(4, self.width() < WIDE_ENOUGH_FOR_KIND)

    def show_figures(self, figures: list[Figure], total: Figure | None) -> None:
        """Show the parts and, in bold below them, the whole. Parts of nothing share one line."""
        current = self.currentItem().data(0, KEY) if self.currentItem() else ""
        self.clear()
        items: dict[str, QTreeWidgetItem] = {}
        known: dict[str, Figure] = {}
        for figure in [part for part in figures if part.value]:
            parent = next((key for key in sorted(items, key=len, reverse=True) if figure.key.startswith(f"{key}.")), "")
            item = _item(figure, known.get(parent, total))
            items[parent].addChild(item) if parent else self.addTopLevelItem(item)
            items[figure.key], known[figure.key] = item, figure
        if total:
            items[total.key] = _item(total, total)
            items[total.key].setText(0, "Total")
            items[total.key].setToolTip(0, plain(total.label))
            self.addTopLevelItem(items[total.key])
            _embolden(items[total.key])
        self._add_nothings([figure.label for figure in figures if not figure.value])
        self.expandAll()
        self.setRootIsDecorated(any(item.childCount() for item in items.values()))
        if current in items:
            self.setCurrentItem(items[current])

    def _add_nothings(self, labels: list[str]) -> None:
        if labels:
            item = QTreeWidgetItem([f"Zero here: {', '.join(labels)}"])
            item.setToolTip(0, plain(item.text(0)))
            item.setData(0, KEY, "")
            item.setForeground(0, QColor(theme().muted))
            self.addTopLevelItem(item)
            item.setFirstColumnSpanned(True)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy takes all selected rows; F1 explains."""
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.as_tsv())
        elif event.key() == Qt.Key.Key_F1:
            self.explain_current()
        else:
            super().keyPressEvent(event)

    def explain_current(self) -> None:
        """Open the derivation of the figure one is on."""
        if self.currentItem():
            self.opened.emit(self.currentItem().data(0, KEY))

    def as_tsv(self) -> str:
        """The selected rows (all, where none is) as text for a spreadsheet, with headers."""
        items = self._all(self.invisibleRootItem())
        chosen = [item for item in items if item.isSelected()] or items
        return tsv([COLUMNS, *([item.text(column) for column in range(len(COLUMNS))] for item in chosen)])

    def _all(self, parent: QTreeWidgetItem) -> list[QTreeWidgetItem]:
        children = [parent.child(i) for i in range(parent.childCount())]
        return [found for child in children for found in (child, *self._all(child))]

    def _menu(self, point: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        item = self.itemAt(point)
        if item and (key := item.data(0, KEY)):  # not the item: an edit makes the lines anew
            menu.addAction("Explain this number\tF1", lambda: self.opened.emit(key))
        menu.addAction("Copy\tCtrl+C", lambda: QGuiApplication.clipboard().setText(self.as_tsv()))
        menu.popup(self.viewport().mapToGlobal(point))


class CopyTable(QTableWidget):
    """A plain table whose selection copies as tab-separated text with headers."""

    def __init__(self, name: str, title: str, headers: list[str]) -> None:
        super().__init__(0, len(headers))
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.setHorizontalHeaderLabels(headers)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setShowGrid(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.horizontalHeader().setHighlightSections(False)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy takes the whole selection, not one cell."""
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.as_tsv())
        else:
            super().keyPressEvent(event)

    def as_tsv(self) -> str:
        """The selected rows (all, where none is), with headers."""
        columns = range(self.columnCount())
        rows = sorted({index.row() for index in self.selectedIndexes()}) or range(self.rowCount())
        header = [self.horizontalHeaderItem(column).text() for column in columns]
        return tsv(
            [
                header,
                *(
                    [self.item(row, column).text() if self.item(row, column) else "" for column in columns]
                    for row in rows
                ),
            ]
        )


def short_band(text: str) -> str:
    """`7.48 GiB – 8.60 GiB` → `7.48 – 8.60 GiB`: the unit once where both ends have the same."""
    low, dash, high = text.partition(" – ")
    if dash and low[:1] == high[:1] == "$" and low[-1] == high[-1] and low[-1].isalpha():
        return f"{low[:-1]} – {high[1:]}"
    number, blank, unit = low.partition("\N{NO-BREAK SPACE}")
    return f"{number} – {high}" if dash and blank and high.endswith(f"{blank}{unit}") else text


def tsv(rows: list[list[str]]) -> str:
    """Tab-separated text; blanks that keep words together on screen become plain ones."""
    return (
        "\n".join("\t".join(cell.replace("\N{NO-BREAK SPACE}", " ").replace("\t", " ") for cell in row) for row in rows)
        + "\n"
    )


def _item(figure: Figure, total: Figure | None) -> QTreeWidgetItem:
    share = percent(figure.value / total.value) if total and total.value and total.unit == figure.unit else ""
    value = figure.text.removesuffix("\N{NO-BREAK SPACE}parameters")  # the item says so already
    item = QTreeWidgetItem(
        [figure.label, value, share, short_band(figure.band_text), KIND_SIGNS.get(figure.kind, figure.kind)]
    )
    item.setData(0, KEY, figure.key)
    item.setToolTip(0, plain(f"{figure.label} = {figure.formula}" if figure.formula else figure.label))
    for column in (1, 2, 3):
        item.setTextAlignment(column, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
    return item


def _embolden(item: QTreeWidgetItem) -> None:
    for column in range(3):
        font = item.font(column)
        font.setBold(True)
        item.setFont(column, font)
