"""What changed between two profiles: times at the shapes that both have, class by class, and the software.

A driver, a torch or a clock setting that is another one shows here first. Only equal shapes are compared, so a fit
plays no part; what lies within the rows' own spread is not called a change.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from planner.timing.profile import Profile, Row

LEAST_SPREAD = 0.01
"""A row is taken to spread at least so much (assumed): quartiles of one visit do not know the drift between two."""

Verdict = Literal["faster", "slower", "within the spread"]


@dataclass(frozen=True)
class Version:
    """One thing that times depend on, in both profiles."""

    name: str
    before: str
    after: str

    @property
    def differs(self) -> bool:
        return self.before != self.after


@dataclass(frozen=True)
class Change:
    """One operation in one direction at the shapes that both profiles have. Ratios are after over before."""

    operation: str
    direction: str
    dtype: str
    manner: str  # what sets a variant apart; empty: the plain operation
    shapes: int
    time_ratio: float  # median over the shapes: above 1 is slower
    lowest: float  # least and largest ratio of a shape
    largest: float
    spread: float  # of one shape's ratio, from the quartiles of both rows: median over the shapes
    memory_ratio: float | None  # median of peak memory's ratio, where both told it

    @property
    def verdict(self) -> Verdict:
        if self.time_ratio > 1 + self.spread:
            return "slower"
        return "faster" if self.time_ratio < 1 / (1 + self.spread) else "within the spread"


@dataclass(frozen=True)
class ProfileComparison:
    """Two profiles against each other."""

    before: str
    after: str
    versions: tuple[Version, ...]
    """What differs first."""
    changes: tuple[Change, ...]
    """In the order of the rows."""
    only_before: int
    only_after: int
    """Rows at shapes that the other profile does not have."""

    @property
    def differing(self) -> tuple[Version, ...]:
        return tuple(one for one in self.versions if one.differs)


def compare(before: Profile, after: Profile) -> ProfileComparison:
    """Match the rows of two profiles by shape. Profiles of other models or devices may share few shapes, or none."""
    old, new = _by_shape(before.rows), _by_shape(after.rows)
    classes: dict[tuple[str, str, str, str], list[tuple[Row, Row]]] = {}
    for shape, row in new.items():
        if shape in old:
            key = (row.operation, row.direction, row.dtype, row.manner)
            classes.setdefault(key, []).append((old[shape], row))
    return ProfileComparison(
        before=before.name, after=after.name, versions=_versions(before, after),
        changes=tuple(_change(key, pairs) for key, pairs in classes.items()),
        only_before=len(old.keys() - new.keys()), only_after=len(new.keys() - old.keys()),
    )  # fmt: skip


def _by_shape(rows: Iterable[Row]) -> dict[tuple[object, ...], Row]:
    """Rows by shape. The ceilings have none of their own: their work tells how large they were."""
    return {(*row.shape, *(() if row.tokens else (row.flops, row.bytes))): row for row in rows}


def _change(key: tuple[str, str, str, str], pairs: list[tuple[Row, Row]]) -> Change:
    ratios = [new.median_s / old.median_s for old, new in pairs]
    spreads = [np.hypot(max(old.spread, LEAST_SPREAD), max(new.spread, LEAST_SPREAD)) for old, new in pairs]
    memory = [
        new.peak_memory_bytes / old.peak_memory_bytes
        for old, new in pairs
        if old.peak_memory_bytes and new.peak_memory_bytes and old.peak_memory_from == new.peak_memory_from
    ]
    return Change(
        *key, shapes=len(pairs), time_ratio=float(np.median(ratios)), lowest=min(ratios), largest=max(ratios),
        spread=float(np.median(spreads)), memory_ratio=float(np.median(memory)) if memory else None,
    )  # fmt: skip


def _versions(before: Profile, after: Profile) -> tuple[Version, ...]:
    """What times depend on, as words: software, device, model and precision."""
    told = [
        {
            "torch": one.software.torch, "CUDA": one.software.cuda, "driver": one.software.driver,
            "Python": one.software.python, "Trainplan": one.software.trainplan, "device": one.device.name,
            "threads": str(one.device.threads or ""), "computer": one.host, "model": one.model.name,
            "precision": one.dtype, "suite": one.suite,
        }
        for one in (before, after)
    ]  # fmt: skip
    found = [Version(name, told[0][name], told[1][name]) for name in told[0] if told[0][name] or told[1][name]]
    return tuple(sorted(found, key=lambda one: not one.differs))
