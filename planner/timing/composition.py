"""Profile rows composed out of the kernels' formulas, in the way that a layer and a step are composed of them.

A row holds one rank's widths, so its workload is that of a model that is not split.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from planner.formula import Number
from planner.plan.workload import BYTES_OF_PRECISION, Workload, of_model
from planner.timing import kernels, layer, step
from planner.timing.device import Device
from planner.timing.profile import Profile, Row
from planner.timing.software import software

Part = tuple[str, str]
"""Operation and direction; the "edge" is embedding, head and loss, both ways."""


def composed_s(
    part: Part, rows: Sequence[Row], profile: Profile, unit: Device, changes: Mapping[str, Number], precision: str
) -> Number:
    """Seconds of one operation and direction at the shapes of some rows."""
    if part[0] == "optimizer":
        return kernels.memory_bound_s(unit, 28.0 * np.array([float(row.parameters) for row in rows]))
    return part_s(part, workload_of(rows, profile, precision), unit, changes)


def part_s(part: Part, w: Workload, unit: Device, changes: Mapping[str, Number]) -> Number:
    """Seconds of one operation and direction of an undivided workload."""
    operation, direction = part
    if operation == "edge":
        return step.head_s(w, unit, replace(software("pytorch"), matmul_slowdown=1.0, loss_bytes=changes["loss_bytes"]))
    block = _Blocks(w, unit, changes["elementwise_passes"], direction)
    if operation == "attention_core":
        return block.core()
    if operation == "attention":
        return block.attention()
    if operation == "feed_forward":
        return block.feed_forward()
    return block.attention() + block.feed_forward() - unit.launch_s


def workload_of(rows: Sequence[Row], profile: Profile, precision: str) -> Workload:
    """The rows' shapes: one rank's widths, as of a model that is not split."""
    model = profile.model

    def column(name: str) -> NDArray[np.float64]:
        return np.array([float(getattr(row, name)) for row in rows])

    width = column("hidden")
    return of_model(model).where(
        micro_batch=column("batch"), sequence=column("sequence"), hidden=width, heads=column("heads"),
        kv_heads=column("kv_heads"), head_dim=column("head_dim"),
        value_dim=float(model.value_width) if model.is_latent else column("head_dim"),
        ffn=column("ffn"), vocabulary=column("vocabulary"),
        expert_ffn=(model.expert_ffn or model.ffn) / column("shards"),
        activation_bytes=float(BYTES_OF_PRECISION[precision]),
    )  # fmt: skip


def one_rank(w: Workload) -> Workload:
    """A plan's shapes as a row holds them: one rank's widths, undivided."""
    return w.where(
        heads=w.heads / w.tp, kv_heads=np.maximum(1.0, w.kv_heads / w.tp), ffn=w.ffn / w.tp,
        expert_ffn=w.expert_ffn / w.tp, vocabulary=w.vocabulary / w.tp, sequence=w.sequence / w.cp, tp=1.0, cp=1.0,
    )  # fmt: skip


@dataclass(frozen=True)
class _Blocks:
    """The two blocks of a layer in one direction: `planner.timing.layer` in halves."""

    w: Workload
    unit: Device
    passes: Number
    direction: str

    def core(self) -> Number:
        """Scores, softmax and weighted sum."""
        w = self.w
        return kernels.attention_s(
            self.unit, w.micro_batch, w.heads, w.kv_heads, w.sequence, w.sequence, w.core_dim, causal=True,
            direction=self.direction,
        )  # fmt: skip

    def attention(self) -> Number:
        """Norm, query, key and value, rotary, core, output, residual."""
        w = self.w
        rest = self.core() + self._moved(heads=w.heads, kv_heads=w.kv_heads, ffn=0.0)
        if w.has_latent:
            return layer.latent_products(w, self._product) + rest
        wide = (w.heads + 2 * w.kv_heads) * w.head_dim
        return self._product(wide, w.hidden) + self._product(w.hidden, w.heads * w.head_dim) + rest

    def feed_forward(self) -> Number:
        """Norm, the matrices (or each expert's and the shared ones'), activation, residual."""
        w = self.w
        inner = w.ffn_matrices - 1
        if not np.any(w.experts):
            dense = self._product(inner * w.ffn, w.hidden) + self._product(w.hidden, w.ffn)
            return dense + self._moved(heads=0.0, kv_heads=0.0, ffn=w.ffn)
        each = w.micro_batch * w.sequence * w.experts_per_token / w.experts
        time = self._product(inner * w.expert_ffn, w.hidden, each, w.experts)
        time = time + self._product(w.hidden, w.expert_ffn, each, w.experts)
        if np.any(w.shared_experts):
            shared = w.shared_experts * w.expert_ffn
            time = time + self._product(inner * shared, w.hidden) + self._product(w.hidden, shared)
        active = w.expert_ffn * (w.experts_per_token + w.shared_experts)
        return time + self._moved(heads=0.0, kv_heads=0.0, ffn=active)

    def _product(self, n: Number, k: Number, m: Number | None = None, groups: Number = 1.0) -> Number:
        rows = self.w.micro_batch * self.w.sequence if m is None else m
        directions = ("forward",) if self.direction == "forward" else ("input_gradient", "weight_gradient")
        return sum(
            kernels.matmul_s(
                self.unit, rows, n, k, direction=one, groups=groups, cast_bytes=0.0, continuous=1.0,
                output_bytes=self.w.activation_bytes if one == "weight_gradient" else None,
            )
            for one in directions
        )  # fmt: skip

    def _moved(self, *, heads: Number, kv_heads: Number, ffn: Number) -> Number:
        """The streaming kernels of half a layer: one norm and one residual, and what lies between."""
        w = self.w
        latents = (w.latent_rank + w.query_rank) * np.any(heads)
        moved = layer.streamed_bytes(
            w.micro_batch * w.sequence, w.hidden / 2, heads, kv_heads, w.head_dim, ffn, w.ffn_matrices, 1.0, 1.0,
            w.activation_bytes, self.passes, latents=latents,
        )  # fmt: skip
        return kernels.memory_bound_s(self.unit, moved * (1 if self.direction == "forward" else 2))
