"""The calls that are timed: an operation of the decoder with its inputs, forward and backward, in a point's manner.

A forward and backward pass is one call of two stages. Gradients are set to None between calls, as after an optimizer
step: the backward pass writes fresh weight gradients and adds to none (accumulation over micro-batches is left out).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint

from planner.plan.model import Model
from planner.profiling import decoder
from planner.profiling.demand import CHUNK_TOKENS
from planner.profiling.points import NOT_CAUSAL, Point
from planner.profiling.timer import Mark, Once
from planner.timing.profile import Operation

Tensor = Any
SDPA = {
    "flash": SDPBackend.FLASH_ATTENTION, "efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION, "math": SDPBackend.MATH,
}  # fmt: skip
"""torch's attention kernels by the names that rows bear."""


@dataclass(frozen=True)
class Subject:
    """A built call, ready to be run: on the device, inputs and all."""

    once: Once
    bytes: tuple[float, ...]  # least memory traffic by stage
    parameters: int = 0
    own_bytes: float = 0.0  # weights and inputs, there before the call
    counted_peak_bytes: float | None = None  # weights, gradients, saved activations and output
    activation_bytes: float | None = None  # saved for the backward pass


def call(
    operation: Operation, model: Model, module: Any, point: Point, device: str, dtype: Any
) -> tuple[Callable[[], Tensor], list[Tensor]]:
    """The forward call of an operation, in the point's manner, and the inputs that want gradients.

    The inputs are random and on the device. `module` may be a compiled one.
    """
    options: dict[str, Any] = {"device": device, "dtype": dtype}
    b, s, h, d = point.batch, point.sequence, model.hidden, model.head_dim
    if operation == "attention_core":
        heads, kv_heads = model.heads // point.shards, max(1, model.kv_heads // point.shards)
        forms = ((heads, d), (kv_heads, d), (kv_heads, model.value_width))
        inputs = [torch.randn(b, s, *form, **options).requires_grad_() for form in forms]
        return _core(inputs, point), inputs
    if operation == "embedding":
        tokens = torch.randint(math.ceil(model.vocabulary / point.shards), (b, s), device=device)
        return lambda: module(tokens), []
    x = torch.randn(b, s, h, **options).requires_grad_()
    if operation == "head_loss":
        targets = torch.randint(math.ceil(model.vocabulary / point.shards), (b, s), device=device)
        loss = chunked if point.variant == "chunked" else _whole
        return lambda: loss(module, x, targets), [x]
    arguments = [decoder.rotary_like(x, decoder.rotary_width(model))] if operation in ("attention", "layer") else []
    if point.recompute:
        return lambda: checkpoint(module, x, *arguments, use_reentrant=False), [x]
    return lambda: module(x, *arguments), [x]


def _core(inputs: list[Tensor], point: Point) -> Callable[[], Tensor]:
    """Attention of queries, keys and values that lie as the projections leave them, [b, s, a, d]."""
    causal = point.variant != NOT_CAUSAL

    def run() -> Tensor:
        return decoder.attention_core(*(x.transpose(1, 2) for x in inputs), causal=causal)

    def run_by_kernel() -> Tensor:
        with sdpa_kernel([SDPA[point.sdpa]]):
            return run()

    return run_by_kernel if point.sdpa else run


def _whole(module: Any, x: Tensor, targets: Tensor) -> Tensor:
    return module(x, targets)


def chunked(module: Any, x: Tensor, targets: Tensor) -> Tensor:
    """The mean loss with few tokens' logits at a time, made anew in the backward pass: for long vocabularies."""
    parts = zip(x.flatten(0, 1).split(CHUNK_TOKENS), targets.flatten().split(CHUNK_TOKENS), strict=True)
    losses = [checkpoint(module, part[None], wanted[None], use_reentrant=False) * len(part) for part, wanted in parts]
    return torch.stack(losses).sum() / targets.numel()


def trained(operation: Operation, run: Callable[[], Tensor], inputs: list[Tensor], parameters: list[Any]) -> Subject:
    """A call of two stages, forward and backward, with what a first trial of it saved for the backward pass."""
    output, saved = saved_bytes(run, parameters)
    gradient = torch.randn_like(output) if output.dim() else None
    leaves = [*inputs, *parameters]

    def once(mark: Mark) -> None:
        for leaf in leaves:
            leaf.grad = None
        mark()
        result = run()
        mark()
        result.backward(gradient)
        mark()

    weights, inside = bytes_of(parameters), bytes_of(inputs)
    streamed = saved + output.nbytes
    traffic = (weights + streamed, 2 * weights + streamed + inside)
    if operation == "embedding":  # only the rows looked up are read; their gradient is as large as the table
        traffic = (2.0 * output.nbytes, weights + 2.0 * output.nbytes)
    peak = 2 * weights + 2 * inside + saved + 2 * output.nbytes
    return Subject(once, traffic, sum(p.numel() for p in parameters), weights + inside, peak, saved)


def saved_bytes(run: Callable[[], Tensor], parameters: list[Any]) -> tuple[Tensor, float]:
    """Output of a call and the bytes it saved for its backward pass: each storage once, weights left out."""
    known = {parameter.untyped_storage().data_ptr() for parameter in parameters}
    found: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in known:
            found[storage.data_ptr()] = storage.nbytes()
        return tensor

    with saved_tensors_hooks(keep, lambda tensor: tensor):
        output = run()
    return output.detach(), float(sum(found.values()))


def after_flushing(subject: Subject, size_bytes: int, device: str) -> Subject:
    """The call with a buffer written before each run, so that nothing of the run before is left in the cache."""
    buffer = torch.empty(size_bytes, dtype=torch.uint8, device=device)

    def once(mark: Mark) -> None:
        buffer.zero_()
        subject.once(mark)

    return replace(subject, once=once)


def bytes_of(tensors: list[Any]) -> float:
    return float(sum(tensor.nbytes for tensor in tensors))
