"""Times of single kernels from their shapes: matrix products, attention, streaming kernels. Seconds, elementwise.

The physics is the mean: products by tiles and waves under a roofline, attention by FLOPs with the softmax beside
them, the rest by bytes. The constants of each device (`planner.timing.device`) are fitted to measured kernels.
"""

from __future__ import annotations

import numpy as np

from planner.formula import Number, formula
from planner.timing.device import Device

TILES = ((256, 128), (128, 256), (128, 128), (128, 64))
"""Output tiles of cuBLAS's and CUTLASS's fastest kernels; smaller ones serve shapes below those of training."""
ATTENTION_ROWS = 128
"""Queries of one attention tile (FlashAttention 2 and 3, head size 128)."""
SUSTAINED_S = 1e-3
"""Length of a product at which half of the sustained loss shows: order of the power controller's reaction."""


@formula(
    "min(min over tiles of waves·(r·c + edge·(r + c − 3·r·c/256))·(k + depth), split)",
    unit="multiply-adds",
    source="tile and wave quantization: ⌈m/r⌉·⌈n/c⌉ tiles over the multiprocessors (NVIDIA, Matrix Multiplication "
    "Background User's Guide, §3); or tiles dealt evenly by splitting k",
)
def tile_work(device: Device, m: Number, n: Number, k: Number, groups: Number = 1) -> Number:
    """Multiply-adds (and what costs as much) of the busiest multiprocessor, by the best of the tiles.

    An unfilled last wave costs its `matmul_tail` share. Loads of a tile's edges count as `matmul_edge` elements each,
    beyond those of the largest tile, whose rate is the device's efficiency: 3/256 of an element's edge an element.
    Splitting k deals the work evenly, for `matmul_split` inner elements' worth of merging a tile. A device without
    tiles (a CPU) takes `matmul_rows` rows' worth of time to read the weights.
    """
    if not np.any(device.tiled):
        return groups * (m + device.matmul_rows) * n * (k + device.matmul_depth) / device.multiprocessors
    rows = {size: np.ceil(m / size) for size in (256, 128)}
    columns = {size: np.ceil(n / size) for size in (256, 128, 64)}
    share = groups / device.multiprocessors
    depth = k + device.matmul_depth
    best: Number = np.inf
    for r, c in TILES:
        tiles = rows[r] * columns[c] * share
        waves = tiles + device.matmul_tail * (np.ceil(tiles) - tiles)
        best = np.minimum(best, waves * (r * c + device.matmul_edge * (r + c - r * c * 3 / 256)))
    even = rows[256] * columns[128] * share * (256 * 128)
    return np.minimum(best * depth, even * (depth + device.matmul_split))


MISALIGNED_RATE = 0.8
"""Assumed: a round figure for the loss that BLOOM's prequel shows between widths of 14,400 and 14,336; not fitted."""


