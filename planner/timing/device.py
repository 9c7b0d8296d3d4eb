"""What a device does with the kernels it is given: its peaks, and the constants fitted to measured kernels.

The constants are dimensionless (shares of a peak, lengths in elements) or fixed times, so they carry over from a
measured device to one that has only a data sheet. `profiles/devices/` holds them, one file a measured device and
`default.json` for the rest, written by `benchmarks/fit_kernels.py` with their source, date and errors.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from planner import library
from planner.errors import InputError
from planner.formula import Number
from planner.plan.cluster import Accelerator
from planner.timing import provenance
from planner.timing.provenance import Provenance

if TYPE_CHECKING:
    from planner.timing.surface import Surface


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
    """Bytes of an operand's element."""
    launch_s: Number
    """Fixed time of one kernel on the device: start, first loads, last stores."""
    memory_efficiency: Number
    """Share of the memory bandwidth that a large streaming kernel reaches."""
    matmul_efficiency: Number
    """Share of the peak in the inner loop of a 256 × 128 tile, before the sustained loss."""
    matmul_edge: Number
    """What a smaller tile loses: loading an element of its edge costs as much as so many products."""
    matmul_depth: Number
    """Inner elements' worth of time of a tile's prologue and epilogue."""
    matmul_tail: Number
    """How much of an unfilled last wave is lost: 1 all of it, 0 none (work split over the inner dimension)."""
    matmul_split: Number
    """Inner elements' worth of time to merge a tile whose inner dimension was split over multiprocessors."""
    matmul_memory: Number
    """Share of the memory bandwidth that a product bound by memory reaches."""
    matmul_sustained: Number
    """Relative slowing of products much longer than a millisecond: clocks under the power limit, cache misses."""
    cast_bytes: Number
    """Bytes moved to cast one element of an activation to fp8 (0 where nothing is cast)."""
    cast_s: Number
    """Fixed time of the cast's kernels."""
    input_gradient: Number
    """Rate of the input's gradient against a forward product of the same shape."""
    accumulation: Number
    """Share of the fp32 gradient's read and write that shows behind the weight gradient's product."""
    attention_efficiency: Number
    """Share of the peak of the device's best fused kernel: long sequence, head size 128, many heads, forward."""
    attention_length: Number
    """Keys' worth of time that each row of queries costs on top of its keys."""
    attention_tail: Number
    """Longest tiles that run alone at the end, forward."""
    attention_head_dim: Number
    """Elements of a head's size whose products take as long as the softmax beside them."""
    attention_backward: Number
    """Rate of the backward pass (2.5 times the FLOPs) against forward."""
    attention_backward_tail: Number
    flash1: Number
    """Rate of FlashAttention 1 against the device's best fused kernel; likewise 2."""
    flash2: Number
    paged: Number
    """Rate of a serving library's kernel, which reads keys and values by pages, against the training one's."""
    cache_bytes: Number
    """Bytes moved per byte of keys and values that a serving library adds to an attention call (its cache)."""
    query_bytes: Number
    """The same per byte of queries and outputs."""
    cache_s: Number
    """Fixed time that a serving library adds to an attention call."""
    tiled: Number = 1.0
    """1 where products are cut into tiles dealt to multiprocessors, 0 where not: a CPU."""
    matmul_rows: Number = 0.0
    """Rows' worth of time that reading a product's weights adds, where it is not tiled."""
    power_w: Number = math.nan
    """Mean board power while a layer was measured; NaN where none was."""
    calibration: Number = 1.0
    """Measured over predicted time of a real step's compute: a one-point calibration that the plan names."""
    band: Number
    """Relative half-width that holds 80 % of the residuals of the products."""
    source: str
    """measured, interpolated, carried or specification."""
    basis: str
    """What the constants rest on, in a sentence."""
    mapping_s_per_byte: Number = 0.0
    """Time to map a byte of a large new tensor: what a CPU's page faults cost."""
    remainder: Surface | None = None
    """What a measured profile of the device leaves beyond the formulas."""
    provenance: str = ""
    """How the device is known: one of the three kinds of `planner.timing.provenance`, with source and date."""


@dataclass(frozen=True, slots=True)
class Found:
    """Constants of one kernel class for a device, and where they are from."""

    constants: Mapping[str, float]
    source: str
    basis: str
    band: float
    origin: str
    """Name of the device they were fitted on."""


