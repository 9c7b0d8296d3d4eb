"""How sure measured efficiencies are on another GPU: bands found between devices that were both measured.

`benchmarks/carry_kernels.py` predicts the published kernels of each GPU from every other's constants on its own data
sheet and writes `profiles/carried.json`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

from planner import library
from planner.plan.cluster import Accelerator
from planner.timing.device import family


@dataclass(frozen=True)
class Carrying:
    """Relative half-widths (80 %) of kernels carried from one GPU to another."""

    products: float
    attention: float


def carrying(origin: Accelerator, target: Accelerator, precision: str) -> Carrying:
    """The bands from the one to the other: wider between families. Products in fewer than 16 bits have their own."""
    relation = "within a family" if family(origin) == family(target) else "between families"
    products = "matmul fp8" if precision in ("fp8", "mxfp8", "nvfp4") else "matmul bf16"
    bands = table()["bands"]
    return Carrying(float(bands[products][relation]), float(bands["attention bf16"][relation]))


@cache
def table() -> dict[str, Any]:
    """The bands, and the error of each pair of GPUs, with their source and date."""
    return library.read_json(library.SHIPPED / "carried.json")
