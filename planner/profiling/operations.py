"""What is timed at a point: each operation with its stages and what it amounts to, built when its turn comes."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch

from planner.plan.model import Model
from planner.profiling import calls, decoder, devices, float8
from planner.profiling.calls import Subject
from planner.profiling.demand import KINDS, Demand
from planner.profiling.devices import DTYPES, synchronize
from planner.profiling.points import Point
from planner.profiling.timer import Once
from planner.timing.profile import Direction, Operation

COMPILER = "inductor"
"""Backend of torch.compile: torch's own default."""
OPTIMIZERS: dict[str, tuple[dict[str, Any], float]] = {
    "": ({"fused": True}, 28.0), "foreach": ({"foreach": True}, 28.0), "for-loop": ({"foreach": False}, 28.0),
    "8-bit": ({}, 16.0),
}  # fmt: skip
"""AdamW by variant: options, and the least bytes moved a parameter. fp32 weight, gradient and both moments read, all
but the gradient written; with moments of 8 bits 4 bytes in place of 16 (Dettmers 2021, arXiv 2110.02861)."""


@dataclass(frozen=True)
class Task:
    """One timed call, not yet built. FLOPs, bytes and directions are one a stage."""

    operation: Operation
    directions: tuple[Direction, ...]
    dtype: str
    flops: tuple[float, ...]
    prepare: Callable[[], Subject]
    model: Model  # as measured: with other heads where the point's variant says so
    repeats_inside: int = 1  # the call does its work this many times over


class Bench:
    """Builds the tasks of a point on one device, and keeps the layer while its width and dtype stay the same."""

    def __init__(self, demand: Demand) -> None:
        self.demand, self.kind = demand, demand.kind
        self._layer: tuple[tuple[int, str], Any] | None = None
        self._has_compiled = False

    def tasks(self, point: Point) -> Iterator[Task]:
        """What is timed at a point."""
        for operation in point.operations:
            yield self._task(operation, point)

    def clear(self) -> None:
        """Let go of the layer, and of what was compiled."""
        self._layer = None
        if self._has_compiled:
            torch.compiler.reset()

    def _task(self, operation: Operation, point: Point) -> Task:
        dtype = self.demand.dtype_of(point)
        both: tuple[Direction, ...] = ("forward", "backward")
        directions: tuple[Direction, ...] = ("forward",)
        model, repeats = self.demand.form(point), 1
        flops = self.demand.flops_of(operation, point)
        prepare: Callable[[], Subject]
        match operation:
            case "matmul_peak":
                prepare = partial(self._matmul, dtype)
            case "copy_peak":
                prepare = self._copy
            case "launch":
                prepare, repeats = self._launch, self.demand.launches
            case "optimizer":
                prepare, dtype, directions = partial(self._optimizer, point.variant), "fp32", ("step",)
            case _:
                prepare, directions = partial(self._subject, operation, point), both
        return Task(operation, directions, dtype, flops, partial(self._prepared, prepare, point), model, repeats)

    def _prepared(self, prepare: Callable[[], Subject], point: Point) -> Subject:
        """The subject, built and run in the point's manner."""
        devices.use_tf32(self.demand.dtype_of(point) == "tf32")
        subject = prepare()
        return calls.after_flushing(subject, self.demand.flush_bytes, self.kind) if point.flushed else subject

    def _subject(self, operation: Operation, point: Point) -> Subject:
        model = self.demand.form(point)
        module = self._module(operation, model, point)
        parameters = list(module.parameters()) if module is not None else []
        if point.compiled:
            torch.compiler.reset()  # each shape is compiled for itself; torch gives up after a few of one function
            self._has_compiled = True
            module = torch.compile(module, dynamic=False, backend=COMPILER)
        dtype = DTYPES[self.demand.dtype_of(point)]
        run, inputs = calls.call(operation, model, module, point, self.kind, dtype)
        return calls.trained(operation, run, inputs, parameters)

    def _module(self, operation: Operation, model: Model, point: Point) -> Any:
        """The operation's module on the device; the layer's blocks are those of the layer itself."""
        if operation == "attention_core":
            return None
        if point.group != "layer":
            return self._built(KINDS[operation], model, point)
        key = (point.shards, self.demand.dtype_of(point))
        if self._layer is None or self._layer[0] != key:
            self._layer = None  # the old one first: two may not fit
            self._layer = (key, self._built(decoder.Layer, model, point))
        layer = self._layer[1]
        layer.zero_grad(set_to_none=True)
        return layer if operation == "layer" else getattr(layer, operation)

    def _built(self, kind: Any, model: Model, point: Point) -> Any:
        dtype = self.demand.dtype_of(point)
        module = decoder.build(kind, model, device=self.kind, dtype=DTYPES[dtype], shards=point.shards)
        return float8.convert(module) if dtype == "fp8" else module

    def _matmul(self, dtype: str) -> Subject:
        size = self.demand.matmul_size
        left, right = (torch.randn(size, size, device=self.kind).to(DTYPES[dtype]) for _ in range(2))
        if dtype == "fp8":
            (left8, left_scale), (right8, right_scale) = (float8.cast(x, float8.FORWARD) for x in (left, right))
            right8 = float8.column_major(right8)
            once = _one_stage(lambda: float8.product(left8, right8, left_scale, right_scale, left.dtype))
            return Subject(once, (left8.nbytes * 2.0 + left.nbytes,), own_bytes=left8.nbytes * 2.0 + 2.0 * left.nbytes)
        product = torch.empty_like(left)
        traffic = 3.0 * left.nbytes
        return Subject(_one_stage(lambda: torch.mm(left, right, out=product)), (traffic,), own_bytes=traffic)

    def _copy(self) -> Subject:
        source = torch.zeros(self.demand.copy_bytes, dtype=torch.uint8, device=self.kind).fill_(1)
        target = torch.zeros_like(source)
        traffic = 2.0 * source.nbytes
        return Subject(_one_stage(lambda: target.copy_(source)), (traffic,), own_bytes=traffic)

    def _launch(self) -> Subject:
        crumb = torch.zeros(1, device=self.kind)

        def launches() -> None:
            for _ in range(self.demand.launches):
                crumb.add_(1.0)

        return Subject(_one_stage(launches), (8.0,))

    def _optimizer(self, variant: str) -> Subject:
        """One AdamW step over fp32 weights of the layer's shapes, as many of them as fit."""
        self.clear()
        shapes = _shapes_up_to(self.demand.model, self.demand.optimizer_parameters)
        weights = [torch.zeros(shape, device=self.kind) for shape in shapes]
        for weight in weights:
            weight.grad = torch.full_like(weight, 1e-3)
        count = sum(weight.numel() for weight in weights)
        options, moved = OPTIMIZERS[variant]
        optimizer = _adamw(variant)([weight.requires_grad_() for weight in weights], **options)
        return Subject(_one_stage(optimizer.step), (moved * count,), count, 16.0 * count, 16.0 * count)


def _adamw(variant: str) -> Any:
    if variant == "8-bit":
        return importlib.import_module("bitsandbytes").optim.AdamW8bit
    return torch.optim.AdamW


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
    def once(mark: Any) -> None:
        mark()
        work()
        mark()

    return once


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