def device(accelerator: Accelerator, precision: str) -> Device:
    """The device in a precision: constants fitted to it, carried from a like device, or the default's."""
    peak = accelerator.peak(precision)
    if peak is None:
        raise InputError(f"{accelerator.name} has no {precision} units: its figures name no such peak")
    products = find(accelerator, "matmul", "fp8" if _ELEMENT_BYTES[precision] < 2 else "bf16")
    attention = find(accelerator, "attention", "bf16")
    constants = {**default()["assumed"], **_generations(accelerator.architecture)}
    constants |= {**_known(products.constants), **_known(attention.constants)}
    if products.source != "interpolated":
        constants["matmul_sustained"] = _under_power(accelerator, products)
        constants |= _at_half_rate(accelerator, constants)
    if accelerator.kind == "cpu":
        constants |= _UNTILED
    return Device(
        peak_flops=peak,
        attention_peak_flops=_attention_peak(accelerator, precision),
        bandwidth_bytes_per_s=accelerator.memory_bandwidth_bytes_per_s,
        multiprocessors=multiprocessors(accelerator),
        tdp_w=_tdp(accelerator),
        element_bytes=_ELEMENT_BYTES[precision],
        band=products.band,
        source=products.source,
        basis=products.basis,
        provenance=str(known_by(accelerator)),
        **constants,
    )


def known_by(accelerator: Accelerator) -> Provenance:
    """How a device is known without a profile of it."""
    return provenance.shipped(accelerator, files().get(accelerator.name))


def gather(devices: Sequence[Device], index: Any) -> Device:
    """One device whose numbers are arrays: element i is that of `devices[index[i]]`. What all share stays a scalar."""
    columns: dict[str, Any] = {}
    for field in fields(Device):
        values = list(dict.fromkeys(getattr(one, field.name) for one in devices))
        if field.name in ("source", "basis", "provenance"):
            columns[field.name] = "; ".join(values)
        else:
            every = [getattr(one, field.name) for one in devices]
            columns[field.name] = values[0] if len(values) == 1 else np.asarray(every, dtype=float)[index]
    return Device(**columns)


def multiprocessors(accelerator: Accelerator) -> float:
    """Of the data sheet, else of the device's file (as the driver reports them), else the default's."""
    stored = files().get(accelerator.name, {})
    return float(accelerator.multiprocessors or stored.get("multiprocessors") or default()["multiprocessors"])


def find(accelerator: Accelerator, kind: str, precision: str) -> Found:
    """Constants of a kernel class: of this device, of the nearest of its family, or the default's."""
    own = files().get(accelerator.name, {}).get(kind, {}).get(precision)
    if own is not None:
        return Found(
            own["constants"], own.get("knowledge", "interpolated"), own["basis"], own["band"], accelerator.name
        )
    general = default()[kind].get(precision) or default()[kind]["bf16"]
    for family, source in _families(accelerator):
        near = [name for name, file in files().items() if file["family"] == family and precision in file.get(kind, {})]
        if near:
            name = min(near, key=lambda one: _distance(accelerator, one))
            basis = f"carried over from {name} to this device's peaks: {files()[name][kind][precision]['basis']}"
            band = general["bands"][source]
            return Found(files()[name][kind][precision]["constants"], source, basis, band, name)
    return Found(general["constants"], "specification", general["basis"], general["bands"]["specification"], "")


def graphics(accelerator: Accelerator) -> bool:
    """Whether a chip is of the graphics line (GDDR, products issued by each warp) rather than the data centre's: its
    fp32 units reach a quarter or more of its bf16 peak, the data centre's at most an eighth."""
    peaks = accelerator.peak_flops
    matrix = peaks.bf16 or peaks.fp16 or 0.0
    return accelerator.vendor == "NVIDIA" and matrix > 0 and (peaks.fp32 or 0.0) > 0.2 * matrix


def family(accelerator: Accelerator) -> str:
    """Devices of one family share their constants."""
    return "graphics" if graphics(accelerator) else accelerator.architecture


