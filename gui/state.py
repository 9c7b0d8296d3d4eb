"""What the pages show: the plan, its estimate, what is wrong. Made anew after every edit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from gui.document import Document
from planner.errors import NotReadError, TrainplanError
from planner.plan.check import Problem, check
from planner.plan.plan import Plan
from planner.plan.section import PlanError

if TYPE_CHECKING:
    from planner.estimate import Estimate


@dataclass(frozen=True)
class State:
    """One moment of the document. `estimate` is the last good one; it is stale while inputs are invalid."""

    plan: Plan
    estimate: Estimate | None
    found: tuple[Problem, ...] = ()
    invalid: Mapping[str, str] = field(default_factory=dict)
    failure: str = ""
    reading: str = ""
    """What the estimate waits for: a measured profile is being read."""

    @property
    def is_stale(self) -> bool:
        """The estimate does not answer what is typed now."""
        return bool(self.invalid or self.failure or self.reading)

    @property
    def problems(self) -> list[Problem]:
        """Invalid inputs first, then what the planner found."""
        typed = [Problem(path, "error", message) for path, message in self.invalid.items()]
        if self.failure and not self.found:
            typed.append(Problem("", "error", self.failure))
        return typed + list(self.found)

    @property
    def blocking(self) -> str:
        """Why nothing may be run or exported now; empty when it may."""
        if self.invalid:
            path, message = next(iter(self.invalid.items()))
            return f"{path}: {message}"
        return self.failure or self.reading

    def problems_under(self, *prefixes: str) -> list[Problem]:
        """The problems of some sections of the plan."""
        return [problem for problem in self.problems if problem.path.startswith(prefixes)]


class Estimator(QObject):
    """Turns each change of the document into a state, once a pass of the event loop, however many edits came."""

    state_changed = Signal(object)

    def __init__(self, document: Document, estimate: Callable[[Plan], Estimate] | None = None) -> None:
        super().__init__(document)
        self._document = document
        self._estimate = estimate
        self._timer = QTimer(self, singleShot=True, interval=0)
        self._timer.timeout.connect(self.update_now)
        self._estimated_plan: Plan | None = None
        self.state = State(document.plan, None)
        document.changed.connect(self._timer.start)

    def ask_again(self) -> None:
        """What estimates rest on has changed: a profile was measured, or read."""
        self._estimated_plan = None
        self._timer.start()

    def update_now(self) -> State:
        """Estimate and tell, without waiting for the event loop."""
        self._timer.stop()
        plan = self._document.plan
        estimate, found, failure, reading = self.state.estimate, self.state.found, self.state.failure, ""
        if plan is not self._estimated_plan or self.state.reading:
            try:
                estimate = self._ask(plan)
                found, failure = tuple(estimate.problems), ""
            except PlanError as error:
                found, failure = tuple(check(plan)), error.problems[0][1]
            except NotReadError as error:
                found, failure, reading = tuple(check(plan)), "", str(error)
            except TrainplanError as error:
                found, failure = (), str(error)
            self._estimated_plan = plan
        self.state = State(plan, estimate, found, dict(self._document.invalid), failure, reading)
        self.state_changed.emit(self.state)
        return self.state

    def _ask(self, plan: Plan) -> Estimate:
        if self._estimate is None:
            from planner.estimate import estimate

            self._estimate = estimate
        return self._estimate(plan)
