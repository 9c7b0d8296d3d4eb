"""One number as a reader meets it: with unit, 80 % band, kind, source and derivation."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from planner import units
from planner.formula import Node, Traced

Kind = Literal["measured", "calibrated", "estimated", "published", "assumed"]


@dataclass(frozen=True)
class Figure:
    """One number of an estimate, with everything a reader may ask of it."""

    key: str
    label: str
    value: float
    unit: str
    low: float | None
    high: float | None
    kind: Kind
    formula: str
    source: str
    node: Node | None

    @classmethod
    def of(
        cls, key: str, label: str, value: Any, unit: str, interval: tuple[float | None, float | None] = (None, None),
        kind: Kind = "estimated", source: str = "",
    ) -> Figure:  # fmt: skip
        """Of a number with the derivation that it remembers; of a plain one with `source` as its only step."""
        node = value.node if isinstance(value, Traced) else None
        if node is None and source:
            node = Node(label, "", source, unit, float(value), kind=kind)
        told = (node.expression, node.source) if node is not None else ("", "")
        return cls(key, label, float(value), unit, *interval, kind, told[0], source or told[1], node)

    @property
    def section(self) -> str:
        """The part of the report it stands in: work, memory, time, money or energy."""
        return self.key.partition(".")[0]

    @property
    def text(self) -> str:
        """The value as the screen shows it."""
        return units.show(self.value, self.unit)

    @property
    def band_text(self) -> str:
        """The 80 % band as the screen shows it, empty for exact counts."""
        if self.low is None or self.high is None or math.isnan(self.value):
            return ""
        return f"{units.show(self.low, self.unit)} – {units.show(self.high, self.unit)}"
