"""The next rung's loss from those below it, and how far such a forecast was off on the rungs already there.

A ladder has too few points to trust one form, so several stand side by side. Each is asked to forecast every measured
rung from the rungs below that one; the form with the smallest error there is chosen. The rung to be forecast takes no
part in the choice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError
from planner.formula import Number
from planner.quality import losses
from planner.quality.fit import LEVEL, fit
from planner.quality.points import Points

Floats = NDArray[np.float64]
Curve = Callable[[Number, Number], Number]
"""Loss of N parameters and D tokens."""

FEWEST_BELOW = 3
"""Rungs that a forecast needs below it."""
EXPONENTS = (0.05, 1.5)
"""Where a common exponent is looked for."""


@dataclass(frozen=True)
class Form:
    """A form of the law: what it is called, what it assumes, and how it is fitted."""

    name: str
    formula: str
    assumes: str
    fitted: Callable[[Points], Curve]


@dataclass(frozen=True)
class Backtest:
    """A measured point forecast from the rungs below its own."""

    parameters: float
    tokens: float
    measured: float
    forecast: float

    @property
    def error(self) -> float:
        """forecast/measured − 1."""
        return self.forecast / self.measured - 1


@dataclass(frozen=True)
class Forecast:
    """A loss that has not been measured yet, with the band that the form's own backtests suggest."""

    parameters: float
    tokens: float
    loss: float
    low: float
    high: float
    form: str
    formula: str
    assumes: str
    backtests: tuple[Backtest, ...]
    rejected: dict[str, float]
    """Root mean square error in the backtests of the forms that were not chosen."""

    @property
    def rms_error(self) -> float:
        """Of the chosen form's backtests, a fraction."""
        return _rms(self.backtests)


def forecast(points: Points, parameters: float, tokens: float, noise: float = 0.0) -> Forecast:
    """The loss of a larger rung. `points.parameters` tells the rungs apart; `noise` is the spread between seeds, a
    fraction.

    Raises `InputError` with fewer than `FEWEST_BELOW` + 1 rungs, of which the last one tests the forms.
    """
    sizes = np.unique(points.parameters)
    if len(sizes) <= FEWEST_BELOW:
        raise InputError(f"ladder: {len(sizes)} rungs; a tested forecast needs {FEWEST_BELOW + 1} below its own")
    tested = {form.name: tests for form in FORMS if (tests := _backtests(form, points, sizes))}
    best = min(tested, key=lambda name: _rms(tested[name]))
    form = next(one for one in FORMS if one.name == best)
    loss = float(form.fitted(points)(parameters, tokens))
    half = _quantile(len(tested[best])) * math.hypot(_rms(tested[best]), noise)
    rejected = {name: _rms(tests) for name, tests in tested.items() if name != best}
    return Forecast(
        parameters, tokens, loss, loss * (1 - half), loss * (1 + half), form.name, form.formula, form.assumes,
        tested[best], rejected,
    )  # fmt: skip


def _backtests(form: Form, points: Points, sizes: Floats) -> tuple[Backtest, ...]:
    """Each rung's point of most tokens from the rungs below; empty where the form cannot be fitted each time."""
    found = []
    for size in sizes[FEWEST_BELOW:]:
        of_size = np.flatnonzero(points.parameters == size)
        tokens = float(points.tokens[of_size].max())
        measured = float(points.loss[of_size][points.tokens[of_size] == tokens].mean())
        try:
            curve = form.fitted(_chosen(points, points.parameters < size))
        except InputError:
            return ()
        found.append(Backtest(float(size), tokens, measured, float(curve(float(size), tokens))))
    return tuple(found)


def _chosen(points: Points, which: NDArray[np.bool_]) -> Points:
    return Points(points.parameters[which], points.tokens[which], points.loss[which])


def _rms(tests: Sequence[Backtest]) -> float:
    return math.sqrt(sum(test.error**2 for test in tests) / len(tests))


def _quantile(count: int) -> float:
    """Student's t for an interval of `LEVEL` from so many errors about zero."""
    from scipy.stats import t

    return float(t.ppf((1 + LEVEL) / 2, count))


def _five_constants(points: Points) -> Curve:
    found = fit(points).parameters
    return lambda N, D: losses.chinchilla_loss(N, D, *found)


def _tied_exponents(points: Points) -> Curve:
    """E, A, B ≥ 0 by least squares of the relative error under each exponent: linear, so three points are enough."""
    from scipy.optimize import minimize_scalar, nnls

    N, D, L = points.parameters, points.tokens, points.loss

    def terms(exponent: float) -> tuple[Floats, float]:
        scale = np.array([1.0, float(N.mean()) ** exponent, float(D.mean()) ** exponent])
        columns = np.stack([np.ones_like(N), N**-exponent, D**-exponent], axis=1) * scale
        found, norm = nnls(columns / L[:, None], np.ones_like(L))
        return found * scale, float(norm)

    best = float(minimize_scalar(lambda exponent: terms(exponent)[1], bounds=EXPONENTS, method="bounded").x)
    E, A, B = map(float, terms(best)[0])
    return lambda n, d: losses.chinchilla_loss(n, d, E, A, B, best, best)


def _power_law(points: Points) -> Curve:
    """ln L linear in ln N and ln D."""
    columns = np.stack([np.ones_like(points.loss), np.log(points.parameters), np.log(points.tokens)], axis=1)
    k, p, q = np.linalg.lstsq(columns, np.log(points.loss), rcond=None)[0]
    return lambda N, D: np.exp(k + p * np.log(N) + q * np.log(D))


def _compute(points: Points) -> Curve:
    """ln L linear in ln C over the path: of every rung the points with the fewest tokens."""
    N, D = points.parameters, points.tokens
    path = _chosen(points, np.array([tokens == D[size == N].min() for size, tokens in zip(N, D, strict=True)]))
    flops = np.asarray(losses.training_flops(path.parameters, path.tokens))
    slope, start = np.polyfit(np.log(flops), np.log(path.loss), 1)
    return lambda N, D: np.exp(start + slope * np.log(losses.training_flops(N, D)))


FORMS = (
    Form("five constants", "L = E + A/N^α + B/D^β", "nothing beyond the form", _five_constants),
    Form("one exponent", "L = E + A/N^α + B/D^α", "α = β, as Muennighoff 2023 has it", _tied_exponents),
    Form("power law", "L = k·N^−p·D^−q", "no irreducible loss: far beyond the points it is too low", _power_law),
    Form(
        "power law of compute", "L = k·C^−γ, C = 6·N·D",
        "the ladder's own path, and no irreducible loss: far beyond the points it is too low", _compute,
    ),
)  # fmt: skip
