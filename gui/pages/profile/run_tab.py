"""A measurement as it goes: a line a shape, the rates as a growing curve, and how it ended."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from gui import profile_rows
from gui.chart_view import ChartView
from gui.jobs import Job, Outcome
from gui.row_table import RowTable
from gui.style_sheet import mark
from gui.widgets import beside, button, column, framed, label, row
from planner import units

if TYPE_CHECKING:
    from planner.timing.profile import Row

NOTHING_YET = "Nothing measured yet. Rows appear here one by one, and stay when a run is cancelled or dies."


class RunTab(QWidget):
    """Shows one job; `use` names the profile that it wrote."""

    cancel = Signal()
    use = Signal(str)
    keep = Signal(Path)
    """Make a profile of what a killed run left in this file."""
    explain_figure = Signal(object)
    finished = Signal(object)
    """The outcome, once it is shown."""

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Running measurement")
        self._rows: dict[tuple[Any, ...], Row] = {}
        self.measured_name = ""
        """Of the last profile that was written."""
        self._partial: Path | None = None
        self._used = ""
        self._is_running = False
        self.status = label("Nothing measured yet.", wrap=True)
        self.status.setObjectName("profile.status")
        self.detail = label(role="muted", wrap=True, size=0.92)
        self.detail.setObjectName("profile.detail")
        self.stop = button("Cancel", "profile.cancel")
        self.stop.setToolTip("End the run; what is measured is kept (Esc)")
        self.stop.clicked.connect(self.cancel)
        self.use_new = button("&Use for estimates", "profile.use")
        self.use_new.setToolTip("Let this plan's estimates rest on the profile just measured")
        self.use_new.clicked.connect(lambda: self.use.emit(self.measured_name))
        self.keep_rows = button("&Keep these rows", "profile.keep")
        self.keep_rows.setToolTip("Make a profile, marked incomplete, of the rows that the ended run left on disk")
        self.keep_rows.clicked.connect(lambda: self.keep.emit(self._partial))
        self.table = RowTable("profile.rows", "Measured rows", profile_rows.SHAPES)
        self.table.empty_text = NOTHING_YET
        self.table.explained = frozenset(profile_rows.EXPLAINED)
        self.table.explain.connect(self._explain)
        self.chart = ChartView("measured_rates", "Rate of each operation against tokens")
        self.chart.setMinimumSize(240, 160)
        self.chart.show_data(())
        self.chart.explain.connect(self.explain_figure)
        self.chart.explainer = lambda index: profile_rows.figure_of_point(self.chart.data, index, self._run)
        self._notes: list[str] = []
        self._build()
        self._show_buttons()

    def _build(self) -> None:
        top = row(self.status, self.keep_rows, self.use_new, self.stop, spacing=10)
        top.layout().setStretch(0, 1)
        split = beside(self.table, framed(self.chart), sizes=(590, 270), stretch=(5, 4))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        content = column(top, self.detail, split, spacing=6)
        content.layout().setStretch(2, 1)
        layout.addWidget(content)

    def begin(self) -> None:
        """Another run: nothing is left of the last one."""
        self._rows, self._notes, self._partial = {}, [], None
        self._show_rows()
        self._say("Waiting for the job before it…", "")
        self._tell("")
        self.show_running(True)

    def follow(self, job: Job) -> None:
        """Show a job's rows as they come."""
        job.started.connect(lambda: self._say("Starting…", ""))
        job.event.connect(self._take)
        job.row.connect(self._add_row)
        job.progress.connect(lambda share: self._show_progress(job, share))
        job.ended.connect(self._end)

    def _take(self, told: dict[str, Any]) -> None:
        kind = told.get("event")
        if kind == "started":
            self._about = f"{told.get('model')} on {told.get('device')} in {told.get('dtype')}"
            self._when, self._file = f"{datetime.now(UTC):%Y-%m-%d}", str(told.get("out") or "")
            self._partial = Path(told["partial"]) if told.get("partial") else None
            self._say(f"Measuring {self._about}", "")
        elif kind == "note":
            self._notes.append(str(told.get("text") or ""))
            self._tell(" · ".join(self._notes[-2:]))

    _about = _when = _file = ""

    def _show_progress(self, job: Job, share: float) -> None:
        left = f", about {units.show_duration(job.left_s)} to go" if job.left_s else ""
        self._say(f"Measuring {self._about}: {job.doing}, {units.percent(share, 0)}{left}", "")

    def _add_row(self, told: dict[str, Any]) -> None:
        from planner.timing.profile import Row

        row = Row.model_validate({name: told[name] for name in told if name in Row.model_fields})
        self._rows[row.shape] = row  # a shape that is come back to replaces what was told of it before
        self._show_rows()

    @property
    def rows(self) -> tuple[Row, ...]:
        """What is measured so far."""
        return tuple(self._rows.values())

    @property
    def _run(self) -> str:
        """What was measured, when, and where it is kept."""
        return ", ".join(filter(None, (self._about, self._when, self._file)))

    def _explain(self, line: int, column: str) -> None:
        """The derivation of a measured number."""
        from planner.timing.shapes import by_shape

        found = profile_rows.figure(by_shape(self.rows)[line], column, self._run)
        if found is not None:
            self.explain_figure.emit(found)

    def _show_rows(self) -> None:
        bar = self.table.verticalScrollBar()
        was_at_end = bar.value() == bar.maximum()
        self.table.show_rows(profile_rows.measured(self.rows), NOTHING_YET)
        if was_at_end:
            self.table.scrollToBottom()
        self.chart.show_data(self.rows)

    def _end(self, outcome: Outcome) -> None:
        self._is_running = False
        count = len(self._rows)
        rows = f"{count} row{'' if count == 1 else 's'}"
        path = outcome.result.get("out") if outcome.result.get("event") == "finished" else ""
        written = f" Written to {path}" if path else ""
        if path:
            self.measured_name, self._partial = Path(path).stem, None
        if outcome.status == "done":
            self._say(f"✓ {rows} measured.{written}", "good")
        elif outcome.status == "cancelled":
            self._say(f"Cancelled after {rows}.{written}", "warning")
        else:
            self._say(f"✕ The profile {outcome.status}: {outcome.message}", "error")
        self._show_buttons()
        self.finished.emit(outcome)

    def show_used(self, name: str) -> None:
        """Which profile the plan names now."""
        self._used = name
        self._show_buttons()

    def show_running(self, running: bool) -> None:
        """Whether it can be cancelled."""
        self._is_running = running
        self._show_buttons()

    def show_kept(self, name: str) -> None:
        """A profile was made of what the killed run left."""
        self.measured_name, self._partial = name, None
        self._show_buttons()
        self._say(f"✓ Kept as {name}, marked incomplete.", "good")

    def _show_buttons(self) -> None:
        """Cancel while it runs; then what can be done with what was measured."""
        left = self._partial if self._rows and not self._is_running else None
        self.keep_rows.setVisible(left is not None and left.is_file())
        self.stop.setVisible(self._is_running)
        self.use_new.setVisible(bool(self.measured_name) and not self._is_running)
        self.use_new.setEnabled(self.measured_name != self._used)

    def _tell(self, text: str) -> None:
        self.detail.setText(text)
        self.detail.setVisible(bool(text))

    def _say(self, text: str, role: str) -> None:
        mark(self.status, "role", role)
        self.status.setText(text)
