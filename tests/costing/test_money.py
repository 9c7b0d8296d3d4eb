"""Dollars by part, and the rates that a plan leaves blank."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.costing import money, quote, rates
from planner.errors import UnknownNameError
from planner.plan import file

amounts = st.floats(0, 1e12)


@given(st.lists(amounts, min_size=7, max_size=7))
def test_the_total_is_the_sum_of_its_parts(parts: list[float]) -> None:
    assert money.total_usd(*parts) == pytest.approx(math.fsum(parts), rel=1e-12)


def test_a_month_on_2048_gpus_at_2_dollars_worked_by_hand() -> None:
    hours = money.gpu_hours(2048, 30 * 86400.0)
    assert hours == 2048 * 720
    rent = money.accelerators_usd(hours, 2.0)
    assert rent == 2_949_120
    assert money.network_usd(rent, 0.1) == pytest.approx(294_912)
    assert money.exploration_usd(rent, 294_912.0, 0.0, 0.5) == pytest.approx(1_622_016)
    assert money.exploration_usd(rent, 294_912.0, 1000.0, 0.5) == pytest.approx(1_622_516)


def test_storage_of_ten_checkpoints_and_the_data_worked_by_hand() -> None:
    """10 × 1 TB and 8 TB for two months at $20 a TB and month: $720."""
    two_months = 2 * 30.4375 * 86400
    assert money.storage_usd(1e12, 10, 8e12, 20.0, two_months) == pytest.approx(720)


def test_an_unknown_price_makes_the_total_unknown_and_nothing_else() -> None:
    assert math.isnan(float(money.total_usd(math.nan, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0)))
    many = money.accelerators_usd(np.array([1.0, 2.0]), np.array([math.nan, 3.0]))
    assert math.isnan(many[0]) and many[1] == 6


def test_a_blank_price_is_the_shipped_tables_with_its_source() -> None:
    plan = file.load("llama-2-7b")
    shipped = quote.quote(plan)
    assert 0.5 < shipped.usd_per_gpu_hour < 10 and len(shipped.source) > 10 and shipped.kind == "published"
    own = quote.quote(plan.replace(**{"prices.usd_per_gpu_hour": 1.23, "prices.price_source": "an offer"}))
    assert (own.usd_per_gpu_hour, own.told(), own.kind) == (1.23, "an offer", "assumed")


def test_a_price_that_nobody_knows_names_the_field_to_fill_in() -> None:
    found = quote.quote(file.load("llama-2-7b").replace(**{"cluster.accelerator.name": "Chip of tomorrow"}))
    assert math.isnan(found.usd_per_gpu_hour)
    assert "Chip of tomorrow" in found.source and "prices.usd_per_gpu_hour" in found.source


def test_a_blank_network_premium_is_the_fabrics_own() -> None:
    plan = file.load("llama-2-7b").replace(**{"cluster.fabric": "infiniband-hdr-200", "prices.network_premium": None})
    assert rates.rates(plan).network_premium == plan.cluster.fabric.price_share > 0
    assert rates.rates(plan.replace(**{"prices.network_premium": 0.0})).network_premium == 0


def test_the_grid_is_the_regions_unless_the_plan_says_another() -> None:
    plan = file.load("llama-2-7b")
    assert rates.rates(plan).kg_per_kwh == 0.385
    assert rates.rates(plan.replace(**{"prices.grid_region": "france-jean-zay"})).kg_per_kwh == 0.057
    assert rates.rates(plan.replace(**{"prices.grid_kg_per_kwh": 0.1})).kg_per_kwh == 0.1
    with pytest.raises(UnknownNameError, match="us-average"):
        rates.rates(plan.replace(**{"prices.grid_region": "us-avarage"}))
