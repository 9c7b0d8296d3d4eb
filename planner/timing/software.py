"""A software generation as numbers: what its kernels fuse, what its host costs, what it overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner import library
from planner.counting.allocation import wrong_constants
from planner.errors import InputError
from planner.formula import Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Software:
    """Constants of one software generation (`profiles/frameworks/`), fitted on the open runs or assumed, as its file
    says. Numbers or arrays."""

    matmul_slowdown: Number
    """Time of a product in training over the same product measured alone."""
    flash_generation: Number
    """FlashAttention 1, 2, or 3 for the device's best fused kernel (FlashAttention 3, cuDNN)."""
    eager_attention: Number
    """1 where unfused attention runs each pass as its own kernel, 0 where scale, mask and softmax are one."""
    weight_gradient_bytes: Number
    """Read and written per element of a weight's gradient: 8 added to an fp32 sum inside the product, 2 written."""
    cast_bytes: Number
    """Bytes moved to cast one element of an activation to fp8: scale found before (delayed) or with it (current)."""
    attention_slowdown: Number
    """Time of the attention core in training over the same kernel measured alone."""
    elementwise_passes: Number
    """Memory traffic of norms, activations, residuals over that of fully fused kernels."""
    host_s_per_layer: Number
    """Host time to launch one layer's forward; a layer cannot be faster."""
    host_s_per_collective: Number
    """Host time of one collective or message in a layer or between stages."""
    host_s_per_peer: Number
    """Host time of a layer for each rank of its tensor-parallel group, where there are pipeline stages beside it."""
    host_s_per_micro_batch: Number
    """Time of a micro-batch outside the layers: its data, its loss, the schedule's own bookkeeping."""
    host_s_per_step: Number
    """Time of a step outside the layers: data, loss scaling, clipping's synchronization, logging."""
    loss_bytes: Number
    """Bytes moved for one logit, forward and backward: casts to fp32, softmax, gradient."""
    scale_loss: Number
    """Share of a step lost to stragglers with every doubling of the nodes."""
    reduce_bytes: Number
    """Bytes of a gradient as data-parallel ranks reduce it."""
    balances_head: Number
    """1 where stages are cut by cost, so that the head's stage gets fewer layers; 0 where every stage gets L/p."""
    data_overlap: Number
    """Share of a backward pass that hides the gradients' all-reduce."""
    shard_overlap: Number
    """Share of a pass that hides ZeRO-1's and 2's reduce-scatter of gradients and gather of weights."""
    gather_efficiency: Number
    """Bandwidth of ZeRO's gathers over that of one large collective (below 1 where parameters go one by one)."""
    gather_overlap: Number
    """Share of a layer's compute that hides the next layer's gathered weights (ZeRO-3)."""
    tensor_overlap: Number
    """Share of the tensor-parallel collectives hidden behind the products, inside a scale-up domain."""
    scatters_messages: Number
    """1 where each tensor-parallel rank sends its share of a message between stages and the next stage gathers them in
    its node, 0 where every rank sends the whole (Narayanan 2021, arXiv 2104.04473, §4.1)."""
    pipeline_overlap: Number
    """Share of the messages between stages hidden, in the interleaved schedule."""
    expert_overlap: Number
    """Share of the experts' all-to-all hidden."""
    expert_imbalance: Number
    """Tokens of the busiest expert rank over the mean."""


NAMES = tuple(field.name for field in fields(Software))


@library.by_name("frameworks")
def software(name: str, data: dict[str, Any]) -> Software:
    """The constants of a software generation by name. Raises `InputError` for what is none of one."""
    if missing := [key for key in NAMES if key not in data]:
        raise InputError(f"software {name!r}: {', '.join(missing)} missing from its file")
    if wrong := wrong_constants(data, NAMES):
        raise InputError(f"software {name!r}: {'; '.join(wrong)}")
    return Software(**{key: float(data[key]) for key in NAMES})


def gather(kinds: Sequence[Software], index: NDArray[np.intp]) -> Software:
    """One array a constant, row i of software `kinds[index[i]]`."""
    return Software(**{key: np.array([getattr(kind, key) for kind in kinds])[index] for key in NAMES})
