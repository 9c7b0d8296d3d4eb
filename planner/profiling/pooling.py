"""Pools the rows of a shape that was come back to. No torch: the app reads partial files too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from planner.timing.profile import Row

MOST_SAMPLES = 200
"""Times of single runs that a row keeps. A row of more keeps every so-many-eth of them in ascending order, and what is
pooled later counts for a little more."""
DIGITS = 5
"""Of a sample in the file."""


def pooled(before: Row, now: Row) -> Row:
    """Two visits to one shape as one row: the runs of both, unless only one of them was undisturbed: then its own.

    A row without its samples (of an older file) gives way to one of as many runs.
    """
    if bool(before.throttled) != bool(now.throttled):
        return before if now.throttled else now
    if not before.samples_s or not now.samples_s:
        return now if now.n >= before.n else before
    samples = (*before.samples_s, *now.samples_s)
    condition = now.condition.model_copy(update={"reference_s": _reference_s(before, now)})
    return now.model_copy(update={
        **quartiles(samples), "samples_s": kept(samples), "n": before.n + now.n, "visits": before.visits + now.visits,
        "condition": condition,
        "peak_memory_bytes": max(before.peak_memory_bytes or 0.0, now.peak_memory_bytes or 0.0) or None,
    })  # fmt: skip


def _reference_s(before: Row, now: Row) -> float | None:
    """How fast a CPU was during both, by their runs."""
    found = [(row.condition.reference_s, row.n) for row in (before, now) if row.condition.reference_s is not None]
    return sum(time_s * n for time_s, n in found) / sum(n for _, n in found) if found else None


def folded(visits: Iterable[Row]) -> tuple[Row, ...]:
    """One row a shape: what was visited more than once, pooled; in the order of the first visits."""
    found: dict[tuple[Any, ...], Row] = {}
    for row in visits:
        before = found.get(row.shape)
        found[row.shape] = pooled(before, row) if before else row
    return tuple(found.values())


def quartiles(samples_s: Sequence[float]) -> dict[str, float]:
    """The fields of a row that single runs give, in seconds."""
    low, middle, high = np.percentile(samples_s, (25, 50, 75))
    return {"lower_quartile_s": float(low), "median_s": float(middle), "upper_quartile_s": float(high)}


def kept(samples_s: Sequence[float]) -> tuple[float, ...]:
    """Times of single runs as a row keeps them."""
    ascending = np.sort(samples_s)
    if len(ascending) > MOST_SAMPLES:
        ascending = np.quantile(ascending, (np.arange(MOST_SAMPLES) + 0.5) / MOST_SAMPLES)
    return tuple(float(f"{one:.{DIGITS}g}") for one in ascending)
