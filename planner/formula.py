"""Formulas that explain themselves.

A formula is a pure function of named numbers, floats or NumPy arrays alike, marked with `@formula`. Called as usual
it costs nothing more than the call. Inside `recording()` every scalar result is a `Traced` float that remembers the
formula and the numbers it was given. A `Traced` number also remembers the plain arithmetic it goes through between
formulas (+ − × ÷, maximum, where …), so the whole derivation of a figure hangs together from the plan's inputs to the
screen, told by the code that computed it and never by a second account of it.
"""

from __future__ import annotations

import functools
import inspect
import operator
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
    """A float that remembers where it came from, through arithmetic and NumPy's elementwise functions."""

    node: Node

    def __new__(cls, value: float, node: Node) -> Traced:
        traced = super().__new__(cls, value)
        traced.node = node
        return traced

    def __reduce__(self) -> tuple[type[float], tuple[float]]:
        return float, (float(self),)

    def __getitem__(self, index: tuple[()]) -> Traced:
        """`x[()]`, which turns NumPy's 0-d arrays into scalars, leaves a scalar as it is."""
        return self

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return _step(ufunc.__name__, getattr(ufunc, method), inputs, kwargs)

    def __array_function__(self, function: Callable[..., Any], types: Any, args: Any, kwargs: Any) -> Any:
        return _step(function.__name__, function, args, kwargs)


_OPERATORS = {
    "add": operator.add, "sub": operator.sub, "mul": operator.mul, "truediv": operator.truediv,
    "pow": operator.pow, "floordiv": operator.floordiv,
}  # fmt: skip
_SIGNS = {
    "add": "+", "sub": "−", "mul": "×", "truediv": "÷", "pow": "^", "floordiv": "÷",
    "subtract": "−", "multiply": "×", "divide": "÷", "power": "^", "maximum": "max", "minimum": "min",
    "where": "if", "ceil": "ceil", "floor": "floor", "clip": "clip",
}  # fmt: skip


def _step(name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """The result of plain arithmetic on traced numbers, itself traced while recording and scalar."""
    result = function(*(_plain(value) for value in args), **{key: _plain(value) for key, value in kwargs.items()})
    if not _recording.get() or np.ndim(result) or isinstance(result, tuple) or name not in _SIGNS:
        return result
    inputs: dict[str, float] = {}
    for value in args:
        label = value.node.name if isinstance(value, Traced) else f"{float(value):.6g}"
        while label in inputs:
            label += "′"
        inputs[label] = value
    expression = _written(_SIGNS[name], list(inputs))
    label = expression if len(expression) <= _LONGEST_LABEL else f"{_SIGNS[name]} …"

    def again(**numbers: float) -> Any:
        return function(*numbers.values(), **kwargs)

    return Traced(float(result), Node(label, expression, "arithmetic", "", float(result), inputs, function=again))


_LONGEST_LABEL = 48


def _written(sign: str, labels: list[str]) -> str:
    """`(a + b) × c`, `max(a, b)`, `b if a else c` from the operator and its operands' labels."""
    if sign == "if":
        return f"{labels[1]} if {labels[0]} else {labels[2]}"
    if len(sign) > 1:
        return f"{sign}({', '.join(labels)})"
    loose = {"×": " + | − ", "÷": " + | − | × | ÷ ", "−": " − | + ", "^": " "}.get(sign, "|")
    shown = [f"({label})" if any(mark in label for mark in loose.split("|") if mark) else label for label in labels]
    return f" {sign} ".join(shown)


def _operate(name: str, function: Callable[[Any, Any], Any], *, reflected: bool) -> Callable[[Traced, Any], Any]:
    def method(self: Traced, other: Any) -> Any:
        if isinstance(other, np.ndarray) and other.ndim:
            return function(other, float(self)) if reflected else function(float(self), other)
        if not isinstance(other, float | int | np.generic):
            return NotImplemented
        return _step(name, function, (other, self) if reflected else (self, other), {})

    return method


for _name, _function in _OPERATORS.items():
    setattr(Traced, f"__{_name}__", _operate(_name, _function, reflected=False))
    setattr(Traced, f"__r{_name}__", _operate(_name, _function, reflected=True))


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
            if not _recording.get():
                return function(*args, **kwargs)
            plain = [_plain(value) for value in args]
            token = _recording.set(False)
            try:
                result = function(*plain, **{key: _plain(value) for key, value in kwargs.items()})  # type: ignore[arg-type]
            finally:
                _recording.reset(token)
            if np.ndim(result):  # type: ignore[arg-type]
                return result
            bound = signature.bind(*args, **kwargs)
            bound.apply_defaults()
            value = float(result)  # type: ignore[arg-type]
            inputs = dict(bound.arguments)
            return Traced(value, Node(function.__name__, expression, source, unit, value, inputs, function=function))  # type: ignore[return-value]

        call.expression = expression  # type: ignore[attr-defined]
        call.unit = unit  # type: ignore[attr-defined]
        call.source = source  # type: ignore[attr-defined]
        return call

    return mark


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Traced) else value
