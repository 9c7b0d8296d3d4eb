"""Group layouts to measure collectives in: the groups that tensor, data and pipeline parallel ranks would form.

Ranks are numbered node by node. A layout's groups are the middle dimension of a mesh (outer, ranks, stride) over all
ranks, so all groups of a layout work at the same time, as they do in training.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """Equal groups of ranks whose neighbours are `stride` ranks apart, some of them in one node."""

    ranks: int
    stride: int
    ranks_per_node: int

    def __str__(self) -> str:
        place = "in a node" if self.ranks_per_node >= self.ranks else f"{self.ranks_per_node} a node"
        return f"{self.ranks} ranks {place}" + (f", {self.stride} apart" if self.stride > 1 else "")

    def mesh_shape(self, world: int) -> tuple[int, int, int]:
        """Outer, group and stride dimensions of all ranks."""
        return world // (self.ranks * self.stride), self.ranks, self.stride


def layouts(nodes: int, ranks_per_node: int, suite: str) -> list[Layout]:
    """The layouts of a machine: within the node, neighbouring and strided; across nodes by ranks a node and nodes."""
    widths, spans = divisors(ranks_per_node, suite), divisors(nodes, suite)
    inside = [
        Layout(ranks, stride, ranks) for ranks in widths if ranks > 1 for stride in sorted({1, ranks_per_node // ranks})
    ]
    across = [
        Layout(span * local, ranks_per_node // local, local) for local in widths for span in spans if span > 1
    ]  # fmt: skip
    return inside + across


def divisors(number: int, suite: str) -> list[int]:
    """1 and the other divisors; in the quick suite the smallest and the largest of those."""
    found = [one for one in range(2, number + 1) if number % one == 0]
    return [1, *(sorted({found[0], found[-1]}) if suite == "quick" and found else found)]
