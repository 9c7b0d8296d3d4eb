"""Real training steps beside the prediction that was made before them: time and its parts, memory, energy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from gui import verify_rows
from gui.chart_view import ChartView
from gui.fields import ComboField, TextField
from gui.jobs import Job, Outcome
from gui.machine import gpus
from gui.profile_request import DEVICES
from gui.row_table import RowTable
from gui.style_sheet import mark
from gui.verify_request import Request
from gui.widgets import beside, button, column, framed, label, plain, row, sentence

NOTHING_YET = (
    "Nothing verified yet: the planner predicts a step of the plan on this machine, then trains as much of its model "
    "as fits here, with its optimizer, recomputation and software."
)
_BLANK = {"steps": "the usual", "micro_batch": "the plan's", "sequence": "the plan's"}
_TITLES = {"steps": "Steps", "micro_batch": "Micro-batch", "sequence": "Sequence"}


class VerifyTab(QWidget):
    """Shows one run of `verify`, and what may be done with its result."""

    wanted = Signal()
    cancel = Signal()
    failed = Signal(str)
    saved = Signal(str)
    finished = Signal(object)
    """The outcome, once it is shown."""
    keep = Signal(object)
    """Keep this result among one's own runs."""
    calibrate = Signal(object)
    """Make a one-point calibration of this result."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Verification")
        self.device = ComboField(DEVICES)
        self.device.setObjectName("verify.device")
        self.device.setAccessibleName("Device")
        self.device.chosen.connect(lambda _: self._show_whether())
        self.texts = {name: self._text(name, title) for name, title in _TITLES.items()}
        self.start = button("&Verify", "verify.run", primary=True)
        self.start.setToolTip("Predict, then train for real, and compare")
        self.start.clicked.connect(self.wanted)
        self.stop = button("Cancel", "verify.cancel")
        self.stop.clicked.connect(self.cancel)
        self.why = label(role="error", wrap=True)
        self.why.setObjectName("verify.why")
        self.status = label(NOTHING_YET, wrap=True)
        self.status.setObjectName("verify.status")
        self.notes = label(role="muted", wrap=True, size=0.92)
        self.notes.setObjectName("verify.notes")
        self.table = RowTable("verify.rows", "Predicted against measured", verify_rows.FIGURES,
                              bold=lambda one: one["is_headline"])  # fmt: skip
        self.table.setSortingEnabled(False)
        self.chart = ChartView("predicted_against_measured", "Predicted against measured, part by part")
        self.chart.setMinimumSize(300, 270)
        self.chart.failed.connect(self.failed)
        self.chart.saved.connect(self.saved)
        self.chart.show_data(())
        self.keep_row = button("Keep as validation &row", "verify.keep")
        self.keep_row.setToolTip("Add the measured step to your own runs, which Validate scores")
        self.keep_row.clicked.connect(lambda: self.keep.emit(self.result))
        self.calibrate_it = button("Cali&brate", "verify.calibrate")
        self.calibrate_it.setToolTip("Make a one-point calibration of this step; a plan uses it only where it names it")
        self.calibrate_it.clicked.connect(lambda: self.calibrate.emit(self.result))
        self.result: dict[str, Any] = {}
        """Of the last whole run."""
        self._why_not = ""
        self._is_running = False
        self._told: list[str] = []
        self._build()
        self._show_whether()

    def _text(self, name: str, title: str) -> TextField:
        made = TextField("", is_number=False)
        made.setObjectName(f"verify.{name}")
        made.setAccessibleName(title)
        made.setMaximumWidth(96)
        made.typed.connect(lambda _: self._show_whether())
        return made

    def _build(self) -> None:
        fields: list[QWidget | None] = []
        for caption, field in zip(("De&vice", "S&teps", "&Micro-batch", "Se&quence"),
                                  (self.device, *self.texts.values()), strict=True):  # fmt: skip
            words = QLabel(caption)
            words.setBuddy(field)
            fields += [words, field]
        top = row(*fields, None, self.stop, self.start, spacing=8)
        split = beside(self.table, framed(self.chart), sizes=(470, 390), stretch=(1, 1))
        below = row(self.notes, self.keep_row, self.calibrate_it, spacing=8)
        below.layout().setStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        content = column(top, self.why, self.status, split, below, spacing=6)
        content.layout().setStretch(3, 1)
        layout.addWidget(content)

    def request(self, plan: str = "", model: str = "") -> Request:
        """What is asked; `plan` is the plan's file, `model` a name in place of its own."""
        texts = {name: field.text() for name, field in self.texts.items()}
        return Request(plan, model, self.device.currentData(), bool(gpus()), **texts)

    def show_whether(self, why_not: str, is_running: bool) -> None:
        """Whether it can be run now, and why not."""
        self._why_not, self._is_running = why_not, is_running
        self._show_whether()

    def _show_whether(self) -> None:
        request = self.request()
        problems = request.problems()
        said = self._why_not or next((f"{_TITLES[name]}: {sentence(words)}" for name, words in problems.items()), "")
        for name, field in self.texts.items():
            mark(field, "invalid", "true" if name in problems else "false")
            field.setPlaceholderText(request.usual(name) or _BLANK[name])
        self.why.setText(f"Cannot run: {said}" if said else "")
        self.why.setVisible(bool(said))
        self.start.setEnabled(not said and not self._is_running)
        self.stop.setVisible(self._is_running)
        for field in (self.device, *self.texts.values()):
            field.setEnabled(not self._is_running)
        for offer in (self.keep_row, self.calibrate_it):
            offer.setVisible(bool(self.result) and not self._is_running)

    # The run.

    def begin(self) -> None:
        """Another run: nothing is left of the last one."""
        self._told, self.result = [], {}
        self.notes.setText("")
        self.table.show_rows([], "The figures appear when the steps are done.")
        self.chart.show_data(())
        self._say("Waiting for the job before it…", "")

    def follow(self, job: Job) -> None:
        """Show a job as it goes."""
        job.started.connect(lambda: self._say("Starting…", ""))
        job.event.connect(self._take)
        job.ended.connect(self._end)

    def _take(self, told: Mapping[str, Any]) -> None:
        said = verify_rows.event_in_words(told)
        if told.get("event") == "note":
            self._told.append(str(told.get("text") or ""))
            self.notes.setText(" · ".join(self._told[-2:]))
            self.notes.setToolTip(plain("\n".join(self._told)))
        elif said:
            self._say(said, "")

    def _end(self, outcome: Outcome) -> None:
        result = outcome.result.get("result") if outcome.result.get("event") == "finished" else None
        if outcome.status == "done" and result:
            self.result = result
            self.table.show_rows(verify_rows.figures(result))
            self.chart.show_data(result)
            self._say(f"✓ {verify_rows.verdict(result)}", "good")
        elif outcome.status == "cancelled":
            self._say("Cancelled: a run that is not whole compares nothing.", "warning")
        else:
            self._say(f"✕ The verification {outcome.status}: {outcome.message}", "error")
        self.finished.emit(outcome)

    def show_kept(self, words: str) -> None:
        """Something was made of the result."""
        self.notes.setText(f"✓ {words}")

    def _say(self, text: str, role: str) -> None:
        mark(self.status, "role", role)
        self.status.setText(text)
