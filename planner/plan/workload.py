"""What a plan says, as numbers: each field a float for one plan, or an array with one element a plan.

Formulas take these numbers and never a plan, so that one implementation serves the estimate on screen, the search
over a million layouts (arrays in the layout's fields) and a table of published runs (arrays everywhere).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.formula import Number, given
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.plan.recipe import Recipe

BYTES_OF_PRECISION = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 2, "mxfp8": 2, "nvfp4": 2}
"""Bytes of an activation and of a working weight. The 8- and 4-bit recipes keep both in bf16 and cast per product."""

MATMUL_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "mxfp8": 1, "nvfp4": 0.5}
"""Bytes of an operand as the matrix units read it."""

OPTIMIZER_STATE_BYTES = {"adamw": 8.0, "adamw-8bit": 2.0, "adafactor": 0.0, "muon": 4.0, "sgd": 4.0}
"""State bytes a parameter beside the master weights: Adam's two fp32 moments (Kingma 2015), two 8-bit moments
(Dettmers 2021), Adafactor's factored second moment (rows and columns only, negligible; Shazeer 2018), Muon's momentum
(Jordan 2024; embeddings and head in Adam are left out), SGD with momentum."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The numbers of a plan. Counts unless the name carries a unit; flags are 0 or 1. Symbols in brackets."""

    # The model.
    layers: Number  # [L]
    encoder_layers: Number
    hidden: Number  # [h]
    heads: Number  # [a]
    kv_heads: Number  # [k]
    head_dim: Number  # [d]
    value_dim: Number  # [d_v]; d but for latent attention
    ffn: Number  # [f]
    ffn_matrices: Number  # 3 gated, 2 plain
    vocabulary: Number  # [V]
    tied: Number
    has_head: Number
    norm_vectors: Number  # 1 weight, 2 with bias
    final_norm: Number
    embedding_norm: Number
    qk_norm: Number
    position_rows: Number  # learned positions, else 0
    token_types: Number
    relative_buckets: Number
    qkv_bias: Number
    output_bias: Number
    ffn_bias: Number
    experts: Number  # [E]
    experts_per_token: Number
    expert_ffn: Number
    shared_experts: Number
    dense_layers: Number
    latent_rank: Number = 0.0  # [r]; 0: no latent attention
    query_rank: Number = 0.0  # [r_q]
    rotary_dim: Number = 0.0  # [d_r]
    # The recipe.
    tokens: Number = 1.0  # [D]
    sequence: Number = 1.0  # [s]
    batch: Number = 1.0  # [B]
    causal: Number = 1.0
    flash: Number = 1.0
    dropout: Number = 0.0
    activation_bytes: Number = 2.0
    weight_bytes: Number = 2.0
    gradient_bytes: Number = 4.0
    optimizer_bytes: Number = 12.0  # states and master weights
    # The layout.
    gpus: Number = 1.0
    gpus_per_node: Number = 8.0
    tp: Number = 1.0  # [t]
    pp: Number = 1.0  # [p]
    cp: Number = 1.0  # [c]
    dp: Number = 1.0
    ep: Number = 1.0  # [e]
    virtual_stages: Number = 1.0  # [v]
    gpipe: Number = 0.0
    zero_stage: Number = 0.0
    zero_group: Number = 1.0  # ranks that share, at most dp · cp
    sequence_parallel: Number = 0.0
    micro_batch: Number = 1.0  # [b]
    recompute_full: Number = 0.0
    recompute_selective: Number = 0.0
    recompute_share: Number = 1.0  # share of the layers that recompute
    optimizer_offload: Number = 0.0
    activation_offload: Number = 0.0
    context_gather: Number = 0.0
    expert_capacity: Number = 0.0  # 0: dropless

    def where(self, **changes: Number) -> Workload:
        """The same numbers with some replaced, as a search does with the layout's."""
        return replace(self, **changes)

    @property
    def blocks(self) -> Number:
        """Layers of encoder and decoder together."""
        return self.layers + self.encoder_layers

    @property
    def has_latent(self) -> bool:
        """Some plan's keys and values are made from a latent."""
        return bool(np.any(np.asarray(self.latent_rank) > 0))

    @property
    def core_dim(self) -> Number:
        """Width of a head in the attention core: the mean of the scores' and the values'."""
        return (self.head_dim + self.value_dim) / 2 if self.has_latent else self.head_dim

    @property
    def mixture_share(self) -> Number:
        """Share of the blocks whose feed-forward is a mixture of experts."""
        return (self.layers - self.dense_layers) / self.blocks

    @property
    def rank_tokens(self) -> Number:
        """Tokens of one micro-batch on one rank, T = b · s / c."""
        return self.micro_batch * self.sequence / self.cp

    @property
    def stream_shards(self) -> Number:
        """Ranks over which norms and residuals are split: the tensor-parallel group, with sequence parallelism."""
        return np.where(self.sequence_parallel > 0, self.tp, 1.0)[()]

    @property
    def micro_batches(self) -> Number:
        """Micro-batches of one step on one data-parallel rank, m = B / (b · D)."""
        return np.maximum(1.0, np.ceil(self.batch / (self.micro_batch * self.dp)))


