"""`ladder`: the command line. Importing this module imports no torch; running it does.

Without `--events` the plan, each run and the forecast go to stderr as they come, the tables to stdout at the end; with
it stdout carries one JSON object a line, as `planner.quality.ladder.events` describes them. SIGINT and SIGTERM stop
between two steps with exit code 130; the same command then goes on where it was.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.errors import InputError, shorten
from planner.profiling.console import add_device, require_torch
from planner.stopping import stop_signals
from planner.units import percent

if TYPE_CHECKING:
    from planner.quality.ladder.events import Event
    from planner.quality.ladder.request import Request

DEFAULT_SIZE = "useful"
DEFAULT_TEXT = "shakespeare"
PROGRESS_LINE_EVERY_S = 10.0
"""A terminal shows the progress this often, the app every event."""


def add_parser(subparsers: Any) -> None:
    """Register `ladder` with the command line's subparsers."""
    parser = subparsers.add_parser(
        "ladder",
        help="train small decoders on a text, fit a law to their losses, predict the next one and train it",
        description="Trains decoders of growing size on a text, each on several token budgets, predicts the loss of "
        "the largest from the smaller ones before it is trained, and fits a scaling law of your own.",
    )
    parser.add_argument(
        "--text", default=DEFAULT_TEXT, metavar="FILE", help="a UTF-8 text, or a shipped one (default: %(default)s)"
    )
    parser.add_argument(
        "--tokenizer", default="byte", metavar="NAME",
        help="byte, bpe (SentencePiece, trained on the text), gpt2 (cut), mistral-v1 or tekken (default: byte)",
    )  # fmt: skip
    parser.add_argument("--vocabulary", type=int, metavar="N", help="entries of bpe, and of gpt2's (default: 1024)")
    add_device(parser)
    parser.add_argument(
        "--size", default=DEFAULT_SIZE, metavar="SIZE",
        help="tiny (a minute of 2 CPU cores), useful (under ten), large (a GPU, a text of 100 MB); default: useful",
    )  # fmt: skip
    parser.add_argument(
        "--shapes", metavar="WxL,…", help="other rungs: width x layers from the smallest, such as 16x1,16x2,32x2,48x2"
    )
    parser.add_argument("--tokens", metavar="N", help="tokens of the last rung, such as 2M; the others follow")
    parser.add_argument("--learning-rate", type=float, metavar="R", help="of the smallest rung, instead of a search")
    parser.add_argument("--seed", type=int, default=0, metavar="N")
    parser.add_argument("--out", type=Path, metavar="POINTS.csv", help="default: a file in the user's folder")
    parser.add_argument("--json", action="store_true", help="print one JSON object at the end")
    parser.add_argument("--events", action="store_true", help="print JSON lines, one event a line")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Climb; the exit code. Raises `TrainplanError`."""
    with stop_signals() as is_stopped:
        return _run(arguments, is_stopped)


def _run(arguments: argparse.Namespace, is_stopped: Callable[[], bool]) -> int:
    asked = request(arguments)
    require_torch()
    from planner.quality.ladder.climb import climb
    from planner.quality.ladder.events import to_line

    happenings = climb(asked, is_stopped)
    if not arguments.events:
        return _tell(happenings, as_json=arguments.json)
    for event in happenings:
        print(to_line(event), flush=True)
    return 0


def request(arguments: argparse.Namespace) -> Request:
    """What the arguments ask for. Raises `InputError` for options that name nothing."""
    from planner import library, units
    from planner.quality.ladder import rungs, text
    from planner.quality.ladder.corpus import corpus
    from planner.quality.ladder.request import Request

    size = rungs.size(arguments.size)
    shapes = _shapes(arguments.shapes) if arguments.shapes else size.shapes
    tokens = int(units.parse(arguments.tokens, "tokens")) if arguments.tokens else size.tokens
    if arguments.learning_rate is not None and not 0 < arguments.learning_rate < 1:
        raise InputError(f"--learning-rate {arguments.learning_rate}: a rate lies between 0 and 1")
    if not 0 <= arguments.seed < 2**31:
        raise InputError(f"--seed {arguments.seed}: a whole number from 0, below {2**31:,}")
    found = corpus(text.read(arguments.text), arguments.tokenizer, arguments.vocabulary, rungs.SEQUENCE)
    which = "own" if arguments.shapes or arguments.tokens else arguments.size
    name = library.slug(f"ladder-{found.text.name}-{found.vocabulary.name}-{which}")
    if arguments.out is None and (why := library.why_not_kept()):
        raise InputError(f"--out: name a file for the points ({why})")
    out = arguments.out or library.user_folder() / "ladders" / f"{name}.csv"
    return Request(
        found, shapes, tokens, out, name if arguments.out is None else out.stem,
        arguments.device, arguments.seed, arguments.learning_rate,
    )  # fmt: skip


def _shapes(words: str) -> tuple[tuple[int, int], ...]:
    from planner.quality.ladder.rungs import WIDTH_STEP

    found = []
    for word in words.split(","):
        width, _, layers = word.strip().lower().partition("x")
        if not (width.isdigit() and layers.isdigit() and int(layers) and int(width) and not int(width) % WIDTH_STEP):
            raise InputError(
                f"--shapes {shorten(word)!r}: write width x layers, the width a multiple of {WIDTH_STEP}: 32x2,48x3"
            )
        found.append((int(width), int(layers)))
    return tuple(found)


def _tell(happenings: Iterator[Event], *, as_json: bool) -> int:
    """What happens on stderr as it comes; at the end the tables, or one JSON object, on stdout."""
    from planner.quality.ladder import events

    seen: dict[str, Any] = {}
    told_s = 0.0
    for event in happenings:
        if isinstance(event, events.Progress) and event.elapsed_s - told_s < PROGRESS_LINE_EVERY_S:
            continue
        if words := _words(event):
            print(words, file=sys.stderr, flush=True)
        told_s = event.elapsed_s if isinstance(event, events.Progress) else told_s
        if not isinstance(event, events.Progress | events.Note | events.TrainedOne):
            seen[event.word] = event
    print(json.dumps(_plain(seen), allow_nan=False) if as_json else table(**seen))
    return 0


def _plain(seen: dict[str, Any]) -> dict[str, Any]:
    """One object: what was started, planned, tuned, predicted, checked and finished, each as its event's line."""
    from planner.quality.ladder.events import to_line

    return {word: json.loads(to_line(event)) for word, event in seen.items()}


