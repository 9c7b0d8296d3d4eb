"""A decoder's stages over several ranks, all by PyTorch's own modules on one DeviceMesh.

Sharded data parallelism is FSDP2 (`fully_shard`), over two mesh dimensions where copies stay whole or in groups; tensor
parallelism is `parallelize_module` with sequence parallelism; the pipeline is `torch.distributed.pipelining`. Ranks are
numbered as the estimate places them: tensor-parallel neighbours first, pipeline stages farthest apart.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from torch.distributed.pipelining import PipelineStage, Schedule1F1B, ScheduleGPipe, ScheduleInterleaved1F1B
from torch.distributed.tensor import Replicate, Shard
from torch.distributed.tensor.parallel import (
    ColwiseParallel,
    PrepareModuleOutput,
    RowwiseParallel,
    SequenceParallel,
    loss_parallel,
    parallelize_module,
)

from planner.errors import CancelledError, InputError
from planner.plan.plan import Plan
from planner.profiling import decoder
from planner.profiling.devices import DTYPES
from planner.profiling.trainable import micro_batches
from planner.profiling.training import COMPILED, Spans, Stage, Tokens, Updates

Tensor = Any


class ParallelTraining:
    """One rank of a plan in training; the process group is there already. Has the face of `training.Training`."""

    def __init__(self, plan: Plan, kind: str, *, seed: int = 0, cancel: Callable[[], bool] = lambda: False) -> None:
        require_parallel(plan)
        self.plan, self.kind, self.cancel = plan, kind, cancel
        self.mesh = mesh_of(plan, kind)
        layout = plan.layout
        rank = self.mesh.get_local_rank("pp")
        wide = plan.replace(**{"recipe.precision": "fp32"})  # FSDP2 keeps fp32 weights and casts what it gathers
        self.stages = [
            Stage(
                wide, layers_of(plan, number), first=number == 0, last=number == _stages(plan) - 1,
                device=kind, seed=seed,
            )
            for number in range(rank, _stages(plan), layout.pp)
        ]  # fmt: skip
        for stage in self.stages:
            self._lay_out(stage)
        self.updates = Updates(plan, [weight for stage in self.stages for weight in stage.parameters()])
        share = self.mesh.get_local_rank("replicas") * self.mesh["shards"].size() + self.mesh.get_local_rank("shards")
        self.tokens = Tokens(plan, kind, seed, share)
        self._pipeline = self._schedule() if layout.pp > 1 else None

    @property
    def parameters(self) -> int:
        """Parameters of the whole model, a shared one counted once; the same on every rank."""
        mine = sum(decoder.parameters(stage) for stage in self.stages)
        if self._pipeline is None:
            return mine
        total = torch.tensor(float(mine), dtype=torch.float64)
        dist.all_reduce(total)
        return round(float(total) / (dist.get_world_size() // self.plan.layout.pp))

    def step(self, spans: Spans) -> Tensor:
        """One optimizer step over all micro-batches; the mean loss over all ranks."""
        if self.cancel():
            raise CancelledError("cancelled")
        spans.begin()
        loss = self._one_by_one() if self._pipeline is None else self._through_the_pipeline()
        spans.mark("layers")
        self.updates.apply()
        spans.mark("optimizer")
        return self._over_all(loss)

    def _one_by_one(self) -> Tensor:
        pieces, total = micro_batches(self.plan), 0.0
        (stage,) = self.stages
        for _ in range(pieces):
            tokens, targets = self.tokens.next()
            with self._loss_context():
                loss = stage(tokens, targets) / pieces
                loss.backward()
            total = total + loss.detach()
        return total

    def _through_the_pipeline(self) -> Tensor:
        """Every stage draws the same tokens; the first reads them, the last holds its logits against the targets."""
        tokens, targets = self.tokens.next(micro_batches(self.plan))
        losses: list[Tensor] = []
        inputs = (tokens,) if self.stages[0].embedding is not None else ()
        is_last = self.stages[-1].head is not None
        with self._loss_context():
            assert self._pipeline is not None
            self._pipeline.step(*inputs, **({"target": targets, "losses": losses} if is_last else {}))
        return torch.stack([loss.detach() for loss in losses]).mean() if is_last else torch.zeros((), device=self.kind)

    def _over_all(self, loss: Tensor) -> Tensor:
        """The mean over data-parallel ranks, on every rank."""
        copies = self.mesh["tp"].size()
        total = (loss.full_tensor() if hasattr(loss, "full_tensor") else loss).float().clone()
        dist.all_reduce(total)
        return total / (self.plan.dp * copies)

    def _loss_context(self) -> Any:
        return loss_parallel() if self.plan.layout.tp > 1 else contextlib.nullcontext()

    def _lay_out(self, stage: Stage) -> None:
        """Tensor parallelism first, then compilation, then sharding."""
        plan = self.plan
        if plan.layout.tp > 1:
            _split(stage, self.mesh["tp"])
        if plan.recipe.framework == COMPILED:
            stage.compile_layers()
        mesh = self.mesh["replicas", "shards"] if self.mesh["replicas"].size() > 1 else self.mesh["shards"]
        narrow = DTYPES[plan.recipe.precision]
        policy = MixedPrecisionPolicy(param_dtype=narrow, reduce_dtype=torch.float32)
        options = {"mesh": mesh, "mp_policy": policy, "reshard_after_forward": plan.layout.zero_stage >= 3}
        for layer in stage.layers:
            fully_shard(layer, **options)
        fully_shard(stage, **options)

    def _schedule(self) -> Any:
        plan, number = self.plan, self.mesh.get_local_rank("pp")
        group = self.mesh["pp"].get_group()
        made = [
            PipelineStage(stage, number + index * plan.layout.pp, _stages(plan), torch.device(self.kind), group=group)
            for index, stage in enumerate(self.stages)
        ]
        count = micro_batches(plan)
        if len(made) > 1:
            return ScheduleInterleaved1F1B(made, count, loss_fn=decoder.cross_entropy)
        kind = ScheduleGPipe if plan.layout.schedule == "gpipe" else Schedule1F1B
        return kind(made[0], count, loss_fn=decoder.cross_entropy)


def require_parallel(plan: Plan) -> None:
    """Raise `InputError` for what PyTorch's modules do not lay out over ranks here."""
    model, layout = plan.model, plan.layout
    if model.is_mixture and layout.tp > 1:
        raise InputError("layout.tp: a mixture of experts is not cut over tensor-parallel ranks here; use 1")
    if model.is_latent and layout.tp > 1:
        raise InputError("layout.tp: latent attention is not cut over tensor-parallel ranks here; use 1")
    if model.kv_heads % layout.tp:
        raise InputError(f"layout.tp: {model.kv_heads} key/value heads do not divide among {layout.tp} ranks here")
    if layout.pp > 1 and micro_batches(plan) < layout.pp:
        raise InputError(f"--micro-batches: a pipeline of {layout.pp} stages needs {layout.pp} or more")


