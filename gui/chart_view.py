"""Hosts a chart: a bare matplotlib figure on a Qt canvas. matplotlib is loaded when the first chart is to be seen.

A chart module with `points(data)` and `readout(data, index)` tells of the point under the pointer.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QFileDialog, QMenu, QVBoxLayout, QWidget

from gui.hover import Hover
from gui.tables import tsv
from gui.theme import switch, theme
from gui.widgets import label
from planner.charts import contents
from planner.errors import TrainplanError
from planner.plan.file import write_atomically

FORMATS = ("png", "svg", "pdf", "csv")
SETTLED_MS = 120
"""A chart is drawn when edits and sizes have settled: the numbers beside it come first."""
SMALLEST = 120
"""Pixels below which nothing is drawn: the splitter is being made."""


class ChartView(QWidget):
    """One chart module of `planner.charts` and its data. Draws only what is visible, once a pass of the event loop."""

    failed = Signal(str)
    saved = Signal(str)

    def __init__(self, chart: str, title: str) -> None:
        super().__init__()
        self._chart_name, self._source, self._data = chart, None, None
        self._canvas: Any = None
        self._chart: Any = None
        self._style: Any = None
        self._hover: Any = None
        self._drawn: tuple[Any, ...] = ()
        self.description: Callable[[], str] = str
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
        self._redraw = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._redraw.timeout.connect(self.draw_now)
        self._settle = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._settle.timeout.connect(self.draw_now)
        switch().changed.connect(self._redraw.start)

    def show_data(self, source: Any) -> None:
        """Draw another estimate (or frontier), now or when the chart is next seen."""
        if source is not self._source:
            self._source, self._drawn = source, ()
            if self.isVisible():
                self._redraw.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what came while hidden."""
        super().showEvent(event)
        QTimer.singleShot(0, self, self.draw_now)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A chart places its labels for its size: draw anew when the size has settled."""
        super().resizeEvent(event)
        if self._canvas is not None:
            self._settle.start()

    def event(self, event: QEvent) -> bool:
        """The chart's sentence is told beside its points only: the point under the pointer tells of itself."""
        is_tip = event.type() == QEvent.Type.ToolTip
        return True if is_tip and self._hover is not None and self._hover.index is not None else super().event(event)

    def draw_now(self) -> None:
        """Draw at once."""
        if self._source is None or not self._has_canvas():
            return
        if min(self._canvas.width(), self._canvas.height()) < SMALLEST:
            if self.isVisible():
                self._settle.start()
            return
        self._fit_figure()
        drawn = (theme().name, self._canvas.width(), self._canvas.height())
        if drawn == self._drawn:
            return
        self._data = getattr(contents, self._chart_name)(self._chart, self._source)
        self._chart.draw(self._canvas.figure, self._data, self._style.THEMES[theme().name])
        self._hover.follow(self._chart, self._data)
        self._drawn = drawn
        words = self._chart.describe(self._data)
        self.setAccessibleDescription(words)
        self.setToolTip(words)
        self._canvas.draw_idle()

    def _fit_figure(self) -> None:
        """The canvas sizes its figure when it is next shown; the chart is drawn for that size already now."""
        ratio, dots = self._canvas.device_pixel_ratio, self._canvas.figure.dpi
        size = self._canvas.width() * ratio / dots, self._canvas.height() * ratio / dots
        if min(size) > 0:
            self._canvas.figure.set_size_inches(*size, forward=False)

    def _has_canvas(self) -> bool:
        if self._canvas is None:
            from matplotlib.backends.backend_qtagg import FigureCanvasQTAgg
            from matplotlib.figure import Figure

            self._chart = import_module(f"planner.charts.{self._chart_name}")
            self._style = import_module("planner.charts.style")
            self._canvas = FigureCanvasQTAgg(Figure())
            self._canvas.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            self._canvas.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
            self._hover = Hover(self._canvas)
            self._waiting.hide()
            self._layout.addWidget(self._canvas)
            self._canvas.show()  # a hidden widget is given no size, and the first picture would be drawn for another
            self._layout.activate()
        return True

    def _menu(self, point: QPoint) -> None:
        if self._data is None:
            return
        menu = QMenu(self)
        menu.addAction("Copy image", self.copy_image)
        menu.addAction("Copy data", self._copy_data)
        menu.addSeparator()
        for kind in FORMATS:
            menu.addAction(f"Export {kind.upper()}…", lambda kind=kind: self._ask_and_export(kind))
        menu.popup(self.mapToGlobal(point))

    def copy_image(self) -> None:
        """The chart as it is on screen, on the clipboard."""
        QGuiApplication.clipboard().setPixmap(self._canvas.grab())

    def export(self, path: Path, description: str = "") -> None:
        """Write the chart in the format of the name's ending. Raises `InputError` where that cannot be written."""
        from planner.charts import export

        self.draw_now()
        if path.suffix.lower() == ".csv":
            write_atomically(path, export.csv_text(self._chart.table(self._data)))
        else:
            export.save(self._canvas.figure, path, description=description)

    def _ask_and_export(self, kind: str) -> None:
        name, _ = QFileDialog.getSaveFileName(
            self, "Export chart", f"{self._chart_name}.{kind}", f"{kind.upper()} (*.{kind})"
        )
        if not name:
            return
        path = Path(name) if Path(name).suffix else Path(f"{name}.{kind}")
        try:
            self.export(path, self.description())
        except TrainplanError as error:
            self.failed.emit(str(error))
        else:
            self.saved.emit(f"Chart written to {path}")

    def _copy_data(self) -> None:
        header, rows = self._chart.table(self._data)
        QGuiApplication.clipboard().setText(tsv([list(header), *([str(cell) for cell in row] for row in rows)]))
