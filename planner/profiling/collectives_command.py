"""`profile --collectives`: the command line of a measurement among ranks. Importing this imports no torch.

torchrun or Slurm starts the command once a rank. Rank 0 prints; a failure that only some ranks see is printed by one
of those, and one before the ranks met by the first of each node.
"""

from __future__ import annotations

import argparse
import math
import os
import shlex
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from planner import units
from planner.errors import CancelledError, InputError, MissingError, TrainplanError
from planner.plan import shipped
from planner.profiling import console, rendezvous
from planner.profiling.rendezvous import Place

if TYPE_CHECKING:
    from planner.profiling.events import Event, Finished
    from planner.timing.fabric import Collective, Curve

POLL_S = 0.1
_NODES_HINT = "--nnodes NODES --node-rank THIS_NODE --master-addr FIRST_NODE --master-port 29500"


def run(arguments: argparse.Namespace, cancel: Callable[[], bool]) -> int:
    """One rank's part; the exit code. Raises `TrainplanError` on the ranks that are to print it.

    Where neither torchrun nor Slurm started this process, that is a `MissingError` with the command to run.
    """
    if arguments.plan:
        raise InputError("--plan lists a layer's measurements; leave it out with --collectives")
    console.require_torch()
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # its errors come as exceptions, once
    where = rendezvous.place()
    if where is None:
        raise MissingError(_how_to_start(arguments))
    try:
        happenings = _joined(where, arguments, cancel)
    except TrainplanError as error:
        if where.speaks_for_node:
            raise
        return error.exit_code
    code = _tell(happenings, where, console.print_events if arguments.events else print_table)
    if code not in (0, console.CANCELLED):
        sys.stdout.flush()
        os._exit(code)  # a backend's threads may wait for ever for a rank that is gone
    rendezvous.leave()
    return code


def _joined(where: Place, arguments: argparse.Namespace, cancel: Callable[[], bool]) -> Iterator[Event]:
    """The events of a measurement among ranks that have met."""
    timeout_s = console.duration("--timeout", arguments.timeout) or rendezvous.TIMEOUT_S
    budget_s, limit_bytes = console.duration("--budget", arguments.budget), console.size(arguments.memory_limit)
    model = shipped.model(arguments.model)
    fabric = shipped.fabric(arguments.fabric).name if arguments.fabric else ""
    from planner.profiling import collectives, devices

    kind = devices.resolve(arguments.device)
    _stoppable(lambda: rendezvous.join(where, kind, timeout_s), cancel)
    request = collectives.Request(
        model=model, suite=arguments.suite, budget_s=budget_s or collectives.BUDGET_S[arguments.suite],
        limit_bytes=limit_bytes or math.inf, fabric=fabric, timeout_s=timeout_s,
        out=arguments.out or collectives.default_out(devices.describe(kind).name),
    )  # fmt: skip
    return collectives.measure(where, kind, request, cancel)


def _stoppable(work: Callable[[], None], cancel: Callable[[], bool]) -> None:
    """Do blocking work that hears no signal. Raises what it raised, or `CancelledError` and lets it be."""
    failed: list[Exception] = []

    def caught() -> None:
        try:
            work()
        except Exception as error:
            failed.append(error)

    thread = threading.Thread(target=caught, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_S)
        if cancel():
            raise CancelledError("cancelled before the ranks had met")
    if failed:
        raise failed[0]


def _tell(happenings: Iterator[Event], where: Place, show: Callable[[Iterator[Event]], int]) -> int:
    """Show what is this rank's to show; the exit code, which every rank has."""
    from planner.profiling.events import Failed

    codes = [0]

    def mine() -> Iterator[Event]:
        for event in happenings:
            codes.append(console.exit_code(event, codes[-1]))
            if event.message if isinstance(event, Failed) else where.rank == 0:
                yield event

    show(mine())
    return codes[-1]


def _how_to_start(arguments: argparse.Namespace) -> str:
    import torch

    from planner.profiling import devices

    on_gpus = devices.resolve(arguments.device) == "cuda"
    ranks = torch.cuda.device_count() if on_gpus else max(2, min(4, os.cpu_count() or 2))
    among = "processes, one a GPU" if on_gpus else "processes"
    words = shlex.join(sys.argv)
    return (
        f"--collectives measures between {among}; start them with torchrun:\n"
        f"  torchrun --standalone --nproc-per-node {ranks} {words}\n"
        f"on several nodes, on each:\n"
        f"  torchrun {_NODES_HINT} --nproc-per-node {ranks} {words}\n"
        f"or under Slurm:\n"
        f"  srun --ntasks-per-node {ranks} {shlex.quote(sys.executable)} {words}"
    )


def print_table(happenings: Iterator[Event]) -> int:
    """Progress on stderr; rows, curves and a closing line on stdout once all are there."""
    from planner.profiling import events

    rows: list[Collective] = []
    fitted: list[Curve] = []
    code = 0
    for event in happenings:
        match event:
            case events.MeasuredCollective(row=row):
                rows.append(row)
            case events.Fitted(curve=curve):
                fitted.append(curve)
            case events.Finished():
                print("\n\n".join(filter(None, (_rows_table(rows), _curves_table(fitted), _closing(event)))))
        if words := console.words(event):
            print(words, file=sys.stderr, flush=True)
        code = console.exit_code(event, code)
    return code


def _rows_table(rows: list[Collective]) -> str:
    if not rows:
        return ""
    head = f"{'collective':<16}{'ranks':>6}{'a node':>7}{'stride':>7}{'size':>10}{'median':>10}{'spread':>8}{'n':>4}"
    lines = [
        f"{row.operation:<16}{row.ranks:>6}{row.ranks_per_node:>7}{row.stride:>7}{units.show_bytes(row.bytes):>10}"
        f"{units.show_duration(row.median_s):>10}{units.percent(row.spread):>8}{row.n:>4}"
        f"{units.show(row.bytes / row.median_s, 'B/s'):>13}{units.show(row.bus_bytes_per_s, 'B/s'):>13}"
        + ("  noisy" if row.is_noisy else "")
        for row in rows
    ]
    return "\n".join([f"{head}{'algorithm':>13}{'bus':>13}", *lines])


def _curves_table(fitted: list[Curve]) -> str:
    """One line a regime: α, and β as bus bandwidth."""
    if not fitted:
        return ""
    head = f"{'fitted':<16}{'ranks':>6}{'a node':>7}{'from':>10}{'to':>10}{'α':>10}{'β (bus)':>13}{'left out':>10}"
    lines = [head]
    for curve in fitted:
        name = f"{curve.operation:<16}{curve.ranks:>6}{curve.ranks_per_node:>7}"
        for regime in curve.regimes:
            bus = curve.bus_of(regime)
            lines.append(
                f"{name:<29}{units.show_bytes(regime.smallest_bytes):>10}{units.show_bytes(regime.largest_bytes):>10}"
                f"{units.show_duration(regime.start_s) if regime.start_s else '–':>10}"
                f"{units.show(bus, 'B/s') if bus else '–':>13}"
                + (f"{'±' + units.percent(curve.error, 0):>10}" if name else "")
            )
            name = ""
    return "\n".join(lines)


def _closing(event: Finished) -> str:
    state = "complete" if event.complete else "stopped early"
    told = "bus: bus bandwidth as NCCL's tests count it (nccl-tests, doc/PERFORMANCE.md); left out: 80 % of the sizes "
    told += "left out of the fit are nearer"
    return f"{told}\n{event.rows} rows in {units.show_duration(event.elapsed_s)}, {state}: {event.out}"
