"""The Compare page: scenarios side by side, what would change the answer, and advice that can be applied."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QDir, Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QFileDialog,
    QFrame,
    QLabel,
    QLineEdit,
    QMenu,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from gui.chart_view import ChartView
from gui.comparison_tree import ComparisonTree
from gui.document import Document
from gui.fields import CheckField, ComboField
from gui.jobs import Job
from gui.linked_chart import LinkedChart
from gui.pages.page import Page
from gui.plan_survey import PlanSurvey
from gui.scenario_shelf import MOST, Shelf
from gui.sidebar import Sign
from gui.slices import Slices
from gui.state import State
from gui.widgets import Card, beside, button, clear, column, elided, framed, label, row, scrolling
from planner import library, units
from planner.errors import TrainplanError
from planner.plan import file
from planner.plan.plan import Plan

if TYPE_CHECKING:
    from planner.estimate import Estimate
    from planner.scenarios.advice import Advice
    from planner.scenarios.comparison import Comparison, FigureRow
    from planner.scenarios.sensitivity import Curve, Sensitivity

EMPTY = (
    "No scenarios yet. Add this plan, change something on the other pages, and add it again: what differs then stands "
    "here first. Plan files and shipped plans can stand beside it, up to four in all."
)
QUIET_MS = 250
"""The verdict follows every key; what takes longer waits until one stops typing."""
MEASURES = [
    ("Cost", "cost_usd"), ("Training time", "train_time_s"), ("Memory a GPU", "memory_bytes"),
    ("Perplexity", "perplexity"), ("Energy", "energy_kwh"), ("CO2e", "co2e_kg"),
]  # fmt: skip


@dataclass(frozen=True, eq=False)
class Drawn:
    """What a chart of this page draws: a comparison with a row, or a sensitivity or curve with a measure."""

    found: Any
    measure: str = ""
    row: Any = None


class ComparePage(Page):
    """Keeps scenarios, asks for sensitivity and advice when they are looked at, and never while one types."""

    key = "compare"
    run = Signal(list)
    cancel = Signal()

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self.shelf = Shelf()
        self._state: State | None = None
        self._estimates: dict[int, tuple[Plan, Estimate]] = {}
        self._comparison: Comparison | None = None
        self._found: Sensitivity | None = None
        self._advice: list[Advice] = []
        self._asked: dict[str, Any] = {}
        self._slices, self._curve_slices = Slices(self), Slices(self)
        self._running = ""
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self._ask)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("compare.tabs")
        self.tabs.setAccessibleName("Scenarios, sensitivity, advice, many plans")
        self.tabs.tabBar().setDrawBase(False)
        self.tabs.addTab(self._make_scenarios(), "Scen&arios")
        self.tabs.addTab(self._make_sensitivity(), "W&hat would change the answer?")
        self.tabs.addTab(self._make_advice(), "Ad&vice")
        self.survey = PlanSurvey()
        self.tabs.addTab(self.survey, "Many p&lans")
        for ours, theirs in (
            (self.run, self.survey.run), (self.cancel, self.survey.cancel), (self.failed, self.survey.failed),
            (self.explain_figure, self.survey.explain_figure),
        ):  # fmt: skip
            theirs.connect(ours)
        self.survey.kept.connect(self._keep_of_many)
        self.survey.taken.connect(self._become)
        self.tabs.currentChanged.connect(lambda _: self._ask())
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(column(self.tabs, margins=(18, 10, 18, 14)))
        self._show_shelf()

    # What is on screen.

    def _make_scenarios(self) -> QWidget:
        self.add = button("Add this &plan", "compare.add", primary=True)
        self.add.clicked.connect(self.add_plan)
        self.add_file = button("Add &file…", "compare.add_file")
        self.add_file.clicked.connect(self.ask_file)
        self.add_example = button("Add e&xample", "compare.add_example")
        self._examples = QMenu(self)
        self._examples.aboutToShow.connect(self._fill_examples)
        self.add_example.setMenu(self._examples)
        self.export_button = button("Export &CSV…", "compare.export")
        self.export_button.clicked.connect(self.ask_export)
        self.all_inputs, self.all_figures = self._check("all_inputs"), self._check("all_figures")
        captions = [QLabel("All &inputs"), QLabel("All fi&gures")]
        for caption, field in zip(captions, (self.all_inputs, self.all_figures), strict=True):
            caption.setBuddy(field)
            field.setAccessibleName(caption.text().replace("&", ""))
        self._cards = row(spacing=10)
        self._empty = label(EMPTY, "muted", wrap=True)
        self._empty.setObjectName("compare.empty")
        self._empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.table = ComparisonTree()
        self.table.chosen.connect(self._choose_row)
        self.table.opened.connect(self.explain_figure)
        self.chart = self._chart(ChartView, "scenario_compare", "One figure of every scenario")
        self._split = beside(self.table, framed(self.chart), sizes=(700, 280))
        self._options = row(
            captions[0], self.all_inputs, captions[1], self.all_figures,
            label("Enter or a double click on a figure explains it.", "muted", size=0.92), None, self.export_button,
        )  # fmt: skip
        top = row(self.add, self.add_file, self.add_example, None)
        page = column(top, self._cards, self._options, self._split, self._empty, margins=(0, 10, 0, 0), spacing=8)
        page.layout().setStretch(3, 1)
        page.layout().setStretch(4, 1)
        return page

    def _make_sensitivity(self) -> QWidget:
        self.measure, self.input = ComboField(MEASURES), ComboField([])
        for field, name, title in (
            (self.measure, "compare.measure", "Figure"), (self.input, "compare.input", "Input of the curve"),
        ):  # fmt: skip
            field.setObjectName(name)
            field.setAccessibleName(title)
            field.setMinimumWidth(190)
        self.measure.chosen.connect(lambda _: self._show_sensitivity())
        self.input.chosen.connect(lambda _: self._show_curve())
        captions = [QLabel("Fig&ure"), QLabel("&Input")]
        for caption, field in zip(captions, (self.measure, self.input), strict=True):
            caption.setBuddy(field)
        self.tornado = self._chart(LinkedChart, "tornado", "What would change the answer")
        self.tornado.picked.connect(self._pick_bar)
        self.curve = self._chart(ChartView, "one_input_curve", "One figure against one input")
        self.reason = label(role="muted", wrap=True, size=0.92)
        self.reason.setObjectName("compare.reason")
        split = beside(framed(self.tornado), framed(self.curve), sizes=(600, 400))
        top = row(captions[0], self.measure, captions[1], self.input, None)
        page = column(top, split, self.reason, margins=(0, 10, 0, 0), spacing=8)
        page.layout().setStretch(1, 1)
        return page

    def _make_advice(self) -> QWidget:
        self._advice_note = label(role="muted", wrap=True)
        self._advice_note.setObjectName("compare.advice.note")
        self._advice_cards = column(spacing=12)
        page = column(self._advice_note, self._advice_cards, None, margins=(0, 12, 4, 0))
        return scrolling(page)

    def _check(self, name: str) -> CheckField:
        made = CheckField()
        made.setObjectName(f"compare.{name}")
        made.chosen.connect(lambda _: self._show_comparison())
        return made

    def _chart(self, kind: Any, name: str, title: str) -> Any:
        made = kind(name, title)
        made.failed.connect(self.failed)
        made.saved.connect(self.done)
        made.explain.connect(self._explain)
        made.description = self.plan_text
        return made

    def _explain(self, what: Any) -> None:
        """A figure of the plan's by its key, or a scenario's own."""
        (self.explain if isinstance(what, str) else self.explain_figure).emit(what)

    # Scenarios.

    def show_state(self, state: State) -> None:
        """The plan has changed: sensitivity and advice are asked again when they are looked at."""
        self._state = state
        self.add.setEnabled(not state.blocking and not self.shelf.is_full)
        if self._slices.is_running and self._running != "0" and self._asked.get(self._running) is not state.estimate:
            self._slices.stop()
            self._asked.pop(self._running, None)
        self._quiet.start()

    def forget_estimates(self) -> None:
        """The scenarios are estimated again, and what would change the answer is asked again."""
        self._estimates.clear()
        self._asked.clear()
        self._quiet.start()

    def add_plan(self) -> None:
        """Keep the plan as it is now."""
        self._keep(self.document.plan, "")

    def add_shipped(self, name: str) -> None:
        """Keep a shipped plan."""
        self._attempt(lambda: self._keep(file.load(name), name))

    def ask_file(self) -> None:
        """Keep a plan file, with the file dialog."""
        name, _ = QFileDialog.getOpenFileName(self, "Add scenario", QDir.homePath(), "Trainplan plan (*.json)")
        if name:
            self.open(Path(name))

    def open(self, path: Path) -> None:
        """Keep a plan file; one that cannot be read changes nothing."""
        self._attempt(lambda: self._keep(file.load(path), path.stem))

    def _keep(self, plan: Plan, name: str) -> None:
        if not self.shelf.is_full:
            self.shelf.add(plan, name)
            self._show_shelf()

    def use(self, number: int) -> None:
        """Make a scenario the plan, as one step that can be undone."""
        kept = self.shelf.kept[number]
        self._become(kept.plan, kept.name)

    def _become(self, plan: Plan, name: str) -> None:
        sections = {field: getattr(plan, field) for field in type(plan).model_fields}
        changes = {n: v.model_dump() if hasattr(v, "model_dump") else v for n, v in sections.items()}
        if self._attempt(lambda: self.document.apply(changes, f"scenario {name}")):
            self.done.emit(f"The plan is now {name}. Ctrl+Z takes it back.")

    # Many plans, estimated by a job.

    def open_many(self, paths: list[Path]) -> None:
        """List the plans of folders and files."""
        self.tabs.setCurrentWidget(self.survey)
        self.survey.open(paths)

    def begin(self) -> None:
        """Estimate the many plans again."""
        self.survey.begin()

    def follow(self, job: Job) -> None:
        """Show a job as it goes."""
        self.survey.follow(job)

    def job_name(self, arguments: list[str]) -> str:
        """What the job is called while it runs."""
        return "Comparison"

    def _keep_of_many(self, plan: Plan, name: str) -> None:
        if self.shelf.is_full:
            self.failed.emit(f"{MOST} scenarios are the most; remove one first. {name} was not added.")
            return
        self._keep(plan, name)
        self.done.emit(f"{name} is among the scenarios")

    def _show_shelf(self) -> None:
        clear(self._cards.layout())
        for number, kept in enumerate(self.shelf.kept):
            self._cards.layout().addWidget(self._card(number, kept.name, kept.plan))
        has_any = bool(self.shelf.kept)
        for widget in (self._cards, self._options, self._split):
            widget.setVisible(has_any)
        self._empty.setVisible(not has_any)
        for widget in (self.add, self.add_file, self.add_example):
            widget.setEnabled(not self.shelf.is_full)
            widget.setToolTip(f"{MOST} scenarios are the most; remove one first" if self.shelf.is_full else "")
        self._asked.pop("0", None)
        self._ask()

    def _card(self, number: int, name: str, plan: Plan) -> QFrame:
        made = Card("", f"compare.scenario.{number}")
        made.body.setContentsMargins(10, 8, 10, 8)
        made.body.setSpacing(4)
        edit = QLineEdit(name)
        edit.setObjectName(f"compare.name.{number}")
        edit.setAccessibleName(f"Name of scenario {number + 1}")
        caption = QLabel(f"&{number + 1}")
        caption.setBuddy(edit)
        edit.editingFinished.connect(lambda: self._rename(number, edit.text()))
        where = f"{plan.model.name} on {plan.cluster.gpus:,} × {plan.cluster.accelerator.name}"
        told = elided(where, "muted", size=0.88)
        told.setAccessibleName(where)
        acts = [("Use", self.use, "Make it the plan"), ("Remove", self._remove, "Take it away")]
        if number:
            acts.insert(1, ("First", self._put_first, "Hold the others against it"))
        buttons = []
        for text, act, tip in acts:
            one = button(text, f"compare.{text.lower()}.{number}", flat=True)
            one.setToolTip(tip)
            one.clicked.connect(partial(act, number))
            buttons.append(one)
        made.add(row(caption, edit, spacing=6), told, row(*buttons, None, spacing=2))
        return made

    def _rename(self, number: int, name: str) -> None:
        if number < len(self.shelf.kept) and name.strip() not in ("", self.shelf.kept[number].name):
            self.shelf.rename(number, name)
            self._asked.pop("0", None)
            self._ask()

    def _remove(self, number: int, *_: object) -> None:
        self.shelf.remove(number)
        self._show_shelf()

    def _put_first(self, number: int, *_: object) -> None:
        self.shelf.put_first(number)
        self._show_shelf()

    def _fill_examples(self) -> None:
        self._examples.clear()
        for name in library.names("plans"):
            self._examples.addAction(name, lambda name=name: self.add_shipped(name))

    # What is asked, and what is shown of it.

    def _ask(self) -> None:
        """Compute what the open tab shows, in slices, where it is not that already."""
        estimate = self._state.estimate if self._state else None
        tab = self.tabs.currentIndex()
        if tab == 0 and self.shelf.kept and "0" not in self._asked:
            self._run("0", True, self._comparing(), self._take_comparison)
        elif tab in (1, 2) and estimate is not None and self._asked.get(str(tab)) is not estimate:
            from planner.scenarios.advice import advising
            from planner.scenarios.sensitivity import swinging

            if tab == 1:
                self._run("1", estimate, swinging(estimate), self._take_sensitivity)
            else:
                self._advice_note.setText(self._advice_note.text() or "Looking at the neighbouring plans…")
                self._run("2", estimate, advising(estimate), self._take_advice)

    def _run(self, key: str, asked: Any, steps: Generator[None, None, Any], take: Any) -> None:
        """Begin one answer; one that was under way is asked again when its tab is looked at again."""
        if self._slices.is_running:
            self._asked.pop(self._running, None)
        self._running = key
        self._asked[key] = asked
        self._slices.run(steps, take, self.failed.emit)

    def _comparing(self) -> Generator[None, None, Comparison]:
        from planner.estimate import estimate
        from planner.scenarios.comparison import Scenario, compare

        made = []
        for kept in list(self.shelf.kept):
            known = self._estimates.get(id(kept.plan))
            if known is None:
                known = self._estimates[id(kept.plan)] = (kept.plan, estimate(kept.plan))
                yield
            made.append(Scenario(kept.name, known[1]))
        yield
        return compare(made)

    def _take_comparison(self, found: Comparison) -> None:
        self._comparison = found
        self._show_comparison()

    def _show_comparison(self) -> None:
        if self._comparison is not None and self.shelf.kept:
            self.table.show_comparison(
                self._comparison, all_inputs=self.all_inputs.isChecked(), all_figures=self.all_figures.isChecked()
            )

    def _choose_row(self, chosen: FigureRow) -> None:
        self.chart.show_data(Drawn(self._comparison, row=chosen))

    def ask_export(self) -> None:
        """Write the comparison, with the file dialog."""
        name, _ = QFileDialog.getSaveFileName(self, "Export comparison", "comparison.csv", "Table (*.csv)")
        if name:
            self.export(Path(name))

    def export(self, path: Path) -> bool:
        """Write the comparison as CSV."""
        from planner.reports.csv_report import write_table

        found = self._comparison
        if found is None or not self._attempt(lambda: write_table(*found.table, path)):
            return False
        self.done.emit(f"Comparison written to {path}")
        return True

    def _take_sensitivity(self, found: Sensitivity) -> None:
        self._found = found
        self._show_sensitivity()

    def _show_sensitivity(self) -> None:
        if self._found is None:
            return
        measure = self.measure.currentData()
        ranked = [swing for swing in self._found.ranked(measure) if swing.range is not None]
        before = self.input.currentData()
        self.input.clear()
        for swing in ranked:
            self.input.addItem(swing.title, swing.key)
        self.input.setCurrentIndex(max(0, self.input.findData(before)))
        self.tornado.show_data(Drawn(self._found, measure))
        self._show_curve()

    def _pick_bar(self, number: int) -> None:
        if self._found is not None:
            swing = self._found.ranked(self.measure.currentData())[number]
            if swing.range is not None:
                self.input.show_value(swing.key)
                self._show_curve()

    def _show_curve(self) -> None:
        estimate = self._asked.get("1")
        swings = self._found.swings if self._found else ()
        swing = next((one for one in swings if one.key == self.input.currentData()), None)
        if estimate is None or swing is None or swing.range is None:
            self.curve.show_data(Drawn(None))
            self.reason.setText("")
            return
        self.reason.setText(f"{swing.title}: {swing.reason}. Source: {swing.source}.")
        self._curve_slices.run(self._curving(estimate, swing.range), self._take_curve, self.failed.emit)

    def _curving(self, estimate: Estimate, chosen: Any) -> Generator[None, None, Curve]:
        from planner.scenarios.sensitivity import curve

        yield
        return curve(estimate, chosen)

    def _take_curve(self, found: Curve) -> None:
        self.curve.show_data(Drawn(found, self.measure.currentData()))

    # Advice.

    def _take_advice(self, told: list[Advice]) -> None:
        self._advice = told
        clear(self._advice_cards.layout())
        self._advice_note.setText(
            "Each change by itself, on the plan as it is; the effect is the estimate's own. Ctrl+Z takes it back."
            if told else "No change within reach saves half a percent. The Search page looks at every layout."
        )  # fmt: skip
        for number, one in enumerate(told):
            self._advice_cards.layout().addWidget(self._advice_card(number, one))

    def _advice_card(self, number: int, one: Advice) -> QFrame:
        place = one.bottleneck
        made = Card("", f"compare.advice.{number}")
        made.setAccessibleName(f"{place.title}: {one.words}")
        share = f"{units.percent(place.share)} of the step" if place.seconds else ""
        head = row(label(f"{number + 1}   {place.title}", size=1.08, bold=True), label(share, "muted"), None)
        why = label(f"{place.why[:1].upper()}{place.why[1:]}.", "muted", wrap=True)
        words = label(one.words, bold=True, wrap=True)
        effect = label(one.effect, "good", wrap=True)
        effect.setObjectName(f"compare.advice.{number}.effect")
        figures = "     ".join(
            f"{name} {units.show(one.before[key], unit)} → {units.show(one.after[key], unit)}"
            for name, key, unit in (
                ("Cost", "cost_usd", "USD"), ("Time", "train_time_s", "s"), ("Memory", "memory_bytes", "B")
            )
        )  # fmt: skip
        take = button("Apply", f"compare.apply.{number}", primary=number == 0)
        take.clicked.connect(partial(self.apply, one))
        ask = button("Explain", f"compare.explain.{number}", flat=True)
        ask.clicked.connect(lambda: self.explain.emit(place.figure))
        line = row(words, take, ask)
        line.layout().setStretch(0, 1)
        made.add(head, why, line, effect, label(figures, "muted", size=0.92, wrap=True))
        for text in filter(None, (one.caution and f"Mind: {one.caution}.", one.source and f"Source: {one.source}")):
            made.add(label(text, "muted", size=0.88, wrap=True))
        return made

    def apply(self, one: Advice, *_: object) -> None:
        """Do what is advised, as one step that can be undone."""
        if self._attempt(lambda: self.document.apply(one.changes, one.words)):
            self.done.emit(f"{one.words}. Ctrl+Z takes it back.")

    def _attempt(self, act: Any) -> bool:
        try:
            act()
        except TrainplanError as error:
            self.failed.emit(str(error))
            return False
        return True

    @classmethod
    def sign(cls, state: State) -> Sign:
        """Ready as soon as there is an estimate."""
        if state.estimate is None or state.is_stale:
            return Sign("…", "muted", "waiting for a valid input")
        return Sign("✓", "good", "ready")
