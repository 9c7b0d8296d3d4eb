"""Repeats a call until its times are steady, and says how steady.

A call marks the boundaries of its stages (`mark()` before the first, between, and after the last); a clock turns marks
into seconds: CUDA events on a GPU, the host's monotonic clock on a CPU.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch

from planner.errors import CancelledError
from planner.timing.profile import Condition

Mark = Callable[[], None]
Once = Callable[[Mark], None]
"""Runs the work once and calls its argument at the boundaries of the stages."""


class Clock(Protocol):
    """Collects marks; `read` waits for the device and gives the seconds between neighbours, run by run."""

    bunch: int  # runs between two reads, so that the device is never left waiting

    def new_run(self) -> None: ...
    def mark(self) -> None: ...
    def read(self) -> list[list[float]]: ...


class HostClock:
    """For a CPU: a mark is the time itself."""

    bunch = 1

    def __init__(self) -> None:
        self._runs: list[list[float]] = []

    def new_run(self) -> None:
        self._runs.append([])

    def mark(self) -> None:
        self._runs[-1].append(time.perf_counter())

    def read(self) -> list[list[float]]:
        runs, self._runs = self._runs, []
        return [np.diff(marks).tolist() for marks in runs]


class CudaClock:
    """For a GPU: a mark is an event in the stream, read once the stream has passed it."""

    bunch = 5

    def __init__(self) -> None:
        self._runs: list[list[Any]] = []

    def new_run(self) -> None:
        self._runs.append([])

    def mark(self) -> None:
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        self._runs[-1].append(event)

    def read(self) -> list[list[float]]:
        torch.cuda.synchronize()
        runs, self._runs = self._runs, []
        return [[a.elapsed_time(b) * 1e-3 for a, b in itertools.pairwise(run)] for run in runs]


def clock_for(kind: str) -> Clock:
    return CudaClock() if kind == "cuda" else HostClock()


LONG_RUN_S = 0.1
"""A run this long leaves a GPU no time to idle between two reads, and its clock has settled after one."""


@dataclass(frozen=True)
class Patience:
    """When to stop repeating."""

    spread: float  # interquartile range over median that is good enough
    warm_up: int
    least: int
    most: int
    cap_s: float = float("inf")  # after this, `least` runs are enough; after twice this, one is


PATIENCE = {
    "cpu": Patience(spread=0.05, warm_up=1, least=3, most=100),
    "cuda": Patience(spread=0.02, warm_up=5, least=10, most=100),
}


@dataclass(frozen=True)
class Samples:
    """Times of every run, by stage, and the device's state near the end."""

    stages: tuple[tuple[float, ...], ...]
    condition: Condition

    def quartiles(self, stage: int) -> tuple[float, float, float]:
        """Lower quartile, median, upper quartile, in seconds."""
        low, middle, high = np.percentile(self.stages[stage], (25, 50, 75))
        return float(low), float(middle), float(high)

    @property
    def spread(self) -> float:
        """The widest stage's interquartile range over median."""
        quartiles = [self.quartiles(stage) for stage in range(len(self.stages))]
        return max((high - low) / middle if middle else 0.0 for low, middle, high in quartiles)


def measure(
    once: Once, clock: Clock, patience: Patience, *, sense: Callable[[], Condition], cancel: Callable[[], bool]
) -> Samples:
    """Run `once` until its spread is good enough or its time is up. Raises `CancelledError` between two runs."""
    _bunch(once, clock, 1, cancel)
    first_s = max(map(sum, clock.read()))
    is_long = first_s > LONG_RUN_S  # neither to be warmed up nor bunched: the device is busy long enough with one
    if not is_long:
        _bunch(once, clock, patience.warm_up - 1, cancel)
        clock.read()
    runs: list[list[float]] = []
    start = time.perf_counter()
    while True:
        _bunch(once, clock, 1 if is_long else clock.bunch, cancel)
        condition = sense()  # while a GPU still works on the bunch
        runs += clock.read()
        samples = Samples(tuple(zip(*runs, strict=True)), condition)
        if _is_enough(samples, patience, time.perf_counter() - start):
            return samples


def in_turns(calls: Sequence[Once], clock: Clock, rounds: int, cancel: Callable[[], bool]) -> list[list[float]]:
    """Seconds of each call in each round, all its stages together: one call after the other, round by round.

    A machine that slows down meanwhile slows all of a round alike. There is no warm-up: each was just measured alone.
    Raises `CancelledError` between two runs.
    """
    found: list[list[float]] = []
    for _ in range(rounds):
        times = []
        for once in calls:
            _bunch(once, clock, clock.bunch, cancel)
            runs = clock.read()
            times.append(sum(map(sum, runs)) / len(runs))
        found.append(times)
    return found


def _bunch(once: Once, clock: Clock, count: int, cancel: Callable[[], bool]) -> None:
    for _ in range(count):
        if cancel():
            raise CancelledError("cancelled")
        clock.new_run()
        once(clock.mark)


def _is_enough(samples: Samples, patience: Patience, elapsed_s: float) -> bool:
    n = len(samples.stages[0])
    after_next_s = elapsed_s * (n + 1) / n
    if n < patience.least:
        return after_next_s > 2 * patience.cap_s
    return n >= patience.most or samples.spread <= patience.spread or after_next_s > patience.cap_s