_ELEMENT_BYTES = {"fp32": 4.0, "tf32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0, "mxfp8": 1.03125, "nvfp4": 0.5625}
"""Bytes of an operand with its block scales (mxfp8: one byte for 32 elements; nvfp4: one for 16)."""

_NEIGHBOURS = {"Volta": "Ampere", "Turing": "Ampere"}
"""Generations without a measured member, and the nearest that has one."""

_BOARD_W, _BOARD_SHARE = 100.0, 0.3
"""Power that does not follow the products' rate, the lesser of the two: memory, leakage, regulators (assumed)."""


def _families(accelerator: Accelerator) -> list[tuple[str, str]]:
    own = family(accelerator)
    return [(own, "carried"), (_NEIGHBOURS.get(own, ""), "specification")]


def _attention_peak(accelerator: Accelerator, precision: str) -> float:
    """Attention runs in bf16 (or fp16) wherever the products run in fewer bits."""
    if precision in ("fp32", "tf32", "bf16", "fp16"):
        return float(accelerator.peak(precision) or 0.0)
    peaks = accelerator.peak_flops
    return float(peaks.bf16 or peaks.fp16 or accelerator.peak(precision) or 0.0)


def _known(constants: Mapping[str, float]) -> dict[str, float]:
    """Without what only a newer file may hold."""
    return {name: value for name, value in constants.items() if name in _NAMES}


_NAMES = frozenset(field.name for field in fields(Device))

_UNTILED = {
    "tiled": 0.0, "matmul_edge": 0.0, "matmul_tail": 0.0, "matmul_sustained": 0.0, "attention_tail": 0.0,
    "attention_backward_tail": 0.0,
}  # fmt: skip
"""A processor's cores share a product row by row: no tiles, no waves, nothing that runs alone at the end."""


def _under_power(accelerator: Accelerator, found: Found) -> float:
    """Sustained loss of the products carried to a device of another power limit.

    Products at full rate draw more than most boards may: clock, and with it the rate, follows power a FLOP. Where
    voltage falls with the clock (data centre), power goes with its cube, so the rate with the cube root; the graphics
    line already runs at its lowest voltage under load, so the rate goes with power itself. Measured: RTX PRO 6000 to
    L40S, power a peak FLOP × 0.70, rate × 0.71; A100 SXM to PCIe, × 0.67 and × 0.88; GB200 to GB300, × 1.18 and × 1.17.
    More power than the reference has undoes its loss and no more.
    """
    loss = float(found.constants["matmul_sustained"])
    reference = files().get(found.origin)
    if reference is None or not accelerator.tdp_w or found.source == "specification":
        return loss
    power = watt_per_flops(accelerator) / float(reference["watt_per_flops"])
    ratio = power if graphics(accelerator) else float(power ** (1 / 3))
    return max(0.0, (1 + loss) / ratio - 1)


def _at_half_rate(accelerator: Accelerator, constants: Mapping[str, float]) -> dict[str, float]:
    """Constants of a graphics chip whose products with fp32 sums are held at half rate (its fp32 units reach half of
    its bf16 peak, not a quarter): what else a kernel does takes the same time, so half the share of it."""
    peaks = accelerator.peak_flops
    if not graphics(accelerator) or not peaks.bf16 or (peaks.fp32 or 0.0) < 0.4 * peaks.bf16:
        return {}
    halved = {name: 2 / (1 + 1 / constants[name]) for name in ("matmul_efficiency", "attention_efficiency")}
    return {**halved, "matmul_edge": constants["matmul_edge"] / 2}


def watt_per_flops(accelerator: Accelerator) -> float:
    """Power above the board's own for each FLOP/s of the bf16 (fp16) peak, W·s/FLOP."""
    power = _tdp(accelerator)
    return (power - min(_BOARD_W, _BOARD_SHARE * power)) / _matrix_peak(accelerator)


def _matrix_peak(accelerator: Accelerator) -> float:
    peaks = accelerator.peak_flops
    return peaks.bf16 or peaks.fp16 or peaks.fp8 or peaks.tf32 or peaks.fp32 or 1e14


def _tdp(accelerator: Accelerator) -> float:
    return accelerator.tdp_w or 400.0


def _distance(accelerator: Accelerator, name: str) -> float:
    """How unlike two devices are: logarithms of their peaks, bandwidths and powers a FLOP."""
    other = files()[name]
    return math.hypot(
        math.log(_matrix_peak(accelerator) / other["peak_flops"]),
        math.log(accelerator.memory_bandwidth_bytes_per_s / other["bandwidth_bytes_per_s"]),
        math.log(watt_per_flops(accelerator) / other["watt_per_flops"]),
    )


def _generations(architecture: str) -> dict[str, float]:
    """Rates of older fused kernels against the best that the architecture has."""
    table: dict[str, dict[str, float]] = default()["generations"]
    return table.get(architecture, table["other"])


@cache
def files() -> dict[str, dict[str, Any]]:
    """Every device's file by the device's name. Shipped ones only: the user's own constants are measured profiles."""
    found = [library.read_json(path) for path in sorted(_SHIPPED.glob("*.json")) if path.stem != "default"]
    return {file["name"]: file for file in found}


@cache
def default() -> dict[str, Any]:
    """The general constants."""
    return library.read_json(_SHIPPED / "default.json")


_SHIPPED = library.SHIPPED / "devices"
