"""The Search page: every layout of the plan by the command line's `search`, ranked, with front and what fell out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTemporaryDir, Signal
from PySide6.QtWidgets import QLabel, QSizePolicy, QTabWidget, QVBoxLayout

from gui.document import Document
from gui.fields import CheckField, ComboField
from gui.jobs import Job, Outcome
from gui.linked_chart import LinkedChart
from gui.pages.page import Page
from gui.row_table import Column, RowTable
from gui.search_form import SearchForm
from gui.search_request import Request
from gui.search_rows import Row, basis, changes, is_plans, rows_of
from gui.sidebar import Sign
from gui.state import State
from gui.style_sheet import mark
from gui.widgets import Card, beside, button, column, label, row, sentence
from planner import units
from planner.errors import TrainplanError
from planner.plan import file

if TYPE_CHECKING:
    from planner.estimate import Estimate

AGAINST = [("Auto", ""), ("Cost", "cost_usd"), ("Memory", "memory_bytes"), ("Energy", "energy_kwh")]
MENDED = ("layout.", "recipe.global_batch")
"""Errors of these fields do not stop a search: it finds what mends them."""
FALLEN = [
    Column("count", "Layouts", lambda count: f"{count:,}"),
    Column("share", "Share", units.percent),
    Column("reason", "Why", is_words=True),
]


def _unit(name: str) -> Any:
    return lambda value: units.show(value, name)


COLUMNS = [
    Column("sign", "", is_words=True, tip="◆ no other is cheaper, faster and smaller (Pareto front); ● the plan's own"),
    Column("rank", "#", tip="Rank in the list; layouts that are only on the front have none"),
    Column("gpus", "GPUs", lambda count: f"{count:,}"),
    Column("accelerator", "Accelerator", is_words=True),
    Column("cost_usd", "Cost", _unit("USD")),
    Column("train_time_s", "Time", _unit("s")),
    Column("memory_bytes", "Memory", _unit("B"), "Of the fullest GPU"),
    Column("mfu", "MFU", units.percent, "Model FLOPs utilization"),
    Column("words", "Layout", is_words=True),
    Column("step_time_s", "Step", _unit("s")),
    Column("energy_kwh", "Energy", _unit("kWh")),
    Column("co2e_kg", "CO2e", _unit("kg")),
    Column("gpu_hours", "GPU-hours", _unit("GPU-hours")),
    Column("tokens_per_s", "Tokens/s", _unit("")),
    *(Column(name, title, tip=tip) for name, title, tip in (
        ("tp", "tp", "Tensor parallel"), ("pp", "pp", "Pipeline parallel"), ("virtual_stages", "v", "Virtual stages"),
        ("cp", "cp", "Context parallel"), ("ep", "ep", "Expert parallel"), ("dp", "dp", "Data parallel"),
        ("zero_stage", "ZeRO", "ZeRO stage"), ("micro_batch", "b", "Micro-batch"),
    )),
    Column("recompute", "Recompute", is_words=True),
]  # fmt: skip


EXPLAINED = {
    "cost_usd": "money.total", "train_time_s": "time.training", "memory_bytes": "memory.total", "mfu": "time.mfu",
    "step_time_s": "time.step", "energy_kwh": "energy.energy", "co2e_kg": "energy.co2e", "gpu_hours": "time.gpu_hours",
    "tokens_per_s": "time.tokens_per_s",
}  # fmt: skip
"""Columns whose numbers are figures of the layout's own estimate."""


@dataclass(frozen=True, eq=False)
class Points:
    """What the chart draws: the rows of the table, and the plan's estimate among them."""

    rows: list[Row]
    against: str
    estimate: Estimate | None


