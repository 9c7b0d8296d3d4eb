"""Numbers as they stand in the fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gui.quantity_text import beside, editable, is_half_typed
from planner import units


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (2e12, "tokens", "2T"), (4096, "tokens", "4096"), (4_194_304, "tokens", "4,194,304"), (32_000, "", "32,000"),
        (85_899_345_920, "B", "80 GiB"), (80e9, "B", "80 GB"), (312e12, "FLOP/s", "312 TFLOP/s"),
        (2e12, "B/s", "2 TB/s"), (200e9, "bit/s", "200 Gbit/s"), (0.05, "fraction", "0.05"),
        (None, "GPUs", ""), (1.1, "", "1.1"),
    ],
)  # fmt: skip
def test_a_field_shows_the_text_an_engineer_would_type(value: float, unit: str, text: str) -> None:
    assert editable(value, unit) == text


@given(
    st.floats(1e-9, 1e18), st.sampled_from(["", "tokens", "B", "B/s", "bit/s", "FLOP/s", "s", "fraction", "USD/h", "W"])
)
def test_a_fields_text_reads_back_to_the_same_number(value: float, unit: str) -> None:
    assert units.parse(editable(value, unit), unit) == value


@given(st.integers(0, 10**15))
def test_counts_read_back_to_the_same_number(value: int) -> None:
    assert int(units.parse(editable(value, "tokens"), "tokens")) == value


def test_beside_a_short_form_stands_the_whole_number() -> None:
    assert beside(2_000_000_000_000, "tokens") == "= 2,000,000,000,000 tokens"


@pytest.mark.parametrize("text", ["", "-", "2.", "1e", "1e-", "$"])
def test_the_beginning_of_a_number_is_half_typed(text: str) -> None:
    assert is_half_typed(text)


@pytest.mark.parametrize("text", ["2", "abc", "2T", "80 GiB"])
def test_whole_words_are_not_half_typed(text: str) -> None:
    assert not is_half_typed(text)
