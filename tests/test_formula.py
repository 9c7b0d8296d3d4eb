"""Formulas that explain themselves, and the plain arithmetic between them."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from hypothesis import given as fuzzed
from hypothesis import strategies as st

from planner.formula import Node, Number, Traced, formula, given, recording


@formula("a·b", unit="m²", source="Euclid I.35")
def area(a: Number, b: Number = 2.0) -> Number:
    return a * b


@formula("max(0, a − b)", unit="m", source="definition")
def excess(a: Number, b: Number) -> Number:
    return np.maximum(0.0, a - b)


def leaf(name: str, value: float) -> float:
    return given(name, value, source="the test")


def node_of(value: object) -> Node:
    assert isinstance(value, Traced)
    return value.node


def test_a_formula_outside_a_recording_is_the_plain_function() -> None:
    assert type(area(3.0)) is float
    assert not isinstance(area(3.0), Traced)
    np.testing.assert_array_equal(area(np.array([1.0, 2.0]), 3.0), [3.0, 6.0])


def test_a_formula_remembers_expression_source_unit_and_the_numbers_put_in_defaults_included() -> None:
    with recording():
        node = node_of(area(leaf("width", 3.0)))
    assert (node.name, node.expression, node.source, node.unit) == ("area", "a·b", "Euclid I.35", "m²")
    assert node.inputs == {"a": 3.0, "b": 2.0}
    assert node.children["a"].name == "width" and node.children["a"].source == "the test"
    assert node.recombined() == node.value == 6.0


def test_a_formula_called_by_a_formula_is_part_of_it_and_recording_goes_on_afterwards() -> None:
    @formula("area·c", unit="m³", source="Euclid XI.32")
    def volume(a: Number, b: Number, c: Number) -> Number:
        return area(a, b) * c

    with recording():
        node = node_of(volume(leaf("width", 3.0), 4.0, 5.0))
        after = area(1.0)
    assert node.value == 60 and list(node.children) == ["a"]
    assert isinstance(after, Traced)


def test_a_formula_that_fails_leaves_recording_as_it_was() -> None:
    @formula("1/a", unit="", source="")
    def inverse(a: float) -> float:
        return 1 / a

    with recording():
        with pytest.raises(ZeroDivisionError):
            inverse(leaf("zero", 0.0))
        assert isinstance(area(1.0), Traced)


def test_arrays_pass_a_recording_untraced() -> None:
    values = np.array([1.0, 2.0, 3.0])
    with recording():
        result = area(values, leaf("width", 2.0)) + leaf("more", 1.0)
        assert given("x", values, source="") is values  # type: ignore[arg-type]
    assert type(result) is np.ndarray
    np.testing.assert_array_equal(result, [3.0, 5.0, 7.0])


def test_arithmetic_between_formulas_is_told_by_the_names_of_its_operands() -> None:
    with recording():
        a, b, c = leaf("apples", 2.0), leaf("bananas", 3.0), leaf("cherries", 4.0)
        told = {
            a + b: "apples + bananas",
            (a + b) * c: "(apples + bananas) × cherries",
            a * b + c * 7: "apples × bananas + cherries × 7",
            a - (b - c): "apples − (bananas − cherries)",
            1 - a / b: "1 − apples ÷ bananas",
            a**2.0: "apples ^ 2",
            np.maximum(a, b) * c: "max(apples, bananas) × cherries",
            np.ceil(a / b): "ceil(apples ÷ bananas)",
            np.sqrt(a): "sqrt(apples)",
        }
    for value, expression in told.items():
        assert node_of(value).expression == expression


def test_sums_of_sums_and_products_of_products_are_one_step() -> None:
    with recording():
        a, b, c, d = (leaf(name, value) for name, value in zip("abcd", (0.1, 0.2, 0.3, 0.4), strict=True))
        total, product = (a + b) + (c + d), a * (b * c) * 2
    assert node_of(total).expression == "a + b + c + d"
    assert node_of(product).expression == "a × b × c × 2"
    assert node_of(total).recombined() == (0.1 + 0.2) + (0.3 + 0.4)
    assert node_of(product).recombined() == 0.1 * (0.2 * 0.3) * 2


def test_what_changes_nothing_is_no_step_of_a_derivation() -> None:
    with recording():
        a = leaf("a", 5.0)
        kept = [
            a + 0,
            0 + a,
            a * 1,
            1.0 * a,
            a / 1,
            a - 0.0,
            a**1,
            sum([a]),
            a + (a > 9) * a,
            np.where(a > 3, a, 7.0)[()],
        ]
        not_taken = np.where(a > 9, a, 7.0)[()]
    assert all(value is a for value in kept)
    assert not_taken == 7 and node_of(not_taken).expression == "7"


def test_what_does_not_occur_says_so() -> None:
    with recording():
        nothing = 0.0 * leaf("layers", 5.0)
    assert nothing == 0 and "not occur" in node_of(nothing).source


def test_zero_times_infinity_is_not_called_zero() -> None:
    with recording():
        assert math.isnan(0.0 * leaf("endless", math.inf))


def test_an_input_that_occurs_twice_is_named_twice() -> None:
    with recording():
        first, second = area(leaf("w", 2.0)), area(leaf("w", 3.0))
        node = node_of(first + second)
    assert list(node.inputs.values()) == [4.0, 6.0] and len(node.inputs) == 2


def test_a_long_derivation_keeps_short_readable_labels() -> None:
    with recording():
        value = leaf("the first of many long names", 1.0)
        for i in range(30):
            value = (value + leaf(f"another long name {i}", float(i))) * 1.5
    node = node_of(value)
    while node.children:
        assert len(node.name) <= 48
        assert not node.name.startswith(("×", "+", "−", "÷", "if"))
        node = next(iter(node.children.values()))


def test_a_traced_number_is_a_float_to_everyone_else() -> None:
    with recording():
        value = area(leaf("w", 3.0))
    assert value == 6.0 and f"{value:.1f}" == "6.0" and hash(value) == hash(6.0)
    assert type(pickle.loads(pickle.dumps(value))) is float
    assert not isinstance(value + 1, Traced)  # recording is over


def test_comparisons_and_tests_of_traced_numbers_are_truth_values() -> None:
    with recording():
        a = leaf("a", 2.0)
        assert (a > 1) is True and bool(np.isnan(a)) is False and np.isfinite(a)
        assert np.ndim(a) == 0


finite = st.floats(min_value=-1e6, max_value=1e6, allow_nan=False).filter(lambda x: x == 0 or abs(x) > 1e-6)
operations = st.sampled_from(["+", "-", "*", "/", "max", "min", "where", "excess"])


@fuzzed(
    st.lists(finite, min_size=2, max_size=12),
    st.lists(operations, min_size=1, max_size=11),
    st.lists(st.booleans(), min_size=12, max_size=12),
)
def test_a_recorded_calculation_gives_the_same_number_and_every_node_recombines_to_its_value(
    numbers: list[float], signs: list[str], named: list[bool]
) -> None:
    def run(values: list[float]) -> float:
        result = values[0]
        for value, sign in zip(values[1:], signs, strict=False):
            match sign:
                case "+":
                    result = result + value
                case "-":
                    result = value - result
                case "*":
                    result = result * value
                case "/":
                    result = result / value if value else result
                case "max":
                    result = np.maximum(result, value)
                case "min":
                    result = np.minimum(value, result)
                case "where":
                    result = np.where(result > value, result, value)[()]
                case _:
                    result = excess(result, value)
        return result

    plain = run(numbers)
    with recording():
        traced = run(
            [leaf(f"x{i}", x) if is_named else x for i, (x, is_named) in enumerate(zip(numbers, named, strict=False))]
        )
    assert float(traced) == float(plain)
    waiting = [traced.node] if isinstance(traced, Traced) else []
    while waiting:
        node = waiting.pop()
        assert node.recombined() == node.value
        waiting.extend(node.children.values())
