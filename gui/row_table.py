"""Virtual tables: thousands of rows behind one model, sorted by value, copied as tab-separated text with headers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QColor, QFont, QGuiApplication, QKeyEvent, QKeySequence, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QMenu, QTableView

from gui.tables import tsv
from gui.theme import theme
from gui.widgets import plain

Rows = Sequence[dict[str, Any]]
ROLE = Qt.ItemDataRole
ROW_HEIGHT = 1.8
"""Of a line of text."""
WIDEST_COLUMN = 340
LOOKED_AT = 16
"""Rows from which a column's width is taken."""


def never(row: dict[str, Any]) -> bool:
    """No row is."""
    return False


Judge = Callable[[dict[str, Any]], bool]


@dataclass(frozen=True)
class Column:
    """One column: the key of its value in a row, and how the value reads. None is shown as nothing, and sorts last."""

    key: str
    title: str
    show: Callable[[Any], str] = str
    tip: str = ""
    is_words: bool = False
    tone: Callable[[dict[str, Any]], str] = lambda row: ""
    """The colour's name in the theme (`good`, `bad`, `muted`), or nothing."""
    sort_by: str = ""
    """The key by whose values it is sorted, where that is another one."""
    of_row: Callable[[dict[str, Any]], str] | None = None
    """How a cell reads, where that takes more of the row than one value; asked for the rows that are seen."""


