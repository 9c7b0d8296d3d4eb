"""`search`: the command line of the search.

Without `--events` progress goes to stderr and the tables to stdout; with it stdout carries one JSON object a line, as
`planner.search.events` describes them, for a program that watches. SIGINT and SIGTERM stop it within a block of
layouts (some hundredths of a second); the exit code is then 130.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from planner import units
from planner.errors import InputError, shorten
from planner.estimate import estimate
from planner.plan.layout import Layout
from planner.plan.plan import Plan
from planner.reports.csv_report import table_text
from planner.search.events import Event, Finished, Progress, Result
from planner.search.ranking import OBJECTIVES, Constraints, Found, layout_words, shown
from planner.search.run import sweep
from planner.stopping import stop_signals
from planner.writing import write_atomically

MOST_RANKED = 10_000
_PARETO_SHOWN = 12


def add_parser(subparsers: Any) -> argparse.ArgumentParser:
    """Register `search`; PLAN, `--model` and `--set` are the command line's own, as for every command of a plan."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "search",
        help="every layout of a plan, ranked, with the Pareto front and why the others fall out",
        description="Estimates every layout of a plan (parallel degrees, pipeline schedule, ZeRO stage, sequence "
        "parallelism, micro-batch, recompute) and ranks those that fit.",
    )
    parser.add_argument("--gpus", metavar="N,N…", help="try these numbers of GPUs instead of the plan's")
    parser.add_argument("--accelerators", metavar="A,B…", help="try these accelerators instead of the plan's")
    parser.add_argument("--objective", choices=tuple(OBJECTIVES), default="cost", help="default: %(default)s")
    parser.add_argument("--top", type=int, default=10, metavar="K", help="layouts to list (default: %(default)s)")
    parser.add_argument("--memory-margin", metavar="SHARE", help="keep this share of the memory free, such as 10%%")
    parser.add_argument("--budget", metavar="USD", help="only what costs at most this, such as $2M")
    parser.add_argument("--deadline", metavar="TIME", help="only what is done in this time, such as '30 days'")
    parser.add_argument("--max-nodes", type=int, metavar="N", help="only clusters of at most so many nodes")
    parser.add_argument(
        "--exhaustive", action="store_true",
        help="also hybrid sharding, recomputing part of the layers, context parallelism of any degree",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="one JSON object with plain SI numbers")
    parser.add_argument("--csv", metavar="FILE", help="write the ranked list and the Pareto front as a table")
    parser.add_argument("--events", action="store_true", help="print JSON lines, one event a line")
    return parser


def run(options: argparse.Namespace, plan: Plan) -> int:
    """Search; the exit code. Raises `TrainplanError`."""
    with stop_signals() as is_stopped:
        happenings = sweep(
            plan, gpus=_counts(options.gpus), accelerators=_names(options.accelerators),
            objective=options.objective, top=_top(options.top), constraints=_constraints(options),
            wide=options.exhaustive, is_cancelled=is_stopped,
        )  # fmt: skip
        result = _watched(happenings, options.events)
        if options.csv:
            write_atomically(Path(options.csv), csv_text(result))
            print(f"wrote {options.csv}", file=sys.stderr)
        _print(result, options)
    return 0


def _watched(happenings: Iterator[Event], as_lines: bool) -> Result:
    for event in happenings:
        if isinstance(event, Finished):
            return event.result
        if as_lines:
            print(json.dumps({"event": event.word, **_progress_json(event)}, ensure_ascii=False), flush=True)
        elif sys.stderr.isatty():
            done = units.percent(event.fraction, 0)
            said = f"{done:>5}  {event.doing}: {event.evaluated:,} layouts, {event.fits:,} fit "
            print(f"\r{said}", end="", file=sys.stderr, flush=True)
    raise AssertionError("a sweep ends with its result")


def _progress_json(event: Progress) -> dict[str, Any]:
    best = found_json(event.best) if event.best else None
    return {
        "doing": event.doing, "fraction": event.fraction, "evaluated": event.evaluated, "fits": event.fits,
        "elapsed_s": event.elapsed_s, "remaining_s": event.remaining_s, "best": best,
    }  # fmt: skip


def _print(result: Result, options: argparse.Namespace) -> None:
    if options.events:
        answer = result_json(result, with_estimates=False)
        print(json.dumps({"event": "finished", **answer}, ensure_ascii=False), flush=True)
    elif options.json:
        print(json.dumps(result_json(result), indent=2, ensure_ascii=False, allow_nan=False))
    else:
        print(text(result))


def result_json(result: Result, *, with_estimates: bool = True) -> dict[str, Any]:
    """The object that `search --json` prints. Each of `best` carries its whole estimate, as `estimate --json` does;
    with `--events` it does not: a program that watches lists thousands and estimates the one it takes."""
    best = [found_json(one) for one in result.best]
    if with_estimates:
        best = [{**said, "estimate": estimate(one.plan).json} for said, one in zip(best, result.best, strict=True)]
    return {
        "evaluated": result.evaluated, "seconds": result.seconds, "fits": result.fits, "objective": result.objective,
        "best": best, "rejected": result.rejected, "pareto": [found_json(one) for one in result.pareto],
        "closest": found_json(result.closest) if result.closest else None,
    }  # fmt: skip


