"""Prices, energy and reliability of a plan as numbers, with the shipped tables filled in where the plan is blank."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from planner import library
from planner.costing import purchase
from planner.costing.quote import quote
from planner.formula import Number, Traced, given
from planner.plan.plan import Plan
from planner.plan.prices import Prices
from planner.units import percent


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What `estimate` needs beside the work and its time. Numbers or arrays; NaN where unknown."""

    nodes: Number
    memory_bytes: Number
    peak_flops: Number
    tdp_w: Number
    failures_per_node_day: Number
    restart_s: Number
    checkpoint_s: Number
    other_losses: Number
    usd_per_gpu_hour: Number
    network_premium: Number
    exploration: Number
    storage_usd_per_tb_month: Number
    checkpoints_kept: Number
    data_bytes_per_token: Number
    staff_usd: Number
    power_share: Number
    """NaN: from the utilization."""
    server_overhead: Number
    pue: Number
    kg_per_kwh: Number
    term_days: Number = 0.0
    """For so many days the GPUs are paid for, used or not."""
    other_use: Number = 0.0
    usd_per_kwh: Number = 0.0
    """0: the price of a GPU-hour includes it."""


def rates(plan: Plan) -> Rates:
    """The rates of one plan, each a sourced leaf of the derivations, or derived from such leaves."""
    cluster, prices, accelerator = plan.cluster, plan.prices, plan.cluster.accelerator
    sheet = f"{accelerator.name}: {accelerator.source} ({accelerator.as_of})"
    price = quote(plan)
    grid_value, grid_source = _grid(plan)
    pue, pue_source = _pue(plan)
    premium = cluster.fabric.price_share if prices.network_premium is None else prices.network_premium
    leaves: list[tuple[str, float, str, str]] = [
        ("nodes", cluster.nodes, "", "plan"),
        ("memory_bytes", accelerator.memory_bytes, "B", sheet),
        ("peak_flops", accelerator.peak(plan.recipe.precision) or math.nan, "FLOP/s", sheet),
        ("tdp_w", accelerator.tdp_w or math.nan, "W", sheet),
        ("failures_per_node_day", cluster.failures_per_node_day, "1/day", "plan; Llama 3 (arXiv 2407.21783) table 5"),
        ("restart_s", cluster.restart_s, "s", "plan"),
        ("checkpoint_s", cluster.checkpoint_s, "s", "plan"),
        ("other_losses", cluster.other_losses, "fraction", "plan"),
        ("usd_per_gpu_hour", price.usd_per_gpu_hour, "USD/h", price.told()),
        ("network_premium", premium, "fraction", "plan"),
        ("exploration", prices.exploration, "fraction", "plan"),
        ("storage_usd_per_tb_month", prices.storage_usd_per_tb_month, "USD", "plan"),
        ("checkpoints_kept", prices.checkpoints_kept, "", "plan"),
        ("data_bytes_per_token", prices.data_bytes_per_token, "B", "plan"),
        ("staff_usd", prices.staff_usd, "USD", "plan"),
        ("power_share", math.nan if prices.power_share is None else prices.power_share, "fraction", "plan"),
        ("server_overhead", prices.server_overhead, "fraction", "plan"),
        ("pue", pue, "", pue_source),
        ("kg_per_kwh", grid_value, "kg/kWh", grid_source),
    ]
    made = Rates(**{name: _leaf(name, value, unit, source) for name, value, unit, source in leaves})
    return {"reserved": _reserved, "spot": _spot, "owned": _owned}.get(prices.purchase, _on_demand)(made, prices)


def _leaf(name: str, value: float, unit: str, source: str = "plan") -> Any:
    return given(name, value if isinstance(value, Traced) else float(value), unit=unit, source=source)


def _on_demand(made: Rates, prices: Prices) -> Rates:
    return made


def _reserved(made: Rates, prices: Prices) -> Rates:
    terms = prices.reserved
    days, other = _leaf("term_days", terms.term_days, "days"), _leaf("other_use", terms.other_use, "fraction")
    return replace(made, term_days=days, other_use=other)


def _spot(made: Rates, prices: Prices) -> Rates:
    """What is taken back counts as a failure after which the job also waits for another node."""
    failures = made.failures_per_node_day
    interruptions = _leaf("interruptions_per_node_day", prices.spot.interruptions_per_node_day, "1/day")
    wait = _leaf("replacement_s", prices.spot.replacement_s, "s")
    return replace(
        made, failures_per_node_day=purchase.stops_per_node_day(failures, interruptions),
        restart_s=purchase.mean_restart_s(made.restart_s, wait, failures, interruptions),
    )  # fmt: skip


def _owned(made: Rates, prices: Prices) -> Rates:
    return replace(made, usd_per_kwh=_leaf("usd_per_kwh", prices.owned.usd_per_kwh, "USD"))


def _grid(plan: Plan) -> tuple[float, str]:
    if plan.prices.grid_kg_per_kwh is not None:
        return plan.prices.grid_kg_per_kwh, "plan"
    row = library.grid(plan.prices.grid_region)
    return float(row["kg_per_kwh"]), f"{row['region']}: {row['source']} ({row['as_of']})"


def _pue(plan: Plan) -> tuple[float, str]:
    """NaN where the plan states none and its region names no provider; `check` says so."""
    if plan.prices.pue is not None:
        return plan.prices.pue, "plan"
    row = library.pue(plan.prices.grid_region)
    return (
        (float(row["pue"]), f"{row['source']} ({row['as_of']})") if row else (math.nan, "unknown; fill in prices.pue")
    )


def energy_basis(plan: Plan, power: str) -> str:
    """What energy and carbon include, from where, and what they leave out. power: the board's, in words."""
    (grid, grid_source), (pue, pue_source) = _grid(plan), _pue(plan)
    overhead = plan.prices.server_overhead
    beyond = f"hosts, network and storage as {percent(overhead, 0)} on top, " if overhead else ""
    beside = "" if overhead else "hosts, network and storage (prices.server_overhead is 0), "
    return (
        f"Included: {power} over all hours of the job, {beyond}cooling and conversion as a PUE of {pue:g} "
        f"({pue_source}), and {grid:g} kg CO2e a kWh of the grid ({grid_source}). Left out: {beside}trials, idle hours "
        "before and after, making the machines and buildings, and what the provider offsets or buys in certificates."
    )
