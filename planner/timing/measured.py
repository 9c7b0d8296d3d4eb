"""A device's constants fitted to a profile of it, so that estimates of a plan rest on what was measured there.

The fit composes each measured row out of the kernels as the step's formulas do (products, attention core, streaming
passes, launches) and moves the constants until the rows come out: least squares of the logarithms of the times, each
row weighed by its spread, each constant drawn towards what is known without the profile. What the rows cannot tell
apart therefore stays where it was. Residuals of shapes left out give the band.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError
from planner.formula import Number
from planner.plan.cluster import Accelerator
from planner.plan.workload import BYTES_OF_PRECISION, Workload, of_model
from planner.timing import kernels, layer, provenance, step
from planner.timing.device import Device, device
from planner.timing.efficiencies import Efficiencies, efficiencies
from planner.timing.profile import Profile, Row
from planner.timing.software import Software, software

MODEL_ERROR = 0.03
"""Relative error of the formulas themselves, below which a quiet row pulls no harder."""
NOISY = 3.0
"""How much wider the error of a row of few runs or a wide spread is taken."""
DISTURBED = 0.4
"""Relative error of a row measured under throttling or beside other programs: rows so marked came out slower by half
as often as not, on a shared machine of two cores."""
WIDEST_BAND = 0.5
FEW_SHAPES, BAND_OF_FEW = 3, 0.2
"""With fewer shapes than these nothing is left to try the fit on: the band is then at least so wide (assumed)."""
_STEPS = 30
_CONVERGED = 1e-4

FITTED: Mapping[str, float] = {
    "matmul_efficiency": 2.0, "matmul_rows": 1.0, "matmul_depth": 0.7, "input_gradient": 0.2, "launch_s": 1.5,
    "memory_efficiency": 0.7, "attention_efficiency": 2.0, "attention_length": 0.7, "attention_backward": 0.5,
    "elementwise_passes": 0.7, "loss_bytes": 0.7,
}  # fmt: skip
"""The constants that a profile moves, and how far from their start (standard deviation of the logarithm) is easily
believed. The last two belong to the software: passes over memory of norms and activations, and of the loss."""
_SOFTWARE = ("elementwise_passes", "loss_bytes")

_START = {"elementwise_passes": 2.0, "loss_bytes": 16.0, "matmul_rows": 16.0}
"""PyTorch's eager norms and activations read and write about twice; the loss casts to fp32, takes the logarithm of the
softmax and writes its gradient. Rows: a CPU reads a weight in the time of about so many multiplications."""

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Fit:
    """A device as measured, and the constants of the software that its rows already contain."""

    device: Device
    changes: Mapping[str, float]
    """Fields of `Software` to replace: see `in_place_of`."""
    band: float
    """Relative half-width that holds 80 % of a layer's errors at shapes left out of the fit."""
    rows: int


def in_place_of(base: Software, fit: Fit) -> Software:
    """The plan's software without what the measured layer contains already.

    Slow-downs of products and attention in training against the kernels alone, passes of norms, activations and loss,
    and the host's launches are in the rows. What no row holds stays the software's: overlaps, collectives, stragglers,
    the time between steps, and the sum that gradients are added to.
    """
    written = max(float(base.weight_gradient_bytes), float(fit.changes["weight_gradient_bytes"]))
    return replace(base, **{**fit.changes, "weight_gradient_bytes": written})


