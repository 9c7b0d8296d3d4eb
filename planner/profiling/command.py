"""`profile`: the command line of the profiler. Importing this module imports no torch; running it does.

Without `--events` progress goes to stderr and a table to stdout at the end; with it stdout carries one JSON object a
line, as `planner.profiling.events` describes them, for a program that watches. SIGINT and SIGTERM stop between two
runs: what was measured is saved, and the exit code is 130.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner import units
from planner.plan import derive
from planner.profiling.console import (
    add_device,
    duration,
    exit_code,
    print_events,
    require_torch,
    size,
    words,
)
from planner.stopping import stop_signals

if TYPE_CHECKING:
    from planner.profiling.events import Event, Planned
    from planner.timing.profile import LeftOut, Row

DEFAULT_MODEL = "llama-2-7b"


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Register `profile` with the command line's subparsers; `arguments.run` is then `run`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "profile",
        help="measure one real decoder layer of a model on this machine",
        description="Builds one layer of the model at its true width, times its blocks forward and backward, and "
        "writes a profile that `estimate` extrapolates from.",
    )
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, metavar="NAME", help="a model, by name or as a file (default: %(default)s)"
    )
    add_device(parser)
    parser.add_argument("--suite", default="quick", choices=("quick", "full"), help="how many shapes (default: quick)")
    parser.add_argument("--budget", metavar="TIME", help="time for all of it, such as 5m or 90s")
    parser.add_argument(
        "--plan", action="store_true", help="only list what would be measured, in order, with time and memory"
    )
    parser.add_argument("--memory-limit", metavar="SIZE", help="take no more memory than this, such as 4GiB")
    parser.add_argument(
        "--collectives",
        action="store_true",
        help="measure collectives between processes that torchrun or srun started, instead of a layer",
    )
    parser.add_argument(
        "--fabric", metavar="NAME", help="with --collectives: the network between the nodes, such as 'RoCE 400'"
    )
    parser.add_argument(
        "--timeout", metavar="TIME", help="with --collectives: how long ranks wait for one another (default: 2m)"
    )
    parser.add_argument(
        "--out", metavar="FILE.json", type=Path, help="default: a new file in the user's profile folder"
    )
    parser.add_argument("--events", action="store_true", help="print JSON lines, one event a line")
    parser.set_defaults(run=run)
    return parser


def run(arguments: argparse.Namespace) -> int:
    """Profile; the exit code. Raises `TrainplanError`."""
    with stop_signals() as is_stopped:
        return _run(arguments, is_stopped)


def _run(arguments: argparse.Namespace, is_stopped: Callable[[], bool]) -> int:
    if arguments.collectives:
        from planner.profiling import collectives_command

        return collectives_command.run(arguments, is_stopped)
    budget_s = duration("--budget", arguments.budget)
    limit_bytes = size(arguments.memory_limit)
    model, _ = derive.named_model(arguments.model)
    require_torch()
    started_s = time.perf_counter()
    from planner.profiling.profiler import profile

    happenings = profile(
        model, device=arguments.device, suite=arguments.suite, budget_s=budget_s, memory_limit_bytes=limit_bytes,
        out=arguments.out, cancel=is_stopped, started_s=started_s, plan_only=arguments.plan,
    )  # fmt: skip
    return print_events(happenings) if arguments.events else _print_table(happenings, plan_only=arguments.plan)


def _print_table(happenings: Iterator[Event], *, plan_only: bool) -> int:
    """Progress on stderr; rows and summary, or the plan alone, on stdout."""
    from planner.profiling import events

    rows: dict[tuple[Any, ...], Row] = {}
    code = 0
    for event in happenings:
        match event:
            case events.Measured(row=row):
                rows[row.shape] = row
            case events.Planned() if plan_only:
                print(plan_table(event))
            case events.Finished():
                print(table(list(rows.values())))
                print(_closing(event))
        if told := words(event):
            print(told, file=sys.stderr, flush=True)
        code = exit_code(event, code)
    return code


def table(rows: list[Row]) -> str:
    """The rows for a person to read."""
    head = f"{'operation':<15}{'direction':<10}{'manner':<26}{'shape':>10}{'width':>6}{'median':>10}"
    head += f"{'spread':>8}{'n':>5}{'rate':>15}{'memory':>10}"
    return "\n".join([head, *(_table_line(row) for row in rows)])


def _table_line(row: Row) -> str:
    shape = f"{row.batch}×{row.sequence}" if row.batch else ""
    width = f"1/{row.shards}" if row.shards > 1 else ""
    rate = units.show(row.flops_per_s, "FLOP/s") if row.flops else units.show(row.bytes_per_s, "B/s")
    if row.operation == "launch":
        rate = ""  # its time is the host's, whatever the kernel moves
    spread = units.percent(row.spread) if row.n > 1 else "–"
    memory = units.show_bytes(row.peak_memory_bytes) if row.peak_memory_bytes else ""
    mark = "  noisy" if row.is_noisy else ""
    manner = ", ".join(filter(None, (row.dtype, row.manner)))
    return (
        f"{row.operation:<15}{row.direction:<10}{manner:<26}{shape:>10}{width:>6}"
        f"{units.show_duration(row.median_s):>10}{spread:>8}{row.n:>5}{rate:>15}{memory:>10}{mark}"
    )


def plan_table(planned: Planned) -> str:
    """What would be measured, in order, for a person to read."""
    lines = [f"{'':>4}  {'what':<16}{'manner':<30}{'shape':>10}{'width':>6}{'time':>10}{'until':>10}{'memory':>10}"]
    until_s = 0.0
    for number, one in enumerate(planned.shapes, 1):
        until_s += one.seconds
        shape = f"{one.batch}×{one.sequence}" if one.batch else ""
        width = f"1/{one.shards}" if one.shards > 1 else ""
        time, memory = units.show_duration(one.seconds), units.show_bytes(one.memory_bytes)
        lines.append(
            f"{number:>4}  {one.operation:<16}{one.manner:<30}{shape:>10}{width:>6}{time:>10}"
            f"{f'{until_s / 60:.1f} min':>10}{memory:>10}"
        )
    return "\n".join(lines)


def _error_line(one: LeftOut) -> str:
    name = "embedding, head and loss" if one.operation == "edge" else f"{one.operation} {one.direction}"
    return f"{name.replace('_', ' '):26}{units.percent(one.median):>8}{units.percent(one.p80):>9}  {one.rows} shapes"


def _closing(event: Any) -> str:
    lines = []
    alone, in_turns = event.summary.ratio, event.summary.ratio_in_turns
    told = [f"{units.percent(alone)} of the whole layer (median)"] if alone is not None else []
    told += [f"{units.percent(in_turns)} of the whole layer, measured in turns"] if in_turns is not None else []
    if told:
        lines.append(f"attention + feed-forward = {'; '.join(told)}")
    if event.summary.left_out:
        lines.append("predicted from the other shapes (error, median and 80 %):")
        lines += [f"  {_error_line(one)}" for one in event.summary.left_out]
    if event.summary.drift is not None:
        lines.append(
            f"the machine's own speed moved by {units.percent(event.summary.drift)} between rows (interquartile range)"
        )
    state = "complete" if event.complete else "stopped early"
    lines.append(f"{event.rows} rows in {units.show_duration(event.elapsed_s)}, {state}: {event.out}")
    return "\n".join(lines)
