"""How far a ladder is and how long the rest takes: what each run was thought to take, corrected by those that ended."""

from __future__ import annotations

import time


class Pace:
    """Runs are expected with an estimate in seconds, then begun and ended, or skipped, one at a time."""

    def __init__(self) -> None:
        self.expected = self.done = 0
        self._waiting_s = self._ended_s = self._spent_s = self._current_s = 0.0
        self._began: float | None = None

    def expect(self, seconds: float) -> None:
        """A run that will be begun or skipped later."""
        self.expected += 1
        self._waiting_s += seconds

    def skip(self, seconds: float) -> None:
        """An expected run that need not be done."""
        self._waiting_s -= seconds
        self.done += 1

    def begin(self, seconds: float) -> None:
        """An expected run begins."""
        self._waiting_s -= seconds
        self._current_s, self._began = seconds, time.perf_counter()

    def end(self) -> float:
        """The run ends; how long it took."""
        took_s = self.running_s()
        self._ended_s += self._current_s
        self._spent_s += took_s
        self._current_s, self._began = 0.0, None
        self.done += 1
        return took_s

    def running_s(self) -> float:
        """Since the current run began."""
        return 0.0 if self._began is None else time.perf_counter() - self._began

    def spent_s(self) -> float:
        """Spent on runs so far."""
        return self._spent_s + self.running_s()

    def left_s(self) -> float:
        """What is left, if runs go on taking as much longer than thought as those that ended."""
        slower = self._spent_s / self._ended_s if self._ended_s else 1.0
        return max(0.0, slower * self._current_s - self.running_s()) + slower * max(0.0, self._waiting_s)
