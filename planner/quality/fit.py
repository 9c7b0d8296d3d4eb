"""Fit L = E + A/N^α + B/D^β to measured points, by the published procedure.

Minimised is Σ Huber_δ(ln L − LSE(a − α·ln N, b − β·ln D, e)) with δ = 1e-3, summed and not averaged (Hoffmann 2022,
arXiv 2203.15556, section 3.3; Besiroglu 2024, arXiv 2404.10102, section 3). The logarithms of N and D are centred,
which takes most of the correlation between a and α, b and β out of the problem. Many starts run side by side as one
batch of Levenberg–Marquardt steps on reweighted least squares; the best is polished by BFGS on the objective itself,
divided by δ: unscaled, its gradient is below the solver's tolerance before the optimum. Bootstrap samples are the same
batch, each with multinomial weights, started from the fit.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.errors import CancelledError, InputError
from planner.quality.laws import Chinchilla, Law, validated
from planner.quality.points import Points, unidentified

Floats = NDArray[np.float64]

DELTA = 1e-3
NAMES = ("E", "A", "B", "alpha", "beta")
LEVEL = 0.8
"""Share of the bootstrap samples that an interval holds."""
_STARTS = 64
_FEWEST_STARTS = 8
_START_ELEMENTS = 1_000_000
"""Points × starts: fewer starts when there are very many points."""
_START_ITERATIONS = 60
_SAMPLE_ITERATIONS = 200
_LOOK_EVERY = 10
_SETTLED = 1e-6
"""A row whose objective fell by less than this share over the last steps is done."""
_BATCH_ELEMENTS = 6_000
"""Points × rows of one batch: its work arrays then stay in the cache."""
_FEW_POINTS = 12
_NOTHING = 1e-6
"""A term with a smaller share of the loss than this at every point is not there."""
_SINGULAR = 1e13
_LOOSE = 0.5
"""An exponent known to no better than this share of itself is not identified."""


@dataclass(frozen=True)
class Fit:
    """The fitted law. `samples` has one row a bootstrap sample: E, A, B, α, β."""

    parameters: Chinchilla
    standard_errors: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    objective: float
    points: Points = field(repr=False)
    samples: Floats = field(repr=False)
    covariance: Floats = field(repr=False)
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The object that `fit --json` prints."""
        return {
            "parameters": {name: float(value) for name, value in zip(NAMES, self.parameters, strict=True)},
            "standard_errors": dict(self.standard_errors),
            "intervals": {name: list(interval) for name, interval in self.intervals.items()},
            "objective": self.objective,
            "n": len(self.points),
            "seconds": self.seconds,
            "warnings": list(self.warnings),
        }

    def law(self, name: str = "own-fit", source: str = "") -> Law:
        """The fit as a law, with its covariance and the range of its points. Raises `InputError` where it is none."""
        N, D = self.points.parameters, self.points.tokens
        data = {
            "name": name, "title": f"Own fit ({len(self.points)} points)", "form": "chinchilla",
            "formula": "L = E + A/N^α + B/D^β", "parameters": self.to_json()["parameters"],
            "standard_errors": self.standard_errors, "source": source or "fitted to your points",
            "confidence": "fitted here",
            "covariance": {"matrix": self.covariance.tolist(), "source": self._covariance_source},
            "valid": {"parameters": _ends(N), "tokens": _ends(D), "flops": _ends(6 * N * D)},
        }  # fmt: skip
        return validated(data, "the law fitted to your points")

    @property
    def _covariance_source(self) -> str:
        return f"bootstrap, {len(self.samples):,} samples" if len(self.samples) else "delta method"


def fit(points: Points, *, bootstrap: int = 0, seed: int = 42, delta: float = DELTA, cancelled: Any = None) -> Fit:
    """Fit the law. Without bootstrap, errors are the delta method's.

    Raises `InputError` with the reason when the points do not identify the law; `cancelled` is called between batches
    and a true answer raises `CancelledError`.
    """
    began = time.perf_counter()
    reasons = unidentified(points)
    if reasons:
        raise InputError("\n".join(f"points: not identified: {reason}" for reason in reasons))
    problem = _Problem.of(points, delta)
    best = problem.polished(problem.best_start(seed))
    objective = float(problem.objective(best[None])[0])
    covariance = problem.covariance(best)
    _refuse_unidentified(problem, best, covariance)
    samples = problem.bootstrap(best, points.runs, bootstrap, seed, cancelled) if bootstrap else np.empty((0, 5))
    plain = problem.plain(samples)
    spread = _in_logs(plain) if len(plain) > 1 else problem.uncentred(covariance)
    parameters = Chinchilla(*map(float, problem.plain(best[None])[0]))
    errors, intervals = _errors(parameters, plain, spread)
    warnings = [*points.warnings, *_warnings(points, parameters, errors)]
    return Fit(
        parameters, errors, intervals, objective, points, plain, spread, time.perf_counter() - began, tuple(warnings)
    )


