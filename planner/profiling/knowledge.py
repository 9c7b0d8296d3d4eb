"""What is known of a device's times while they are measured: a Gaussian process over the points of a suite.

The unknown is the logarithm of a point's time over the first idea of it (`Demand.once_s`). Its covariance between two
points is a sum: what all times share (the data sheet promises too much), what a group shares, what a family (group and
manner) shares, and a smooth deviation over the logarithms of tokens, sequence and width, weaker between groups and
families. Each measurement is one update (Rasmussen & Williams 2006, eqs. 2.23–2.24, one observation at a time).

The variance follows from where was measured and how noisily; how far it can be believed, from how far off the group's
predictions came out before they were measured (`surprise`).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from planner.profiling.points import Point

SHARED, OF_GROUP, OF_FAMILY, OF_SHAPE = 0.5, 0.4, 0.3, 0.35
"""Standard deviations of the logarithm before anything is measured (assumed; the surprise corrects them)."""
OCTAVES = 2.0
"""Length scale: how many doublings apart shapes tell little of each other."""
ACROSS_GROUPS, ACROSS_FAMILIES = 0.3, 0.6
"""Correlation of the smooth deviation between groups, and between families."""
EXPECTED = 4
"""How many predictions' worth the assumed deviations count, against the errors found."""
LEAST_SURPRISE, MOST_SURPRISE = 0.25, 16.0

Vector = NDArray[np.float64]


class Knowledge:
    """Times of a suite's points. Elementwise arrays are in the order of `points`."""

    def __init__(self, points: Sequence[Point], first_idea_s: Sequence[float]) -> None:
        self.points = tuple(points)
        self._index = {point: number for number, point in enumerate(self.points)}
        self._first_s = np.array(first_idea_s, dtype=float)
        self._mean = np.zeros(len(self.points))
        self._covariance = _prior(self.points)
        self._groups = sorted({point.group for point in self.points})
        self._group = np.array([self._groups.index(point.group) for point in self.points], dtype=int)
        self._squares = np.zeros(len(self._groups))
        self._seen = np.zeros(len(self._groups))

    def __contains__(self, point: Point) -> bool:
        return point in self._index

    def copy(self) -> Knowledge:
        """An independent one that knows the same: to plan on."""
        other = Knowledge.__new__(Knowledge)
        other.__dict__ = {name: value.copy() if isinstance(value, np.ndarray) else value
                          for name, value in self.__dict__.items()}  # fmt: skip
        return other

    def seconds(self, point: Point) -> float:
        """Expected time of one run of a point's operations."""
        return float(self.times_s[self._index[point]])

    @property
    def times_s(self) -> Vector:
        """Expected time of one run, by point."""
        times: Vector = self._first_s * np.exp(self._mean)
        return times

    def observe(self, point: Point, seconds: float, error: float) -> None:
        """Learn a point's time, with its relative standard error."""
        number = self._index[point]
        found = float(np.log(seconds / self._first_s[number])) - self._mean[number]
        column = self._covariance[:, number].copy()
        variance = column[number] + error**2
        self._squares[self._group[number]] += found**2 / variance
        self._seen[self._group[number]] += 1
        self._mean = self._mean + column * found / variance
        self._covariance = self._covariance - np.outer(column, column) / variance

    @property
    def surprise(self) -> Vector:
        """By point: how much larger the variance of its group came out than was thought."""
        found = (EXPECTED + self._squares) / (EXPECTED + self._seen)
        by_group: Vector = np.clip(found, LEAST_SURPRISE, MOST_SURPRISE)
        surprises: Vector = by_group[self._group]
        return surprises

    @property
    def deviations(self) -> Vector:
        """Relative standard deviation of each point's expected time."""
        deviations: Vector = np.sqrt(np.maximum(np.diag(self._covariance), 0.0) * self.surprise)
        return deviations

    def gains(self, weights: Vector, errors: Vector) -> Vector:
        """By point: how much measuring it once more would take off the weighted sum of all variances.

        weights: of the points in that sum; errors: relative standard error that measuring each would leave. This is
        the criterion of Cohn (1996, J. Artif. Intell. Res. 4, eq. 7), exact for a Gaussian process.
        """
        taken = self._covariance**2 / (np.diag(self._covariance) + errors**2)  # [of the sum, measured]
        gains: Vector = (weights * self.surprise) @ taken
        return gains


def _prior(points: Sequence[Point]) -> NDArray[np.float64]:
    groups, families = [point.group for point in points], [point.family for point in points]
    same_group = np.array([[one == other for other in groups] for one in groups], dtype=float)
    same_family = np.array([[one == other for other in families] for one in families], dtype=float)
    octaves = np.log2([[max(1, point.tokens), max(1, point.sequence), point.shards] for point in points])
    apart = ((octaves[:, None] - octaves[None]) ** 2).sum(axis=2) / OCTAVES**2
    smooth = np.exp(-apart / 2) * (ACROSS_GROUPS + (1 - ACROSS_GROUPS) * same_group)
    smooth = smooth * (ACROSS_FAMILIES + (1 - ACROSS_FAMILIES) * same_family)
    covariance: NDArray[np.float64] = (
        SHARED**2 + OF_GROUP**2 * same_group + OF_FAMILY**2 * same_family + OF_SHAPE**2 * smooth
    )
    return covariance
