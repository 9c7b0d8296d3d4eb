"""Trains a plan's decoder for real, on one device or as one rank of several, built from the layers that are profiled.

The recipe is the plan's: its precision, optimizer, recomputation, micro-batches and compilation. In 16 bits the weights
are trained as mixed precision does it: 16-bit weights, their gradients added up in fp32, fp32 master weights in the
optimizer. The tokens are random: times and memory do not depend on what they say, and a loss is still to be compared.

Every step is cut into the parts that an estimate has: forward, backward (with what is recomputed in it), head (with
embedding and loss), optimizer, host.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from planner.errors import CancelledError
from planner.plan.plan import Plan
from planner.profiling import decoder
from planner.profiling.devices import DTYPES
from planner.profiling.timer import Clock
from planner.profiling.trainable import micro_batches

LEARNING_RATE = 1e-4
"""Small enough that the loss of random tokens stays finite; it changes no time."""
COMPILED = "compiled"
"""The software generation whose layers go through `torch.compile`."""

Tensor = Any


class Spans:
    """The seconds between a clock's marks, added up by name, one dict a step."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._names: list[list[str]] = []

    def begin(self) -> None:
        """A step begins."""
        self._clock.new_run()
        self._clock.mark()
        self._names.append([])

    def mark(self, name: str) -> None:
        """What lies between the mark before and this one was `name`."""
        self._clock.mark()
        self._names[-1].append(name)

    def read(self) -> list[dict[str, float]]:
        """Waits for the device; the steps since the last reading."""
        steps = []
        for names, seconds in zip(self._names, self._clock.read(), strict=True):
            parts: dict[str, float] = {}
            for name, time_s in zip(names, seconds, strict=True):
                parts[name] = parts.get(name, 0.0) + float(time_s)
            steps.append(parts)
        self._names = []
        return steps


class Stage(nn.Module):
    """Consecutive parts of a decoder: all of it, or one stage of a pipeline.

    Tokens [b, s] (or the residual stream [b, s, h] of the stage before) → the stream, logits [b, s, V], or with targets
    [b, s] the mean loss.
    """

    def __init__(self, plan: Plan, layers: range, *, first: bool, last: bool, device: str, seed: int) -> None:
        super().__init__()
        model, dtype = plan.model, DTYPES[plan.recipe.precision]
        self.rotary_width, self.rotary = decoder.rotary_width(model), model.positions == "rotary"
        self.mark: Callable[[str], None] = _ignore
        self._angles: dict[int, tuple[Tensor, Tensor]] = {}
        layout = plan.layout
        deepest = layout.recompute_layers if layout.recompute_layers is not None else len(layers)
        self.recomputed = deepest if layout.recompute == "full" else 0

        def build(kind: Any, number: int, **options: Any) -> Any:
            torch.manual_seed(seed + number)  # the same weights, however the layers are dealt to stages
            return decoder.build(kind, model, device=device, dtype=dtype, **options)

        self.embedding = build(decoder.Embedding, 0) if first else None
        self.layers = nn.ModuleList(
            build(decoder.Layer, 1 + index, mixture=model.is_mixture and index >= model.dense_layers)
            for index in layers
        )
        self.head = build(decoder.Head, 1 + model.layers) if last else None
        self.tied = model.tied_embeddings and first and last
        self.tie()
        self.loss: Callable[[Tensor, Tensor], Tensor] = self._loss

    def tie(self) -> None:
        """Let the head share the embedding's matrix where the model says so."""
        if self.tied and self.head is not None and self.embedding is not None:
            self.head.project.weight = self.embedding.tokens.weight

    def compile_layers(self) -> None:
        """Each layer, and the head with its loss, as one compiled graph."""
        for layer in self.layers:
            layer.compile()
        self.loss = torch.compile(self._loss)

    def forward(self, x: Tensor, targets: Tensor | None = None) -> Tensor:
        rotary = self._rotary_of(x)
        if self.embedding is not None:
            x = self.embedding(x)
            self._mark_both_ways(x, "head", "backward")
        for index, layer in enumerate(self.layers):
            again = index < self.recomputed
            x = checkpoint(layer, x, rotary, use_reentrant=False) if again else layer(x, rotary)
        if self.head is None:
            return x
        self._mark_both_ways(x, "forward", "head")
        return self.head(x) if targets is None else self.loss(x, targets)

    def _loss(self, x: Tensor, targets: Tensor) -> Tensor:
        assert self.head is not None
        return decoder.cross_entropy(self.head(x), targets)

    def _mark_both_ways(self, x: Tensor, before: str, after: str) -> None:
        """`before` ends here in the forward pass, `after` here in the backward pass."""
        self.mark(before)
        if x.requires_grad:
            x.register_hook(lambda gradient: self.mark(after))

    def _rotary_of(self, x: Tensor) -> tuple[Tensor, Tensor] | None:
        """Cosines and sines for x's positions, made once for each length."""
        if not self.rotary:
            return None
        length = x.shape[1]
        if length not in self._angles:
            weight = next(self.layers.parameters())
            angles = decoder.rotary_angles(length, self.rotary_width, x.device)
            self._angles[length] = (angles[0].to(weight.dtype), angles[1].to(weight.dtype))
        return self._angles[length]


