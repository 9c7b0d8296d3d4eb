"""What changed between two profiles: times at the shapes that both have, class by class, and the software.

A driver, a torch or a clock setting that is another one shows here first. Only equal shapes are compared, so a fit
plays no part; what lies within the stated spread, that of the rows and of the machine between rows, is no change.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from planner.timing import profile as profiles
from planner.timing.profile import Profile, Row
from planner.units import percent

LEAST_SPREAD = 0.01
"""A row is taken to spread at least so much (assumed) where the machine's drift is unknown."""

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
    spread: float  # stated of one shape's ratio: quartiles of both rows and drift of both machines, median over shapes
    inside: int  # shapes whose ratio lies within their own stated spread
    memory_ratio: float | None  # median of peak memory's ratio, where both told it

    @property
    def verdict(self) -> Verdict:
        if self.time_ratio > 1 + self.spread:
            return "slower"
        return "faster" if self.time_ratio < 1 / (1 + self.spread) else "within the spread"


@dataclass(frozen=True)
class Agreement:
    """How well two measurements agree, shape by shape."""

    shapes: int
    difference: float  # |ln(after / before)|: median over the shapes
    spread: float  # stated: median over the shapes
    inside: float  # share of the shapes within their stated spread; of a well-stated one, 4 in 5

    def __str__(self) -> str:
        return (
            f"half of {self.shapes} shapes differ by less than {percent(self.difference)}, the stated spread is "
            f"{percent(self.spread)} (about 80 % should lie within it), {percent(self.inside, 0)} lie within it"
        )


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
    agreement: Agreement | None
    """None without a shape in common."""

    @property
    def differing(self) -> tuple[Version, ...]:
        return tuple(one for one in self.versions if one.differs)


def compare(before: Profile, after: Profile) -> ProfileComparison:
    """Match the rows of two profiles by shape. Profiles of other models or devices may share few shapes, or none."""
    old, new = _by_shape(before.rows), _by_shape(after.rows)
    drift = math.hypot(*(profiles.drift(one.rows) or LEAST_SPREAD for one in (before, after)))
    classes: dict[tuple[str, str, str, str], list[_Pair]] = {}
    for shape, row in new.items():
        if shape in old:
            key = (row.operation, row.direction, row.dtype, row.manner)
            classes.setdefault(key, []).append(_Pair(old[shape], row, drift))
    return ProfileComparison(
        before=before.name, after=after.name, versions=_versions(before, after),
        changes=tuple(_change(key, pairs) for key, pairs in classes.items()),
        only_before=len(old.keys() - new.keys()), only_after=len(new.keys() - old.keys()),
        agreement=_agreement([pair for pairs in classes.values() for pair in pairs]),
    )  # fmt: skip


class _Pair(NamedTuple):
    """One shape in both profiles. The interquartile range of a normal error is its 80 % interval's half-width, within
    5 %: the spreads, added as squares, are such a half-width of the ratio."""

    old: Row
    new: Row
    drift: float

    @property
    def ratio(self) -> float:
        return self.new.median_s / self.old.median_s

    @property
    def spread(self) -> float:
        return float(np.sqrt(self.old.spread**2 + self.new.spread**2 + self.drift**2))

    @property
    def is_inside(self) -> bool:
        return 1 / (1 + self.spread) <= self.ratio <= 1 + self.spread


def _agreement(pairs: list[_Pair]) -> Agreement | None:
    if not pairs:
        return None
    return Agreement(
        len(pairs), difference=float(np.median([abs(np.log(one.ratio)) for one in pairs])),
        spread=float(np.median([one.spread for one in pairs])),
        inside=sum(one.is_inside for one in pairs) / len(pairs),
    )  # fmt: skip


def _by_shape(rows: Iterable[Row]) -> dict[tuple[object, ...], Row]:
    """Rows by shape. The ceilings have none of their own: their work tells how large they were."""
    return {(*row.shape, *(() if row.tokens else (row.flops, row.bytes))): row for row in rows}


def _change(key: tuple[str, str, str, str], pairs: list[_Pair]) -> Change:
    ratios = [pair.ratio for pair in pairs]
    memory = [
        new.peak_memory_bytes / old.peak_memory_bytes
        for old, new, _ in pairs
        if old.peak_memory_bytes and new.peak_memory_bytes and old.peak_memory_from == new.peak_memory_from
    ]
    return Change(
        *key, shapes=len(pairs), time_ratio=float(np.median(ratios)), lowest=min(ratios), largest=max(ratios),
        spread=float(np.median([pair.spread for pair in pairs])),
        inside=sum(pair.is_inside for pair in pairs), memory_ratio=float(np.median(memory)) if memory else None,
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
