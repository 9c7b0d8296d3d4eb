"""The table of a chart: what it draws as rows, sorted, copied, exported at full precision."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QVBoxLayout, QWidget

from gui.row_table import Column, RowTable
from gui.widgets import button, label, row
from planner import units
from planner.charts import contents
from planner.errors import TrainplanError
from planner.writing import write_atomically

INPUTS = ("series", "name", "way", "parameters", "tokens", "calls", "kind", "source", "price_source", "published")
"""Columns of what a row's figure was asked for, and of its words."""
LONG = 10_000.0
"""From here on a number is read more easily with a suffix."""


class ChartTable(QWidget):
    """Of a chart module of `planner.charts`; filled when it is seen."""

    failed = Signal(str)
    saved = Signal(str)
    explain_figure = Signal(object)

    def __init__(self, chart: str, title: str) -> None:
        super().__init__()
        self._chart, self._title = chart, title
        self._source: Any = None
        self._shown: Any = None
        self.table: RowTable | None = None
        self._words = label(role="muted", wrap=True, size=0.92)
        self.export_button = button("Export &CSV…", f"table.{chart}.export")
        self.export_button.clicked.connect(self._ask)
        top = row(self._words, self.export_button)
        top.layout().setStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addWidget(top)

    def show_data(self, source: Any) -> None:
        """What the chart was given, now or when the table is next seen."""
        self._source = source
        if self.isVisible():
            self._fill()

    def showEvent(self, event: QShowEvent) -> None:
        """Fill in what came while hidden."""
        super().showEvent(event)
        self._fill()

    def export(self, path: Path) -> None:
        """Write the table as CSV. Raises `InputError` where that cannot be written."""
        from planner.charts.export import csv_text

        write_atomically(path, csv_text(self._content()[1]))

    def _content(self) -> tuple[str, Any]:
        module = import_module(f"planner.charts.{self._chart}")
        data = getattr(contents, self._chart)(module, self._source)
        return module.describe(data), module.table(data)

    def _fill(self) -> None:
        if self._source is None or self._source is self._shown:
            return
        self._shown = self._source
        words, (header, rows) = self._content()
        self._words.setText(words)
        if self.table is None:
            self.table = RowTable(f"table.{self._chart}", self._title, [_column(name, rows, i) for i, name in
                                                                        enumerate(header)])  # fmt: skip
            self.layout().addWidget(self.table, 1)
            module = import_module(f"planner.charts.{self._chart}")
            if hasattr(module, "of_row"):
                self.table.explained = frozenset(name for name in header if name not in INPUTS)
                self.table.explain.connect(lambda line, _: self._explain(line))
        told = [{name: cell if cell != "" else None for name, cell in zip(header, one, strict=True)} for one in rows]
        self.table.show_rows(told, "Nothing to list.")

    def _explain(self, line: int) -> None:
        """The derivation of the figure that a row is."""
        module = import_module(f"planner.charts.{self._chart}")
        data = getattr(contents, self._chart)(module, self._source)
        ask = module.explained(data, module.of_row(data, line))
        if ask is not None and (found := ask()) is not None:
            self.explain_figure.emit(found)

    def _ask(self) -> None:
        name, _ = QFileDialog.getSaveFileName(self, "Export table", f"{self._chart}.csv", "Table (*.csv)")
        if not name:
            return
        path = Path(name) if Path(name).suffix else Path(f"{name}.csv")
        try:
            self.export(path)
        except TrainplanError as error:
            self.failed.emit(str(error))
        else:
            self.saved.emit(f"Table written to {path}")


def _column(name: str, rows: list[tuple[Any, ...]], number: int) -> Column:
    """A column of words where any cell is one; numbers with a suffix where they are long."""
    is_words = any(isinstance(one[number], str) and one[number] for one in rows)
    return Column(name, name.replace("_", " "), str if is_words else _number, is_words=is_words)


def _number(value: Any) -> str:
    if isinstance(value, str):  # columns are made with the first rows, which may have been none
        return value
    return units.show(value, digits=4) if abs(value) >= LONG else f"{value:.5g}"
