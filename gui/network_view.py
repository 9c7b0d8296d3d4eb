"""Is commodity Ethernet enough? The plan over other networks: a chart or its table, asked for by a button."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QTemporaryDir, Signal
from PySide6.QtWidgets import QLabel, QStackedWidget, QVBoxLayout, QWidget

from gui.chart_table import ChartTable
from gui.chart_view import ChartView
from gui.fields import CheckField
from gui.jobs import Job, Outcome
from gui.style_sheet import mark
from gui.widgets import Card, button, column, label, row, sentence
from planner.errors import TrainplanError
from planner.plan import file
from planner.plan.plan import Plan

CHART, TITLE = "network_compare", "The plan over other networks"
NOTHING_YET = "Time, money and energy over RoCE, InfiniBand and wider NVLink domains. Press Compare."


class NetworkView(QWidget):
    """Runs the command line's `network` on the plan."""

    run = Signal(list)
    failed = Signal(str)
    saved = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._folder = QTemporaryDir()
        self._plan: Plan | None = None
        self._asked: Plan | None = None
        self._words = ""
        self.start = button("&Compare", "networks.run")
        self.start.setToolTip("Estimate the plan on every network")
        self.start.clicked.connect(self.begin)
        self.keep = CheckField()
        self.keep.setObjectName("networks.keep_layout")
        self.keep.setAccessibleName("Keep the plan's layout")
        self.keep.setToolTip("The plan's own layout on every network, instead of the fastest one on each")
        self.as_table = CheckField()
        self.as_table.setObjectName("networks.as_table")
        self.as_table.setAccessibleName("As a table")
        self.as_table.setToolTip("The table of what the chart shows, with every network's layout and source")
        self.status = label(NOTHING_YET, "muted", wrap=True)
        self.status.setObjectName("networks.status")
        self.chart, self.table = ChartView(CHART, TITLE), ChartTable(CHART, f"{TITLE}, as a table")
        self.chart.description = lambda: file.to_text(self._asked) if self._asked else ""
        for view in (self.chart, self.table):
            view.failed.connect(self.failed)
            view.saved.connect(self.saved)
        self._build()

    def _build(self) -> None:
        captions = []
        for box, words in ((self.keep, "&Keep the plan's layout"), (self.as_table, "As a &table")):
            captions.append(QLabel(words))
            captions[-1].setBuddy(box)
        picture = Card()
        picture.body.setContentsMargins(10, 6, 10, 8)
        picture.body.addWidget(self.chart, 1)
        shown = QStackedWidget()  # one at a time: both together leave neither room in a small window
        shown.addWidget(picture)
        shown.addWidget(self.table)
        self.as_table.toggled.connect(lambda is_table: shown.setCurrentIndex(int(is_table)))
        top = row(self.start, self.keep, captions[0], None, self.as_table, captions[1], spacing=10)
        content = column(top, self.status, shown, spacing=6)
        content.layout().setStretch(2, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        layout.addWidget(content)
        self.chart.show_data({})

    def show_plan(self, plan: Plan) -> None:
        """The plan that the next comparison is of; what is shown may be of an older one."""
        self._plan = plan
        if self._asked is not None and self.start.isEnabled():
            self._say(self._words if plan == self._asked else f"{self._words} The plan has changed since.", "muted")

    def begin(self) -> None:
        """Compare the networks for the plan as it is."""
        if self._plan is None or not self.start.isEnabled():
            return
        path = self._folder.filePath("plan.json")
        try:
            file.save(self._plan, path)
        except TrainplanError as error:
            self.failed.emit(str(error))
            return
        self._asked = self._plan
        self.start.setEnabled(False)
        self._say("Comparing…", "muted")
        self.run.emit(["network", path, "--events", *(["--keep-layout"] if self.keep.isChecked() else [])])

    def follow(self, job: Job) -> None:
        """Show a job's answer."""
        job.ended.connect(self._end)

    def _end(self, outcome: Outcome) -> None:
        self.start.setEnabled(True)
        if outcome.status != "done":
            self._say(f"✕ {sentence(outcome.message)}", "error")
            return
        answer: dict[str, Any] = outcome.result
        for view in (self.chart, self.table):
            view.show_data(answer)
        left_out = [f"Left out: {'; '.join(answer['skipped'])}."] if answer["skipped"] else []
        self._words = " ".join([f"{answer['verdict']}. {answer['layout']}.", *left_out])
        self._say(self._words, "")
        if self._plan is not None:
            self.show_plan(self._plan)

    def _say(self, text: str, role: str) -> None:
        mark(self.status, "role", role)
        self.status.setText(text)