@dataclass(frozen=True)
class _Problem:
    """Points in centred logarithms. A row of θ is (a', b', e, α, β) with a' = a − α·mean ln N, b' alike."""

    n: Floats
    d: Floats
    y: Floats
    mean_n: float
    mean_d: float
    delta: float

    @classmethod
    def of(cls, points: Points, delta: float) -> _Problem:
        n, d = np.log(points.parameters), np.log(points.tokens)
        return cls(n - n.mean(), d - d.mean(), np.log(points.loss), float(n.mean()), float(d.mean()), delta)

    def predict(self, theta: Floats) -> tuple[Floats, Floats, Floats, Floats]:
        """ln L [rows, points] and the share of it that each of the three terms has."""
        first = np.exp(theta[:, 0:1] - theta[:, 3:4] * self.n)
        second = np.exp(theta[:, 1:2] - theta[:, 4:5] * self.d)
        constant = np.exp(theta[:, 2:3])
        total = first + second + constant
        return np.log(total), first / total, second / total, constant / total

    def objective(self, theta: Floats, weights: Floats | float = 1.0) -> Floats:
        """Σ w·Huber_δ(residual), one a row."""
        size = np.abs(self.y - self.predict(theta)[0])
        huber = np.where(size <= self.delta, 0.5 * size**2, self.delta * (size - 0.5 * self.delta))
        return np.asarray((weights * huber).sum(axis=1))

    def best_start(self, seed: int) -> Floats:
        """The best of many starts, each run for some steps."""
        many = max(_FEWEST_STARTS, min(_STARTS, _START_ELEMENTS // len(self.y)))
        ended = self.minimised(self._starts(many, seed), 1.0, _START_ITERATIONS)
        return np.asarray(ended[int(np.argmin(self.objective(ended)))])

    def _starts(self, count: int, seed: int) -> Floats:
        """Starts over the whole plausible range: exponents 0.05 to 1.5, each term 1 to 80 % of a middling loss."""
        draw = np.random.default_rng(seed).uniform(size=(count, 5))
        middle = float(np.median(self.y))
        logs = middle + np.log(0.01) + draw[:, :3] * np.log(80.0)
        return np.hstack([logs, 0.05 + 1.45 * draw[:, 3:]])

    def minimised(self, theta: Floats, weights: Floats | float, iterations: int) -> Floats:
        """Levenberg–Marquardt on iteratively reweighted least squares, all rows at once; each row only improves."""
        ended, active = theta.copy(), np.arange(len(theta))
        rows, damping = theta.copy(), np.full(len(theta), 1e-2)
        for _ in range(0, iterations, _LOOK_EVERY):
            before = self.objective(rows, _rows_of(weights, active))
            rows, damping, value = self._improved(rows, damping, _rows_of(weights, active))
            ended[active] = rows
            moving = value < before * (1 - _SETTLED)
            rows, damping, active = rows[moving], damping[moving], active[moving]
            if not len(active):
                break
        return ended

    def _improved(self, theta: Floats, damping: Floats, weights: Floats | float) -> tuple[Floats, Floats, Floats]:
        """Some damped steps: the rows, their damping and their objective. A step that does not improve is not taken."""
        value, hessian, gradient = self._normal_equations(theta, weights)
        for _ in range(_LOOK_EVERY):
            tried = theta + np.clip(_damped_steps(hessian, gradient, damping), -2.0, 2.0)
            new_value, new_hessian, new_gradient = self._normal_equations(tried, weights)
            better = new_value < value
            theta, value = np.where(better[:, None], tried, theta), np.where(better, new_value, value)
            hessian = np.where(better[:, None, None], new_hessian, hessian)
            gradient = np.where(better[:, None], new_gradient, gradient)
            damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-12, 1e8)
        return theta, damping, value

    def _normal_equations(self, theta: Floats, weights: Floats | float) -> tuple[Floats, Floats, Floats]:
        """Objective, JᵀWJ and JᵀWr of every row; W has Huber's weight min(1, δ/|r|) and the sample's own."""
        fitted, p1, p2, p3 = self.predict(theta)
        residual = self.y - fitted
        size = np.abs(residual)
        huber_weight = np.minimum(1.0, self.delta / np.maximum(size, 1e-300)) * weights
        clipped = np.minimum(size, self.delta)
        value = (weights * clipped * (size - 0.5 * clipped)).sum(axis=1)
        jacobian = np.stack([p1, p2, p3, -p1 * self.n, -p2 * self.d], axis=1)  # [rows, 5, points]
        weighted = jacobian * huber_weight[:, None, :]
        return value, weighted @ jacobian.transpose(0, 2, 1), (weighted @ residual[:, :, None])[:, :, 0]

    def polished(self, theta: Floats) -> Floats:
        """BFGS with the analytic gradient on the objective divided by δ."""
        from scipy.optimize import minimize

        def scaled(row: Floats) -> tuple[float, Floats]:
            fitted, p1, p2, p3 = self.predict(row[None])
            residual = (self.y - fitted)[0]
            size = np.minimum(np.abs(residual), self.delta)
            value = float((size * (np.abs(residual) - 0.5 * size)).sum())
            slope = -np.clip(residual, -self.delta, self.delta)
            rows = np.stack([p1[0], p2[0], p3[0], -p1[0] * self.n, -p2[0] * self.d])
            return value / self.delta, rows @ slope / self.delta

        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            found = minimize(scaled, theta, jac=True, method="BFGS", options={"gtol": 1e-9, "maxiter": 500})
        return np.asarray(found.x if found.fun <= scaled(theta)[0] else theta)

    def bootstrap(self, theta: Floats, runs: tuple[str, ...], count: int, seed: int, cancelled: Any) -> Floats:
        """`count` fits to resampled points; whole runs are resampled where points share one."""
        rng = np.random.default_rng(seed)
        batch = max(1, _BATCH_ELEMENTS // len(self.y))
        samples = []
        for begin in range(0, count, batch):
            if cancelled is not None and cancelled():
                raise CancelledError("the bootstrap was cancelled")
            weights = _resampling_weights(rng, min(batch, count - begin), len(self.y), runs)
            starts = np.repeat(theta[None], len(weights), axis=0)
            samples.append(self.minimised(starts, weights, _SAMPLE_ITERATIONS))
        return np.concatenate(samples)

    def covariance(self, theta: Floats) -> Floats:
        """Delta method, s²·(JᵀJ)⁻¹ with s² from the residuals; infinite where JᵀJ has no inverse."""
        fitted, p1, p2, p3 = self.predict(theta[None])
        rows = np.stack([p1[0], p2[0], p3[0], -p1[0] * self.n, -p2[0] * self.d])
        variance = float(((self.y - fitted) ** 2).sum() / (len(self.y) - 5))
        kept = [0, 1, 2, 3, 4] if p3.max() > _NOTHING else [0, 1, 3, 4]  # E at zero: the other four, given that
        normal = rows[kept] @ rows[kept].T
        covariance = np.zeros((5, 5))
        singular = not np.isfinite(normal).all() or np.linalg.cond(normal) > _SINGULAR
        covariance[np.ix_(kept, kept)] = np.inf if singular else variance * np.linalg.inv(normal)
        return covariance

    def plain(self, theta: Floats) -> Floats:
        """Rows of E, A, B, α, β."""
        a, b, e, alpha, beta = theta.T
        return np.stack(
            [np.exp(e), np.exp(a + alpha * self.mean_n), np.exp(b + beta * self.mean_d), alpha, beta], axis=1
        )

    def uncentred(self, covariance: Floats) -> Floats:
        """The covariance of (a, b, e, α, β) from that of the centred ones."""
        change = np.eye(5)
        change[0, 3], change[1, 4] = self.mean_n, self.mean_d
        return np.asarray(change @ covariance @ change.T)


def _damped_steps(hessian: Floats, gradient: Floats, damping: Floats) -> Floats:
    diagonal = np.einsum("rii->ri", hessian)
    lifted = hessian.copy()
    np.einsum("rii->ri", lifted)[:] += damping[:, None] * diagonal + 1e-14
    return np.asarray(np.linalg.solve(lifted, gradient[:, :, None])[:, :, 0])


def _rows_of(weights: Floats | float, rows: NDArray[np.intp]) -> Floats | float:
    return weights if isinstance(weights, float) else weights[rows]


def _resampling_weights(rng: np.random.Generator, count: int, points: int, runs: tuple[str, ...]) -> Floats:
    """How often each point is drawn, one row a sample. Points of one run come together; blank is a run of its own."""
    groups = (
        np.unique([name or f"\0{i}" for i, name in enumerate(runs)], return_inverse=True)[1]
        if runs
        else np.arange(points)
    )
    many = int(groups.max()) + 1
    return np.asarray(rng.multinomial(many, np.full(many, 1 / many), size=count)[:, groups], dtype=float)


def _refuse_unidentified(problem: _Problem, theta: Floats, covariance: Floats) -> None:
    """Raise when the optimum leaves an exponent undetermined."""
    first, second = (float(share.max()) for share in problem.predict(theta[None])[1:3])
    errors = np.sqrt(np.abs(np.diag(covariance)))
    reasons = []
    for letter, term, what, index, share in (("α", "A/N^α", "size", 3, first), ("β", "B/D^β", "tokens", 4, second)):
        value, error = theta[index], errors[index]
        if share < _NOTHING:
            reasons.append(
                f"the best fit has no term {term}: the loss hardly follows the {what}, {letter} could be anything"
            )
        elif value <= 0:
            reasons.append(f"{letter} comes out at {value:.3g}: the loss does not fall with the {what}")
        elif not error < _LOOSE * value:
            reasons.append(f"{letter} is {value:.3g} ± {error:.2g}; add points whose {what} lie further apart")
    if reasons:
        raise InputError("\n".join(f"points: not identified: {reason}" for reason in reasons))


def _errors(
    parameters: Chinchilla, samples: Floats, spread: Floats
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Standard error and interval of each parameter: from the samples, else from the covariance."""
    if len(samples) > 1:
        ends = np.quantile(samples, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
        deviation = samples.std(axis=0, ddof=1)
        return (
            {name: float(value) for name, value in zip(NAMES, deviation, strict=True)},
            {name: (float(low), float(high)) for name, low, high in zip(NAMES, *ends, strict=True)},
        )
    deviation = np.sqrt(np.diag(spread))[[2, 0, 1, 3, 4]]
    normal = 1.2815515655446004  # the 90th percentile of the normal distribution, for an interval of 80 %
    errors, intervals = {}, {}
    for name, value, error in zip(NAMES, map(float, parameters), map(float, deviation), strict=True):
        if name in ("E", "A", "B"):  # their logarithms are what the delta method knows
            errors[name], factor = value * error, float(np.exp(min(normal * error, 700.0)))
            intervals[name] = (value / factor, value * factor)
        else:
            errors[name], intervals[name] = error, (value - normal * error, value + normal * error)
    return errors, intervals


def _in_logs(samples: Floats) -> Floats:
    """Covariance of (ln A, ln B, ln E, α, β) over the samples."""
    E, A, B, alpha, beta = samples.T
    E = np.maximum(E, 1e-3 * np.median(E))  # samples that lose E altogether would drown the others
    return np.asarray(np.cov(np.stack([np.log(A), np.log(B), np.log(E), alpha, beta])))


def _warnings(points: Points, parameters: Chinchilla, errors: dict[str, float]) -> list[str]:
    found = []
    if len(points) < _FEW_POINTS:
        found.append(f"only {len(points)} points: with fewer than {_FEW_POINTS} the intervals are rough")
    if float(parameters.E) < 0.01 * float(points.loss.min()):
        found.append(
            "E is as good as zero: these points do not show the irreducible loss; extrapolation is too optimistic"
        )
    elif errors["E"] > 0.25 * float(parameters.E):
        found.append(f"E is {parameters.E:.3g} ± {errors['E']:.2g}: the irreducible loss is hardly determined")
    ratio = points.tokens / points.parameters
    if ratio.max() < 4 * ratio.min():
        found.append(
            f"tokens a parameter only span {ratio.min():.3g} to {ratio.max():.3g}: α and β are told apart by little"
        )
    return found


def _ends(values: Floats) -> tuple[float, float]:
    return float(values.min()), float(values.max())
