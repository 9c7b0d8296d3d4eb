"""What the formulas leave over of a profile's rows: a Gaussian process on the logarithms of the shapes.

The logarithm of a measured time is taken for the sum of

* the formulas with the device's constants, whose logarithms have a prior (`planner.timing.measured`), linearized;
* a remainder, one smooth function a kernel class (operation and direction) of the logarithms of its sizes, with a
  Matérn 3/2 covariance: near a measured shape it knows, far from all it falls back to nothing, and says so;
* what one shape's rows share because they were measured at one time on a machine that drifts;
* each row's own noise.

All four are Gaussian, so the posterior, its deviation and the errors of shapes left out are linear algebra (Rasmussen &
Williams, Gaussian Processes for Machine Learning, 2006, §2.2, §2.7, §5.4). The five scales are those of the largest
marginal likelihood under weak priors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.formula import Number, formula, given
from planner.plan.workload import Workload

Vector = NDArray[Any]
Part = tuple[str, str]
"""A kernel class: operation and direction."""

SIZES: Mapping[str, tuple[str, ...]] = {
    "attention_core": ("tokens", "keys", "attention"),
    "attention": ("tokens", "keys", "hidden", "attention"),
    "feed_forward": ("tokens", "hidden", "ffn"),
    "layer": ("tokens", "keys", "hidden", "attention", "ffn"),
    "edge": ("tokens", "hidden", "vocabulary"),
    "optimizer": (),
}
"""The sizes that an operation's remainder depends on: one rank's. The optimizer's is the same for all."""
_LENGTHS = ("tokens", "keys")
"""Sizes that share one scale; the widths share the other."""
_ENOUGH_ROWS = 240
_ENDLESS = 1e12
"""A squared distance at which a covariance is naught to the last digit."""
_BLOCK = 4096
"""Shapes at a time, so that memory stays small however many there are."""


@formula(
    "t·exp(remainder)",
    unit="s",
    source="the formulas' time, with what measured shapes near this one took beyond it",
)
def corrected_s(time_s: Number, remainder: Number) -> Number:
    """A time by the formulas, moved by the remainder that was measured around it."""
    return time_s * np.exp(remainder)


@dataclass(frozen=True)
class Scales:
    """Standard deviations and lengths, all in natural logarithms; the values here are the prior's centre (assumed)."""

    remainder: float = 0.08
    """How far a class strays from the formulas."""
    lengths: float = 1.5
    """Distance in tokens over which a remainder changes: e^1.5 is a factor of 4.5."""
    widths: float = 1.5
    drift: float = 0.03
    noise: float = 0.03
    """Of a row, beside its own spread."""


_NAMES = tuple(field.name for field in fields(Scales))
_CENTRE = np.log([getattr(Scales(), name) for name in _NAMES])
_WIDTHS = np.array([0.7, 0.5, 0.5, 0.7, 0.7])
"""How far each scale (standard deviation of its logarithm) may be from its centre."""


@dataclass(frozen=True)
class Places:
    """Where n rows stand: kernel class and sizes, and which were measured at one shape."""

    parts: Sequence[Part]
    sizes: Sequence[Vector]
    """Logarithms of each row's sizes (`sizes_of`)."""
    shapes: NDArray[np.intp]
    """Rows of one shape share their drift, and are left out together."""

    def of(self, part: Part) -> list[int]:
        """The rows of a kernel class."""
        return [number for number, one in enumerate(self.parts) if one == part]

    @cached_property
    def classes(self) -> dict[Part, tuple[list[int], Vector]]:
        """Rows and sizes [m, d] of each class."""
        return {
            part: (self.of(part), np.stack([self.sizes[i] for i in self.of(part)]))
            for part in dict.fromkeys(self.parts)
        }

    @cached_property
    def squares(self) -> tuple[Vector, Vector]:
        """Squared distances between rows in tokens and in widths; endless between classes. [n, n] each"""
        found = [np.full((len(self.parts),) * 2, _ENDLESS) for _ in range(2)]
        for part, (here, sizes) in self.classes.items():
            for matrix, square in zip(found, _squares(part[0], sizes, sizes), strict=True):
                matrix[np.ix_(here, here)] = square
        return found[0], found[1]

    @cached_property
    def together(self) -> Vector:
        """1 where two rows were measured at one shape. [n, n]"""
        same: Vector = (self.shapes[:, None] == self.shapes).astype(np.float64)
        return same


@dataclass(frozen=True)
class Evidence:
    """Rows as the regression takes them: n rows, p constants."""

    places: Places
    variances: Vector
    """Each row's own relative variance."""
    outlying: Vector
    """By how much each row's variance is taken for larger than that (1: not at all)."""
    residual: Vector
    """Logarithm of measured over formula, the constants at their prior's centre. [n]"""
    slopes: Vector
    """Derivatives of the formulas' logarithm, in units of each constant's prior deviation. [n, p]"""

    def thinned(self, most: int) -> Evidence:
        """About so many rows at most: those of every second, third … shape."""
        keep = np.flatnonzero(self.places.shapes % math.ceil(len(self.residual) / most) == 0).tolist()
        if len(keep) == len(self.residual):
            return self
        places = self.places
        return Evidence(
            Places([places.parts[i] for i in keep], [places.sizes[i] for i in keep], places.shapes[keep]),
            self.variances[keep], self.outlying[keep], self.residual[keep], self.slopes[keep],
        )  # fmt: skip


