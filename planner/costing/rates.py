"""Prices, energy and reliability of a plan as numbers, with the shipped tables filled in where the plan is blank."""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner import library
from planner.formula import Number, given
from planner.plan.plan import Plan


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


def rates(plan: Plan) -> Rates:
    """The rates of one plan, each a sourced leaf of the derivations."""
    cluster, prices, accelerator = plan.cluster, plan.prices, plan.cluster.accelerator
    sheet = f"{accelerator.name}: {accelerator.source} ({accelerator.as_of})"
    price, price_source = price_of(plan)
    grid_value, grid_source = _grid(plan)
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
        ("usd_per_gpu_hour", price, "USD/h", price_source),
        ("network_premium", premium, "fraction", "plan"),
        ("exploration", prices.exploration, "fraction", "plan"),
        ("storage_usd_per_tb_month", prices.storage_usd_per_tb_month, "USD", "plan"),
        ("checkpoints_kept", prices.checkpoints_kept, "", "plan"),
        ("data_bytes_per_token", prices.data_bytes_per_token, "B", "plan"),
        ("staff_usd", prices.staff_usd, "USD", "plan"),
        ("power_share", math.nan if prices.power_share is None else prices.power_share, "fraction", "plan"),
        ("server_overhead", prices.server_overhead, "fraction", "plan"),
        ("pue", prices.pue, "", "plan"),
        ("kg_per_kwh", grid_value, "kg/kWh", grid_source),
    ]
    return Rates(**{name: given(name, float(value), unit=unit, source=source) for name, value, unit, source in leaves})


def price_of(plan: Plan) -> tuple[float, str]:
    """(price of a GPU-hour, where it is from); NaN where neither the plan nor the shipped table knows one."""
    if plan.prices.usd_per_gpu_hour is not None:
        return plan.prices.usd_per_gpu_hour, plan.prices.price_source or "plan"
    row = library.price(plan.cluster.accelerator.name)
    if row is None:
        return math.nan, f"no price is known for {plan.cluster.accelerator.name}; fill in prices.usd_per_gpu_hour"
    return float(row["usd_per_gpu_hour"]), f"{row['source']} ({row['as_of']})"


def _grid(plan: Plan) -> tuple[float, str]:
    if plan.prices.grid_kg_per_kwh is not None:
        return plan.prices.grid_kg_per_kwh, "plan"
    row = library.grid(plan.prices.grid_region)
    return float(row["kg_per_kwh"]), f"{row['region']}: {row['source']} ({row['as_of']})"
