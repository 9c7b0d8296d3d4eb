"""The form of a search: what is varied, what limits it, what is best. Marks what cannot be read."""

from __future__ import annotations

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QAction, QMouseEvent
from PySide6.QtWidgets import QGridLayout, QLabel, QMenu, QVBoxLayout, QWidget

from gui.fields import CheckField, ComboField, TextField
from gui.forms import QUIET_MS
from gui.quantity_text import is_half_typed
from gui.search_request import Request, several
from gui.style_sheet import mark
from gui.widgets import button, column, label, row, sentence
from planner import library
from planner.plan.plan import Plan

OBJECTIVES = [("Lowest cost", "cost"), ("Shortest time", "time"), ("Least energy", "energy")]
COLUMNS = 4


class SearchForm(QWidget):
    """Emits `wanted` on Enter, `edited` when another thing would be searched."""

    wanted = Signal()
    edited = Signal()
    helped = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.objective = ComboField(OBJECTIVES)
        self.objective.chosen.connect(lambda _: self.edited.emit())
        self.is_exhaustive = CheckField()
        self.is_exhaustive.setText("Every variant")
        self.is_exhaustive.chosen.connect(lambda _: self.edited.emit())
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self._after_quiet)
        self.texts: dict[str, TextField] = {}
        self._message = label(role="error", wrap=True)
        self._message.setObjectName("search.message")
        self._message.hide()
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(8)
        for number, cell in enumerate(self._cells()):
            grid.addWidget(cell, number // COLUMNS, number % COLUMNS)
            grid.setColumnStretch(number % COLUMNS, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        layout.addLayout(grid)
        layout.addWidget(self._message)

    def request(self) -> Request:
        """What is asked now."""
        texts = {name: field.text() for name, field in self.texts.items()}
        return Request(self.objective.currentData(), is_exhaustive=self.is_exhaustive.isChecked(), **texts)

    def fill(self, request: Request) -> None:
        """Ask this."""
        self.objective.show_value(request.objective)
        self.is_exhaustive.setChecked(request.is_exhaustive)
        for name, field in self.texts.items():
            field.setText(getattr(request, name))
            field.setCursorPosition(0)
        self._take()

    def show_plan(self, plan: Plan) -> None:
        """What a blank field stands for."""
        self.texts["gpus"].setPlaceholderText(f"the plan's {plan.cluster.gpus:,}")
        self.texts["accelerators"].setPlaceholderText(f"the plan's {plan.cluster.accelerator.name}")
        gpus = plan.cluster.gpus
        around = ", ".join(str(count) for count in (gpus // 2, gpus, 2 * gpus, 4 * gpus) if count)
        self._around.setToolTip(f"Half to four times the plan's: {around}")
        self._around_text = around

    def problems(self) -> dict[str, str]:
        """Mark what cannot be read, and say it below; by field."""
        found = self.request().problems()
        for name, field in self.texts.items():
            mark(field, "invalid", "true" if name in found else "false")
        said = next(((self.texts[name].accessibleName(), words) for name, words in found.items()), None)
        self._message.setText(f"✕ {said[0]}: {sentence(said[1])}" if said else "")
        self._message.setVisible(bool(said))
        return found

    def _cells(self) -> list[QWidget]:
        self._around = button("½–4×", "search.around", flat=True)
        self._around.setAccessibleName("Half to four times the plan's GPUs")
        self._around.clicked.connect(lambda: self._set("gpus", self._around_text))
        self._kinds = button("Choose", "search.choose_accelerators", flat=True)
        self._kinds.setToolTip("Choose accelerators")
        self._kinds.clicked.connect(self._choose_kinds)
        tip = "Also sharding inside nodes, recomputing part of the layers, context parallelism of any degree: slower"
        return [
            self._cell("Rank &by", self.objective, "objective", "What the list is ranked by"),
            self._text("gpus", "&GPUs", "", "Numbers of GPUs to try, with commas: 256, 512", beside=self._around),
            self._text("accelerators", "&Accelerators", "", "Kinds to try, with commas", beside=self._kinds),
            self._text("max_nodes", "At most &nodes", "any number", "Larger clusters fall out"),
            self._text("budget", "Budge&t", "none, or $2M", "What costs more falls out"),
            self._text("deadline", "&Deadline", "none, or 30 days", "What takes longer falls out"),
            self._text("memory_margin", "Memory &kept free", "0 %", "Share of each GPU's memory that stays free: 10%"),
            self._cell("Search space", self.is_exhaustive, "is_exhaustive", tip),
        ]  # fmt: skip

    def _text(self, name: str, caption: str, blank: str, tip: str, beside: QWidget | None = None) -> QWidget:
        field = TextField("", is_number=False)
        field.setPlaceholderText(blank)
        field.typed.connect(lambda _: (self._quiet.start(), self.edited.emit()))
        field.left.connect(lambda _: self._take())
        field.returnPressed.connect(self.wanted)
        field.entered.connect(lambda: self.helped.emit(f"{field.accessibleName()}: {tip}"))
        self.texts[name] = field
        return self._cell(caption, field, name, tip, beside)

    def _cell(self, caption: str, field: QWidget, name: str, tip: str, beside: QWidget | None = None) -> QWidget:
        field.setObjectName(f"search.{name}")
        field.setAccessibleName(caption.replace("&", ""))
        field.setToolTip(tip)
        field.setMinimumWidth(60)
        words = QLabel(caption)
        words.setProperty("role", "muted")
        words.setBuddy(field)
        if beside is None:
            return column(words, field, spacing=3)
        line = row(field, beside, spacing=4)
        line.layout().setStretch(0, 1)
        return column(words, line, spacing=3)

    def _choose_kinds(self) -> None:
        """A menu of all kinds, which stays open while one ticks them."""
        menu = _TickMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        chosen = {library.slug(name) for name in several(self.texts["accelerators"].text())}
        for name in library.names("accelerators"):
            action = QAction(name.replace("&", "&&"), menu, checkable=True)
            action.setData(name)
            action.setChecked(library.slug(name) in chosen)
            action.toggled.connect(lambda _: self._set("accelerators", ", ".join(_ticked(menu))))
            menu.addAction(action)
        menu.popup(self._kinds.mapToGlobal(self._kinds.rect().bottomLeft()))

    def _set(self, name: str, text: str) -> None:
        self.texts[name].setText(text)
        self.texts[name].setCursorPosition(0)
        self._take()
        self.edited.emit()

    def _after_quiet(self) -> None:
        focused = next((field for field in self.texts.values() if field.hasFocus()), None)
        if focused is None or not is_half_typed(focused.text()) or not focused.text().strip():
            self._take()

    def _take(self) -> None:
        self._quiet.stop()
        self.problems()


class _TickMenu(QMenu):
    """A click ticks an entry and leaves the menu open."""

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        action = self.activeAction()
        if action is not None and action.isCheckable():
            action.trigger()
        else:
            super().mouseReleaseEvent(event)


def _ticked(menu: QMenu) -> list[str]:
    return [action.data() for action in menu.actions() if action.isChecked()]
