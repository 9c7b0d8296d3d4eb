"""The Perplexity page: what size and what data a budget is best spent on, under a law, and where the plan stands."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QDir, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QFileDialog, QLabel, QTabWidget, QVBoxLayout, QWidget

from gui.chart_table import ChartTable
from gui.chart_view import ChartView
from gui.document import Document
from gui.facts import Facts
from gui.fields import CheckField
from gui.jobs import Job, Outcome
from gui.pages.page import Page
from gui.row_table import Column, RowTable
from gui.sidebar import Sign
from gui.state import State
from gui.widgets import Card, button, column, label, row, scrolling, sentence
from planner import library, units
from planner.charts.contents import Quality
from planner.errors import TrainplanError
from planner.writing import write_atomically

if TYPE_CHECKING:
    from planner.quality.frontier import Demand, Frontier, Point

WITHIN, WITHIN_TO = "Within 0.5 % from", "to"
SIDE_WIDTH, ROOM_FOR_SIDE = 296, 620
"""Pixels of the cards beside the chart, and of a page that has room for both."""
STACKED_HEIGHT = 560
"""Pixels that they take below each other."""
SOON_MS = 20
"""The verdict is painted before the law is asked."""
ADVICE = [
    Column("sign", "", is_words=True, tip="! the plan lies far from the advice"),
    Column("about", "About", is_words=True),
    Column("plan", "The plan", is_words=True),
    Column("advised", "Advised", is_words=True),
    Column("words", "What it says", is_words=True),
    Column("source", "Source", is_words=True),
]


class PerplexityPage(Page):
    """Size against perplexity at the plan's own compute or another budget."""

    key = "perplexity"
    run = Signal(list)
    cancel = Signal()
    is_automatic = False

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._state: State | None = None
        self._asked: tuple[Any, ...] = ()
        self._found: Frontier | None = None
        self._figures: dict[str, Any] = {}
        self._demand: tuple[Any, Demand | None] = (None, None)
        self._job: tuple[list[str], Callable[[Job], Any]] = ([], lambda job: None)
        self._soon = QTimer(self, singleShot=True, interval=SOON_MS)
        self._soon.timeout.connect(self._answer)
        self._make_widgets()
        self._build()

    # What is on screen.

    def _make_widgets(self) -> None:
        from gui.frontier_form import FrontierForm
        from gui.published_view import PublishedView
        from gui.token_view import TokenView

        self.form = FrontierForm()
        self.form.changed.connect(self._answer)
        self.form.fit_wanted.connect(self.ask_fit)
        self.form.helped.connect(self.help)
        self.verdict = label(bold=True, wrap=True)
        self.verdict.setObjectName("perplexity.verdict")
        self.chart = ChartView("size_against_perplexity", "Perplexity against size")
        self.chart.description = self.plan_text
        self.table = ChartTable("size_against_perplexity", "Perplexity against size, point by point")
        for view in (self.chart, self.table):
            view.failed.connect(self.failed)
            view.saved.connect(self.done)
        self.with_lines, self.with_family = (
            _check("perplexity.lines", "Other budgets"), _check("perplexity.family", "Llama 2")
        )  # fmt: skip
        for box in (self.with_lines, self.with_family):
            box.chosen.connect(lambda _: self._show_chart())
        self.published = PublishedView()
        self.published.chosen.connect(self._show_chart)
        self.published.export_wanted.connect(self.ask_export_published)
        self.tokens = TokenView()
        self.tokens.run.connect(lambda arguments: self._start(arguments, self.tokens.follow))
        self.tokens.failed.connect(self.failed)
        self.use = button("&Use this size", "perplexity.use")
        self.use.setToolTip("Scale the plan's model to the best size, trained on its tokens; one step to undo")
        self.use.clicked.connect(self.use_optimum)
        self._best, self._life, self._plan, self._price = Facts(), Facts(), Facts(), Facts()
        for facts in (self._best, self._life, self._plan, self._price):
            facts.opened.connect(self._open)
        self._warnings = label(role="muted", wrap=True, size=0.92)
        self._law_words = label(wrap=True)
        self._law_words.setObjectName("perplexity.about_law")
        self.advice = RowTable("perplexity.advice", "Advice for the recipe", ADVICE, bold=lambda one: one["sign"])
        self.advice.explained = frozenset({"advised"})
        self.advice.explain.connect(lambda line, _: self._explain_advice(line))
        self.published.table.explained = frozenset({"value"})
        self.published.table.explain.connect(
            lambda line, _: self.explain_figure.emit(self.published.shown[line].figure)
        )
        self.tokens.explain_figure.connect(self.explain_figure)
        self.chart.explain.connect(self.explain_figure)
        self.table.explain_figure.connect(self.explain_figure)

    def _build(self) -> None:
        self.tabs = QTabWidget()
        self.tabs.setObjectName("perplexity.tabs")
        self.tabs.setAccessibleName("Curve, table, published models, law, recipe, tokens")
        self.tabs.tabBar().setDrawBase(False)
        about = Card()
        about.body.addWidget(scrolling(column(self._law_words, None)))
        for widget, title in (
            (self._curve_tab(), "&Curve"), (column(self.table, margins=(0, 8, 0, 0)), "Ta&ble"),
            (self.published, "Publ&ished"), (column(about, margins=(0, 8, 0, 0)), "The la&w"),
            (column(self.advice, margins=(0, 8, 0, 0)), "&Recipe"), (self.tokens, "T&okens"),
        ):  # fmt: skip
            self.tabs.addTab(widget, title)
        self.tabs.currentChanged.connect(lambda number: self.tabs.cornerWidget().setVisible(number == 0))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        content = column(self.form, self.verdict, self.tabs, margins=(18, 12, 18, 12), spacing=8)
        content.layout().setStretch(2, 1)
        layout.addWidget(content)

    def _curve_tab(self) -> QWidget:
        picture = Card()
        picture.body.setContentsMargins(10, 6, 10, 8)
        picture.body.addWidget(self.chart, 1)
        shown = []
        for box in (self.with_lines, self.with_family):
            caption = QLabel(box.accessibleName())
            caption.setBuddy(box)
            shown += [box, caption]
        self.tabs.setCornerWidget(row(*shown, spacing=6))
        best, life, plan, price = (
            Card("Best use of the budget"), Card("Cheapest over the life"), Card("This plan"), Card("Off the optimum")
        )  # fmt: skip
        for card, facts in ((best, self._best), (life, self._life), (plan, self._plan), (price, self._price)):
            card.body.setContentsMargins(14, 10, 12, 10)
            card.add(facts)
        best.add(row(self.use, None))
        self._life_card, self._price_card = life, price
        self._side = scrolling(column(best, plan, life, price, self._warnings, None, margins=(0, 0, 4, 0), spacing=10))
        self._side.setFixedWidth(SIDE_WIDTH)
        self._body = row(picture, self._side, spacing=12)
        self._body.layout().setStretch(0, 1)
        return column(scrolling(self._body), margins=(0, 8, 0, 0))

    def resizeEvent(self, event: QResizeEvent) -> None:
        """The cards stand below the chart where there is no room beside it."""
        super().resizeEvent(event)
        wide = self.width() >= ROOM_FOR_SIDE
        directions = QBoxLayout.Direction
        self._body.layout().setDirection(directions.LeftToRight if wide else directions.TopToBottom)
        self._body.setMinimumHeight(0 if wide else STACKED_HEIGHT)
        self._side.setMaximumWidth(SIDE_WIDTH if wide else self.maximumWidth())

    def show_state(self, state: State) -> None:
        """Answer for the plan as it is now."""
        self._state = state
        self.tokens.show_plan(state.plan)
        self._soon.start()

    # The answer.

    def _answer(self) -> None:
        estimate = self._state.estimate if self._state else None
        asked = (estimate, self.form.asked())
        if estimate is None or asked == self._asked:
            return
        from planner.quality.budget import Training
        from planner.quality.frontier import frontier

        training = Training.of(estimate)
        try:
            unique = units.parse(text, "tokens") if (text := asked[1].unique_tokens) else None
        except TrainplanError as error:
            self.form.say(str(error), "unique")
            return
        try:
            budget = self.form.parsed_budget()
            found = frontier(
                budget, law=asked[1].law, training=training, unique_tokens=unique, demand=self._demand_of(estimate)
            )
        except TrainplanError as error:
            self.form.say(str(error), "unique" if "repeated data" in str(error) else "budget")
            return
        self._asked = asked
        self.form.say("")
        self.form.show_budget(training, found.budget_flops, budget)
        self._show(found)

    def _demand_of(self, estimate: Any) -> Demand | None:
        """What the plan serves, asked once for an estimate; None where it cannot be served."""
        if self._demand[0] is not estimate:
            from planner.quality.lifetime import demand

            try:
                self._demand = (estimate, demand(estimate))
            except TrainplanError:
                self._demand = (estimate, None)
        return self._demand[1]

    def _show(self, found: Frontier) -> None:
        self._found = found
        self.verdict.setText(f"{found.verdict}.")
        self._show_chart()
        self._figures = {}
        self._best.show_facts(_point(found.optimum, found.bands), _keys("optimum"))
        self._plan.show_facts(_plan_facts(found), _keys("plan"))
        self._life.show_facts(_life_facts(found), _keys("lifetime"))
        self._life_card.setVisible(found.lifetime is not None)
        self._show_prices(found)
        self._warnings.setText("\n".join(f"! {sentence(warning)}" for warning in found.warnings))
        self._law_words.setText("\n\n".join(found.law.words))
        self._show_advice(found)

    def _show_chart(self) -> None:
        if self._found is None:
            return
        group = self.published.group
        shown = Quality(
            self._found, (group,) if group else (), with_family=self.with_family.isChecked(),
            with_lines=self.with_lines.isChecked(),
        )  # fmt: skip
        self.chart.show_data(shown)
        self.table.show_data(shown)

    def _show_prices(self, found: Frontier) -> None:
        from planner.quality.frontier import off_optimum, same_quality_sizes

        facts = [
            (words, "never" if ratio == float("inf") else f"{ratio:.3g}× compute")
            for words, ratio in off_optimum(found)
        ]
        keys = {words: f"off.{words}" for words, _ in facts} | {WITHIN: "flat.smallest", WITHIN_TO: "flat.largest"}
        flat = same_quality_sizes(found.law, found.budget_flops) if found.unique_tokens is None else None
        if flat:
            facts += [(WITHIN, units.show(flat[0])), (WITHIN_TO, units.show(flat[1]))]
        self._price.show_facts(facts, keys)
        self._price_card.setVisible(bool(facts))

    def _open(self, key: str) -> None:
        """The derivation of a fact; all are worked out when the first is asked for."""
        from planner.quality.frontier_figures import figures

        if self._found is not None:
            self._figures = self._figures or figures(self._found, self._asked[0])
            self.explain_figure.emit(self._figures[key])

    def _show_advice(self, found: Frontier) -> None:
        from planner.quality.recipe import hints

        if self._state is None or self._state.estimate is None:
            return
        rows = [{**vars(one), "sign": "!" if one.is_notable else ""} for one in hints(self._state.estimate, found.law)]
        self.advice.show_rows(rows, "No advice.")

    def _explain_advice(self, line: int) -> None:
        figure = self.advice.rows.rows[line]["figure"]
        if figure is not None:
            self.explain_figure.emit(figure)

    # What one can do.

    def use_optimum(self) -> None:
        """Give the plan the best size and its tokens, as one step that can be undone."""
        if self._found is None:
            return
        from planner.quality.sizes import plan_of_size

        plan, best = self.document.plan, self._found.optimum
        try:
            scaled = plan_of_size(plan, best.parameters, best.tokens)
            sections = ("model", "recipe", "layout")
            changes = {name: getattr(scaled, name).model_dump() for name in sections}
            self.document.apply(changes, f"size: {units.show(best.parameters)}")
        except TrainplanError as error:
            self.failed.emit(str(error))
        else:
            self.done.emit(f"The plan now trains {scaled.model.name}. Ctrl+Z takes it back.")

    def ask_fit(self) -> None:
        """Fit a law to a file of points, with the file dialog."""
        name, _ = QFileDialog.getOpenFileName(self, "Points to fit a law to", QDir.homePath(), "Table (*.csv)")
        if name:
            self.fit(Path(name))

    def fit(self, points: Path) -> None:
        """Fit a law to points; it is kept in the user's folder and chosen."""
        folder = library.user_folder() / "laws"
        folder.mkdir(parents=True, exist_ok=True)
        law = folder / f"{library.slug(points.stem) or 'own'}.json"
        self.form.fit.setEnabled(False)
        self._start(
            ["fit", str(points), "--out", str(law), "--events"],
            lambda job: job.ended.connect(lambda outcome: self._fitted(outcome, law)),
        )

    def _fitted(self, outcome: Outcome, law: Path) -> None:
        self.form.fit.setEnabled(True)
        if outcome.status != "done":
            self.failed.emit(f"The fit {outcome.status}: {outcome.message}")
            return
        self.form.fill_laws(law.stem)
        self._answer()
        told = outcome.result
        self.done.emit(f"Fitted to {told['n']} points in {told['seconds']:.2f} s; kept as {law.stem}")
        if told["warnings"]:
            self.failed.emit("\n".join(told["warnings"]))

    def _start(self, arguments: list[str], follower: Callable[[Job], Any]) -> None:
        self._job = arguments, follower
        self.begin()

    def begin(self) -> None:
        """Run the last job: the fit, or the tokens."""
        self.run.emit(self._job[0])

    def follow(self, job: Job) -> None:
        """Show a job as it goes."""
        self._job[1](job)

    def ask_export_published(self) -> None:
        """Export the published rows that are shown, with the file dialog."""
        name, _ = QFileDialog.getSaveFileName(self, "Export table", "published-perplexities.csv", "Table (*.csv)")
        if name:
            self.export_published(Path(name) if Path(name).suffix else Path(f"{name}.csv"))

    def export_published(self, path: Path) -> None:
        """Write the published rows that are shown as CSV."""
        try:
            write_atomically(path, self.published.csv())
        except TrainplanError as error:
            self.failed.emit(str(error))
        else:
            self.done.emit(f"Table written to {path}")

    @classmethod
    def sign(cls, state: State) -> Sign:
        """Ready as soon as there is an estimate."""
        return (
            Sign("✓", "good", "answered")
            if state.estimate and not state.is_stale
            else Sign("…", "muted", "waiting for a valid input")
        )


