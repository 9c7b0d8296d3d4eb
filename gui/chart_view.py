"""Hosts a chart: a bare matplotlib figure on a Qt canvas. matplotlib is loaded when the first chart is to be seen."""

from __future__ import annotations

import csv
import io
from importlib import import_module
from pathlib import Path
from typing import Any

from PySide6.QtCore import QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QMenu, QVBoxLayout, QWidget

from gui.theme import switch, theme
from gui.widgets import label
from planner.errors import TrainplanError
from planner.plan.file import write_atomically

FORMATS = ("png", "svg", "pdf", "csv")
SETTLED_MS = 120


class ChartView(QWidget):
    """One chart module of `planner.charts` and its data. Draws only what is visible, once a pass of the event loop."""

    failed = Signal(str)
    saved = Signal(str)

    def __init__(self, chart: str, title: str) -> None:
        super().__init__()
        self._chart_name, self._data = chart, None
        self._canvas: Any = None
        self._chart: Any = None
        self.setObjectName(f"chart.{chart}")
        self.setAccessibleName(title)
        self.setMinimumSize(260, 200)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._waiting = label("Drawing…", "muted")
        self._waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._layout.addWidget(self._waiting)
        self._redraw = QTimer(self, singleShot=True, interval=0)
        self._redraw.timeout.connect(self.draw_now)
        self._settle = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._settle.timeout.connect(self._lay_out)
        switch().changed.connect(self._redraw.start)

    def show_data(self, data: Any) -> None:
        """Draw other data, now or when the chart is next seen."""
        if data is not self._data:
            self._data = data
            if self.isVisible():
                self._redraw.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what came while hidden."""
        super().showEvent(event)
        self._redraw.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Lay out once when the size has settled."""
        super().resizeEvent(event)
        if self._canvas is not None:
            self._settle.start()

    def draw_now(self) -> None:
        """Draw at once."""
        if self._data is None:
            return
        if self._canvas is None:
            self._make_canvas()
        if self._canvas is None:
            return
        figure = self._canvas.figure
        figure.clear()
        self._chart.draw(figure, self._data, _chart_theme())
        figure.set_facecolor(theme().surface)
        for axes in figure.axes:
            axes.set_facecolor(theme().surface)
        self.setAccessibleDescription(self._chart.describe(self._data))
        self.setToolTip(self._chart.describe(self._data))
        self._lay_out()

    def _make_canvas(self) -> None:
        from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
        from matplotlib.figure import Figure

        try:
            self._chart = import_module(f"planner.charts.{self._chart_name}")
        except ModuleNotFoundError as error:
            self._waiting.setText(str(error))
            return
        self._canvas = FigureCanvasQTAgg(Figure())
        self._canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._canvas.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
        self._waiting.hide()
        self._layout.addWidget(self._canvas)
        self._layout.activate()

    def _lay_out(self) -> None:
        """Constrained layout doubles every draw: let it place things once, then switch it off."""
        if self._data is None or self._canvas is None or self._canvas.width() < 50 or self._canvas.height() < 50:
            return
        figure = self._canvas.figure
        figure.set_layout_engine("constrained")
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine("none")
        self._canvas.draw_idle()

    def _menu(self, point: QPoint) -> None:
        if self._canvas is None:
            return
        menu = QMenu(self)
        menu.addAction("Copy image", self.copy_image)
        menu.addAction("Copy data", lambda: QGuiApplication.clipboard().setText(self._table_text("\t")))
        menu.addSeparator()
        for kind in FORMATS:
            menu.addAction(f"Export {kind.upper()}…", lambda kind=kind: self._ask_and_export(kind))
        menu.popup(self.mapToGlobal(point))

    def copy_image(self) -> None:
        """The chart as it is on screen, on the clipboard."""
        QGuiApplication.clipboard().setPixmap(self._canvas.grab())

    def export(self, path: Path) -> None:
        """Write the chart in the format of the name's ending. Raises `InputError` where that cannot be written."""
        if self._canvas is None:
            self.draw_now()
        kind = path.suffix.lstrip(".").lower()
        if kind == "csv":
            write_atomically(path, self._table_text(","))
            return
        raw = io.BytesIO()
        self._canvas.figure.savefig(raw, format=kind, dpi=200)
        write_atomically(path, raw.getvalue())

    def _ask_and_export(self, kind: str) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Export chart", f"{self._chart_name}.{kind}", f"{kind.upper()} (*.{kind})"
        )
        if not name:
            return
        path = Path(name) if Path(name).suffix else Path(f"{name}.{kind}")
        try:
            self.export(path)
        except TrainplanError as error:
            self.failed.emit(str(error))
        else:
            self.saved.emit(f"Chart written to {path}")

    def _table_text(self, separator: str) -> str:
        table = self._chart.table(self._data)
        if hasattr(table, "to_csv"):
            return str(table.to_csv(index=False, sep=separator))
        text = io.StringIO()
        writer = csv.writer(text, delimiter=separator, lineterminator="\n")
        rows = list(table)
        if rows and isinstance(rows[0], dict):
            rows = [list(rows[0]), *(list(row.values()) for row in rows)]
        writer.writerows(rows)
        return text.getvalue()


def _chart_theme() -> Any:
    style = import_module("planner.charts.style")
    return style.DARK if theme().is_dark else style.LIGHT
