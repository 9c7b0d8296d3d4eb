"""What share of the peak one layer's forward and backward pass reach over shapes: the fit's surface, and the measured
points that it goes by. For a look at a profile; estimates ask the fit itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError
from planner.plan.cluster import Accelerator
from planner.timing import measured
from planner.timing.measured import Fit
from planner.timing.profile import Profile, Row

Axis = Literal["micro-batch", "width"]
STEPS = 33
"""Places of the grid along the tokens."""
BEYOND = 4.0
"""How far the grid goes past the measured sizes on either side: extrapolation is to be seen, and marked."""
LARGEST_MICRO_BATCH = 16
_DIRECTIONS = ("forward", "backward")

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class Place:
    """A measured layer: where it stands, and the share of the peak that it reached."""

    x: float
    y: float
    share: float
    predicted: float
    is_noisy: bool


@dataclass(frozen=True)
class PeakShare:
    """Shares over x (tokens of a sequence, or tokens at once) and y (micro-batch, or the share of the width)."""

    axis: Axis
    x: Vector
    y: Vector
    share: Vector  # [y, x]
    places: tuple[Place, ...]
    peak_flops: float
    peak_of: str  # data sheet, or the measured matrix product


@dataclass(frozen=True)
class Answer:
    """The surface of a device; None, and why, where there is none."""

    found: PeakShare | None
    device: str
    why: str = ""


def answer(axis: Axis, profile: Profile, accelerator: Accelerator | None) -> Answer:
    """The surface over one axis: of a GPU's data sheet, of a processor's best product.

    accelerator: the data sheet of the device that was measured, None where it is not known.
    """
    name = profile.device.name
    if accelerator is None:
        return Answer(None, name, f"{name} is not among the accelerators.")
    try:
        return Answer(over(axis, profile, accelerator, sheet=profile.device.kind != "cpu"), name)
    except InputError as error:
        return Answer(None, name, f"{error}.")


def over(axis: Axis, profile: Profile, accelerator: Accelerator, *, sheet: bool) -> PeakShare:
    """The surface in the profile's precision: over micro-batch and sequence at full width, or over tokens at once in
    one sequence and the tensor-parallel share of the width.

    accelerator: the device that was measured; `sheet`: its data sheet's peak is the whole, else the measured product.
    Raises `InputError` where the profile holds no layer.
    """
    rows = _layers(profile)
    if not rows:
        raise InputError(f"the profile {profile.name!r} holds no layer in {profile.dtype}")
    fit = measured.fit(profile, accelerator, profile.dtype)
    peak, of = _peak(profile, accelerator, sheet=sheet)
    core_flops = _core_flops(profile)
    shapes = [_Shape.of(pair, core_flops) for pair in rows if axis == "width" or pair[0].shards == 1]
    if axis == "width":
        shapes = [one for one in shapes if one.row.batch == 1]
    if not shapes:
        raise InputError(f"the profile {profile.name!r} holds no layer to draw over its {axis}")
    x = _grid([one.row.sequence for one in shapes])
    y = np.array(_steps(axis, shapes))
    if len(y) < 2:
        raise InputError(f"a layer of {profile.model.name} cannot be cut, so there is no surface over its width")
    first = min(shapes, key=lambda one: one.row.shards)
    made = [first.at(axis, float(across), int(tokens)) for across in y for tokens in x]
    shares = _shares(made, fit, profile, peak).reshape(len(y), len(x))
    reached = _shares(shapes, fit, profile, peak)
    places = tuple(
        Place(one.row.sequence, one.across(axis), one.flops / one.measured_s / peak, float(share), one.is_noisy)
        for one, share in zip(shapes, reached, strict=True)
    )
    return PeakShare(axis, x, y, shares, places, peak, of)


@dataclass(frozen=True)
class _Shape:
    """A layer at one shape: a row that tells its widths, its FLOPs in both directions, and what was measured."""

    row: Row
    linear: float
    """FLOPs a token of the matrices, forward and backward, at the row's width."""
    square: float
    """FLOPs a token and token of its sequence, of the attention core."""
    measured_s: float = 0.0
    is_noisy: bool = False

    @classmethod
    def of(cls, pair: tuple[Row, Row], core_flops: Mapping[tuple[Any, ...], float]) -> _Shape:
        row = pair[0]
        core = core_flops.get(row.shape[2:], 0.0)
        whole = sum(one.flops for one in pair)
        return cls(
            row, (whole - core) / row.tokens, core / row.tokens / row.sequence, sum(one.median_s for one in pair),
            any(one.is_noisy for one in pair),
        )  # fmt: skip

    @property
    def flops(self) -> float:
        return self.row.tokens * (self.linear + self.square * self.row.sequence)

    def across(self, axis: Axis) -> float:
        return 1.0 / self.row.shards if axis == "width" else float(self.row.batch)

    def at(self, axis: Axis, across: float, sequence: int) -> _Shape:
        """The same layer at another shape; of a narrower one the cut widths follow."""
        if axis == "micro-batch":
            changes: dict[str, int] = {"batch": round(across), "sequence": sequence}
            cut = 1.0
        else:
            cut = across * self.row.shards
            widths = {name: max(1, round(getattr(self.row, name) * cut)) for name in ("heads", "kv_heads", "ffn")}
            changes = {**widths, "sequence": sequence, "shards": round(1 / across)}
        return _Shape(self.row.model_copy(update=changes), self.linear * cut, self.square * cut)


