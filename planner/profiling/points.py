"""Which shapes a suite measures: the essential ones in order of worth, and the grid that a full suite chooses from.

A point is one shape of one group of operations in one manner (dtype, eager or compiled, attention kernel …). When time
or memory is short, the last essential points go first, and what does not fit is measured shorter, then narrower.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

from planner.plan.model import Model
from planner.profiling import decoder
from planner.timing.profile import Operation, Row, manner

Group = Literal["ceilings", "layer", "optimizer", "embedding", "head_loss", "attention", "attention_core"]

SHORTEST_SEQUENCE = 16
"""Below this a shape says nothing about training."""
GROUPED = 8
"""Query heads that share keys and values in the grouped form (Llama 2 70B, Llama 3, Mistral have 4 to 8)."""
NOT_CAUSAL, _SCALING = "not causal", "tensorwise"
"""Variants: every query sees every key, as in an encoder; fp8 scaled by the largest element of each tensor."""

OPERATIONS: dict[Group, tuple[Operation, ...]] = {
    "ceilings": ("matmul_peak", "copy_peak", "launch"),
    "layer": ("attention_core", "attention", "feed_forward", "layer"),
    "attention": ("attention_core", "attention"),
}
"""What is timed at a point of a group; of the groups left out, the operation of the same name."""


@dataclass(frozen=True)
class Point:
    """One shape to measure. Without tokens for ceilings and optimizer; without a manner the plain operation."""

    group: Group
    batch: int = 0  # sequences
    sequence: int = 0  # tokens
    shards: int = 1  # tensor-parallel width
    dtype: str = ""  # empty: the profile's own
    variant: str = ""  # chunked, foreach, multi-head …
    sdpa: str = ""  # attention kernel
    compiled: bool = False
    recompute: bool = False
    flushed: bool = False  # the last-level cache overwritten before each run

    @property
    def tokens(self) -> int:
        return self.batch * self.sequence

    @property
    def manner(self) -> str:
        """What sets it apart from the plain operation, in words; empty for the plain one."""
        return manner(self.dtype, self.variant, self.sdpa, self.compiled, self.recompute, self.flushed)

    @property
    def family(self) -> tuple[str, str]:
        """Points that differ in shape alone."""
        return self.group, self.manner

    @property
    def operations(self) -> tuple[Operation, ...]:
        """What is timed here: of a layer run in another manner as a whole that whole alone."""
        if self.group == "ceilings" and self.dtype:
            return ("matmul_peak",)
        if self.group == "layer" and (self.compiled or self.recompute or self.variant):
            return ("layer",)
        named: tuple[Operation, ...] = OPERATIONS.get(self.group, ())
        return named or (self.group,)  # type: ignore[return-value]

    def has(self, row: Row, own_dtype: str) -> bool:
        """Whether a row is one of this point's."""
        dtype = "fp32" if self.group == "optimizer" else self.dtype or own_dtype
        mine = (self.batch, self.sequence, self.shards, dtype, self.variant, self.sdpa, self.compiled, self.recompute)
        theirs = (
            row.batch, row.sequence, row.shards, row.dtype, row.variant, row.sdpa, row.compiled, row.recompute
        )  # fmt: skip
        return row.operation in self.operations and mine == theirs and self.flushed == (row.l2 == "flushed")

    @property
    def of_family(self) -> str:
        """What it has in common with points of other shapes, in words."""
        words = self.group.replace("_", " + " if self.group == "head_loss" else " ")
        return f"{words} ({self.manner})" if self.manner else words

    def __str__(self) -> str:
        words = f"{self.of_family} {self.batch}×{self.sequence}" if self.batch else self.of_family
        return words + (f" of 1/{self.shards}" if self.shards > 1 else "")


@dataclass(frozen=True)
class Offers:
    """What the device and the software can be measured in, beside the plain way."""

    dtypes: tuple[str, ...] = ()  # others than the profile's own
    sdpa: tuple[str, ...] = ()
    optimizers: tuple[str, ...] = ()
    compiler: bool = False


@dataclass(frozen=True)
class Points:
    """A suite: what it always measures, most telling first, and what it chooses from with the time that is left."""

    essential: tuple[Point, ...]
    grid: tuple[Point, ...] = ()


_LAYER_SHAPES: dict[tuple[str, str], tuple[tuple[int, int], ...]] = {
    ("quick", "cpu"): ((1, 128), (1, 512), (1, 256), (2, 256), (1, 1024), (4, 512), (2, 2048)),
    ("quick", "cuda"): ((1, 4096), (1, 1024), (4, 4096), (2, 2048), (1, 512), (2, 4096), (1, 8192), (8, 4096)),
    ("full", "cpu"): ((1, 128), (1, 512), (1, 256)),
    ("full", "cuda"): ((1, 4096), (1, 1024), (4, 4096)),
}
"""(batch, sequence) by suite and device, the most telling first: the ends, between, the same tokens cut otherwise."""
_GRID = {
    "cpu": ((1, 2, 4, 8), (128, 256, 512, 1024, 2048, 4096), 8192),
    "cuda": ((1, 2, 4, 8, 16, 32, 64), (512, 1024, 2048, 4096, 8192, 16384, 32768), 65536),
}
"""Of a full suite: micro-batches, sequences, most tokens of both together."""
_FEW = {
    "cpu": ((1, 128), (1, 512), (4, 512), (1, 2048)),
    "cuda": ((1, 1024), (1, 4096), (16, 1024), (8, 4096), (1, 16384), (2, 16384)),
}
"""Where a full suite measures variants and sharded widths: short and long, few tokens and many."""
_WIDTHS = (1, 2, 4, 8)
_EDGE_SHAPES = 2
"""Of the layer's shapes, how many the head (and the first of them the embedding) is measured at in the quick suite."""


