"""The derivation of a figure as rows for a tree and as Markdown; no Qt, no arithmetic."""

from __future__ import annotations

import re
from dataclasses import dataclass, is_dataclass
from typing import TYPE_CHECKING, Any

from planner import units

if TYPE_CHECKING:
    from planner.estimate import Figure
    from planner.formula import Node

DEEPEST = 12


@dataclass(frozen=True)
class Step:
    """One line of a derivation: its name where it is used, and the node that computed it (None: a plain input)."""

    name: str
    text: str
    node: Node | None

    @property
    def children(self) -> list[Step]:
        """What was put in, derived or plain."""
        if self.node is None:
            return []
        children = self.node.children
        return [step(name, children.get(name), value) for name, value in self.node.inputs.items()]


def step(name: str, node: Node | None, value: Any = None) -> Step:
    """A line for a node, or for a plain input."""
    if node is not None:
        return Step(words(name), units.show(node.value, node.unit, 4), node)
    return Step(words(name), plain(value), None)


def root(figure: Figure) -> Step:
    """The figure itself as the first line."""
    return Step(figure.label, figure.text, figure.node)


def words(name: str) -> str:
    """A parameter's name as words; the unit at its end stands beside the value already."""
    return re.sub(r"(?<!_per)_(s|w|usd|kwh|kg|bytes)$", "", name).replace("_", " ")


def plain(value: Any) -> str:
    """An input as it is read: a number with separators, a word, or what a set of constants is called."""
    if is_dataclass(value):
        return f"constants of the {type(value).__name__.lower()}"
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:.6g}"


def inputs_line(node: Node) -> str:
    """The numbers put into a formula: `layers = 32, hidden = 4,096`."""
    return ",  ".join(f"{child.name} = {child.text}" for child in step("", node).children)


def markdown(figure: Figure) -> str:
    """The whole derivation, ready to paste into an issue or a note."""
    band = f" ({figure.band_text})" if figure.band_text else ""
    lines = [
        f"### {figure.label}: {figure.text}{band}",
        "",
        f"{figure.kind.capitalize()}. {_once(figure.formula, figure.source)}",
        "",
    ]
    if figure.node is not None:
        _nest(root(figure), 0, lines, set())
    return "\n".join(lines) + "\n"


def _nest(line: Step, depth: int, lines: list[str], told_before: set[int]) -> None:
    """A step with its own steps; one that several use is derived where it first stands."""
    told = _once(line.node.expression, line.node.source) if line.node else ""
    is_known = id(line.node) in told_before and bool(line.children)
    told = "derived above" if is_known else told
    lines.append(f"{'  ' * depth}- **{line.name}** = {line.text}{f'  —  {told}' if told else ''}")
    if depth < DEEPEST and not is_known:
        told_before.add(id(line.node))
        for child in line.children:
            _nest(child, depth + 1, lines, told_before)


def _once(expression: str, source: str) -> str:
    return f"`{expression}` ({source})" if expression and source else f"`{expression}`" if expression else source
