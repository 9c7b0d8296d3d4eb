"""`export`: launch files of a plan. And `--from` of the commands that take a plan."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.errors import InputError

if TYPE_CHECKING:
    from planner.plan.plan import Plan

FORMATS = ("torchtitan", "megatron", "deepspeed", "nanotron", "slurm", "skypilot")


def add_parser(
    subparsers: Any,
    add_plan_arguments: Callable[[argparse.ArgumentParser], None],
    plan_of: Callable[[argparse.Namespace], Plan],
) -> None:
    """Register `export`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "export",
        help="launch files of a plan for a real engine or scheduler",
        description="Writes the files that start a plan's training in its layout. What the engine cannot do is an "
        "error that names the field; what its file cannot say is told on stderr.",
    )
    add_plan_arguments(parser)
    parser.add_argument("--to", required=True, choices=FORMATS, dest="format", help="the engine or scheduler")
    parser.add_argument(
        "--out", metavar="FILE", help="where to; files that belong to it go beside it (default: stdout)"
    )
    parser.add_argument(
        "--measure", action="store_true",
        help="slurm, skypilot: a job that runs profile and verify on the cluster and brings the profile back",
    )  # fmt: skip
    parser.set_defaults(run=lambda options: run(options, plan_of(options)))


def run(options: argparse.Namespace, plan: Plan) -> int:
    """Write the files; the exit code. Raises `InputError`."""
    from planner.interchange import formats
    from planner.plan.check import check

    wrong = [str(problem) for problem in check(plan) if problem.severity == "error"]
    if wrong:
        raise InputError("\n".join(wrong))
    if options.out == "":
        raise InputError("--out takes the name of a file; the one given is blank")
    written = formats.render(plan, options.format, measure=options.measure)
    for note in written.notes:
        print(f"warning: {note}", file=sys.stderr)
    if options.out is None:
        print(written.text, end="")
        for name in written.beside:
            print(f"warning: {name} belongs beside it; --out writes both", file=sys.stderr)
        return 0
    for path in formats.save(written, Path(options.out)):
        print(f"wrote {path}", file=sys.stderr)
    return 0


def read(path: Path, format_name: str | None, base: Plan) -> Plan:
    """The plan of a training config; what was ignored or assumed goes to stderr."""
    from planner.interchange import formats

    plan, notes = formats.read(path, format_name, base)
    for note in notes:
        print(f"warning: {note}", file=sys.stderr)
    return plan