def workload(plan: Plan) -> Workload:
    """The numbers of one plan, each a leaf of every derivation that uses it."""
    recipe, layout, cluster = plan.recipe, plan.layout, plan.cluster
    dp = plan.dp
    numbers = {
        "tokens": recipe.tokens, "sequence": recipe.sequence_length, "batch": recipe.global_batch,
        "causal": recipe.causal and plan.model.architecture == "decoder", "flash": recipe.attention == "flash",
        "dropout": recipe.dropout, **bytes_of(recipe),
        "gpus": cluster.gpus, "gpus_per_node": cluster.gpus_per_node,
        "tp": layout.tp, "pp": layout.pp, "cp": layout.cp, "dp": dp, "ep": layout.ep,
        "virtual_stages": layout.virtual_stages, "gpipe": layout.schedule == "gpipe", "zero_stage": layout.zero_stage,
        "zero_group": min(layout.zero_group or dp * layout.cp, dp * layout.cp),
        "sequence_parallel": layout.sequence_parallel and layout.tp > 1, "micro_batch": layout.micro_batch,
        "recompute_full": layout.recompute == "full", "recompute_selective": layout.recompute == "selective",
        "recompute_share": recompute_share(plan), "optimizer_offload": layout.optimizer_offload,
        "activation_offload": layout.activation_offload, "context_gather": layout.context_exchange == "all-gather",
        "expert_capacity": recipe.expert_capacity or 0,
    }  # fmt: skip
    return replace(of_model(plan.model), **{name: _leaf(name, value) for name, value in numbers.items()})


def of_model(model: Model) -> Workload:
    """The numbers of a model by itself; recipe and layout are one token on one GPU."""
    numbers = {
        "layers": model.layers, "encoder_layers": model.encoder_layers, "hidden": model.hidden,
        "heads": model.heads, "kv_heads": model.kv_heads, "head_dim": model.head_dim,
        "value_dim": model.value_width, "latent_rank": model.latent_rank,
        "query_rank": model.query_rank, "rotary_dim": model.rotary_dim, "ffn": model.ffn,
        "ffn_matrices": 3 if model.gated else 2, "vocabulary": model.vocabulary, "tied": model.tied_embeddings,
        "has_head": model.head,
        "norm_vectors": 2 if model.norm_bias else 1, "final_norm": model.final_norm,
        "embedding_norm": model.embedding_norm, "qk_norm": model.qk_norm,
        "position_rows": model.max_sequence if model.positions == "learned" else 0,
        "token_types": model.token_types, "relative_buckets": model.relative_buckets, "qkv_bias": model.qkv_bias,
        "output_bias": model.output_bias, "ffn_bias": model.ffn_bias, "experts": model.experts,
        "experts_per_token": model.experts_per_token, "expert_ffn": model.expert_ffn or model.ffn,
        "shared_experts": model.shared_experts,
        "dense_layers": model.dense_layers if model.is_mixture else model.layers,
    }  # fmt: skip
    return Workload(**{name: _leaf(name, value) for name, value in numbers.items()})


def _leaf(name: str, value: float) -> float:
    return given(name, float(value), source="plan")


def bytes_of(recipe: Recipe) -> dict[str, float]:
    """Bytes a parameter (weights, gradients, optimizer with master weights) and an activation take."""
    working = BYTES_OF_PRECISION[recipe.precision]
    master = 4 if recipe.master_weights and working < 4 else 0
    return {
        "activation_bytes": working, "weight_bytes": working,
        "gradient_bytes": recipe.gradient_bytes if working < 4 else 4,
        "optimizer_bytes": OPTIMIZER_STATE_BYTES[recipe.optimizer] + master,
    }  # fmt: skip


def recompute_share(plan: Plan) -> float:
    """Share of a stage's layers whose activations are recomputed."""
    if plan.layout.recompute_layers is None:
        return 1.0
    stage = -(-(plan.model.layers + plan.model.encoder_layers) // plan.layout.pp)
    return min(1.0, plan.layout.recompute_layers / stage)