class MasterWeights:
    """fp32 copies of 16-bit weights and fp32 sums of their gradients."""

    def __init__(self, weights: list[Tensor]) -> None:
        self._weights = weights
        self.copies = [weight.detach().float() for weight in weights]
        self._copy_of = dict(zip(weights, self.copies, strict=True))
        for weight in weights:
            weight.register_post_accumulate_grad_hook(self._add_up)

    def _add_up(self, weight: Tensor) -> None:
        copy = self._copy_of[weight]
        if copy.grad is None:
            copy.grad = weight.grad.float()
        else:
            copy.grad.add_(weight.grad)
        weight.grad = None

    @torch.no_grad()  # type: ignore[untyped-decorator, unused-ignore]
    def write_back(self) -> None:
        """The weights follow their copies."""
        torch._foreach_copy_(self._weights, self.copies)


class Training:
    """A plan in training on one device: `step` after `step`."""

    def __init__(self, plan: Plan, kind: str, *, seed: int = 0, cancel: Callable[[], bool] = lambda: False) -> None:
        self.plan, self.kind, self.cancel = plan, kind, cancel
        self.stage = Stage(plan, range(plan.model.layers), first=True, last=True, device=kind, seed=seed)
        if plan.recipe.framework == COMPILED:
            self.stage.compile_layers()
        self.updates = Updates(plan, list(self.stage.parameters()))
        self.tokens = Tokens(plan, kind, seed)

    @property
    def parameters(self) -> int:
        """Parameters of the model, a shared one counted once."""
        return decoder.parameters(self.stage)

    def step(self, spans: Spans) -> float:
        """One optimizer step over all its micro-batches; the mean loss, once the device has it."""
        spans.begin()
        self.stage.mark = spans.mark
        total: Tensor = 0.0
        pieces = micro_batches(self.plan)
        for _ in range(pieces):
            if self.cancel():
                raise CancelledError("cancelled")
            tokens, targets = self.tokens.next()
            spans.mark("host")
            loss = self.stage(tokens, targets) / pieces
            loss.backward()
            spans.mark("head")  # the embedding's gradient comes last
            total = total + loss.detach()
        self.updates.apply()
        spans.mark("optimizer")
        return total


class Tokens:
    """Random tokens, the same for a seed on every machine: of each global batch one rank's share."""

    def __init__(self, plan: Plan, device: str, seed: int, rank: int = 0) -> None:
        self._plan, self._device, self._rank = plan, device, rank
        self._random = torch.Generator().manual_seed(seed)

    def next(self, micro_batches: int = 1) -> tuple[Tensor, Tensor]:
        """Tokens and the ones that follow them, both [b, s]; all ranks' are drawn, so that they add up to one batch."""
        plan = self._plan
        each = plan.layout.micro_batch * micro_batches
        shape = (plan.dp * each, plan.recipe.sequence_length + 1)
        drawn = torch.randint(plan.model.vocabulary, shape, generator=self._random)
        mine = drawn[self._rank * each : (self._rank + 1) * each].to(self._device, non_blocking=True)
        return mine[:, :-1].contiguous(), mine[:, 1:].contiguous()


class Updates:
    """The optimizer over a model's weights, in mixed precision over their fp32 copies."""

    def __init__(self, plan: Plan, weights: list[Tensor]) -> None:
        wide = plan.recipe.precision == "fp32" or weights[0].dtype == torch.float32
        self._masters = None if wide else MasterWeights(weights)
        trained = weights if self._masters is None else self._masters.copies
        self._optimizer = _optimizer(plan, trained)

    def apply(self) -> None:
        """One update; the gradients are given back to the allocator."""
        self._optimizer.step()
        self._optimizer.zero_grad(set_to_none=True)
        if self._masters is not None:
            self._masters.write_back()


def _optimizer(plan: Plan, weights: list[Tensor]) -> Any:
    if plan.recipe.optimizer == "sgd":
        return torch.optim.SGD(weights, lr=LEARNING_RATE, momentum=0.9, fused=True)
    return torch.optim.AdamW(weights, lr=LEARNING_RATE, fused=True)


def _ignore(name: str) -> None:
    pass
