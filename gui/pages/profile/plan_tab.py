"""What is to be measured: the form, and the points that it comes to with their estimated time and memory."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtGui import QHideEvent, QShowEvent
from PySide6.QtWidgets import QGridLayout, QHeaderView, QLabel, QVBoxLayout, QWidget

from gui import machine, profile_rows
from gui.fields import ComboField, TextField
from gui.forms import QUIET_MS
from gui.jobs import Job, Outcome
from gui.profile_request import DEVICES, SUITES, Request
from gui.row_table import RowTable
from gui.style_sheet import mark
from gui.widgets import button, column, label, row, sentence
from planner import library, units
from planner.plan.plan import Plan

PROCESSOR_NOTE = (
    "A profile of the processor describes the processor only; for a GPU's estimates choose a shipped profile above, or "
    "measure on a machine that has one: trainplan profile."
)
NOTHING_LISTED = "The points of the suite appear here, with the time and the memory that they will take."


class PlanTab(QWidget):
    """Emits `wanted` to measure, and `asked` to be told the points of what the form says."""

    wanted = Signal()
    asked = Signal()
    helped = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Plan of the measurement")
        self.device_line = label(wrap=True)
        self.device_line.setObjectName("profile.device_line")
        self.note = label(role="muted", wrap=True, size=0.92)
        self.model = _combo("profile.model", "Model", [])
        self.device = _combo("profile.device", "Device", DEVICES)
        self.suite = _combo("profile.suite", "Suite", SUITES)
        self.budget = _text("profile.budget", "Time", "the suite's own")
        self.memory_limit = _text("profile.memory_limit", "Memory at most", "what is free")
        self.start = button("&Run profile", "profile.run", primary=True)
        self.start.setToolTip("Measure on this computer (F5)")
        self.start.clicked.connect(self.wanted)
        self.why = label(role="error", wrap=True)
        self.why.setObjectName("profile.why")
        self.status = label(wrap=True)
        self.status.setObjectName("profile.plan_status")
        self.table = RowTable("profile.points", "Points to measure", profile_rows.POINTS,
                              bold=lambda one: one["is_total"])  # fmt: skip
        self.table.setSortingEnabled(False)  # the sum stays below
        self.table.horizontalHeader().setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self._after_quiet)
        for field in (self.model, self.device, self.suite):
            field.chosen.connect(lambda _: self._after_quiet())
        for field in (self.budget, self.memory_limit):
            field.typed.connect(lambda _: self._quiet.start())
            field.left.connect(lambda _: self._after_quiet())
        self._listed: Request | None = None
        self._why_not = ""
        self._is_running = False
        self._build()

    def _build(self) -> None:
        grid = QGridLayout()
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(14)
        grid.setVerticalSpacing(3)
        captions = {
            "&Model": (self.model, 5), "&Device": (self.device, 3), "&Suite": (self.suite, 2),
            "&Time": (self.budget, 3), "Memory &at most": (self.memory_limit, 3),
        }  # fmt: skip
        for number, (caption, (field, share)) in enumerate(captions.items()):
            words = QLabel(caption)
            words.setBuddy(field)
            grid.addWidget(words, 0, number)
            grid.addWidget(field, 1, number)
            grid.setColumnStretch(number, share)
        form = QWidget()
        form.setLayout(grid)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        head = row(self.device_line, self.start, spacing=10)
        head.layout().setStretch(0, 1)
        content = column(head, form, self.why, self.status, self.table, self.note, spacing=8)
        content.layout().setStretch(4, 1)
        layout.addWidget(content)

    # What is asked.

    def request(self, model: str = "") -> Request:
        """What the form says; `model` stands for the plan's own."""
        return Request(
            self.model.currentData() or model, self.device.currentData(), self.suite.currentData(), self.budget.text(),
            self.memory_limit.text(),
        )  # fmt: skip

    def show_plan(self, plan: Plan) -> None:
        """Offer the plan's model first, then the shipped ones."""
        own = f"{plan.model.name} (the plan's)"
        if self.model.count() and self.model.itemText(0) == own:
            return
        chosen = self.model.currentData()
        self.model.clear()
        self.model.addItem(own, "")
        for name in library.names("models"):
            self.model.addItem(name, name)
        self.model.setCurrentIndex(max(0, self.model.findData(chosen)))

    def show_device(self) -> None:
        """What this computer has."""
        found = machine.gpus()
        self.device_line.setText(
            f"GPU: {'; '.join(found)}" if found else f"No NVIDIA GPU here. Processor: {machine.processor()}"
        )
        self.note.setText("" if found else PROCESSOR_NOTE)
        self.note.setVisible(not found)

    def show_whether(self, why_not: str, is_running: bool) -> None:
        """Whether it can be measured now, and why not."""
        self._why_not, self._is_running = why_not, is_running
        problems = self.request().problems()
        said = why_not or next((f"{_TITLES[name]}: {sentence(words)}" for name, words in problems.items()), "")
        for name in _TITLES:
            mark(getattr(self, name), "invalid", "true" if name in problems else "false")
        self.why.setText(f"Cannot run: {said}" if said else "")
        self.why.setVisible(bool(said))
        self.start.setEnabled(not said and not is_running)
        for field in (self.model, self.device, self.suite, self.budget, self.memory_limit):
            field.setEnabled(not is_running)

    @property
    def can_run(self) -> bool:
        """Nothing is wrong with the form, the model and the machine, and nothing is being measured."""
        return self.start.isEnabled()

    def wants_listing(self, request: Request) -> bool:
        """The points shown are not those of what the form says."""
        return self.isVisible() and self.can_run and request != self._listed

    # What it comes to.

    def begin_listing(self, request: Request) -> None:
        """The points of this are being asked for."""
        self._listed = request
        self._say("Asking the profiler for its points…", "muted")

    def forget(self) -> None:
        """Nothing was told of what was asked: ask again when there is time."""
        self._listed = None

    def follow(self, job: Job, request: Request) -> None:
        """Show the points as the profiler tells them."""
        told: dict[str, Any] = {}
        job.event.connect(lambda one: told.update({one.get("event"): one}))
        job.ended.connect(lambda outcome: self._end(outcome, told, request))

    def _end(self, outcome: Outcome, told: dict[str, Any], request: Request) -> None:
        if request != self._listed:
            return  # another one has been asked for since
        if outcome.status == "done" and "planned" in told:
            self.show_points(told["planned"], told.get("started", {}))
        elif outcome.status == "cancelled":
            self.forget()
            self._say("", "muted")
        else:
            self.table.show_rows([], NOTHING_LISTED)
            self._say(f"✕ {sentence(outcome.message)}", "error")

    def show_points(self, planned: dict[str, Any], started: dict[str, Any]) -> None:
        """The points with time and memory, their sum below."""
        lines = profile_rows.planned(planned.get("shapes") or [])
        for number, one in enumerate(profile_rows.POINTS):
            self.table.setColumnHidden(number, all(line[one.key] is None for line in lines))
        self.table.show_rows(lines, NOTHING_LISTED)
        if not lines:
            self._say("No point of the suite fits; give it more time or memory.", "warning")
            return
        total = lines[-1]
        said = f"{len(lines) - 1} points: about {units.show_duration(total['seconds'])} at the least, up to "
        said += units.show_bytes(total["memory_bytes"])
        if started:
            budget = units.show_duration(started["budget_s"])
            limit = units.show_bytes(started["memory_limit_bytes"])
            enough = total["seconds"] <= started["budget_s"]
            rest = "what is left of it buys more runs of each" if enough else "the last points fall out of it"
            said += f" of {limit} allowed, on {started['device']} in {started['dtype']}. Of {budget} given, {rest}"
        self._say(f"{said}.", "")

    def showEvent(self, event: QShowEvent) -> None:
        """Ask for the points when they are first to be seen."""
        super().showEvent(event)
        self._quiet.start()

    def hideEvent(self, event: QHideEvent) -> None:
        """Nothing is asked for what nobody sees."""
        super().hideEvent(event)
        self._quiet.stop()

    def _after_quiet(self) -> None:
        self.show_whether(self._why_not, self._is_running)
        self.asked.emit()

    def _say(self, text: str, role: str) -> None:
        mark(self.status, "role", role)
        self.status.setText(text)
        self.status.setVisible(bool(text))


_TITLES = {"budget": "Time", "memory_limit": "Memory at most"}


def _combo(name: str, title: str, choices: list[tuple[str, str]]) -> ComboField:
    made = ComboField(choices)
    made.setObjectName(name)
    made.setAccessibleName(title)
    made.setMinimumContentsLength(6)
    made.setSizeAdjustPolicy(ComboField.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    return made


def _text(name: str, title: str, blank: str) -> TextField:
    made = TextField("", is_number=False)
    made.setObjectName(name)
    made.setAccessibleName(title)
    made.setPlaceholderText(blank)
    return made
