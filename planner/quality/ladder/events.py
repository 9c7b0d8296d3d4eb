"""What a running ladder reports, beside the profiler's notes, progress and failure: frozen events, one JSON line each.

Times are seconds, losses nats a token, errors fractions (forecast/measured − 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from planner.profiling.events import Event, Failed, Note, Progress, to_line
from planner.quality.ladder.forecast import Forecast
from planner.quality.ladder.result import Trained

__all__ = [
    "Checked", "Event", "Failed", "Finished", "Note", "Planned", "Predicted", "Progress", "Started", "TrainedOne",
    "Tuned", "to_line",
]  # fmt: skip


@dataclass(frozen=True)
class Started(Event):
    """The first event: which text under which tokenizer, on what, and where the points will be written."""

    word: ClassVar[str] = "started"
    text: str
    source: str
    tokenizer: str
    vocabulary: int
    training_tokens: int
    held_out_tokens: int
    bytes_per_token: float
    device: str
    device_kind: str
    seed: int
    out: str
    partial: str  # points are appended here as soon as they are measured


@dataclass(frozen=True)
class PlannedRung:
    """One rung: its size, the tokens of each of its runs, and about how long all of them take."""

    width: int
    layers: int
    parameters: int
    tokens: tuple[int, ...]
    seconds: float


@dataclass(frozen=True)
class Planned(Event):
    """What will be trained, with times from steps measured just now."""

    word: ClassVar[str] = "planned"
    rungs: tuple[PlannedRung, ...]
    tuning_seconds: float
    seconds: float


@dataclass(frozen=True)
class TrainedOne(Event):
    """One run, already durable."""

    word: ClassVar[str] = "point"
    row: Trained


@dataclass(frozen=True)
class Tuned(Event):
    """The base learning rate, found on the smallest rung."""

    word: ClassVar[str] = "tuned"
    learning_rate: float
    tried: int


@dataclass(frozen=True)
class Predicted(Event):
    """The last rung's loss, said before it is trained."""

    word: ClassVar[str] = "predicted"
    forecast: Forecast
    seed_noise: float
    bits_per_byte: float


@dataclass(frozen=True)
class Checked(Event):
    """The last rung's loss as trained, against what was predicted."""

    word: ClassVar[str] = "checked"
    predicted: float
    measured: float
    error: float
    inside_band: bool
    bits_per_byte: float


@dataclass(frozen=True)
class Finished(Event):
    """Points and, where they identify one, the law are written."""

    word: ClassVar[str] = "finished"
    out: str
    law: str  # the name to give to `frontier --law`; blank where the points identify none
    why_no_law: str
    rows: tuple[Trained, ...]
    elapsed_s: float
