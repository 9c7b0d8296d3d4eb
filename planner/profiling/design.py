"""Which point is measured next, and what it will take: the sequential design of a full suite.

After the essential points the next is the one that takes most off the uncertainty of a training step for each second
of measuring: the sum of the variances of all points' times (`Knowledge`), each weighed by what its part is worth in a
step, over the seconds that building, compiling and running will take. A point measured before is a candidate too: come
back to later, it averages over the device's drift. The choice depends on nothing but what was measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from planner.profiling import timer
from planner.profiling.demand import Demand
from planner.profiling.knowledge import Knowledge, Vector
from planner.profiling.points import NOT_CAUSAL, Point
from planner.timing.profile import Row

OVERHEAD_S = {"cpu": 0.3, "cuda": 0.3}
"""Building, first calls, and the like, for one point, until it is known."""
COMPILE_S = {"cpu": 40.0, "cuda": 25.0}
"""torch.compile of one layer forward and backward, until it is known: order of what two processors took."""
MICRO_BATCHES = 8
"""Of a step, as far as the worth of the optimizer goes (assumed)."""
PART_OF_LAYER = {"layer": 1.0, "attention": 0.4, "attention_core": 0.2}
CEILINGS = 0.05
"""Worth of the ceilings, which no step holds: they are shown beside the rest."""
USE = {"compiled": 0.5, "recompute": 0.5, "chunked": 0.3, "dtype": 0.25, "sdpa": 0.15, "flushed": 0.1, NOT_CAUSAL: 0.1}
"""How often a plan asks for a variant, against the plain layer (assumed: it only shares out measuring time)."""
OTHER_USE = 0.2
DRIFT = 0.03
"""Relative error between two visits, however quiet each was by itself (order of a GPU's clock steps)."""
DISTURBED = 0.4
"""Of a row measured under throttling or beside other programs, as `planner.timing.measured` has it."""
FEW_RUNS, ERROR_OF_FEW = 3, 0.1
"""With fewer runs than these the spread says nothing: the relative error is then this at least."""
USUAL_ERROR = 0.04
AHEAD = 300
"""Points that a plan lists at most."""
GOOD_ENOUGH = 0.02
"""Weighted relative deviation of all points at which nothing more is worth its time."""


class Design:
    """The suite's points that fit, what is known of their times, and what measuring each costs."""

    def __init__(self, points: Iterable[Point], demand: Demand) -> None:
        self.demand = demand
        self.dropped: set[Point] = set()
        self._overheads: dict[tuple[str, bool], float] = {}
        self._errors: dict[Point, float] = {}
        self._history: list[tuple[Point, float, float]] = []
        self._take(dict.fromkeys(point for point in points if demand.fits(point)))

    def _take(self, points: Iterable[Point]) -> None:
        """Choose among these points, with all that was learned so far."""
        self.points = tuple(points)
        self.knowledge = Knowledge(self.points, [self.demand.once_s(point) for point in self.points])
        self._worth = worths(self.points, self.demand)
        for one in self._history:
            self.knowledge.observe(*one)

    def seconds(self, point: Point) -> float:
        """Estimated wall time of measuring a point with the least number of runs."""
        return self.overhead_s(point) + self._runs * self.once_s(point)

    @property
    def _runs(self) -> int:
        """Of one visit at least: warm-up and measuring, the trial that counts what is saved, and a spare one."""
        patience = timer.PATIENCE[self.demand.kind]
        return patience.warm_up + patience.least + 2

    def once_s(self, point: Point) -> float:
        """Expected time of one run; beside the points to choose from, as the nearest of them has it."""
        if point in self.knowledge:
            return self.knowledge.seconds(point)
        near = min(self.points, key=lambda one: _apart(one, point), default=None)
        known = self.knowledge.seconds(near) / self.demand.once_s(near) if near else 1.0
        return known * self.demand.once_s(point)

    def overhead_s(self, point: Point) -> float:
        """What measuring takes beside the runs: what it took the last time."""
        if (known := self._overheads.get(_costs_like(point))) is not None:
            return known
        return OVERHEAD_S[self.demand.kind] + (COMPILE_S[self.demand.kind] if point.compiled else 0.0)

    def learn(self, point: Point, rows: Sequence[Row], took_s: float | None = None) -> None:
        """The rows of one visit to a point, or of all its visits; and the wall time that the visit took."""
        patience = timer.PATIENCE[self.demand.kind]
        times = [row.median_s * (self.demand.launches if row.operation == "launch" else 1) for row in rows]
        if took_s is not None:
            runs_s = sum(time_s * (row.n + patience.warm_up + 1) for time_s, row in zip(times, rows, strict=True))
            self._overheads[_costs_like(point)] = max(0.0, took_s - runs_s)
        self._errors[point] = error_of(rows, disturbed=False)
        self._history.append((point, sum(times), error_of(rows)))
        if point in self.knowledge:
            self.knowledge.observe(*self._history[-1])
        else:
            self._take((*self.points, point))

    def drop(self, point: Point, *, family: bool = False, larger: bool = False) -> None:
        """Choose a point no more: it was impossible, with all of its family, or too large, with all that are larger."""
        alike = [one for one in self.points if one.family == point.family]
        if not family:
            needed = self.demand.needed_bytes(point)
            alike = [one for one in alike if larger and self.demand.needed_bytes(one) >= needed]
        self.dropped.update([point, *alike])

    def next(self, left_s: float, most_s: float) -> Point | None:
        """The point of the most gain a second that can be done within `left_s` and takes no more than `most_s`."""
        if self.is_good_enough:
            return None
        gains = self.knowledge.gains(self._worth, np.array([self._error(point) for point in self.points]))
        costs = np.array([self.overhead_s(point) for point in self.points]) + self._runs * self.knowledge.times_s
        possible = (costs <= min(left_s, most_s)) & np.array([point not in self.dropped for point in self.points])
        if not possible.any():
            return None
        return self.points[int(np.argmax(np.where(possible, gains / costs, -1.0)))]

    def ahead(self, left_s: float, most_s: float, after: Iterable[Point] = ()) -> list[Point]:
        """What would be measured within a time, after some other points, if all came out as expected."""
        actual, self.knowledge = self.knowledge, self.knowledge.copy()
        chosen: list[Point] = []
        try:
            for point in after:
                self._suppose(point)
            while len(chosen) < AHEAD and (found := self.next(left_s, most_s)) is not None:
                chosen.append(found)
                left_s -= self.seconds(found)
                self._suppose(found)
        finally:
            self.knowledge = actual
        return chosen

    def _suppose(self, point: Point) -> None:
        """As if a point had come out as expected."""
        if point in self.knowledge:
            self.knowledge.observe(point, self.knowledge.seconds(point), self._error(point))

    def _error(self, point: Point) -> float:
        """Relative standard error that a visit is expected to leave."""
        return self._errors.get(point, USUAL_ERROR)

    @property
    def is_good_enough(self) -> bool:
        """Whether nothing more is worth its time."""
        return self.deviation <= GOOD_ENOUGH

    @property
    def deviation(self) -> float:
        """Relative standard deviation of the expected times, each point by its worth."""
        return float(np.sqrt(self._worth @ self.knowledge.deviations**2))


def error_of(rows: Sequence[Row], *, disturbed: bool | None = None) -> float:
    """Relative standard error of the sum of some rows' medians.

    That of a median of n normal times is 1.2533·σ/√n, σ = interquartile range/1.349; visits add their drift.
    """
    total_s = sum(row.median_s for row in rows)
    own = sum(1.2533 / 1.349 * row.spread * row.median_s / row.n**0.5 for row in rows) / total_s
    if min(row.n for row in rows) < FEW_RUNS:
        own = max(own, ERROR_OF_FEW)
    drift = DRIFT / min(row.visits for row in rows) ** 0.5
    slowed = any(row.throttled for row in rows) if disturbed is None else disturbed
    return float(np.hypot(own, np.hypot(drift, DISTURBED if slowed else 0.0)))


def worths(points: Sequence[Point], demand: Demand) -> Vector:
    """What each point's time is worth in a training step; the sum is 1.

    A group's share of a step's time, by the first idea of its seconds, times how often its manner is asked for, shared
    out among the points that differ in shape alone.
    """
    shares = _shares(points, demand)
    families = [point.family for point in points]
    found = np.array([shares[point.group] * _use(point) / families.count(point.family) for point in points])
    total: Vector = found / found.sum()
    return total


def _shares(points: Sequence[Point], demand: Demand) -> dict[str, float]:
    """Share of each group in a step at the first shape of the layer."""
    layer = next((point for point in points if point.group == "layer"), Point("layer", 1, 128))
    batch, sequence = layer.batch, layer.sequence
    layers_s = demand.model.layers * demand.once_s(layer) / 2  # at a point of the layer its work is done twice
    model_part = demand.model.layers / MICRO_BATCHES
    seconds = {
        **{group: part * layers_s for group, part in PART_OF_LAYER.items()},
        "head_loss": demand.once_s(Point("head_loss", batch, sequence)),
        "embedding": demand.once_s(Point("embedding", batch, sequence)),
        "optimizer": model_part * demand.once_s(Point("optimizer")),
    }
    return {**seconds, "ceilings": CEILINGS * layers_s}


def _use(point: Point) -> float:
    """How often a plan asks for it, against the plain way."""
    found = 1.0
    for name in ("compiled", "recompute", "flushed", "dtype", "sdpa"):
        found *= USE[name] if getattr(point, name) else 1.0
    return found * (USE.get(point.variant, OTHER_USE) if point.variant else 1.0)


def _apart(one: Point, other: Point) -> tuple[bool, bool, float]:
    """How unlike two points are: another group, another manner, octaves of tokens and width between them."""
    octaves = abs(np.log2(max(1, one.tokens) / max(1, other.tokens))) + abs(np.log2(one.shards / other.shards))
    return one.group != other.group, one.family != other.family, float(octaves)


def _costs_like(point: Point) -> tuple[str, bool]:
    return point.group, point.compiled
