"""Trainplan's planner: from a training plan to time, memory, money and perplexity. No Qt, and torch only to measure.

In a notebook or a script: `from planner import Plan, estimate, frame, load, profile, search`. Each is loaded when it is
asked for, so that importing the package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.estimate import estimate
    from planner.notebook import frame, plans, profile
    from planner.plan.file import load
    from planner.plan.plan import Plan
    from planner.search import search

__version__ = "0.1.0"

__all__ = ["Plan", "__version__", "estimate", "frame", "load", "plans", "profile", "search"]

_HOMES = {
    "Plan": "planner.plan.plan", "load": "planner.plan.file", "frame": "planner.notebook", "plans": "planner.notebook",
    "profile": "planner.notebook",
}  # fmt: skip


def __getattr__(name: str) -> Any:
    """An entry point, imported when it is first asked for; `estimate` and `search` are modules that can be called."""
    import importlib

    if name in ("estimate", "search"):
        return importlib.import_module(f"planner.{name}")
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