class RowModel(QAbstractTableModel):
    """Rows as dicts. Keeps them as they are, and an order in which they are shown."""

    def __init__(self, columns: Sequence[Column], *, bold: Judge = never) -> None:
        super().__init__()
        self.columns, self._bold = list(columns), bold
        self.rows: Rows = []
        self._order: list[int] = []
        self._sorted: tuple[int, Qt.SortOrder] = (-1, Qt.SortOrder.AscendingOrder)

    def show_rows(self, rows: Rows) -> None:
        """Other rows, sorted as the last ones were."""
        self.beginResetModel()
        self.rows = rows
        self._order = self._ordered(*self._sorted)
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        """As many as there are rows."""
        return 0 if parent is not None and parent.isValid() else len(self._order)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        """As many as there are columns."""
        return 0 if parent is not None and parent.isValid() else len(self.columns)

    def row_at(self, line: int) -> int:
        """Which row is shown on a line."""
        return self._order[line]

    def line_of(self, row: int) -> int:
        """On which line a row is shown; -1 where there is no such row."""
        return self._order.index(row) if 0 <= row < len(self.rows) else -1

    def text(self, line: int, column: int) -> str:
        """A cell as it reads."""
        row, one = self.rows[self._order[line]], self.columns[column]
        if one.of_row is not None:
            return one.of_row(row)
        value = row.get(one.key)
        return "" if value is None else one.show(value)

    def data(self, index: QModelIndex, role: int = ROLE.DisplayRole) -> Any:
        """A cell: its text, its value (`UserRole`), how it looks."""
        if not index.isValid():
            return None
        column, row = self.columns[index.column()], self.rows[self._order[index.row()]]
        if role == ROLE.DisplayRole:
            return self.text(index.row(), index.column())
        if role == ROLE.TextAlignmentRole:
            return _alignment(column)
        if role == ROLE.ToolTipRole:
            return plain(self.text(index.row(), index.column())) if column.is_words else None
        if role == ROLE.ForegroundRole:
            tone = column.tone(row)
            return QColor(getattr(theme(), tone)) if tone else None
        if role == ROLE.FontRole and self._bold(row):
            font = QFont(QGuiApplication.font())
            font.setWeight(QFont.Weight.Bold)
            return font
        return row.get(column.key) if role == ROLE.UserRole else None

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = ROLE.DisplayRole) -> Any:
        """A column's title and what it means."""
        if orientation != Qt.Orientation.Horizontal or not 0 <= section < len(self.columns):
            return None
        column = self.columns[section]
        if role == ROLE.TextAlignmentRole:
            return _alignment(column)
        return {ROLE.DisplayRole: column.title, ROLE.ToolTipRole: plain(column.tip) or None}.get(role)

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """By the values of a column; equal ones and, with no column, all stay as they came. The selection stays."""
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        rows = [self._order[index.row()] for index in before]
        self._sorted = column, order
        self._order = self._ordered(column, order)
        lines = {row: line for line, row in enumerate(self._order)}
        after = [self.index(lines[row], index.column()) for row, index in zip(rows, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _ordered(self, column: int, order: Qt.SortOrder) -> list[int]:
        indices = list(range(len(self.rows)))
        if not 0 <= column < len(self.columns):
            return indices
        key = self.columns[column].sort_by or self.columns[column].key
        known = [index for index in indices if self.rows[index].get(key) is not None]
        known.sort(key=lambda index: self.rows[index][key], reverse=order == Qt.SortOrder.DescendingOrder)
        return known + [index for index in indices if self.rows[index].get(key) is None]


class RowTable(QTableView):
    """Shows a `RowModel`. Ctrl+C copies the selected rows with headers; `chosen` tells the current row."""

    chosen = Signal(int)
    opened = Signal(int)
    """Enter or a double click."""
    explain = Signal(int, str)
    """The derivation of a number is wanted: its row and its column's key."""

    def __init__(
        self,
        name: str,
        title: str,
        columns: Sequence[Column],
        *,
        bold: Judge = never,
    ) -> None:
        super().__init__()
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.empty_text = ""
        self.explained: frozenset[str] = frozenset()
        """Keys of the columns whose numbers have a derivation."""
        self.rows = RowModel(columns, bold=bold)
        self.setModel(self.rows)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(round(self.fontMetrics().height() * ROW_HEIGHT))
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(30)
        header.setSortIndicatorShown(True)
        header.setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
        header.setSortIndicatorClearable(True)
        header.setResizeContentsPrecision(LOOKED_AT)
        self.setSortingEnabled(True)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self.selectionModel().currentRowChanged.connect(self._tell_current)
        self.doubleClicked.connect(lambda index: self.opened.emit(self.rows.row_at(index.row())))

    def show_rows(self, rows: Rows, empty_text: str = "") -> None:
        """Other rows; `empty_text` stands where there are none."""
        self.empty_text = empty_text
        self.rows.show_rows(rows)
        self.resizeColumnsToContents()
        for number in range(len(self.rows.columns)):
            self.setColumnWidth(number, min(WIDEST_COLUMN, self.columnWidth(number) + 8))
        self.viewport().update()

    def current(self) -> int:
        """The current row, -1 where there is none."""
        index = self.currentIndex()
        return self.rows.row_at(index.row()) if index.isValid() else -1

    def selected(self) -> list[int]:
        """The selected rows in the order of the screen."""
        return [self.rows.row_at(line) for line in sorted({one.row() for one in self.selectionModel().selectedRows()})]

    def choose(self, row: int) -> None:
        """Make a row the current one, and bring it into view."""
        line = self.rows.line_of(row)
        index = self.rows.index(line, 0)
        if line >= 0 and not (row == self.current() and self.selectionModel().isSelected(index)):
            flags = QItemSelectionModel.SelectionFlag
            self.selectionModel().setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
            self.scrollTo(index, QAbstractItemView.ScrollHint.EnsureVisible)

    def as_tsv(self) -> str:
        """The selected rows (all, where none is) in the order of the screen, with headers."""
        shown = [number for number in range(len(self.rows.columns)) if not self.isColumnHidden(number)]
        lines = sorted({index.row() for index in self.selectionModel().selectedRows()})
        header = [self.rows.columns[number].title for number in shown]
        return tsv([
            header,
            *([self.rows.text(line, number) for number in shown] for line in lines or range(self.rows.rowCount())),
        ])  # fmt: skip

    @property
    def can_explain(self) -> bool:
        """The cell one is on has a derivation."""
        index = self.currentIndex()
        return index.isValid() and self._is_explained(index)

    def explain_current(self) -> None:
        """Ask for the derivation of the number one is on; of the row's first one where this column has none."""
        index = self.currentIndex()
        if not index.isValid():
            return
        columns = [column.key for column in self.rows.columns]
        key = columns[index.column()] if self._is_explained(index) else next(
            (key for key in columns if key in self.explained), "")  # fmt: skip
        if key:
            self.explain.emit(self.rows.row_at(index.row()), key)

    def _is_explained(self, index: QModelIndex) -> bool:
        return self.rows.columns[index.column()].key in self.explained

    def copy(self) -> None:
        """Put the selected rows on the clipboard."""
        QGuiApplication.clipboard().setText(self.as_tsv())

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy takes whole rows with headers; Enter opens."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() == Qt.Key.Key_F1 and self.explained:
            self.explain_current()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.current() >= 0:
            self.opened.emit(self.current())
        else:
            super().keyPressEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """An empty table says why it is empty."""
        super().paintEvent(event)
        if not self.rows.rowCount() and self.empty_text:
            painter = QPainter(self.viewport())
            painter.setPen(QColor(theme().muted))
            box = self.viewport().rect().adjusted(16, 12, -16, -12)
            painter.drawText(box, Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap, self.empty_text)

    def _tell_current(self, index: QModelIndex) -> None:
        if index.isValid():
            self.chosen.emit(self.rows.row_at(index.row()))

    def _menu(self, point: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        if self.can_explain:
            menu.addAction("Explain this number\tF1", self.explain_current)
        menu.addAction("Copy\tCtrl+C", self.copy)
        menu.addAction("Select all", self.selectAll)
        menu.popup(self.viewport().mapToGlobal(point))


def _alignment(column: Column) -> Qt.AlignmentFlag:
    """Words to the left, numbers to the right."""
    side = Qt.AlignmentFlag.AlignLeft if column.is_words else Qt.AlignmentFlag.AlignRight
    return side | Qt.AlignmentFlag.AlignVCenter