def fit(profile: Profile, accelerator: Accelerator, precision: str) -> Fit:
    """Fit the constants of `accelerator`, the device that was measured, in a precision (the rows' dtype).

    Raises `InputError` where the profile has no layer in that precision.
    """
    known = efficiencies(profile, dtype=precision)
    start, constants = _start(known, accelerator, precision)
    targets = _targets(profile, precision)
    if not any(one.part[0] == "layer" for one in targets):
        raise InputError(f"the profile {profile.name!r} holds no layer in {precision}")
    names = [name for name in FITTED if constants.get(name, 0.0) > 0]  # what is naught has no logarithm, and stays
    shapes = _Shapes.of(profile, targets, precision)
    found, errors = _least_squares(names, constants, start, shapes)
    made = _with(start, found)
    least = max(float(np.median(shapes.spreads)), BAND_OF_FEW if len(errors) < FEW_SHAPES else 0.0)
    band = float(np.clip(np.quantile(np.abs(errors), 0.8), min(least, WIDEST_BAND), WIDEST_BAND))
    changes = {name: found[name] for name in _SOFTWARE} | {
        "matmul_slowdown": 1.0, "attention_slowdown": 1.0, "host_s_per_layer": 0.0, "flash_generation": 3.0,
        "weight_gradient_bytes": float(BYTES_OF_PRECISION[precision]),
    }  # fmt: skip
    told = (
        f"fitted to the profile {profile.name or 'without a name'} of {profile.created[:10]}: {profile.model.name} on "
        f"{profile.device.name} in {precision}, {len(targets)} times at {len(errors)} "
        f"shape{'s' * (len(errors) != 1)} of the layer; one left out is within {band:.0%} (80 %)"
    )
    known_by = str(provenance.measured(profile.name, profile.created))
    final = replace(made, band=band, source="interpolated", basis=told, provenance=known_by)
    return Fit(final, changes, band, len(targets))


def predicted_s(fit: Fit, part: tuple[str, str], rows: list[Row], profile: Profile, precision: str) -> Vector:
    """Seconds that the fit gives one operation and direction at the shapes of some rows, of any profile."""
    times: Vector = np.atleast_1d(composed_s(part, rows, profile, fit.device, fit.changes, precision))
    return times


def carried(fit: Fit, accelerator: Accelerator, precision: str) -> Fit:
    """The fit's shares of peak and bandwidth on another device of the same kind; the band adds what such a step costs
    between measured devices."""
    here = device(accelerator, precision)
    band = float(min(WIDEST_BAND, np.hypot(fit.band, here.band)))
    made = replace(
        fit.device, peak_flops=here.peak_flops, attention_peak_flops=here.attention_peak_flops, band=band,
        bandwidth_bytes_per_s=here.bandwidth_bytes_per_s, multiprocessors=here.multiprocessors, tdp_w=here.tdp_w,
        source="carried", basis=f"carried over to {accelerator.name}'s peaks: {fit.device.basis}",
        provenance=f"{fit.device.provenance}, on another device",
    )  # fmt: skip
    return replace(fit, device=made, band=band)


def knowledge(profile: Profile, w: Workload, precision: str) -> str:
    """How a plan's layer shape is known: measured, interpolated between measured shapes, or carried beyond them.

    The shape is one rank's: widths over `tp`, micro-batch × tokens over `cp`.
    """
    wanted = [
        float(value)
        for value in (w.hidden, w.heads / w.tp, np.maximum(1.0, w.kv_heads / w.tp), w.head_dim, w.ffn / w.tp,
                      w.micro_batch, w.sequence / w.cp, w.micro_batch * w.sequence / w.cp)
    ]  # fmt: skip
    rows = [row for row in profile.rows if row.operation == "layer" and row.dtype == precision and row.is_plain]
    shapes = np.array([
        (row.hidden, row.heads, row.kv_heads, row.head_dim, row.ffn, row.batch, row.sequence, row.tokens)
        for row in rows
    ], dtype=float).reshape(len(rows), len(wanted))  # fmt: skip
    if (shapes == wanted).all(axis=1).any():
        return "measured"
    if not len(shapes):
        return "carried"
    inside = (shapes.min(axis=0) <= wanted) & (wanted <= shapes.max(axis=0))
    inside[-3] = True  # the number of sequences counts through the tokens
    return "interpolated" if inside.all() else "carried"


