"""Times of single kernels from their shapes: matrix products, attention, streaming kernels. Seconds, elementwise."""

from __future__ import annotations

import numpy as np

from planner.formula import Number, formula
from planner.timing.device import Device

TILES = ((256, 128), (128, 128), (128, 64))


def _in_direction(m: Number, n: Number, k: Number, direction: str) -> tuple[Number, Number, Number]:
    if direction == "input_gradient":
        return m, k, n
    if direction == "weight_gradient":
        return k, n, m
    return m, n, k


@formula("max(min over tiles of waves·tile, bytes/bandwidth) + launch", unit="s", source="tile and wave quantization over a roofline")  # fmt: skip
def matmul_s(
    device: Device, m: Number, n: Number, k: Number, *, direction: str = "forward", element_bytes: Number = 2,
    groups: Number = 1,
) -> Number:  # fmt: skip
    """One product [m, k] × [k, n]."""
    m, n, k = _in_direction(m, n, k, direction)
    best: Number = np.inf
    relative: Number = 1.0
    for rows, columns in TILES:
        tiles = np.ceil(m / rows) * np.ceil(n / columns) * groups / device.multiprocessors
        waves = tiles + device.matmul_tail * (np.ceil(tiles) - tiles)
        best = np.minimum(best, waves * (rows * columns / relative))
        relative = relative * device.matmul_narrow
    rate = device.peak_flops * device.matmul_efficiency / device.multiprocessors
    if direction == "input_gradient":
        rate = rate * device.input_gradient
    elif direction == "weight_gradient":
        rate = rate * device.weight_gradient
    compute = 2.0 * best * (k + device.matmul_depth) / rate
    moved = ((m * k + k * n) * device.element_bytes + m * n * element_bytes) * groups
    return np.maximum(compute, moved / (device.bandwidth_bytes_per_s * device.memory_efficiency)) + device.launch_s


@formula("FLOPs/(peak·efficiency) + launch", unit="s", source="FlashAttention: FLOPs over a rate that grows with sequence and head size")  # fmt: skip
def attention_s(
    device: Device, batch: Number, heads: Number, kv_heads: Number, queries: Number, keys: Number, head_dim: Number,
    *, causal: bool | Number, kernel: str = "flash", direction: str = "forward",
) -> Number:  # fmt: skip
    """The attention core of one layer."""
    seen = np.where(causal, keys - (queries - 1) / 2, keys)[()]
    flops = 4.0 * batch * heads * queries * seen * head_dim
    if direction == "backward":
        flops = flops * 2.5 / device.attention_backward
    if kernel == "unfused":
        full = 4.0 * batch * heads * queries * keys * head_dim * (2 if direction == "backward" else 1)
        passes = 7.0 if direction == "forward" else 9.0
        moved = batch * heads * queries * keys * 2.0 * passes
        streaming = moved / (device.bandwidth_bytes_per_s * device.memory_efficiency)
        return full / (device.attention_peak_flops * 0.5) + streaming + 5 * device.launch_s
    length = keys / (keys + device.attention_depth)
    width = head_dim / (head_dim + device.attention_head_dim)
    rate = device.attention_peak_flops * device.attention_efficiency * length * width
    tiles = batch * heads * np.ceil(queries / 128) / device.multiprocessors
    waves = tiles + device.attention_tail * (np.ceil(tiles) - tiles)
    return flops / rate * (waves / tiles) + device.launch_s


@formula("launch + bytes/(bandwidth·efficiency)", unit="s", source="a streaming kernel reads and writes each byte once")
def memory_bound_s(device: Device, bytes_: Number) -> Number:
    """One kernel that streams `bytes_` (read and written)."""
    return device.launch_s + bytes_ / (device.bandwidth_bytes_per_s * device.memory_efficiency)
