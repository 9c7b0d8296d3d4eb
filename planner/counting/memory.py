"""Memory of the fullest pipeline stage: model states, gathered shards, activations in flight, logits, overheads.

What a layer saves is counted in `activations.py`. Two stages can be the fullest: the first, with the embedding and the
most micro-batches in flight, and the last, with head, logits and loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.counting.activations import layer_saved_bytes
from planner.counting.allocation import MODERN, Allocation
from planner.counting.parameters import Parameters
from planner.formula import Number, formula, given
from planner.plan.workload import Workload

RAJBHANDARI = "Rajbhandari 2020 (ZeRO, arXiv 1910.02054) §3"

Text = NDArray[np.str_]


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one GPU of one stage at its peak."""

    weights: Number
    gradients: Number
    optimizer: Number
    gathered: Number
    """Unsharded layers in flight under ZeRO-3."""
    activations: Number
    logits: Number
    buffers: Number
    """Gradients under way beside the accumulated ones, messages, gathered inputs, workspaces."""
    reserve: Number
    """What the allocator holds beyond what it has handed out."""
    context: Number
    """CUDA context and NCCL, outside the allocator."""
    total: Number

    @property
    def allocated(self) -> Number:
        """What `torch.cuda.max_memory_allocated` reads."""
        return self.total - self.reserve - self.context

    @property
    def reserved(self) -> Number:
        """What `torch.cuda.max_memory_reserved` reads."""
        return self.total - self.context


@formula(
    "(L_stage·layer + ends)/t",
    unit="parameters",
    source="each stage's layers and its embedding or head, split over the tensor-parallel group",
)
def stage_parameters(layers: Number, layer: Number, ends: Number, tp: Number) -> Number:
    """Parameters of one stage on one tensor-parallel rank."""
    return (layers * layer + ends) / tp


@formula("bytes·(dense/g + experts/g_e)", unit="B", source=RAJBHANDARI)
def state_bytes(
    bytes_per_parameter: Number, dense: Number, experts: Number, group: Number, expert_group: Number
) -> Number:
    """Weights, gradients or optimizer states of one rank, split over the ranks that share them (1: not split)."""
    return bytes_per_parameter * (dense / group + experts / expert_group)


@formula(
    "min(m·v, 2(p − 1 − i) + (v − 1)·p + 1)·L/(p·v)",
    unit="layers",
    source="Narayanan 2021 (arXiv 2104.04473) §2.2; Korthikanti 2022 §4.2.3",
)
def layers_in_flight(
    stage_layers: Number, after: Number, pp: Number, virtual_stages: Number, micro_batches: Number, gpipe: Number
) -> Number:
    """Layers whose activations one stage holds at its peak, counted once a micro-batch. `after`: stages behind it.

    1F1B: as many micro-batches as there are stages from here to the end; interleaved: Megatron's warm-up chunks;
    GPipe: all of them."""
    interleaved = virtual_stages > 1
    chunks = np.where(interleaved, 2 * after + (virtual_stages - 1) * pp + 1, after + 1)
    most = micro_batches * virtual_stages
    return np.where(gpipe > 0, most, np.minimum(most, chunks)) * stage_layers / virtual_stages


@formula(
    "bytes·(2·P_layer + P_ends); with stages (bytes + bytes_grad)·P_stage",
    unit="B",
    source="Zhao 2023 (PyTorch FSDP, arXiv 2304.11277) §3.2–3.3",
)
def gathered_bytes(
    weight_bytes: Number, gradient_bytes: Number, in_flight: Number, stage: Number, pp: Number
) -> Number:
    """Unsharded weights under ZeRO-3: the layer in use and the next, with embedding and head. A pipeline's stage comes
    back to its weights with every micro-batch, so it keeps all of them, and their whole gradients, through a step."""
    return np.where(pp > 1, (weight_bytes + gradient_bytes) * stage, weight_bytes * in_flight)[()]


@formula(
    "max(gathered·G, G + table·(late + 2·tied) − activations − logits)",
    unit="B",
    source="PyTorch's autograd (engine.cpp, accumulate_grad.h): a gradient that is None takes the new one over; of a "
    "weight used twice both gradients and their sum are held until it is given them",
)
def freed_gradient_bytes(
    gradients: Number, moving: Number, table: Number, accumulates: Number, late: Number, tied: Number
) -> Number:
    """What gradients add to the peak where they are freed after every step. At the loss they are there only if a micro-
    batch went before (`accumulates`); at the end of the backward pass all of them are, in the room that activations and
    logits (`moving`) leave, with the embedding's beside them: its own before it is added up (`late`), and tied to the
    head two more. `table`: bytes of the embedding's gradient."""
    at_the_end = gradients + table * (late + 2 * tied) - moving
    return np.maximum(accumulates * gradients, at_the_end)


