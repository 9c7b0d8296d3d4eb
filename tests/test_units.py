"""Quantities as people write them, and as the screen shows them."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from planner import units
from planner.errors import InputError


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("2T", "tokens", 2e12),
        ("2 trillion", "tokens", 2e12),
        ("2,000,000,000,000", "tokens", 2e12),
        ("7B", "", 7e9),
        ("4k", "tokens", 4000),
        ("1_024", "", 1024),
        ("80 GiB", "B", 80 * 2**30),
        ("80 GB", "B", 80e9),
        ("312 TFLOP/s", "FLOP/s", 312e12),
        ("989.5 TFLOPS", "FLOP/s", 989.5e12),
        ("200 Gb/s", "bit/s", 200e9),
        ("25 GB/s", "bit/s", 200e9),
        ("200 Gbps", "B/s", 25e9),
        ("2 TB/s", "B/s", 2e12),
        ("$4/h", "USD/h", 4),
        ("$2M", "USD", 2e6),
        ("90 days", "s", 90 * 86400),
        ("1.5h", "s", 5400),
        ("12 ms", "s", 0.012),
        ("25%", "fraction", 0.25),
        ("0.25", "fraction", 0.25),
        ("385 g/kWh", "kg/kWh", 0.385),
        ("1 MWh", "kWh", 1000),
        ("1e24", "FLOP", 1e24),
        ("  42 ", "", 42),
        ("−3", "", -3),
    ],
)
def test_a_quantity_is_read_as_an_engineer_means_it(text: str, unit: str, value: float) -> None:
    assert units.parse(text, unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "unit"),
    [("", ""), ("seven", ""), ("nan", ""), ("inf", ""), ("7 apples", ""), ("80 GiB", "s"), ("1e999", ""), ("--5", "")],
)
def test_what_is_no_quantity_is_quoted_with_an_example(text: str, unit: str) -> None:
    with pytest.raises(InputError, match="write it like") as caught:
        units.parse(text, unit)
    assert repr(text) in str(caught.value)


def test_a_number_of_a_million_digits_is_refused_in_a_short_message() -> None:
    with pytest.raises(InputError, match="too long") as caught:
        units.parse("9" * 1_000_000, "tokens")
    assert len(str(caught.value)) < 200


def test_time_bytes_and_money_are_shown_in_the_unit_a_reader_expects() -> None:
    shown = {
        units.show(21.4 * 86400, "s"): "21.4 days",
        units.show(0.0123, "s"): "12.3 ms",
        units.show(0, "s"): "0 s",
        units.show(80 * 2**30, "B"): "80.0 GiB",
        units.show(3.7e6, "USD"): "$3.70M",
        units.show(-3.7e6, "USD"): "-$3.70M",
        units.show(4, "USD/h"): "$4.00/h",
        units.show(0.43, "fraction"): "43.0 %",
        units.show(0.4567, "fraction"): "45.7 %",
        units.show(291420, "kg"): "291 t",
        units.show(12.5, "kg"): "12.5 kg",
        units.show(1720320, "GPU-hours"): "1,720,320",
        units.show(68976648192, "parameters"): "69.0B parameters",
        units.show(312e12, "FLOP/s"): "312 TFLOP/s",
        units.show(1.72e6, "kWh"): "1.72 GWh",
        units.show(math.nan, "USD"): "unknown",
        units.show(999_999, "USD"): "$1.00M",
        units.show(409.97, "USD"): "$410",
        units.show(80, "layers"): "80 layers",
        units.show(9_990, "tokens"): "9,990 tokens",
        units.show(1.3, "s"): "1.30 s",
    }
    assert {text.replace("\N{NO-BREAK SPACE}", " "): wanted for text, wanted in shown.items()} == {
        wanted: wanted for wanted in shown.values()
    }


def test_an_infinite_quantity_is_shown_as_such() -> None:
    for unit in ("s", "B", "USD", "fraction", "tokens", "FLOP/s", "kg", "kWh", "GPU-hours", "W"):
        assert "∞" in units.show(math.inf, unit)


ROUND_TRIP_UNITS = ("s", "B", "USD", "USD/h", "FLOP/s", "FLOP", "tokens", "fraction", "W", "GPU-hours", "kWh", "kg", "")


@given(
    value=st.floats(min_value=1e-2, max_value=1e20, allow_nan=False, allow_infinity=False),
    unit=st.sampled_from(ROUND_TRIP_UNITS),
)
@example(value=999.9, unit="s")
@example(value=1023.99, unit="B")
@example(value=999_999.0, unit="USD")
@example(value=9_999.6, unit="tokens")
def test_what_is_shown_reads_back_as_the_same_number_to_the_digits_shown(value: float, unit: str) -> None:
    shown = units.show(value, unit)
    read = units.parse(shown, unit)
    absolute = 0.5 if unit in ("B", "GPU-hours") else 0.005 if unit == "USD/h" else 0
    assert read == pytest.approx(value, rel=6e-3, abs=absolute)


@given(value=st.floats(min_value=1e-2, max_value=1e15), factor=st.sampled_from([1.0, 2.0, 10.0]))
def test_a_larger_number_of_bytes_never_reads_as_a_smaller_one(value: float, factor: float) -> None:
    larger = units.parse(units.show(value * factor, "B"), "B")
    assert larger >= units.parse(units.show(value, "B"), "B")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=100), st.sampled_from([*ROUND_TRIP_UNITS, "bit/s", "kg/kWh", "%"]))
def test_any_text_is_either_a_finite_number_or_an_input_error(text: str, unit: str) -> None:
    try:
        value = units.parse(text, unit)
    except InputError as error:
        assert len(str(error)) < 300
    else:
        assert math.isfinite(value)


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0.12, "+12.0\N{NO-BREAK SPACE}%"), (-0.045, "−4.5\N{NO-BREAK SPACE}%"), (1.5, "+150.0\N{NO-BREAK SPACE}%"),
        (2.0, "×\N{NO-BREAK SPACE}3.00"),
        (6393.617, "×\N{NO-BREAK SPACE}6,395"), (-0.975, "÷\N{NO-BREAK SPACE}40.0"), (0.0002, "="), (math.nan, ""),
    ],
)  # fmt: skip
def test_a_change_by_a_large_factor_is_said_as_a_factor(ratio: float, text: str) -> None:
    assert units.show_change(ratio) == text