def mesh_of(plan: Plan, kind: str) -> Any:
    """pp × replicas × shards × tp: whole copies are replicas, ZeRO's group the shards."""
    layout = plan.layout
    shards = 1 if layout.zero_stage == 0 else min(layout.zero_group or plan.dp, plan.dp)
    shape = (layout.pp, plan.dp // shards, shards, layout.tp)
    return init_device_mesh(kind, shape, mesh_dim_names=("pp", "replicas", "shards", "tp"))


def layers_of(plan: Plan, stage: int) -> range:
    """The layers of one stage: equal shares, the first stages one more where they do not divide."""
    each, more = divmod(plan.model.layers, _stages(plan))
    first = stage * each + min(stage, more)
    return range(first, first + each + (stage < more))


def _stages(plan: Plan) -> int:
    return plan.layout.pp * plan.layout.virtual_stages


def _split(stage: Stage, mesh: Any) -> None:
    """Products over the tensor-parallel ranks, norms and residuals over the sequence between (Korthikanti 2022)."""
    for layer in stage.layers:
        parallelize_module(layer, mesh, _layer_plan(layer))
        for block in ("attention.norm", "feed_forward.norm"):
            parallelize_module(layer, mesh, {block: _gather_once()})
    if stage.embedding is not None:
        parallelize_module(
            stage.embedding, mesh, {"tokens": RowwiseParallel(input_layouts=Replicate(), output_layouts=Replicate())}
        )
        outward = PrepareModuleOutput(output_layouts=Replicate(), desired_output_layouts=Shard(1))
        parallelize_module(stage, mesh, {"embedding": outward})
    if stage.head is not None:
        project = ColwiseParallel(input_layouts=Replicate(), output_layouts=Shard(-1), use_local_output=False)
        parallelize_module(stage.head, mesh, {"norm": SequenceParallel(), "project": project})
        parallelize_module(stage.head, mesh, {"norm": _gather_once()})
    stage.tie()


def _layer_plan(layer: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"attention.norm": SequenceParallel(), "feed_forward.norm": SequenceParallel()}
    found |= {f"attention.{name}": ColwiseParallel() for name in ("query", "key", "value")}
    found["attention.output"] = RowwiseParallel(output_layouts=Shard(1))
    inward = ("up", "gate") if layer.feed_forward.feed_forward.gate is not None else ("up",)
    found |= {f"feed_forward.feed_forward.{name}": ColwiseParallel() for name in inward}
    found["feed_forward.feed_forward.down"] = RowwiseParallel(output_layouts=Shard(1))
    if isinstance(layer.attention.query_norm, torch.nn.Identity):
        return found
    norm = SequenceParallel(sequence_dim=1, use_local_output=True)  # of [b, a, s, d]: split by heads
    return found | {"attention.query_norm": norm, "attention.key_norm": norm}


def _gather_once() -> PrepareModuleOutput:
    """A norm's output gathered for all products that follow it, not once for each."""
    return PrepareModuleOutput(output_layouts=Shard(1), desired_output_layouts=Replicate(), use_local_output=False)
