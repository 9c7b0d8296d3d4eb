"""A device as its profile measured it: constants of the formulas, and the remainder that they leave.

The fit composes each measured row out of the kernels as the step's formulas do (`planner.timing.composition`) and
moves the constants until the rows come out, each row weighed by its spread, each constant drawn towards what is known
without the profile: what the rows cannot tell apart stays where it was. What is left over becomes a smooth surface
beside the formulas (`planner.timing.surface`). Shapes left out of both give the errors and the band.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError, shorten
from planner.formula import Number
from planner.plan.cluster import Accelerator
from planner.plan.workload import BYTES_OF_PRECISION, Workload
from planner.timing import provenance, surface
from planner.timing.carrying import Carrying, carrying
from planner.timing.composition import Part, composed_s, one_rank, part_s, workload_of
from planner.timing.device import Device, device
from planner.timing.efficiencies import Efficiencies, efficiencies
from planner.timing.profile import LeftOut, Profile, Row
from planner.timing.software import Software
from planner.timing.surface import Evidence, Places, Posterior, Scales
from planner.timing.targets import Shapes, targets
from planner.units import percent

REFERENCE_SHARE, REFERENCE_SPREAD = 0.8, 0.3
"""How much of a CPU's slowing, as the reference product between the runs shows it, a row shares: centre and deviation
of the fit's prior. Over a minute on a virtual machine: 0.9 for a layer of 20 ms, 0.6 for one of 200 ms."""
TAILS = 4.0
"""Degrees of freedom of the rows' errors (Student's t): a few rows are off by far more than their spread tells."""
WIDEST_BAND = 0.5
NORMAL_80 = 1.2816
"""Standard deviations on each side that hold 80 % of a normal distribution."""
FEW_SHAPES, BAND_OF_FEW = 3, 0.2
"""With fewer shapes than these nothing is left to try the fit on: the band is then at least so wide (assumed)."""
_STEPS = 8
_CONVERGED = 1e-3
_LARGEST_STEP = 1.0
_NUDGE = 1e-4
_RESCALED = (2, 4)
"""Steps at which the scales of remainder, drift and noise are fitted anew."""

FITTED: Mapping[str, float] = {
    "matmul_efficiency": 2.0, "matmul_rows": 1.0, "matmul_depth": 0.7, "input_gradient": 0.2, "launch_s": 1.5,
    "memory_efficiency": 0.7, "attention_efficiency": 2.0, "attention_length": 0.7, "attention_backward": 0.5,
    "elementwise_passes": 0.7, "loss_bytes": 0.7, "mapping_s_per_byte": 0.5,
}  # fmt: skip
"""The constants that a profile moves, and how far from their start (standard deviation of the logarithm) is easily
believed. The last two belong to the software: passes over memory of norms and activations, and of the loss."""
_SOFTWARE = ("elementwise_passes", "loss_bytes")

_START = {"elementwise_passes": 2.0, "loss_bytes": 16.0, "matmul_rows": 16.0, "mapping_s_per_byte": 2.5e-10}
"""PyTorch's eager norms and activations read and write about twice; the loss casts to fp32, takes the logarithm of the
softmax and writes its gradient. Rows: a CPU reads a weight in the time of about so many multiplications. Mapping: a
page fault of Linux takes about a microsecond for its 4 KiB."""

Vector = NDArray[np.float64]
Evaluate = Callable[[Device, Mapping[str, Number]], Vector]


