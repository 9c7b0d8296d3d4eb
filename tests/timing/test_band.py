"""The bands: what they are made from, and that they widen as less is known."""

from __future__ import annotations

import numpy as np
import pytest

from planner.estimate import estimate
from planner.plan.file import load
from planner.timing import band


@pytest.mark.parametrize("source", ["measured", "interpolated", "carried", "specification"])
def test_a_band_holds_its_own_prediction(source: str) -> None:
    low, high = band.factors(source, 0.4)
    assert 0 < low <= 1 <= high


def test_a_device_measured_is_surer_than_one_fitted_and_that_than_a_data_sheet() -> None:
    def width(source: str) -> float:
        low, high = band.factors(source, 0.4)
        return float(np.log(high / low))

    assert width("measured") < width("interpolated") < width("specification")


def test_rows_of_a_table_get_their_own_band() -> None:
    low, high = band.factors("interpolated", np.array([0.02, 0.4]))
    assert high[0] > high[1] and low.shape == (2,)


def test_an_inefficient_layout_is_flagged() -> None:
    plan = load("gpt2").replace(**{"layout.micro_batch": 1, "recipe.sequence_length": 64, "recipe.global_batch": 1})
    result = estimate(plan)
    assert result.outcome.mfu < band.LOWEST_VALIDATED_MFU
    assert any("peak" in problem.message for problem in result.problems)


def test_the_shipped_band_says_what_it_was_made_from() -> None:
    table = band.table()
    assert table["source"] and table["rows"] >= 1000 and 0.75 <= table["coverage_of_sources"] <= 0.9
