"""The α–β law of a message's time, t = α + bytes/β, fitted piece by piece: libraries change their protocol with size.

Hockney, "The communication challenge for MPP" (Parallel Computing 20, 1994): start-up plus bytes over the asymptotic
bandwidth. NCCL (LL, LL128, Simple) and TCP (one segment, a window, a stream) obey it with other constants in each
range of sizes, so the fit is segmented in the logarithm of the size: a latency regime, switches, a bandwidth regime.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from planner.formula import Number

Vector = NDArray[np.float64]

FEWEST_SIZES = 3
"""Sizes in a regime: one more than its constants."""
MOST_REGIMES = 4
WORTH_A_REGIME = 0.8
"""A further regime must bring the error at sizes left out below this share of what it was without it."""
GOOD_ENOUGH = 0.01
"""Mean relative error at sizes left out below which no further regime is looked for."""
HELD_SHARE = 0.8
"""Share of the errors at left-out sizes that the fit's error holds, as all of the planner's bands do."""


class Regime(BaseModel):
    """One range of sizes with its constants, as a profile file keeps it. The switch to the next lies at the geometric
    mean of the sizes on its two sides."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    smallest_bytes: float = Field(gt=0)
    largest_bytes: float = Field(gt=0)
    start_s: float = Field(ge=0)  # α
    s_per_byte: float = Field(ge=0)  # 1/β


@dataclass(frozen=True)
class Fit:
    """The regimes by size, and how far they are off at sizes that they were not fitted to."""

    regimes: tuple[Regime, ...]
    error: float | None
    """Error of the logarithm of the time that holds 80 % of the sizes left out one by one; None with too few sizes."""
    error_beyond: float | None
    """The same at the largest size when left out: of the last regime's line beyond what it was fitted to."""


def time_s(regimes: Sequence[Regime], bytes_: Number) -> Number:
    """Seconds by the regime that each size falls into; the first and the last go on for ever. Elementwise."""
    switches = [np.sqrt(one.largest_bytes * other.smallest_bytes) for one, other in itertools.pairwise(regimes)]
    index = np.searchsorted(switches, bytes_)
    starts, slopes = (np.array([getattr(one, name) for one in regimes]) for name in ("start_s", "s_per_byte"))
    return (starts[index] + slopes[index] * bytes_)[()]


