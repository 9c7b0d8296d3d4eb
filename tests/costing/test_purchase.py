"""Rented, reserved, spot and owned: each worked by hand, and what each does to an estimate."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
import pytest

from planner.costing import goodput, purchase
from planner.costing.quote import STALE_AFTER_DAYS, Quote, quote
from planner.estimate import Estimate, estimate
from planner.plan import file
from planner.plan.section import PlanError
from planner.search import networks, search

SPOT = {"prices.purchase": "spot", "prices.spot.discount": 0.6}
OWNED = {"prices.purchase": "owned", "prices.owned.purchase_usd": 240_000}


def made(**settings: Any) -> Estimate:
    return estimate(file.load("llama-2-7b").replace(**settings))


def test_owned_hardware_worked_by_hand() -> None:
    """$40,000 less a tenth over 5 years of 8,766 hours, of which 4 in 5 are used; 1.25 kW at $184 a month."""
    assert purchase.depreciation_usd(40_000, 0.1, 5, 0.8) == pytest.approx(36_000 / 35_064)
    assert purchase.hosting_usd(1250, 184, 0.8) == pytest.approx(230 / 584.4)
    assert purchase.electricity_usd(1e6, 0.08) == pytest.approx(80_000)


def test_a_reservation_worked_by_hand() -> None:
    """8 GPUs for 30 days are 5,760 hours; 5,000 used, half of the rest sold on."""
    assert purchase.reserved_usd(2.0, 720.0, 30.0) == pytest.approx(3.0)
    assert purchase.idle_gpu_hours(5000.0, 8, 30.0, 0.5) == pytest.approx(380)
    assert purchase.idle_gpu_hours(6000.0, 8, 30.0, 0.5) == 0  # longer than the term: it goes on at its price
    assert list(purchase.idle_gpu_hours(np.array([5000.0, 6000.0]), 8, 30.0, 0.0)) == [760, 0]


def test_buying_pays_from_the_hours_that_the_saved_rent_needs_for_it() -> None:
    assert purchase.break_even_hours(40_000, 0.1, 2.5, 0.5) == pytest.approx(18_000)
    assert purchase.break_even_hours(40_000, 0.1, 0.5, 0.5) == math.inf
    assert math.isnan(float(purchase.break_even_hours(40_000, 0.1, math.nan, 0.5)))


def test_an_interruption_costs_half_an_interval_a_restart_and_the_wait() -> None:
    """Simulated: intervals of Young's length, exponential stops, everything since the last checkpoint lost."""
    failures, interruptions, nodes, checkpoint, restart, wait = 0.004, 0.02, 32, 60.0, 300.0, 600.0
    stops = purchase.stops_per_node_day(failures, interruptions)
    mean_time = float(goodput.mean_time_between_failures_s(stops, nodes))
    lost = purchase.mean_restart_s(restart, wait, failures, interruptions)
    told = float(goodput.goodput(checkpoint, mean_time, lost, 0.0))
    interval = float(goodput.checkpoint_interval_s(checkpoint, mean_time))
    random = np.random.default_rng(1)
    up = random.exponential(mean_time, 20_000)
    down = restart + wait * (random.random(20_000) < interruptions / (failures + interruptions))
    useful = np.floor(up / (interval + checkpoint)) * interval
    assert told == pytest.approx(useful.sum() / (up.sum() + down.sum()), rel=0.01)


def test_spot_saves_on_the_price_and_takes_longer() -> None:
    rented, spot = made(), made(**SPOT)
    assert spot.price.usd_per_gpu_hour == pytest.approx(0.4 * rented.price.usd_per_gpu_hour)
    assert spot.outcome.goodput < rented.outcome.goodput and spot.outcome.train_time_s > rented.outcome.train_time_s
    more = made(**SPOT, **{"prices.spot.interruptions_per_node_day": 0.5})
    assert more.outcome.goodput < spot.outcome.goodput


