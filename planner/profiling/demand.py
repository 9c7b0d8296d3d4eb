"""What measuring a point will take, counted before anything is built: memory, FLOPs, traffic, a first idea of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch

from planner.plan.model import Model
from planner.profiling import decoder
from planner.profiling.points import Group, Point, forms
from planner.timing.profile import Operation

ALLOCATOR_SLACK = 1.15
"""Room for the allocator's rounding and the buffers of the kernels, on top of what is counted here."""
ADAM_BYTES_PER_PARAMETER = 16
"""fp32 weight, gradient and two moments."""
LARGEST_OPTIMIZER_PARAMETERS = 250_000_000
"""AdamW streams through memory: more parameters than this change its rate no more."""
ELEMENT_BYTES = {"fp32": 4, "tf32": 4, "bf16": 2, "fp16": 2, "fp8": 2}
"""Of weights and activations; with fp8 they stay in bf16, and the products' operands are cast."""
CHUNK_TOKENS = 1024
"""Tokens whose logits are there at once in the chunked loss."""
SCORE_BYTES = 32
"""Of the unfused attention kernel an attention score: fp32 scores, mask, softmax, and the gradients of the first and
last."""
_KERNELS = {"layer": 120, "attention": 80, "attention_core": 10, "head_loss": 25, "embedding": 12, "optimizer": 10}
"""Kernels that one pass forward and back starts, roughly; they bound the small shapes."""
LAUNCH_S = 8e-6
"""Host time to start one from Python, roughly (PyTorch on a server processor)."""
COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}
"""Copied to show the achievable bandwidth: far above any cache."""
MATMUL_SIZE = {"cpu": 2048, "cuda": 8192}
"""Side of the square product that shows the achievable peak."""
LAUNCHES = 1000
"""Small kernels in one timing of the launch overhead: enough to hide the marks around them."""


