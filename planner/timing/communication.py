"""Which collectives a part of a step's time rests on, read from its derivation, and how each is known."""

from __future__ import annotations

from planner.formula import Node
from planner.timing.fabric import Knowledge, Level, Links

PARTS = ("tensor", "context", "experts", "sharding", "pipeline", "gradients")
"""The parts of a step that are communication."""
LEVELS: tuple[Level, ...] = ("measured", "interpolated", "carried", "specification")
"""From the surest to the least sure."""
_FOLLOWED = {"over_the_step": "layer_s", "exposed": "comm_s"}
"""Formulas of which only one input is communication; the others lead to the layer's compute."""
_BY_DATA = {
    "ring_all_gather_s": "all-gather", "ring_reduce_scatter_s": "reduce-scatter",
    "ring_or_tree_all_reduce_s": "all-reduce", "direct_all_to_all_s": "all-to-all", "single_send_s": "send",
}  # fmt: skip
"""The formulas on the network's data, by name."""


def known(node: Node | None) -> list[Knowledge]:
    """How each collective behind a derived time is known, each group and collective once, also where it is hidden."""
    found: dict[str, Knowledge] = {}
    _collect(node, found, set())
    return list(found.values())


def weakest(knowledge: list[Knowledge]) -> Level | None:
    """The least sure of the levels; None where there is no communication."""
    return max((one.level for one in knowledge), key=LEVELS.index, default=None)


def is_plain(node: Node | None) -> bool:
    """The time is that of collectives alone: no compute that they hide behind enters it."""
    if node is None or node.name == "exposed":
        return False
    children = node.children
    if node.name in _FOLLOWED:
        children = {name: child for name, child in children.items() if name == _FOLLOWED[node.name]}
    return node.name in _BY_DATA or all(is_plain(child) for child in children.values())


def _collect(node: Node | None, found: dict[str, Knowledge], seen: set[int]) -> None:
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if one := _of(node):
        found[one.text] = one
        return
    followed = _FOLLOWED.get(node.name)
    for name, child in node.children.items():
        if followed in (None, name):
            _collect(child, found, seen)


def _of(node: Node) -> Knowledge | None:
    """How the collective that a node is the time of is known; None for any other node."""
    inputs = node.inputs
    if not node.value:
        return None
    if node.name in _BY_DATA:
        ranks, local = float(inputs["ranks"]), float(inputs["ranks_per_node"])
        where = f"{_BY_DATA[node.name]} over {ranks:.0f} ranks, {min(ranks, local):.0f} a node"
        return Knowledge("specification", None, f"{where}: from the network's data")
    links = inputs.get("links")
    if isinstance(links, Links):
        size, ranks, local = (float(inputs[name]) for name in ("bytes_", "ranks", "ranks_per_node"))
        return links.knowledge(inputs["operation"], size, ranks, local)
    return None