@formula(
    "min(L, ⌊(L·c + c_head)/(p·c)⌋ + 1)",
    unit="layers",
    source="nanotron 0.5, models/base.py build_model: a stage takes blocks until their cost passes its share",
)
def layers_by_cost(layers: Number, layer_cost: Number, head_cost: Number, pp: Number, stages: Number) -> Number:
    """Layers in the first `stages` of p stages when the head's cost is dealt out with the layers'."""
    share = (layers * layer_cost + head_cost) * stages / pp
    dealt: Number = np.minimum(layers, np.floor(share / layer_cost) + 1)
    return dealt


@formula(
    "x_g·P_stage + x_l·P_layer + x_h·P_head + x_s·bytes·T·h + x_a·A_layer + const",
    unit="B",
    source="gradients under way, messages and workspaces of a software generation",
)
def buffer_bytes(
    stage: Number, layer: Number, head: Number, stream: Number, layer_saved: Number, software: Allocation
) -> Number:
    """What lives beside the accumulated gradients and the saved activations at the peak. `stage`, `layer`, `head`:
    parameters on one rank; `stream`: bytes of one whole residual stream; `layer_saved`: of one layer's activations."""
    return (
        software.spare_gradient_bytes * stage
        + software.spare_layer_bytes * layer
        + software.spare_head_bytes * head
        + software.stream_buffers * stream
        + software.scratch_layers * layer_saved
        + software.buffer_bytes
    )


@formula(
    "x·moving + (m > p)·(x_m·activations + x_o·optimizer)",
    unit="B",
    source="PyTorch's caching allocator: blocks split by small tensors no longer hold large ones",
)
def reserve_bytes(
    moving: Number, activations: Number, optimizer: Number, micro_batches: Number, pp: Number, software: Allocation
) -> Number:
    """What the allocator holds but has not handed out. `moving`: bytes that come and go within a step."""
    kept = software.steady_reserve_share * activations + software.state_reserve_share * optimizer
    return software.reserve_share * moving + (micro_batches > pp) * kept


@formula(
    "(p = 1)·x·2·L·bytes·T·h·(1 − 1/t)",
    unit="B",
    source="PyTorch's record_stream: a block used by NCCL is free only when its stream has passed",
)
def late_free_bytes(layers: Number, stream: Number, tp: Number, pp: Number, share: Number) -> Number:
    """Outputs of the two row-parallel products of each layer, not yet reusable while the host runs ahead. `stream`:
    bytes of one whole residual stream."""
    return (pp == 1) * share * 2 * layers * stream * (1 - 1 / tp)


@formula(
    "min(wanted, max(0, device − needed))",
    unit="B",
    source="PyTorch's caching allocator: where the device is full it gives cached blocks back and tries again",
)
def held_reserve_bytes(wanted: Number, device_bytes: Number, needed: Number) -> Number:
    """The reserve that a device of this size has room for: it gives way before memory runs out."""
    return np.minimum(wanted, np.maximum(0.0, device_bytes - needed))


PARTS = ("weights", "gradients", "optimizer", "gathered", "activations", "logits", "buffers", "reserve", "context")


@formula(" + ".join(PARTS), unit="B", source="sum of the parts")
def total_bytes(
    weights: Number,
    gradients: Number,
    optimizer: Number,
    gathered: Number,
    activations: Number,
    logits: Number,
    buffers: Number,
    reserve: Number,
    context: Number,
) -> Number:
    """Memory of one GPU at its peak."""
    return weights + gradients + optimizer + gathered + activations + logits + buffers + reserve + context


def count(w: Workload, parameters: Parameters, software: Allocation = MODERN, device_bytes: Number = np.inf) -> Memory:
    """Memory of a workload's fullest stage. `device_bytes`: the GPU's, which bounds the allocator's reserve."""
    saved = layer_saved_bytes(w, software)
    first, last = (_end(w, parameters, software, device_bytes, saved, is_first=end) for end in (True, False))
    last_is_fuller = (w.pp == 1) | (last.total > first.total)
    parts = {name: np.where(last_is_fuller, getattr(last, name), getattr(first, name))[()] for name in PARTS}
    return Memory(**parts, total=total_bytes(**parts))


