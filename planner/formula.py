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
import math
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, ParamSpec, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Number = float | Array
"""A scalar (one plan) or an array (one element a plan): formulas take and give either."""

P = ParamSpec("P")
R = TypeVar("R")
N = TypeVar("N", bound="float | Array")

_recording: ContextVar[bool] = ContextVar("recording_formulas", default=False)


@dataclass(frozen=True, eq=False)
class Node:
    """One step of a derivation: the formula, the numbers put in, what came out."""

    name: str
    expression: str
    source: str
    unit: str
    value: float
    inputs: dict[str, Any] = field(default_factory=dict)
    """What was put in, by parameter name: numbers, and where a formula takes one, a device or a word."""
    kind: str = "estimated"
    function: Callable[..., Any] | None = field(default=None, repr=False)
    sign: str = ""
    """The operator of plain arithmetic; empty for a formula and for a leaf."""

    @property
    def children(self) -> dict[str, Node]:
        """The inputs that are themselves derived or sourced, by parameter name."""
        return {name: value.node for name, value in self.inputs.items() if isinstance(value, Traced)}

    def recombined(self) -> float:
        """The value computed again from the recorded inputs by the formula itself."""
        if self.function is None:
            return self.value
        return float(self.function(**{name: _plain(value) for name, value in self.inputs.items()}))


class _Arithmetic(Node):
    """A step of plain arithmetic. What it is called and made of is worked out when somebody asks: an estimate has
    hundreds of such steps, and is made anew with every key."""

    def __init__(
        self, sign: str, value: float, operands: list[Any], act: Callable[..., Any], kwargs: dict[str, Any]
    ) -> None:
        self.__dict__.update(
            source="arithmetic", unit="", sign=sign, value=value, operands=operands, act=act, kwargs=kwargs
        )

    @cached_property
    def groups(self) -> list[list[Any]]:
        """The numbers that each operand brings in."""
        return [_parts(self.sign, operand) for operand in self.__dict__["operands"]]

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """By label; a second number of the same label gets a prime."""
        found: dict[str, Any] = {}
        for part in (part for group in self.groups for part in group):
            label = _label(part)
            while label in found:
                label += "′"
            found[label] = part
        return found

    @cached_property
    def expression(self) -> str:
        """With the labels put in."""
        return _written(self.sign, list(self.inputs))

    @cached_property
    def name(self) -> str:
        """The expression, shortened where it is long."""
        return self.expression if len(self.expression) <= _LONGEST_LABEL else _shortened(self.sign, self.inputs)

    def function(self, **numbers: float) -> Any:
        """The same operations in the same order: a sum of many rounds as it did."""
        values = iter(numbers.values())
        rounded = []
        for operand, group in zip(self.__dict__["operands"], self.groups, strict=True):
            mine = [next(values) for _ in group]
            node = operand.node if len(mine) > 1 else None
            rounded.append(node.function(**dict(zip(node.inputs, mine, strict=True))) if node else mine[0])
        return self.__dict__["act"](*rounded, **self.__dict__["kwargs"])


class _Applied(Node):
    """A formula with what it was given, which is put beside its parameters' names when somebody asks."""

    def __init__(self, bind: Callable[[], inspect.BoundArguments], **told: Any) -> None:
        self.__dict__.update(told, bind=bind)

    @cached_property
    def inputs(self) -> dict[str, Any]:
        """By parameter name, defaults included."""
        bound = self.__dict__["bind"]()
        bound.apply_defaults()
        return dict(bound.arguments)


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
}  # fmt: skip
_NEUTRAL = {"+": (0.0, 0.0), "−": (None, 0.0), "×": (1.0, 1.0), "÷": (None, 1.0), "^": (None, 1.0)}
"""The plain number that changes nothing, as left and as right operand: such a step is no step of a derivation."""
_LONGEST_LABEL = 48


def _step(name: str, function: Callable[..., Any], args: Any, kwargs: dict[str, Any]) -> Any:
    """The result of plain arithmetic on traced numbers, itself traced while recording and scalar.

    What changes nothing stays out of the derivation: a neutral operand, the branch not taken. Sums of sums and
    products of products are told as one."""
    result = function(*(_plain(value) for value in args), **{key: _plain(value) for key, value in kwargs.items()})
    if not _recording.get() or not _is_real_scalar(result):
        return result
    if name == "where":
        taken = args[1] if args[0] else args[2]
        return taken if isinstance(taken, Traced) else _constant(float(result))
    sign = _SIGNS.get(name, name)
    operands = [float(value) if _is_constant(value) else value for value in args]
    if not any(isinstance(value, Traced) for value in operands):
        return _constant(float(result))
    folded = _folded(sign, operands) if len(operands) == 2 else None
    if folded is not None:
        return folded
    value = float(result)
    return Traced(value, _Arithmetic(sign, value, operands, function, kwargs))


