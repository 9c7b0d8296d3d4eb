"""`compare`: many plans side by side, one row each.

With `--events` stdout carries one JSON object a line: a `row` as each plan is done, `progress`, and last `finished` or
`failed`. SIGINT and SIGTERM stop it between two plans; the exit code is then 130.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

PROGRESS_EVERY_S = 0.1


def add_parser(commands: Any, print_table: Callable[..., None], print_json: Callable[[Any], None]) -> None:
    """Register `compare`."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "compare",
        help="many plans, or a folder of them, with the headline figures of each",
        description="Estimates every plan and lists cost, time, memory and what else is read first, one row a plan. "
        "A plan that cannot be estimated says why. `estimate --compare` holds up to four plans against each other, "
        "input by input.",
    )
    parser.add_argument("plans", metavar="PLAN|FOLDER", nargs="+", help="plans by file or name, and folders of them")
    parser.add_argument("--json", action="store_true", help="one JSON object with all of them, plain SI numbers")
    parser.add_argument("--csv", metavar="FILE", help="write all of them as a table")
    parser.add_argument("--events", action="store_true", help="print JSON lines, one event a line")
    parser.set_defaults(run=lambda options: run(options, print_table, print_json))


def run(options: argparse.Namespace, print_table: Callable[..., None], print_json: Callable[[Any], None]) -> int:
    """Compare; the exit code. Raises `TrainplanError`."""
    rows = _surveyed(options)
    broken = [row for row in rows if row["problem"]]
    if options.csv:
        from planner.reports import csv_report
        from planner.scenarios.survey import COLUMNS

        csv_report.write_table(COLUMNS, ([row[name] for name in COLUMNS] for row in rows), Path(options.csv))
        print(f"wrote {options.csv}", file=sys.stderr)
    if options.events:
        _print_event("finished", {"plans": len(rows), "failed": len(broken)})
    elif options.json:
        print_json({"plans": rows})
    else:
        print_table(*_shown(rows))
        for row in broken:
            where = "" if row["problem"].startswith(row["plan"]) else f"{row['plan']}: "
            print(f"warning: {where}{row['problem']}", file=sys.stderr)
    return 0 if len(broken) < len(rows) else 2


def _surveyed(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Every row, each told as it comes."""
    from planner.scenarios.survey import plans_of, surveyed
    from planner.stopping import stop_signals

    rows: list[dict[str, Any]] = []
    told = began = time.perf_counter()
    with stop_signals() as is_stopped:
        plans = plans_of(options.plans)
        for row in surveyed(plans, is_stopped):
            rows.append(row)
            if options.events:
                _print_event("row", {"row": row})
            now = time.perf_counter()
            if now - told >= PROGRESS_EVERY_S or len(rows) == len(plans):
                told = now
                left_s = (now - began) * (len(plans) - len(rows)) / len(rows)
                _tell(len(rows), len(plans), left_s, options.events)
    return rows


def _tell(done: int, count: int, left_s: float, as_lines: bool) -> None:
    doing = f"estimated {done:,} of {count:,} plans"
    if as_lines:
        _print_event("progress", {"doing": doing, "fraction": done / count, "remaining_s": left_s})
    elif sys.stderr.isatty():
        print(f"\r{done / count:4.0%}  {doing} ", end="\n" if done == count else "", file=sys.stderr, flush=True)


def _print_event(word: str, content: dict[str, Any]) -> None:
    print(json.dumps({"event": word, **content}, ensure_ascii=False, allow_nan=False), flush=True)


def _shown(rows: list[dict[str, Any]]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of the table on screen, of the plans that could be estimated."""
    from planner import units

    def cell(row: dict[str, Any], name: str, unit: str) -> str:
        return "unknown" if row[name] is None else units.show(row[name], unit)

    figures = (("cost_usd", "USD"), ("train_time_s", "s"), ("memory_bytes", "B"), ("energy_kwh", "kWh"))
    found = [
        (row["name"], row["model"], f"{row['gpus']:,} × {row['accelerator']}", "yes" if row["fits"] else "no",
         *(cell(row, *one) for one in figures), "" if row["mfu"] is None else units.percent(row["mfu"]))
        for row in rows if not row["problem"]
    ]  # fmt: skip
    return ("plan", "model", "GPUs", "fits", "cost", "time", "memory", "energy", "MFU"), found
