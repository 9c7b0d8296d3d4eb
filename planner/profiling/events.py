"""What a running profile reports: frozen events, and the JSON line of each.

The keys of a line are `event` (the word in each class) and the fields of the class; times are seconds, memory bytes.
"""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import Any, ClassVar

from pydantic import BaseModel

from planner.timing.fabric import Collective, Curve
from planner.timing.profile import Row, Summary


@dataclass(frozen=True)
class Event:
    """One report of a running profile."""

    word: ClassVar[str] = "event"


@dataclass(frozen=True)
class Started(Event):
    """The first event: what is measured, on what, and where it will be written."""

    word: ClassVar[str] = "started"
    model: str
    suite: str
    device: str  # its name
    device_kind: str  # cpu or cuda
    fingerprint: str
    dtype: str
    budget_s: float
    memory_limit_bytes: float
    out: str
    partial: str  # rows are appended here as soon as they are measured


@dataclass(frozen=True)
class PlannedShape:
    """One entry of the plan of measurements."""

    operation: str
    batch: int
    sequence: int
    shards: int
    seconds: float  # estimated
    memory_bytes: float  # estimated
    manner: str = ""  # what sets a variant apart, in words: fp8, compiled, chunked …


@dataclass(frozen=True)
class Planned(Event):
    """Which shapes will be measured; it changes when memory or time turn out shorter than thought."""

    word: ClassVar[str] = "planned"
    shapes: tuple[PlannedShape, ...]
    seconds: float


@dataclass(frozen=True)
class Measured(Event):
    """One row, already durable. Of a shape that was measured before it takes the earlier row's place, runs pooled."""

    word: ClassVar[str] = "row"
    row: Row


@dataclass(frozen=True)
class Note(Event):
    """Something the reader of the profile should know: measured smaller, narrower, not at all."""

    word: ClassVar[str] = "note"
    text: str


@dataclass(frozen=True)
class Progress(Event):
    """How far the suite is. `fraction` is of the estimated time, not of the number of rows."""

    word: ClassVar[str] = "progress"
    done: int
    total: int
    fraction: float
    elapsed_s: float
    remaining_s: float
    doing: str


@dataclass(frozen=True)
class CollectivesStarted(Event):
    """The first event of `--collectives`: among which ranks, and in which group layouts."""

    word: ClassVar[str] = "started"
    suite: str
    device: str  # its name
    device_kind: str  # cpu or cuda
    fingerprint: str
    dtype: str
    budget_s: float
    out: str
    backend: str  # gloo or nccl
    nodes: int
    ranks_per_node: int
    layouts: tuple[str, ...]


@dataclass(frozen=True)
class MeasuredCollective(Event):
    """One collective in one group layout at one size. `bus_bytes_per_s` beside it is NCCL's tests' bus bandwidth."""

    word: ClassVar[str] = "collective"
    row: Collective


@dataclass(frozen=True)
class Fitted(Event):
    """The α–β curve of one collective in one group layout, at the end."""

    word: ClassVar[str] = "curve"
    curve: Curve


@dataclass(frozen=True)
class Finished(Event):
    """The profile file is written: whole, or with what there was when the user stopped it."""

    word: ClassVar[str] = "finished"
    out: str
    complete: bool
    rows: int
    elapsed_s: float
    summary: Summary


@dataclass(frozen=True)
class Failed(Event):
    """Nothing (more) could be measured or written; rows measured so far are in the partial file."""

    word: ClassVar[str] = "failed"
    message: str
    exit_code: int


def to_line(event: Event) -> str:
    """The event as one line of JSON."""
    data = {field.name: _plain(getattr(event, field.name)) for field in dataclasses.fields(event)}
    return json.dumps({"event": event.word, **data}, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Summary):
        found = [{**one.model_dump(), "ratio": one.ratio} for one in value.comparisons]
        return {**value.model_dump(mode="json"), "comparisons": found}
    if isinstance(value, Row):
        return {**value.model_dump(mode="json"), "spread": value.spread, "noisy": value.is_noisy}
    if isinstance(value, Collective):
        told = {"spread": value.spread, "noisy": value.is_noisy, "bus_bytes_per_s": value.bus_bytes_per_s}
        return {**value.model_dump(mode="json"), **told}
    if isinstance(value, Curve):
        return {**value.model_dump(mode="json"), "bus_bytes_per_s": value.bus_bytes_per_s}
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return dataclasses.asdict(value) if dataclasses.is_dataclass(value) and not isinstance(value, type) else value
