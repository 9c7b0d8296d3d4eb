"""`verify`: the command line of the verification. Importing this module imports no torch; running it does.

Without `--events` or `--json` progress goes to stderr and a table to stdout; with `--events` stdout carries one JSON
object a line, as `planner.profiling.verification_events` describes them. Under torchrun every rank runs this command
and the first one speaks. SIGINT and SIGTERM stop between two micro-batches: nothing is written, the exit code is 130.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner import units
from planner.plan.plan import Plan
from planner.profiling.console import add_device, duration, print_events, require_torch, size
from planner.stopping import stop_signals

if TYPE_CHECKING:
    from planner.profiling.events import Event

DEFAULT_MODEL = "gpt2"
MOST_STEPS = 10_000
MOST_MICRO_BATCHES = 4096


def add_parser(
    subparsers: Any,
    plan_of: Callable[[argparse.Namespace], Plan],
    settings_of: Callable[[argparse.Namespace], list[tuple[str, Any]]],
) -> argparse.ArgumentParser:
    """Register `verify`. plan_of: the plan that the arguments name, with model and settings; settings_of: `--set`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "verify",
        help="train for real on this machine and compare with the prediction",
        description="Predicts a training step on this machine, then trains the real decoder for some steps and puts "
        "predicted against measured: step time and its parts, tokens/s, peak memory, energy. Under torchrun the ranks "
        "train together, sharded (FSDP2), tensor-parallel or in a pipeline, as the layout says.",
    )
    parser.add_argument("plan", metavar="PLAN", nargs="?", help="its model, recipe and layout; without it a small one")
    parser.add_argument("--model", metavar="NAME", help=f"a model or config.json (default: {DEFAULT_MODEL})")
    parser.add_argument(
        "--set", action="append", default=[], metavar="KEY=VALUE", dest="settings",
        help="set a field of the plan, e.g. layout.recompute=full or recipe.framework=compiled",
    )  # fmt: skip
    add_device(parser)
    parser.add_argument("--steps", type=_count(MOST_STEPS), metavar="K", help="timed steps (default: 5, on a GPU 20)")
    parser.add_argument("--micro-batch", type=_count(10**6), metavar="B", help="sequences at once")
    parser.add_argument("--sequence", type=_count(10**9), metavar="S", help="tokens in a sequence")
    parser.add_argument(
        "--micro-batches",
        type=_count(MOST_MICRO_BATCHES),
        metavar="M",
        help="in one step (default: the plan's, at most 2)",
    )
    parser.add_argument("--budget", metavar="TIME", help="time for measuring the layer first, such as 30s or 2m")
    parser.add_argument("--memory-limit", metavar="SIZE", help="take no more memory than this, such as 4GiB")
    parser.add_argument(
        "--keep", action="store_true", help="keep the result among your own runs, which validate scores"
    )
    parser.add_argument(
        "--calibrate",
        metavar="NAME",
        help="make a one-point calibration of it, which a plan can name (calibration=NAME)",
    )
    parser.add_argument("--out", metavar="FILE.json", type=Path, help="write the result, as --json prints it")
    parser.add_argument("--json", action="store_true", help="one JSON object with plain SI numbers")
    parser.add_argument("--events", action="store_true", help="print JSON lines, one event a line")
    parser.set_defaults(run=lambda options: run(options, plan_of, settings_of))
    return parser


def run(
    options: argparse.Namespace,
    plan_of: Callable[[argparse.Namespace], Plan],
    settings_of: Callable[[argparse.Namespace], list[tuple[str, Any]]],
) -> int:
    """Verify; the exit code. Raises `TrainplanError`."""
    with stop_signals() as is_stopped:
        happenings = _happenings(options, plan_of, settings_of, is_stopped)
        return print_events(happenings) if options.events else _print_table(happenings, as_json=options.json)


def _happenings(
    options: argparse.Namespace,
    plan_of: Callable[[argparse.Namespace], Plan],
    settings_of: Callable[[argparse.Namespace], list[tuple[str, Any]]],
    is_stopped: Callable[[], bool],
) -> Iterator[Event]:
    """The verification's events; what is to be kept is kept before the last of them is told."""
    budget_s, limit_bytes = duration("--budget", options.budget), size(options.memory_limit)
    named = plan_of(options) if options.plan else None
    settings = [*settings_of(options), *_shape(options)]
    require_torch()
    os.environ.setdefault("KINETO_LOG_LEVEL", "99")  # torch.profiler's own words say nothing to the user
    from planner.profiling import devices, keeping, trainable
    from planner.profiling import team as teams
    from planner.profiling.events import Failed
    from planner.profiling.verification import verify
    from planner.profiling.verification_events import Compared

    kind = devices.resolve(options.device)
    team = teams.join(kind)
    device = devices.describe(kind)
    dtype = devices.choose_dtype(kind, devices.rates(device)) if team.leads else ""
    here = trainable.Here(device, team.share(dtype), team.ranks, team.per_node)
    plan = trainable.wanted(named, options.model or DEFAULT_MODEL, here, settings, options.micro_batches)
    keeping.require_possible(plan, run=options.keep, calibrate=options.calibrate, out=options.out)
    given = options.micro_batches is not None or "recipe.global_batch" in dict(settings)
    happenings = verify(
        plan, here, steps=options.steps, whole_step=named is None or given, budget_s=budget_s,
        memory_limit_bytes=limit_bytes, cancel=is_stopped, team=team,
    )  # fmt: skip
    for event in happenings:
        if not team.leads and not isinstance(event, Failed):
            continue
        if isinstance(event, Compared):
            kept = keeping.keep(event.result, run=options.keep, calibrate=options.calibrate, out=options.out)
            event = replace(event, result={**event.result, **kept})
        yield event
    teams.leave(team)


