"""What a running search reports: frozen events, and the JSON line of each. Seconds and counts of layouts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from planner.search.ranking import Found
    from planner.search.run import Result


@dataclass(frozen=True)
class Progress:
    """How far the search is, and the best so far."""

    word: ClassVar[str] = "progress"
    doing: str
    fraction: float
    evaluated: int
    fits: int
    elapsed_s: float
    remaining_s: float
    best: Found | None


@dataclass(frozen=True)
class Finished:
    """The whole answer; the last event."""

    word: ClassVar[str] = "finished"
    result: Result


Event = Progress | Finished
