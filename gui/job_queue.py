"""Jobs one after another: two at once would disturb what the first one measures."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
    """Starts the next job when the last one has ended."""

    changed = Signal()
    """Another phase, share or number of waiting jobs."""
    ended = Signal(object, object)
    """The `Order` and its job's `Outcome`."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._orders: list[Order] = []

    @property
    def running(self) -> Order | None:
        """The first in the queue."""
        return self._orders[0] if self._orders else None

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
        job.phase.connect(self.changed)
        job.progress.connect(self.changed)
        follow(job)  # first: when the queue tells of the end, the page has shown it
        order = Order(key, name, job, was_asked)
        job.ended.connect(lambda outcome: self._end(order, outcome))
        self._orders.append(order)
        if len(self._orders) == 1:
            job.start()
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
        was_running = order is self.running
        self._orders.remove(order)
        order.job.deleteLater()
        if was_running and self.running is not None:
            self.running.job.start()
        self.ended.emit(order, outcome)
        self.changed.emit()