def _start(known: Efficiencies, accelerator: Accelerator, precision: str) -> tuple[Device, dict[str, float]]:
    """The device before the fit, and the fitted constants' first values."""
    plain = device(accelerator, precision)
    stream = known.copy_bytes_per_s or known.optimizer_bytes_per_s
    if stream:
        share = stream / accelerator.memory_bandwidth_bytes_per_s
        plain = replace(plain, memory_efficiency=share, matmul_memory=share if not plain.tiled else plain.matmul_memory)
    plain = replace(plain, launch_s=max(float(plain.launch_s), known.launch_s or 0.0))
    constants = {name: float(_START.get(name) or getattr(plain, name)) for name in FITTED}
    if plain.tiled:
        del constants["matmul_rows"]
    block, core = known.block("feed_forward", "forward"), known.block("attention_core", "forward")
    if block:
        constants["matmul_efficiency"] = block.rate_per_s / float(plain.peak_flops)
    if core:  # its FLOPs are counted without the mask, which saves half of them
        constants["attention_efficiency"] = core.rate_per_s / 2 / float(plain.attention_peak_flops)
    return plain, constants


@dataclass(frozen=True)
class _Target:
    """A measured time and the row (the first of several) that it stands at."""

    part: tuple[str, str]
    row: Row
    time_s: float
    error: float
    """Relative standard error, widened where the row was disturbed."""


def _targets(profile: Profile, precision: str) -> list[_Target]:
    """What is to be reproduced: each block and direction, the optimizer, and the edge (embedding, head and loss)."""
    plain = [row for row in profile.rows if row.is_plain]
    rows = [row for row in plain if row.dtype == precision]
    inside = ("attention_core", "attention", "feed_forward", "layer")
    found = [_target((row.operation, row.direction), [row]) for row in rows if row.operation in inside]
    found += [_target(("optimizer", "step"), [row]) for row in plain if row.operation == "optimizer"]
    heads: dict[tuple[Any, ...], list[Row]] = {}
    for row in rows:
        if row.operation == "head_loss":
            heads.setdefault(row.shape[3:], []).append(row)
    for pair in heads.values():
        if len(pair) == 2:
            found.append(_target(("edge", "both"), [*pair, *_nearest_embedding(rows, pair[0])]))
    return found


def _nearest_embedding(rows: Iterable[Row], head: Row) -> list[Row]:
    """The embedding's rows, both directions, at the shape nearest to the head's: what they take hardly grows with the
    tokens, as the backward pass writes a whole table."""
    near = [row for row in rows if row.operation == "embedding" and row.shards == head.shards]
    if not near:
        return []
    best = min(near, key=lambda row: abs(np.log(row.tokens / head.tokens)))
    return [row for row in near if (row.batch, row.sequence) == (best.batch, best.sequence)]


def _target(part: tuple[str, str], rows: list[Row]) -> _Target:
    time_s = sum(row.median_s for row in rows)
    spread_s = sum((row.upper_quartile_s - row.lower_quartile_s) / 1.349 for row in rows)
    error = np.hypot(spread_s / time_s, MODEL_ERROR) * (NOISY if any(row.is_noisy for row in rows) else 1.0)
    disturbed = any(row.throttled for row in rows)
    return _Target(part, rows[0], time_s, float(np.hypot(error, DISTURBED) if disturbed else error))


@dataclass(frozen=True)
class _Shapes:
    """The targets by part, as arrays."""

    profile: Profile
    precision: str
    targets: list[_Target]
    log_times: Vector
    errors: Vector
    groups: NDArray[np.intp]
    """Which shape a target is of: one left out takes all its rows along."""
    spreads: Vector

    @classmethod
    def of(cls, profile: Profile, targets: list[_Target], precision: str) -> _Shapes:
        keys = {key: number for number, key in enumerate(dict.fromkeys(one.row.shape[3:] for one in targets))}
        return cls(
            profile, precision, targets, np.log([one.time_s for one in targets]),
            np.array([one.error for one in targets]), np.array([keys[one.row.shape[3:]] for one in targets]),
            np.array([one.row.spread for one in targets]),
        )  # fmt: skip

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


