"""Measured rows put together by shape: forward and backward of one operation at one size, as a reader compares them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from planner.timing.profile import Row


@dataclass(frozen=True)
class Shape:
    """One operation at one shape in all directions that were measured. Never empty."""

    rows: tuple[Row, ...]

    @property
    def first(self) -> Row:
        """Any row: they differ in direction alone."""
        return self.rows[0]

    def time_s(self, direction: str) -> float | None:
        """Median of one direction, None where that was not measured."""
        return next((row.median_s for row in self.rows if row.direction == direction), None)

    @property
    def total_s(self) -> float:
        """All directions together."""
        return sum(row.median_s for row in self.rows)

    @property
    def flops_per_s(self) -> float | None:
        """Achieved FLOP/s over all directions; None for what only moves memory."""
        flops = sum(row.flops for row in self.rows)
        return flops / self.total_s if flops else None

    @property
    def bytes_per_s(self) -> float:
        """Achieved B/s over all directions, of the least traffic."""
        return sum(row.bytes for row in self.rows) / self.total_s

    @property
    def intensity(self) -> float | None:
        """FLOP a byte of the least traffic, over all directions."""
        moved = sum(row.bytes for row in self.rows)
        flops = sum(row.flops for row in self.rows)
        return flops / moved if flops and moved else None

    @property
    def peak_memory_bytes(self) -> float | None:
        """Largest over the directions, None where no row tells it."""
        return max((row.peak_memory_bytes for row in self.rows if row.peak_memory_bytes), default=None)

    @property
    def spread(self) -> float:
        """Widest over the directions: interquartile range over median."""
        return max(row.spread for row in self.rows)

    @property
    def repeats(self) -> int:
        """Runs of the direction that was measured least often."""
        return min(row.n for row in self.rows)

    @property
    def is_noisy(self) -> bool:
        return any(row.is_noisy for row in self.rows)


def by_shape(rows: Iterable[Row]) -> list[Shape]:
    """The shapes in the order in which they were measured. A ceiling's shape is its work."""
    found: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        operation, _, *rest = row.shape
        found.setdefault((operation, *rest, *(() if row.tokens else (row.flops, row.bytes))), []).append(row)
    return [Shape(tuple(together)) for together in found.values()]