@dataclass(frozen=True)
class Posterior:
    """The regression solved."""

    evidence: Evidence
    scales: Scales
    weights: Vector
    """The inverse of the rows' covariance times the residual. [n]"""

    @cached_property
    def covariance(self) -> Vector:
        """Of all rows; until it is inverted, which is most of what an estimate waits for. [n, n]"""
        return _of_rows(self.evidence, self.scales)

    @cached_property
    def inverse(self) -> Vector:
        """Of the covariance of all rows. [n, n]"""
        found: Vector = np.linalg.inv(self.covariance)
        self.__dict__.pop("covariance")  # a thousand rows are 8 MB
        return found

    @property
    def constants(self) -> Vector:
        """Each constant's posterior mean, in its prior deviations from the prior's centre. [p]"""
        moved: Vector = self.evidence.slopes.T @ self.weights
        return moved

    def outlying(self, tails: float) -> Vector:
        """By how much each row's variance is to be taken for larger, its errors being Student's t with so many degrees
        of freedom: (ν + r²)/(ν + 1)."""
        usual = self.evidence.variances + self.scales.noise**2
        noise = usual * self.evidence.outlying * self.weights
        found: Vector = (tails + noise**2 / usual) / (tails + 1.0)
        return found

    def left_out(self) -> Vector:
        """Logarithm of measured over predicted of each row, predicted without the rows of its shape (§5.4.2)."""
        found = np.empty_like(self.weights)
        shapes = self.evidence.places.shapes
        for shape in np.unique(shapes):
            here = np.flatnonzero(shapes == shape)
            found[here] = np.linalg.solve(self.inverse[np.ix_(here, here)], self.weights[here])
        return found

    def surprises(self) -> Vector:
        """The same errors over their own standard deviations."""
        deviations = np.empty_like(self.weights)
        shapes = self.evidence.places.shapes
        for shape in np.unique(shapes):
            here = np.flatnonzero(shapes == shape)
            deviations[here] = np.sqrt(np.diag(np.linalg.inv(self.inverse[np.ix_(here, here)])))
        found: Vector = self.left_out() / deviations
        return found

    def deviation(self, part: Part, sizes: Vector, slopes: Vector) -> Vector:
        """Standard deviation of the logarithm of a time at some shapes; drift and noise of a measurement left out.

        sizes: [m, d]; slopes: the formulas' at these shapes, in units as the evidence's [m, p].
        """
        toward = slopes @ self.evidence.slopes.T
        here, known = self.evidence.places.classes.get(part, ([], sizes[:0]))
        toward[:, here] += covariance(self.scales, part[0], sizes, known)
        prior = np.sum(slopes**2, axis=1) + self.scales.remainder**2
        told = np.einsum("mi,ij,mj->m", toward, self.inverse, toward)
        spread: Vector = np.sqrt(np.maximum(prior - told, 0.0))
        return spread

    def surface(self) -> Surface:
        """The remainder alone, for the timing formulas."""
        classes = self.evidence.places.classes
        return Surface(self.scales, {part: (sizes, self.weights[here]) for part, (here, sizes) in classes.items()})


@dataclass(frozen=True)
class Surface:
    """The remainder of a profile: per class the shapes measured and what each contributes."""

    scales: Scales
    classes: Mapping[Part, tuple[Vector, Vector]]
    """Logarithms of the sizes [n, d], weights [n]."""

    def remainder(self, part: Part, w: Workload) -> Number:
        """Logarithm of measured over formula at a workload's shapes: a number or an array."""
        if part not in self.classes:
            return 0.0
        known, weights = self.classes[part]
        sizes, shape = sizes_of(part[0], w)
        unique, back = _distinct(sizes)
        blocks = [unique[begin : begin + _BLOCK] for begin in range(0, len(unique), _BLOCK)]
        found = np.concatenate([covariance(self.scales, part[0], one, known) @ weights for one in blocks])[back]
        return found.reshape(shape) if shape else float(found[0])

    def correct(self, part: Part, time_s: Number, w: Workload) -> Number:
        """A time by the formulas with the remainder."""
        told = f"the profile's rows of {part[0].replace('_', ' ')}, {part[1]}"
        return corrected_s(time_s, given("remainder", self.remainder(part, w), source=told, kind="measured"))


