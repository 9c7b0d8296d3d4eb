"""What `estimate` prints beside the figures when it is asked: `--compare`, `--sensitivity`, `--curve`, `--advice`,
`--schedule`. Each adds a key to the JSON object, prints a table, or is the table that `--csv` writes.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from planner import units
from planner.errors import InputError, UnknownNameError
from planner.estimate import Estimate, estimate
from planner.plan.file import load
from planner.scenarios.advice import Advice, advise
from planner.scenarios.comparison import MOST, Comparison, Scenario, compare
from planner.scenarios.ranges import ranges
from planner.scenarios.sensitivity import Curve, Sensitivity, Swing, curve, range_of, sensitivity
from planner.scenarios.variants import MEASURES, Measure
from planner.schedule.step import KINDS, MOST_BLOCKS, Schedule, blocks_of, schedule

Rows = tuple[Sequence[str], Sequence[Sequence[str]]]
Table = tuple[Sequence[str], Sequence[Sequence[Any]]]


@dataclass(frozen=True)
class Answer:
    """One of the answers: a key of the JSON object, its content, what a terminal shows, and its table for `--csv`."""

    key: str
    json: Any
    title: str
    shown: Rows
    table: Table


def answers(result: Estimate, options: argparse.Namespace) -> Iterator[Answer]:
    """What was asked, in the order of the options. Raises `InputError`."""
    if options.compare:
        yield _compared(result, options.compare)
    if options.sensitivity:
        found = sensitivity(result)
        yield Answer("sensitivity", found.json, _swing_title(result), _swings(found), found.table)
    if options.curve:
        yield _curve(result, options.curve)
    if options.advice:
        told = advise(result)
        title = "What would help most" if told else "No change within reach saves half a percent."
        yield Answer("advice", [one.json for one in told], title, _advice(told), _advice_table(told))
    if options.schedule:
        yield _schedule(result)


def _compared(result: Estimate, others: Sequence[str]) -> Answer:
    if len(others) >= MOST:
        raise InputError(f"--compare: {len(others)} plans; up to {MOST - 1} can stand beside the first")
    scenarios = [Scenario(result.plan.name, result), *(_scenario(name) for name in others)]
    found = compare(scenarios)
    differing = len(found.differing)
    title = f"{differing} input{'' if differing == 1 else 's'} differ{'s' if differing == 1 else ''}"
    return Answer("comparison", found.json, title, _comparison(found), found.table)


def _scenario(name: str) -> Scenario:
    plan = load(name)
    return Scenario(plan.name, estimate(plan))


def _comparison(found: Comparison) -> Rows:
    header = ["section", "item", *(one.name for one in found.scenarios)]
    rows: list[Sequence[str]] = [["input", row.title, *row.texts] for row in found.differing]
    for row in found.figures:
        if row.differs:
            cells = [figure.text if figure else "" for figure in row.figures]
            told = [
                f"{cell} {_delta(row.ratio(i), row.overlaps(i)) if i else ''}".rstrip() for i, cell in enumerate(cells)
            ]
            rows.append([row.key.partition(".")[0], row.label, *told])
    return header, rows


def _delta(ratio: float, overlaps: bool | None) -> str:
    """`(−12.0 %)`, `(× 22.2)`; `(≈ −12.0 %)` where the bands overlap."""
    return f"({'≈ ' if overlaps else ''}{units.show_change(ratio)})" if abs(ratio) >= 0.0005 else ""


def _swing_title(result: Estimate) -> str:
    return f"What would change the cost and the time of {result.plan.name}"


def _swings(found: Sensitivity) -> Rows:
    """Widest in cost first (in time where no price is known), then what moves only another measure."""
    first = "cost_usd" if found.base["cost_usd"] == found.base["cost_usd"] else "train_time_s"
    ranked = found.ranked(first)
    rest = [swing for swing in found.swings if swing not in ranked and _moves(found, swing)]
    shown = [MEASURES[key] for key in ("cost_usd", "train_time_s", "memory_bytes", "perplexity")]
    rows: list[Sequence[str]] = []
    for swing in [*ranked, *rest]:
        for end in swing.ends:
            cells = [_cell(end.measures[one.key], found.base[one.key], one) if end.measures else "" for one in shown]
            why = end.why or ("" if end.fits else "does not fit")
            rows.append([swing.title, f"{swing.now} → {end.text}" if swing.now else end.text, *cells, why])
    return ["input", "value", *(one.title.lower() for one in shown), ""], rows


def _moves(found: Sensitivity, swing: Swing) -> bool:
    return any(swing in found.ranked(key) for key in MEASURES)


def _cell(value: float, base: float, measure: Measure) -> str:
    change = value / base - 1 if base else 0.0
    delta = "" if change != change or abs(change) < 0.0005 else f" ({units.percent(change, 0, sign=True)})"
    return f"{units.show(value, measure.unit)}{delta}"


def _curve(result: Estimate, key: str) -> Answer:
    chosen = range_of(result, key)
    if chosen is None:
        known = [one.key for one in ranges(result.plan, result.machine)]
        raise UnknownNameError("input with a stated range", key, known)
    found = curve(result, chosen)
    return Answer("curve", found.json, f"{chosen.title} from end to end", _points(found), found.table)


def _points(found: Curve) -> Rows:
    rows: list[Sequence[str]] = [
        [point.text, *(units.show(point.measures[key], one.unit) for key, one in MEASURES.items()),
         "" if point.measures["fits"] else "does not fit"]
        for point in found.points
    ]  # fmt: skip
    return [found.range.title.lower(), *(one.title.lower() for one in MEASURES.values()), ""], rows


def _advice(told: Sequence[Advice]) -> Rows:
    rows: list[Sequence[str]] = [
        [one.bottleneck.title, one.bottleneck.why, one.words, one.effect, one.caution] for one in told
    ]
    return ["bottleneck", "why", "change", "effect", "mind"], rows


def _advice_table(told: Sequence[Advice]) -> Table:
    header = ["bottleneck", "title", "share", "change", "settings", "caution", "source"]
    header += [f"{key} {when}" for key in MEASURES for when in ("before", "after")]
    rows: list[Sequence[Any]] = []
    for one in told:
        settings = " ".join(f"{path}={value}" for path, value in one.changes.items())
        figures = [side[key] for key in MEASURES for side in (one.before, one.after)]
        place = one.bottleneck
        rows.append([place.key, place.title, place.share, one.words, settings, one.caution, one.source, *figures])
    return header, rows


def _schedule(result: Estimate) -> Answer:
    count = blocks_of(result)
    if count > MOST_BLOCKS:
        raise InputError(f"--schedule: a step has {count:,} blocks of work; up to {MOST_BLOCKS:,} are simulated")
    made = schedule(result)
    header, rows = made.table
    title = f"{made.pipeline.name}: {units.show(made.makespan_s, 's')} (estimate {units.show(made.estimated_s, 's')})"
    return Answer("schedule", made.json, title, _shares(made), (header, list(rows)))


def _shares(made: Schedule) -> Rows:
    rows: list[Sequence[str]] = [[title, units.percent(made.share(kind))] for kind, title in KINDS.items()]
    return ["what the stages do", "share"], rows