def composed_s(
    part: tuple[str, str], rows: list[Row], profile: Profile, unit: Device, changes: Mapping[str, Number],
    precision: str,
) -> Number:  # fmt: skip
    """Seconds of one operation and direction at the shapes of some rows, composed as in a layer and a step."""
    operation, direction = part
    if operation == "optimizer":
        parameters = np.array([float(row.parameters) for row in rows])
        return kernels.memory_bound_s(unit, 28.0 * parameters)
    w = _workload(rows, profile, precision)
    if operation == "edge":
        return step.head_s(w, unit, replace(software("pytorch"), matmul_slowdown=1.0, loss_bytes=changes["loss_bytes"]))
    block = _Blocks(w, unit, changes["elementwise_passes"], direction)
    if operation == "attention_core":
        return block.core()
    if operation == "attention":
        return block.attention()
    if operation == "feed_forward":
        return block.feed_forward()
    return block.attention() + block.feed_forward() - unit.launch_s


def _workload(rows: list[Row], profile: Profile, precision: str) -> Workload:
    """The rows' shapes: one rank's widths, as of a model that is not split."""
    model = profile.model

    def column(name: str) -> Vector:
        return np.array([float(getattr(row, name)) for row in rows])

    width = column("hidden")
    return of_model(model).where(
        micro_batch=column("batch"), sequence=column("sequence"), hidden=width, heads=column("heads"),
        kv_heads=column("kv_heads"), head_dim=column("head_dim"), ffn=column("ffn"), vocabulary=column("vocabulary"),
        expert_ffn=(model.expert_ffn or model.ffn) / column("shards"),
        activation_bytes=float(BYTES_OF_PRECISION[precision]),
    )  # fmt: skip


@dataclass(frozen=True)
class _Blocks:
    """The two blocks of a layer in one direction: `planner.timing.layer` in halves."""

    w: Workload
    unit: Device
    passes: Number
    direction: str

    def core(self) -> Number:
        """Scores, softmax and weighted sum."""
        w = self.w
        return kernels.attention_s(
            self.unit, w.micro_batch, w.heads, w.kv_heads, w.sequence, w.sequence, w.head_dim, causal=True,
            direction=self.direction,
        )  # fmt: skip

    def attention(self) -> Number:
        """Norm, query, key and value, rotary, core, output, residual."""
        w = self.w
        wide = (w.heads + 2 * w.kv_heads) * w.head_dim
        moved = self._moved(heads=w.heads, kv_heads=w.kv_heads, ffn=0.0)
        return self._product(wide, w.hidden) + self._product(w.hidden, w.heads * w.head_dim) + self.core() + moved

    def feed_forward(self) -> Number:
        """Norm, the matrices (or each expert's and the shared ones'), activation, residual."""
        w = self.w
        inner = w.ffn_matrices - 1
        if not np.any(w.experts):
            dense = self._product(inner * w.ffn, w.hidden) + self._product(w.hidden, w.ffn)
            return dense + self._moved(heads=0.0, kv_heads=0.0, ffn=w.ffn)
        each = w.micro_batch * w.sequence * w.experts_per_token / w.experts
        time = self._product(inner * w.expert_ffn, w.hidden, each, w.experts)
        time = time + self._product(w.hidden, w.expert_ffn, each, w.experts)
        if np.any(w.shared_experts):
            shared = w.shared_experts * w.expert_ffn
            time = time + self._product(inner * shared, w.hidden) + self._product(w.hidden, shared)
        active = w.expert_ffn * (w.experts_per_token + w.shared_experts)
        return time + self._moved(heads=0.0, kv_heads=0.0, ffn=active)

    def _product(self, n: Number, k: Number, m: Number | None = None, groups: Number = 1.0) -> Number:
        rows = self.w.micro_batch * self.w.sequence if m is None else m
        directions = ("forward",) if self.direction == "forward" else ("input_gradient", "weight_gradient")
        return sum(
            kernels.matmul_s(
                self.unit, rows, n, k, direction=one, groups=groups, cast_bytes=0.0, continuous=1.0,
                output_bytes=self.w.activation_bytes if one == "weight_gradient" else None,
            )
            for one in directions
        )  # fmt: skip

    def _moved(self, *, heads: Number, kv_heads: Number, ffn: Number) -> Number:
        """The streaming kernels of half a layer: one norm and one residual, and what lies between."""
        w = self.w
        moved = layer.streamed_bytes(
            w.micro_batch * w.sequence, w.hidden / 2, heads, kv_heads, w.head_dim, ffn, w.ffn_matrices, 1.0, 1.0,
            w.activation_bytes, self.passes,
        )  # fmt: skip
        return kernels.memory_bound_s(self.unit, moved * (1 if self.direction == "forward" else 2))


