"""Which layouts a search tries, as rows of degrees times two short axes: what is sharded, and what is recomputed.

The rows are the long axis. Kernels depend on the row alone, so `compute` times them once a row and broadcasts them
over the two short axes, where only cheap formulas differ.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.formula import Array
from planner.plan.check import divisors
from planner.plan.plan import Plan
from planner.plan.workload import Workload
from planner.search.rules import OF_BATCH, OF_DEGREES, Integers, Trial, possible

LEAST_TOKENS_A_RANK = 1024
"""Context parallelism is tried as long as this much of a sequence stays on a rank: below it the attention of a rank is
too short to hide the ring. The wide space has no such limit."""
_PIECE = 200_000
"""Rows checked at a time, which bounds the memory."""


@dataclass(frozen=True, slots=True)
class Sharding:
    """What data-parallel ranks share."""

    stage: int
    in_node: bool = False
    """Share among the ranks of one node only (hybrid sharding)."""
    optimizer_offload: bool = False


@dataclass(frozen=True, slots=True)
class Saving:
    """What backward computes again or fetches from the host."""

    recompute: str
    quarters: int = 4
    """Of a stage's layers that recompute."""
    activation_offload: bool = False


SHARDINGS = tuple(Sharding(stage) for stage in range(4))
SAVINGS = (Saving("none"), Saving("selective"), Saving("full"))
WIDE_SHARDINGS = (
    *SHARDINGS, *(Sharding(stage, in_node=True) for stage in (1, 2, 3)),
    *(Sharding(stage, optimizer_offload=True) for stage in (1, 2, 3)),
)  # fmt: skip
WIDE_SAVINGS = (
    *SAVINGS, *(Saving("full", quarters) for quarters in (1, 2, 3)), Saving("none", activation_offload=True),
)  # fmt: skip
RECOMPUTE = ("none", "selective", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class Space:
    """The values that are tried for one plan on one cluster."""

    plan: Trial
    gpus_per_node: int
    tp: list[int]
    cp: list[int]
    ep: list[int]
    pipelines: list[tuple[int, int, int]]
    """(stages, virtual stages, GPipe)"""
    micro_batches: list[int]
    shardings: tuple[Sharding, ...]
    savings: tuple[Saving, ...]

    @staticmethod
    def of(plan: Plan, *, wide: bool = False) -> Space:
        """All divisors of heads, layers, experts and GPUs that make sense; every micro-batch that divides the batch."""
        trial = Trial.of(plan)
        degrees = divisors(trial.gpus)
        longest = trial.sequence if wide else max(1, trial.sequence // LEAST_TOKENS_A_RANK)
        chunks = sorted({*divisors(trial.layers), *divisors(trial.layers + 2)})
        pipelines = [
            (pp, virtual, gpipe)
            for pp in degrees if pp <= trial.layers
            for virtual in (chunks if pp > 1 else [1]) if pp * virtual <= trial.layers
            for gpipe in ((0, 1) if pp > 1 and virtual == 1 else (0,))
        ]  # fmt: skip
        return Space(
            plan=trial, gpus_per_node=plan.cluster.gpus_per_node,
            tp=[d for d in degrees if d <= trial.heads], cp=[d for d in degrees if d <= longest],
            ep=divisors(trial.experts) if trial.experts else [1], pipelines=pipelines,
            micro_batches=divisors(trial.batch), shardings=WIDE_SHARDINGS if wide else SHARDINGS,
            savings=WIDE_SAVINGS if wide else SAVINGS,
        )  # fmt: skip

    @property
    def layouts_a_row(self) -> int:
        """Combinations of the two short axes."""
        return len(self.shardings) * len(self.savings)

    def rows(self, sizes: Iterator[int], rejected: Counter[str]) -> Iterator[tuple[Trial, float]]:
        """The possible rows in blocks of these sizes, each block with the share of the space gone through.

        Impossible ones are counted in `rejected`, in layouts. Sequence parallelism without tensor parallelism is no
        layout of its own and is not counted."""
        waiting: list[Trial] = []
        at_once = max(1, next(sizes))
        for done, tp in enumerate(self.tp, start=1):
            for piece in self._of_tensor_parallel(tp, rejected):
                waiting.append(piece)
                while sum(len(one.tp) for one in waiting) >= at_once:
                    whole = _joined(waiting)
                    yield whole.taken(slice(at_once)), done / len(self.tp)
                    waiting = [whole.taken(slice(at_once, None))]
                    at_once = max(1, next(sizes))
        rest = _joined(waiting) if waiting else self.plan.taken([])
        if len(rest.tp):
            yield rest, 1.0

    def _of_tensor_parallel(self, tp: int, rejected: Counter[str]) -> Iterator[Trial]:
        sequence_parallel = np.array([0, 1] if tp > 1 else [0])
        micro = np.array(self.micro_batches)
        inner = len(micro) * len(sequence_parallel)
        cp, ep, pipeline = (
            axis.reshape(-1)
            for axis in np.meshgrid(self.cp, self.ep, np.arange(len(self.pipelines)), indexing="ij")
        )  # fmt: skip
        pp, virtual, gpipe = np.array(self.pipelines).T[:, pipeline]
        degrees = replace(self.plan, tp=np.full(len(cp), tp), pp=pp, cp=cp, ep=ep, virtual_stages=virtual, gpipe=gpipe)
        degrees = replace(degrees, micro_batch=np.ones_like(cp), sequence_parallel=np.zeros_like(cp))
        weight = inner * self.layouts_a_row
        degrees = degrees.taken(possible(degrees, OF_DEGREES, cp.shape, rejected, weight))
        step = max(1, _PIECE // inner)
        for start in range(0, len(degrees.tp), step):
            few = degrees.taken(slice(start, start + step))
            shape = (len(few.tp), len(micro), len(sequence_parallel))
            mesh = replace(
                few.taken((slice(None), None, None)), micro_batch=micro[:, None], sequence_parallel=sequence_parallel
            )
            allowed = possible(mesh, OF_BATCH, shape, rejected, self.layouts_a_row)
            full: dict[str, Any] = {
                name: np.broadcast_to(value, shape)[allowed] for name, value in mesh.of_layout().items()
            }
            yield replace(self.plan, **full)

    def workload(self, base: Workload, rows: Trial) -> Workload:
        """The numbers of all layouts of some rows, of shapes that broadcast to (shardings, savings, rows)."""
        number = {name: np.asarray(value, dtype=float) for name, value in rows.of_layout().items()}
        dp = np.asarray(rows.dp, dtype=float)
        group = self.sharding_group(rows)
        recomputes = _column([saving.recompute == "full" for saving in self.savings])
        return base.where(
            **number, dp=dp, zero_stage=_column([one.stage for one in self.shardings])[:, None],
            zero_group=np.where(group > 0, group, dp * number["cp"]),
            optimizer_offload=_scalar_or_axis([one.optimizer_offload for one in self.shardings], trailing=2),
            recompute_full=recomputes,
            recompute_selective=_column([saving.recompute == "selective" for saving in self.savings]),
            recompute_share=self._recompute_share(rows),
            activation_offload=_scalar_or_axis([one.activation_offload for one in self.savings], trailing=1),
        )  # fmt: skip

    def sharding_group(self, rows: Trial) -> Integers:
        """The group of hybrid sharding by (sharding, 1, row); 0 where all ranks share."""
        if not any(one.in_node for one in self.shardings):
            return np.zeros((1, 1, 1), dtype=np.int64)
        in_node = np.array([one.in_node for one in self.shardings])[:, None, None]
        return np.where(in_node, np.maximum(1, self.gpus_per_node // rows.tp), 0)

    def recompute_layers(self, rows: Trial) -> Integers:
        """Recomputed layers of a stage by (saving, row); −1 where the field stays blank."""
        stage = -(-self.plan.layers // rows.pp)
        return np.stack(
            [np.full_like(stage, -1) if one.quarters == 4 else -(-stage * one.quarters // 4) for one in self.savings]
        )

    def _recompute_share(self, rows: Trial) -> Array | float:
        if all(one.quarters == 4 for one in self.savings):
            return 1.0
        layers = self.recompute_layers(rows)
        return np.where(layers < 0, 1.0, layers / -(-self.plan.layers // rows.pp))

    def distinct(self, rows: Trial) -> NDArray[np.bool_]:
        """Which of (shardings, savings, rows) are layouts of their own. Sharding over one rank is none, nor is a node's
        group that is all ranks or does not divide them, nor a part of the layers that is all or as many as another."""
        ranks = rows.dp * rows.cp
        stage = np.array([one.stage for one in self.shardings])[:, None, None]
        mask = np.broadcast_to((stage == 0) | (ranks > 1), (len(self.shardings), len(self.savings), len(ranks))).copy()
        group = self.sharding_group(rows)
        mask &= (group == 0) | ((group > 1) & (group < ranks) & (ranks % np.maximum(group, 1) == 0))
        layers = self.recompute_layers(rows)
        for i, saving in enumerate(self.savings):
            if saving.quarters < 4:
                same = [layers[j] for j, one in enumerate(self.savings) if one.quarters < saving.quarters]
                is_part = layers[i] < -(-self.plan.layers // rows.pp)
                mask[:, i] &= np.logical_and.reduce([is_part, *(layers[i] != other for other in same)])
        return mask


def _joined(parts: list[Trial]) -> Trial:
    if len(parts) == 1:
        return parts[0]
    columns: dict[str, Any] = {
        name: np.concatenate([getattr(one, name) for one in parts]) for name in parts[0].of_layout()
    }
    return replace(parts[0], **columns)


def _column(values: list[bool] | list[int]) -> Array:
    return np.array(values, dtype=float)[:, None]


def _scalar_or_axis(values: list[bool], trailing: int) -> Array | float:
    """An axis only where the values differ, so that what depends on it stays small."""
    if not any(values):
        return 0.0
    return np.array(values, dtype=float).reshape(-1, *[1] * trailing)
