"""Reads long measured profiles in a process of its own, for whoever asks for what follows from one."""

from __future__ import annotations

import json
from collections.abc import Generator
from functools import cache
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from gui.jobs import Job, Outcome
from gui.slices import Slices

CANCELLED = "reading it was cancelled; choose it again on the Profile page"


class ProfileReader(QObject):
    """Works out one answer after another, the last one asked for first; `planner.timing.reading` keeps them."""

    changed = Signal()
    """Another phase, or nothing more to do."""
    read = Signal()
    """An answer is there."""

    def __init__(self) -> None:
        super().__init__()
        self._wanted: list[Any] = []
        self._job: Job | None = None
        self._cancelled: list[Any] = []
        self._slices = Slices(self)

    @property
    def doing(self) -> str:
        """What is read, and how far it is; empty where nothing is."""
        if self._job is None:
            return ""
        return ": ".join(filter(None, (f"Profile {self._wanted[-1].name}", self._job.doing)))

    @property
    def share(self) -> float | None:
        """Of the running answer, from 0 to 1."""
        return self._job.share if self._job else None

    def ask(self, wanted: Any) -> None:
        """Have something worked out."""
        if wanted not in self._wanted:
            self._wanted.insert(max(0, len(self._wanted) - (self._job is not None)), wanted)
            QTimer.singleShot(0, self, self._go_on)

    def cancel(self) -> None:
        """Stop; what was wanted is told to be cancelled, until `again`."""
        if self._job is not None:
            self._cancelled, self._wanted[:-1] = [*self._cancelled, *self._wanted], []
            self._job.cancel()

    def again(self) -> None:
        """What was cancelled may be asked for anew."""
        from planner.timing import reading

        for wanted in self._cancelled:
            reading.forget(wanted)
        if self._cancelled:
            self._cancelled = []
            self.read.emit()

    def stop_now(self) -> None:
        """The last window is closing."""
        self._wanted = self._wanted[-1:]
        if self._job is not None:
            self._job.stop_now()

    def _go_on(self) -> None:
        if self._job is None and self._wanted:
            from planner.timing import handover

            self._job = Job(["read-profile", json.dumps(handover.encode(self._wanted[-1]))], parent=self)
            self._job.phase.connect(self.changed)
            self._job.ended.connect(self._end)
            self._job.start()
            self.changed.emit()

    def _end(self, outcome: Outcome) -> None:
        from planner.errors import InputError
        from planner.timing import reading

        wanted = self._wanted[-1]
        if outcome.status == "done":
            self._slices.run(_taken(wanted, outcome.result), lambda _: self._tell(wanted), str)
            return
        if outcome.status == "cancelled":
            self._cancelled += [wanted] * (wanted not in self._cancelled)
            for one in self._cancelled:
                reading.adopt(one, InputError(f"the measured profile {one.name}: {CANCELLED}"))
        else:
            reading.adopt(wanted, InputError(outcome.message))
        self._tell(wanted)

    def _tell(self, wanted: Any) -> None:
        """The answer is there, or why there is none."""
        self._wanted.remove(wanted)
        self._job.deleteLater()
        self._job = None
        self._go_on()
        self.changed.emit()
        self.read.emit()


def _taken(wanted: Any, told: dict[str, Any]) -> Generator[None, None, None]:
    """Hand an answer in, in steps between which the window answers."""
    from planner.timing import handover, reading
    from planner.timing.measured import Fit

    yield
    found = handover.decode(told["found"])
    yield
    if isinstance(found, Fit):
        posterior = found.solved.posterior
        for step in ("covariance", "inverse"):
            getattr(posterior, step)
            yield
    reading.adopt(wanted, found)


@cache
def _made() -> ProfileReader:
    return ProfileReader()


def reader() -> ProfileReader:
    """The application's one reader; long profiles are left to it from now on."""
    from planner.timing import reading

    reading.read_elsewhere(_made().ask)
    return _made()