@dataclass(frozen=True)
class Fit:
    """A device as measured, and the constants of the software that its rows already contain."""

    device: Device
    changes: Mapping[str, float]
    """Fields of `Software` to replace: see `in_place_of`."""
    band: float
    """Relative half-width that holds 80 % of a layer's errors at shapes left out of the fit."""
    rows: int
    errors: tuple[LeftOut, ...]
    """Of each kernel class at shapes left out of the fit."""
    solved: Solved
    carrying: Carrying | None = None
    """What carrying the fit to another device adds; None on its own."""

    def half_widths(self, w: Workload) -> dict[str, float]:
        """Of a plan's layer forward and backward and of its head: the logarithmic half-width that holds 80 % of the
        errors of a prediction at these shapes. Wide where no measured shape is near."""
        rank = one_rank(w)
        parts = {"forward": ("layer", "forward"), "backward": ("layer", "backward"), "head": ("edge", "both")}
        own = {name: NORMAL_80 * float(self.solved.deviation(part, rank)[0]) for name, part in parts.items()}
        return {name: math.hypot(width, self._carrying(parts[name], rank)) for name, width in own.items()}

    def _carrying(self, part: Part, rank: Workload) -> float:
        """Products and attention off together, each by its share of the part's time."""
        if self.carrying is None:
            return 0.0
        share = 0.0
        if part[0] == "layer":
            unit = replace(self.device, remainder=None)
            core, whole = (part_s((name, part[1]), rank, unit, self.changes) for name in ("attention_core", "layer"))
            share = float(core / whole)
        return (1 - share) * self.carrying.products + share * self.carrying.attention


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

    Raises `InputError` where the profile has no layer in that precision, or rows that nothing can be told from.
    """
    try:
        with np.errstate(all="ignore"):  # what is not finite is told below
            return _fitted(profile, accelerator, precision)
    except (InputError, ArithmeticError, np.linalg.LinAlgError) as error:
        why = str(error) if isinstance(error, InputError) else "its rows contradict each other; measure again"
        raise InputError(f"the profile {shorten(profile.name)!r} cannot be fitted: {why}") from None


def _fitted(profile: Profile, accelerator: Accelerator, precision: str) -> Fit:
    known = efficiencies(profile, dtype=precision)
    start, constants = _start(known, accelerator, precision, keeps_memory=profile.software.keeps_memory)
    found_rows = targets(profile, precision)
    if not any(one.part[0] == "layer" for one in found_rows):
        raise InputError(f"the profile {profile.name!r} holds no layer in {precision}")
    shapes = Shapes.of(profile, found_rows, precision)
    shapes.require_sizes()
    solved = _solve(constants, start, shapes)
    found, errors = solved.constants, _layer_errors(solved.posterior, shapes)
    made = replace(_with(start, found), remainder=solved.posterior.surface())
    least = max(float(np.median(shapes.spreads)), BAND_OF_FEW if len(errors) < FEW_SHAPES else 0.0)
    band = float(np.clip(np.quantile(np.abs(errors), 0.8), min(least, WIDEST_BAND), WIDEST_BAND))
    changes = {name: found[name] for name in _SOFTWARE} | {
        "matmul_slowdown": 1.0, "attention_slowdown": 1.0, "host_s_per_layer": 0.0, "flash_generation": 3.0,
        "weight_gradient_bytes": float(BYTES_OF_PRECISION[precision]),
    }  # fmt: skip
    told = (
        f"fitted to the profile {profile.name or 'without a name'} of {profile.created[:10]}: {profile.model.name} on "
        f"{profile.device.name} in {precision}, {len(found_rows)} times at {len(errors)} "
        f"shape{'s' * (len(errors) != 1)} of the layer; one left out is within {percent(band, 0)} (80 %)"
    )
    known_by = str(provenance.measured(profile.name, profile.created))
    final = replace(
        made, band=band, source="interpolated", basis=told, provenance=known_by,
        power_w=_layer_power_w(profile, precision),
    )  # fmt: skip
    return Fit(final, changes, band, len(found_rows), _class_errors(solved.posterior), solved)


def _layer_power_w(profile: Profile, precision: str) -> float:
    """Mean power of the board over the measured layers, each for as long as it ran; NaN where no power was read."""
    read = [
        (row.condition.power_w, row.median_s) for row in profile.rows
        if row.condition.power_w and row.operation == "layer" and row.dtype == precision and row.is_plain
    ]  # fmt: skip
    return sum(power * time_s for power, time_s in read) / sum(time_s for _, time_s in read) if read else math.nan


def predicted_s(fit: Fit, part: Part, rows: Sequence[Row], profile: Profile, precision: str) -> Vector:
    """Seconds that the fit gives one operation and direction at the shapes of some rows, of any profile."""
    plain = replace(fit.device, remainder=None)
    times = np.atleast_1d(composed_s(part, rows, profile, plain, fit.changes, precision))
    if fit.device.remainder is None:
        return times
    return times * np.exp(fit.device.remainder.remainder(part, workload_of(rows, profile, precision)))


def carried(fit: Fit, origin: Accelerator, accelerator: Accelerator, precision: str) -> Fit:
    """The fit of `origin` with its shares of peak and bandwidth on another device of the same kind; the bands add what
    such a step costs between devices whose kernels are published."""
    here, cost = device(accelerator, precision), carrying(origin, accelerator, precision)
    band = float(min(WIDEST_BAND, np.hypot(fit.band, cost.products)))
    made = replace(
        fit.device, peak_flops=here.peak_flops, attention_peak_flops=here.attention_peak_flops, band=band,
        bandwidth_bytes_per_s=here.bandwidth_bytes_per_s, multiprocessors=here.multiprocessors, tdp_w=here.tdp_w,
        power_w=math.nan, source="carried", basis=f"carried over to {accelerator.name}'s peaks: {fit.device.basis}",
        provenance=f"{fit.device.provenance}, on another device",
    )  # fmt: skip
    return replace(fit, device=made, band=band, carrying=cost)


def _start(
    known: Efficiencies, accelerator: Accelerator, precision: str, *, keeps_memory: bool
) -> tuple[Device, dict[str, float]]:
    """The device before the fit, and the fitted constants' first values. keeps_memory: no tensor was mapped anew."""
    plain = device(accelerator, precision)
    stream = known.copy_bytes_per_s or known.optimizer_bytes_per_s
    if stream:
        share = stream / accelerator.memory_bandwidth_bytes_per_s
        plain = replace(plain, memory_efficiency=share, matmul_memory=share if not plain.tiled else plain.matmul_memory)
    plain = replace(plain, launch_s=max(float(plain.launch_s), known.launch_s or 0.0))
    constants = {name: float(_START.get(name) or getattr(plain, name)) for name in FITTED}
    if plain.tiled:
        del constants["matmul_rows"]
    if plain.tiled or keeps_memory:
        del constants["mapping_s_per_byte"]
    block, core = known.block("feed_forward", "forward"), known.block("attention_core", "forward")
    if block:
        constants["matmul_efficiency"] = block.rate_per_s / float(plain.peak_flops)
    if core:  # its FLOPs are counted without the mask, which saves half of them
        constants["attention_efficiency"] = core.rate_per_s / 2 / float(plain.attention_peak_flops)
    return plain, constants


