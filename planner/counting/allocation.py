"""What a software generation keeps in memory beside the mathematics: saved copies, buffers, the allocator's reserve.

The constants stand in `profiles/frameworks/` under `memory`. Counts of tensors are read from the generation's source
code; bytes of buffers and shares of the reserve are fitted on published runs by `benchmarks/fit_memory.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner import library
from planner.errors import InputError
from planner.formula import Number


@dataclass(frozen=True, slots=True, kw_only=True)
class Allocation:
    """Memory constants of one software generation, numbers or arrays. The defaults are those of fused kernels."""

    norm_written_out: Number = 0.0
    """1: an RMSNorm made of single operations saves two fp32 copies of its input; 0: a fused one saves the input."""
    gated_tensors: Number = 3.0
    """f-wide tensors that a gated feed-forward saves: gate, up, product; 4 where the bent gate is kept too."""
    query_copies: Number = 0.0
    """Further copies of the queries kept from before the rotary embedding."""
    key_value_copies: Number = 0.0
    """Further copies of keys and values kept from before the rotary embedding, packing or transposing."""
    routed_copies: Number = 1.0
    """h-wide tensors saved for each expert that a token visits: the permuted input; 3 where the router's weight
    multiplies the output and the products are added up, which keeps both."""
    selective_kept: Number = 1.0
    """Share of a layer that selective recomputation keeps, scores left out: 1 Megatron's, less when by operator."""
    keeps_working_copy: Number = 1.0
    """0: sharded weights exist in master precision only and are cast when gathered (FSDP2)."""
    logit_bytes: Number = 10.0
    """Bytes a logit lives in at the loss's peak: bf16 (2), its fp32 copy (4), softmax or fp32 gradient (4)."""
    frees_gradients: Number = 0.0
    """1: gradients are given back after every step (PyTorch's `zero_grad`), so that of a step of one micro-batch none
    are there at the loss; 0: their buffers stay."""
    spare_gradient_bytes: Number = 0.0
    """Bytes of every parameter of the stage in gradients or buckets beside those counted as gradients."""
    spare_layer_bytes: Number = 0.0
    """Bytes of one layer's parameters in gradients under way."""
    spare_head_bytes: Number = 0.0
    """Bytes of the head's parameters in its gradient under way."""
    stream_buffers: Number = 4.0
    """Copies of the whole residual stream alive at the peak: gathered inputs, gradients, messages."""
    scratch_layers: Number = 0.0
    """Layers' worth of saved tensors alive as gradients during the backward pass."""
    buffer_bytes: Number = 0.3e9
    """Workspaces, buckets and constants that do not grow with the model."""
    reserve_share: Number = 0.04
    """What the allocator holds but has not handed out at the peak, as a share of what comes and goes in a step."""
    steady_reserve_share: Number = 0.0
    """The same, on top, once freed blocks are reused by later micro-batches (more micro-batches than stages)."""
    state_reserve_share: Number = 0.0
    """The same, as a share of optimizer states, which the first step makes in the middle of cached blocks."""
    late_free_share: Number = 0.0
    """Whole residual streams of tensor-parallel products, two a layer, whose blocks wait for NCCL's stream while the
    host runs ahead through the layers; messages between stages hold it back."""
    context_bytes: Number = 0.9e9
    """CUDA context with loaded kernels, and NCCL's buffers: what nvidia-smi shows beyond what PyTorch reserves."""
    balances_head: Number = 0.0
    """1: the head counts as so many layers when layers are dealt to stages (nanotron)."""
    prints_first_stage: Number = 0.0
    """1: the memory that its log prints is that of the first stage's rank 0; 0: of the fullest rank."""
    prints_reserved: Number = 0.0
    """1: a printed figure without definition is what the allocator reserved; 0: what nvidia-smi shows."""
    printed_unit: Number = 1.0
    """Printed unit over 1e9 bytes: 1.073741824 where the log divides by 1024³ and calls it GB."""


MODERN = Allocation()
"""The constants where no software says otherwise."""
NAMES = tuple(field.name for field in fields(Allocation))


_LARGEST = 1e12
"""No constant of a file of software is larger: its bytes of buffers are the largest."""
_LEAST = {"gather_efficiency": 1e-3, "printed_unit": 1e-3}
"""Constants that something is divided by."""


def wrong_constants(stated: dict[str, Any], names: Iterable[str]) -> list[str]:
    """Each constant of a file of software that is none, with what it must be."""
    ends = {name: (_LEAST.get(name, 0.0), 1.0 if name.endswith("_overlap") else _LARGEST) for name in names}
    return [
        f"{name} must be a number from {least:g} to {most:g}"
        for name, (least, most) in ends.items()
        if name in stated and not (type(stated[name]) in (int, float) and least <= stated[name] <= most)
    ]


@library.by_name("frameworks")
def allocation(name: str, data: dict[str, Any]) -> Allocation:
    """The memory constants of a software generation by name; what its file leaves out is as in `Allocation`. Raises
    `InputError` for what is none of one."""
    stated = data.get("memory", {})
    if not isinstance(stated, dict):
        raise InputError(f"software {name!r}: memory must be a section {{…}} of numbers")
    if wrong := wrong_constants(stated, NAMES):
        raise InputError(f"software {name!r}: memory: {'; '.join(wrong)}")
    return Allocation(**{key: float(stated[key]) for key in NAMES if key in stated})


def on_processor(kept: Allocation) -> Allocation:
    """The same software on a CPU: no context of a GPU's driver, none of its libraries' workspaces."""
    return replace(kept, context_bytes=0.0, buffer_bytes=0.0)


def gather(kinds: Sequence[Allocation], index: NDArray[np.intp]) -> Allocation:
    """One array a constant, row i of software `kinds[index[i]]`."""
    return Allocation(**{key: np.array([getattr(kind, key) for kind in kinds])[index] for key in NAMES})