def _folded(sign: str, operands: list[Any]) -> Traced | None:
    """What is left of a step where one operand is a plain number that changes nothing, or a plain 0 that ends it."""
    (left, right), (before, after) = operands, _NEUTRAL.get(sign, (None, None))
    if not isinstance(right, Traced) and right == after:
        return left  # type: ignore[no-any-return]
    if not isinstance(left, Traced) and left == before:
        return right  # type: ignore[no-any-return]
    ends = (sign in ("×", "÷") and not isinstance(left, Traced) and left == 0) or (
        sign == "×" and not isinstance(right, Traced) and right == 0
    )
    finite = all(math.isfinite(float(value)) for value in operands) and not (sign == "÷" and right == 0)
    return _constant(0.0) if ends and finite else None


def _is_real_scalar(value: Any) -> bool:
    """One real number: no array, no truth value, no count of dimensions."""
    return isinstance(value, float) or bool(np.ndim(value) == 0 and np.asarray(value).dtype.kind == "f")


def _constant(value: float) -> Traced:
    label = f"{value:.6g}"
    return Traced(value, Node(label, label, "does not occur in this plan" if value == 0 else "constant", "", value))


def _is_constant(value: Any) -> bool:
    """A number without a history: a literal of the code, or the outcome of a choice between literals."""
    return not isinstance(value, Traced) or value.node.source in ("constant", "does not occur in this plan")


def _parts(sign: str, value: Any) -> list[Any]:
    """The terms of a sum inside a sum, the factors of a product inside a product; else the number itself."""
    joined = sign in ("+", "×") and isinstance(value, Traced) and value.node.sign == sign
    return list(value.node.inputs.values()) if joined else [value]


def _label(value: Any) -> str:
    return value.node.name if isinstance(value, Traced) else f"{value:.6g}"


def _shortened(sign: str, inputs: dict[str, Any]) -> str:
    """A long expression's name: the first name in it, the sign, and that there is more."""
    node = next(value.node for value in inputs.values() if isinstance(value, Traced))
    while node.sign:
        node = next(value.node for value in node.inputs.values() if isinstance(value, Traced))
    return f"{sign}({node.name}, …)" if len(sign) > 1 else f"{node.name} {sign} …"


def _written(sign: str, labels: list[str]) -> str:
    """`(a + b) × c`, `max(a, b)` from the operator and its operands' labels."""
    if len(sign) > 1:
        return f"{sign}({', '.join(labels)})"
    loose = {"×": "+−", "÷": "+−×÷", "−": "+−", "^": "+−×÷^"}.get(sign, "")
    shown = [f"({label})" if any(f" {mark} " in _outside(label) for mark in loose) else label for label in labels]
    return f" {sign} ".join(shown)


def _outside(label: str) -> str:
    """A label without what stands in brackets."""
    depth, kept = 0, ""
    for character in label:
        depth += character == "("
        kept += "" if depth else character
        depth -= character == ")"
    return kept


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


def given(name: str, value: N, *, unit: str = "", source: str, kind: str = "assumed") -> N:
    """A leaf of a derivation: an input of the plan, a data-sheet value, a measured number. Arrays pass untouched."""
    if not _recording.get() or isinstance(value, Traced) or not np.isscalar(value):
        return value
    number = float(cast(float, value))
    return Traced(number, Node(name, name, source, unit, number, kind=kind))  # type: ignore[return-value]


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
                result: Any = cast(Any, function)(*plain, **{key: _plain(value) for key, value in kwargs.items()})
            finally:
                _recording.reset(token)
            if np.ndim(result):
                return cast(R, result)
            value = float(result)
            node = _Applied(
                functools.partial(signature.bind, *args, **kwargs), name=function.__name__, expression=expression,
                source=source, unit=unit, value=value, function=function,
            )  # fmt: skip
            return Traced(value, node)  # type: ignore[return-value]

        call.expression = expression  # type: ignore[attr-defined]
        call.unit = unit  # type: ignore[attr-defined]
        call.source = source  # type: ignore[attr-defined]
        return call

    return mark


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Traced) else value
