"""What all pages have in common: a key, a title, a sign, and how they show a state."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from PySide6.QtCore import Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QBoxLayout, QHBoxLayout, QWidget

from gui.chart_view import ChartView
from gui.derived import blanks
from gui.document import Document
from gui.forms import FieldSpec, Form
from gui.pages import PAGES
from gui.sidebar import Sign
from gui.state import State
from gui.widgets import column, scrolling
from planner.plan import file
from planner.plan.plan import Plan

ROOM_FOR_BOTH = 620
"""Pixels of a page from which the forms and what follows from them stand side by side."""


class Page(QWidget):
    """Builds widgets, shows a state, emits intent. No arithmetic and no threads."""

    key: ClassVar[str]
    title: ClassVar[str]
    sections: ClassVar[tuple[str, ...]]

    explain = Signal(str)
    """Open the derivation of one of the estimate's figures, by key."""
    explain_figure = Signal(object)
    """Open the derivation of a figure that is not the estimate's."""
    help = Signal(str)
    """What the field is that one is in."""
    failed = Signal(str)
    done = Signal(str)
    forms: Sequence[Form] = ()
    """The forms whose fields one may be taken to."""
    last: Sign | None = None
    """How this page's last job ended; of one window only, as is the page."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for entry in PAGES:
            if entry.key == getattr(cls, "key", ""):
                cls.title, cls.sections = entry.title, entry.sections

    def __init__(self, document: Document) -> None:
        super().__init__()
        self.document = document
        self.setObjectName("page")
        self.setAccessibleName(self.title)

    def show_state(self, state: State) -> None:
        """Show the plan and its estimate."""

    def reset(self, plan: Plan) -> None:
        """Forget what is typed and not part of the plan."""

    def forget_estimates(self) -> None:
        """What estimates rest on has changed: none that the page keeps may be shown any more."""

    def focus_field(self, path: str) -> bool:
        """Put the cursor into a field; False where this page has none of that path."""
        return False

    @property
    def chart_views(self) -> list[ChartView]:
        """All of the page's, seen or not."""
        return self.findChildren(ChartView)

    def job_name(self, arguments: list[str]) -> str:
        """What a job of this page's is called while it runs."""
        return self.title

    def plan_text(self) -> str:
        """The plan file, to be embedded in what is exported."""
        return file.to_text(self.document.plan)

    @classmethod
    def sign(cls, state: State) -> Sign:
        """The page's state in the list of pages."""
        return Sign()


class DescribePage(Page):
    """A page of forms on the left and what follows from them on the right."""

    def _build(self, left: list[QWidget], right: list[QWidget]) -> None:
        self.forms = [widget for widget in left if isinstance(widget, Form)]
        for form in self.forms:
            form.focused.connect(self._help)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        forms = column(*left, None, margins=(18, 16, 8, 18))
        side = column(*right, None, margins=(8, 16, 18, 18))
        left_side = scrolling(forms)
        left_side.setMaximumWidth(720)
        layout.addWidget(left_side, 6)
        layout.addWidget(scrolling(side), 5)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """What follows stands below the forms where there is no room beside them."""
        super().resizeEvent(event)
        directions = QBoxLayout.Direction
        wide = self.width() >= ROOM_FOR_BOTH
        self.layout().setDirection(directions.LeftToRight if wide else directions.TopToBottom)

    def show_state(self, state: State) -> None:
        """Show all forms."""
        blank = blanks(state.plan)
        for form in self.forms:
            form.show_state(state, blank)

    def reset(self, plan: Plan) -> None:
        """Forget what is typed in any form."""
        for form in self.forms:
            form.reset(plan)

    def focus_field(self, path: str) -> bool:
        """Put the cursor into a field."""
        return any(form.focus(path) for form in self.forms)

    def _help(self, spec: FieldSpec) -> None:
        self.help.emit(f"{spec.title}: {spec.description}   ·   {spec.path}")

    @classmethod
    def sign(cls, state: State) -> Sign:
        """A tick, or the worst problem of the page's sections."""
        problems = state.problems_under(*cls.sections)
        errors = [problem for problem in problems if problem.severity == "error"]
        if errors:
            return Sign("✕", "bad", f"{len(errors)} error{'s' if len(errors) > 1 else ''}: {errors[0].message}")
        if problems:
            return Sign(
                "!", "warning", f"{len(problems)} warning{'s' if len(problems) > 1 else ''}: {problems[0].message}"
            )
        return Sign("✓", "good", "complete")