def _with(unit: Device, constants: Mapping[str, Any]) -> Device:
    """The device with other constants; those of the software are left out."""
    return replace(unit, **{name: value for name, value in constants.items() if name not in _SOFTWARE})


@dataclass(frozen=True)
class Linear:
    """The formulas around a point: values and slopes of their logarithms in those of the constants."""

    names: tuple[str, ...]
    start: Device

    def constants(self, point: Vector) -> dict[str, Any]:
        """Values of the constants at a point [p], or a column of each at several [m, p]."""
        values = np.exp(point)
        return {name: values[..., [column]] if values.ndim > 1 else float(values[column])
                for column, name in enumerate(self.names)}  # fmt: skip

    def around(self, point: Vector, evaluate: Evaluate) -> tuple[Vector, Vector]:
        """(value [n], slopes [n, p]) of `evaluate(device, changes)`, which gives logarithms [1 + p, n]; all derivatives
        come from one evaluation, the device's constants being columns."""
        grid = np.vstack([point, point + _NUDGE * np.eye(len(point))])
        values = self.constants(grid)
        logs = evaluate(_with(self.start, values), {name: values[name] for name in _SOFTWARE})
        return logs[0], (logs[1:] - logs[0]).T / _NUDGE


@dataclass(frozen=True)
class Solved:
    """The fit's end: where the constants came to lie, and the regression around them."""

    linear: Linear
    point: Vector
    posterior: Posterior
    surprise: float
    """How many of their standard deviations hold 80 % of the errors of shapes left out, over the normal's."""

    @property
    def constants(self) -> dict[str, float]:
        return self.linear.constants(self.point)

    def deviation(self, part: Part, w: Workload) -> Vector:
        """Standard deviation of the logarithm of a part's time at an undivided workload's shapes, widened where shapes
        left out were further off than it told."""

        def logs(unit: Device, changes: Mapping[str, Number]) -> Vector:
            times = np.atleast_2d(part_s(part, w, unit, changes)).reshape(len(self.point) + 1, -1)
            found: Vector = np.log(times)
            return found

        _, slopes = self.linear.around(self.point, logs)
        widths = np.array([FITTED[name] for name in self.linear.names])
        scaled = np.column_stack([slopes * widths, np.zeros(len(slopes))])  # the machine at its usual speed
        return self.surprise * self.posterior.deviation(part, surface.sizes_of(part[0], w)[0], scaled)