def _with(unit: Device, constants: Mapping[str, Any]) -> Device:
    """The device with other constants; those of the software are left out."""
    return replace(unit, **{name: value for name, value in constants.items() if name not in _SOFTWARE})


def _least_squares(
    names: list[str], constants: Mapping[str, float], start: Device, shapes: _Shapes
) -> tuple[dict[str, float], Vector]:
    """(constants, relative errors of each shape's layer when that shape is left out).

    Levenberg and Marquardt's steps in the logarithms of the constants; all derivatives come from one evaluation, the
    device's constants being columns. A shape left out is told from the last step's linear form, without fitting anew.
    """
    origin = np.log([constants[name] for name in names])
    pull = 1.0 / np.array([FITTED[name] for name in names])
    nudge, point, damping = 1e-4, origin.copy(), 1e-3

    def residual_and_slope(at: Vector) -> tuple[Vector, Vector]:
        grid = np.vstack([at, at + nudge * np.eye(len(at))])
        values = {name: np.exp(grid[:, [column]]) for column, name in enumerate(names)}
        unit = _with(start, values)
        predicted = shapes.log_predicted(unit, {name: values[name] for name in _SOFTWARE})
        residual = (predicted[0] - shapes.log_times) / shapes.errors
        slope = (predicted[1:] - predicted[0]).T / nudge / shapes.errors[:, None]
        return np.append(residual, pull * (at - origin)), np.vstack([slope, np.diag(pull)])

    residual, slope = residual_and_slope(point)
    for _ in range(_STEPS):
        normal = slope.T @ slope
        move = -np.linalg.solve(normal + damping * np.diag(np.diag(normal)), slope.T @ residual)
        tried = residual_and_slope(point + np.clip(move, -2.0, 2.0))
        if tried[0] @ tried[0] <= residual @ residual:
            point, (residual, slope), damping = point + np.clip(move, -2.0, 2.0), tried, damping / 10
            if np.max(np.abs(move)) < _CONVERGED:
                break
        else:
            damping *= 10
    found = {name: float(np.exp(value)) for name, value in zip(names, point, strict=True)}
    return found, _left_out(residual, slope, shapes)


def _left_out(residual: Vector, slope: Vector, shapes: _Shapes) -> Vector:
    """Relative error of each shape's layer, forward and backward together, by a fit without that shape's rows.

    Linear least squares: r without group g = (I − H_gg)⁻¹ r_g, H the projection on the slopes.
    """
    projection = slope @ np.linalg.solve(slope.T @ slope, slope.T)
    errors = []
    for group in np.unique(shapes.groups):
        members = np.flatnonzero(shapes.groups == group)
        layers = [i for i, number in enumerate(members) if shapes.targets[number].part[0] == "layer"]
        if layers:
            block = np.eye(len(members)) - projection[np.ix_(members, members)]
            logs = np.linalg.solve(block, residual[members]) * shapes.errors[members]
            times = np.exp(shapes.log_times[members][layers])
            errors.append(float(times @ np.expm1(np.clip(logs[layers], -3.0, 3.0)) / times.sum()))
    return np.array(errors or [WIDEST_BAND])
