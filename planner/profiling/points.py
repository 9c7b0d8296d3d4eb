"""Which shapes a suite measures, and what each will take: memory and FLOPs, counted before anything is built.

A point is one shape of one group of operations. Points come in order of worth: when time or memory is short, the last
ones go first, and what does not fit is measured shorter, then narrower.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import torch

from planner.plan.model import Model
from planner.profiling import decoder

Group = Literal["ceilings", "layer", "optimizer", "embedding", "head_loss"]

SHORTEST_SEQUENCE = 16
"""Below this a shape says nothing about training."""
ALLOCATOR_SLACK = 1.15
"""Room for the allocator's rounding and the buffers of the kernels, on top of what is counted here."""
ADAM_BYTES_PER_PARAMETER = 16
"""fp32 weight, gradient and two moments."""
LARGEST_OPTIMIZER_PARAMETERS = 250_000_000
"""AdamW streams through memory: more parameters than this change its rate no more."""


@dataclass(frozen=True)
class Point:
    """One shape to measure. Without tokens for ceilings and optimizer."""

    group: Group
    batch: int = 0  # sequences
    sequence: int = 0  # tokens
    shards: int = 1  # tensor-parallel width

    @property
    def tokens(self) -> int:
        return self.batch * self.sequence

    def __str__(self) -> str:
        words = self.group.replace("_", " + ")
        words += f" {self.batch}×{self.sequence}" if self.batch else ""
        return words + (f" of 1/{self.shards}" if self.shards > 1 else "")


_LAYER_SHAPES: dict[tuple[str, str], tuple[tuple[int, int], ...]] = {
    ("quick", "cpu"): ((1, 128), (1, 512), (1, 256), (2, 256), (1, 1024), (4, 512), (2, 2048)),
    ("quick", "cuda"): ((1, 4096), (1, 1024), (4, 4096), (2, 2048), (1, 512), (2, 4096), (1, 8192), (8, 4096)),
    ("full", "cpu"): ((1, 128), (1, 512), (1, 256), (2, 256), (1, 1024), (4, 256), (2, 1024), (1, 2048), (4, 1024)),
    ("full", "cuda"): (
        (1, 4096), (1, 1024), (4, 4096), (1, 512), (2, 4096), (1, 8192), (2, 2048), (1, 2048), (8, 4096), (4, 2048),
        (1, 16384), (2, 1024), (8, 2048), (1, 32768), (4, 1024), (2, 8192), (8, 1024), (4, 512), (16, 512),
    ),
}  # fmt: skip
"""(batch, sequence) by suite and device, the most telling first: the ends, between, the same tokens cut otherwise."""
_SHARDS = {"quick": (1,), "full": (1, 2, 4, 8)}
_EDGE_SHAPES = 2
"""Of the layer's shapes, how many the head (and the first of them the embedding) is measured at in the quick suite."""


def points(model: Model, suite: str, kind: str) -> list[Point]:
    """The suite's points for this model, in order of worth."""
    longest = model.max_sequence if model.positions == "learned" else 10**9
    shapes = [shape for shape in _LAYER_SHAPES[suite, kind] if shape[1] <= longest] or [(1, longest)]
    widths = [width for width in decoder.usable_shards(model, largest=8) if width in _SHARDS[suite]]
    edges = shapes if suite == "full" else shapes[:_EDGE_SHAPES]
    essential = [Point("ceilings"), Point("layer", *shapes[0]), Point("optimizer"), Point("head_loss", *edges[0])]
    essential += [Point("embedding", *edges[0])]
    essential += [Point("layer", *shape) for shape in shapes[1:3]]
    rest = [Point("head_loss", *shape) for shape in edges[1:]]
    rest += [Point("layer", *shape) for shape in shapes[3:]]
    rest += [Point("layer", *shape, shards=width) for width in widths if width > 1 for shape in shapes[:6]]
    return essential + rest


def in_order(chosen: list[Point]) -> list[Point]:
    """The order of measuring: small before large, and one width of the layer after another, each built once."""
    groups = ("ceilings", "layer", "optimizer", "embedding", "head_loss")
    return sorted(chosen, key=lambda point: (groups.index(point.group), point.shards, point.tokens, point.sequence))


def alternatives(point: Point, model: Model) -> Iterator[Point]:
    """The point, then the same with ever fewer tokens, then all of that again at ever narrower widths."""
    widths = decoder.usable_shards(model) if point.group in ("layer", "head_loss", "embedding") else [point.shards]
    for width in widths:
        if width >= point.shards:
            yield from _ever_shorter(replace(point, shards=width))


