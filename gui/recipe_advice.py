"""What scaling laws advise on the batch and the learning rate, beside the recipe's fields: each explained, a batch
taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QSizePolicy, QWidget

from gui.facts import FigureLabel
from gui.style_sheet import mark
from gui.theme import scaled
from gui.widgets import Card, button, column, plain, sentence

if TYPE_CHECKING:
    from planner.estimate import Estimate
    from planner.quality.recipe import Hint

SOON_MS = 30
"""The verdict is painted first."""
ABOUT = {"Critical batch": "critical", "Batch by the data": "by_data", "Learning rate": "learning_rate"}
"""The pieces of advice that concern the recipe's size of a step, and the names of their lines."""


class RecipeAdvice(Card):
    """Emits `taken` with the changes of the plan and their words."""

    taken = Signal(dict, str)
    explain_figure = Signal(object)

    def __init__(self) -> None:
        super().__init__("What batch, what learning rate?", "training.advice")
        self._estimate: Estimate | None = None
        self._soon = QTimer(self, singleShot=True, interval=SOON_MS)
        self._soon.timeout.connect(self._advise)
        self._lines = {about: _Line(f"advice.{name}") for about, name in ABOUT.items()}
        for line in self._lines.values():
            line.taken.connect(self.taken)
            line.explain_figure.connect(self.explain_figure)
            line.hide()
            self.add(line)

    def show_estimate(self, estimate: Estimate | None) -> None:
        """Advise on another plan."""
        if estimate is not self._estimate:
            self._estimate = estimate
            self._soon.start()

    def _advise(self) -> None:
        if self._estimate is None:
            return
        from planner.quality.recipe import hints

        found = {one.about: one for one in hints(self._estimate)}
        for about, line in self._lines.items():
            line.setVisible(about in found)
            if about in found:
                line.show_hint(found[about])


class _Line(QWidget):
    """One piece of advice: what it says, where it is from, and a button where the plan has such a field."""

    taken = Signal(dict, str)
    explain_figure = Signal(object)

    def __init__(self, name: str) -> None:
        super().__init__()
        self._hint: Hint | None = None
        self._value = FigureLabel(f"{name}.words")
        self._value.opened.connect(lambda _: self.explain_figure.emit(self._hint.figure))
        self._why = FigureLabel(f"{name}.why")
        self._why.setFont(scaled(self._why.font(), 0.92))
        mark(self._why, "role", "muted")
        for one in (self._value, self._why):
            policy = one.sizePolicy()  # a new one would forget that the height follows from the width
            policy.setHorizontalPolicy(QSizePolicy.Policy.Expanding)
            one.setSizePolicy(policy)
        self.use = button("Use", f"{name}.use")
        self.use.clicked.connect(self._take)
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(12)
        line.addWidget(column(self._value, self._why, spacing=2), 1)
        line.addWidget(self.use, 0, Qt.AlignmentFlag.AlignTop)

    def show_hint(self, hint: Hint) -> None:
        """Show it; what the plan has already need not be taken, and a field that it lacks cannot."""
        self._hint = hint
        sequences = hint.changes.get("recipe.global_batch")
        text = f"{hint.about}: {hint.advised}{' tokens' if hint.path else ''}"
        text += f" ({sequences:,} sequences fit the layout)" if sequences else ""
        self._value.show_text(text, hint.figure.key if hint.figure else "", hint.about)
        self._why.show_text(f"{'! ' if hint.is_notable else ''}{sentence(hint.words)}. {first_source(hint.source)}.")
        self._why.setToolTip(plain(f"Source: {hint.source}"))
        self.use.setVisible(bool(hint.path))
        self.use.setEnabled(bool(hint.changes))
        self.use.setText("Use" if hint.changes else "✓ used")
        self.use.setAccessibleName(f"Use the {hint.about.lower()}")

    def _take(self) -> None:
        if self._hint is not None and self._hint.changes:
            batch: Any = self._hint.changes["recipe.global_batch"]
            self.taken.emit(self._hint.changes, f"global batch of {batch:,} sequences")


def first_source(source: str) -> str:
    """The first work that a source names; the rest stands in the tip."""
    return source.partition(";")[0]
