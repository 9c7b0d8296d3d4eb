"""`read-profile`: what the app wants of a measured profile, worked out in a process of its own and told as JSON lines.

It is the app's own way to large profiles and stands in no list of commands: `progress`, then `finished` with what
`planner.timing.handover` makes of the answer, or `failed`. SIGTERM ends it at once; nothing is written.
"""

from __future__ import annotations

import argparse
import json
from typing import Any

from planner.errors import InputError
from planner.profiling.console import print_line


def add_parser(subparsers: Any) -> None:
    """Register `read-profile`; `arguments.run` is then `run`."""
    parser = subparsers.add_parser("read-profile", description="The app's own way to long measured profiles.")
    parser.add_argument("wanted", metavar="JSON", help="what is wanted, as the app encodes it")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Work out the answer and print it; the exit code. Raises `InputError` where what is wanted cannot be read."""
    from planner.timing import handover, reading

    try:
        wanted = handover.decode(json.loads(arguments.wanted))
        files = wanted.files
    except (ValueError, LookupError, TypeError, AttributeError):
        raise InputError("read-profile: not something that the app asks for") from None
    _tell("reading its rows", 0.0)
    for number, file in enumerate(files, 1):
        try:
            reading.whole(file)
        except InputError:  # told below
            break
        _tell("reading its rows", 0.4 * number / len(files))
    _tell("working out what they say", 0.4)
    found = reading.worked_out(wanted)
    if isinstance(found, InputError):
        print_line(found.event)
        return found.exit_code
    _tell("handing it over", 0.95)
    print_line(json.dumps({"event": "finished", "found": handover.encode(found)}))
    return 0


def _tell(doing: str, fraction: float) -> None:
    print_line(json.dumps({"event": "progress", "doing": doing, "fraction": fraction, "remaining_s": None}))
