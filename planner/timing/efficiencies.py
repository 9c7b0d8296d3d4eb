"""Rate and half size of each kernel class of a profile: a first look at its rows, where the fit begins.

The constants that the step's formulas use are fitted by `planner.timing.measured`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError
from planner.timing.profile import Profile, Row

SMALLEST_SPREAD = 0.01
"""Floor of a row's spread as a weight, so that one quiet row cannot silence the others."""
PEAK_ALLOWANCE = 1.05
"""No class is fitted faster than the best measured matrix product times this, however few its rows are."""


@dataclass(frozen=True)
class KernelClass:
    """Time of one operation in one direction on one device: time = work / rate · (1 + half_size / size).

    The second term is work-independent time: reading the weights, launching, filling the device. At `half_size` half
    of the rate is reached. Elementwise in its arguments.
    """

    operation: str
    direction: str
    dtype: str
    work: Literal["FLOP", "B"]  # what `rate_per_s` is counted in
    rate_per_s: float  # asymptotic rate, FLOP/s or B/s
    half_size: float  # tokens (attention core: tokens of one sequence)
    spread: float  # root mean square of relative residuals, or of the row's own quartiles where those are wider
    n: int  # rows that it was fitted on
    smallest_size: float  # range of sizes measured: outside of it this is extrapolation
    largest_size: float

    def time_s(self, work: Any, size: Any) -> Any:
        """Seconds for `work` (FLOPs or bytes) at `size` (tokens, or tokens of one sequence)."""
        return work / self.rate_per_s * (1.0 + self.half_size / size)

    def rate_at(self, size: Any) -> Any:
        """Achieved FLOP/s or B/s at a size."""
        return self.rate_per_s / (1.0 + self.half_size / size)


@dataclass(frozen=True)
class Efficiencies:
    """What the timing formulas need from a profile.

    `classes` by (operation, direction). "attention" there is the attention block *without* its core (projections, norm,
    rotary, residual; FLOPs of the four projections), "attention_core" the core alone (full-attention FLOPs, size is the
    sequence); "feed_forward" and "head_loss" are whole; "embedding" counts bytes. Absent classes were not measured.
    """

    fingerprint: str
    device_kind: str
    device_name: str
    dtype: str
    classes: dict[tuple[str, str], KernelClass]
    matmul_flops_per_s: float | None  # best large square product
    copy_bytes_per_s: float | None  # read + written
    optimizer_bytes_per_s: float | None  # AdamW, 28 bytes a parameter in fp32
    launch_s: float | None  # host time of one small kernel
    sub_layer_ratio: float | None  # attention + feed-forward over whole layer: multiply no time by it, show it

    def block(self, operation: str, direction: str) -> KernelClass | None:
        return self.classes.get((operation, direction))


def efficiencies(profile: Profile, *, dtype: str | None = None) -> Efficiencies:
    """Fit the kernel classes to a profile's plain rows of one dtype (the profile's own by default).

    Least squares of relative errors, each row weighed by its spread, over the non-negative constants of
    `KernelClass`. Raises `InputError` when the profile holds no row of that dtype.
    """
    dtype = dtype or profile.dtype
    rows = [row for row in profile.rows if row.dtype == dtype and row.is_plain]
    if not rows:
        raise InputError(f"the profile {profile.name!r} holds no measurement in {dtype}")
    any_dtype = [row for row in profile.rows if row.is_plain]
    cores = {row.shape[1:]: row for row in rows if row.operation == "attention_core"}
    peaks = [row.flops_per_s for row in rows if row.operation == "matmul_peak"]
    classes: dict[tuple[str, str], KernelClass] = {}
    for operation in ("attention_core", "attention", "feed_forward", "head_loss", "embedding", "layer"):
        for direction in ("forward", "backward"):
            chosen = [row for row in rows if row.operation == operation and row.direction == direction]
            if chosen:
                classes[operation, direction] = _fit_class(chosen, cores, peaks)
    return Efficiencies(
        fingerprint=profile.fingerprint, device_kind=profile.device.kind, device_name=profile.device.name, dtype=dtype,
        classes=classes,
        matmul_flops_per_s=max(peaks, default=None),
        copy_bytes_per_s=max((row.bytes_per_s for row in any_dtype if row.operation == "copy_peak"), default=None),
        optimizer_bytes_per_s=_median(row.bytes_per_s for row in any_dtype if row.operation == "optimizer"),
        launch_s=_median(row.median_s for row in any_dtype if row.operation == "launch"),
        sub_layer_ratio=profile.summary.ratio_in_turns or profile.summary.ratio,
    )  # fmt: skip


