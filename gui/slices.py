"""Work in short steps between the event loop's passes, so that no keystroke waits for it."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from typing import Any

from PySide6.QtCore import QObject, QTimer

from planner.errors import TrainplanError

SLICE_S = 0.012
"""How long one pass may take; a single step that takes longer is not cut."""


class Slices(QObject):
    """Runs one generator at a time to its end; another one takes its place."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._steps: Generator[None, None, Any] | None = None
        self._done: Callable[[Any], None] = lambda _: None
        self._failed: Callable[[str], None] = lambda _: None
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._go)

    @property
    def is_running(self) -> bool:
        """Something is not at its end yet."""
        return self._steps is not None

    def run(
        self, steps: Generator[None, None, Any], done: Callable[[Any], None], failed: Callable[[str], None]
    ) -> None:
        """Begin; `done` gets what the generator returns, `failed` what a `TrainplanError` says."""
        self._steps, self._done, self._failed = steps, done, failed
        self._timer.start()

    def stop(self) -> None:
        """Forget what is running."""
        self._steps = None
        self._timer.stop()

    def _go(self) -> None:
        steps, end = self._steps, time.monotonic() + SLICE_S
        try:
            while steps is not None and steps is self._steps and time.monotonic() < end:
                next(steps)
        except StopIteration as last:
            self.stop()
            self._done(last.value)
        except TrainplanError as error:
            self.stop()
            self._failed(str(error))