def _ever_shorter(point: Point) -> Iterator[Point]:
    """Half the tokens each time: fewer sequences, then shorter ones."""
    yield point
    while point.batch > 1:
        point = replace(point, batch=point.batch // 2)
        yield point
    while point.sequence >= 2 * SHORTEST_SEQUENCE:
        point = replace(point, sequence=point.sequence // 2)
        yield point


@cache
def module_parameters(group: Group, model: Model, shards: int) -> int:
    """Parameters of what a group builds, counted on the meta device."""
    kinds: dict[str, Any] = {
        "layer": decoder.Layer, "optimizer": decoder.Layer, "embedding": decoder.Embedding,
        "head_loss": decoder.HeadLoss,
    }  # fmt: skip
    with torch.device("meta"):
        return decoder.parameters(kinds[group](model, shards)) if group in kinds else 0


def optimizer_parameters(model: Model, room_bytes: float) -> int:
    """How many of a layer's parameters AdamW is measured on: all, unless they are too many for the memory."""
    room = int(room_bytes / ALLOCATOR_SLACK / ADAM_BYTES_PER_PARAMETER)
    return max(1, min(module_parameters("optimizer", model, 1), LARGEST_OPTIMIZER_PARAMETERS, room))


def needed_bytes(point: Point, model: Model, element_bytes: int, ceiling_bytes: float = 0.0) -> float:
    """Most memory that measuring a point takes: weights, gradients, saved activations and the backward pass's own."""
    if point.group == "ceilings":
        return ceiling_bytes
    weights = module_parameters(point.group, model, point.shards)
    if point.group == "optimizer":
        return ALLOCATOR_SLACK * ADAM_BYTES_PER_PARAMETER * min(weights, LARGEST_OPTIMIZER_PARAMETERS)
    per_token = {
        "layer": _layer_bytes_per_token, "embedding": _embedding_bytes_per_token, "head_loss": _head_bytes_per_token,
    }[point.group](model, point.shards, element_bytes)  # fmt: skip
    return ALLOCATOR_SLACK * (2.0 * weights * element_bytes + point.tokens * per_token)


def _layer_bytes_per_token(model: Model, shards: int, element_bytes: int) -> float:
    """Norms with fp32 copies, queries, keys and values before and after rotation, what the feed-forward keeps."""
    attention = (4 * model.heads + 6 * model.kv_heads) * model.head_dim / shards
    active = model.experts_per_token + model.shared_experts if model.is_mixture else 1
    feed_forward = 6.0 * active * max(model.expert_ffn or model.ffn, model.ffn) / shards
    return element_bytes * (8.0 * model.hidden * (1 + active) + attention + feed_forward) + 8.0 * model.hidden


def _embedding_bytes_per_token(model: Model, shards: int, element_bytes: int) -> float:
    return 6.0 * model.hidden * element_bytes


def _head_bytes_per_token(model: Model, shards: int, element_bytes: int) -> float:
    """Logits and their gradient in the model's dtype, and three fp32 copies in the loss."""
    return (2.0 * element_bytes + 12.0) * model.vocabulary / shards + 6.0 * model.hidden * element_bytes


def work_flops(point: Point, model: Model) -> float:
    """Forward and backward FLOPs of one run of a point, all its operations together; attention in full."""
    weights = module_parameters(point.group, model, point.shards)
    if point.group == "head_loss":
        return 6.0 * weights * point.tokens
    if point.group != "layer":
        return 0.0
    if model.is_mixture:  # only the chosen experts work
        expert = (3 if model.gated else 2) * model.hidden * (model.expert_ffn or model.ffn) / point.shards
        weights -= int((model.experts - model.experts_per_token) * expert)
    core = 12.0 * point.tokens * point.sequence * model.heads * model.head_dim / point.shards
    return 2 * 6.0 * weights * point.tokens + 3 * core  # blocks once alone and once in the layer; the core once more


def moved_bytes(point: Point, model: Model, element_bytes: int) -> float:
    """Memory traffic of one run of a point, roughly: what decides where there is little to multiply."""
    weights = module_parameters(point.group, model, point.shards)
    if point.group == "optimizer":
        return 28.0 * min(weights, LARGEST_OPTIMIZER_PARAMETERS)
    return 8.0 * weights * element_bytes
