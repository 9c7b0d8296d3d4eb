"""The Lifetime page: training, post-training and serving over a model's life; general or specific; the best size; the
plan over other networks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer, Signal
from PySide6.QtWidgets import QLabel, QTabWidget, QVBoxLayout, QWidget

from gui.chart_table import ChartTable
from gui.chart_view import ChartView
from gui.derived import Fact
from gui.document import Document
from gui.forms import FieldSpec, Form, specs
from gui.jobs import Job
from gui.log_slider import LogSlider
from gui.network_view import NetworkView
from gui.pages.page import Page
from gui.sidebar import Sign
from gui.stages_view import StagesView
from gui.state import State
from gui.tables import FigureTree
from gui.widgets import Card, beside, column, framed, label, row, scrolling
from planner import library, units
from planner.errors import TrainplanError
from planner.plan.lifetime import Lifetime, Task
from planner.plan.plan import Plan

if TYPE_CHECKING:
    from planner.estimate import Figure
    from planner.quality.lifetime import Life
    from planner.quality.task import Comparison

SOON_MS = 20
"""The verdict of the training is painted first."""
TOKENS_A_DAY = (1e5, 1e13)
DEMAND = ("served_tokens", "years", "prompt_tokens", "answer_tokens")
CHARTS = {"lifetime_cost": "Cost over the life, by size", "break_even": "General or specific"}


class LifetimePage(Page):
    """Shows a life and edits the plan's `lifetime` and `post_training`."""

    key = "lifetime"
    is_automatic = False
    run = Signal(list)
    cancel = Signal()

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._state: State | None = None
        self._estimate: Any = None
        self._blanks: dict[str, Fact] = {}
        self.life: Life | None = None
        self.comparison: Comparison | None = None
        self._soon = QTimer(self, singleShot=True, interval=SOON_MS)
        self._soon.timeout.connect(self._answer)
        self._make_widgets()
        self._build()

    # What is on screen.

    def _make_widgets(self) -> None:
        self.verdict = label(bold=True, wrap=True)
        self.verdict.setObjectName("lifetime.verdict")
        self._message = label(role="error", wrap=True)
        self._message.setObjectName("lifetime.message")
        self._message.hide()
        self.slider = LogSlider(*TOKENS_A_DAY)
        self.slider.setObjectName("lifetime.tokens_per_day")
        self.slider.setAccessibleName("Tokens served a day")
        self.slider.setToolTip("Tokens served on a mean day; sets the tokens served in the whole life")
        self.slider.moved.connect(self._slide)
        self._daily = label(role="muted", size=0.92)
        names = {"accelerator": lambda: library.names("accelerators")}
        serving = [_optional(one) for one in specs(Lifetime, "lifetime", names)]
        is_demand = {one.path: one.path.split(".")[-1] in DEMAND for one in serving}
        self.demand_form = Form("What it serves", [one for one in serving if is_demand[one.path]], self.document)
        self.serving_form = Form("On which server", [one for one in serving if not is_demand[one.path]], self.document)
        models = {"small_model": lambda: library.names("models")}
        task = [_optional(one) for one in specs(Task, "lifetime.task", models)]
        self.task_form = Form("One task", task, self.document)
        self.forms = [self.demand_form, self.serving_form, self.task_form]
        self.stages = StagesView(self.document)
        self.stages.failed.connect(self.failed)
        self.stages.table.explain.connect(self._open_part)
        self.networks = NetworkView()
        self.networks.run.connect(self.run)
        self.networks.failed.connect(self.failed)
        self.networks.saved.connect(self.done)
        self.networks.chart.explain.connect(lambda key: self.explain.emit(key))
        for form in (*self.forms, self.stages):
            form.focused.connect(self._help)
        self.costs = FigureTree("lifetime.costs", "Cost over the life by part")
        self.speeds = FigureTree("lifetime.serving.table", "Serving, figure by figure")
        self.speeds.setColumnHidden(2, True)  # its figures are parts of nothing
        for tree in (self.costs, self.speeds):
            tree.opened.connect(self._open)
        self.charts = {name: ChartView(name, title) for name, title in CHARTS.items()}
        self.tables = {name: ChartTable(name, f"{title}, as a table") for name, title in CHARTS.items()}
        for view in (*self.charts.values(), *self.tables.values()):
            view.failed.connect(self.failed)
            view.saved.connect(self.done)
        for chart in self.charts.values():
            chart.description = self.plan_text
            chart.explain.connect(self.explain_figure)
        for table in self.tables.values():
            table.explain_figure.connect(self.explain_figure)
        self._warnings = label(role="muted", wrap=True, size=0.92)

    def _build(self) -> None:
        daily = QLabel("Tokens a da&y")
        daily.setBuddy(self.slider)
        demand = Card()
        demand.add(row(daily, self.slider, self._daily, spacing=10))
        demand.body.setContentsMargins(14, 8, 14, 8)
        life = column(framed(self.charts["lifetime_cost"]), self.costs, spacing=8)
        life.layout().setStretch(0, 1)
        self.costs.setFixedHeight(158)
        self.tabs = QTabWidget()
        self.tabs.setObjectName("lifetime.tabs")
        self.tabs.setAccessibleName("Life, serving, post-training, one task, networks, tables")
        self.tabs.tabBar().setDrawBase(False)
        for widget, title in (
            (_form_beside(column(demand, self.demand_form, self._warnings, None, spacing=8), life), "&Life"),
            (_form_beside(column(self.serving_form, None), self.speeds, 310), "Ser&ving"),
            (self.stages, "&Post-training"),
            (_form_beside(column(self.task_form, None), framed(self.charts["break_even"])), "&General or specific"),
            (self.networks, "&Networks"),
            (column(*self.tables.values(), margins=(0, 8, 0, 0)), "Ta&bles"),
        ):
            self.tabs.addTab(widget, title)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        content = column(self.verdict, self._message, self.tabs, margins=(18, 12, 18, 12), spacing=8)
        content.layout().setStretch(2, 1)
        layout.addWidget(content)

    def show_state(self, state: State) -> None:
        """Show the forms at once, and the life when it is worked out."""
        self._state = state
        for form in self.forms:
            form.show_state(state, self._blanks)
        life = state.plan.lifetime or Lifetime()
        self.slider.show_value(life.tokens_per_day)
        self._daily.setText(units.show(life.tokens_per_day))
        self.networks.show_plan(state.plan)
        self._soon.start()

    def reset(self, plan: Plan) -> None:
        """Forget what is typed in any form."""
        for form in self.forms:
            form.reset(plan)
        self.stages.reset(plan)

    def focus_field(self, path: str) -> bool:
        """Put the cursor into a field, on the tab where it is."""
        places = [(self.demand_form, 0), (self.serving_form, 1), (self.stages, 2), (self.task_form, 3)]
        for form, tab in places:
            if form.focus(path):
                self.tabs.setCurrentIndex(tab)
                return form.focus(path)
        return False

    # The answer.

    def _answer(self) -> None:
        state = self._state
        if state is None or state.estimate is None or state.estimate is self._estimate:
            return
        from planner.quality.lifetime import account_json, life_of
        from planner.quality.task import compare

        try:
            life, comparison = (
                life_of(state.estimate.plan, result=state.estimate),
                compare(state.estimate.plan, state.estimate),
            )
        except TrainplanError as error:
            self._say(str(error))
            return
        self._estimate, self.life, self.comparison = state.estimate, life, comparison
        self._say("")
        self._blanks = _blanks(life)
        self.serving_form.show_state(state, self._blanks)
        self.verdict.setText(f"{life.verdict}.")
        self._warnings.setText("\n".join(f"! {warning}" for warning in life.warnings))
        account = account_json(life.account, life.drawn) if life.account and life.drawn else {}
        account |= {"price_words": life.price_words}
        self.stages.show_state(state, account)
        parts = [life.figures[key] for key in ("lifetime.training", "lifetime.post_training", "lifetime.serving")
                 if key in life.figures]  # fmt: skip
        self.costs.show_figures([one for one in parts if math.isfinite(one.value)], life.figures["lifetime.total"])
        self.speeds.show_figures([one for key, one in life.figures.items() if key.startswith("serving.")], None)
        for views in (self.charts, self.tables):
            views["lifetime_cost"].show_data(life)
            views["break_even"].show_data(comparison)

    def job_name(self, arguments: list[str]) -> str:
        """What the comparison is called while it runs."""
        return "Networks"

    def begin(self) -> None:
        """Compare the networks once more."""
        self.networks.begin()

    def follow(self, job: Job) -> None:
        """Show a comparison as it goes."""
        self.networks.follow(job)

    def _say(self, message: str) -> None:
        self._message.setText(f"✕ {message}" if message else "")
        self._message.setVisible(bool(message))

    def figure(self, key: str) -> Figure | None:
        """A figure of the life."""
        return self.life.figures.get(key) if self.life else None

    def _open(self, key: str) -> None:
        figure = self.figure(key)
        if figure is not None:
            self.explain_figure.emit(figure)

    def _open_part(self, part: int, name: str) -> None:
        """The derivation of a number of the account."""
        from planner.quality.account_figures import account_figure

        figure = account_figure(self.life, part, name) if self.life else None
        if figure is not None:
            self.explain_figure.emit(figure)

    def _slide(self, daily: float) -> None:
        """The slider sets the tokens of the whole life; one stay on it is one step of the history."""
        life = self.document.plan.lifetime or Lifetime()
        message = self.document.try_set("lifetime.served_tokens", life.tokens_served(daily), visit=-1)
        if message:
            self.failed.emit(message)

    def _help(self, spec: FieldSpec) -> None:
        self.help.emit(f"{spec.title}: {spec.description}   ·   {spec.path}")

    @classmethod
    def sign(cls, state: State) -> Sign:
        """A tick, or the worst problem of the page's sections."""
        problems = state.problems_under(*cls.sections)
        if problems:
            return Sign("✕" if problems[0].severity == "error" else "!", "bad", problems[0].message)
        if state.estimate is None or state.is_stale:
            return Sign("…", "muted", "waiting for a valid input")
        return Sign("✓", "good", "answered")


def _blanks(life: Life) -> dict[str, Fact]:
    """What blank fields of the server stand for."""
    hosted = life.hosted
    price = hosted.usd_per_gpu_hour
    return {
        "lifetime.usd_per_gpu_hour": (f"{price:g}", "USD/h") if math.isfinite(price) else ("unknown", "fill it in"),
        "lifetime.gpus": (f"{float(hosted.server.gpus):g}", "the cheapest"),
        "lifetime.batch": (f"{float(hosted.serving.batch):g}", "what fits"),
        "lifetime.compute_efficiency": (f"{float(hosted.server.compute_efficiency):g}", "fitted"),
    }


def _optional(spec: FieldSpec) -> FieldSpec:
    """Names that may be left blank are chosen from a list that has a blank."""
    if spec.kind != "name":
        return spec
    return FieldSpec(
        spec.path, spec.title, spec.description, spec.unit, spec.advanced, "choice", spec.choices, is_optional=True
    )


def _form_beside(left: QWidget, right: QWidget, width: int = 360) -> QWidget:
    """A form that scrolls on the left, what follows from it on the right."""
    split = beside(scrolling(left), right, sizes=(width, 830 - width), stretch=(0, 1))
    return column(split, margins=(0, 8, 0, 0))
