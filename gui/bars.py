"""The bars above the pages: notices (an error, an offer to recover) and the plan's problems."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from gui.style_sheet import mark
from gui.widgets import button, clear, label, sentence

if TYPE_CHECKING:
    from planner.plan.check import Problem

SHOWN = 2


class NoticeBar(QFrame):
    """One message with buttons; stays until it is answered or closed."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.setObjectName(name)
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(18, 8, 12, 8)
        self._text = label(wrap=True)
        self._text.setObjectName(f"{name}.text")
        self._layout.addWidget(self._text, 1)
        self._buttons = QHBoxLayout()
        self._layout.addLayout(self._buttons)
        self.hide()

    @property
    def text(self) -> str:
        """What it says, empty while hidden."""
        return self._text.text() if not self.isHidden() else ""

    def say(self, text: str, tone: str = "error", actions: dict[str, Callable[[], None]] | None = None) -> None:
        """Show a message (`error` or `information`) with a button for each action, and Close."""
        clear(self._buttons)
        self._text.setText(f"{'✕' if tone == 'error' else '●'}  {text}")
        self.setAccessibleName(text)
        mark(self, "notice", tone)
        for name, act in {**(actions or {}), "Close": lambda: None}.items():
            made = button(name, f"{self.objectName()}.{name.lower().replace(' ', '_')}", flat=name == "Close")
            made.clicked.connect(lambda _=False, act=act: (self.hide(), act()))
            self._buttons.addWidget(made)
        self.show()


class ProblemBar(QFrame):
    """The plan's problems; a click focuses the field, a button applies the suggestion."""

    go_to = Signal(str)
    apply = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("problems")
        self.setAccessibleName("Problems of the plan")
        self._rows = QVBoxLayout(self)
        self._rows.setContentsMargins(18, 6, 12, 6)
        self._rows.setSpacing(2)
        self._shown: list[Problem] = []
        self._is_open = False
        self.hide()

    def show_problems(self, problems: list[Problem]) -> None:
        """Show the first few; the rest unfolds."""
        if problems == self._shown and self._rows.count():
            return
        self._shown = problems
        self._rebuild()

    def _rebuild(self) -> None:
        clear(self._rows)
        problems = self._shown
        mark(self, "tone", "bad" if any(problem.severity == "error" for problem in problems) else "warning")
        limit = len(problems) if self._is_open or len(problems) == SHOWN + 1 else SHOWN
        for number, problem in enumerate(problems[:limit]):
            self._rows.addWidget(self._row(number, problem))
        if len(problems) > SHOWN + 1:
            more = button(
                "Show fewer" if self._is_open else f"{len(problems) - SHOWN} more problems", "problems.more", flat=True
            )
            more.clicked.connect(self._toggle)
            self._rows.addWidget(more, 0, Qt.AlignmentFlag.AlignLeft)
        self.setVisible(bool(problems))

    def _toggle(self) -> None:
        self._is_open = not self._is_open
        self._rebuild()

    def _row(self, number: int, problem: Problem) -> QWidget:
        made = QWidget()
        layout = QHBoxLayout(made)
        layout.setContentsMargins(0, 0, 0, 0)
        sign = QLabel("✕" if problem.severity == "error" else "!")
        mark(sign, "role", problem.severity)
        sign.setFixedWidth(14)
        layout.addWidget(sign)
        text = label(sentence(problem.message) + (f" — {problem.suggestion}." if problem.suggestion else ""), wrap=True)
        text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        layout.addWidget(text, 1)
        if problem.path:
            where = button(problem.path, f"problems.{number}.go", flat=True)
            where.setToolTip("Go to the field")
            where.setAccessibleName(f"Go to {problem.path}")
            where.clicked.connect(lambda: self.go_to.emit(problem.path))
            layout.addWidget(where)
        if problem.changes:
            mend = button("Apply", f"problems.{number}.apply")
            mend.setAccessibleName(f"Apply: {problem.suggestion}")
            mend.clicked.connect(lambda: self.apply.emit(problem))
            layout.addWidget(mend)
        return made
