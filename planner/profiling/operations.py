"""The calls that are timed: each operation of a decoder with its inputs, its stages and what it amounts to.

A forward and backward pass is one call of two stages. Gradients are set to None between calls, as after an optimizer
step: the backward pass writes fresh weight gradients and adds to none (accumulation over micro-batches is left out).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

from planner.plan.model import Model
from planner.profiling import decoder
from planner.profiling.devices import DTYPES, synchronize
from planner.profiling.points import Point, optimizer_parameters
from planner.profiling.timer import Mark, Once
from planner.timing.profile import Direction, Operation

MATMUL_SIZE = {"cpu": 2048, "cuda": 8192}
"""Square product that shows the achievable peak."""
COPY_BYTES = {"cpu": 2**28, "cuda": 2**30}
"""Far above any cache."""
LAUNCHES = 1000
"""Small kernels in one timing of the launch overhead."""


@dataclass(frozen=True)
class Task:
    """One timed call, not yet built. FLOPs, bytes and directions are one a stage."""

    operation: Operation
    directions: tuple[Direction, ...]
    dtype: str
    flops: tuple[float, ...]
    prepare: Callable[[], Subject]
    repeats_inside: int = 1  # the call does its work this many times over


@dataclass(frozen=True)
class Subject:
    """A built call, ready to be run: on the device, inputs and all."""

    once: Once
    bytes: tuple[float, ...]  # least memory traffic by stage
    parameters: int = 0
    own_bytes: float = 0.0  # weights and inputs, there before the call
    counted_peak_bytes: float | None = None  # weights, gradients, saved activations and output
    activation_bytes: float | None = None  # saved for the backward pass


class Bench:
    """Builds the tasks of a point on one device, and keeps the layer while its width stays the same."""

    def __init__(self, model: Model, kind: str, dtype: str, memory_limit_bytes: float) -> None:
        self.model, self.kind, self.dtype = model, kind, dtype
        self.memory_limit_bytes = memory_limit_bytes
        self._layer: tuple[int, Any] | None = None

    def tasks(self, point: Point) -> Iterator[Task]:
        """What is timed at a point."""
        if point.group == "ceilings":
            yield self._ceiling("matmul_peak", self._matmul, flops=2.0 * self.matmul_size**3)
            yield self._ceiling("copy_peak", self._copy)
            yield self._ceiling("launch", self._launch, repeats=LAUNCHES)
        elif point.group == "optimizer":
            yield Task("optimizer", ("step",), "fp32", (0.0,), self._optimizer)
        elif point.group == "layer":
            for operation in ("attention_core", "attention", "feed_forward", "layer"):
                yield self._block(operation, point)
        else:
            yield self._block(point.group, point)

    def clear(self) -> None:
        """Let go of the layer."""
        self._layer = None

    @property
    def matmul_size(self) -> int:
        """The square product's side, smaller where memory is short."""
        room = math.sqrt(self.memory_limit_bytes / 4 / 3 / DTYPES[self.dtype].itemsize)
        return max(64, min(MATMUL_SIZE[self.kind], int(room) // 64 * 64))

    @property
    def copy_bytes(self) -> int:
        """Bytes copied, fewer where memory is short."""
        return int(min(COPY_BYTES[self.kind], max(2**20, self.memory_limit_bytes / 8)))

    @property
    def ceiling_bytes(self) -> float:
        """Memory that the ceilings take."""
        return max(3.0 * self.matmul_size**2 * DTYPES[self.dtype].itemsize, 2.0 * self.copy_bytes)

    def _block(self, operation: Operation, point: Point) -> Task:
        flops = count_flops(operation, self.model, point.batch, point.sequence, point.shards)
        return Task(operation, ("forward", "backward"), self.dtype, flops, lambda: self._subject(operation, point))

    def _subject(self, operation: Operation, point: Point) -> Subject:
        module = self._module(operation, point.shards)
        run, inputs = call(operation, self.model, module, point, self.kind, DTYPES[self.dtype])
        return trained(operation, run, inputs, list(module.parameters()) if module is not None else [])

    def _module(self, operation: Operation, shards: int) -> Any:
        """The operation's module on the device; the layer's blocks are those of the layer itself."""
        dtype = DTYPES[self.dtype]
        if operation in ("embedding", "head_loss"):
            kind = decoder.Embedding if operation == "embedding" else decoder.HeadLoss
            return decoder.build(kind, self.model, device=self.kind, dtype=dtype, shards=shards)
        if operation == "attention_core":
            return None
        if self._layer is None or self._layer[0] != shards:
            self._layer = None  # the old one first: two may not fit
            self._layer = (
                shards,
                decoder.build(decoder.Layer, self.model, device=self.kind, dtype=dtype, shards=shards),
            )
        layer = self._layer[1]
        layer.zero_grad(set_to_none=True)
        return layer if operation == "layer" else getattr(layer, operation)

    def _ceiling(
        self, operation: Operation, prepare: Callable[[], Subject], *, flops: float = 0.0, repeats: int = 1
    ) -> Task:
        return Task(operation, ("forward",), self.dtype, (flops,), prepare, repeats)

    def _matmul(self) -> Subject:
        size = self.matmul_size
        left, right = (torch.randn(size, size, device=self.kind).to(DTYPES[self.dtype]) for _ in range(2))
        product = torch.empty_like(left)
        traffic = 3.0 * left.nbytes
        return Subject(_one_stage(lambda: torch.mm(left, right, out=product)), (traffic,), own_bytes=traffic)

    def _copy(self) -> Subject:
        source = torch.zeros(self.copy_bytes, dtype=torch.uint8, device=self.kind).fill_(1)
        target = torch.zeros_like(source)
        traffic = 2.0 * source.nbytes
        return Subject(_one_stage(lambda: target.copy_(source)), (traffic,), own_bytes=traffic)

    def _launch(self) -> Subject:
        crumb = torch.zeros(1, device=self.kind)

        def launches() -> None:
            for _ in range(LAUNCHES):
                crumb.add_(1.0)

        return Subject(_one_stage(launches), (8.0,))

    def _optimizer(self) -> Subject:
        """One AdamW step (fused) over fp32 weights of the layer's shapes, as many of them as fit."""
        self.clear()
        budget = optimizer_parameters(self.model, self.memory_limit_bytes)
        weights = [torch.zeros(shape, device=self.kind) for shape in _shapes_up_to(self.model, budget)]
        for weight in weights:
            weight.grad = torch.full_like(weight, 1e-3)
        count = sum(weight.numel() for weight in weights)
        optimizer = torch.optim.AdamW([weight.requires_grad_() for weight in weights], fused=True)
        return Subject(_one_stage(optimizer.step), (28.0 * count,), count, 16.0 * count, 16.0 * count)


def call(
    operation: Operation, model: Model, module: Any, point: Point, device: str, dtype: Any
) -> tuple[Callable[[], Any], list[Any]]:
    """The forward call of an operation and the inputs that want gradients, random and on the device."""
    options: dict[str, Any] = {"device": device, "dtype": dtype}
    b, s, h, d = point.batch, point.sequence, model.hidden, model.head_dim
    if operation == "attention_core":
        heads, kv_heads = model.heads // point.shards, max(1, model.kv_heads // point.shards)
        inputs = [torch.randn(b, s, count, d, **options).requires_grad_() for count in (heads, kv_heads, kv_heads)]
        return lambda: decoder.attention_core(*(x.transpose(1, 2) for x in inputs)), inputs  # from [b, s, a, d]
    if operation == "embedding":
        tokens = torch.randint(math.ceil(model.vocabulary / point.shards), (b, s), device=device)
        return lambda: module(tokens), []
    x = torch.randn(b, s, h, **options).requires_grad_()
    if operation == "head_loss":
        targets = torch.randint(math.ceil(model.vocabulary / point.shards), (b, s), device=device)
        return lambda: module(x, targets), [x]
    if operation in ("attention", "layer"):
        rotary = decoder.rotary_like(x, d)
        return lambda: module(x, rotary), [x]
    return lambda: module(x), [x]


def trained(operation: Operation, run: Callable[[], Any], inputs: list[Any], parameters: list[Any]) -> Subject:
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

    weights, inside = _bytes_of(parameters), _bytes_of(inputs)
    streamed = saved + output.nbytes
    traffic = (weights + streamed, 2 * weights + streamed + inside)
    if operation == "embedding":  # only the rows looked up are read; their gradient is as large as the table
        traffic = (2.0 * output.nbytes, weights + 2.0 * output.nbytes)
    peak = 2 * weights + 2 * inside + saved + 2 * output.nbytes
    return Subject(once, traffic, sum(p.numel() for p in parameters), weights + inside, peak, saved)


def saved_bytes(run: Callable[[], Any], parameters: list[Any]) -> tuple[Any, float]:
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


@cache
def count_flops(operation: Operation, model: Model, batch: int, sequence: int, shards: int) -> tuple[float, float]:
    """FLOPs of matrix products forward and backward by torch's own counter on the meta device; attention in full."""
    point = Point("layer", batch, sequence, shards)
    kinds: dict[str, Any] = {
        "attention": decoder.AttentionBlock, "feed_forward": decoder.FeedForwardBlock, "layer": decoder.Layer,
        "embedding": decoder.Embedding, "head_loss": decoder.HeadLoss,
    }  # fmt: skip
    counter = FlopCounterMode(display=False)
    with torch.device("meta"):
        module = kinds[operation](model, shards) if operation in kinds else None
    run, _ = call(operation, model, module, point, "meta", torch.float32)
    with counter:
        output = run()
        forward = float(counter.get_total_flops())
        output.sum().backward()
    return forward, float(counter.get_total_flops()) - forward


def peak_memory(kind: str, subject: Subject, base_bytes: float) -> tuple[float | None, str]:
    """Most memory that the call took with its weights, and where the figure is from.

    On a GPU the allocator's own peak above `base_bytes` (allocated before the runs, the subject's own included); on a
    CPU, whose allocator keeps no such record, what was counted.
    """
    if kind == "cuda":
        return subject.own_bytes + float(torch.cuda.max_memory_allocated()) - base_bytes, "allocator"
    return subject.counted_peak_bytes, "counted" if subject.counted_peak_bytes is not None else ""


def start_peak(kind: str) -> float:
    """Forget the GPU's peak so far; the bytes that are allocated now."""
    if kind != "cuda":
        return 0.0
    synchronize(kind)
    torch.cuda.reset_peak_memory_stats()
    return float(torch.cuda.memory_allocated())


def _one_stage(work: Callable[[], Any]) -> Once:
    def once(mark: Mark) -> None:
        mark()
        work()
        mark()

    return once


def _bytes_of(tensors: list[Any]) -> float:
    return float(sum(tensor.nbytes for tensor in tensors))


def _shapes_up_to(model: Model, budget: int) -> list[tuple[int, ...]]:
    """Shapes of a layer's parameters, the last of them cut so that the sum stays within the budget."""
    with torch.device("meta"):
        layer = decoder.Layer(model)
    shapes: list[tuple[int, ...]] = []
    for parameter in layer.parameters():
        count = min(parameter.numel(), budget)
        shapes += [tuple(parameter.shape) if count == parameter.numel() else (count,)]
        budget -= count
        if budget <= 0:
            break
    return shapes
