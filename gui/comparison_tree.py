"""Scenarios as columns: the inputs that differ first, then the figures with what they differ by."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QModelIndex, QPoint, Qt, Signal
from PySide6.QtGui import QColor, QGuiApplication, QKeyEvent, QKeySequence
from PySide6.QtWidgets import QAbstractItemView, QHeaderView, QTreeWidget, QTreeWidgetItem

from gui.frozen_column import FrozenColumn
from gui.tables import tsv
from gui.theme import theme
from gui.widgets import plain
from planner import units

if TYPE_CHECKING:
    from planner.scenarios.comparison import Comparison, FigureRow

ROW = Qt.ItemDataRole.UserRole
HEADLINES = (
    "money.total", "time.training", "memory.total", "quality.perplexity", "time.gpu_hours", "time.tokens_per_s",
    "time.mfu", "energy.energy", "energy.co2e",
)  # fmt: skip
MORE_IS_BETTER = ("time.tokens_per_s", "time.tokens_per_s_per_gpu", "time.flops_per_gpu", "time.mfu",
                  "time.mfu_causal", "time.hfu", "time.goodput")  # fmt: skip
NAME_WIDTH, CELL_AIR, ITEM_WIDTH = 96, 10, 168
JUDGED = ("money.", "time.", "memory.", "energy.", "quality.")


class ComparisonTree(QTreeWidget):
    """`chosen` tells the figure's row one is on, `opened` a figure to be explained."""

    chosen = Signal(object)
    opened = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("compare.table")
        self.setAccessibleName("Scenarios side by side")
        self.setUniformRowHeights(True)
        self.setIndentation(12)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.header().setStretchLastSection(False)
        self.header().setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.names = FrozenColumn(self)
        self.currentItemChanged.connect(self._tell)
        self.itemActivated.connect(self._open)
        self.itemDoubleClicked.connect(self._open)

    def show_comparison(self, found: Comparison, *, all_inputs: bool, all_figures: bool) -> None:
        """Fill in; the row one was on stays the current one where it is still there."""
        current = self.currentItem().data(0, ROW) if self.currentItem() else None
        key = getattr(current, "key", "money.total")
        self.clear()
        names = [one.name for one in found.scenarios]
        header = ["", names[0], *(cell for name in names[1:] for cell in (name, "Δ"))]
        self.setColumnCount(len(header))
        self.setHeaderLabels(header)
        inputs = found.inputs if all_inputs else found.differing
        self._add_group(_inputs_title(found), [[row.title, *_spread(row.texts)] for row in inputs], list(inputs))
        figures = [row for row in found.figures if (row.differs if all_figures else row.key in HEADLINES)]
        figures.sort(key=lambda row: HEADLINES.index(row.key) if row.key in HEADLINES else len(HEADLINES))
        self._add_group("Results", [[row.label, *_cells(row)] for row in figures], figures)
        self.expandAll()
        for number, name in enumerate(header):
            self.headerItem().setTextAlignment(number, _side(number))
            self.headerItem().setToolTip(number, plain(name))
            self.header().setSectionResizeMode(number, QHeaderView.ResizeMode.Interactive)
            self.setColumnWidth(number, self._width(number, name))
        self.names.follow()
        self._choose(key)

    def _add_group(self, title: str, lines: list[list[str]], rows: list[Any]) -> None:
        group = QTreeWidgetItem([title])
        font = group.font(0)
        font.setBold(True)
        group.setFont(0, font)
        self.addTopLevelItem(group)
        group.setFirstColumnSpanned(True)
        for cells, row in zip(lines, rows, strict=True):
            item = QTreeWidgetItem(cells)
            item.setData(0, ROW, row)
            item.setToolTip(0, plain(getattr(row, "path", cells[0])))
            for number in range(1, len(cells)):
                item.setTextAlignment(number, _side(number))
            if hasattr(row, "figures"):
                _tone(item, row)
            group.addChild(item)

    def _width(self, number: int, name: str) -> int:
        """As wide as its cells; a long name of a scenario is cut in its middle and told by its tip, so that four find
        room."""
        cells, title = self.sizeHintForColumn(number) + CELL_AIR, self.header().fontMetrics().horizontalAdvance(name)
        return max(cells, min(title + 2 * CELL_AIR, NAME_WIDTH)) if number else min(cells, ITEM_WIDTH)

    def indexAt(self, point: QPoint) -> QModelIndex:
        """The cell that is seen at a place: a name, where it lies over the figures."""
        found = super().indexAt(point)
        return found.siblingAtColumn(0) if self.names.covers(point.x()) else found

    def explain_current(self) -> None:
        """Open the derivation of the figure one is on."""
        if self.currentItem() is not None:
            self._open(self.currentItem(), self.currentColumn())

    def as_tsv(self) -> str:
        """The selected rows (all, where none is) as text for a spreadsheet, with headers."""
        lines = [group.child(i) for group in self._groups() for i in range(group.childCount())]
        picked = [item for item in lines if item.isSelected()] or lines
        columns = range(self.columnCount())
        header = [self.headerItem().text(number) or "item" for number in columns]
        return tsv([header, *([item.text(number) for number in columns] for item in picked)])

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Copy takes whole rows with headers; Enter and F1 explain."""
        if event.matches(QKeySequence.StandardKey.Copy):
            QGuiApplication.clipboard().setText(self.as_tsv())
        elif event.key() in (Qt.Key.Key_F1, Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.explain_current()
        else:
            super().keyPressEvent(event)

    def _groups(self) -> list[QTreeWidgetItem]:
        return [self.topLevelItem(number) for number in range(self.topLevelItemCount())]

    def _choose(self, key: str) -> None:
        for group in self._groups():
            for number in range(group.childCount()):
                if getattr(group.child(number).data(0, ROW), "key", "") == key:
                    self.setCurrentItem(group.child(number))
                    self.scrollToTop()  # what differs is read first
                    return

    def _tell(self, item: QTreeWidgetItem | None) -> None:
        row = item.data(0, ROW) if item is not None else None
        if hasattr(row, "figures"):
            self.chosen.emit(row)

    def _open(self, item: QTreeWidgetItem, column: int) -> None:
        row = item.data(0, ROW)
        if hasattr(row, "figures"):
            figure = row.figures[max(0, column) // 2 if column > 1 else 0]
            if figure is not None:
                self.opened.emit(figure)


def _inputs_title(found: Comparison) -> str:
    count = len(found.differing)
    if len(found.scenarios) == 1:
        return "Inputs (add another scenario to see what differs)"
    return f"Inputs that differ: {count}" if count else "No input differs"


def _spread(texts: tuple[str, ...]) -> list[str]:
    """A blank in each column of deltas."""
    return [texts[0], *(cell for text in texts[1:] for cell in (text, ""))]


def _cells(row: FigureRow) -> list[str]:
    cells = []
    for number, figure in enumerate(row.figures):
        cells.append(figure.text if figure else "–")
        if number:
            cells.append(_delta(row.ratio(number), row.overlaps(number)))
    return cells


def _delta(ratio: float, overlaps: bool | None) -> str:
    return f"{'≈ ' if overlaps and abs(ratio) >= 0.0005 else ''}{units.show_change(ratio)}"


def _tone(item: QTreeWidgetItem, row: FigureRow) -> None:
    """Better and worse in colour, beside the sign; where the bands overlap, the tip says so."""
    for number in range(1, len(row.figures)):
        column, ratio, overlaps = 2 * number + 1, row.ratio(number), row.overlaps(number)
        if overlaps:
            item.setToolTip(column, "≈: the 80 % bands overlap, so the order is not certain")
        if abs(ratio) >= 0.0005 and row.key.startswith(JUDGED):
            better = (ratio > 0) == (row.key in MORE_IS_BETTER)
            item.setForeground(column, QColor(theme().good if better else theme().bad))


def _side(column: int) -> Qt.AlignmentFlag:
    side = Qt.AlignmentFlag.AlignRight if column else Qt.AlignmentFlag.AlignLeft
    return side | Qt.AlignmentFlag.AlignVCenter
