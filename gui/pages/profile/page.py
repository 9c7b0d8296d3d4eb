"""The Profile page: plan what is measured, watch it, look at it, compare it, and choose what estimates rest on."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from PySide6.QtCore import Qt, QTemporaryDir, Signal
from PySide6.QtWidgets import QLabel, QTabWidget, QVBoxLayout

from gui.document import Document
from gui.fields import ComboField
from gui.jobs import Job, Outcome
from gui.own_models import name_for_command_line
from gui.pages.page import Page
from gui.pages.profile.charts_tab import ChartsTab
from gui.pages.profile.compare_tab import CompareTab
from gui.pages.profile.history_tab import HistoryTab
from gui.pages.profile.plan_tab import PlanTab
from gui.pages.profile.run_tab import RunTab
from gui.pages.profile.verify_tab import VerifyTab
from gui.profile_request import Request
from gui.sidebar import Sign
from gui.state import State
from gui.style_sheet import mark
from gui.widgets import KIND_SIGNS, chip, column, label, plain, row
from planner import library
from planner.errors import TORCH_COMMAND, TrainplanError
from planner.plan import file

if TYPE_CHECKING:
    from planner.estimate import Estimate

BEST_KNOWN = "The best that is known for the accelerator"


class ProfilePage(Page):
    """Runs the command line's `profile`, one job at a time; each tab shows its own part."""

    key = "profile"
    run = Signal(list)
    cancel = Signal()

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._state: State | None = None
        self._request = Request()
        self._folder = QTemporaryDir()
        self._asking: Literal["points", "rows", "steps"] = "points"
        """What the job asked for last is to tell: it belongs to that tab."""
        self._is_running = self._is_listing = False
        self.plan_tab, self.run_tab = PlanTab(), RunTab()
        self.charts_tab, self.history_tab, self.compare_tab = ChartsTab(), HistoryTab(), CompareTab()
        self.verify_tab = VerifyTab()
        self.used = ComboField([(BEST_KNOWN, "")])
        self.used.setObjectName("profile.used")
        self.used.setAccessibleName("Profile that estimates use")
        self.used.setMinimumContentsLength(24)
        self.used.chosen.connect(self.use)
        self.kind = chip("estimated")
        self.kind.setObjectName("profile.kind")
        self.used_line = label(role="muted", wrap=True, size=0.92)
        self.used_line.setObjectName("profile.used_line")
        self._build()
        self._connect()

    def _build(self) -> None:
        caption = QLabel("&Estimates use")
        caption.setBuddy(self.used)
        head = row(caption, self.used, self.kind, spacing=10)
        head.layout().setStretch(1, 1)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("profile.tabs")
        self.tabs.setAccessibleName("Parts of profiling")
        self.tabs.tabBar().setDrawBase(False)
        for tab, title in (
            (self.plan_tab, "P&lan"), (self.run_tab, "Measu&rement"), (self.charts_tab, "&Charts"),
            (self.verify_tab, "&Verify"), (self.history_tab, "&History"), (self.compare_tab, "C&ompare"),
        ):  # fmt: skip
            self.tabs.addTab(tab, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        content = column(head, self.used_line, self.tabs, margins=(18, 12, 18, 12), spacing=4)
        content.layout().setStretch(2, 1)
        layout.addWidget(content)

    def _connect(self) -> None:
        self.plan_tab.wanted.connect(self.begin)
        self.plan_tab.asked.connect(self._list_points)
        self.run_tab.cancel.connect(self.cancel)
        self.run_tab.use.connect(self.use)
        self.run_tab.keep.connect(self._keep)
        for tab in (self.run_tab, self.charts_tab):
            tab.explain_figure.connect(self.explain_figure)
        self.run_tab.finished.connect(self._end)
        self.verify_tab.wanted.connect(self.verify)
        self.verify_tab.cancel.connect(self.cancel)
        self.verify_tab.finished.connect(self._end)
        self.verify_tab.keep.connect(lambda result: self._keep_result(result, run=True))
        self.verify_tab.calibrate.connect(lambda result: self._keep_result(result, calibrate=_calibration_name(result)))
        self.history_tab.use.connect(self.use)
        self.history_tab.compare.connect(self._compare)
        self.history_tab.deleted.connect(self._deleted)
        self.history_tab.failed.connect(self.failed)
        for tab in (self.charts_tab, self.compare_tab, self.verify_tab):
            tab.failed.connect(self.failed)
            tab.saved.connect(self.done)

    @property
    def is_automatic(self) -> bool:
        """The job asked for last only lists points: nobody need be asked before it is ended."""
        return self._asking == "points"

    # The state.

    def show_state(self, state: State) -> None:
        """Say what would be measured, why it cannot be where it cannot, and what estimates rest on."""
        self._state = state
        self.plan_tab.show_plan(state.plan)
        self.plan_tab.show_device()
        self._show_whether()
        self._show_profiles(state)
        if self.isVisible():
            self._list_points()

    def _why_not(self, state: State) -> str:
        """Why nothing can be measured: torch is missing, or the plan's model cannot be built."""
        if importlib.util.find_spec("torch") is None:
            return f"measuring needs torch, which is not installed: {TORCH_COMMAND}. Estimates work without it"
        if self.plan_tab.model.currentData():
            return ""
        errors = [problem.message for problem in state.problems_under("model") if problem.severity == "error"]
        return errors[0] if errors else ""

    def _show_profiles(self, state: State) -> None:
        """The profiles that there are, which one the plan names, and what its estimate rests on."""
        from planner.timing import profile_history, selection

        entries, name = profile_history.entries(), state.plan.profile
        self.used.clear()
        self.used.addItem(BEST_KNOWN, "")
        for one in entries:
            told = _in_words(one)
            self.used.addItem(f"{one.name} ({told})" if one.profile else f"{one.name} (cannot be read)", one.name)
            self.used.setItemData(self.used.count() - 1, plain(told), Qt.ItemDataRole.ToolTipRole)
        self.used.show_value(name)
        self.run_tab.show_used(name)
        self.history_tab.show_entries(entries, name, library.user_folder() / "measured")
        self.charts_tab.show_entries(entries)
        self.compare_tab.show_entries(entries)
        why = selection.why_not(state.plan, name) if state.failure and name else ""
        mark(self.used_line, "role", "error" if why else "muted")
        self.used_line.setText(why or (_used_words(state.estimate) if state.estimate else ""))
        if state.estimate:
            self._show_kind(state.estimate)

    def _show_kind(self, estimate: Estimate) -> None:
        """How the plan's device is known: one of three kinds, each with its sign."""
        known = estimate.provenance
        kind, look = next((pair for pair in KINDS.items() if known.startswith(pair[0])), (known, "estimated"))
        mark(self.kind, "chip", look)
        self.kind.setText(f"{KIND_SIGNS[look][0]} {kind}")
        self.kind.setToolTip(plain(f"{estimate.plan.cluster.accelerator.name}: {known}"))

    def use(self, name: str) -> None:
        """Let the plan's estimates rest on a profile, as one step of the history; say why where they cannot."""
        from gui.profile_reader import reader
        from planner.timing import selection

        reader().again()
        why = selection.why_not(self.document.plan, name) if name else ""
        why = why or self.document.try_set("profile", name)
        if why:
            self.used.show_value(self.document.plan.profile)
            mark(self.used_line, "role", "error")
            self.used_line.setText(f"Not used: {why}")

    # Jobs.

    def begin(self) -> None:
        """Measure what is chosen; where the last run was a verification and its tab is open, verify again."""
        if self.tabs.currentWidget() is self.verify_tab and self._asking == "steps":
            self.verify()
            return
        request = self._asked()
        if request is None or not self.plan_tab.can_run:
            return
        self.run_tab.begin()
        self.tabs.setCurrentWidget(self.run_tab)
        self._run("rows", request.arguments())

    def verify(self) -> None:
        """Train for real beside the prediction."""
        if not self.verify_tab.start.isEnabled():
            return
        plan = self._folder.filePath("plan.json")
        try:
            file.save(self.document.plan, Path(plan))
        except TrainplanError as error:
            self.failed.emit(str(error))
            return
        self.verify_tab.begin()
        self._run("steps", self.verify_tab.request(plan, self.plan_tab.model.currentData() or "").arguments())

    def _run(self, asking: Literal["rows", "steps"], arguments: list[str]) -> None:
        """Put a job into the queue, in place of the one that only lists points."""
        if self._is_listing:
            self.cancel.emit()
        self._asking, self._is_running = asking, True
        self._show_whether()
        self.run.emit(arguments)

    def _list_points(self) -> None:
        """Ask the profiler what it would measure, where that is not on screen already."""
        if self._is_running or self._state is None:
            return
        request = self._asked()
        if request is None or not self.plan_tab.wants_listing(request):
            return
        if self._is_listing:
            self.cancel.emit()
        self._asking, self._is_listing, self._request = "points", True, request
        self.plan_tab.begin_listing(request)
        self.run.emit([*request.arguments(), "--plan"])

    def _asked(self) -> Request | None:
        """What the form says; None, and why, where the plan's own model cannot be told to the command line."""
        try:
            own = "" if self.plan_tab.model.currentData() else name_for_command_line(self.document.plan.model)
        except (TrainplanError, OSError) as error:
            self.failed.emit(str(error))
            return None
        return self.plan_tab.request(own)

    def follow(self, job: Job) -> None:
        """Let the tab that asked for a job show it."""
        if self._asking == "points":
            request = self._request
            self.plan_tab.follow(job, request)
            job.ended.connect(lambda _: self._end_listing(request))
        else:
            tab = self.run_tab if self._asking == "rows" else self.verify_tab
            tab.follow(job)

    def job_name(self, arguments: list[str]) -> str:
        """What a job is called while it runs."""
        return {"points": "Points of the profile", "rows": "Profile", "steps": "Verification"}[self._asking]

    def _end_listing(self, request: Request) -> None:
        if request == self._request:
            self._is_listing = False

    def _end(self, outcome: Outcome) -> None:
        tones = {"done": ("✓", "good"), "cancelled": ("–", "muted")}
        self.last = Sign(*tones.get(outcome.status, ("✕", "bad")), f"last run {outcome.status}")
        self._is_running = False
        self._show_whether()

    def _show_whether(self) -> None:
        """What can be run now, and why it cannot where it cannot."""
        if self._state is not None:
            why = self._why_not(self._state)
            self.plan_tab.show_whether(why, self._is_running)
            self.verify_tab.show_whether(why, self._is_running)
            self.run_tab.show_running(self._is_running and self._asking == "rows")

    # Files.

    def _compare(self, name: str) -> None:
        self.compare_tab.choose_after(name)
        self.tabs.setCurrentWidget(self.compare_tab)

    def _keep(self, partial: Path) -> None:
        """Make a profile, marked incomplete, of what a killed run left on the disk."""
        from planner.profiling import journal
        from planner.timing import profile as profiles

        out = partial.with_name(partial.name.removesuffix(".partial.jsonl"))
        try:
            profiles.save(journal.recover(partial).model_copy(update={"name": out.stem}), out)
            partial.unlink(missing_ok=True)
        except (TrainplanError, OSError) as error:
            self.failed.emit(str(error))
            return
        self.run_tab.show_kept(out.stem)
        self._refresh()

    def _keep_result(self, result: dict[str, Any], *, run: bool = False, calibrate: str | None = None) -> None:
        """Keep a verification among one's own runs, or as a calibration; say where."""
        from planner.profiling import keeping

        try:
            kept = keeping.keep(result, run=run, calibrate=calibrate, out=None)
        except (TrainplanError, OSError) as error:
            self.failed.emit(str(error))
            return
        said = f"Kept as {kept['run']}; Validate scores it." if run else (
            f"Calibration {calibrate} written; a plan uses it where its field calibration names it."
        )  # fmt: skip
        self.verify_tab.show_kept(said)
        self.done.emit(said)

    def _deleted(self, name: str) -> None:
        self.done.emit(f"The profile {name} is deleted.")
        self._refresh()

    def _refresh(self) -> None:
        if self._state is not None:
            self._show_profiles(self._state)

    @classmethod
    def sign(cls, state: State) -> Sign:
        """Before the first run."""
        return Sign("–", "muted", "nothing measured yet")


KINDS = {
    "measured by this program": "measured", "fitted from published kernel tables": "published",
    "data sheet only": "assumed",
}  # fmt: skip
"""How a device can be known (`planner.timing.provenance`), and the look of such a number."""


def _calibration_name(result: dict[str, Any]) -> str:
    """Model, device and day."""
    return library.slug(f"{result['model']} {result['device']} {result['created'][:10]}")


def _in_words(entry: object) -> str:
    """A profile's device, precision and date, or what is wrong with its file."""
    found = entry.profile
    if found is None:
        return f"{entry.path}: {entry.problem}"
    told = ", ".join(filter(None, (found.device.name, found.dtype, found.created[:10])))
    return told if found.complete else f"{told}, not complete"


def _used_words(estimate: Estimate) -> str:
    """What an estimate's kernel times rest on."""
    source = f"kernel times {estimate.kernel_source}: {estimate.machine.device.basis}"
    return f"In use: {estimate.machine.profile or 'no profile'}; {source}"
