"""What would change a figure: each number put in made a tenth larger by itself, and the derivation computed again.

The same functions on the same numbers but one, so a switch (a maximum, a branch) answers as it would. Constants that a
formula is handed as a set (of the device, of the links) stay as they are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from planner.formula import Node, Traced
from planner.units import show_change

SHARE = 0.10
LEAST = 0.0005
"""A smaller change is none on the screen."""
TOGETHER = (
    "gpus", "nodes", "gpus_per_node", "tp", "pp", "cp", "dp", "ep", "zero_group", "zero_stage", "virtual_stages",
)  # fmt: skip
"""The layout's degrees and the cluster's size change together only, as Search and Compare change them."""
STRUCTURE = ("ffn_matrices", "norm_vectors")
"""Counts that the architecture fixes."""
NO_INPUT = ("constant", "does not occur in this plan", "arithmetic", "definition")


@dataclass(frozen=True)
class Influence:
    """One number put in, and what a tenth more of it does to the figure (a share)."""

    name: str
    ratio: float

    @property
    def text(self) -> str:
        """`tokens +10.0 %`."""
        return f"{self.name.replace('_', ' ')} {show_change(self.ratio)}"


def influences(root: Node | None) -> list[Influence]:
    """Every number put in that changes the figure, the strongest first; empty for a figure without a derivation."""
    if root is None or not root.value or not math.isfinite(root.value):
        return []
    order = _children_first(root)
    groups: dict[tuple[str, float], list[Node]] = {}
    for node in order:
        if _is_input(node):
            name = "layers" if node.name == "dense_layers" else node.name  # all of them, in a dense model
            groups.setdefault((name, node.value), []).append(node)
    found = []
    for (name, _), leaves in groups.items():
        value = _again(order, {id(leaf): leaf.value * (1 + SHARE) for leaf in leaves}).get(id(root), root.value)
        ratio = value / root.value - 1
        if math.isfinite(ratio) and abs(ratio) >= LEAST and not any(leaf is root for leaf in leaves):
            found.append(Influence(name, ratio))
    return sorted(found, key=lambda one: -abs(one.ratio))


def _is_input(node: Node) -> bool:
    """A leaf that somebody stated: no constant of the code, no flag, none of the degrees that change together."""
    if node.function is not None or node.name in (*TOGETHER, *STRUCTURE) or node.source in NO_INPUT:
        return False
    return bool(node.value) and math.isfinite(node.value) and not (node.value == 1 and not node.unit)


def _children_first(root: Node) -> list[Node]:
    order: list[Node] = []
    seen: set[int] = set()
    waiting: list[tuple[Node, bool]] = [(root, False)]
    while waiting:
        node, is_done = waiting.pop()
        if is_done:
            order.append(node)
        elif id(node) not in seen:
            seen.add(id(node))
            waiting.append((node, True))
            waiting += [(child, False) for child in node.children.values()]
    return order


def _again(order: list[Node], changed: dict[int, float]) -> dict[int, float]:
    """The values of all nodes that follow from the changed ones."""
    for node in order:
        inputs = node.inputs
        if node.function is None or not any(_id(value) in changed for value in inputs.values()):
            continue
        given = {
            name: changed.get(_id(value), float(value)) if isinstance(value, Traced) else value
            for name, value in inputs.items()
        }
        changed[id(node)] = float(node.function(**given))
    return changed


def _id(value: Any) -> int:
    return id(value.node) if isinstance(value, Traced) else 0
