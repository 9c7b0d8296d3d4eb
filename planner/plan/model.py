"""The architecture of a transformer: what the planner counts and what the profiler builds."""

from __future__ import annotations

from typing import Literal

from planner.plan.section import Section, choice, quantity, words

Architecture = Literal["decoder", "encoder", "encoder-decoder"]
Activation = Literal["swiglu", "geglu", "gelu", "relu", "squared-relu"]
Norm = Literal["rmsnorm", "layernorm"]
Positions = Literal["rotary", "learned", "sinusoidal", "relative", "alibi", "none"]

GATED_ACTIVATIONS = ("swiglu", "geglu")


class Model(Section):
    """A transformer's dimensions. Symbols of the formulas in brackets: L, h, a, k, d, r, f, V, E."""

    name: str = words("Name", "How the model is called", default="custom", max_length=100)
    architecture: Architecture = choice("Architecture", "Decoder only, encoder only, or both", default="decoder")
    layers: int = quantity("Layers", "Transformer layers [L]; of the decoder in an encoder–decoder", ge=1, le=10_000)
    encoder_layers: int = quantity(
        "Encoder layers",
        "Layers of the encoder in an encoder–decoder, else 0",
        default=0,
        ge=0,
        le=10_000,
        advanced=True,
    )
    hidden: int = quantity("Hidden width", "Width of the residual stream [h]", ge=1, le=10**7)
    heads: int = quantity("Query heads", "Attention heads [a]", ge=1, le=100_000)
    kv_heads: int = quantity(
        "Key/value heads", "Heads of keys and values [k]; equal to the query heads without grouping", ge=1, le=100_000
    )
    head_dim: int = quantity(
        "Head dimension", "Width of one head [d]; heads × d need not equal the hidden width", ge=1, le=100_000
    )
    latent_rank: int = quantity(
        "Latent rank",
        "Width of the latent that keys and values are made from (multi-head latent attention) [r]; 0: none",
        default=0,
        ge=0,
        le=10**6,
        advanced=True,
    )
    query_rank: int = quantity(
        "Query latent rank",
        "Width of the latent that queries are made from [r_q]; 0: from the stream itself",
        default=0,
        ge=0,
        le=10**6,
        advanced=True,
    )
    rotary_dim: int = quantity(
        "Rotary head dimension",
        "Part of the head dimension that turns with the position, its key one for all heads [d_r]; with a latent only",
        default=0,
        ge=0,
        le=100_000,
        advanced=True,
    )
    value_dim: int = quantity(
        "Value head dimension",
        "Width of one head's values [d_v]; 0: the head dimension; with a latent only",
        default=0,
        ge=0,
        le=100_000,
        advanced=True,
    )
    ffn: int = quantity("Feed-forward width", "Inner width of the feed-forward block [f]", ge=1, le=10**8)
    activation: Activation = choice(
        "Activation", "Gated ones (SwiGLU, GeGLU) have three matrices, the others two", default="swiglu"
    )
    vocabulary: int = quantity("Vocabulary", "Entries of the embedding [V]", ge=1, le=10**8)
    tied_embeddings: bool = choice("Tied head", "The head shares the embedding's matrix", default=False)
    head: bool = choice(
        "Language-model head", "Logits over the vocabulary; a bare encoder has none", default=True, advanced=True
    )
    norm: Norm = choice("Norm", "RMSNorm or LayerNorm", default="rmsnorm", advanced=True)
    norm_bias: bool = choice("Norm bias", "The norms carry a bias", default=False, advanced=True)
    final_norm: bool = choice(
        "Final norm", "A norm after the last layer (pre-norm models)", default=True, advanced=True
    )
    embedding_norm: bool = choice(
        "Embedding norm", "A norm after the embedding (BERT, BLOOM)", default=False, advanced=True
    )
    qk_norm: bool = choice("Query/key norm", "Norms on each head's queries and keys", default=False, advanced=True)
    positions: Positions = choice("Positions", "How positions enter", default="rotary", advanced=True)
    max_sequence: int = quantity(
        "Longest sequence",
        "Longest sequence the model was made for; rows of learned positions",
        "tokens",
        ge=1,
        le=10**9,
    )
    token_types: int = quantity(
        "Token types", "Rows of a token-type embedding (BERT: 2)", default=0, ge=0, le=1000, advanced=True
    )
    relative_buckets: int = quantity(
        "Relative position buckets",
        "Buckets of T5's relative bias, one set a stack",
        default=0,
        ge=0,
        le=10**6,
        advanced=True,
    )
    qkv_bias: bool = choice("Query/key/value bias", "Biases on the three projections", default=False, advanced=True)
    output_bias: bool = choice("Attention output bias", "Bias on the output projection", default=False, advanced=True)
    ffn_bias: bool = choice("Feed-forward bias", "Biases in the feed-forward block", default=False, advanced=True)
    experts: int = quantity(
        "Experts", "Experts of a mixture's layer [E]; 0 for a dense model", default=0, ge=0, le=100_000, advanced=True
    )
    experts_per_token: int = quantity(
        "Experts a token", "Routed experts active for a token", default=0, ge=0, le=100_000, advanced=True
    )
    expert_ffn: int = quantity(
        "Expert width",
        "Feed-forward width of one expert; 0: the feed-forward width",
        default=0,
        ge=0,
        le=10**8,
        advanced=True,
    )
    shared_experts: int = quantity(
        "Shared experts", "Experts that every token passes", default=0, ge=0, le=10_000, advanced=True
    )
    dense_layers: int = quantity(
        "Dense layers", "First layers with a plain feed-forward in a mixture", default=0, ge=0, le=10_000, advanced=True
    )
    source: str = words("Source", "Where the dimensions are from", advanced=True)
    as_of: str = words("As of", "Date of the source", max_length=40, advanced=True)

    @property
    def gated(self) -> bool:
        """The feed-forward block has a gate: three matrices, not two."""
        return self.activation in GATED_ACTIVATIONS

    @property
    def value_width(self) -> int:
        """Width of one head's values."""
        return self.value_dim or self.head_dim

    @property
    def is_latent(self) -> bool:
        """Keys and values are made from a latent (DeepSeek-V2, arXiv 2405.04434, §2.1)."""
        return self.latent_rank > 0

    @property
    def is_mixture(self) -> bool:
        """Some layers route tokens to experts."""
        return self.experts > 0
