"""Formulas that explain themselves.

A formula is a pure function of named numbers, floats or NumPy arrays alike, marked with `@formula`. Called as usual
it costs nothing more than the call. Inside `recording()` every scalar result is a `Traced` float that remembers the
formula and the numbers it was given; numbers that came out of another formula keep their own memory, so the whole
derivation of a figure hangs together and is told by the code that computed it, never by a second account of it.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Number = float | Array
"""A scalar (one plan) or an array (one element a plan): formulas take and give either."""

P = ParamSpec("P")
R = TypeVar("R")

_recording: ContextVar[bool] = ContextVar("recording_formulas", default=False)


@dataclass(frozen=True, eq=False)
class Node:
    """One step of a derivation: the formula, the numbers put in, what came out."""

    name: str
    expression: str
    source: str
    unit: str
    value: float
    inputs: dict[str, float] = field(default_factory=dict)
    kind: str = "estimated"
    function: Callable[..., Any] | None = field(default=None, repr=False)

    @property
    def children(self) -> dict[str, Node]:
        """The inputs that are themselves derived or sourced, by parameter name."""
        return {name: value.node for name, value in self.inputs.items() if isinstance(value, Traced)}

    def recombined(self) -> float:
        """The value computed again from the recorded inputs by the formula itself."""
        if self.function is None:
            return self.value
        return float(self.function(**{name: _plain(value) for name, value in self.inputs.items()}))


class Traced(float):
    """A float that remembers where it came from."""

    node: Node

    def __new__(cls, value: float, node: Node) -> Traced:
        traced = super().__new__(cls, value)
        traced.node = node
        return traced

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)


@contextmanager
def recording() -> Iterator[None]:
    """Within this context formulas on scalars return `Traced` floats."""
    token = _recording.set(True)
    try:
        yield
    finally:
        _recording.reset(token)


def given(name: str, value: float, *, unit: str = "", source: str, kind: str = "assumed") -> float:
    """A leaf of a derivation: an input of the plan, a data-sheet value, a measured number. Arrays pass untouched."""
    if not _recording.get() or isinstance(value, Traced) or not np.isscalar(value):
        return value
    return Traced(float(value), Node(name, name, source, unit, float(value), kind=kind))


def formula(expression: str, *, unit: str, source: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Mark a pure function as a formula.

    expression: the formula in symbols, as a reader of the field would write it; unit: of the result; source: paper
    and equation, or the derivation in a few words.
    """

    def mark(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            result = function(*args, **kwargs)
            if not _recording.get() or getattr(result, "ndim", 0):
                return result
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            node = Node(
                function.__name__, expression, source, unit, float(result), dict(bound.arguments), function=function
            )
            return Traced(float(result), node)  # type: ignore[return-value, arg-type]

        call.expression = expression  # type: ignore[attr-defined]
        call.unit = unit  # type: ignore[attr-defined]
        call.source = source  # type: ignore[attr-defined]
        return call

    return mark


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Traced) else value
