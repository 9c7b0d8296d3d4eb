"""What a fit is to reproduce of a profile: times of its plain rows, their errors, and the shapes that they stand at."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError
from planner.formula import Number
from planner.timing import surface
from planner.timing.composition import Part, composed_s, workload_of
from planner.timing.device import Device
from planner.timing.profile import Profile, Row

NOISY = 3.0
"""How much wider the error of a row of few runs or a wide spread is taken."""
DISTURBED = 0.4
"""Relative error of a row measured under throttling or beside other programs: rows so marked came out slower by half
as often as not, on a shared machine of two cores."""
REFERENCE_ERROR = 0.25
"""Relative error of a row for each e-fold that the reference was off its median."""
MOST_ROWS = 1200
"""The fit's memory grows with the square of its rows, its time with the cube; a full suite comes to about as many."""

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Target:
    """A measured time and the row (the first of several) that it stands at."""

    part: Part
    row: Row
    time_s: float
    error: float
    """Relative standard error, widened where the row was disturbed."""
    slowing: float
    """Logarithm of the machine's reference product over its median; 0 where it is unknown."""


def targets(profile: Profile, precision: str) -> list[Target]:
    """What is to be reproduced: each block and direction, the optimizer, and the edge (embedding, head and loss)."""
    plain = _some([row for row in profile.rows if row.is_plain])
    rows = [row for row in plain if row.dtype == precision]
    inside = ("attention_core", "attention", "feed_forward", "layer")
    usual_s = usual_reference_s(profile) or 1.0
    found = [_target((row.operation, row.direction), [row], usual_s) for row in rows if row.operation in inside]
    found += [_target(("optimizer", "step"), [row], usual_s) for row in plain if row.operation == "optimizer"]
    heads: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row.operation == "head_loss":
            heads.setdefault(row.shape[3:], []).append(row)
    for pair in heads.values():
        if len(pair) == 2:
            found.append(_target(("edge", "both"), [*pair, *_nearest_embedding(rows, pair[0])], usual_s))
    return found


def _some(rows: list[Row]) -> list[Row]:
    """About `MOST_ROWS` of them at most: those of some shapes, each shape whole. Drawn, always the same ones: every
    second or third would miss what a suite measures in turns."""
    every = math.ceil(len(rows) / MOST_ROWS)
    if every <= 1:
        return rows
    shapes = list(dict.fromkeys(row.shape[3:] for row in rows))
    drawn = np.random.default_rng(0).choice(len(shapes), math.ceil(len(shapes) / every), replace=False)
    chosen = {shapes[number] for number in drawn}
    kept = [row for row in rows if row.shape[3:] in chosen]
    return kept[:: math.ceil(len(kept) / (2 * MOST_ROWS))]  # many rows of one shape have no other end


def usual_reference_s(profile: Profile) -> float | None:
    """The reference product's median time over plain rows: the speed of a processor that a fit's times stand for."""
    found = [row.condition.reference_s for row in profile.rows if row.is_plain and row.condition.reference_s]
    return float(np.median(found)) if found else None


def _nearest_embedding(rows: Iterable[Row], head: Row) -> list[Row]:
    """The embedding's rows, both directions, at the shape nearest to the head's: what they take hardly grows with the
    tokens, as the backward pass writes a whole table."""
    near = [row for row in rows if row.operation == "embedding" and row.shards == head.shards]
    if not near:
        return []
    best = min(near, key=lambda row: abs(np.log(row.tokens / head.tokens)))
    return [row for row in near if (row.batch, row.sequence) == (best.batch, best.sequence)]


def _target(part: Part, rows: list[Row], usual_s: float) -> Target:
    """`usual_s`: the profile's median of the reference product."""
    time_s = sum(row.median_s for row in rows)
    spread_s = sum((row.upper_quartile_s - row.lower_quartile_s) / 1.349 for row in rows)
    slowing = sum(np.log((row.condition.reference_s or usual_s) / usual_s) * row.median_s for row in rows) / time_s
    error = spread_s / time_s * (NOISY if any(row.is_noisy for row in rows) else 1.0)
    unknown = any(row.throttled and not row.condition.reference_s for row in rows)
    error = float(np.hypot(error, DISTURBED if unknown else REFERENCE_ERROR * abs(slowing)))
    return Target(part, rows[0], time_s, error, float(slowing))


@dataclass(frozen=True)
class Shapes:
    """The targets by part, as arrays."""

    profile: Profile
    precision: str
    targets: list[Target]
    log_times: Vector
    errors: Vector
    groups: NDArray[np.intp]
    """Which shape a target is of: one left out takes all its rows along."""
    spreads: Vector
    slowing: Vector
    sizes: list[Vector]

    @classmethod
    def of(cls, profile: Profile, targets: list[Target], precision: str) -> Shapes:
        keys = {key: number for number, key in enumerate(dict.fromkeys(one.row.shape[3:] for one in targets))}
        sizes = [_sizes(one, profile, precision) for one in targets]
        return cls(
            profile, precision, targets, np.log([one.time_s for one in targets]),
            np.array([one.error for one in targets]), np.array([keys[one.row.shape[3:]] for one in targets]),
            np.array([one.row.spread for one in targets]), np.array([one.slowing for one in targets]), sizes,
        )  # fmt: skip

    def require_sizes(self) -> None:
        """Raise `InputError` that names the first row whose sizes nothing could have run at."""
        for one, sizes in zip(self.targets, self.sizes, strict=True):
            if not np.isfinite(sizes).all() or (one.part[0] == "optimizer" and not one.row.parameters):
                needed = ["parameters"] if one.part[0] == "optimizer" else surface.SIZES[one.part[0]]
                raise InputError(
                    f"the row of {one.row.operation} {one.row.direction} with batch {one.row.batch:,} and sequence "
                    f"{one.row.sequence:,}: {', '.join(needed)} must be above zero"
                )

    def log_predicted(self, unit: Device, changes: Mapping[str, Number]) -> Vector:
        """Logarithms of the targets' times by the formulas; the leading axis is that of the device's constants."""
        columns: list[Any] = [None] * len(self.targets)
        for part in dict.fromkeys(one.part for one in self.targets):
            chosen = [number for number, one in enumerate(self.targets) if one.part == part]
            rows = [self.targets[number].row for number in chosen]
            times = np.atleast_2d(composed_s(part, rows, self.profile, unit, changes, self.precision))
            for column, number in enumerate(chosen):
                columns[number] = times[:, column]
        logs: Vector = np.log(np.stack(columns, axis=1))
        return logs


def _sizes(target: Target, profile: Profile, precision: str) -> Vector:
    """Logarithms of the sizes that a target's remainder depends on."""
    sizes: Vector = surface.sizes_of(target.part[0], workload_of([target.row], profile, precision))[0][0]
    return sizes
