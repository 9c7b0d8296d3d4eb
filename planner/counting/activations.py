"""What one layer keeps of a micro-batch for its backward pass.

Counted tensor by tensor as PyTorch's autograd saves them in a pre-norm layer (Korthikanti 2022, arXiv 2205.05198,
eqs. 1–6, redone for grouped queries, gated feed-forward, FlashAttention and latents).
"""

from __future__ import annotations

import numpy as np

from planner.counting.allocation import MODERN, Allocation
from planner.formula import Number, formula
from planner.plan.workload import Workload

KORTHIKANTI = (
    "Korthikanti 2022 (arXiv 2205.05198) eqs. 1–6, redone for grouped queries, gated feed-forward, FlashAttention"
)


@formula("2·T·h·(x_norm + bytes)/t_s", unit="B", source=KORTHIKANTI)
def norms_saved_bytes(
    tokens: Number,
    hidden: Number,
    stream_shards: Number,
    element_bytes: Number,
    norm_vectors: Number,
    written_out: Number,
) -> Number:
    """Saved by a layer's two norms: their inputs and, for the products that follow, their outputs. An RMSNorm written
    out in single operations saves its input cast to fp32 and its normalized input in fp32 instead (8 bytes)."""
    input_bytes = norm_input_bytes(element_bytes, norm_vectors, written_out)
    return 2 * tokens * hidden * (input_bytes + element_bytes) / stream_shards


def norm_input_bytes(element_bytes: Number, norm_vectors: Number, written_out: Number) -> Number:
    """Bytes that a norm keeps of one element of its input."""
    return np.where((written_out > 0) & (norm_vectors < 2), 8.0, element_bytes)[()]


@formula("bytes·T·((1 + x_q)·a + 2·(1 + x_kv)·max(k, t) + a)·d/t + 4·a·T/t", unit="B", source=KORTHIKANTI)
def attention_saved_bytes(
    tokens: Number,
    heads: Number,
    kv_heads: Number,
    head_dim: Number,
    tp: Number,
    element_bytes: Number,
    query_copies: Number = 0.0,
    key_value_copies: Number = 0.0,
) -> Number:
    """Saved by the attention block: queries, keys, values (and x copies from before the rotary embedding), output, and
    one fp32 log-sum-exp a head. A rank keeps at least one key/value head."""
    wide = (2 + query_copies) * heads + 2 * (1 + key_value_copies) * np.maximum(kv_heads, tp)
    return tokens * (element_bytes * wide * head_dim + 4 * heads) / tp


@formula(
    "bytes·T·a·((2 + x_q + x_kv)·d + (2 + x_kv)·d_v)/t + 4·a·T/t + T·((x_norm + bytes)·(r + r_q) + bytes·d_r)/t_s",
    unit="B",
    source="DeepSeek-V2 (arXiv 2405.04434) §2.1: each head has keys and values of its own again when they are used",
)
def latent_saved_bytes(
    tokens: Number,
    heads: Number,
    head_dim: Number,
    value_dim: Number,
    latents: Number,
    rotary_dim: Number,
    tp: Number,
    stream_shards: Number,
    element_bytes: Number,
    input_bytes: Number,
    query_copies: Number = 0.0,
    key_value_copies: Number = 0.0,
) -> Number:
    """Saved by latent attention: every head's queries, keys, values and output, and the latents (`latents`: r + r_q)
    before (`input_bytes` an element) and after their norms."""
    wide = (2 + query_copies + key_value_copies) * head_dim + (2 + key_value_copies) * value_dim
    narrow = ((input_bytes + element_bytes) * latents + element_bytes * rotary_dim) / stream_shards
    return tokens * (element_bytes * wide * heads + 4 * heads) / tp + tokens * narrow


@formula("bytes·T·a·(2·d + d_v)/t", unit="B", source="DeepSeek-V3 (arXiv 2412.19437) §3.2.3")
def latent_freed_bytes(
    tokens: Number, heads: Number, head_dim: Number, value_dim: Number, tp: Number, element_bytes: Number
) -> Number:
    """Every head's queries, keys and values, which selective recomputation makes from the latents again."""
    return element_bytes * tokens * heads * (2 * head_dim + value_dim) / tp


@formula("(1 − flash)·T·s·a/t·(bytes + dropout·(1 + bytes))", unit="B", source=KORTHIKANTI)
def scores_saved_bytes(
    tokens: Number, sequence: Number, heads: Number, tp: Number, flash: Number, dropout: Number, element_bytes: Number
) -> Number:
    """Saved by attention written out: the softmax's output, and with dropout its mask (1 byte) and output. None with
    FlashAttention."""
    return (1 - flash) * tokens * sequence * heads / tp * (element_bytes + dropout * (1 + element_bytes))


@formula("bytes·T·n·f/t", unit="B", source=KORTHIKANTI)
def feed_forward_saved_bytes(tokens: Number, ffn: Number, tensors: Number, tp: Number, element_bytes: Number) -> Number:
    """Saved by the feed-forward block: gate, up and product (gated, 3 f; 4 f with the bent gate), or input and output
    of the activation (2 f)."""
    return element_bytes * tokens * tensors * ffn / tp


def layer_saved_bytes(w: Workload, software: Allocation = MODERN) -> tuple[Number, Number, Number]:
    """(whole, what selective recomputation frees of it, input) bytes that one layer saves for one micro-batch on one
    rank. Freed are the attention scores, and with latents what is made from them."""
    tokens = w.rank_tokens
    stream_shards = w.stream_shards
    norms = norms_saved_bytes(
        tokens, w.hidden, stream_shards, w.activation_bytes, w.norm_vectors, software.norm_written_out
    )
    attention = attention_saved_bytes(
        tokens,
        w.heads,
        w.kv_heads,
        w.head_dim,
        w.tp,
        w.activation_bytes,
        software.query_copies,
        software.key_value_copies,
    )
    scores = scores_saved_bytes(tokens, w.sequence, w.heads, w.tp, w.flash, w.dropout, w.activation_bytes)
    freed = scores
    if w.has_latent:
        latent = latent_saved_bytes(
            tokens, w.heads, w.head_dim, w.value_dim, w.latent_rank + w.query_rank, w.rotary_dim, w.tp, stream_shards,
            w.activation_bytes, norm_input_bytes(w.activation_bytes, w.norm_vectors, software.norm_written_out),
            software.query_copies, software.key_value_copies,
        )  # fmt: skip
        wide = latent_freed_bytes(tokens, w.heads, w.head_dim, w.value_dim, w.tp, w.activation_bytes)
        attention = np.where(w.latent_rank > 0, latent, attention)[()]
        freed = freed + np.where(w.latent_rank > 0, wide, 0.0)
    tensors = np.where(w.ffn_matrices > 2, software.gated_tensors, 2.0)
    dense = feed_forward_saved_bytes(tokens, w.ffn, tensors, w.tp, w.activation_bytes)
    routed = w.experts_per_token + w.shared_experts
    mixture = feed_forward_saved_bytes(tokens * routed, w.expert_ffn, tensors, w.tp, w.activation_bytes)
    visits = tokens * w.experts_per_token * w.hidden / stream_shards
    mixture = mixture + software.routed_copies * w.activation_bytes * visits
    mixture_share = (w.layers - w.dense_layers) / w.layers
    masks = 2 * w.dropout * tokens * w.hidden / stream_shards
    whole = norms + attention + scores + masks + dense * (1 - mixture_share) + mixture * mixture_share
    return whole, freed, w.activation_bytes * tokens * w.hidden / stream_shards
