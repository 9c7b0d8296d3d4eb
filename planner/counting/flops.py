"""FLOPs of training: 2 a multiply-add, backward twice forward. Both conventions of counting attention.

*Full* counts every score of the s × s matrix, as PaLM (appendix B), Megatron and most frameworks do; *causal* counts
the (s + 1)/(2s) of them that a causal mask leaves, as FlashAttention does. Model FLOPs are what the mathematics needs;
hardware FLOPs add what recomputation repeats. Norms, activations, softmax and rotary positions are left out (< 1 %).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.counting.parameters import attention_block, feed_forward_parameters, latent_up_parameters
from planner.formula import Number, formula
from planner.plan.workload import Workload

NARAYANAN = "Narayanan 2021 (arXiv 2104.04473) appendix, redone for grouped queries and gated feed-forward"


@formula("2·T·P", unit="FLOP", source=NARAYANAN)
def matmul_flops(tokens: Number, parameters: Number) -> Number:
    """Forward FLOPs of `tokens` passing matrices of `parameters` weights: one multiply and one add each."""
    return 2 * tokens * parameters


@formula(
    "2·q·k·a·(d + d_v)",
    unit="FLOP",
    source="scores, s·s·d multiply-adds a head, and weighted values, s·s·d_v; PaLM (arXiv 2204.02311) appendix B",
)
def attention_core_flops(queries: Number, keys: Number, heads: Number, head_dim: Number, value_dim: Number) -> Number:
    """Forward FLOPs of one sequence's scores and weighted values over all heads, every score counted."""
    return 2 * queries * keys * heads * (head_dim + value_dim)


@formula("1 − causal·(s − 1)/(2s)", unit="fraction", source="a causal mask leaves s(s + 1)/2 of s² scores")
def causal_share(causal: Number, sequence: Number) -> Number:
    """Share of the scores that the mask leaves: 1 without a mask, (s + 1)/(2s) with a causal one."""
    return 1 - causal * (sequence - 1) / (2 * sequence)


@formula("6·N·D", unit="FLOP", source="Kaplan 2020 (arXiv 2001.08361) §2.1")
def rule_of_thumb_flops(parameters: Number, tokens: Number) -> Number:
    """The field's rule of thumb, without attention and with the embedding counted."""
    return 6 * parameters * tokens


@formula(
    "S·(matmul + core + head)·3",
    unit="FLOP",
    source="backward costs twice forward: a gradient for the inputs and one for the weights",
)
def training_flops(sequences: Number, matmul: Number, core: Number, head: Number) -> Number:
    """Forward and backward FLOPs of `sequences` sequences, from one sequence's forward parts."""
    return sequences * (matmul + core + head) * 3


@formula(
    "S·(full·(matmul + core) + selective·again)·r", unit="FLOP", source="Korthikanti 2022 (arXiv 2205.05198) appendix A"
)
def recompute_flops(
    sequences: Number, matmul: Number, core: Number, again: Number, full: Number, selective: Number, share: Number
) -> Number:
    """FLOPs repeated in backward: one more forward of the layers (full), or what is large and cheap (selective): the
    attention core where it is written out, and the ways up from the latents.

    FlashAttention's own recomputation inside its backward kernel is not counted, by convention."""
    return sequences * (full * (matmul + core) + selective * again) * share


@dataclass(frozen=True, slots=True)
class Flops:
    """FLOPs of one optimizer step over all GPUs, and one sequence's forward parts."""

    matmul_forward: Number
    """One sequence through the layers' matrices."""
    core_forward_full: Number
    """One sequence's attention cores, every score counted."""
    core_forward: Number
    """The same, only the scores the mask leaves."""
    head_forward: Number
    step_full: Number
    """Model FLOPs of a step, full attention: the convention of published MFU."""
    step_causal: Number
    """Model FLOPs of a step, masked scores left out."""
    step_hardware: Number
    """Hardware FLOPs of a step, full attention, recomputation added."""


def count(w: Workload) -> Flops:
    """FLOPs of a workload's step."""
    has_encoder = (w.encoder_layers > 0) * 1.0
    attention = attention_block(w, vectors=False)
    dense = feed_forward_parameters(w.hidden, w.ffn, w.ffn_matrices)
    expert = feed_forward_parameters(w.hidden, w.expert_ffn, w.ffn_matrices)
    mixture_layer = expert * (w.experts_per_token + w.shared_experts) + w.hidden * w.experts
    blocks = w.blocks
    attention_blocks = blocks + has_encoder * w.layers
    weights = attention * attention_blocks + dense * (w.dense_layers + w.encoder_layers)
    weights = weights + mixture_layer * (w.layers - w.dense_layers)
    matmul = matmul_flops(w.sequence, weights)
    core_full = attention_core_flops(w.sequence, w.sequence, w.heads, w.head_dim, w.value_dim) * attention_blocks
    core = core_full * causal_share(w.causal, w.sequence)
    head = matmul_flops(w.sequence, w.hidden * w.vocabulary * w.has_head)
    step_full = training_flops(w.batch, matmul, core_full, head)
    again = core_full * (1 - w.flash)
    if w.has_latent:
        queries_from = np.where(w.query_rank > 0, w.query_rank, w.hidden)[()]  # straight, without a latent of their own
        up = latent_up_parameters(w.heads, w.head_dim, w.value_dim, w.latent_rank, queries_from, w.rotary_dim)
        again = again + matmul_flops(w.sequence, up) * attention_blocks
    repeated = recompute_flops(
        w.batch, matmul, core_full, again, w.recompute_full, w.recompute_selective, w.recompute_share
    )
    return Flops(
        matmul_forward=matmul, core_forward_full=core_full, core_forward=core, head_forward=head,
        step_full=step_full, step_causal=training_flops(w.batch, matmul, core, head),
        step_hardware=hardware_flops(step_full, repeated),
    )  # fmt: skip


@formula(
    "model + recomputed", unit="FLOP", source="PaLM (arXiv 2204.02311) appendix B: hardware FLOPs count recomputation"
)
def hardware_flops(model: Number, recomputed: Number) -> Number:
    """What the hardware really computes."""
    return model + recomputed
