"""Shipped (and the user's own) parts of a plan by name."""

from __future__ import annotations

from typing import Any

from planner import library
from planner.plan.cluster import Accelerator, Fabric
from planner.plan.model import Model
from planner.plan.section import part


@library.by_name("accelerators")
def accelerator(name: str, data: dict[str, Any]) -> Accelerator:
    """An accelerator by name. Raises `UnknownNameError` with the nearest known ones, `PlanError` with every mistake."""
    return part(Accelerator, data, name)


@library.by_name("fabrics")
def fabric(name: str, data: dict[str, Any]) -> Fabric:
    """A fabric by name."""
    return part(Fabric, data, name)


@library.by_name("models")
def model(name: str, data: dict[str, Any]) -> Model:
    """A model by name."""
    return part(Model, data, name)
