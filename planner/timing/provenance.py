"""How a device is known, in one of three kinds that are told apart wherever it is named.

Measured by this program: a profile of the very device, made by `profile`. Fitted from published kernel tables: the
constants of `profiles/devices/`. Data sheet only: its peaks, with the constants of a like device or the general ones.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from planner.plan.cluster import Accelerator

Kind = Literal["measured by this program", "fitted from published kernel tables", "data sheet only"]
MEASURED: Kind = "measured by this program"
PUBLISHED: Kind = "fitted from published kernel tables"
DATA_SHEET: Kind = "data sheet only"


@dataclass(frozen=True)
class Provenance:
    """One of the three kinds, with its source and the source's date."""

    kind: Kind
    source: str
    as_of: str

    def __str__(self) -> str:
        date = "" if self.as_of in self.source else self.as_of
        told = ", ".join(filter(None, (self.source, date)))
        return f"{self.kind} ({told})" if told else self.kind


def shipped(accelerator: Accelerator, file: Mapping[str, Any] | None) -> Provenance:
    """Of a device without a profile; `file`: its own of `profiles/devices/`, if there is one."""
    if file is None:
        return Provenance(DATA_SHEET, accelerator.source, accelerator.as_of)
    return Provenance(PUBLISHED, file.get("tables", ""), file.get("tables_as_of", ""))


def measured(name: str, created: str) -> Provenance:
    """Of a device with a profile, made at an ISO 8601 time."""
    return Provenance(MEASURED, f"profile {name or 'without a name'}", created[:10])