@formula(
    "max(2·work·SMs/(peak·efficiency)·(1 + sustained), bytes/bandwidth) + launch",
    unit="s",
    source="tiles and waves over a roofline, constants fitted to measured products",
)
def matmul_s(
    device: Device, m: Number, n: Number, k: Number, *, direction: str = "forward", groups: Number = 1,
    output_bytes: Number | None = None, cast_bytes: Number | None = None, continuous: Number = 0.0,
) -> Number:  # fmt: skip
    """One product of the layer y[m, n] = x[m, k]·w[k, n] in a direction, `groups` of them at once (experts).

    direction: forward; input_gradient, dy[m, n]·wᵀ → [m, k]; weight_gradient, xᵀ·dy → [k, n].
    output_bytes: read and written per output element; else 2, and 8 for a weight's gradient, which is added to an fp32
    sum (2 where the software keeps it in bf16). cast_bytes: moved to cast one element of the activation to fp8; else
    the device's, and 0 for a weight's gradient, whose operands were cast before. continuous: how far the device is
    already under its power limit from what runs before: 0 measured alone, 1 within an endless stream of products.
    """
    weight = direction == "weight_gradient"
    if direction == "input_gradient":
        n, k = k, n
    elif weight:
        m, k = k, m
    if output_bytes is None:
        output_bytes = 8.0 if weight else 2.0
    lines = np.minimum(device.element_bytes, 2.0) / 128
    rate = device.peak_flops * device.matmul_efficiency * np.minimum(aligned_rate(n * lines), aligned_rate(k * lines))
    if direction == "input_gradient":
        rate = rate * device.input_gradient
    compute = tile_work(device, m, n, k, groups) * (2.0 * device.multiprocessors / rate)
    compute = compute * (1.0 + device.matmul_sustained * np.maximum(compute / (compute + SUSTAINED_S), continuous))
    bandwidth = device.bandwidth_bytes_per_s * device.matmul_memory
    outputs = m * n * groups
    moved = (m + n) * k * groups * device.element_bytes + outputs * output_bytes
    time = np.maximum(compute, moved / bandwidth) + device.launch_s
    time = time + mapped_s(device, outputs * device.element_bytes)
    if weight:
        return time + device.accumulation * np.maximum(output_bytes - 2.0, 0.0) * outputs / bandwidth
    return time + _cast_s(device, m * k * groups, cast_bytes)


LARGEST_KEPT_BYTES = 2**25
"""glibc keeps freed memory at hand up to this much a tensor (M_MMAP_THRESHOLD's largest value, mallopt(3)); larger ones
are mapped anew each time."""


def mapped_s(device: Device, bytes_: Number) -> Number:
    """What a CPU takes to map a new tensor beyond what its allocator keeps; nothing on a GPU, whose allocator keeps
    all."""
    if not np.any(device.mapping_s_per_byte):
        return 0.0
    return np.where(bytes_ >= LARGEST_KEPT_BYTES, device.mapping_s_per_byte * bytes_, 0.0)[()]


def aligned_rate(rows_of_128_bytes: Number) -> Number:
    """Rate of products whose inner and output widths fill whole 128-byte lines (1), against those that do not.

    NVIDIA, Matrix Multiplication Background User's Guide, §2.1.2: on A100 and later 16-bit sizes want multiples of 64.
    """
    return np.where(rows_of_128_bytes == np.floor(rows_of_128_bytes), 1.0, MISALIGNED_RATE)[()]


def _cast_s(device: Device, elements: Number, cast_bytes: Number | None) -> Number:
    """Casting an activation to fp8: find its largest element, scale, write."""
    each = device.cast_bytes if cast_bytes is None else np.where(device.cast_bytes > 0, cast_bytes, 0.0)[()]
    return each * elements / device.bandwidth_bytes_per_s + device.cast_s


@formula(
    "4·b·a·s_q·s_seen·d (backward × 2.5)",
    unit="FLOP",
    source="FlashAttention 2 (arXiv 2307.08691) §4.1: two products forward, five backward",
)
def attention_flops(
    batch: Number, heads: Number, queries: Number, keys: Number, head_dim: Number, causal: bool | Number,
    direction: str = "forward",
) -> Number:  # fmt: skip
    """FLOPs that a fused kernel does. A causal query sees (keys + 1)/2 keys on average, on every context-parallel rank
    too (queries < keys), whose chunks are dealt so that the work is even."""
    seen = np.where(causal, (keys + 1) / 2, keys)[()]
    return (10.0 if direction == "backward" else 4.0) * batch * heads * queries * seen * head_dim


