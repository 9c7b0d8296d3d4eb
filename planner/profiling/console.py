"""What the profiler's command lines share: options with units, events as lines and as words. No torch is imported."""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Iterator
from typing import TYPE_CHECKING

from planner import units
from planner.errors import TORCH_COMMAND, InputError, MissingError

if TYPE_CHECKING:
    from planner.profiling.events import Event

CANCELLED = 130


def add_device(parser: argparse.ArgumentParser) -> None:
    """Register `--device`."""
    parser.add_argument(
        "--device", default="auto", choices=("auto", "cuda", "cpu"), help="default: a GPU if there is one"
    )


def require_torch() -> None:
    """Raise `MissingError` with the command that installs it. (torch is not imported.)"""
    if importlib.util.find_spec("torch") is None:
        raise MissingError(f"profiling needs torch, which is not installed; install it with: {TORCH_COMMAND}")


def duration(option: str, text: str | None) -> float | None:
    """Seconds of `5m`, `90s`, `1h`; a bare m means minutes here, as in the shell's own tools."""
    if text is None:
        return None
    words = text.strip()
    if words.endswith("m") and not words.endswith("mm"):
        words += "in"
    return _positive(option, words, "s")


def size(text: str | None) -> float | None:
    """Bytes of `--memory-limit`."""
    return None if text is None else _positive("--memory-limit", text, "B")


def _positive(option: str, text: str, unit: str) -> float:
    try:
        value = units.parse(text, unit)
    except InputError as error:
        raise InputError(f"{option}: {error}") from None
    if value <= 0:
        raise InputError(f"{option}: {text!r} is not more than nothing")
    return value


def print_events(happenings: Iterator[Event]) -> int:
    """Each event as a line of JSON; the exit code."""
    from planner.profiling.events import to_line

    code = 0
    for event in happenings:
        print_line(to_line(event))
        code = exit_code(event, code)
    return code


def print_line(line: str) -> None:
    """At once, for whoever watches."""
    print(line, flush=True)


def exit_code(event: Event, code: int) -> int:
    """The command's exit code after an event, which was `code` before it."""
    from planner.profiling.events import Failed, Finished

    match event:
        case Failed(exit_code=failed):
            return failed
        case Finished(complete=False):
            return CANCELLED
    return code


def words(event: Event) -> str:
    """What stderr says of an event; nothing for most rows, which the table has."""
    from planner.profiling import events

    match event:
        case events.Started(device=device, model=model, dtype=dtype, suite=suite):
            return f"profiling {model} on {device} in {dtype}, {suite} suite"
        case events.CollectivesStarted(device=device, backend=backend, nodes=nodes, ranks_per_node=each):
            return f"measuring collectives between {nodes * each} ranks on {nodes} × {device}, {backend}"
        case events.Progress(doing=doing, remaining_s=left_s, done=done, total=total):
            return f"[{done}/{total}] {doing}, about {units.show_duration(left_s)} to go" if left_s else ""
        case events.Note(text=text):
            return f"note: {text}"
        case events.Failed(message=message):
            return f"error: {message}"
    return ""
