"""The verdict: one sentence and the headline figures, above every page, following every edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QFont, QMouseEvent, QResizeEvent
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from gui.style_sheet import mark
from gui.theme import scaled
from gui.widgets import label, plain

if TYPE_CHECKING:
    from gui.state import State

HEADLINES = {"memory.total": "Memory a GPU", "time.training": "Time", "money.total": "Cost", "time.mfu": "MFU"}
ROOM_FOR_LARGE = 900
"""Pixels of a panel whose sentence takes two lines in larger type beside widely set headlines."""


class VerdictPanel(QFrame):
    """Says what the plan comes to. Greyed, with the reason, while an input is invalid."""

    explain = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("verdict")
        self.setAccessibleName("Verdict")
        self.setProperty("tone", "stale")
        layout = QHBoxLayout(self)
        layout.setContentsMargins(18, 10, 18, 10)
        layout.setSpacing(26)
        texts = QVBoxLayout()
        texts.setSpacing(3)
        self.name = label(role="muted", size=0.88)
        self.sentence = label("Estimating…", size=1.12, bold=True, wrap=True)
        self.sentence.setObjectName("verdict.sentence")
        self._fonts = scaled(self.font(), 1.0, QFont.Weight.DemiBold), self.sentence.font()
        texts.addStretch(1)
        texts.addWidget(self.name)
        texts.addWidget(self.sentence)
        texts.addStretch(1)
        layout.addLayout(texts, 1)
        self._headlines = QWidget()
        self._grid = QGridLayout(self._headlines)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(26)
        self._grid.setVerticalSpacing(3)
        self._values: dict[str, QLabel] = {}
        for column, (key, title) in enumerate(HEADLINES.items()):
            value = _Headline(key)
            value.opened.connect(self.explain)
            value.setObjectName(f"verdict.{key}")
            value.setAccessibleName(title)
            self._values[key] = value
            self._grid.addWidget(label(title, "muted", size=0.88), 0, column)
            self._grid.addWidget(value, 1, column)
        layout.addWidget(self._headlines)

    def show_headlines(self, shown: bool) -> None:
        """Beside the sentence, or not where the page itself shows them."""
        self._headlines.setVisible(shown)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """A narrow panel takes smaller type, so that the sentence stays short of three lines."""
        super().resizeEvent(event)
        wide = self.width() >= ROOM_FOR_LARGE
        self.sentence.setFont(self._fonts[wide])
        self._grid.setHorizontalSpacing(26 if wide else 18)

    def show_state(self, state: State) -> None:
        """Show the estimate, or why there is none for what is typed."""
        estimate = state.estimate
        self.name.setText(_line(state))
        if state.is_stale or estimate is None:
            mark(self, "tone", "stale")
            self.sentence.setText(_waiting(state) if state.blocking else "Estimating…")
        else:
            mark(self, "tone", "good" if estimate.fits else "bad")
            self.sentence.setText(estimate.verdict)
        for key, value in self._values.items():
            figure = estimate.figures.get(key) if estimate else None
            value.setText(figure.text if figure else "–")
            value.setToolTip(
                plain(f"{figure.label}: {figure.text} ({figure.band_text}), {figure.kind}") if figure else ""
            )
            mark(value, "role", "muted" if state.is_stale else "")
        self.setAccessibleDescription(self.sentence.text())


class _Headline(QLabel):
    """One figure. A click opens its derivation; for the keyboard it stands on Results."""

    opened = Signal(str)

    def __init__(self, key: str) -> None:
        super().__init__("–")
        self._key = key
        self.setFont(scaled(self.font(), 1.12, QFont.Weight.DemiBold))
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setCursor(Qt.CursorShape.PointingHandCursor)

    def mousePressEvent(self, event: QMouseEvent) -> None:
        """A click opens the derivation."""
        self.opened.emit(self._key)


def _line(state: State) -> str:
    plan = state.plan
    return f"{plan.name}  ·  {plan.model.name} on {plan.cluster.gpus:,} × {plan.cluster.accelerator.name}"


def _waiting(state: State) -> str:
    if state.reading and not state.invalid:
        follows = " These are the numbers before it." if state.estimate else ""
        return f"{state.reading}; the estimate follows.{follows}"
    errors = sum(problem.severity == "error" for problem in state.problems)
    count = "one error" if errors == 1 else f"{errors} errors"
    return f"Waiting for {count} to be mended. These were the last good numbers."
