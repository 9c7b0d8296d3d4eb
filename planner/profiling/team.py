"""The processes that train one plan together: one alone, or the ranks that torchrun or Slurm started."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from planner.profiling import rendezvous


@dataclass(frozen=True)
class Team:
    """This process among those that train together. Without others each method gives its own value back."""

    rank: int = 0
    ranks: int = 1
    per_node: int = 1

    @property
    def leads(self) -> bool:
        """The first rank predicts, speaks and writes."""
        return self.rank == 0

    def share(self, value: Any) -> Any:
        """The first rank's value, on every rank."""
        if self.ranks == 1:
            return value
        import torch.distributed as dist

        held = [value]
        dist.broadcast_object_list(held, src=0)
        return held[0]

    def all(self, value: Any) -> list[Any]:
        """Every rank's value, on every rank."""
        if self.ranks == 1:
            return [value]
        import torch.distributed as dist

        held: list[Any] = [None] * self.ranks
        dist.all_gather_object(held, value)
        return held


ALONE = Team()


def join(kind: str) -> Team:
    """Meet the other ranks, if any were started. On GPUs each takes its own. Raises `MissingError`, `InputError`."""
    place = rendezvous.place() if os.environ.get("WORLD_SIZE") != "1" else None
    if place is None:
        return ALONE
    if kind == "cuda":
        import torch

        torch.cuda.set_device(place.local_rank)
    rendezvous.join(place, kind, rendezvous.TIMEOUT_S)
    team = Team(place.rank, place.ranks)
    nodes = len(set(team.all(place.node)))
    return Team(place.rank, place.ranks, place.ranks // nodes)


def leave(team: Team) -> None:
    """Let go of the others."""
    if team.ranks > 1:
        import torch.distributed as dist

        dist.destroy_process_group()
