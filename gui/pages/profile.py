"""The Profile page: measure a real decoder layer on this computer, in a process of its own, rows appearing live."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHeaderView, QLabel, QTableWidgetItem, QVBoxLayout

from gui import machine
from gui.document import Document
from gui.fields import ComboField, mark
from gui.jobs import Job, Outcome
from gui.own_models import name_for_command_line
from gui.pages.page import Page
from gui.sidebar import Sign
from gui.state import State
from gui.tables import CopyTable
from gui.widgets import Card, button, column, label, row
from planner import units
from planner.doctor import TORCH_COMMAND
from planner.errors import TrainplanError

if TYPE_CHECKING:
    from planner.estimate import Estimate

COLUMNS = ["Operation", "Direction", "Batch × tokens", "Time", "Rate", "Peak memory", "Spread", "Repeats"]

BEST_KNOWN = "The best that is known for the accelerator"

PROCESSOR_NOTE = (
    " A profile of the processor describes the processor only: for GPUs the shipped profiles and data sheets are used."
)


class ProfilePage(Page):
    """Runs the command line's `profile`."""

    key, title, group = "profile", "Profile", "Measure"
    run = Signal(list)
    cancel = Signal()
    last: Outcome | None = None

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._device_line = label(wrap=True)
        self._device_line.setObjectName("profile.device_line")
        self._note = label(role="muted", wrap=True, size=0.92)
        self.device = self._choice(
            "profile.device", "Device", [("Automatic", "auto"), ("GPU (CUDA)", "cuda"), ("Processor", "cpu")]
        )
        self.suite = self._choice("profile.suite", "Suite", [("Quick, about 3 minutes", "quick"), ("Full", "full")])
        self.start = button("&Run profile", "profile.run", primary=True)
        self.start.setToolTip("Measure on this computer (F5)")
        self.start.clicked.connect(self.begin)
        self.stop = button("Cancel", "profile.cancel")
        self.stop.clicked.connect(self.cancel)
        self._why = label(role="error", wrap=True)
        self._why.setObjectName("profile.why")
        self.status = label(wrap=True)
        self.status.setObjectName("profile.status")
        self.table = CopyTable("profile.rows", "Measured rows", COLUMNS)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(QHeaderView.ResizeMode.Stretch)
        for number in range(len(COLUMNS)):
            self.table.horizontalHeaderItem(number).setTextAlignment(_alignment(number))
        self._plan_line = label(role="muted", wrap=True, size=0.92)
        self.used = self._choice("profile.used", "Profile that estimates use", [(BEST_KNOWN, "")])
        self.used.chosen.connect(self.use)
        self.use_new = button("&Use for estimates", "profile.use")
        self.use_new.setToolTip("Let this plan's estimates rest on the profile just measured")
        self.use_new.clicked.connect(lambda: self.use(self._measured_name))
        self._used_line = label(role="muted", wrap=True, size=0.92)
        self._used_line.setObjectName("profile.used_line")
        self._build()
        self._show_running(False)

    def _build(self) -> None:
        device = Card("Measure this computer")
        device.add(self._device_line, self._note)
        captions = [QLabel("&Device"), QLabel("&Suite")]
        for caption, field in zip(captions, (self.device, self.suite), strict=True):
            caption.setBuddy(field)
        device.add(
            row(captions[0], self.device, captions[1], self.suite, None, self.start, self.stop, spacing=10), self._why
        )
        estimates = Card("What estimates use")
        caption = QLabel("&Profile")
        caption.setBuddy(self.used)
        estimates.add(row(caption, self.used, self.use_new, None, spacing=10), self._used_line)
        rows = Card("Measured rows")
        rows.add(self.status, self._plan_line)
        rows.body.addWidget(self.table, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        content = column(device, estimates, rows, margins=(18, 16, 18, 16))
        content.layout().setStretch(2, 1)
        layout.addWidget(content)
        self.status.setText("Nothing measured yet.")

    def _choice(self, name: str, title: str, choices: list[tuple[str, str]]) -> ComboField:
        made = ComboField(choices)
        made.setObjectName(name)
        made.setAccessibleName(title)
        return made

    def show_state(self, state: State) -> None:
        """Say what would be measured, and why it cannot be where it cannot."""
        found = machine.gpus()
        self._device_line.setText(
            f"GPU: {'; '.join(found)}" if found else f"No NVIDIA GPU here. Processor: {machine.processor()}"
        )
        self._note.setText(
            f"One layer of {state.plan.model.name} at true width, forward and backward, in a process of its own."
            + ("" if found else PROCESSOR_NOTE)
        )
        problems = state.problems_under("model")
        errors = [problem.message for problem in problems if problem.severity == "error"]
        if importlib.util.find_spec("torch") is None:
            errors = [f"measuring needs torch, which is not installed: {TORCH_COMMAND}. Estimates work without it"]
        self._why.setText(f"Cannot run: {errors[0]}" if errors else "")
        self._why.setVisible(bool(errors))
        self._can_run = not errors
        self.start.setEnabled(self._can_run and not self._is_running)
        self._show_used(state)

    def _show_used(self, state: State) -> None:
        """Which profile the plan names, and what its estimate rests on."""
        from planner.timing import selection

        self.used.clear()
        self.used.addItem(BEST_KNOWN, "")
        for name, told, readable in selection.overview():
            self.used.addItem(f"{name} ({told})" if readable else f"{name} (cannot be read)", name)
            self.used.setItemData(self.used.count() - 1, told, Qt.ItemDataRole.ToolTipRole)
        self.used.show_value(state.plan.profile)
        self.use_new.setVisible(bool(self._measured_name))
        self.use_new.setEnabled(self._measured_name != state.plan.profile)
        why = selection.why_not(state.plan, state.plan.profile) if state.failure and state.plan.profile else ""
        mark(self._used_line, "role", "error" if why else "muted")
        self._used_line.setText(why or (_used_words(state.estimate) if state.estimate else ""))

    def use(self, name: str) -> None:
        """Let the plan's estimates rest on a profile, as one step of the history; say why where they cannot."""
        from planner.timing import selection

        why = selection.why_not(self.document.plan, name) if name else ""
        why = why or self.document.try_set("profile", name)
        if why:
            self.used.show_value(self.document.plan.profile)
            mark(self._used_line, "role", "error")
            self._used_line.setText(f"Not used: {why}")

    def begin(self) -> None:
        """Ask for a run with what is chosen."""
        if not self.start.isEnabled():
            return
        try:
            name = name_for_command_line(self.document.plan.model)
        except (TrainplanError, OSError) as error:
            self.failed.emit(str(error))
            return
        self.table.setRowCount(0)
        self._plan_line.setText("")
        self._show_running(True)
        mark(self.status, "role", "")
        self.status.setText("Starting…")
        chosen = ["--device", self.device.currentData(), "--suite", self.suite.currentData()]
        self.run.emit(["profile", "--model", name, *chosen, "--events"])

    def follow(self, job: Job) -> None:
        """Show a job's rows as they come."""
        job.event.connect(self._take)
        job.row.connect(self._add_row)
        job.ended.connect(self._end)

    def _take(self, told: dict[str, Any]) -> None:
        kind = told.get("event")
        if kind == "started":
            self.status.setText(f"Measuring {told.get('model')} on {told.get('device')} in {told.get('dtype')}")
        elif kind == "planned":
            shapes = told.get("shapes") or []
            most = max((shape.get("memory_bytes") or 0 for shape in shapes), default=0)
            time_s = float(told.get("seconds") or 0)
            self._plan_line.setText(
                f"{len(shapes)} shapes, about {units.show_duration(time_s)}, at most {units.show(most, 'B')}"
            )
        elif kind == "note":
            self._plan_line.setText(str(told.get("text") or ""))

    def _add_row(self, told: dict[str, Any]) -> None:
        line = self.table.rowCount()
        self.table.insertRow(line)
        for number, text in enumerate(_cells(told)):
            item = QTableWidgetItem(text)
            item.setTextAlignment(_alignment(number))
            self.table.setItem(line, number, item)
        self.table.item(line, 0).setToolTip(json.dumps(told, ensure_ascii=False)[:1500])
        self.table.scrollToBottom()

    def _end(self, outcome: Outcome) -> None:
        type(self).last = outcome
        self._show_running(False)
        count = self.table.rowCount()
        rows = f"{count} row{'' if count == 1 else 's'}"
        path = outcome.result.get("out") if outcome.result.get("event") == "finished" else ""
        self._measured_name = Path(path).stem if path else self._measured_name
        texts = {
            "done": f"✓ {rows} measured. Written to {path}" if path else f"✓ {rows} measured.",
            "cancelled": f"Cancelled after {rows}." + (f" Written to {path}" if path else ""),
        }
        mark(self.status, "role", {"done": "good", "cancelled": "warning"}.get(outcome.status, "error"))
        self.status.setText(
            texts.get(
                outcome.status,
                f"✕ The profile {'crashed' if outcome.status == 'crashed' else 'failed'}: {outcome.message}",
            )
        )

    _is_running = False
    _can_run = True
    _measured_name = ""
    """Of the last profile that was written."""

    def _show_running(self, running: bool) -> None:
        self._is_running = running
        self.start.setEnabled(not running and self._can_run)
        self.stop.setVisible(running)
        for field in (self.device, self.suite):
            field.setEnabled(not running)

    @classmethod
    def sign(cls, state: State) -> Sign:
        """How the last run ended."""
        if cls.last is None:
            return Sign("–", "muted", "nothing measured yet")
        tones = {"done": ("✓", "good"), "cancelled": ("–", "muted")}
        return Sign(*tones.get(cls.last.status, ("✕", "bad")), f"last run {cls.last.status}")


def _used_words(estimate: Estimate) -> str:
    """What an estimate's kernel times rest on."""
    source = f"kernel times {estimate.kernel_source}: {estimate.machine.device.basis}"
    return f"In use: {estimate.machine.profile or 'no profile'}; {source}"


def _alignment(number: int) -> Qt.AlignmentFlag:
    """Words to the left, numbers to the right."""
    return Qt.AlignmentFlag.AlignVCenter | (Qt.AlignmentFlag.AlignLeft if number < 2 else Qt.AlignmentFlag.AlignRight)


def _cells(told: dict[str, Any]) -> list[str]:
    """A measured row as the table shows it; what a row does not tell stays blank."""
    from planner.timing.profile import Row

    measured = Row.model_validate({name: value for name, value in told.items() if name in Row.model_fields})
    return [
        measured.operation.replace("_", " "),
        measured.direction,
        f"{measured.batch} × {measured.sequence:,}" if measured.tokens else "",
        units.show_duration(measured.median_s),
        units.show(measured.flops_per_s, "FLOP/s") if measured.flops else "",
        units.show(measured.peak_memory_bytes, "B") if measured.peak_memory_bytes else "",
        f"{'! ' if measured.is_noisy else ''}{measured.spread:.1%}",
        str(measured.n),
    ]
