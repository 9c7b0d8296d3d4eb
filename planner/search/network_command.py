"""`network`: the command line of the plan over other networks.

Without `--events` the table goes to stdout; with it stdout carries one JSON object a line: `progress`, then `finished`
with the answer. SIGINT and SIGTERM stop it between two blocks of layouts with exit code 130.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.units import percent

if TYPE_CHECKING:
    from planner.plan.plan import Plan
    from planner.search.networks import Networks

PlanOf = Callable[[argparse.Namespace], "Plan"]


def add_parser(subparsers: Any, add_plan_arguments: Callable[[argparse.ArgumentParser], None], plan_of: PlanOf) -> None:
    """Register the command. PLAN, `--model` and `--set` are the command line's own, as for every command of a plan."""
    network = subparsers.add_parser(
        "network",
        help="is commodity Ethernet enough? the plan over other networks",
        description="The plan over RoCE, InfiniBand and wider NVLink domains: time, money, energy, and what a faster "
        "network may cost before it no longer pays. Each network gets the layout that is fastest on it.",
    )
    add_plan_arguments(network)
    network.add_argument("--keep-layout", action="store_true", help="the plan's own layout on every network; no search")
    network.add_argument("--csv", metavar="FILE", help="write the networks as a table")
    network.add_argument("--json", action="store_true", help="print one JSON object")
    network.add_argument("--events", action="store_true", help="print JSON lines, one event a line")
    network.set_defaults(run=lambda options: run(options, plan_of(options)))


def run(options: argparse.Namespace, plan: Plan) -> int:
    """The plan on each network, and the verdict. Raises `TrainplanError`."""
    from planner.search.networks import compare
    from planner.stopping import stop_signals

    def told(share: float, doing: str) -> None:
        if options.events:
            print(json.dumps({"event": "progress", "fraction": share, "doing": doing}), flush=True)

    with stop_signals() as is_stopped:
        found = compare(plan, keep_layout=options.keep_layout, told=told, is_cancelled=is_stopped)
    for reason in found.skipped:
        print(f"warning: {reason}", file=sys.stderr)
    if options.csv:
        _write(found, Path(options.csv))
    if options.json or options.events:
        from planner.quality.lifetime import without_nan

        event = {"event": "finished"} if options.events else {}
        print(json.dumps(event | without_nan(found.to_json()), allow_nan=False, ensure_ascii=False), flush=True)
    else:
        print(table(found).replace("\N{NO-BREAK SPACE}", " "))
    return 0


def _write(found: Networks, path: Path) -> None:
    from planner.charts import network_compare
    from planner.reports.csv_report import write_table

    write_table(*network_compare.table(network_compare.Data.of_networks(found.to_json())), path)
    print(f"wrote {path}", file=sys.stderr)


def table(found: Networks) -> str:
    """The answer for a terminal."""
    from planner.quality.lifetime_command import aligned
    from planner.search.ranking import layout_words
    from planner.units import show

    rows = []
    for row in found.rows:
        outcome = row.estimate.outcome
        amounts = ((row.seconds, "s"), (outcome.gpu_hours, "GPU-hours"), (row.usd, "USD"), (outcome.energy_kwh, "kWh"))
        shares = percent(row.price_share, 0), percent(row.break_even_share), f"${row.break_even_usd:.2f}"
        label = f"{row.label} (the plan)" if row.is_plans else row.label
        rows.append([label, *(show(float(value), unit) for value, unit in amounts), *shares])
        if not found.keeps_layout:
            rows[-1].append(layout_words(row.estimate.plan))
    header = ["network", "time", "GPU-hours", "cost", "energy", "price share", "break-even share", "a GPU-hour"]
    header += [] if found.keeps_layout else ["layout"]
    return f"{found.verdict}.\n{found.layout_words}.\n\n{aligned(header, rows)}"
