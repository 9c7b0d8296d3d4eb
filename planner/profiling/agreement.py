"""What ranks agree on before they go on: each other's values, the time, and whether one of them wants to stop.

Over Gloo on the processors, also where NCCL carries what is measured; so no rank waits in a collective that another one
left out.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch.distributed as dist

from planner.errors import CancelledError, InputError, MissingError, TrainplanError
from planner.profiling.rendezvous import Place


class LostError(Exception):
    """A collective failed or ran out of time here: some rank is gone or does not answer."""


class Ranks:
    """All ranks, as one of them sees them."""

    def __init__(self, where: Place, cancel: Callable[[], bool]) -> None:
        self.where, self.cancel = where, cancel
        self.start_s = time.perf_counter()
        self.elapsed_s = 0.0
        """Since the start by the slowest clock, as all agreed last."""

    def gathered(self, value: Any) -> list[Any]:
        """Each rank's value, by rank."""
        found: list[Any] = [None] * self.where.ranks
        with lost_if_it_fails():
            dist.all_gather_object(found, value)
        return found

    def refuse(self, problem: TrainplanError | None) -> None:
        """Raise the first problem that any rank has, on every rank."""
        for is_missing, text in self.gathered((isinstance(problem, MissingError), str(problem or ""))):
            if text:
                raise MissingError(text) if is_missing else InputError(text)

    def largest(self, *values: float) -> list[float]:
        """Each value's maximum over the ranks. Raises `CancelledError` on all when one wants to stop."""
        clock_s = time.perf_counter() - self.start_s
        told = torch.tensor([*values, clock_s, float(self.cancel())], dtype=torch.float64)
        with lost_if_it_fails():
            dist.all_reduce(told, dist.ReduceOp.MAX)
        *found, self.elapsed_s, stop = told.tolist()
        if stop:
            raise CancelledError("cancelled")
        return found

    def meet(self) -> None:
        """Wait for all; on leaving, the ranks are a message apart."""
        with lost_if_it_fails():
            dist.all_reduce(torch.zeros(1))


@contextlib.contextmanager
def lost_if_it_fails() -> Iterator[None]:
    """torch's several errors of a failed collective as `LostError`."""
    try:
        yield
    except (RuntimeError, ValueError) as error:
        raise LostError(str(error)) from None
