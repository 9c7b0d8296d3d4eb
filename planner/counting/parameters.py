"""Parameters of a transformer, part by part. Exact: the tests hold them against real modules on the meta device."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.formula import Number, formula
from planner.plan import workload
from planner.plan.model import Model
from planner.plan.workload import Workload

LATENT = "DeepSeek-V2 (arXiv 2405.04434) §2.1 and appendix C"
DERIVED = "counted from the layer's matrices (Vaswani 2017 §3, Touvron 2023 §2)"


@formula("h·d·(2a + 2k) + b_qkv·d·(a + 2k) + b_o·h + 2·q·d", unit="parameters", source=DERIVED)
def attention_parameters(
    hidden: Number, heads: Number, kv_heads: Number, head_dim: Number, qkv_bias: Number = 0.0,
    output_bias: Number = 0.0, qk_norm: Number = 0.0,
) -> Number:  # fmt: skip
    """Projections of one attention block: queries a·d, keys and values k·d each, output h; biases and query/key norms
    (of `qk_norm` vectors each) where the model has them."""
    matrices = hidden * head_dim * (2 * heads + 2 * kv_heads)
    return matrices + qkv_bias * head_dim * (heads + 2 * kv_heads) + output_bias * hidden + 2 * qk_norm * head_dim


@formula("a·(r_q·d + r·(d − d_r + d_v))", unit="parameters", source=LATENT)
def latent_up_parameters(
    heads: Number, head_dim: Number, value_dim: Number, latent_rank: Number, query_rank: Number, rotary_dim: Number
) -> Number:
    """The ways up from latent attention's latents to every head's queries, keys and values."""
    return heads * (query_rank * head_dim + latent_rank * (head_dim - rotary_dim + value_dim))


@formula(
    "r_q·(h + a·d) + h·(r + d_r) + r·a·(d − d_r + d_v) + a·d_v·h + v·(r_q + r); without r_q: h·a·d + …",
    unit="parameters",
    source=LATENT,
)
def latent_attention_parameters(
    hidden: Number, heads: Number, head_dim: Number, value_dim: Number, latent_rank: Number, query_rank: Number,
    rotary_dim: Number, norm_vectors: Number = 0.0,
) -> Number:  # fmt: skip
    """Multi-head latent attention: queries by way of a latent of width r_q (or straight), keys and values from one of
    width r, beside it one rotary key of width d_r for all heads; a norm on each latent."""
    straight = np.where(query_rank > 0, hidden * query_rank, hidden * heads * head_dim)[()]
    down = hidden * (latent_rank + rotary_dim)
    up = latent_up_parameters(heads, head_dim, value_dim, latent_rank, query_rank, rotary_dim)
    norms = norm_vectors * (query_rank + latent_rank)
    return straight + down + up + heads * value_dim * hidden + norms


@formula("n·h·f + b·((n − 1)·f + h)", unit="parameters", source=DERIVED)
def feed_forward_parameters(hidden: Number, ffn: Number, matrices: Number, bias: Number = 0.0) -> Number:
    """One feed-forward block of `matrices` matrices: 3 gated (SwiGLU, GeGLU), 2 plain."""
    return matrices * hidden * ffn + bias * ((matrices - 1) * ffn + hidden)


@formula("v·h", unit="parameters", source=DERIVED)
def norm_parameters(hidden: Number, vectors: Number) -> Number:
    """One norm: a weight, and with LayerNorm's bias two vectors."""
    return vectors * hidden


@formula("V·h", unit="parameters", source=DERIVED)
def embedding_parameters(vocabulary: Number, hidden: Number) -> Number:
    """The token embedding, or an untied head."""
    return vocabulary * hidden


@dataclass(frozen=True, slots=True)
class Parameters:
    """Parameters by part. `total` holds every expert, `active` those a token passes; a tied head counts once."""

    embedding: Number
    """Token, position and token-type embeddings, with their norm and relative-position tables."""
    attention: Number
    feed_forward: Number
    """Dense feed-forward blocks and shared experts."""
    experts: Number
    router: Number
    norms: Number
    head: Number
    """An untied head; 0 when it shares the embedding."""
    total: Number
    active: Number
    attention_layer: Number
    """One attention block, self-attention only."""
    expert: Number
    """One expert of one layer."""


@formula(
    "embedding + attention + feed-forward + experts + router + norms + head",
    unit="parameters",
    source="sum of the parts",
)
def total_parameters(
    embedding: Number, attention: Number, feed_forward: Number, experts: Number, router: Number, norms: Number,
    head: Number,
) -> Number:  # fmt: skip
    """Every parameter of the model."""
    return embedding + attention + feed_forward + experts + router + norms + head


@formula(
    "total − experts·(1 − active/E)", unit="parameters", source="routed experts that a token does not pass left out"
)
def active_parameters(total: Number, experts: Number, active_share: Number) -> Number:
    """Parameters that one token passes, embeddings included."""
    return total - experts * (1 - active_share)


def attention_block(w: Workload, *, vectors: bool = True) -> Number:
    """One attention block of the workload's kind; without `vectors` its matrices alone, no biases and norms."""
    plain = attention_parameters(
        w.hidden, w.heads, w.kv_heads, w.head_dim,
        *((w.qkv_bias, w.output_bias, w.qk_norm * w.norm_vectors) if vectors else ()),
    )  # fmt: skip
    if not w.has_latent:
        return plain
    latent = latent_attention_parameters(
        w.hidden, w.heads, w.head_dim, w.value_dim, w.latent_rank, w.query_rank, w.rotary_dim,
        w.norm_vectors * vectors,
    )  # fmt: skip
    return np.where(w.latent_rank > 0, latent, plain)[()]


def count(w: Workload) -> Parameters:
    """All parameters of a workload's model."""
    attention_layer = attention_block(w)
    has_encoder = (w.encoder_layers > 0) * 1.0
    blocks = w.blocks
    attention_blocks = blocks + has_encoder * w.layers
    dense_blocks = w.dense_layers + w.encoder_layers
    mixture_blocks = w.layers - w.dense_layers
    feed_forward = feed_forward_parameters(w.hidden, w.ffn, w.ffn_matrices, w.ffn_bias)
    expert = feed_forward_parameters(w.hidden, w.expert_ffn, w.ffn_matrices, w.ffn_bias)
    norm = norm_parameters(w.hidden, w.norm_vectors)
    norms = norm * (2 * blocks + has_encoder * w.layers + w.final_norm * (1 + has_encoder))
    embedding = embedding_parameters(w.vocabulary + w.position_rows + w.token_types, w.hidden)
    embedding = embedding + w.embedding_norm * norm + w.relative_buckets * w.heads * (1 + has_encoder)
    parts = {
        "embedding": embedding,
        "attention": attention_layer * attention_blocks,
        "feed_forward": feed_forward * dense_blocks + expert * w.shared_experts * mixture_blocks,
        "experts": expert * w.experts * mixture_blocks,
        "router": w.hidden * w.experts * mixture_blocks,
        "norms": norms,
        "head": w.has_head * (1 - w.tied) * embedding_parameters(w.vocabulary, w.hidden),
    }
    total = total_parameters(**parts)
    share = w.experts_per_token / _at_least_one(w.experts)
    active = active_parameters(total, parts["experts"], share)
    return Parameters(**parts, total=total, active=active, attention_layer=attention_layer, expert=expert)


def _at_least_one(number: Number) -> Number:
    return number + (number == 0) * 1.0


def of_model(model: Model) -> Parameters:
    """Parameters of a model by itself, without a plan."""
    return count(workload.of_model(model))
