"""A validation itself: a table is read and scored in blocks of rows, between which it tells how far it is and can be
stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from planner import library
from planner.errors import CancelledError, InputError
from planner.validation import own, run_list, run_table
from planner.validation.events import Event, Finished, Progress, Validation
from planner.validation.run_table import Runs
from planner.validation.score import Job, scored
from planner.validation.statistics import confusion, grouped, regret, summary


def validate(path: Path | None = None, is_cancelled: Callable[[], bool] = lambda: False) -> Validation:
    """Hold a table of runs (without a path the shipped one and the user's own) against the planner's predictions.

    Raises `InputError` for a table that is none, or that holds no run, `CancelledError` when cancelled."""
    for event in validating(path, is_cancelled):
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("a validation ends with its result")


def validating(path: Path | None = None, is_cancelled: Callable[[], bool] = lambda: False) -> Iterator[Event]:
    """`validate` as events: progress after each block of rows, then `Finished`."""
    began = time.perf_counter()
    blocks: list[Runs] = []
    count = 0
    for block in _blocks(path, lambda: _stop(is_cancelled)):
        blocks.append(block)
        count += len(block)
        _stop(is_cancelled)
        yield Progress(f"reading, {count:,} runs", 0.0, time.perf_counter() - began, None)
    if not count:
        raise InputError(f"{path}: holds no run")
    rows: list[dict[str, Any]] = []
    jobs: dict[Job, list[tuple[float, float]]] = {}
    hours: dict[str, float | None] = {}
    done, read_s = 0, time.perf_counter() - began
    for block in blocks:
        found = scored(block, hours, is_cancelled)
        rows += found.rows
        for job, layouts in found.jobs.items():
            jobs.setdefault(job, []).extend(layouts)
        _stop(is_cancelled)
        done += len(block)
        taken_s = time.perf_counter() - began
        left_s = (taken_s - read_s) * (count - done) / done if done else None
        share = taken_s / (taken_s + left_s) if left_s is not None else 1.0
        yield Progress(f"predicted {done:,} of {count:,} runs", share, taken_s, left_s, tuple(found.rows))
    answer = {}
    for name, part in _summaries(rows, jobs):
        answer[name] = part()
        _stop(is_cancelled)
    yield Finished(Validation(rows, **answer))


def _summaries(
    rows: list[dict[str, Any]], jobs: dict[Job, list[tuple[float, float]]]
) -> Iterator[tuple[str, Callable[[], dict[str, Any]]]]:
    """What an answer holds beside its rows, each worked out when it is asked for."""
    steps = [row for row in rows if row["metric"] == "step_time_s" and not row["skipped"]]
    with_error = [row for row in rows if row["error"] is not None]
    yield "summary", lambda: summary(steps)
    yield "by_source", lambda: grouped(steps, "source")
    yield "by_gpu", lambda: grouped(steps, "gpu")
    yield "by_metric", lambda: grouped(with_error, "metric")
    yield "regret", lambda: regret(jobs)
    yield "fits", lambda: confusion(rows)


def _blocks(path: Path | None, watch: Callable[[], None]) -> Iterator[Runs]:
    if path is not None:
        yield from run_list.blocks(path, watch) if _is_list(path) else run_table.blocks(path)
        return
    yield from run_table.blocks(library.SHIPPED / "runs.csv")
    if own.path().exists():
        yield from run_table.blocks(own.path())
    yield from run_list.own(watch)


def runs_named(run: str, path: Path | None = None) -> Iterator[Runs]:
    """Blocks that hold every run of an id; of a large table little else. `path`: as for `validate`."""
    if path is not None:
        yield from run_list.blocks(path) if _is_list(path) else run_table.blocks(path, run)
        return
    yield from run_table.blocks(library.SHIPPED / "runs.csv", run)
    if own.path().exists():
        yield from run_table.blocks(own.path(), run)
    yield from run_list.own()


def _is_list(path: Path) -> bool:
    return path.suffix.casefold() == ".json"


def _stop(is_cancelled: Callable[[], bool]) -> None:
    if is_cancelled():
        raise CancelledError("cancelled")