def _check(name: str, words: str) -> CheckField:
    made = CheckField()
    made.setObjectName(name)
    made.setAccessibleName(words)
    made.setChecked(True)
    return made


def _point(point: Point, bands: dict[str, tuple[float, float]] | None = None) -> list[tuple[str, str]]:
    def banded(name: str, value: float) -> str:
        low, high = (bands or {}).get(name, (None, None))
        return units.show(value) + (f"  ({units.show(low)} – {units.show(high)})" if low is not None else "")

    perplexity = f"{point.perplexity:.3f}" if point.perplexity is not None else "the law gives none"
    if point.low is not None and point.high is not None:
        perplexity += f"  ({point.low:.3f} – {point.high:.3f})"
    return [
        ("Parameters", banded("parameters", point.parameters)),
        ("Tokens", banded("tokens", point.tokens)),
        ("Each sees", f"{point.tokens / point.parameters:.3g} tokens"),
        ("Perplexity", perplexity),
    ]


def _plan_facts(found: Frontier) -> list[tuple[str, str]]:
    from planner.quality.budget import show_budget

    if found.plan is None:
        return []
    ratio = found.plan.compute_ratio
    excess = [("Least compute ×", f"{ratio:.3g}×")] if ratio is not None else []
    return [("Compute", show_budget(found.plan.flops, "FLOP")), *_point(found.plan.point), *excess]


def _keys(prefix: str) -> dict[str, str]:
    """Of the figures that the facts are, by the facts' names."""
    named = {
        "Parameters": "parameters", "Tokens": "tokens", "Each sees": "each", "Perplexity": "perplexity",
        "Compute": "flops", "Least compute ×": "ratio", "Training": "ratio", "To serve": "served",
    }  # fmt: skip
    return {name: f"{prefix}.{key}" for name, key in named.items()}


def _life_facts(found: Frontier) -> list[tuple[str, str]]:
    if found.lifetime is None or found.demand is None:
        return []
    return [
        ("To serve", units.show(found.demand.served_tokens, "tokens")), *_point(found.lifetime)[:3],
        ("Training", f"{found.lifetime.compute_ratio:.3g}× the budget"),
    ]  # fmt: skip
