"""`validate`: the command line of published runs against predictions.

Without `--events` progress goes to stderr and the answer to stdout; with it stdout carries one JSON object a line:
`progress`, `rows` (those of a block, as `--json` lists them) and last `finished` with all but the rows, or `failed`.
SIGINT and SIGTERM stop it within a block of rows; the exit code is then 130.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from planner import units
from planner.stopping import stop_signals
from planner.validation.events import Event, Finished, Progress, Validation
from planner.validation.run import validating
from planner.validation.score import UNITS


def run(options: argparse.Namespace, print_table: Callable[..., None]) -> int:
    """Validate; the exit code. Raises `TrainplanError`."""
    with stop_signals() as is_stopped:
        path = Path(options.runs) if options.runs else None
        result = _watched(validating(path, is_stopped), options.events)
    if options.events:
        _print_event("finished", result.told)
    elif options.json:
        _print_json(result)
    else:
        _print_text(result, print_table)
    return 0


def _watched(happenings: Iterator[Event], as_lines: bool) -> Validation:
    is_told = False
    for event in happenings:
        if isinstance(event, Finished):
            if is_told:
                print("\r\033[K", end="", file=sys.stderr, flush=True)
            return event.result
        if as_lines:
            _print_progress(event)
        elif sys.stderr.isatty():
            is_told = True
            print(f"\r{event.fraction:4.0%}  {event.doing} ", end="", file=sys.stderr, flush=True)
    raise AssertionError("a validation ends with its result")


def _print_progress(event: Progress) -> None:
    if event.rows:
        _print_event("rows", {"rows": event.rows})
    _print_event(event.word, {
        "doing": event.doing, "fraction": event.fraction, "elapsed_s": event.elapsed_s,
        "remaining_s": event.remaining_s,
    })  # fmt: skip


def _print_event(word: str, content: dict[str, Any]) -> None:
    print(json.dumps({"event": word, **content}, ensure_ascii=False, allow_nan=False), flush=True)


def _print_json(result: Validation) -> None:
    """In pieces, so that Ctrl+C ends it at once however many rows there are."""
    encoder = json.JSONEncoder(indent=2, ensure_ascii=False, allow_nan=False)
    for piece in encoder.iterencode(result.json):
        sys.stdout.write(piece)
    print()


def _print_text(result: Validation, print_table: Callable[..., None]) -> None:
    scored = [row for row in result.rows if not row["skipped"] and row["metric"] != "fits"]
    print_table(("run", "source", "metric", "published", "predicted", "error"), map(_run_row, scored))
    print()
    if result.summary["n"]:
        header = ("source", "n", "mean |error|", "median |error|", "90th percentile", "bias", "inside band")
        rows = [_score_row(name, score) for name, score in result.by_source.items()]
        print_table(header, [*rows, _score_row("all", result.summary)])
    else:
        print("no step time to score")
    skipped = sum(1 for row in result.rows if row["skipped"])
    if skipped:
        print(f"{skipped} rows skipped; --json lists why", file=sys.stderr)


def _run_row(row: dict[str, Any]) -> tuple[str, ...]:
    published, predicted = (units.show(row[key], UNITS[row["metric"]]) for key in ("published", "predicted"))
    return row["id"], row["source"], row["metric"], published, predicted, units.percent(row["error"], sign=True)


def _score_row(name: str, score: dict[str, Any]) -> tuple[str, ...]:
    sizes = (units.percent(score[key]) for key in ("mape", "median_abs_error", "p90_abs_error"))
    bias, within = units.percent(score["bias"], sign=True), units.percent(score["within_band"], 0)
    return name, str(score["n"]), *sizes, bias, within