def fit(bytes_: Sequence[float], time_s: Sequence[float], errors: Sequence[float]) -> Fit:
    """Regimes for measured times (seconds) with their relative errors; several times may be of one size.

    Least squares of relative errors over non-negative α and 1/β in each regime, the ranges chosen by dynamic
    programming; as many regimes as the sizes left out one by one ask for.
    """
    data = _Data(*(np.asarray(column, dtype=float) for column in (bytes_, time_s, errors)))
    most = max(1, min(MOST_REGIMES, len(data.sizes) // FEWEST_SIZES))
    found = _partitions(data, most)
    if len(data.sizes) <= FEWEST_SIZES - 1:
        return Fit(found[0], None, None)
    left_out = _left_out_errors(data, most)
    chosen = 0
    for count in range(1, most):
        before, now = (float(np.mean(left_out[row])) for row in (chosen, count))
        if now < WORTH_A_REGIME * before and before > GOOD_ENOUGH:
            chosen = count
    return Fit(found[chosen], float(np.quantile(left_out[chosen], HELD_SHARE)), float(left_out[chosen, -1]))


class _Data:
    """Measured times, the sizes that occur, and which size each time is of."""

    def __init__(self, bytes_: Vector, time_s: Vector, errors: Vector) -> None:
        self.bytes, self.time_s, self.errors = bytes_, time_s, errors
        self.sizes, self.index = np.unique(bytes_, return_inverse=True)

    def without(self, size: int) -> _Data:
        keep = self.index != size
        return _Data(self.bytes[keep], self.time_s[keep], self.errors[keep])


def _left_out_errors(data: _Data, most: int) -> Vector:
    """How far 1 … `most` regimes (rows) are off at each size (columns) left out: |log(predicted/measured)|."""
    found = np.empty((most, len(data.sizes)))
    for size, bytes_ in enumerate(data.sizes):
        measured = np.log(data.time_s[data.index == size])
        for row, regimes in enumerate(_partitions(data.without(size), most)):
            found[row, size] = abs(np.log(time_s(regimes, bytes_)) - np.mean(measured))
    return found


def _partitions(data: _Data, most: int) -> list[tuple[Regime, ...]]:
    """The best 1, 2, … `most` regimes: ranges of sizes with the smallest sum of squares. Several regimes have at least
    `FEWEST_SIZES` sizes each; where there are too few for so many, the next smaller number stands in."""
    number = len(data.sizes)
    cost, starts, slopes = _every_range(data)
    best, before = [np.concatenate([[0.0], cost[0]])], [np.zeros(number + 1, dtype=int)]  # one regime up to each end
    found = [[(0, number - 1)]]
    for pieces in range(2, most + 1):
        totals = best[-1][:, None] + np.vstack([cost, np.full(number, np.inf)])  # (begin of the last regime, its end)
        begin, end = np.indices(totals.shape)
        allowed = (end - begin + 1 >= FEWEST_SIZES) & (begin >= FEWEST_SIZES * (pieces - 1))
        totals = np.where(allowed, totals, np.inf)
        best.append(np.concatenate([[np.inf], totals.min(axis=0)]))
        before.append(np.concatenate([[0], totals.argmin(axis=0)]))
        found.append(_traced(before, number) if number >= FEWEST_SIZES * pieces else found[-1])
    return [
        tuple(
            Regime(
                smallest_bytes=data.sizes[i], largest_bytes=data.sizes[j], start_s=starts[i, j],
                s_per_byte=slopes[i, j],
            )
            for i, j in ranges
        )
        for ranges in found
    ]  # fmt: skip


def _traced(before: list[NDArray[np.intp]], number: int) -> list[tuple[int, int]]:
    """First and last size of each regime, from where the best last regime of each number began."""
    ranges, end = [], number
    for begins in reversed(before):
        ranges.append((int(begins[end]), end - 1))
        end = int(begins[end])
    return ranges[::-1]


def _every_range(data: _Data) -> tuple[Vector, Vector, Vector]:
    """(sum of squares, α, 1/β) of the least squares over each range of sizes i … j; arrays (sizes, sizes), j ≥ i."""
    number = len(data.sizes)
    first, last = np.meshgrid(np.arange(number), np.arange(number), indexing="ij")
    inside = (data.index >= first[..., None]) & (data.index <= last[..., None])
    scale = float(np.exp(np.mean(np.log(data.sizes))))  # keeps the two columns of one magnitude
    one, slope, target = (
        1 / (data.time_s * data.errors),
        data.bytes / scale / (data.time_s * data.errors),
        1 / data.errors,
    )
    aa, ab, bb = inside @ one**2, inside @ (one * slope), inside @ slope**2
    at, bt, tt = inside @ (one * target), inside @ (slope * target), inside @ target**2
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = aa * bb - ab**2
        alpha, beta = (bb * at - ab * bt) / determinant, (aa * bt - ab * at) / determinant
        alone_alpha, alone_beta = at / aa, bt / bb
    both = (determinant > 1e-12 * aa * bb) & (alpha >= 0) & (beta >= 0)
    cost_alpha, cost_beta = tt - alone_alpha * at, tt - alone_beta * bt
    only_alpha = ~both & (cost_alpha <= cost_beta)
    alpha = np.where(both, alpha, np.where(only_alpha, alone_alpha, 0.0))
    beta = np.where(both, beta, np.where(only_alpha, 0.0, alone_beta))
    cost = tt - 2 * (alpha * at + beta * bt) + alpha**2 * aa + 2 * alpha * beta * ab + beta**2 * bb
    upper = last >= first
    return np.where(upper, cost, np.inf), np.where(upper, alpha, 0.0), np.where(upper, beta / scale, 0.0)