def first_stage(
    w: Workload, parameters: Parameters, software: Allocation = MODERN, device_bytes: Number = np.inf
) -> Memory:
    """Memory of the stage with the embedding: the one whose rank writes the log in most software."""
    return _end(w, parameters, software, device_bytes, layer_saved_bytes(w, software), is_first=True)


def last_stage(
    w: Workload, parameters: Parameters, software: Allocation = MODERN, device_bytes: Number = np.inf
) -> Memory:
    """Memory of the stage with head and loss."""
    return _end(w, parameters, software, device_bytes, layer_saved_bytes(w, software), is_first=False)


def stage(
    w: Workload, parameters: Parameters, index: int, software: Allocation = MODERN, device_bytes: Number = np.inf
) -> Memory:
    """Memory of any stage of one plan's pipeline, counted from 0. Those between the ends hold neither embedding nor
    head, and never more than the first."""
    if index == 0:
        return first_stage(w, parameters, software, device_bytes)
    if index == w.pp - 1:
        return last_stage(w, parameters, software, device_bytes)
    here = _Place(embeds=0.0, heads=0.0, after=w.pp - 1 - index, layers=_layers(w, parameters, software, index))
    return _stage(w, parameters, software, device_bytes, layer_saved_bytes(w, software), here)


def as_printed(
    w: Workload, parameters: Parameters, software: Allocation, definition: Text, device_bytes: Number = np.inf
) -> Number:
    """The figure that a software's log prints for a workload, in its convention: the stage it reads, allocated,
    reserved or the whole as nvidia-smi shows it, and its unit. `definition`: one word a row; any other than these
    means the software's own."""
    first = first_stage(w, parameters, software, device_bytes)
    fullest = count(w, parameters, software, device_bytes)
    reserved = (definition == "reserved") | ((software.prints_reserved > 0) & ~np.isin(definition, _DEFINED))

    def read(stage: Memory) -> Number:
        return np.where(definition == "allocated", stage.allocated, np.where(reserved, stage.reserved, stage.total))

    return np.where(software.prints_first_stage > 0, read(first), read(fullest)) / software.printed_unit


_DEFINED = ("allocated", "reserved", "nvidia-smi")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """What tells one stage from another. `embeds`, `heads`: 1 where it holds the embedding or the head; `after`: stages
    behind it."""

    embeds: Number
    heads: Number
    after: Number
    layers: Number


def _end(
    w: Workload,
    parameters: Parameters,
    software: Allocation,
    device_bytes: Number,
    saved: tuple[Number, Number, Number],
    *,
    is_first: bool,
) -> Memory:
    """The first or the last stage (with one stage: both ends on each)."""
    only = (w.pp == 1) * 1.0
    index = 0.0 if is_first else w.pp - 1
    here = _Place(
        embeds=1.0 if is_first else only, heads=only if is_first else 1.0, after=w.pp - 1 - index,
        layers=_layers(w, parameters, software, index),
    )  # fmt: skip
    return _stage(w, parameters, software, device_bytes, saved, here)


