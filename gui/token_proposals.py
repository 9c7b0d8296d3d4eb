"""How many tokens? What a budget pays for and what is compute-optimal, each with what the law expects, to be taken."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QSizePolicy, QWidget

from gui.facts import FigureLabel
from gui.fields import TextField
from gui.forms import QUIET_MS
from gui.style_sheet import mark
from gui.widgets import Card, button, column, label, row, sentence
from planner import units
from planner.errors import TrainplanError

if TYPE_CHECKING:
    from planner.estimate import Estimate
    from planner.scenarios.tokens import Proposal

TIP = "What the training may cost or take: $300k, 30 days, 100k GPU-hours, 1e23 FLOP, 80 MWh or 30 t"
SOON_MS = 20
"""The verdict is painted first."""


class TokenProposals(Card):
    """Emits `taken` with a number of tokens for the plan (an object: Qt's int has 32 bits)."""

    taken = Signal(object)
    helped = Signal(str)
    explain_figure = Signal(object)

    def __init__(self) -> None:
        super().__init__("How many tokens?", "tokens.proposals")
        self._estimate: Estimate | None = None
        self._quiet = QTimer(self, singleShot=True, interval=QUIET_MS)
        self._quiet.timeout.connect(self._propose)
        self._soon = QTimer(self, singleShot=True, interval=SOON_MS)
        self._soon.timeout.connect(self._propose)
        self.budget = TextField("", is_number=False)
        self.budget.setObjectName("tokens.budget")
        self.budget.setAccessibleName("Budget for the tokens")
        self.budget.setPlaceholderText("$300k or 30 days")
        self.budget.setToolTip(TIP)
        self.budget.typed.connect(lambda _: self._quiet.start())
        self.budget.left.connect(lambda _: self._propose())
        self.budget.entered.connect(lambda: self.helped.emit(f"Budget: {TIP}"))
        caption = QLabel("&Within")
        caption.setBuddy(self.budget)
        line = row(caption, self.budget, spacing=12)
        line.layout().setStretch(1, 1)
        self._message = label(role="error", wrap=True)
        self._message.setObjectName("tokens.budget.message")
        self.within, self.optimal = _Line("tokens.within"), _Line("tokens.optimal")
        self.add(line, self._message, self.within, self.optimal)
        for one in (self.within, self.optimal):
            one.taken.connect(self.taken)
            one.explain_figure.connect(self.explain_figure)
        self._message.hide()
        self.within.hide()

    def show_estimate(self, estimate: Estimate | None) -> None:
        """Propose for another plan."""
        if estimate is not self._estimate:
            self._estimate = estimate
            self._soon.start()

    def _propose(self) -> None:
        self._quiet.stop()
        if self._estimate is None:
            return
        from planner.scenarios.tokens import compute_optimal, within_budget

        now, text, found, message = self._estimate.plan.recipe.tokens, self.budget.text().strip(), None, ""
        self.optimal.show_proposal(compute_optimal(self._estimate), now)
        if text:
            try:
                found = within_budget(self._estimate, text)
            except TrainplanError as error:
                message = f"✕ {sentence(str(error))}"
        self.within.setVisible(found is not None)
        if found is not None:
            self.within.show_proposal(found, now)
        self._message.setText(message)
        self._message.setVisible(bool(message))
        mark(self.budget, "invalid", "true" if message else "false")


class _Line(QWidget):
    """One proposal and its button."""

    taken = Signal(object)
    explain_figure = Signal(object)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._tokens, self._figures = 0, {}
        self._words, self._expected = FigureLabel(f"{name}.words"), FigureLabel(f"{name}.perplexity")
        for one in (self._words, self._expected):
            one.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
            one.opened.connect(lambda key: self.explain_figure.emit(self._figures[key]))
        mark(self._expected, "role", "muted")
        self.use = button("Use", f"{name}.use")
        self.use.clicked.connect(lambda: self.taken.emit(self._tokens))
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(12)
        line.addWidget(column(self._words, self._expected, spacing=2), 1)
        line.addWidget(self.use, 0, Qt.AlignmentFlag.AlignTop)

    def show_proposal(self, found: Proposal, now: int) -> None:
        """Show it; what the plan has already need not be taken."""
        self._tokens, point = found.tokens, found.point
        self._figures = {one.key: one for one in (found.figure, found.perplexity)}
        each = units.show(point.tokens / point.parameters)
        said = f"{found.words}: {units.show(point.tokens)} tokens, {each} a parameter"
        self._words.show_text(said, found.figure.key, found.figure.label)
        if point.perplexity is not None:
            band = f" ({point.low:.2f} – {point.high:.2f})" if point.low is not None else ""
            words = f"perplexity {point.perplexity:.2f}{band}"
            self._expected.show_text(words, found.perplexity.key, "What the default law expects")
        self._expected.setVisible(point.perplexity is not None)
        self.use.setEnabled(found.tokens != now)
        self.use.setText("Use" if found.tokens != now else "✓ used")
        self.use.setAccessibleName(f"Train on {units.show(point.tokens)} tokens")
