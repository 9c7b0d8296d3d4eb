"""One collective in one group layout as a call, on the buffers that the planner's formulas count in bytes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.distributed_c10d import _set_pg_timeout

from planner.profiling.groups import Layout
from planner.timing.fabric import Operation

OPERATIONS: tuple[Operation, ...] = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send")
ELEMENT_BYTES = 4
"""fp32, which every backend sums; a collective's time goes by its bytes."""


def applies(operation: Operation, layout: Layout) -> bool:
    """Messages go between neighbours: measured where these are all in one node or each in another."""
    return operation != "send" or layout.ranks_per_node in (1, layout.ranks)


def group(layout: Layout, kind: str, ranks: int, timeout_s: float) -> Any:
    """This rank's group of a layout: the middle dimension of a mesh over all ranks. kind: cpu or cuda."""
    mesh = init_device_mesh(kind, layout.mesh_shape(ranks), mesh_dim_names=("outer", "group", "inner"))
    found = mesh.get_group("group")
    if kind == "cpu":  # a mesh gives Gloo half an hour; NCCL's is watched by the caller
        _set_pg_timeout(timedelta(seconds=timeout_s), found)
    return found


@dataclass(frozen=True)
class Exchange:
    """A collective in a layout, for calls of any size on this rank's group."""

    operation: Operation
    layout: Layout
    group: Any
    device: torch.device

    @property
    def messages(self) -> int:
        """Of a send there and back, as the sender alone cannot know when its message has arrived; else one."""
        return 2 if self.operation == "send" else 1

    def call(self, size: int) -> tuple[Callable[[], object], float]:
        """(a blocking call, on a GPU one ordered in the stream; its bytes: the size in whole elements a rank)."""
        part = max(1, round(size / ELEMENT_BYTES / self.layout.ranks))
        whole = torch.zeros(part * self.layout.ranks, device=self.device)
        return self._call(whole, part), float(whole.numel() * ELEMENT_BYTES)

    def _call(self, whole: torch.Tensor, part: int) -> Callable[[], object]:
        group = self.group
        match self.operation:
            case "all-reduce":
                return lambda: dist.all_reduce(whole, group=group)
            case "all-to-all":
                other = torch.empty_like(whole)
                return lambda: dist.all_to_all_single(other, whole, group=group)
            case "send":
                return self._there_and_back(whole)
        piece = torch.zeros(part, device=self.device)
        if self.operation == "all-gather":
            gather = _newest("all_gather_single", "all_gather_into_tensor")
            return lambda: gather(whole, piece, group=group)
        scatter = _newest("reduce_scatter_single", "reduce_scatter_tensor")
        return lambda: scatter(piece, whole, group=group)

    def _there_and_back(self, message: torch.Tensor) -> Callable[[], object]:
        """Neighbours in pairs; of an odd number the last is idle."""
        index, group = dist.get_group_rank(self.group, dist.get_rank()), self.group
        if index ^ 1 >= self.layout.ranks:
            return lambda: None
        peer = dist.get_global_rank(group, index ^ 1)
        first, second = (dist.send, dist.recv) if index % 2 == 0 else (dist.recv, dist.send)
        return lambda: (first(message, peer, group=group), second(message, peer, group=group))


def _newest(*names: str) -> Any:
    """The first of some names that this torch has: 2.13 renamed the collectives on single tensors."""
    return next(found for name in names if (found := getattr(dist, name, None)))