def sizes_of(operation: str, w: Workload) -> tuple[Vector, tuple[int, ...]]:
    """Logarithms of the sizes that an operation's remainder depends on [n, d], and the shape that they came in.

    Experts make a layer unlike a dense one of the same widths: they count as so many times the feed-forward width.
    """
    values: dict[str, Any] = {
        "tokens": w.rank_tokens, "keys": w.sequence, "hidden": w.hidden, "attention": w.heads * w.head_dim / w.tp,
        "ffn": np.where(np.asarray(w.experts) > 0, (1.0 + w.experts) * w.expert_ffn, w.ffn) / w.tp,
        "vocabulary": w.vocabulary / w.tp,
    }  # fmt: skip
    columns = [np.asarray(values[name], dtype=float) for name in SIZES[operation]]
    shape = np.broadcast_shapes(*(column.shape for column in columns))
    logs = [np.log(np.broadcast_to(column, shape)).ravel() for column in columns]
    return np.stack(logs, axis=1) if logs else np.empty((1, 0)), shape


def covariance(scales: Scales, operation: str, left: Vector, right: Vector) -> Vector:
    """Covariance of an operation's remainder between shapes [m, d] and [n, d]: [m, n]."""
    return _matern(scales, *_squares(operation, left, right))


def solve(evidence: Evidence, scales: Scales) -> Posterior:
    """The posterior at given scales."""
    return Posterior(evidence, scales, np.linalg.solve(_of_rows(evidence, scales), evidence.residual))


def likeliest(evidence: Evidence, start: Scales) -> Scales:
    """The scales of the largest marginal likelihood times their prior (§5.4.1), of some of the rows where they are
    many: five numbers need no more."""
    from scipy.optimize import minimize

    evidence = evidence.thinned(_ENOUGH_ROWS)
    begin = np.log([getattr(start, name) for name in _NAMES])
    found = minimize(_loss, begin, args=(evidence,), jac=True, method="L-BFGS-B", options={"maxiter": 30, "ftol": 1e-5})
    return _scales(found.x)


def _loss(point: Vector, evidence: Evidence) -> tuple[float, Vector]:
    """Minus the logarithm of likelihood and prior at the scales' logarithms, and its gradient (eq. 5.8, 5.9)."""
    matrix, slopes = _of_rows(evidence, _scales(point)), _slopes_of_rows(evidence, _scales(point))
    inverse = np.linalg.inv(matrix)
    weights = inverse @ evidence.residual
    pull = (point - _CENTRE) / _WIDTHS
    value = 0.5 * evidence.residual @ weights + 0.5 * np.linalg.slogdet(matrix)[1] + 0.5 * pull @ pull
    outer = inverse - np.outer(weights, weights)
    return float(value), np.array([0.5 * np.sum(outer * slope) for slope in slopes]) + pull / _WIDTHS


def _scales(logs: Vector) -> Scales:
    return Scales(**{name: float(np.exp(value)) for name, value in zip(_NAMES, logs, strict=True)})


def _of_rows(evidence: Evidence, scales: Scales) -> Vector:
    """Covariance of all rows' logarithms: constants, remainders, drift, noise. [n, n]"""
    places = evidence.places
    whole = evidence.slopes @ evidence.slopes.T
    whole += _matern(scales, *places.squares)
    whole += scales.drift**2 * places.together
    whole[np.diag_indices_from(whole)] += evidence.outlying * (evidence.variances + scales.noise**2)
    return whole


def _slopes_of_rows(evidence: Evidence, scales: Scales) -> list[Vector]:
    """Slopes of that covariance in the logarithm of each scale. [n, n] each"""
    places = evidence.places
    lengths, widths = (
        3.0 * square / scale**2 for square, scale in zip(places.squares, (scales.lengths, scales.widths), strict=True)
    )
    decay = scales.remainder**2 * np.exp(-np.sqrt(lengths + widths))
    slopes = [square * decay for square in (lengths, widths)]
    noise, drift = np.diag(2 * evidence.outlying * scales.noise**2), 2 * scales.drift**2 * places.together
    return [2 * _matern(scales, *places.squares), *slopes, drift, noise]


def _matern(scales: Scales, lengths: Vector, widths: Vector) -> Vector:
    """Matérn 3/2 covariance at squared distances (eq. 4.17); in place, a million of them being many."""
    far = lengths * (3.0 / scales.lengths**2)
    far += widths * (3.0 / scales.widths**2)
    np.sqrt(far, out=far)
    decay = np.exp(-far)
    far += 1.0
    far *= decay
    far *= scales.remainder**2
    return far


def _squares(operation: str, left: Vector, right: Vector) -> tuple[Vector, Vector]:
    """Squared distances in the lengths and in the widths between shapes [m, d] and [n, d]: [m, n] each."""
    is_length = np.array([name in _LENGTHS for name in SIZES[operation]], dtype=bool)
    between = (left[:, None, :] - right[None, :, :]) ** 2
    return between[..., is_length].sum(axis=-1), between[..., ~is_length].sum(axis=-1)


def _distinct(sizes: Vector) -> tuple[Vector, NDArray[np.intp]]:
    """The different rows, and for each row which of them it is: layouts have few shapes between them."""
    key = np.zeros(len(sizes), dtype=np.intp)
    for column in sizes.T:
        if column.min() < column.max():
            values, index = np.unique(column, return_inverse=True)
            key = np.unique(key * len(values) + index, return_inverse=True)[1]
    _, first, back = np.unique(key, return_index=True, return_inverse=True)
    return sizes[first], back
