"""Energy and carbon against the tables of Llama 1 and Llama 2."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from planner.costing import energy, rates
from planner.estimate import compute, estimate, machine
from planner.plan import file
from planner.plan.section import PlanError
from planner.plan.workload import workload

LLAMA_2 = {
    "7B": (184_320, 400, 31.22), "13B": (368_640, 400, 62.44), "34B": (1_038_336, 350, 153.90),
    "70B": (1_720_320, 400, 291.42),
}  # fmt: skip
"""GPU-hours, watts and t CO2e (arXiv 2307.09288, table 2)."""


def tonnes(hours: float, watts: float) -> float:
    """As Meta computes it: hours × power × PUE 1.1 × 0.385 kg/kWh (the figures of arXiv 2302.13971 §6)."""
    return float(energy.co2e_kg(energy.energy_kwh(hours, watts, 0.0, 1.1), 0.385)) / 1000


@pytest.mark.parametrize("size", LLAMA_2)
def test_llama_2s_emissions_follow_from_its_hours_and_power(size: str) -> None:
    hours, watts, published = LLAMA_2[size]
    assert math.floor(tonnes(hours, watts) * 100) / 100 == pytest.approx(published, abs=1e-9)


def test_llama_2s_four_sizes_together_emitted_539_tonnes() -> None:
    assert sum(hours for hours, _, _ in LLAMA_2.values()) == 3_311_616
    assert sum(tonnes(hours, watts) for hours, watts, _ in LLAMA_2.values()) == pytest.approx(539, abs=0.5)


@pytest.mark.parametrize(
    ("hours", "mwh", "published"),
    [(82_432, 36, 14), (135_168, 59, 23), (530_432, 233, 90), (1_022_362, 449, 173)],
    ids=["7B", "13B", "33B", "65B"],
)
def test_llama_1s_energy_and_emissions_follow_too(hours: float, mwh: float, published: float) -> None:
    """arXiv 2302.13971 table 15: MWh at 400 W and PUE 1.1, t at 0.385 kg/kWh, both rounded to whole numbers."""
    assert float(energy.energy_kwh(hours, 400, 0.0, 1.1)) / 1000 == pytest.approx(mwh, abs=1)
    assert tonnes(hours, 400) == pytest.approx(published, abs=0.6)


def test_server_overhead_and_pue_multiply() -> None:
    assert energy.energy_kwh(1000.0, 500.0, 0.2, 1.5) == pytest.approx(1000 * 500 * 1.2 * 1.5 / 1000)


def test_a_board_draws_more_the_more_it_computes_up_to_its_limit() -> None:
    shares = [float(energy.power_share(hfu)) for hfu in (0.0, 0.1, 0.3, 0.5, 0.9)]
    assert shares == sorted(shares)
    assert 0.1 < shares[0] < 0.3 and shares[-1] == shares[-2] == pytest.approx(1.0)


def test_power_is_what_the_plan_states_else_what_was_measured_else_from_utilization() -> None:
    plan = file.load("llama-2-7b").replace(**{"prices.power_share": None})
    there, terms, w = machine(plan), rates.rates(plan), workload(plan)
    read = replace(there, device=replace(there.device, power_w=310.0))
    stated = replace(terms, power_share=0.9)
    assert compute(w, read, terms).power_w == 310
    assert compute(w, read, stated).power_w == pytest.approx(360)
    assert compute(w, there, terms).power_w == pytest.approx(400 * energy.power_share(compute(w, there, terms).hfu))


def test_a_blank_pue_is_the_published_one_of_the_provider_and_unknown_elsewhere() -> None:
    plan = file.load("llama-2-7b").replace(**{"prices.pue": None, "prices.grid_region": "aws us-east-1"})
    found = estimate(plan)
    assert rates.rates(plan).pue == 1.15 and "PUE of 1.15 (AWS" in found.energy_basis
    with pytest.raises(PlanError, match=r"prices\.pue: blank"):
        estimate(plan.replace(**{"prices.grid_region": "us-average"}))


def test_the_basis_says_what_energy_holds_and_what_not() -> None:
    found = estimate(file.load("llama-2-7b").replace(**{"prices.server_overhead": 0.25}))
    assert "as 25\N{NO-BREAK SPACE}% on top" in found.energy_basis and "0.385 kg CO2e" in found.energy_basis
    included, left_out = found.energy_basis.split("Left out: ")
    assert "hosts" in included and "hosts" not in left_out and "making the machines" in left_out
