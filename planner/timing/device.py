"""What a device does with the kernels it is given: its peaks, and the constants fitted to measured kernels.

The constants are dimensionless (shares of a peak, lengths in elements) or times of fixed cost, so they carry over
from a measured device to one that has only a data sheet. `profiles/devices/` holds them, one file a measured device,
written by `benchmarks/fit_kernels.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

import numpy as np

from planner import library
from planner.errors import InputError
from planner.formula import Number
from planner.plan.cluster import Accelerator


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """One device in one precision; each number may be an array, one element a row of a table."""

    peak_flops: Number
    """Dense peak of the matrix products in the plan's precision, FLOP/s."""
    attention_peak_flops: Number
    """Dense peak of the format that attention runs in, FLOP/s."""
    bandwidth_bytes_per_s: Number
    multiprocessors: Number
    tdp_w: Number
    element_bytes: Number
    """Bytes of a matrix element as the products read it."""
    launch_s: Number
    """Fixed time of one kernel on the device."""
    memory_efficiency: Number
    """Share of the memory bandwidth that a large streaming kernel reaches."""
    matmul_efficiency: Number
    """Share of the peak that full waves of the largest tile reach with a long inner dimension."""
    matmul_depth: Number
    """Inner elements' worth of time that a tile's prologue and epilogue take."""
    matmul_tail: Number
    """How much of an unfilled last wave is lost: 1 all of it, 0 none."""
    matmul_narrow: Number
    """Efficiency of a tile half as wide, against the full one."""
    input_gradient: Number
    """Rate of the input's gradient against the forward product."""
    weight_gradient: Number
    """Rate of the weight's gradient (accumulated in fp32) against the forward product."""
    attention_efficiency: Number
    attention_depth: Number
    attention_tail: Number
    attention_head_dim: Number
    attention_backward: Number
    """Rate of flash attention's backward against its forward."""
    band: Number
    """Relative half-width that holds 80 % of the residuals."""
    source: str
    """measured, interpolated, carried or specification."""
    basis: str


def device(accelerator: Accelerator, precision: str) -> Device:
    """The device in a precision: fitted constants of its own, of a like architecture, or the default's."""
    peak = accelerator.peak(precision)
    if peak is None:
        raise InputError(f"{accelerator.name} has no {precision} units; its figures name none")
    constants, source, basis = _constants(accelerator.name, accelerator.architecture, precision)
    return Device(
        peak_flops=peak,
        attention_peak_flops=_attention_peak(accelerator, precision),
        bandwidth_bytes_per_s=accelerator.memory_bandwidth_bytes_per_s,
        multiprocessors=accelerator.multiprocessors or 132,
        tdp_w=accelerator.tdp_w or 400.0,
        element_bytes=_ELEMENT_BYTES[precision],
        source=source,
        basis=basis,
        **constants,
    )


def gather(devices: Sequence[Device], index: Any) -> Device:
    """One device whose numbers are arrays: element i is that of `devices[index[i]]`."""
    if len(devices) == 1:
        return devices[0]
    columns: dict[str, Any] = {}
    for field in fields(Device):
        values = [getattr(one, field.name) for one in devices]
        columns[field.name] = "; ".join(dict.fromkeys(values)) if field.name in _WORDS else np.asarray(values)[index]
    return Device(**columns)


_WORDS = ("source", "basis")
_ELEMENT_BYTES = {"fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "mxfp8": 1.0, "nvfp4": 0.5625}


def _attention_peak(accelerator: Accelerator, precision: str) -> float:
    """Attention runs in bf16 (or fp16) wherever the products run in fewer bits."""
    if precision in ("fp32", "tf32", "bf16", "fp16"):
        return float(accelerator.peak(precision) or 0.0)
    peaks = accelerator.peak_flops
    return float(peaks.bf16 or peaks.fp16 or accelerator.peak(precision) or 0.0)


@cache
def _constants(name: str, architecture: str, precision: str) -> tuple[Mapping[str, float], str, str]:
    stored = library.read("devices", "default")
    return stored["constants"], "specification", stored["basis"]