def _solve(constants: Mapping[str, float], start: Device, shapes: Shapes) -> Solved:
    """Gauss and Newton's steps in the logarithms of the constants, each with the remainder beside them.

    Rows that are off by more than their errors tell are taken for noisier in the next step (iteratively reweighted
    least squares of Student's t).
    """
    names = tuple(name for name in FITTED if constants.get(name, 0.0) > 0)  # what is naught has no logarithm, and stays
    linear = Linear(names, start)
    widths = np.array([FITTED[name] for name in names])
    origin = np.log([constants[name] for name in names])
    point, scales, outlying = origin.copy(), Scales(), np.ones(len(shapes.targets))
    places = Places([one.part for one in shapes.targets], shapes.sizes, shapes.groups)
    for number in range(_STEPS):
        logs, slopes = linear.around(point, shapes.log_predicted)
        residual = shapes.log_times - logs - slopes @ (origin - point) - REFERENCE_SHARE * shapes.slowing
        evidence = Evidence(
            places, shapes.errors**2, outlying, residual,
            np.ascontiguousarray(np.column_stack([slopes * widths, REFERENCE_SPREAD * shapes.slowing])),
        )  # fmt: skip
        if number in _RESCALED:
            scales = surface.likeliest(evidence, scales)
        posterior = surface.solve(evidence, scales)
        move = origin + widths * posterior.constants[:-1] - point
        outlying = posterior.outlying(TAILS)
        point = point + np.clip(move, -_LARGEST_STEP, _LARGEST_STEP)
        if np.max(np.abs(move)) < _CONVERGED and number > max(_RESCALED):
            break
    surprise = max(1.0, float(np.quantile(np.abs(posterior.surprises()), 0.8)) / NORMAL_80)
    return Solved(linear, point, posterior, surprise)


def _layer_errors(posterior: Posterior, shapes: Shapes) -> Vector:
    """Relative error of each shape's layer, forward and backward together, when that shape is left out."""
    logs, errors = posterior.left_out(), []
    for group in np.unique(shapes.groups):
        here = [i for i in np.flatnonzero(shapes.groups == group) if shapes.targets[i].part[0] == "layer"]
        if here:
            times = np.exp(shapes.log_times[here])
            errors.append(float(times @ np.expm1(-np.clip(logs[here], -3.0, 3.0)) / times.sum()))
    return np.array(errors or [WIDEST_BAND])


def _class_errors(posterior: Posterior) -> tuple[LeftOut, ...]:
    """Errors of each kernel class at shapes left out, where there are enough of them."""
    parts, errors = posterior.evidence.places.parts, np.expm1(-np.clip(posterior.left_out(), -3.0, 3.0))
    found = []
    for part in dict.fromkeys(parts):
        here = errors[[one == part for one in parts]]
        if len(here) >= FEW_SHAPES:
            size = np.abs(here)
            found.append(LeftOut(
                operation=part[0], direction=part[1], rows=len(here), median=_rounded(np.median(size)),
                p80=_rounded(np.quantile(size, 0.8)), bias=_rounded(np.median(here)),
            ))  # fmt: skip
    return tuple(found)


def _rounded(share: Any) -> float:
    return round(float(share), 4)
