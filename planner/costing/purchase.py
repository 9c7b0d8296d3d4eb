"""What a GPU-hour costs however it is had, and what the ways to have it cost beside the hours in use."""

from __future__ import annotations

import numpy as np

from planner.costing.goodput import DALY
from planner.formula import Number, formula

HOURS_A_YEAR = 365.25 * 24
HOURS_A_MONTH = 30.4375 * 24


@formula("on demand·(1 − discount)", unit="USD/h", source="definition of a discount")
def discounted_usd(usd_per_gpu_hour: Number, discount: Number) -> Number:
    """Price of a GPU-hour below the on-demand price."""
    return usd_per_gpu_hour * (1 - discount)


@formula("hour + upfront/(24·term)", unit="USD/h", source="what is paid upfront, spread evenly over the term's hours")
def reserved_usd(usd_per_gpu_hour: Number, upfront_usd: Number, term_days: Number) -> Number:
    """Price of a reserved GPU-hour."""
    return usd_per_gpu_hour + upfront_usd / (24 * term_days)


@formula(
    "max(0, GPUs·24·term − GPU-hours)·(1 − other use)",
    unit="GPU-hours",
    source="a reservation's hours are paid for whether they are used or not",
)
def idle_gpu_hours(gpu_hours: Number, gpus: Number, term_days: Number, other_use: Number) -> Number:
    """Reserved hours that are paid for and that nobody uses. A training longer than the term goes on at its price."""
    return np.maximum(0.0, gpus * 24 * term_days - gpu_hours) * (1 - other_use)


@formula("idle GPU-hours·price", unit="USD", source="a reservation's hours are paid for whether they are used or not")
def idle_usd(idle_gpu_hours: Number, usd_per_gpu_hour: Number) -> Number:
    """Dollars of the reserved hours that nobody uses."""
    return idle_gpu_hours * usd_per_gpu_hour


@formula(
    "purchase·(1 − residual)/(years·8,766·utilization)",
    unit="USD/h",
    source="straight-line depreciation over the hours in use (IAS 16 §62)",
)
def depreciation_usd(purchase_usd: Number, residual: Number, years: Number, utilization: Number) -> Number:
    """Value that one GPU loses in an hour of use. Interest on the money is left out."""
    return purchase_usd * (1 - residual) / (years * HOURS_A_YEAR * utilization)


@formula("kW·price/(730.5·utilization)", unit="USD/h", source="colocation is paid by the kW provisioned, used or not")
def hosting_usd(provisioned_w: Number, usd_per_kw_month: Number, utilization: Number) -> Number:
    """Place and cooling of one GPU with its share of the host, in an hour of use; 730.5 hours a month."""
    return provisioned_w / 1000 * usd_per_kw_month / (HOURS_A_MONTH * utilization)


@formula("kWh·price", unit="USD", source="energy at the data centre's meter")
def electricity_usd(energy_kwh: Number, usd_per_kwh: Number) -> Number:
    """Electricity of the training on one's own hardware; what it draws while idle is left out. Nothing, however much
    energy (which may be unknown), where the price of a GPU-hour includes it."""
    return np.where(usd_per_kwh > 0, energy_kwh * usd_per_kwh, 0.0)[()]


@formula(
    "purchase·(1 − residual)/(rent − hosting − electricity)",
    unit="h",
    source="hours in use after which the rent saved has paid the purchase",
)
def break_even_hours(purchase_usd: Number, residual: Number, rent_usd: Number, running_usd: Number) -> Number:
    """Hours in use of one GPU from which owning is cheaper than renting; infinite where its running costs alone are
    dearer. rent_usd, running_usd: dollars of an hour in use; running_usd: hosting and electricity."""
    saved = rent_usd - running_usd
    never = np.where(np.isnan(saved), np.nan, np.inf)
    return np.where(saved > 0, purchase_usd * (1 - residual) / np.where(saved > 0, saved, 1.0), never)[()]


@formula("failures + interruptions", unit="1/day", source="independent causes add up")
def stops_per_node_day(failures: Number, interruptions: Number) -> Number:
    """How often a node stops the job: it fails, or its provider takes it back."""
    return failures + interruptions


@formula(
    "restart + wait·interruptions/(failures + interruptions)",
    unit="s",
    source=f"mean over both causes; the R of {DALY}. Work since the last checkpoint is lost to either",
)
def mean_restart_s(restart_s: Number, replacement_s: Number, failures: Number, interruptions: Number) -> Number:
    """Mean time to train again after a stop; only an interruption waits for another node."""
    stops = failures + interruptions
    return restart_s + replacement_s * np.where(stops > 0, interruptions / np.where(stops > 0, stops, 1.0), 0.0)[()]