def points(model: Model, suite: str, kind: str, offers: Offers | None = None) -> Points:
    """The suite of this model on a kind of device."""
    longest = model.max_sequence if model.positions == "learned" else 10**9
    shapes = _within(_LAYER_SHAPES[suite, kind], longest)
    edges = shapes[:_EDGE_SHAPES]
    essential = [Point("ceilings"), Point("layer", *shapes[0]), Point("optimizer"), Point("head_loss", *edges[0])]
    essential += [Point("embedding", *edges[0])]
    essential += [Point("layer", *shape) for shape in shapes[1:3]]
    essential += [Point("head_loss", *shape) for shape in edges[1:]]
    essential += [Point("layer", *shape) for shape in shapes[3:]]
    if suite == "quick":
        return Points(tuple(essential))
    grid = _grid(model, kind, longest, offers or Offers())
    return Points(tuple(essential), tuple(dict.fromkeys((*essential, *grid))))


def _grid(model: Model, kind: str, longest: int, offers: Offers) -> Iterator[Point]:
    """What a full suite chooses from: the plain layer over shapes and widths, and its variants at a few shapes."""
    layers = [Point("layer", *shape) for shape in _within(_FEW[kind], longest)]
    cores = [replace(point, group="attention_core") for point in layers]
    heads = [replace(point, group="head_loss") for point in layers]
    yield from (Point("layer", *shape) for shape in _shapes(kind, longest))
    for width in decoder.usable_shards(model, largest=max(_WIDTHS)):
        yield from (replace(point, shards=width) for point in layers if width in _WIDTHS)
    yield from heads
    yield from (replace(point, group="embedding") for point in layers)
    for dtype in offers.dtypes:
        yield Point("ceilings", dtype=dtype)
        yield from (replace(point, dtype=dtype, variant=_SCALING * (dtype == "fp8")) for point in layers)
    yield from (replace(point, recompute=True) for point in layers)
    yield from (replace(point, variant="chunked") for point in heads)
    yield from (Point("optimizer", variant=name) for name in offers.optimizers)
    yield from (replace(point, sdpa=name) for name in offers.sdpa for point in cores)
    yield from (replace(point, variant=NOT_CAUSAL) for point in cores)
    for form in forms(model):
        yield from (replace(point, group="attention", variant=form) for point in layers)
    yield from (replace(point, flushed=True) for point in (*layers[:2], Point("optimizer")))
    if offers.compiler:
        yield from (replace(point, compiled=True) for point in layers)
    if offers.compiler and "fp8" in offers.dtypes:
        yield from (replace(point, dtype="fp8", variant=_SCALING, compiled=True) for point in layers)


def _within(shapes: Iterable[tuple[int, int]], longest: int) -> list[tuple[int, int]]:
    """The shapes, those of longer sequences than the model takes cut into more of its longest."""
    cut = [(max(1, batch * sequence // longest), longest) if sequence > longest else (batch, sequence)
           for batch, sequence in shapes]  # fmt: skip
    return list(dict.fromkeys(cut))


def _shapes(kind: str, longest: int) -> list[tuple[int, int]]:
    batches, sequences, most = _GRID[kind]
    usable = [sequence for sequence in sequences if sequence <= longest] or [longest]
    return [(batch, sequence) for sequence in usable for batch in batches if batch * sequence <= most]


def forms(model: Model) -> dict[str, Model]:
    """The model with other heads, as wide in all, by name: every head with its own keys or eight to one; of 64, of 128.

    Left out are the model's own form and those that do not come out even; latent attention has no other.
    """
    if model.is_latent:
        return {}
    found = {"multi-head": model.model_copy(update={"kv_heads": model.heads})}
    if model.kv_heads == model.heads and model.heads % GROUPED == 0:
        found["grouped"] = model.model_copy(update={"kv_heads": model.heads // GROUPED})
    for head_dim in (64, 128):
        heads, rest = divmod(model.heads * model.head_dim, head_dim)
        kv_heads, kv_rest = divmod(model.kv_heads * model.head_dim, head_dim)
        if not rest and not kv_rest and kv_heads and heads % kv_heads == 0:
            changes = {"heads": heads, "kv_heads": kv_heads, "head_dim": head_dim}
            found[f"head size {head_dim}"] = model.model_copy(update=changes)
    return {name: form for name, form in found.items() if form != model}


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
