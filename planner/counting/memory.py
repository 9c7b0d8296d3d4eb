"""Memory of the fullest pipeline stage: model states, gathered shards, activations in flight, logits, overheads.

Activations are counted tensor by tensor as PyTorch's autograd saves them in a pre-norm layer (Korthikanti 2022,
arXiv 2205.05198, eqs. 1–6, redone for grouped queries, gated feed-forward and FlashAttention). Two stages can be the
fullest: the first, with the embedding and the most micro-batches in flight, and the last, with head, logits and loss.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.counting.parameters import Parameters, norm_parameters
from planner.formula import Number, formula
from planner.plan.workload import Workload

KORTHIKANTI = "Korthikanti 2022 (arXiv 2205.05198) eqs. 1–6, redone for grouped queries, gated feed-forward, FlashAttention"  # fmt: skip
RAJBHANDARI = "Rajbhandari 2020 (ZeRO, arXiv 1910.02054) §3"

CONTEXT_BYTES = 0.9e9
"""CUDA context with its loaded kernels, and NCCL's buffers: 0.5–1.2 GB seen between `reserved` and nvidia-smi."""
RESERVE_SHARE = 0.04
"""Allocator: what is reserved but not handed out at the peak, as a share of activations and gathered tensors."""
LOSS_BYTES = 10.0
"""Bytes a logit lives in at the loss's peak: bf16 logits (2), their fp32 copy (4), fp32 gradient or softmax (4)."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes on one GPU of the fullest stage."""

    weights: Number
    gradients: Number
    optimizer: Number
    gathered: Number
    """Unsharded layers in flight under ZeRO-3."""
    activations: Number
    logits: Number
    overhead: Number
    """CUDA context, communication buffers, allocator reserve."""
    total: Number


@formula("(L_stage·layer + ends)/t", unit="parameters", source="each stage's layers and its embedding or head, split over the tensor-parallel group")  # fmt: skip
def stage_parameters(layers: Number, layer: Number, ends: Number, tp: Number) -> Number:
    """Parameters of one stage on one tensor-parallel rank."""
    return (layers * layer + ends) / tp


@formula("bytes·(dense/g + experts/g_e)", unit="B", source=RAJBHANDARI)
def state_bytes(
    bytes_per_parameter: Number, dense: Number, experts: Number, group: Number, expert_group: Number
) -> Number:
    """Weights, gradients or optimizer states of one rank, split over the ranks that share them (1: not split)."""
    return bytes_per_parameter * (dense / group + experts / expert_group)


@formula("bytes·T·(4h/t_s + ((a + 2·max(k, t))·d + a·d)/t) + 4·a·T/t", unit="B", source=KORTHIKANTI)
def attention_saved_bytes(
    tokens: Number, hidden: Number, heads: Number, kv_heads: Number, head_dim: Number, tp: Number,
    stream_shards: Number, element_bytes: Number,
) -> Number:  # fmt: skip
    """Saved by both norms (inputs and outputs: 4 h) and the attention block: queries, keys, values, output, and one fp32
    log-sum-exp a head. A rank keeps at least one key/value head."""
    stream = 4 * hidden / stream_shards
    heads_wide = ((heads + 2 * np.maximum(kv_heads, tp)) * head_dim + heads * head_dim) / tp
    return tokens * (element_bytes * (stream + heads_wide) + 4 * heads / tp)


@formula("(1 − flash)·T·s·a/t·(bytes + dropout·(1 + bytes))", unit="B", source=KORTHIKANTI)
def scores_saved_bytes(
    tokens: Number, sequence: Number, heads: Number, tp: Number, flash: Number, dropout: Number, element_bytes: Number
) -> Number:
    """Saved by attention written out: the softmax's output, and with dropout its mask (1 byte) and output. None with
    FlashAttention."""
    return (1 - flash) * tokens * sequence * heads / tp * (element_bytes + dropout * (1 + element_bytes))


@formula("bytes·T·n·f/t", unit="B", source=KORTHIKANTI)
def feed_forward_saved_bytes(tokens: Number, ffn: Number, matrices: Number, tp: Number, element_bytes: Number) -> Number:
    """Saved by the feed-forward block: gate, up and product (gated, 3 f), or input and output of the activation (2 f)."""
    return element_bytes * tokens * matrices * ffn / tp


@formula("min(m·v, 2(p − 1 − i) + (v − 1)·p + 1)·L/(p·v)", unit="layers", source="Narayanan 2021 (arXiv 2104.04473) §2.2; Korthikanti 2022 §4.2.3")  # fmt: skip
def layers_in_flight(stage_layers: Number, after: Number, pp: Number, virtual_stages: Number, micro_batches: Number, gpipe: Number) -> Number:  # fmt: skip
    """Layers whose activations one stage holds at its peak, counted once a micro-batch. `after`: stages behind it.

    1F1B: as many micro-batches as there are stages from here to the end; interleaved: Megatron's warm-up chunks;
    GPipe: all of them."""
    interleaved = virtual_stages > 1
    chunks = np.where(interleaved, 2 * after + (virtual_stages - 1) * pp + 1, after + 1)
    most = micro_batches * virtual_stages
    return np.where(gpipe > 0, most, np.minimum(most, chunks)) * stage_layers / virtual_stages


