"""The Perplexity page: what size and what data a budget is best spent on, under a law, and where the plan stands."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QLabel, QVBoxLayout

from gui.chart_view import ChartView
from gui.document import Document
from gui.fields import ComboField, TextField, mark
from gui.forms import QUIET_MS, sentence
from gui.pages.page import Facts, Page
from gui.sidebar import Sign
from gui.state import State
from gui.widgets import Card, column, label, row, scrolling
from planner import units
from planner.errors import TrainplanError

if TYPE_CHECKING:
    from planner.quality.frontier import Frontier, Point

SOON_MS = 20
"""The verdict is painted before the law is asked."""


class PerplexityPage(Page):
    """Size against perplexity at the plan's own compute or another budget."""

    key, title, group = "perplexity", "Perplexity", "Answer"

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._state: State | None = None
        self._asked: tuple[Any, ...] = ()
        self._make_inputs()
        self.chart = ChartView("size_against_perplexity", "Perplexity against size")
        self.chart.setMinimumHeight(300)
        self.chart.failed.connect(self.failed)
        self.chart.saved.connect(self.done)
        self.chart.description = self.plan_text
        self._best, self._plan = Facts(), Facts()
        self._warnings = label(role="muted", wrap=True, size=0.92)
        self._build()

    def _make_inputs(self) -> None:
        from planner.quality import laws

        found = [laws.law(name) for name in laws.names()]
        self.law = ComboField([(law.title, law.name) for law in found if law.gives_loss])
        self.law.setObjectName("perplexity.law")
        self.law.setAccessibleName("Scaling law")
        self.law.setMaximumWidth(380)
        self.law.show_value(laws.DEFAULT)
        self.law.chosen.connect(lambda _: self._answer())
        self.budget = TextField("FLOP", is_number=False)
        self.budget.setObjectName("perplexity.budget")
        self.budget.setAccessibleName("Budget")
        self.budget.setPlaceholderText("the plan's own compute")
        self.budget.setToolTip("1e24 FLOP, $2M, 3M GPU-hours, 30 days, 500 MWh, 31 t; blank: the plan's own compute")
        self.budget.setFixedWidth(214)
        self._soon = QTimer(self, singleShot=True, interval=SOON_MS)
        self._soon.timeout.connect(self._answer)
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self._answer)
        self.budget.typed.connect(lambda _: self._quiet.start())
        self.budget.left.connect(lambda _: self._answer())
        self._message = label(role="error", wrap=True)
        self._message.setObjectName("perplexity.budget.message")
        self._message.hide()

    def _build(self) -> None:
        captions = [QLabel("&Law"), QLabel("&Budget")]
        captions[0].setBuddy(self.law)
        captions[1].setBuddy(self.budget)
        inputs = Card()
        inputs.add(row(captions[0], self.law, captions[1], self.budget, None, spacing=10), self._message)
        picture = Card()
        picture.body.addWidget(self.chart, 1)
        best, plan = Card("Best use of the budget"), Card("This plan")
        best.body.addWidget(self._best)
        plan.body.addWidget(self._plan)
        side = scrolling(column(best, plan, self._warnings, None, margins=(0, 0, 4, 0)))
        side.setFixedWidth(312)
        body = row(picture, side, spacing=14)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        content = column(inputs, body, margins=(18, 16, 18, 16))
        content.layout().setStretch(1, 1)
        body.layout().setStretch(0, 1)
        layout.addWidget(content)

    def show_state(self, state: State) -> None:
        """Answer for the plan as it is now."""
        self._state = state
        self._soon.start()

    def _answer(self) -> None:
        estimate = self._state.estimate if self._state else None
        asked = (estimate, self.law.currentData(), self.budget.text().strip())
        if estimate is None or asked == self._asked:
            return
        from planner.quality.frontier import Training, frontier, parse_budget

        try:
            budget = parse_budget(asked[2]) if asked[2] else None
            training = Training.of_estimate(estimate.plan.name, estimate.plan.recipe.tokens, estimate.json)
            found = frontier(budget, law=asked[1], training=training)
        except TrainplanError as error:
            self._say(str(error))
            return
        self._asked = asked
        self._say("")
        self._show(found)

    def _say(self, message: str) -> None:
        self._message.setText(f"✕ {sentence(message)}" if message else "")
        self._message.setVisible(bool(message))
        mark(self.budget, "invalid", "true" if message else "false")

    def _show(self, found: Frontier) -> None:
        from planner.quality.frontier import show_budget

        self.chart.show_data(found)
        self._best.show_facts([("Budget", show_budget(found.budget_flops, "FLOP")), *_point(found.optimum)])
        if found.plan is not None:
            ratio = found.plan.compute_ratio
            excess = [("Least compute ×", f"{ratio:.3g}×")] if ratio is not None else []
            self._plan.show_facts(
                [("Compute", show_budget(found.plan.flops, "FLOP")), *_point(found.plan.point), *excess]
            )
        self._warnings.setText("\n".join(f"! {sentence(warning)}" for warning in found.warnings))

    @classmethod
    def sign(cls, state: State) -> Sign:
        """Ready as soon as there is an estimate."""
        return (
            Sign("✓", "good", "answered")
            if state.estimate and not state.is_stale
            else Sign("…", "muted", "waiting for a valid input")
        )


def _point(point: Point) -> list[tuple[str, str]]:
    perplexity = f"{point.perplexity:.3f}" if point.perplexity is not None else "the law gives none"
    if point.low is not None and point.high is not None:
        perplexity += f"  ({point.low:.3f} – {point.high:.3f})"
    return [
        ("Parameters", units.show(point.parameters, "")),
        ("Tokens", units.show(point.tokens, "")),
        ("Perplexity", perplexity),
    ]