def found_json(found: Found) -> dict[str, Any]:
    """A layout's fields and headline figures side by side, in words, and as a plan file has it."""
    layout = {**found.layout.model_dump(mode="json"), "dp": found.plan.dp}
    figures = {name: value if math.isfinite(value) else None for name, value in found.figures.items()}
    cluster = found.plan.cluster
    where = {"accelerator": cluster.accelerator.name, "gpus": cluster.gpus, "nodes": cluster.nodes}
    return {
        **where,
        **layout,
        **figures,
        "words": layout_words(found.plan),
        "layout": found.layout.model_dump(mode="json"),
    }


def csv_text(result: Result) -> str:
    """The ranked list, then the Pareto front, one row a layout."""
    rows = [
        {"list": name, "rank": rank, **{key: value for key, value in found_json(one).items() if key != "layout"}}
        for name, found in (("best", result.best), ("pareto", result.pareto))
        for rank, one in enumerate(found, start=1)
    ]
    columns = list(rows[0]) if rows else ["list", "rank", "accelerator", "gpus", *Layout.model_fields]
    return table_text(columns, ([row.get(name) for name in columns] for row in rows))


def text(result: Result) -> str:
    """The answer for a terminal."""
    took = units.show_duration(result.seconds)
    lines = [f"{result.evaluated:,} layouts in {took}; {result.fits:,} fit; ranked by {result.objective}", ""]
    if result.best:
        lines += _table(result.best)
    elif result.closest:
        memory = units.show(result.closest.figures["memory_bytes"], "B")
        there = units.show(result.closest.plan.cluster.accelerator.memory_bytes, "B")
        nothing = "Nothing fits" if not result.fits else "Nothing is left"
        lines.append(f"{nothing}. The least memory: {memory} of {there} with {layout_words(result.closest.plan)}")
    else:
        lines.append("No layout is left.")
    if result.pareto:
        shown = _spread(result.pareto, _PARETO_SHOWN)
        of = f", {len(shown)} of {len(result.pareto)}" if len(shown) < len(result.pareto) else ""
        lines += ["", f"Pareto front: nothing else is cheaper, faster and smaller{of}", *_table(shown)]
    if result.rejected:
        lines += ["", "Why the others fall out"]
        width = max(len(reason) for reason in result.rejected)
        lines += [f"{reason:{width}}  {count:>14,}" for reason, count in result.rejected.items()]
    return "\n".join(lines).replace("\N{NO-BREAK SPACE}", " ")


def _spread(found: list[Found], count: int) -> list[Found]:
    """At most `count` of them, evenly spread, first and last among them."""
    if len(found) <= count:
        return found
    return [found[round(i * (len(found) - 1) / (count - 1))] for i in range(count)]


def _table(found: list[Found]) -> list[str]:
    rows = shown(found)
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join([*(cell.rjust(width) for cell, width in zip(row, widths[:-1], strict=False)), row[-1]]).rstrip()
        for row in rows
    ]


def _counts(option: str | None) -> list[int]:
    counts = []
    for word in _names(option):
        try:
            value = units.parse(word, "GPUs")
        except InputError as error:
            raise InputError(f"--gpus: {error}") from None
        if value < 1 or value != int(value) or value > 10**7:
            raise InputError(f"--gpus: {shorten(word)!r} is not a number of GPUs")
        counts.append(int(value))
    return list(dict.fromkeys(counts))


def _names(option: str | None) -> list[str]:
    if option is None:
        return []
    names = [name.strip() for name in option.split(",") if name.strip()]
    if not names:
        raise InputError("an empty list; write it like A,B")
    return list(dict.fromkeys(names))


def _top(count: int) -> int:
    if not 1 <= count <= MOST_RANKED:
        raise InputError(f"--top: {count} is not between 1 and {MOST_RANKED:,}")
    return count


def _constraints(options: argparse.Namespace) -> Constraints:
    margin = _parsed("--memory-margin", options.memory_margin, "fraction")
    if margin is not None and not 0 <= margin < 1:
        raise InputError(f"--memory-margin: {options.memory_margin!r} is not a share below 1; write it like 10%")
    budget, deadline = _parsed("--budget", options.budget, "USD"), _parsed("--deadline", options.deadline, "s")
    for name, value in (("--budget", budget), ("--deadline", deadline), ("--max-nodes", options.max_nodes)):
        if value is not None and value <= 0:
            raise InputError(f"{name} must be above zero")
    return Constraints(memory_margin=margin or 0.0, budget_usd=budget, deadline_s=deadline, max_nodes=options.max_nodes)


def _parsed(name: str, words: str | None, unit: str) -> float | None:
    if words is None:
        return None
    try:
        return units.parse(words, unit)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
