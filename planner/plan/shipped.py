"""Shipped (and the user's own) parts of a plan by name."""

from __future__ import annotations

from functools import cache

from planner import library
from planner.plan.cluster import Accelerator, Fabric
from planner.plan.model import Model


@cache
def accelerator(name: str) -> Accelerator:
    """An accelerator by name. Raises `UnknownNameError` with the nearest known ones."""
    return Accelerator.model_validate(library.read("accelerators", name))


@cache
def fabric(name: str) -> Fabric:
    """A fabric by name."""
    return Fabric.model_validate(library.read("fabrics", name))


@cache
def model(name: str) -> Model:
    """A model by name."""
    return Model.model_validate(library.read("models", name))
