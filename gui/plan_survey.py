"""A folder of plans, or files that were dropped: one row each as the command line's `compare` tells them, filtered,
sorted, and as points of a chart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from PySide6.QtCore import QDir, QTimer, Signal
from PySide6.QtWidgets import QFileDialog, QLabel, QLineEdit, QVBoxLayout, QWidget

from gui.jobs import Job, Outcome
from gui.linked_chart import LinkedChart
from gui.row_table import Column, RowTable
from gui.style_sheet import mark
from gui.widgets import beside, button, column, framed, label, row
from planner import units
from planner.errors import TrainplanError
from planner.plan import file
from planner.plan.plan import Plan

FILLED_MS = 250
"""How often rows that came meanwhile are put into the table."""
MOST_FILES = 200
"""Files of one call; a folder is one name, however many it holds."""


def _unit(name: str) -> Any:
    return lambda value: units.show(value, name)


def _where(one: dict[str, Any]) -> str:
    return f"{one['gpus']:,} × {one['accelerator']}" if one["gpus"] else ""


def _fits(one: dict[str, Any]) -> str:
    return "✕ error" if one["problem"] else "✓" if one["fits"] else "✕ no"


COLUMNS = [
    Column("name", "Plan", is_words=True, tip="Enter or a double click: make it the plan"),
    Column("cost_usd", "Cost", _unit("USD")),
    Column("train_time_s", "Time", _unit("s")),
    Column("memory_bytes", "Memory", _unit("B"), "Of the fullest GPU"),
    Column("fits", "Fits", is_words=True, of_row=_fits, tone=lambda one: "" if one["fits"] else "bad"),
    Column("mfu", "MFU", units.percent, "Model FLOPs utilization"),
    Column("gpus", "GPUs", is_words=True, of_row=_where),
    Column("model", "Model", is_words=True),
    Column("tokens", "Tokens", _unit("")),
    Column("energy_kwh", "Energy", _unit("kWh")),
    Column("co2e_kg", "CO2e", _unit("kg")),
    Column("gpu_hours", "GPU-hours", _unit("GPU-hours")),
    Column("tokens_per_s", "Tokens/s", _unit("")),
    Column("problem", "Why not", is_words=True, tone=lambda _: "bad"),
]  # fmt: skip
EMPTY = "Open a folder of plan files, or drop it (or several files) on the window: each plan is one row."


class PlanSurvey(QWidget):
    """`run` asks for the command line; `kept` hands over a plan for the scenarios, `taken` one to become the plan."""

    run = Signal(list)
    cancel = Signal()
    kept = Signal(object, str)
    taken = Signal(object, str)
    explain_figure = Signal(object)
    failed = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self._rows: list[dict[str, Any]] = []
        self._shown: list[dict[str, Any]] = []
        self._doing = ""
        self.is_running = False
        self._fill_soon = QTimer(self, singleShot=True, interval=FILLED_MS)
        self._fill_soon.timeout.connect(self._fill)
        self._make_widgets()
        self._build()
        self._show_running(False)
        self._fill()

    def _make_widgets(self) -> None:
        self.open_folder = button("Open fol&der…", "compare.folder")
        self.open_folder.clicked.connect(self.ask_folder)
        self.open_files = button("Open &files…", "compare.files")
        self.open_files.clicked.connect(self.ask_files)
        self.stop = button("Cancel", "compare.plans.cancel")
        self.stop.clicked.connect(self.cancel)
        self.status = label(role="muted", wrap=True)
        self.status.setObjectName("compare.plans.status")
        self.filter = QLineEdit()
        self.filter.setObjectName("compare.plans.filter")
        self.filter.setAccessibleName("Filter of the plans")
        self.filter.setPlaceholderText("words of a name, a model, an accelerator")
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(lambda _: self._fill_soon.start())
        self.table = RowTable("compare.plans", "Many plans", COLUMNS)
        self.table.explained = frozenset(_explained())
        self.table.chosen.connect(self._choose_line)
        self.table.opened.connect(lambda line: self._hand_over(self.taken, [line]))
        self.table.explain.connect(self._explain)
        self.chart = LinkedChart("plans", "Cost against time of every plan")
        self.chart.picked.connect(self.table.choose)
        self.chart.failed.connect(self.failed)
        self.keep = button("&Add selected to the scenarios", "compare.plans.keep")
        self.keep.setToolTip("Up to four stand beside each other, input by input")
        self.keep.clicked.connect(lambda: self._hand_over(self.kept, self.table.selected()))
        self.take = button("&Make it the plan", "compare.plans.take")
        self.take.clicked.connect(lambda: self._hand_over(self.taken, self.table.selected()[:1]))

    def _build(self) -> None:
        caption = QLabel("F&ilter")
        caption.setBuddy(self.filter)
        top = row(self.open_folder, self.open_files, self.status, self.stop)
        top.layout().setStretch(2, 1)
        self._choose = row(caption, self.filter, self.keep, self.take)
        self._choose.layout().setStretch(1, 1)
        split = beside(self.table, framed(self.chart), sizes=(560, 440), stretch=(5, 4))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        content = column(top, self._choose, split, margins=(0, 10, 0, 0), spacing=8)
        content.layout().setStretch(2, 1)
        layout.addWidget(content)

    # The job.

    def ask_folder(self) -> None:
        """Open a folder, with the file dialog."""
        name = QFileDialog.getExistingDirectory(self, "Open a folder of plans", QDir.homePath())
        if name:
            self.open([Path(name)])

    def ask_files(self) -> None:
        """Open plan files, with the file dialog."""
        names, _ = QFileDialog.getOpenFileNames(self, "Open plans", QDir.homePath(), "Trainplan plan (*.json)")
        if names:
            self.open([Path(name) for name in names])

    def open(self, paths: list[Path]) -> None:
        """List the plans of folders and files."""
        if self.is_running:
            self.failed.emit("The plans opened before are still being estimated; cancel that first.")
        elif len(paths) > MOST_FILES:
            self.failed.emit(f"{len(paths):,} files; open their folder instead.")
        else:
            self._names = [str(path) for path in paths]
            self.begin()

    def begin(self) -> None:
        """Estimate every plan."""
        if not self._names or self.is_running:
            return
        self._rows = []
        self._show_running(True)
        self._fill()
        self._say("Waiting for the job before it…", "muted")
        self.run.emit(["compare", "--events", *self._names])

    def follow(self, job: Job) -> None:
        """Show a job as it goes."""
        job.row.connect(self._take_row)
        job.phase.connect(self._show_phase)
        job.ended.connect(self._end)

    def _take_row(self, one: dict[str, Any]) -> None:
        self._rows.append(one)
        if not self._fill_soon.isActive():
            self._fill_soon.start()

    def _show_phase(self, doing: str) -> None:
        self._doing = f"{doing[:1].upper()}{doing[1:]}"
        self._say(f"{self._doing}…", "muted")

    def _end(self, outcome: Outcome) -> None:
        self._show_running(False)
        self._fill()
        bad = sum(1 for one in self._rows if one["problem"])
        said = f"{len(self._rows):,} plan{'' if len(self._rows) == 1 else 's'}"
        if outcome.result.get("event") == "finished":
            self._say(f"✓ {said}{f'; {bad:,} cannot be estimated' if bad else ''}", "")
        elif outcome.status == "cancelled":
            self._say(f"Cancelled. {self._doing or 'Nothing was estimated'}.", "warning")
        else:
            self._say(f"✕ {outcome.message}", "error")

    # What is shown.

    def _fill(self) -> None:
        words = self.filter.text().casefold().split()
        self._shown = [one for one in self._rows if _has(one, words)]
        empty = "No plan has these words." if self._rows else EMPTY
        chosen = self._shown_at(self.table.current())
        for number, one in enumerate(COLUMNS):
            if one.key == "problem":
                self.table.setColumnHidden(number, not any(row["problem"] for row in self._shown))
        self.table.show_rows(self._shown, empty)
        self.table.choose(next((i for i, one in enumerate(self._shown) if one is chosen), -1))
        if not self.is_running:
            self.chart.choose(-1)
            self.chart.show_data(self._shown)
        for one in (self.keep, self.take):
            one.setEnabled(bool(self._shown))

    def _shown_at(self, number: int) -> dict[str, Any] | None:
        lines = self.table.rows.rows
        return lines[number] if 0 <= number < len(lines) else None

    def _choose_line(self, line: int) -> None:
        if not self.is_running:
            self.chart.choose(line)

    def _plan(self, line: int) -> tuple[Plan, str] | None:
        one = self._shown[line]
        try:
            return file.load(one["plan"]), one["name"]
        except TrainplanError as error:
            self.failed.emit(str(error))
            return None

    def _hand_over(self, signal: Any, lines: list[int]) -> None:
        for line in lines:
            if (found := self._plan(line)) is not None:
                signal.emit(*found)

    def _explain(self, line: int, key: str) -> None:
        """Estimate a plan here, and open one of its figures."""
        from planner.estimate import estimate

        found = self._plan(line)
        if found is None:
            return
        try:
            self.explain_figure.emit(estimate(found[0]).figures[_explained()[key]])
        except TrainplanError as error:
            self.failed.emit(str(error))

    def _show_running(self, running: bool) -> None:
        self.is_running = running
        self.stop.setVisible(running)
        for one in (self.open_folder, self.open_files):
            one.setEnabled(not running)

    def _say(self, text: str, role: str) -> None:
        mark(self.status, "role", role)
        self.status.setText(text)


def _has(one: dict[str, Any], words: list[str]) -> bool:
    if not words:
        return True
    told = f"{one['name']} {one['model']} {_where(one)} {one['problem'] or ''}".casefold()
    return all(word in told for word in words)


def _explained() -> dict[str, str]:
    """Columns whose numbers are figures of the plan's own estimate."""
    from planner.scenarios.survey import FIGURES

    return FIGURES