def _stage(
    w: Workload,
    parameters: Parameters,
    software: Allocation,
    device_bytes: Number,
    saved: tuple[Number, Number, Number],
    here: _Place,
) -> Memory:
    blocks, layers = w.blocks, here.layers
    dense_layer = (parameters.total - parameters.embedding - parameters.head - parameters.experts) / blocks
    expert_layer = parameters.experts / blocks
    head = np.where(w.has_head * w.tied * (w.pp > 1) > 0, parameters.embedding, parameters.head)
    ends = here.embeds * parameters.embedding + here.heads * head
    dense = stage_parameters(layers, dense_layer, ends, w.tp)
    expert_tp = np.where(w.ep > w.dp * w.cp, 1.0, w.tp)
    experts = stage_parameters(layers, expert_layer, 0.0, expert_tp * w.ep)
    weights, gradients, optimizer = (_states(w, dense, experts, stage) for stage in (3, 2, 1))
    weights = weights * np.where(w.zero_stage >= 3, software.keeps_working_copy, 1.0)
    optimizer = optimizer * (1 - w.optimizer_offload)
    one_layer = dense_layer / w.tp + expert_layer / (expert_tp * w.ep)
    gathered = (w.zero_stage >= 3) * gathered_bytes(
        w.weight_bytes, w.gradient_bytes, 2 * one_layer + ends / w.tp, dense + experts, w.pp
    )
    activations = _activations(w, layers, here.after, saved, software)
    holds_head = here.heads * w.has_head
    tokens = w.rank_tokens
    logits = holds_head * tokens * w.vocabulary / w.tp * software.logit_bytes
    gradients = _freed(w, parameters, gradients, activations + logits, software, holds_embedding=here.embeds)
    head_here = holds_head * w.vocabulary * w.hidden / w.tp
    spread = np.where(w.zero_stage >= 2, w.zero_group, 1.0)
    stream_whole = w.activation_bytes * tokens * w.hidden
    buffers = buffer_bytes((dense + experts) / spread, one_layer, head_here, stream_whole, saved[0], software)
    moving = activations + gathered + logits + buffers
    needed = weights + gradients + optimizer + moving + software.context_bytes
    wanted = reserve_bytes(moving, activations, optimizer, w.micro_batches, w.pp, software)
    wanted = wanted + late_free_bytes(layers, stream_whole, w.tp, w.pp, software.late_free_share)
    parts = {
        "weights": weights,
        "gradients": gradients,
        "optimizer": optimizer,
        "gathered": gathered,
        "activations": activations,
        "logits": logits,
        "buffers": buffers,
        "reserve": held_reserve_bytes(wanted, device_bytes, needed),
        "context": given(
            "context_bytes", software.context_bytes, unit="B", source="profiles/frameworks: CUDA context and NCCL"
        ),
    }
    return Memory(**parts, total=total_bytes(**parts))


def _freed(
    w: Workload, parameters: Parameters, gradients: Number, moving: Number, software: Allocation,
    *, holds_embedding: Number,
) -> Number:  # fmt: skip
    """The gradients at the peak, where the software frees them after every step."""
    accumulates = (w.micro_batches > 1) * 1.0
    table = holds_embedding * w.vocabulary * w.hidden / w.tp * w.weight_bytes
    late = np.maximum(accumulates, w.gradient_bytes > w.weight_bytes)
    tied = w.tied * w.has_head * (w.pp == 1)
    freed = freed_gradient_bytes(gradients, moving, table, accumulates, late, tied)
    return np.where(software.frees_gradients > 0, freed, gradients)[()]


def _layers(w: Workload, parameters: Parameters, software: Allocation, index: Number) -> Number:
    """Layers of a stage: even, rounded up, or dealt by cost with the head's."""
    blocks = w.blocks
    even = np.ceil(blocks / w.pp)
    cost = (parameters.attention + parameters.feed_forward + parameters.experts) / blocks
    head = w.vocabulary * w.hidden * w.has_head
    before, until = (layers_by_cost(blocks, cost, head, w.pp, stages) for stages in (index, index + 1))
    dealt = np.where(index + 1 < w.pp, until, blocks) - np.where(index > 0, before, 0.0)
    return np.where(software.balances_head > 0, dealt, even)[()]


def _states(w: Workload, dense: Number, experts: Number, shared_from: int) -> Number:
    """Weights (3), gradients (2) or optimizer states (1): split over the sharding group from that ZeRO stage on."""
    per_parameter = {3: w.weight_bytes, 2: w.gradient_bytes, 1: w.optimizer_bytes}[shared_from]
    group = np.where(w.zero_stage >= shared_from, w.zero_group, 1.0)
    return state_bytes(per_parameter, dense, experts, group, np.maximum(1.0, group / w.ep))


def _activations(
    w: Workload, layers: Number, after: Number, saved: tuple[Number, Number, Number], software: Allocation
) -> Number:
    whole, freed, stream = saved
    in_flight = layers_in_flight(layers, after, w.pp, w.virtual_stages, w.micro_batches, w.gpipe)
    selective = w.recompute_selective * w.recompute_share
    kept = (whole - selective * freed) * (1 - selective * (1 - software.selective_kept))
    full = w.recompute_full * w.recompute_share
    kept_a_layer = kept * (1 - full) + stream * full
    remade = w.recompute_full * whole + w.recompute_selective * (w.latent_rank > 0) * freed
    return (1 - w.activation_offload) * in_flight * kept_a_layer + remade
