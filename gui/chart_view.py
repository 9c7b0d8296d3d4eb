"""Hosts a chart: a bare matplotlib figure on a Qt canvas. matplotlib is loaded when the first chart is to be seen.

A chart module with `points(data)` and `readout(data, index)` tells of the point under the pointer or the keyboard's
cursor; one with `explained(data, index)` names the figure that a point is (by its key, or the figure itself).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from PySide6.QtCore import QEvent, QObject, QPoint, Qt, QTimer, Signal
from PySide6.QtGui import QEnterEvent, QFocusEvent, QGuiApplication, QKeyEvent, QKeySequence, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QAbstractScrollArea, QFileDialog, QToolButton, QVBoxLayout, QWidget

from gui import chart_cursor, imports
from gui.chart_lens import STEP, Lens
from gui.chart_menu import FORMATS, menu
from gui.chart_pointer import Pointer
from gui.hover import Hover
from gui.tables import tsv
from gui.theme import switch, theme
from gui.widgets import label, plain
from planner.charts import contents
from planner.errors import TrainplanError
from planner.writing import write_atomically

SETTLED_MS = 120
"""A chart is drawn when edits and sizes have settled: the numbers beside it come first."""
TURN_MS = 1
"""Reading, drawing and painting have a pass of the event loop each: what a person does is answered between them."""
SMALLEST = 120
"""Pixels below which nothing is drawn: the splitter is being made."""
CONTROL, KEYPAD = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.KeypadModifier
HANDS = (
    "Wheel: zoom · drag: pan · Shift and drag: zoom into a box · double click: show all\n"
    "Arrow keys: point by point · + − 0: zoom · X, Y: logarithmic axes · Enter: explain · Ctrl+C: copy the image"
)


class ChartView(QWidget):
    """One chart module of `planner.charts` and its data. Draws only what is visible, once a pass of the event loop."""

    failed = Signal(str)
    saved = Signal(str)
    explain = Signal(object)
    """Open the derivation of a figure: its key in the plan's estimate, or the figure itself."""

    def __init__(self, chart: str, title: str) -> None:
        super().__init__()
        self._chart_name, self._source, self._data, self._data_of = chart, None, None, None
        self._canvas: Any = None
        self._chart: Any = None
        self._style: Any = None
        self._hover: Any = None
        self._lens: Any = None
        self._found: tuple[Any, Any] = None, None
        """What is to be drawn, and of which source."""
        self._sentence = ""
        self._drawn: tuple[Any, ...] = ()
        self.description: Callable[[], str] = str
        self.explainer: Callable[[int], Any] | None = None
        """Works out the figure that a point is, where the chart's data cannot say."""
        self.setObjectName(f"chart.{chart}")
        self.setAccessibleName(title)
        self.setMinimumSize(260, 200)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.customContextMenuRequested.connect(self._menu)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._waiting = label("Drawing…", "muted")
        self._waiting.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._layout.addWidget(self._waiting)
        self.more = self._more_button()
        self._redraw = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._read = QTimer(self, singleShot=True, interval=TURN_MS)
        for timer in (self._redraw, self._read):
            timer.timeout.connect(self._read_then_draw)
        self._settle = QTimer(self, singleShot=True, interval=SETTLED_MS)
        self._draw = QTimer(self, singleShot=True, interval=TURN_MS)
        for timer in (self._settle, self._draw):
            timer.timeout.connect(self.draw_now)
        self._paint = QTimer(self, singleShot=True, interval=TURN_MS)
        self._paint.timeout.connect(self._paint_now)
        self._timers = (self._redraw, self._read, self._settle, self._draw, self._paint)
        switch().changed.connect(self._redraw.start)

    def show_data(self, source: Any) -> None:
        """Draw another estimate (or frontier), now or when the chart is next seen."""
        if source is not self._source:
            self._source, self._drawn = source, ()
            if self._lens is not None:
                self._lens.forget()
            if self.isVisible():
                self._redraw.start()

    def showEvent(self, event: QShowEvent) -> None:
        """Draw what came while hidden."""
        super().showEvent(event)
        self._read.start()

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A chart places its labels for its size: draw anew when the size has settled."""
        super().resizeEvent(event)
        self.more.move(self.width() - self.more.width() - 2, 2)
        if self._canvas is not None:
            self._settle.start()

    def event(self, event: QEvent) -> bool:
        """The chart's sentence is told beside its points only: the point under the pointer tells of itself."""
        is_tip = event.type() == QEvent.Type.ToolTip
        return True if is_tip and self._hover is not None and self._hover.index is not None else super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The wheel scrolls the page where that scrolls, until one is on the chart, or holds Ctrl."""
        if event.type() == QEvent.Type.Wheel and not self.hasFocus() and not event.modifiers() & CONTROL:
            area = self.parentWidget()
            while area is not None and not isinstance(area, QAbstractScrollArea):
                area = area.parentWidget()
            if area is not None and area.verticalScrollBar().maximum() > 0:
                event.ignore()
                return True
        return super().eventFilter(watched, event)

    @property
    def is_due(self) -> bool:
        """It is seen, and about to be drawn."""
        return self.isVisible() and any(timer.isActive() for timer in self._timers)

    def _read_then_draw(self) -> None:
        if self._source is not None and self._has_canvas():
            self._contents()
            self._draw.start()

    def _contents(self) -> Any:
        """What is drawn of the source; read once."""
        if self._found[0] is not self._source:
            self._found = self._source, getattr(contents, self._chart_name)(self._chart, self._source)
        return self._found[1]

    def _paint_now(self) -> None:
        if self._canvas.figure.stale:  # else Qt has asked for it meanwhile
            self._canvas.draw_idle()

    def hold(self) -> None:
        """Not yet: who says so draws it."""
        for timer in self._timers:
            timer.stop()

    def draw_now(self) -> None:
        """Draw at once."""
        if self._source is None or not self._has_canvas():
            return
        if min(self._canvas.width(), self._canvas.height()) < SMALLEST:
            if self.isVisible():
                self._settle.start()
            return
        for timer in (self._redraw, self._read, self._draw):  # what they would do is done now
            timer.stop()
        self._fit_figure()
        drawn = (theme().name, self._canvas.width(), self._canvas.height(), self._lens.view)
        if drawn == self._drawn:
            return
        from planner.charts.view import look

        is_same = self._data_of is self._source
        if not is_same:
            self._data, self._data_of = self._contents(), self._source
            self._sentence = self._chart.describe(self._data)
        look(self._canvas.figure, self._lens.view)
        self._chart.draw(self._canvas.figure, self._data, self._style.THEMES[theme().name])
        self._lens.drawn()
        self._hover.follow(self._chart, self._data, stays=is_same)
        self._drawn = drawn
        self.setToolTip(plain(self._sentence))
        self._tell()
        self._paint.start()

    def _fit_figure(self) -> None:
        """The canvas sizes its figure when it is next shown; the chart is drawn for that size already now."""
        ratio, dots = self._canvas.device_pixel_ratio, self._canvas.figure.dpi
        size = self._canvas.width() * ratio / dots, self._canvas.height() * ratio / dots
        if min(size) > 0:
            self._canvas.figure.set_size_inches(*size, forward=False)

    def _has_canvas(self) -> bool:
        if self._canvas is None:
            imports.spare_matplotlib()
            from matplotlib.figure import Figure

            from gui.chart_canvas import Canvas

            self._chart = import_module(f"planner.charts.{self._chart_name}")
            self._style = import_module("planner.charts.style")
            self._canvas = Canvas(Figure())
            self._canvas.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
            self._canvas.setContextMenuPolicy(Qt.ContextMenuPolicy.NoContextMenu)
            self._hover = Hover(self._canvas, self._tell)
            self._lens = Lens(self._canvas)
            self._pointer = Pointer(self._canvas, self._lens, self._hover, self._move, self.activate)
            self._canvas.setFocusProxy(self)
            self._canvas.installEventFilter(self)
            self.more.raise_()
            self._waiting.hide()
            self._layout.addWidget(self._canvas)
            self._canvas.show()  # a hidden widget is given no size, and the first picture would be drawn for another
            self._layout.activate()
        return True

    # Looking closer.

    @property
    def is_zoomed(self) -> bool:
        """Only a part is seen."""
        return self._lens is not None and not self._lens.view.is_whole

    @property
    def can_zoom(self) -> bool:
        """There is something to look at closer."""
        return self._data is not None and self._lens.axes is not None

    def can_switch(self, name: str) -> bool:
        """An axis may be logarithmic or linear."""
        return self._data is not None and self._lens.may(name)

    def is_log(self, name: str) -> bool:
        """It is logarithmic now."""
        return self._lens.is_log(name)

    def zoom(self, steps: int) -> None:
        """Closer, or with a negative number further, about the point one is on."""
        at = (0.5, 0.5)
        if self._hover.index is not None:
            at = self._lens.share(*self._lens.axes.transData.transform(self._hover.points[self._hover.index]))
        if self._lens.zoom(STEP**steps, at):
            self._move()

    def show_all(self) -> None:
        """The whole chart again."""
        if self._lens.reset():
            self._move()

    def switch_scale(self, name: str) -> None:
        """Linear to logarithmic, or back."""
        if self.can_switch(name):
            self._lens.switch(name)
            self.draw_now()

    def _move(self) -> None:
        """Another part is seen: at once as it is drawn, and drawn for it when the hand rests."""
        self._hover.place()
        self._canvas.draw_idle()
        self._settle.start()

    # The point one is on.

    @property
    def can_explain(self) -> bool:
        """The point one is on is a figure."""
        return bool(self._explained())

    def explain_current(self) -> None:
        """Open the derivation of the figure one is on."""
        found = self._explained()
        found = found() if callable(found) else found
        if found:
            self.explain.emit(found)

    def activate(self, index: int) -> None:
        """A click, or Enter: a figure opens its derivation."""
        self._hover.tell(index)
        self.explain_current()

    def _explained(self) -> Any:
        """A figure, its key, or what works it out; nothing where the point one is on is none."""
        index = self._hover.index if self._hover is not None else None
        if index is None:
            return ""
        if self.explainer is not None:
            return partial(self.explainer, index)
        return self._chart.explained(self._data, index) if hasattr(self._chart, "explained") else ""

    def _tell(self) -> None:
        """What a screen reader says of the chart: the point one is on, else its sentence."""
        self.setAccessibleDescription(self._hover.text or self._sentence)
        shape = Qt.CursorShape.PointingHandCursor if self.can_explain else Qt.CursorShape.ArrowCursor
        self._canvas.setCursor(shape)

    # Keys.

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Arrows go over the points; + − 0 zoom; X and Y switch the scales; Enter explains; copy copies the image."""
        if self._data is None or not self._press(event):
            super().keyPressEvent(event)

    def _press(self, event: QKeyEvent) -> bool:
        key, keys = event.key(), Qt.Key
        acts = {
            keys.Key_Plus: lambda: self.zoom(1), keys.Key_Equal: lambda: self.zoom(1),
            keys.Key_Minus: lambda: self.zoom(-1), keys.Key_0: self.show_all,
            keys.Key_X: lambda: self.switch_scale("x"), keys.Key_Y: lambda: self.switch_scale("y"),
        }  # fmt: skip
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy_image()
        elif key in chart_cursor.KEYS:
            self._step(key)
        elif key in (keys.Key_Return, keys.Key_Enter, keys.Key_F1) and self._hover.index is not None:
            self.activate(self._hover.index)
        elif key in acts and not event.modifiers() & ~(Qt.KeyboardModifier.ShiftModifier | KEYPAD):
            if self.can_zoom:
                acts[key]()
        else:
            return False
        return True

    def _step(self, key: int) -> None:
        hover = self._hover
        index = chart_cursor.move(key, hover.index, hover.points, hover.series, along=hover.along)
        if index is not None:
            if self._lens.centre(hover.points[index]):
                self._move()
            hover.tell(index)

    def focusInEvent(self, event: QFocusEvent) -> None:
        """Reached by the keyboard it shows where one is."""
        super().focusInEvent(event)
        self._show_focus(event.reason() in (Qt.FocusReason.TabFocusReason, Qt.FocusReason.BacktabFocusReason))

    def focusOutEvent(self, event: QFocusEvent) -> None:
        """Left."""
        super().focusOutEvent(event)
        if event.reason() != Qt.FocusReason.PopupFocusReason:
            self._show_focus(False)

    def _show_focus(self, shown: bool) -> None:
        if self._hover is not None:
            self._hover.is_focused = shown
            self._hover.tell(self._hover.index if shown else None)
        self.more.setVisible(shown or self.underMouse())

    def enterEvent(self, event: QEnterEvent) -> None:
        """The button of the menu is there when the pointer is."""
        super().enterEvent(event)
        self.more.setVisible(self._data is not None)

    def leaveEvent(self, event: QEvent) -> None:
        """And goes with it."""
        super().leaveEvent(event)
        self.more.setVisible(self.hasFocus() and self._data is not None)

    # The menu, and what leaves the app.

    def _more_button(self) -> QToolButton:
        made = QToolButton(self)
        made.setText("⋯")
        made.setObjectName(f"{self.objectName()}.more")
        made.setAccessibleName(f"{self.accessibleName()}: menu")
        made.setToolTip(HANDS)
        made.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        made.setFixedSize(26, 22)
        made.clicked.connect(lambda: self._menu(made.geometry().bottomLeft()))
        made.hide()
        return made

    def _menu(self, point: QPoint) -> None:
        if self._data is not None:
            menu(self).popup(self.mapToGlobal(point))

    @property
    def is_drawn(self) -> bool:
        """There is something to copy and to export."""
        return self._data is not None

    @property
    def data(self) -> Any:
        """What is drawn; None before anything is."""
        return self._data

    def copy_image(self) -> None:
        """The chart as it is on screen, without the words under the pointer, on the clipboard."""
        self._paint_now()
        hidden = self._hover.isVisible()
        self._hover.hide()
        QGuiApplication.clipboard().setPixmap(self._canvas.grab())
        self._hover.setVisible(hidden)
        self.saved.emit("Chart copied")

    def copy_data(self) -> None:
        """What is drawn, as rows for a spreadsheet."""
        header, rows = self._chart.table(self._data)
        QGuiApplication.clipboard().setText(tsv([list(header), *([str(cell) for cell in row] for row in rows)]))

    def export(self, path: Path, description: str = "") -> None:
        """Write the chart in the format of the name's ending. Raises `InputError` where that cannot be written."""
        from planner.charts import export

        self.draw_now()
        if path.suffix.lower() == ".csv":
            write_atomically(path, export.csv_text(self._chart.table(self._data)))
        else:
            export.save(self._canvas.figure, path, description=description)

    def ask_and_export(self, kind: str = FORMATS[0]) -> None:
        """Ask for a name; its ending chooses the format."""
        filters = {f"{one.upper()} (*.{one})": one for one in (kind, *(one for one in FORMATS if one != kind))}
        name, chosen = QFileDialog.getSaveFileName(
            self, "Export chart", f"{self._chart_name}.{kind}", ";;".join(filters)
        )
        if not name:
            return
        path = Path(name) if Path(name).suffix else Path(f"{name}.{filters.get(chosen, kind)}")
        try:
            self.export(path, self.description())
        except TrainplanError as error:
            self.failed.emit(str(error))
        else:
            self.saved.emit(f"Chart written to {path}")