@dataclass(frozen=True)
class Demand:
    """Memory and time that points take of one device.

    rates: FLOP/s that a layer is expected to reach, by dtype; the surface of measured times corrects them.
    """

    model: Model
    kind: str  # cpu or cuda
    dtype: str
    limit_bytes: float
    rates: Mapping[str, float]
    bandwidth_bytes_per_s: float
    flush_bytes: int = 0
    _forms: dict[str, Model] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_forms", forms(self.model))

    def form(self, point: Point) -> Model:
        """The model as this point has it: with other heads where its variant says so."""
        return self._forms.get(point.variant, self.model)

    def dtype_of(self, point: Point) -> str:
        return point.dtype or self.dtype

    @property
    def matmul_size(self) -> int:
        """The square product's side, smaller where memory is short."""
        room = (self.limit_bytes / 4 / 3 / ELEMENT_BYTES["fp32"]) ** 0.5
        return max(64, min(MATMUL_SIZE[self.kind], int(room) // 64 * 64))

    @property
    def copy_bytes(self) -> int:
        """Bytes copied, fewer where memory is short."""
        return int(min(COPY_BYTES[self.kind], max(2**20, self.limit_bytes / 8)))

    @property
    def launches(self) -> int:
        """Small kernels in one timing of the launch overhead."""
        return LAUNCHES

    @property
    def optimizer_parameters(self) -> int:
        """How many of a layer's parameters AdamW is measured on: all, unless they are too many for the memory."""
        room = int(self.limit_bytes / ALLOCATOR_SLACK / ADAM_BYTES_PER_PARAMETER)
        return max(1, min(module_parameters("optimizer", self.model, 1), LARGEST_OPTIMIZER_PARAMETERS, room))

    def fits(self, point: Point) -> bool:
        """Whether memory suffices. The optimizer is measured on as many parameters as fit."""
        return point.group == "optimizer" or self.needed_bytes(point) <= self.limit_bytes

    def needed_bytes(self, point: Point) -> float:
        """Most memory that measuring takes: weights, gradients, saved activations and the backward pass's own."""
        element = ELEMENT_BYTES[self.dtype_of(point)]
        flush = self.flush_bytes if point.flushed else 0
        if point.group == "ceilings":
            return max(3.0 * self.matmul_size**2 * element, 2.0 * self.copy_bytes)
        if point.group == "optimizer":
            return ALLOCATOR_SLACK * ADAM_BYTES_PER_PARAMETER * self.optimizer_parameters + flush
        model = self.form(point)
        weights = module_parameters(point.group, model, point.shards)
        if point.group == "head_loss":
            needed = point.tokens * _hidden_bytes(model, element)
            at_once = min(point.tokens, CHUNK_TOKENS) if point.variant == "chunked" else point.tokens
            needed += at_once * (2.0 * element + 12.0) * model.vocabulary / point.shards  # logits, and fp32 in the loss
        elif point.group == "embedding":
            needed = point.tokens * _hidden_bytes(model, element)
        elif point.group == "attention_core":
            needed = 2.0 * point.tokens * element * _attention_width(model, point.shards)
        else:
            needed = point.tokens * _layer_bytes_per_token(model, point.shards, element)
        if point.sdpa == "math":
            needed += SCORE_BYTES * point.tokens * point.sequence * model.heads / point.shards
        copies = 1.0 if point.dtype == "fp8" else 0.0  # both operands of every product, a byte an element
        return ALLOCATOR_SLACK * ((2.0 * element + copies) * weights + (1 + copies / 2) * needed) + flush

    def flops(self, point: Point) -> float:
        """Forward and backward FLOPs of one run of a point, all its operations together; attention in full."""
        return sum(sum(self.flops_of(operation, point)) for operation in point.operations)

    def flops_of(self, operation: Operation, point: Point) -> tuple[float, ...]:
        """FLOPs of an operation's matrix products, one a stage: forward and backward, or the only one.

        A product of n tokens with a matrix takes 2·n·elements, the scores and their weighted sum 2·s·a·(d + d_v) a
        token; the backward pass makes the gradients of both operands of each, twice that, and what was not kept once
        more.
        """
        if operation == "matmul_peak":
            return (2.0 * self.matmul_size**3,)
        if operation in ("copy_peak", "launch", "optimizer"):
            return (0.0,)
        model = self.form(point)
        forward = 2.0 * matrix_elements(operation, model, point.shards) * point.tokens
        if operation in ("attention_core", "attention", "layer"):
            wide = model.heads * (model.head_dim + model.value_width) / point.shards
            forward += 2.0 * point.tokens * point.sequence * wide
        again = forward if point.recompute or point.variant == "chunked" else 0.0
        return forward, 2.0 * forward + again

    def moved_bytes(self, point: Point) -> float:
        """Memory traffic of one run of a point, roughly: what decides where there is little to multiply."""
        if point.group == "ceilings":
            return 0.0 if point.dtype else 2.0 * self.copy_bytes
        weights = module_parameters(point.group, self.form(point), point.shards)
        if point.group == "optimizer":
            return 28.0 * self.optimizer_parameters
        traffic = 4.0 * weights * len(point.operations) / 2 * ELEMENT_BYTES[self.dtype_of(point)]
        return traffic + (self.needed_bytes(point) if point.sdpa == "math" else 0.0)

    def once_s(self, point: Point) -> float:
        """Seconds of one run of all of a point's operations, by data sheet or bare matrix product: a first idea."""
        launches = self.launches * (not point.dtype) if point.group == "ceilings" else _KERNELS[point.group]
        work = self.flops(point) / self.rates[self.dtype_of(point)]
        return work + self.moved_bytes(point) / self.bandwidth_bytes_per_s + launches * LAUNCH_S


KINDS: dict[str, Any] = {
    "attention": decoder.new_attention, "feed_forward": decoder.FeedForwardBlock, "layer": decoder.Layer,
    "embedding": decoder.Embedding, "head_loss": decoder.HeadLoss,
}  # fmt: skip
"""The module of an operation."""


@cache
def module_parameters(group: Group, model: Model, shards: int) -> int:
    """Parameters of what a group builds, counted on the meta device."""
    with torch.device("meta"):
        kind = KINDS.get("layer" if group == "optimizer" else group)
        return decoder.parameters(kind(model, shards)) if kind else 0


@cache
def matrix_elements(operation: Operation, model: Model, shards: int) -> float:
    """Elements of the matrices that each token is multiplied with; of a mixture's experts, of those that it visits."""
    if operation not in KINDS:
        return 0.0
    with torch.device("meta"):
        module = KINDS[operation](model, shards)
    share = model.experts_per_token / model.experts if model.is_mixture else 1.0
    elements = 0.0
    for name, part in module.named_modules():
        if isinstance(part, torch.nn.Linear):
            elements += part.weight.numel() * (share if ".experts." in f".{name}" else 1.0)
    return elements


def _attention_width(model: Model, shards: int) -> float:
    """Elements a token of queries, keys, values, output and what the backward pass keeps of them."""
    return (4 * model.heads + 6 * model.kv_heads) * model.head_dim / shards


def _layer_bytes_per_token(model: Model, shards: int, element_bytes: int) -> float:
    """Norms with fp32 copies, queries, keys and values before and after rotation, what the feed-forward keeps."""
    active = model.experts_per_token + model.shared_experts if model.is_mixture else 1
    feed_forward = 6.0 * active * max(model.expert_ffn or model.ffn, model.ffn) / shards
    wide = 8.0 * model.hidden * (1 + active) + _attention_width(model, shards) + feed_forward
    return element_bytes * wide + 8.0 * model.hidden


def _hidden_bytes(model: Model, element_bytes: int) -> float:
    """Of a token at the model's edge: input, output, their gradients and the norm's."""
    return 6.0 * model.hidden * element_bytes