class SearchPage(Page):
    """Asks, watches, lists; applies a layout as one step of the history."""

    key = "search"
    run = Signal(list)
    cancel = Signal()
    explain_figure = Signal(object)
    """Open the derivation of a figure of another layout than the plan's."""
    is_automatic = False
    """The search under way was begun by the page itself, to show something when it is first opened."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._state: State | None = None
        self._answer: dict[str, Any] = {}
        self._rows: list[Row] = []
        self._points = Points([], "", None)
        self._shown: list[int] = []
        self._basis: dict[str, Any] = {}
        self._basis_of: tuple[Any, Any] = (None, None)
        self._asked = Request()
        self._asking: tuple[Request, dict[str, Any]] = (self._asked, {})
        self._is_running = self._has_begun = False
        self._why = ""
        self._folder = QTemporaryDir()
        self._make_widgets()
        self._build()
        self._show_running(False)
        self._show_chosen(-1)

    # What is on screen.

    def _make_widgets(self) -> None:
        self.form = SearchForm()
        self.form.wanted.connect(self.begin)
        self.form.edited.connect(self._show_whether_current)
        self.form.helped.connect(self.help)
        self.start = button("&Search", "search.run", primary=True)
        self.start.setToolTip("Estimate every layout within these limits (Enter in a field)")
        self.start.clicked.connect(self.begin)
        self.stop = button("Cancel", "search.cancel")
        self.stop.clicked.connect(self.cancel)
        self.status = label("Nothing searched yet.", wrap=True)
        self.status.setObjectName("search.status")
        self.stale = label(role="warning", wrap=True, size=0.92)
        self.stale.setObjectName("search.stale")
        self.stale.hide()
        self.table = RowTable("search.rows", "Layouts found", COLUMNS, bold=lambda one: "●" in one["sign"])
        self.table.empty_text = "Layouts appear here, best first."
        self.table.chosen.connect(self._choose_line)
        self.table.opened.connect(lambda _: self.use())
        self.table.explained = frozenset(EXPLAINED)
        self.table.explain.connect(lambda line, key: self._explain(self._shown[line], EXPLAINED[key]))
        self.only_front = CheckField()
        self.only_front.setObjectName("search.only_front")
        self.only_front.setAccessibleName("Pareto front only")
        self.only_front.chosen.connect(lambda _: self._fill_table())
        self.chart = LinkedChart("pareto", "Cost against time of the layouts found")
        self.chart.setMinimumHeight(120)
        self.chart.picked.connect(self.choose)
        self.chart.failed.connect(self.failed)
        self.chart.saved.connect(self.done)
        self.chart.description = self.plan_text
        self.against = ComboField(AGAINST)
        self.against.setObjectName("search.against")
        self.against.setAccessibleName("What stands against time")
        self.against.setToolTip("What stands against time in the chart")
        self.against.chosen.connect(lambda _: self._fill_chart())
        self.fallen = RowTable("search.rejected", "Why layouts fall out", FALLEN)
        self.fallen.empty_text = "Nothing fell out."
        self.chosen = label(wrap=True, size=0.95)
        self.chosen.setObjectName("search.chosen")
        self.chosen.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.take = button("&Use this", "search.use")
        self.take.setToolTip("Give the plan this layout, and its cluster; one step that can be undone")
        self.take.clicked.connect(self.use)

    def _build(self) -> None:
        ask = Card("", "search.ask")
        line = row(self.status, self.stop, self.start, spacing=10)
        line.layout().setStretch(0, 1)
        ask.add(self.form, line, self.stale)
        captions = [QLabel("&Pareto front only"), QLabel("&y")]
        for caption, field in zip(captions, (self.only_front, self.against), strict=True):
            caption.setBuddy(field)
            caption.setToolTip(field.toolTip())
        self.tabs = QTabWidget()
        self.tabs.setObjectName("search.tabs")
        self.tabs.setAccessibleName("Chart, and why layouts were rejected")
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.addTab(column(self.chart, margins=(0, 6, 0, 0)), "&Chart")
        self.tabs.addTab(column(self.fallen, margins=(0, 6, 0, 0)), "Re&jected")
        right = Card()
        right.body.setContentsMargins(10, 2, 10, 8)
        right.body.addWidget(self.tabs)
        self.tabs.setCornerWidget(row(captions[1], self.against, spacing=5))
        split = beside(self.table, right, sizes=(560, 440), stretch=(5, 4))
        middle = row(self.chosen, captions[0], self.only_front, self.take, spacing=10)
        middle.layout().setStretch(0, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        content = column(ask, middle, split, margins=(18, 14, 18, 14), spacing=8)
        content.layout().setStretch(2, 1)
        layout.addWidget(content)

    def show_state(self, state: State) -> None:
        """Say what would be searched; mark the plan's own layout among those found."""
        self._state = state
        self.form.show_plan(state.plan)
        errors = [
            problem.message for problem in state.problems
            if problem.severity == "error" and not problem.path.startswith(MENDED)
        ]  # fmt: skip
        self._why = f"Cannot search: {sentence(errors[0])}" if errors else ""
        self.start.setEnabled(not self._is_running and not self._why)
        if self._why and not self._is_running:
            self._say(self._why, "error")
        elif self.status.text().startswith("Cannot search"):
            self._say("Nothing searched yet." if not self._answer else self._result_words(), "")
        self._mark_plan()
        self._show_whether_current()
        if not self._has_begun and not self._why:
            self.is_automatic = True
            self.begin()

    # The search.

    def begin(self) -> None:
        """Search with what the form says."""
        if not self.start.isEnabled():
            return
        if problems := self.form.problems():
            self.form.texts[next(iter(problems))].setFocus()
            return
        plan = Path(self._folder.filePath("plan.json"))
        try:
            file.save(self.document.plan, plan)
        except TrainplanError as error:
            self.failed.emit(str(error))
            return
        if self._has_begun:
            self.is_automatic = False
        self._has_begun = True
        request = self.form.request()
        self._asking = request, basis(self.document.plan, request)
        self._show_running(True)
        self._show_whether_current()
        self._say("Waiting for the job before it…", "")
        self.run.emit(request.arguments(plan))

    def suggest(self) -> None:
        """Search the plan's own cluster without limits: what layout would suit it."""
        self.is_automatic = False
        self._has_begun = True
        self.form.fill(Request(objective="time"))
        self.begin()

    def follow(self, job: Job) -> None:
        """Show a job as it goes."""
        job.started.connect(lambda: self._say("Searching…", ""))
        job.event.connect(self._take)
        job.ended.connect(self._end)

    def _take(self, told: dict[str, Any]) -> None:
        if told.get("event") != "progress":
            return
        text = f"{told['evaluated']:,} layouts, {told['fits']:,} fit in memory"
        if best := told.get("best"):
            text += f"; best so far {_headline(best)} on {best['gpus']:,} × {best['accelerator']}: {best['words']}"
        self._say(text, "")

    def _end(self, outcome: Outcome) -> None:
        self._show_running(False)
        self._basis_of = (None, None)
        if outcome.status == "done" and outcome.result.get("event") == "finished":
            self._show_answer(outcome.result)
        elif outcome.status == "cancelled":
            kept = "; the last results stay" if self._rows else ""
            self._say(f"Cancelled{kept}.", "warning")
            self._show_whether_current()
        else:
            what = "crashed" if outcome.status == "crashed" else "failed"
            self._say(f"✕ The search {what}: {outcome.message}", "error")
            self.last = Sign("✕", "bad", f"the last search {what}")

    def _show_answer(self, answer: dict[str, Any]) -> None:
        self._asked, self._basis = self._asking
        self._answer, self._rows = answer, rows_of(answer)
        several = [len({one[name] for one in self._rows}) > 1 for name in ("gpus", "accelerator")]
        for name, shown in zip(("gpus", "accelerator"), several, strict=True):
            number = next(i for i, one in enumerate(COLUMNS) if one.key == name)
            self.table.setColumnHidden(number, not shown)
        self._say(self._result_words(), "" if self._rows else "error")
        fallen = sum(answer["rejected"].values())
        self.fallen.show_rows([
            {"reason": sentence(reason), "count": count, "share": count / fallen}
            for reason, count in answer["rejected"].items()
        ], "Nothing fell out.")  # fmt: skip
        self.tabs.setTabToolTip(1, f"{fallen:,} layouts are impossible, do not fit, or break a limit")
        self.tabs.setCurrentIndex(0 if self._rows else 1)
        self.last = (
            Sign("✓", "good", f"{answer['fits']:,} layouts fit") if self._rows else Sign("✕", "bad", "nothing is left")
        )
        self._sign_rows()
        self._fill_table()
        self._fill_chart()
        self._show_whether_current()
        if self._rows:
            self.choose(0)
        else:
            self._show_chosen(-1)

    def _result_words(self) -> str:
        answer = self._answer
        took = units.show_duration(answer["seconds"])
        tried = f"{answer['evaluated']:,} layouts in {took}; {answer['fits']:,} fit in memory"
        if self._rows:
            return f"✓ {tried}; the best {len(answer['best']):,} by {answer['objective']} and the Pareto front below."
        if answer["closest"]:
            least = units.show(answer["closest"]["memory_bytes"], "B")
            return f"✕ {tried}. The least memory is {least}, with {answer['closest']['words']}."
        limits = "; a limit rules them all out" if answer["fits"] else ""
        fewer = (
            " Training tells how many tokens a budget pays for." if self._asked.budget or self._asked.deadline else ""
        )
        return f"✕ {tried}{limits}. See what fell out, and why.{fewer}"

    # What was found.

    def _sign_rows(self) -> None:
        plan = self.document.plan
        for one in self._rows:
            one["sign"] = " ".join(filter(None, ("◆" * one["on_front"], "●" * is_plans(one, plan))))

    def _mark_plan(self) -> None:
        """The plan has changed: another row, or none, is its own."""
        if not self._rows or self._state is None:
            return
        self._sign_rows()
        self.table.viewport().update()
        self._fill_chart()
        self._show_chosen(self.table_row())

    def table_row(self) -> int:
        """The chosen row of the answer, -1 where none is."""
        line = self.table.current()
        return self._shown[line] if line >= 0 else -1

    def _fill_table(self) -> None:
        chosen = self.table_row() if self.table.current() < len(self._shown) else -1
        only = self.only_front.isChecked()
        self._shown = [number for number, one in enumerate(self._rows) if one["on_front"] or not only]
        empty = "No layout is left within these limits." if self._answer else "Layouts appear here, best first."
        self.table.show_rows([self._rows[number] for number in self._shown], empty)
        self.choose(chosen if chosen in self._shown else self._shown[0] if self._shown else -1)

    def _fill_chart(self) -> None:
        from planner.charts.pareto import against_time

        against = self.against.currentData() or against_time(self._rows)
        estimate = self._state.estimate if self._state and not self._state.is_stale else None
        shown = self._points
        if shown.rows is self._rows and shown.against == against and shown.estimate is estimate:
            return  # a mere visit: nothing to draw anew
        self._points = Points(self._rows, against, estimate)
        self.chart.show_data(self._points)

    def choose(self, number: int) -> None:
        """Make a row of the answer the chosen one, in table and chart."""
        if 0 <= number < len(self._rows) and number not in self._shown:
            self.only_front.setChecked(False)
            self._fill_table()
        if number in self._shown:
            self.table.choose(self._shown.index(number))
        self.chart.choose(number)
        self._show_chosen(number)

    def _choose_line(self, line: int) -> None:
        if 0 <= line < len(self._shown):
            self.chart.choose(self._shown[line])
            self._show_chosen(self._shown[line])

    def _show_chosen(self, number: int) -> None:
        found = self._rows[number] if 0 <= number < len(self._rows) else None
        own = found is not None and is_plans(found, self.document.plan)
        self.take.setEnabled(found is not None and not own)
        self.chosen.setText("")
        if found is not None:
            place = f"#{found['rank']}" if found["rank"] else "On the front"
            text = f"{place}  {_headline(found)}{self._where(found)}   {found['words']}"
            self.chosen.setText(f"{text}   ● the plan has it" if own else text)

    def _where(self, found: Row) -> str:
        """On which cluster, where several were searched."""
        if len({(one["gpus"], one["accelerator"]) for one in self._rows}) == 1:
            return ""
        return f" on {found['gpus']:,} × {found['accelerator']}"

    def _explain(self, number: int, figure: str) -> None:
        """Estimate a layout that was found, and open one of its figures."""
        from planner.estimate import estimate

        if self.stale.text() and not self.stale.isHidden():
            self.failed.emit("This layout was found for another plan; search again, then explain it.")
            return
        found, plan = self._rows[number], self.document.plan
        try:
            answer = estimate(file.with_settings(plan, list(changes(found, plan).items())))
        except TrainplanError as error:
            self.failed.emit(str(error))
        else:
            self.explain_figure.emit(answer.figures[figure])

    def use(self) -> None:
        """Give the plan the chosen layout and its cluster."""
        number = self.table_row()
        if number < 0 or not self.take.isEnabled():
            return
        found, plan = self._rows[number], self.document.plan
        try:
            self.document.apply(changes(found, plan), f"layout: {found['words']}")
        except TrainplanError as error:
            self.failed.emit(str(error))
        else:
            self._show_chosen(number)
            self.done.emit(f"The plan now has {found['words']}. Ctrl+Z takes it back.")

    # Running, current, stale.

    def _show_running(self, running: bool) -> None:
        self._is_running = running
        self.start.setEnabled(not running and not self._why)
        self.stop.setVisible(running)
        self.form.setEnabled(not running)

    def _show_whether_current(self) -> None:
        """Say so where plan or form are no longer what was searched."""
        plan, request = self.document.plan, self.form.request()
        if self._is_running:
            self.stale.hide()
        if not self._answer or self._is_running or self._basis_of == (plan, request):
            return
        self._basis_of = (plan, request)
        what = "The limits have" if request != self._asked else ""
        if basis(plan, self._asked) != self._basis:
            what = "The plan has"
        self.stale.setText(f"! {what} changed since this search; search again." if what else "")
        self.stale.setVisible(bool(what))

    def _say(self, text: str, role: str) -> None:
        mark(self.status, "role", role)
        self.status.setText(text)

    @classmethod
    def sign(cls, state: State) -> Sign:
        """Before the first search."""
        return Sign("–", "muted", "nothing searched yet")


def _headline(found: Row) -> str:
    cost = units.show(found["cost_usd"], "USD") if found["cost_usd"] is not None else "price unknown"
    return f"{cost}, {units.show(found['train_time_s'], 's')}"