def test_a_reservation_pays_its_whole_term() -> None:
    terms = {"prices.purchase": "reserved", "prices.usd_per_gpu_hour": 2.0, "prices.reserved.term_days": 100}
    whole, shared = made(**terms), made(**terms, **{"prices.reserved.other_use": 1.0})
    gpus = whole.plan.cluster.gpus
    rent = whole.outcome.accelerators_usd + whole.outcome.idle_usd
    assert rent == pytest.approx(gpus * 2400 * 2.0) and "money.idle" in whole.figures
    assert shared.outcome.idle_usd == 0
    band = whole.figures["money.total"]
    assert band.high / band.value < 1.01  # the term is paid for, however long the training takes
    assert whole.figures["money.idle"].low < whole.figures["money.idle"].value < whole.figures["money.idle"].high


def test_the_owner_pays_depreciation_hosting_and_electricity() -> None:
    owned = made(**OWNED, **{"prices.owned.usd_per_kwh": 0.1})
    assert owned.outcome.electricity_usd == pytest.approx(0.1 * owned.outcome.energy_kwh)
    by_hand = 30_000 / (5 * 8766 * 0.8) + 0.4 * 184 / (730.5 * 0.8)
    assert owned.price.usd_per_gpu_hour == pytest.approx(by_hand) and owned.price.kind == "estimated"
    per_gpu = made(**OWNED, **{"prices.owned.purchase_of": "GPU"})
    assert per_gpu.price.usd_per_gpu_hour > 5 * owned.price.usd_per_gpu_hour
    assert math.isnan(made(**{"prices.purchase": "owned"}).outcome.total_usd)


@pytest.mark.parametrize("settings", [{"prices.purchase": "spot"}, {"prices.purchase": "owned"}])
def test_a_price_that_is_not_stated_is_unknown_and_names_its_field(settings: dict[str, Any]) -> None:
    found = made(**settings)
    assert math.isnan(found.outcome.total_usd) and "price unknown" in found.verdict
    path = {"spot": "prices.spot.discount", "owned": "prices.owned.purchase_usd"}[settings["prices.purchase"]]
    assert any(problem.path == path for problem in found.problems)


@pytest.mark.parametrize("settings", [SPOT, OWNED, {"prices.purchase": "reserved", "prices.usd_per_gpu_hour": 2.0}])
def test_every_way_to_pay_goes_through_search_and_other_networks(settings: dict[str, Any]) -> None:
    found = made(**settings)
    best = search(found.plan, top=1).best[0]
    assert float(estimate(best.plan).outcome.total_usd) == pytest.approx(best.figures["cost_usd"], rel=1e-9)
    rows = networks.compare(found.plan, keep_layout=True).rows
    own = next(row for row in rows if row.is_plans)
    assert own.usd == pytest.approx(float(found.outcome.total_usd), rel=1e-9)


def test_each_price_tells_its_age_and_from_when_on_it_is_stale() -> None:
    seen = Quote(2.0, "RunPod", "2026-05")
    assert (
        seen.age_days(date(2026, 5, 3)) is None
        and seen.age_days(date(2026, 5, 31)) == 0
        and not seen.is_stale(date(2026, 7, 1))
    )
    late = date(2026, 11, 23)
    assert seen.age_days(late) == 176 > STALE_AFTER_DAYS and seen.is_stale(late)
    assert seen.told(late) == "RunPod (2026-05, 6 months old)" and seen.told(date(2026, 6, 9)) == "RunPod (2026-05)"
    undated = Quote(2.0, "plan")
    assert undated.age_days(late) is None and not undated.is_stale(late) and undated.told(late) == "plan"


def test_a_stale_price_says_its_age_wherever_the_cost_stands() -> None:
    old = made(**{"prices.usd_per_gpu_hour": 2.0, "prices.price_as_of": "2020-01", "prices.price_source": "a list"})
    age = quote(old.plan).age_text()
    assert f"price {age} old" in old.verdict and age in old.figures["money.usd_per_gpu_hour"].source
    assert old.json["price"]["is_stale"] is True and old.json["price"]["as_of"] == "2020-01"
    today = made(**{"prices.usd_per_gpu_hour": 2.0, "prices.price_as_of": f"{date.today():%Y-%m-%d}"})
    assert "old" not in today.verdict and today.json["price"]["is_stale"] is False


def test_a_date_that_is_none_is_refused_with_an_example() -> None:
    with pytest.raises(PlanError, match="2026-11-23"):
        file.with_settings(file.load("gpt2"), [("prices.price_as_of", "last May")])
