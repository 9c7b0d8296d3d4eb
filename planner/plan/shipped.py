"""Shipped (and the user's own) parts of a plan by name."""

from __future__ import annotations

from typing import Any

from planner import library
from planner.plan.cluster import Accelerator, Fabric
from planner.plan.model import Model


@library.by_name("accelerators")
def accelerator(name: str, data: dict[str, Any]) -> Accelerator:
    """An accelerator by name. Raises `UnknownNameError` with the nearest known ones."""
    return Accelerator.model_validate(data)


@library.by_name("fabrics")
def fabric(name: str, data: dict[str, Any]) -> Fabric:
    """A fabric by name."""
    return Fabric.model_validate(data)


@library.by_name("models")
def model(name: str, data: dict[str, Any]) -> Model:
    """A model by name."""
    return Model.model_validate(data)