def _fit_class(chosen: list[Row], cores: Mapping[tuple[Any, ...], Row], peaks: Sequence[float]) -> KernelClass:
    """One class from its rows; the attention block's are first relieved of their core. peaks: rates of products."""
    first = chosen[0]
    work, times = [], []
    for row in chosen:
        core = cores.get(row.shape[1:]) if row.operation == "attention" else None
        amount = row.bytes if row.operation == "embedding" else row.flops
        work.append(amount - (core.flops if core else 0.0))
        times.append(max(row.median_s - core.median_s, 0.1 * row.median_s) if core else row.median_s)
    sizes = [float(row.sequence if row.operation == "attention_core" else row.tokens) for row in chosen]
    if not (min(work) > 0 and min(sizes) > 0):
        counted = "bytes" if first.operation == "embedding" else "flops"
        raise InputError(
            f"rows of {first.operation} {first.direction} in {first.dtype}: {counted}, batch and sequence must be "
            "above zero, and the attention block's more than its core's; measure again"
        )
    weights = [1.0 / max(row.spread, SMALLEST_SPREAD) / (3.0 if row.is_noisy else 1.0) for row in chosen]
    fastest = PEAK_ALLOWANCE * max(peaks) if peaks and first.operation != "embedding" else math.inf
    fit = fit_saturating(np.array(work), np.array(sizes), np.array(times), np.array(weights), fastest=fastest)
    rate, half, residual = fit
    return KernelClass(
        operation=first.operation, direction=first.direction, dtype=first.dtype,
        work="B" if first.operation == "embedding" else "FLOP", rate_per_s=rate, half_size=half,
        spread=max(residual, float(np.median([row.spread for row in chosen])) / 1.349), n=len(chosen),
        smallest_size=min(sizes), largest_size=max(sizes),
    )  # fmt: skip


def fit_saturating(
    work: NDArray[np.float64],
    size: NDArray[np.float64],
    time_s: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    fastest: float = math.inf,
) -> tuple[float, float, float]:
    """(rate, half size, root mean square relative residual) of time = work/rate · (1 + half/size).

    0 < rate ≤ `fastest`, half ≥ 0. Linear in 1/rate and half/rate; solved on relative errors. With one distinct size
    half is 0.
    """
    columns = np.stack([work / time_s, work / size / time_s], axis=1)
    target, scaled = weight, columns * weight[:, None]
    slope, offset = _coefficient(scaled[:, 0], target), 0.0
    if len(np.unique(size)) > 1:
        both = np.linalg.lstsq(scaled, target, rcond=None)[0]
        if both[1] > 0 and both[0] >= 1 / fastest and both[0] > 0:
            slope, offset = float(both[0]), float(both[1])
        elif both[1] > 0 and fastest < math.inf:  # the rows alone would have it faster than the device is
            slope = 1 / fastest
            offset = max(0.0, _coefficient(scaled[:, 1], target - slope * scaled[:, 0]))
    residual = columns @ np.array([slope, offset]) - 1.0
    return 1.0 / slope, offset / slope, float(np.sqrt(np.average(residual**2, weights=weight**2)))


def _coefficient(column: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Least squares of one unknown."""
    return float(column @ target / (column @ column))


def _median(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return float(np.median(numbers)) if numbers else None
