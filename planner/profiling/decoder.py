"""A transformer decoder in PyTorch, built from the plan's `Model`: measured by the profiler, an oracle for the counts.

Letters in the shape comments: b sequences, s positions, h hidden width, a query heads, k key/value heads, d head
dimension, f feed-forward width, V vocabulary, n = b·s tokens; under tensor parallelism a, k, f and V are one rank's
share (`shards` = t, the collectives are left out: they are measured on their own).

Every block is pre-norm and carries its residual, so a layer is exactly the attention block and then the feed-forward
block, and their times can be added up. Everything can be built on torch's meta device.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from planner.errors import InputError
from planner.plan.model import Model

ROTARY_BASE = 10_000.0
"""Base of the rotary and sinusoidal wavelengths (Vaswani 2017, Su 2021). It changes no shape and so no time."""

WEIGHT_DEVIATION = 0.02
"""Standard deviation of new weights (GPT-2's)."""

Tensor = Any  # torch is untyped in the checks: its stubs would add half a minute to each


def require_decoder(model: Model, shards: int = 1) -> None:
    """Raise `InputError` with every reason why this model (at this tensor-parallel width) cannot be built here."""
    problems = []
    if model.architecture != "decoder":
        problems.append(
            f"architecture: {model.architecture} models are counted and costed but not built; choose a decoder"
        )
    if model.positions in ("relative", "alibi"):
        problems.append(f"positions: {model.positions} ones are not built; choose rotary, learned, sinusoidal or none")
    if model.heads % model.kv_heads:
        problems.append(f"kv_heads: {model.kv_heads} does not divide the {model.heads} query heads")
    if model.positions == "rotary" and rotary_width(model) % 2:
        name = "rotary_dim" if model.is_latent else "head_dim"
        problems.append(f"{name}: rotary positions need an even number, not {rotary_width(model)}")
    if model.is_latent and not 0 < model.rotary_dim < model.head_dim:
        problems.append(f"rotary_dim: {model.rotary_dim} is no part of a head of {model.head_dim}")
    if model.is_mixture and not 1 <= model.experts_per_token <= model.experts:
        problems.append(f"experts_per_token: {model.experts_per_token} is not between 1 and {model.experts}")
    if shards not in usable_shards(model):
        problems.append(f"shards: {shards} does not divide the heads, key/value heads and feed-forward width evenly")
    if problems:
        raise InputError("\n".join(problems))


def usable_shards(model: Model, largest: int = 128) -> list[int]:
    """Tensor-parallel widths that cut this model evenly; key/value heads fewer than the width are copied, not cut."""

    def is_even(t: int) -> bool:
        kv_fits = model.kv_heads % t == 0 or t % model.kv_heads == 0
        return model.heads % t == 0 and kv_fits and _expert_width(model) % t == 0 and model.ffn % t == 0

    return [t for t in range(1, largest + 1) if is_even(t)]


def rotary_width(model: Model) -> int:
    """What of a head turns with the position: all of it, or a latent model's rotary part."""
    return model.rotary_dim if model.is_latent else model.head_dim


def new_norm(model: Model, width: int) -> Tensor:
    """The model's norm over the last dimension."""
    if model.norm == "rmsnorm":
        return nn.RMSNorm(width, eps=1e-5)
    return nn.LayerNorm(width, eps=1e-5, bias=model.norm_bias)


def rotary_angles(positions: int, head_dim: int, device: Any = None) -> tuple[Tensor, Tensor]:
    """Cosines and sines [s, d] of the rotary embedding, the two halves of a head turning together."""
    exponents = torch.arange(0, head_dim, 2, device=device, dtype=torch.float32) / head_dim
    turns = torch.arange(positions, device=device, dtype=torch.float32)[:, None] * ROTARY_BASE**-exponents  # [s, d/2]
    angles = torch.cat((turns, turns), dim=-1)  # [s, d]
    return angles.cos(), angles.sin()


def rotate(x: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Turn queries or keys [b, a, s, d] by their positions (Su 2021, eq. 34)."""
    left, right = x.chunk(2, dim=-1)
    return x * cosines + torch.cat((-right, left), dim=-1) * sines


def attention_core(queries: Tensor, keys: Tensor, values: Tensor, *, causal: bool = True) -> Tensor:
    """Attention of [b, a, s, d] over [b, k, s, d] → [b, a, s, d], by the kernel that torch chooses here."""
    grouped = queries.shape[1] != keys.shape[1]
    return F.scaled_dot_product_attention(queries, keys, values, is_causal=causal, enable_gqa=grouped)


class AttentionBlock(nn.Module):
    """x + attention(norm(x)): [b, s, h] → [b, s, h]."""

    def __init__(self, model: Model, shards: int = 1) -> None:
        super().__init__()
        h, d = model.hidden, model.head_dim
        self.head_dim = d
        self.rotary = model.positions == "rotary"
        heads, kv_heads = model.heads // shards, max(1, model.kv_heads // shards)
        self.norm = new_norm(model, h)
        self.query = nn.Linear(h, heads * d, bias=model.qkv_bias)
        self.key = nn.Linear(h, kv_heads * d, bias=model.qkv_bias)
        self.value = nn.Linear(h, kv_heads * d, bias=model.qkv_bias)
        self.query_norm = new_norm(model, d) if model.qk_norm else nn.Identity()
        self.key_norm = new_norm(model, d) if model.qk_norm else nn.Identity()
        self.output = nn.Linear(heads * d, h, bias=model.output_bias)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """`rotary`: cosines and sines [s, d] in x's dtype; made on the spot where none are given."""
        y = self.norm(x)
        queries = self.query_norm(self._split(self.query(y)))  # [b, a, s, d]
        keys = self.key_norm(self._split(self.key(y)))  # [b, k, s, d]
        values = self._split(self.value(y))  # [b, k, s, d]
        if self.rotary:
            cosines, sines = rotary or rotary_like(x, self.head_dim)
            queries, keys = rotate(queries, cosines, sines), rotate(keys, cosines, sines)
        mixed = attention_core(queries, keys, values)  # [b, a, s, d]
        return x + self.output(mixed.transpose(1, 2).flatten(2))  # [b, s, a·d] → [b, s, h]

    def _split(self, x: Tensor) -> Tensor:
        """[b, s, heads·d] → [b, heads, s, d]."""
        return x.unflatten(-1, (-1, self.head_dim)).transpose(1, 2)


class LatentAttentionBlock(nn.Module):
    """x + attention(norm(x)) with keys and values made from a latent of width r, queries from one of width r_q
    (DeepSeek-V2, arXiv 2405.04434, §2.1): [b, s, h] → [b, s, h]. Of a head's d, d_r turn with the position, and their
    key is one for all heads. The ways down to the latents are whole on every tensor-parallel rank."""

    def __init__(self, model: Model, shards: int = 1) -> None:
        super().__init__()
        h, d, heads = model.hidden, model.head_dim, model.heads // shards
        value_dim = model.value_width
        self.turned, self.rotary = model.rotary_dim, model.positions == "rotary"
        self.key_value_widths = (d - self.turned, value_dim)
        self.latent_widths = (model.latent_rank, self.turned)
        self.norm = new_norm(model, h)
        self.query_down = nn.Linear(h, model.query_rank, bias=False) if model.query_rank else nn.Identity()
        self.query_norm = new_norm(model, model.query_rank) if model.query_rank else nn.Identity()
        self.query = nn.Linear(model.query_rank or h, heads * d, bias=False)
        self.latent_down = nn.Linear(h, model.latent_rank + self.turned, bias=False)
        self.latent_norm = new_norm(model, model.latent_rank)
        self.key_value = nn.Linear(model.latent_rank, heads * sum(self.key_value_widths), bias=False)
        self.output = nn.Linear(heads * value_dim, h, bias=False)
        self.heads = heads

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None = None) -> Tensor:
        """`rotary`: cosines and sines [s, d_r] in x's dtype; made on the spot where none are given."""
        y = self.norm(x)
        queries = self._split(self.query(self.query_norm(self.query_down(y))))  # [b, s, a, d]
        latent, turned = self.latent_down(y).split(self.latent_widths, dim=-1)  # [b, s, r], [b, s, d_r]
        keys, values = self._split(self.key_value(self.latent_norm(latent))).split(self.key_value_widths, dim=-1)
        plain, turning = queries.split((self.key_value_widths[0], self.turned), dim=-1)
        turned = turned.unsqueeze(2)  # [b, s, 1, d_r]
        if self.rotary:
            cosines, sines = (angle[:, None] for angle in rotary or rotary_like(x, self.turned))  # [s, 1, d_r]
            turning, turned = rotate(turning, cosines, sines), rotate(turned, cosines, sines)
        queries = torch.cat((plain, turning), dim=-1)  # [b, s, a, d]
        keys = torch.cat((keys, turned.expand(-1, -1, self.heads, -1)), dim=-1)  # [b, s, a, d]
        parts = (queries, keys, values.contiguous())
        mixed = attention_core(*(part.transpose(1, 2) for part in parts))  # [b, a, s, d_v]
        return x + self.output(mixed.transpose(1, 2).flatten(2))  # [b, s, a·d_v] → [b, s, h]

    def _split(self, x: Tensor) -> Tensor:
        """[b, s, a·width] → [b, s, a, width]."""
        return x.unflatten(-1, (self.heads, -1))


def new_attention(model: Model, shards: int = 1) -> Tensor:
    """The model's attention block, of one of `shards` tensor-parallel ranks."""
    return LatentAttentionBlock(model, shards) if model.is_latent else AttentionBlock(model, shards)


def rotary_like(x: Tensor, head_dim: int) -> tuple[Tensor, Tensor]:
    """Rotary cosines and sines [s, d] for x [b, s, h], in its dtype and on its device."""
    cosines, sines = rotary_angles(x.shape[1], head_dim, x.device)
    return cosines.to(x.dtype), sines.to(x.dtype)


class FeedForward(nn.Module):
    """The position-wise network, gated or not: [..., h] → [..., h]."""

    def __init__(self, model: Model, width: int) -> None:
        super().__init__()
        self.activation = model.activation
        self.up = nn.Linear(model.hidden, width, bias=model.ffn_bias)
        self.gate = nn.Linear(model.hidden, width, bias=model.ffn_bias) if model.gated else None
        self.down = nn.Linear(width, model.hidden, bias=model.ffn_bias)

    def forward(self, x: Tensor) -> Tensor:
        if self.gate is not None:
            return self.down(self._bend(self.gate(x)) * self.up(x))  # [..., f] → [..., h]
        return self.down(self._bend(self.up(x)))

    def _bend(self, x: Tensor) -> Tensor:
        match self.activation:
            case "swiglu":
                return F.silu(x)
            case "geglu" | "gelu":
                return F.gelu(x, approximate="tanh")
            case "squared-relu":
                return F.relu(x).square()
            case _:
                return F.relu(x)


class Mixture(nn.Module):
    """Experts, of which each token passes its router's best few, and shared ones that all pass: [b, s, h] → [b, s, h].

    Nothing is dropped and no capacity is set. Left out: the load-balancing loss (no matrix product in it) and the
    all-to-all of expert parallelism. On the meta device, where there is no router to ask, the load is even.
    """

    def __init__(self, model: Model, shards: int = 1) -> None:
        super().__init__()
        width = _expert_width(model) // shards
        self.experts_per_token = model.experts_per_token
        self.router = nn.Linear(model.hidden, model.experts, bias=False)
        self.experts = nn.ModuleList(FeedForward(model, width) for _ in range(model.experts))
        self.shared = nn.ModuleList(FeedForward(model, width) for _ in range(model.shared_experts))

    def forward(self, x: Tensor) -> Tensor:
        tokens = x.flatten(0, 1)  # [n, h]
        weights, chosen = self.router(tokens).topk(self.experts_per_token, dim=-1)  # [n, E_k] each
        weights = weights.float().softmax(dim=-1).to(x.dtype).flatten()
        order = chosen.flatten().argsort(stable=True)  # the n·E_k visits, sorted by expert
        visitors = order // self.experts_per_token  # the token of each visit
        parts = tokens[visitors].split(self._load(chosen))
        outputs = torch.cat([expert(part) for expert, part in zip(self.experts, parts, strict=True)])  # [n·E_k, h]
        mixed = torch.zeros_like(tokens).index_add(0, visitors, outputs * weights[order, None])
        for expert in self.shared:
            mixed = mixed + expert(tokens)
        return mixed.view_as(x)

    def _load(self, chosen: Tensor) -> list[int]:
        """Tokens for each expert."""
        count = len(self.experts)
        if chosen.device.type == "meta":
            even, rest = divmod(chosen.numel(), count)
            return [even + (index < rest) for index in range(count)]
        load: list[int] = chosen.flatten().bincount(minlength=count).tolist()
        return load


class FeedForwardBlock(nn.Module):
    """x + feed-forward(norm(x)), dense or a mixture of experts: [b, s, h] → [b, s, h]."""

    def __init__(self, model: Model, shards: int = 1, *, mixture: bool | None = None) -> None:
        super().__init__()
        self.norm = new_norm(model, model.hidden)
        use_experts = model.is_mixture if mixture is None else mixture
        self.feed_forward = Mixture(model, shards) if use_experts else FeedForward(model, model.ffn // shards)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.feed_forward(self.norm(x))


class Layer(nn.Module):
    """One decoder layer: attention block, then feed-forward block."""

    def __init__(self, model: Model, shards: int = 1, *, mixture: bool | None = None) -> None:
        super().__init__()
        self.attention = new_attention(model, shards)
        self.feed_forward = FeedForwardBlock(model, shards, mixture=mixture)

    def forward(self, x: Tensor, rotary: tuple[Tensor, Tensor] | None = None) -> Tensor:
        return self.feed_forward(self.attention(x, rotary))


def new_table(rows: int, width: int) -> Tensor:
    """An embedding with small random weights; none are drawn on the meta device, where torch takes seconds over it."""
    weight = torch.empty(rows, width)
    if weight.device.type != "meta":
        nn.init.normal_(weight, std=WEIGHT_DEVIATION)
    return nn.Embedding.from_pretrained(weight, freeze=False)


class Embedding(nn.Module):
    """Tokens [b, s] → [b, s, h]: look-up, plus positions where the model learns or adds them here."""

    def __init__(self, model: Model, shards: int = 1) -> None:
        super().__init__()
        self.hidden, self.positions = model.hidden, model.positions
        self.tokens = new_table(math.ceil(model.vocabulary / shards), model.hidden)
        self.learned = new_table(model.max_sequence, model.hidden) if model.positions == "learned" else None
        self.types = new_table(model.token_types, model.hidden) if model.token_types else None
        self.norm = new_norm(model, model.hidden) if model.embedding_norm else nn.Identity()

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.tokens(tokens)  # [b, s, h]
        steps = torch.arange(tokens.shape[1], device=tokens.device)
        if self.learned is not None:
            x = x + self.learned(steps)
        if self.types is not None:
            x = x + self.types.weight[0]
        if self.positions == "sinusoidal":
            x = x + sinusoids(tokens.shape[1], self.hidden, x.device).to(x.dtype)
        return self.norm(x)


def sinusoids(positions: int, width: int, device: Any = None) -> Tensor:
    """Sines and cosines of the positions [s, h] (Vaswani 2017, section 3.5)."""
    exponents = torch.arange(0, width, 2, device=device, dtype=torch.float32) / width
    turns = torch.arange(positions, device=device, dtype=torch.float32)[:, None] * ROTARY_BASE**-exponents
    return torch.stack((turns.sin(), turns.cos()), dim=-1).flatten(1)[:, :width]


class Head(nn.Module):
    """Final norm and projection on the vocabulary: [b, s, h] → [b, s, V]."""

    def __init__(self, model: Model, shards: int = 1) -> None:
        super().__init__()
        self.norm = new_norm(model, model.hidden) if model.final_norm else nn.Identity()
        self.project = nn.Linear(model.hidden, math.ceil(model.vocabulary / shards), bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.project(self.norm(x))


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean loss in nats of targets [b, s] under logits [b, s, V], computed in fp32 as training does."""
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten())


class HeadLoss(nn.Module):
    """The head and its loss: [b, s, h] and targets [b, s] → a scalar."""

    def __init__(self, model: Model, shards: int = 1) -> None:
        super().__init__()
        self.head = Head(model, shards)

    def forward(self, x: Tensor, targets: Tensor) -> Tensor:
        return cross_entropy(self.head(x), targets)


class Decoder(nn.Module):
    """The whole model. `sum(p.numel() for p in Decoder(model).parameters())` is the published count."""

    def __init__(self, model: Model, shards: int = 1) -> None:
        super().__init__()
        require_decoder(model, shards)
        self.rotary_width = rotary_width(model)
        self.rotary = model.positions == "rotary"
        self.embedding = Embedding(model, shards)
        self.layers = nn.ModuleList(
            Layer(model, shards, mixture=model.is_mixture and index >= model.dense_layers)
            for index in range(model.layers)
        )
        self.head = Head(model, shards)
        self.tied = model.tied_embeddings
        self.tie()

    def tie(self) -> None:
        """Let the head share the embedding's matrix where the model says so; anew after a move off the meta device."""
        if self.tied:
            self.head.project.weight = self.embedding.tokens.weight

    def forward(self, tokens: Tensor, targets: Tensor | None = None) -> Tensor:
        """Logits [b, s, V] of tokens [b, s]; with targets [b, s] the mean loss instead."""
        x = self.embedding(tokens)
        rotary = rotary_like(x, self.rotary_width) if self.rotary else None
        for layer in self.layers:
            x = layer(x, rotary)
        logits = self.head(x)
        return logits if targets is None else cross_entropy(logits, targets)


def parameters(module: Any) -> int:
    """Parameters of a module, a shared one counted once."""
    return sum(parameter.numel() for parameter in module.parameters())


def build(kind: Any, model: Model, *, device: str, dtype: Any, shards: int = 1, **options: Any) -> Any:
    """A block on a device with small random weights (torch's own initialization takes seconds at a 7B's width).

    Random, because a GPU draws less power and so clocks higher on zeros. Raises what torch raises for want of memory.
    """
    require_decoder(model, shards)
    with torch.device("meta"):
        module = kind(model, shards, **options).to(dtype)
    module = module.to_empty(device=device)
    if isinstance(module, Decoder):
        module.tie()
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, WEIGHT_DEVIATION)
            else:
                parameter.fill_(0.0 if name.endswith("bias") else 1.0)
    return module


def _expert_width(model: Model) -> int:
    return model.expert_ffn or model.ffn