def _shares(shapes: Sequence[_Shape], fit: Fit, profile: Profile, peak: float) -> Vector:
    rows = [one.row for one in shapes]
    times = sum(
        measured.predicted_s(fit, ("layer", direction), rows, profile, profile.dtype) for direction in _DIRECTIONS
    )
    shares: Vector = np.array([one.flops for one in shapes]) / times / peak
    return shares


def _layers(profile: Profile) -> list[tuple[Row, Row]]:
    """Forward and backward of the whole layer wherever both were measured, in the profile's precision."""
    plain = [one for one in profile.rows if one.is_plain and one.dtype == profile.dtype and one.operation == "layer"]
    backward = {one.shape[2:]: one for one in plain if one.direction == "backward"}
    return [(one, backward[one.shape[2:]]) for one in plain if one.direction == "forward" and one.shape[2:] in backward]


def _core_flops(profile: Profile) -> dict[tuple[Any, ...], float]:
    """FLOPs of the attention core, both directions, by shape."""
    found: dict[tuple[Any, ...], float] = {}
    for row in profile.rows:
        if row.is_plain and row.operation == "attention_core":
            found[row.shape[2:]] = found.get(row.shape[2:], 0.0) + row.flops
    return found


def _peak(profile: Profile, accelerator: Accelerator, *, sheet: bool) -> tuple[float, str]:
    top = accelerator.peak(profile.dtype)
    if sheet and top:
        return top, "data sheet's peak"
    rates = [one.flops_per_s for one in profile.rows if one.is_plain and one.operation == "matmul_peak"]
    if not rates:
        raise InputError(f"the profile {profile.name!r} holds no matrix product to measure shares by")
    return max(rates), "measured matrix product"


def _grid(sizes: Sequence[float]) -> Vector:
    found: Vector = np.unique(np.round(np.geomspace(max(1, min(sizes) / BEYOND), max(sizes) * BEYOND, STEPS)))
    return found


def _steps(axis: Axis, shapes: Sequence[_Shape]) -> list[float]:
    """Micro-batches in powers of two, or the widths that were measured and the next narrower one."""
    if axis == "micro-batch":
        most = min(LARGEST_MICRO_BATCH, 4 * max(one.row.batch for one in shapes))
        return [float(2**power) for power in range(int(np.log2(most)) + 1)]
    narrowest = max(one.row.shards for one in shapes)
    first = min((one.row for one in shapes), key=lambda one: one.shards)
    usable = [2**power for power in range(int(np.log2(2 * narrowest)) + 1) if first.heads % 2**power == 0]
    return [1.0 / shards for shards in reversed(usable)]