@formula(
    "FLOPs·(1 + length/s)·(1 + softmax/d)·(1 + 2·tail/waves)/(peak·efficiency) + launch",
    unit="s",
    source="products with the softmax beside them, the longest tiles last and alone; fitted to measured kernels",
)
def attention_s(
    device: Device, batch: Number, heads: Number, kv_heads: Number, queries: Number, keys: Number, head_dim: Number,
    *, causal: bool | Number, kernel: str = "flash", direction: str = "forward", serving: bool = False,
) -> Number:  # fmt: skip
    """The attention core of one layer, heads of one rank.

    kernel: flash (the device's best fused one), flash1, flash2, flash3, cudnn; unfused (two batched products, a fused
    scale-mask-softmax, dropout), eager (each pass its own kernel, softmax in fp32).
    serving: as the serving libraries' operators were measured: a kernel that reads pages, writing keys and values to
    the cache, and the launches of both.
    """
    if kernel in ("unfused", "eager"):
        return unfused_attention_s(device, batch, heads, queries, keys, head_dim, kernel == "eager", direction)
    backward = direction == "backward"
    flops = attention_flops(batch, heads, queries, keys, head_dim, causal, direction)
    rate = device.attention_peak_flops * device.attention_efficiency * _generation(device, kernel)
    tail = device.attention_tail
    if backward:
        rate, tail = rate * device.attention_backward, device.attention_backward_tail
    softmax = (1 + device.attention_head_dim / head_dim) / (1 + device.attention_head_dim / 128)
    waves = batch * heads * np.ceil(queries / ATTENTION_ROWS) / device.multiprocessors
    time = flops / rate * softmax * (1 + device.attention_length / keys) * (1 + 2 * tail / waves) + device.launch_s
    if serving:
        time = time + (time - device.launch_s) * (1 / device.paged - 1)
        row = 4.0 * batch * head_dim / device.bandwidth_bytes_per_s
        copies = device.cache_bytes * kv_heads * keys + device.query_bytes * heads * queries
        return time + row * copies + device.cache_s
    return time


def _generation(device: Device, kernel: str) -> Number:
    """Rate of a kernel generation against the device's best."""
    return device.flash1 if kernel == "flash1" else device.flash2 if kernel == "flash2" else 1.0


_PASSES = {("unfused", False): 8.0, ("unfused", True): 9.0, ("eager", False): 29.0, ("eager", True): 31.0}
"""Bytes moved per attention score between the products, forward and backward, bf16 scores. Fused causal softmax: read
the half that the mask leaves and write all (3), dropout reads, writes and keeps a one-byte mask (5); backward: dropout
(5), softmax reads two halves and writes all (4; Megatron-LM's scaled_upper_triang_masked_softmax.h). Eager: softmax and
dropout on all scores (9; backward 11), and scale (4), mask (4), the casts to and from fp32 and softmax on them (12),
and their backward (20)."""


@formula(
    "Σ max(FLOPs/rate, bytes/bandwidth) + passes·scores/bandwidth + launches",
    unit="s",
    source="batched products and streaming kernels over the b·a·s_q·s_k scores (Korthikanti 2022, §4)",
)
def unfused_attention_s(
    device: Device, batch: Number, heads: Number, queries: Number, keys: Number, head_dim: Number, eager: bool,
    direction: str = "forward",
) -> Number:  # fmt: skip
    """Attention as separate kernels. The mask saves no work: products and passes run over all scores."""
    backward = direction == "backward"
    scores = batch * heads * queries * keys
    bandwidth = device.bandwidth_bytes_per_s * device.memory_efficiency
    rate = device.attention_peak_flops * device.matmul_efficiency / (1 + device.matmul_edge / 256)
    depth = 1 + device.matmul_depth / np.minimum(head_dim, keys)
    moved = 2.0 * scores + 2.0 * batch * heads * (queries + keys) * head_dim
    product = np.maximum(2.0 * scores * head_dim * depth / rate, moved / bandwidth)
    passes = _PASSES["eager" if eager else "unfused", backward]
    launches = (4 if backward else 2) + (7 if eager else 2)
    return product * (4 if backward else 2) + passes * scores / bandwidth + launches * device.launch_s


@formula(
    "launch + bytes/(bandwidth·efficiency)",
    unit="s",
    source="a streaming kernel reads and writes each byte once; small ones are bound by their launch",
)
def memory_bound_s(device: Device, bytes_: Number) -> Number:
    """One kernel that streams `bytes_` (read and written)."""
    return device.launch_s + bytes_ / (device.bandwidth_bytes_per_s * device.memory_efficiency)