@formula("weights + gradients + optimizer + gathered + activations + logits + overhead", unit="B", source="sum of the parts")  # fmt: skip
def total_bytes(
    weights: Number, gradients: Number, optimizer: Number, gathered: Number, activations: Number, logits: Number,
    overhead: Number,
) -> Number:  # fmt: skip
    """Memory of one GPU at its peak."""
    return weights + gradients + optimizer + gathered + activations + logits + overhead


def count(w: Workload, parameters: Parameters) -> Memory:
    """Memory of a workload's fullest stage."""
    first, last = _stage(w, parameters, is_first=True), _stage(w, parameters, is_first=False)
    last_is_fuller = (w.pp == 1) | (total_bytes(**last) > total_bytes(**first))
    parts = {name: np.where(last_is_fuller, last[name], first[name])[()] for name in first}
    return Memory(**parts, total=total_bytes(**parts))


def layer_saved_bytes(w: Workload) -> tuple[Number, Number, Number]:
    """(whole, attention scores, input) bytes that one layer saves for one micro-batch on one rank."""
    tokens = w.micro_batch * w.sequence / w.cp
    stream_shards = np.where(w.sequence_parallel > 0, w.tp, 1.0)
    attention = attention_saved_bytes(
        tokens, w.hidden, w.heads, w.kv_heads, w.head_dim, w.tp, stream_shards, w.activation_bytes
    )
    scores = scores_saved_bytes(tokens, w.sequence, w.heads, w.tp, w.flash, w.dropout, w.activation_bytes)
    dense = feed_forward_saved_bytes(tokens, w.ffn, w.ffn_matrices, w.tp, w.activation_bytes)
    routed = w.experts_per_token + w.shared_experts
    mixture = feed_forward_saved_bytes(tokens * routed, w.expert_ffn, w.ffn_matrices, w.tp, w.activation_bytes)
    mixture = mixture + 2 * w.activation_bytes * tokens * w.experts_per_token * w.hidden / stream_shards
    mixture_share = (w.layers - w.dense_layers) / w.layers
    masks = 2 * w.dropout * tokens * w.hidden / stream_shards
    whole = attention + scores + masks + dense * (1 - mixture_share) + mixture * mixture_share
    return whole, scores, w.activation_bytes * tokens * w.hidden / stream_shards


def _stage(w: Workload, parameters: Parameters, *, is_first: bool) -> dict[str, Number]:
    """The parts of `Memory` for the first or the last stage (with one stage: both ends on the last)."""
    blocks = w.layers + w.encoder_layers
    layers = np.ceil(blocks / w.pp)
    dense_layer = (parameters.total - parameters.embedding - parameters.head - parameters.experts) / blocks
    expert_layer = parameters.experts / blocks
    only = (w.pp == 1) * 1.0
    head = np.where(w.has_head * w.tied * (w.pp > 1) > 0, parameters.embedding, parameters.head)
    ends = parameters.embedding + only * head if is_first else head + only * parameters.embedding
    dense = stage_parameters(layers, dense_layer, ends, w.tp)
    expert_tp = np.where(w.ep > w.dp * w.cp, 1.0, w.tp)
    experts = stage_parameters(layers, expert_layer, 0.0, expert_tp * w.ep)
    weights, gradients, optimizer = (_states(w, dense, experts, stage) for stage in (3, 2, 1))
    optimizer = optimizer * (1 - w.optimizer_offload)
    gathered = (w.zero_stage >= 3) * w.weight_bytes * (2 * (dense_layer / w.tp + expert_layer / w.ep) + ends / w.tp)
    after = w.pp - 1 if is_first else 0.0
    activations = _activations(w, layers, after)
    holds_logits = only if is_first else 1.0
    tokens = w.micro_batch * w.sequence / w.cp
    logits = holds_logits * w.has_head * tokens * w.vocabulary / w.tp * LOSS_BYTES
    overhead = CONTEXT_BYTES + RESERVE_SHARE * (activations + gathered + logits)
    return {
        "weights": weights, "gradients": gradients, "optimizer": optimizer, "gathered": gathered,
        "activations": activations, "logits": logits, "overhead": overhead,
    }  # fmt: skip


def _states(w: Workload, dense: Number, experts: Number, shared_from: int) -> Number:
    """Weights (3), gradients (2) or optimizer states (1): split over the sharding group from that ZeRO stage on."""
    per_parameter = {3: w.weight_bytes, 2: w.gradient_bytes, 1: w.optimizer_bytes}[shared_from]
    group = np.where(w.zero_stage >= shared_from, w.zero_group, 1.0)
    return state_bytes(per_parameter, dense, experts, group, np.maximum(1.0, group / w.ep))


def _activations(w: Workload, layers: Number, after: Number) -> Number:
    whole, scores, stream = layer_saved_bytes(w)
    in_flight = layers_in_flight(layers, after, w.pp, w.virtual_stages, w.micro_batches, w.gpipe)
    kept = whole - w.recompute_selective * w.recompute_share * scores
    full = w.recompute_full * w.recompute_share
    kept_a_layer = kept * (1 - full) + stream * full
    return (1 - w.activation_offload) * in_flight * kept_a_layer + w.recompute_full * whole
