"""What a running search reports: frozen events, and the JSON line of each. Seconds and counts of layouts."""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape
from typing import ClassVar

from planner.search.ranking import Found, Objective, shown


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
class Result:
    """The answer of a search."""

    objective: Objective
    evaluated: int
    """Layouts fully estimated."""
    fits: int
    """Those of them that fit in memory with the margin."""
    seconds: float
    """Wall time of the search."""
    best: list[Found]
    pareto: list[Found]
    """Layouts that no other beats in cost, time and memory together, fastest first."""
    rejected: dict[str, int]
    """Layouts by why they fall out, most frequent first; each counted once."""
    closest: Found | None = field(default=None)
    """The layout that needs the least memory, where none fits."""

    def __repr__(self) -> str:
        return f"<{self.evaluated:,} layouts, {self.fits:,} fit; the best {len(self.best)} by {self.objective}>"

    def _repr_html_(self) -> str:
        """A notebook's view: the best layouts, escaped."""
        head, *rows = shown(self.best)
        cells = [f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows]
        table = f"<table><tr>{''.join(f'<th>{word}</th>' for word in head)}</tr>{''.join(cells)}</table>"
        return f"<p>{self.evaluated:,} layouts; {self.fits:,} fit; ranked by {self.objective}</p>{table}"


@dataclass(frozen=True)
class Finished:
    """The whole answer; the last event."""

    word: ClassVar[str] = "finished"
    result: Result


Event = Progress | Finished