def _words(event: Event) -> str:
    """What stderr says of an event."""
    from planner.quality.ladder import events
    from planner.units import show, show_duration

    match event:
        case events.Started():
            return (
                f"{event.text} under {event.tokenizer}: {event.training_tokens:,} tokens to train on, "
                f"{event.held_out_tokens:,} held out, {event.bytes_per_token:.2f} bytes each; on {event.device}"
            )
        case events.Planned():
            lines = [
                f"  {rung.width} x {rung.layers}: {show(rung.parameters)} parameters, "
                f"{', '.join(show(one) for one in rung.tokens)} tokens, about {show_duration(rung.seconds)}"
                for rung in event.rungs
            ]
            return "\n".join([f"plan, about {show_duration(event.seconds)} in all:", *lines])
        case events.Progress():
            return f"[{event.done}/{event.total}] {event.doing}, about {show_duration(event.remaining_s)} to go"
        case events.TrainedOne(row=row):
            return f"{show(row.parameters)} parameters, {show(row.tokens)} tokens: loss {row.loss:.4f}"
        case events.Tuned():
            return f"base learning rate {event.learning_rate:.4g}, from {event.tried} runs of the smallest rung"
        case events.Predicted():
            return _prediction(event)
        case events.Checked():
            return _check(event)
        case events.Note():
            return f"note: {event.text}"
    return ""


def _prediction(event: Any) -> str:
    found = event.forecast
    return (
        f"predicted before it is trained: {found.parameters:,} parameters on {found.tokens:,} tokens reach a loss of "
        f"{found.loss:.4f} ({found.low:.4f} to {found.high:.4f}), by {found.form}"
    )


def _check(event: Any) -> str:
    side = "inside" if event.inside_band else "outside"
    off = percent(event.error, 2, sign=True)
    return f"trained: {event.measured:.4f}; predicted {event.predicted:.4f}, off by {off}, {side} the band"


def table(*, started: Any, predicted: Any, checked: Any, finished: Any, **others: Any) -> str:
    """Points, forecast and its check, and what became of the law, for a terminal."""
    from planner.units import show_duration

    lines = [f"{'parameters':>12}{'tokens':>12}{'seed':>6}{'loss':>9}{'perplexity':>12}{'bits/byte':>11}{'time':>10}"]
    for row in finished.rows:
        bits = row.loss / started.bytes_per_token / math.log(2)
        lines.append(
            f"{row.parameters:>12,}{row.tokens:>12,}{row.seed:>6}{row.loss:>9.4f}{math.exp(row.loss):>12.3f}"
            f"{bits:>11.4f}{show_duration(row.seconds):>10}"
        )
    lines += ["", _prediction(predicted), *_backtests(predicted), _check(checked), ""]
    lines.append(f"law saved: frontier PLAN --law {finished.law}" if finished.law else f"no law: {finished.why_no_law}")
    lines.append(f"{len(finished.rows)} points in {show_duration(finished.elapsed_s)}: {finished.out}")
    return "\n".join(lines)


def _backtests(event: Any) -> list[str]:
    found = event.forecast
    tests = ", ".join(f"{test.parameters:,.0f}: {percent(test.error, 2, sign=True)}" for test in found.backtests)
    others = ", ".join(f"{name} {percent(error, 2)}" for name, error in found.rejected.items()) or "none"
    return [
        f"  {found.formula}; assumes: {found.assumes}",
        f"  rungs below it, each from those below that one: {tests} (other forms, root mean square: {others})",
        f"  between seeds {percent(event.seed_noise, 2)}",
    ]