def _shape(options: argparse.Namespace) -> list[tuple[str, Any]]:
    given = {"layout.micro_batch": options.micro_batch, "recipe.sequence_length": options.sequence}
    return [(path, value) for path, value in given.items() if value is not None]


def _count(most: int) -> Callable[[str], int]:
    """A whole number from 1 to a bound, for argparse."""

    def read(text: str) -> int:
        if not text.isdigit() or len(text) > 12 or not 1 <= int(text) <= most:
            raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from 1 to {most:,}")
        return int(text)

    return read


def _print_table(happenings: Iterator[Event], *, as_json: bool) -> int:
    """Progress on stderr; the comparison on stdout once it is there."""
    from planner.profiling.events import Failed
    from planner.profiling.verification_events import Compared

    for event in happenings:
        match event:
            case Failed(message=message, exit_code=code):
                for line in message.splitlines():
                    print(line, file=sys.stderr)
                return code
            case Compared(result=result):
                print(json.dumps(result, indent=2, ensure_ascii=False, allow_nan=False) if as_json else table(result))
            case _ if told := _words(event):
                print(told, file=sys.stderr, flush=True)
    return 0


def _words(event: Event) -> str:
    """What stderr says of an event."""
    from planner.profiling import console, events, verification_events

    match event:
        case verification_events.Started():
            shape = f"{event.micro_batches} × {event.micro_batch} × {event.sequence} tokens a step"
            ranks = f" on each of {event.ranks} ranks" if event.ranks > 1 else ""
            return (
                f"verifying {event.model} ({event.layers} layers), {shape}{ranks}, in {event.dtype} on {event.device}"
            )
        case verification_events.Predicted(step_time_s=step_s, step_time_band_s=(low, high)):
            band = f"{units.show_duration(low)} – {units.show_duration(high)}"
            return f"predicted: {units.show_duration(step_s)} a step ({band}); training now"
        case verification_events.Stepped(number=number, of=of, warm_up=warm_up, seconds=seconds, loss=loss):
            told = "warm-up step" if warm_up else "step"
            return f"{told} {number} of {of}: {units.show_duration(seconds)}, loss {loss:.3f}"
        case events.Progress() | events.Note():
            return console.words(event)
    return ""


def table(result: dict[str, Any]) -> str:
    """The comparison for a person to read."""
    head = f"{'':<18}{'predicted':>16}{'80 % band':>34}{'measured':>16}{'error':>9}  inside"
    lines = [_title(result), "", head, *(_line(row) for row in result["rows"])]
    kernels = result["measured"]["kernels_s"]
    if total := sum(kernels.values()):
        shares = ", ".join(
            f"{name} {units.percent(seconds / total, 0)}"
            for name, seconds in kernels.items()
            if seconds / total > 0.005
        )
        lines += ["", f"kernels of a step (torch.profiler): {shares}"]
    predicted = result["predicted"]
    lines += ["", f"kernel times: {predicted['kernel_source']} ({predicted['kernel_basis']})"]
    for key, words in (("run", "kept among your own runs"), ("calibration", "calibration"), ("out", "wrote")):
        lines += [f"{words}: {result[key]}"] if result.get(key) else []
    return "\n".join(lines)


def _title(result: dict[str, Any]) -> str:
    batch = result["global_batch"] // result["micro_batch"] // result["data_parallel"]
    shape = f"{batch} × {result['micro_batch']} × {result['sequence_length']} tokens"
    return (
        f"{result['model']} ({result['layers']} layers, {result['parameters']:,} parameters) on "
        f"{result['ranks']} × {result['device']} in {result['precision']}: {result['steps']} steps of {shape}"
    )


def _line(row: dict[str, Any]) -> str:
    band = f"{_shown(row['low'], row['unit'])} – {_shown(row['high'], row['unit'])}" if row["low"] is not None else ""
    error = units.percent(row["error"], sign=True) if row["error"] is not None else ""
    inside = {True: "yes", False: "no", None: ""}[row["inside_band"]]
    measured = _shown(row["measured"], row["unit"]) if row["measured"] is not None else "unknown"
    reason = f"{inside or row['note']}" if row["measured"] is None else inside
    return f"{row['what']:<18}{_shown(row['predicted'], row['unit']):>16}{band:>34}{measured:>16}{error:>9}  {reason}"


def _shown(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return units.show_duration(value) if unit == "s" else units.show(value, unit)
