"""Jobs one after another, those of all windows in one line: two at once would disturb what the first one measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import shiboken6
from PySide6.QtCore import QObject, Signal

from gui.jobs import ROWS_BEFORE_ETA, Job, Outcome


@dataclass(frozen=True)
class Order:
    """A job, the page that asked for it, what it is called, and whether a person asked (else it may be ended without a
    question)."""

    key: str
    name: str
    job: Job
    was_asked: bool


class JobQueue(QObject):
    """The jobs of one window. Starts the next one when the last one of any window has ended."""

    _line: ClassVar[list[Order]] = []
    """The jobs of all windows, the running one first."""

    changed = Signal()
    """Another phase, share or number of waiting jobs."""
    ended = Signal(object, object)
    """The `Order` and its job's `Outcome`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._orders: list[Order] = []

    @property
    def running(self) -> Order | None:
        """The first in the queue; see `waits_for`."""
        return self._orders[0] if self._orders else None

    @property
    def waits_for(self) -> str:
        """What another window runs before this one's turn comes; empty where nothing is in the way."""
        first = self._line[0] if self._line else None
        return first.name if first and self._orders and first not in self._orders else ""

    @property
    def waiting(self) -> int:
        """How many wait for the running one."""
        return max(0, len(self._orders) - 1)

    def put(
        self, key: str, name: str, arguments: list[str], follow: Callable[[Job], None], *, was_asked: bool = True
    ) -> None:
        """Run the command line for a page, now or when its turn comes; `follow` gets the job before it begins."""
        # Rows that are measured differ in length, so the time left is told late; a search knows its share at once.
        job = Job(arguments, parent=self, rows_before_eta=ROWS_BEFORE_ETA if key == "profile" else 0)
        job.started.connect(self.changed)
        job.phase.connect(self.changed)
        job.progress.connect(self.changed)
        follow(job)  # first: when the queue tells of the end, the page has shown it
        order = Order(key, name, job, was_asked)
        job.ended.connect(lambda outcome: self._end(order, outcome))
        self._orders.append(order)
        self._line.append(order)
        self._go_on()
        self.changed.emit()

    def cancel(self, key: str = "") -> None:
        """Stop the job of a page, or the running one."""
        for order in self._orders[:1] if not key else [one for one in self._orders if one.key == key]:
            order.job.cancel()

    def stop_all(self) -> None:
        """End everything now: the window is closing."""
        for order in self._orders[:0:-1]:
            order.job.cancel()
        for order in list(self._orders):
            order.job.stop_now()

    def _end(self, order: Order, outcome: Outcome) -> None:
        self._orders.remove(order)
        if order in self._line:
            self._line.remove(order)
        order.job.deleteLater()
        self._go_on()
        self.ended.emit(order, outcome)
        self.changed.emit()

    def _go_on(self) -> None:
        """Start the first in the line, unless it runs. What belonged to a window that is no more is out of it."""
        self._line[:] = [order for order in self._line if shiboken6.isValid(order.job)]
        if self._line and not self._line[0].job.was_started:
            self._line[0].job.start()
