"""What a running verification reports beside the profiler's own notes, rows and progress.

In order: `started`; notes, and rows where a layer is measured first; `predicted`; one `step` each; `finished` with the
whole result, or `failed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from planner.profiling.events import Event


@dataclass(frozen=True)
class Started(Event):
    """The first event: what is trained, on what."""

    word: ClassVar[str] = "started"
    model: str
    device: str
    device_kind: str  # cpu or cuda
    ranks: int
    dtype: str
    layers: int
    micro_batch: int
    sequence: int
    micro_batches: int
    steps: int


@dataclass(frozen=True)
class Predicted(Event):
    """The estimate, made before anything is trained; SI units, bands of 80 %."""

    word: ClassVar[str] = "predicted"
    step_time_s: float
    step_time_band_s: tuple[float, float]
    tokens_per_s: float
    memory_allocated_bytes: float
    memory_reserved_bytes: float
    energy_j: float  # of one step, from an assumed mean power
    parts_s: dict[str, float]
    profile: str
    kernel_source: str
    kernel_basis: str


@dataclass(frozen=True)
class Stepped(Event):
    """One step of real training is done; those of the warm-up are not timed."""

    word: ClassVar[str] = "step"
    number: int
    of: int
    warm_up: bool
    seconds: float
    loss: float


@dataclass(frozen=True)
class Compared(Event):
    """The end: predicted against measured, as `verify --json` prints it."""

    word: ClassVar[str] = "finished"
    result: dict[str, Any]
