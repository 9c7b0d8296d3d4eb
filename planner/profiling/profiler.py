"""Profiles one model's layer on one device, as a generator of events.

`profile` builds a single decoder layer at the model's true width and times its blocks, forward and backward, then the
optimizer, the embedding and the head with its loss. It knows neither threads nor signals: whoever consumes the events
passes a `cancel` check, which is asked between any two runs.
"""

from __future__ import annotations

import gc
import math
import platform
import statistics
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from planner import library, units
from planner.errors import CancelledError, InputError, MissingError, TrainplanError, shorten
from planner.plan.model import Model
from planner.profiling import decoder, devices, events, operations, points, timer
from planner.profiling.journal import Journal, partial_path
from planner.profiling.points import Point
from planner.timing.profile import FORMAT, VERSION, Profile, Row, save, summarize

Suite = Literal["quick", "full"]
SUITES = ("quick", "full")
BUDGET_S = {("quick", "cpu"): 120.0, ("quick", "cuda"): 60.0, ("full", "cpu"): 600.0, ("full", "cuda"): 480.0}
"""Time that a suite may take where the user gives none."""
MEMORY_SHARE = {"cpu": 0.75, "cuda": 0.9}
"""Of the memory that is free, how much a profile takes at most: the rest belongs to the machine's other work."""
PLANNED_SHARE = 0.8
"""Of the time left, how much is planned for the least number of runs; the rest buys more of them."""
SPENT_SHARE = 0.9
"""Of a point's share of the time left, how much its runs may take."""
LARGEST_SHARE = 0.2
"""Of the budget, how much one point may take for more than the least number of runs: many shapes before quiet ones."""
REACHED_SHARE = 0.9
"""Of a bare matrix product's speed, what a whole layer reaches, for the estimate of time."""
ROUGH_BANDWIDTH_BYTES_PER_S = {"cpu": 8e9, "cuda": 1e12}
SHORTEST_CAP_S = 0.25
"""Every row may take this long, however little of the work it is."""
ROUNDS, FEWEST_ROUNDS, ROUNDS_SHARE = 5, 3, 0.3
"""Blocks and layer are measured in turns so often, as far as this share of the budget goes; else not at all. On a busy
machine of two cores the medians' ratio came out anywhere from 0.3 to 2.5, that of 16 rounds in turns at 1.00."""
OVERHEAD_S = {"cpu": 0.3, "cuda": 0.5}
"""Building, first calls, and the like, for one point."""


def never() -> bool:
    """The cancel check of a caller that does not cancel."""
    return False


def profile(
    model: Model,
    *,
    device: str = "auto",
    suite: str = "quick",
    budget_s: float | None = None,
    memory_limit_bytes: float | None = None,
    out: Path | None = None,
    cancel: Callable[[], bool] = never,
) -> Iterator[events.Event]:
    """Measure a model's layer and write the profile; the last event is `Finished` or `Failed`.

    device: auto, cuda or cpu. budget_s: time for everything, torch's import left out. memory_limit_bytes: at most this
    much is taken (and never more than the device has free). out: the file, by default in the user's profile folder.
    Cancelled, it writes what it has, marked incomplete.
    """
    try:
        yield from _Run(model, device, suite, budget_s, memory_limit_bytes, out, cancel).work()
    except TrainplanError as error:
        yield events.Failed(str(error), error.exit_code)


class _Run:
    """One run of a suite."""

    def __init__(
        self,
        model: Model,
        device: str,
        suite: str,
        budget_s: float | None,
        memory_limit_bytes: float | None,
        out: Path | None,
        cancel: Callable[[], bool],
    ) -> None:
        self.start_s = time.perf_counter()
        decoder.require_decoder(model)
        if suite not in SUITES:
            raise InputError(f"suite: {shorten(suite)!r} is not one of {', '.join(SUITES)}")
        self.model, self.suite, self.cancel = model, suite, cancel
        self.kind = devices.resolve(device)
        self.device = devices.describe(self.kind)
        self.dtype = devices.choose_dtype(self.kind)
        self.element_bytes = int(devices.DTYPES[self.dtype].itemsize)
        self.budget_s = budget_s or BUDGET_S[suite, self.kind]
        self.limit_bytes = self._limit(memory_limit_bytes)
        self.out = out or _default_out(model, self.device.name)
        self.sensor = devices.Sensor(self.kind)
        self.clock = timer.clock_for(self.kind)
        self.bench = operations.Bench(model, self.kind, self.dtype, self.limit_bytes)
        size = 4096 if self.kind == "cuda" else 512
        self.flops_per_s = REACHED_SHARE * devices.matmul_rate(self.kind, self.dtype, size)
        self.rows: list[Row] = []
        self.notes: list[str] = []
        self.done: list[Point] = []
        self.tried: set[Point] = set()
        self.ratio_in_turns: float | None = None

    def work(self) -> Iterator[events.Event]:
        """The whole run."""
        _require_writable(self.out)
        self.journal = Journal(partial_path(self.out), self._head())
        saved = False
        try:
            yield self._started()
            reason = ""
            try:
                yield from self._take_over()
                yield from self._measure_all()
            except CancelledError:
                reason = "cancelled"
            if reason and not self.rows:
                raise CancelledError("cancelled before anything was measured; nothing is written")
            if not reason and not any(row.operation == "layer" for row in self.rows):
                raise MissingError(self._nothing_fits())
            result = self._result(reason)
            save(result, self.out)
            saved = True
            yield events.Finished(str(self.out), not reason, len(self.rows), self._elapsed_s(), result.summary)
        finally:
            self.bench.clear()
            self.journal.close(remove=saved or not self.rows)

    def _measure_all(self) -> Iterator[events.Event]:
        """Plan, measure the first point, plan the rest anew with what that taught about this device's speed."""
        shown: list[Point] = []
        while True:
            chosen = self._choose()
            if chosen != shown:
                yield events.Planned(tuple(map(self._planned, chosen)), sum(map(self._seconds, chosen)))
            yield self._progress(chosen)
            if not chosen:
                break
            point, shown = chosen[0], chosen[1:]
            share = self._seconds(point) / sum(map(self._seconds, chosen))
            cap_s = min(SPENT_SHARE * self._left_s() * share, LARGEST_SHARE * self.budget_s)
            yield from self._measure(point, cap_s)
        yield from self._say_what_is_wanting()

    def _choose(self) -> list[Point]:
        """The points still to be measured that fit memory and the time left, in the order of measuring.

        Of each group at least one is measured, made smaller until it fits; of the others those that fit as they are.
        Once the time is up nothing more, as long as there is a layer.
        """
        chosen: list[Point] = []
        if not self._left_s() and any(row.operation == "layer" for row in self.rows):
            return []
        room_s = PLANNED_SHARE * self._left_s()
        for point in points.points(self.model, self.suite, self.kind):
            is_first = all(other.group != point.group for other in (*chosen, *self.tried))
            found = self._first_that_fits(point, room_s) if is_first else point
            if found is None or found in self.tried or found in chosen or not self._fits(found):
                continue
            seconds = self._seconds(found)
            if seconds <= room_s or is_first:
                chosen.append(found)
                room_s -= seconds
        return points.in_order(chosen)

    def _first_that_fits(self, point: Point, room_s: float) -> Point | None:
        """The point or the largest smaller one that fits memory and time; narrower only where memory asks for it."""
        fitting = [one for one in points.alternatives(point, self.model) if self._fits(one)]
        widest = [one for one in fitting if one.shards == fitting[0].shards]
        in_time = (one for one in widest if self._seconds(one) <= room_s)
        return next(in_time, min(widest, key=self._seconds, default=None))

    def _say_what_is_wanting(self) -> Iterator[events.Event]:
        """Notes on disturbed rows and on the suite's points that were not measured, by reason."""
        disturbed = sum(bool(row.throttled) for row in self.rows)
        if disturbed:
            cause = "other programs on this machine" if self.kind == "cpu" else "heat or a power brake"
            yield from self._note(f"{disturbed} of {len(self.rows)} rows were slowed by {cause}; they weigh less")
        wanted = [one for one in points.points(self.model, self.suite, self.kind) if one not in self.done]
        large = [str(one) for one in wanted if not self._fits(one)]
        slow = [str(one) for one in wanted if self._fits(one) and one not in self.tried]
        if large:
            limit = units.show_bytes(self.limit_bytes)
            yield from self._note(f"left out, as they need more than {limit}: {', '.join(large)}")
        if slow:
            yield from self._note(f"left out for want of time ({self.budget_s:.0f} s): {', '.join(slow)}")
        smaller = [str(one) for one in self.done if one.group != "ceilings" and not self._is_of_the_suite(one)]
        if smaller:
            yield from self._note(f"measured smaller than the suite has it: {', '.join(smaller)}")

    def _is_of_the_suite(self, point: Point) -> bool:
        return point in points.points(self.model, self.suite, self.kind)

    def _measure(self, point: Point, cap_s: float) -> Iterator[events.Event]:
        """A point, or where memory runs out after all the next smaller one."""
        for smaller in points.alternatives(point, self.model):
            if smaller in self.tried:
                continue
            self.tried.add(smaller)
            try:
                yield from self._measure_here(smaller, cap_s)
            except Exception as error:
                problem = self._problem(smaller, error)
            else:
                self.done.append(smaller)
                if smaller.group == "layer" and self.ratio_in_turns is None:
                    self._measure_in_turns(smaller)
                return
            gc.collect()
            devices.release(self.kind)
            yield from self._note(problem)
            if "memory" not in problem:
                return

    def _measure_in_turns(self, point: Point) -> None:
        """Attention and feed-forward against the layer, round by round, where there is time and memory for it."""
        blocks = ("attention", "feed_forward", "layer")
        here = (point.batch, point.sequence, point.shards)
        rows = [row for row in self.rows if row.operation in blocks and (row.batch, row.sequence, row.shards) == here]
        once_s = sum(row.median_s for row in rows) * self.clock.bunch
        rounds = min(ROUNDS, int(ROUNDS_SHARE * self.budget_s / once_s)) if once_s else 0
        if rounds < FEWEST_ROUNDS:
            return
        try:
            calls = [task.prepare().once for task in self.bench.tasks(point) if task.operation in blocks]
            times = timer.in_turns(calls, self.clock, rounds, self.cancel)
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
            self.bench.clear()
            return
        self.ratio_in_turns = statistics.median((attention + feed) / layer for attention, feed, layer in times)

    def _problem(self, point: Point, error: Exception) -> str:
        """What to say of a failure; those that are not the device's are raised again."""
        if isinstance(error, TrainplanError):
            raise error
        self.bench.clear()
        if devices.is_out_of_memory(error):
            return f"{point}: ran out of memory; measuring it smaller"
        return f"{point}: could not be measured ({type(error).__name__}: {shorten(error, 200)})"

    def _measure_here(self, point: Point, cap_s: float) -> Iterator[events.Event]:
        known = {row.shape for row in self.rows}
        tasks = list(self.bench.tasks(point))
        total = sum(sum(task.flops) for task in tasks)
        for task in tasks:
            blank = self._blank(task, point)
            if blank(0).shape in known:
                continue
            share = sum(task.flops) / total if total else 1 / len(tasks)
            for row in self._time(task, blank, max(cap_s * share, SHORTEST_CAP_S)):
                self.rows.append(row)
                self.journal.add(row)
                yield events.Measured(row)
        self._learn_speed(point)

    def _time(self, task: operations.Task, blank: Callable[[int], Row], cap_s: float) -> list[Row]:
        """The rows of one task, one a direction."""
        subject = task.prepare()
        self.sensor.start()
        base = operations.start_peak(self.kind)
        patience = replace(timer.PATIENCE[self.kind], cap_s=cap_s)
        samples = timer.measure(subject.once, self.clock, patience, sense=self.sensor.read, cancel=self.cancel)
        peak, origin = operations.peak_memory(self.kind, subject, base)
        rows = []
        for stage in range(len(task.directions)):
            low, middle, high = (value / task.repeats_inside for value in samples.quartiles(stage))
            changes: dict[str, Any] = {
                "bytes": subject.bytes[stage], "parameters": subject.parameters, "median_s": middle,
                "lower_quartile_s": low, "upper_quartile_s": high, "n": len(samples.stages[stage]),
                "peak_memory_bytes": peak, "peak_memory_from": origin, "activation_bytes": subject.activation_bytes,
                "condition": samples.condition, "throttled": self.sensor.is_throttled(samples.condition),
            }  # fmt: skip
            rows.append(Row.model_validate({**blank(stage).model_dump(), **changes}))
        return rows

    def _blank(self, task: operations.Task, point: Point) -> Callable[[int], Row]:
        """A task's row before it is timed, by stage."""
        model, t = self.model, point.shards
        widths: dict[str, Any] = {}
        if point.batch:
            widths = {
                "hidden": model.hidden, "heads": model.heads // t, "kv_heads": max(1, model.kv_heads // t),
                "head_dim": model.head_dim, "ffn": model.ffn // t, "vocabulary": math.ceil(model.vocabulary / t),
            }  # fmt: skip

        def row(stage: int) -> Row:
            return Row(
                operation=task.operation, direction=task.directions[stage], dtype=task.dtype, batch=point.batch,
                sequence=point.sequence, shards=t, flops=task.flops[stage], median_s=1.0, lower_quartile_s=1.0,
                upper_quartile_s=1.0, n=1, **widths,
            )  # fmt: skip

        return row

    def _take_over(self) -> Iterator[events.Event]:
        """Rows of an earlier run into the same file that was killed."""
        self.rows = list(self.journal.rows)
        if self.rows:
            yield from self._note(f"{len(self.rows)} rows taken over from an interrupted run")

    def _fits(self, point: Point) -> bool:
        return self._needed_bytes(point) <= self.limit_bytes

    def _needed_bytes(self, point: Point) -> float:
        if point.group == "optimizer":  # measured on as many parameters as fit
            return 0.0
        return points.needed_bytes(point, self.model, self.element_bytes, self.bench.ceiling_bytes)

    def _nothing_fits(self) -> str:
        if self.notes and "could not be measured" in self.notes[-1]:
            return self.notes[-1]
        return (
            f"not even a slice of one layer of {self.model.name} fits {units.show_bytes(self.limit_bytes)}; "
            "raise --memory-limit or profile a smaller model"
        )

    def _seconds(self, point: Point) -> float:
        """Estimated time of the least number of runs at a point."""
        patience = timer.PATIENCE[self.kind]
        runs = patience.warm_up + patience.least + 1
        if point.group == "ceilings":
            return runs * 0.3
        work = points.work_flops(point, self.model) / self.flops_per_s
        moved = points.moved_bytes(point, self.model, self.element_bytes) / ROUGH_BANDWIDTH_BYTES_PER_S[self.kind]
        return OVERHEAD_S[self.kind] + runs * (work + moved)

    def _learn_speed(self, point: Point) -> None:
        """Let the estimates of time follow the last measured layer, or before any the bare matrix product."""
        here = [
            row
            for row in self.rows
            if (row.batch, row.sequence, row.shards) == (point.batch, point.sequence, point.shards)
        ]
        took_s = sum(
            row.median_s for row in here if row.operation in ("attention_core", "attention", "feed_forward", "layer")
        )
        if point.group == "layer" and took_s:
            self.flops_per_s = points.work_flops(point, self.model) / took_s
        elif point.group == "ceilings":
            self.flops_per_s = REACHED_SHARE * max(row.flops_per_s for row in here)

    def _limit(self, wanted_bytes: float | None) -> float:
        limit = min(wanted_bytes or math.inf, MEMORY_SHARE[self.kind] * devices.free_bytes(self.kind))
        if self.kind == "cuda":
            devices.limit_cuda_memory(limit)
        return limit

    def _planned(self, point: Point) -> events.PlannedShape:
        needed = points.needed_bytes(point, self.model, self.element_bytes, self.bench.ceiling_bytes)
        return events.PlannedShape(
            point.group, point.batch, point.sequence, point.shards, self._seconds(point), min(needed, self.limit_bytes)
        )

    def _progress(self, chosen: list[Point]) -> events.Progress:
        """chosen: what is still to be measured."""
        least_s = sum(map(self._seconds, chosen))
        left_s = max(least_s, 0.9 * self._left_s()) if chosen else 0.0
        elapsed_s = self._elapsed_s()
        doing = str(chosen[0]) if chosen else "writing the profile"
        total = len(self.tried) + len(chosen)
        return events.Progress(len(self.tried), total, elapsed_s / (elapsed_s + left_s), elapsed_s, left_s, doing)

    def _left_s(self) -> float:
        return max(0.0, self.budget_s - self._elapsed_s())

    def _note(self, *texts: str) -> Iterator[events.Event]:
        for text in texts:
            self.notes.append(text)
            yield events.Note(text)

    def _started(self) -> events.Started:
        return events.Started(
            self.model.name, self.suite, self.device.name, self.kind, self.device.fingerprint, self.dtype,
            self.budget_s, self.limit_bytes, str(self.out), str(partial_path(self.out)),
        )  # fmt: skip

    def _head(self) -> dict[str, Any]:
        return {"format": FORMAT, "version": VERSION, **self._result("").model_dump(mode="json", exclude_defaults=True)}

    def _result(self, reason: str) -> Profile:
        return Profile(
            name=self.out.stem, created=datetime.now(UTC).isoformat(timespec="seconds"), complete=not reason,
            incomplete_because=reason, host=platform.node(), device=self.device,
            software=devices.software(self.sensor), model=self.model, suite=self.suite, dtype=self.dtype,
            elapsed_s=self._elapsed_s(), rows=tuple(self.rows), notes=tuple(self.notes),
            summary=summarize(self.rows).model_copy(update={"ratio_in_turns": self.ratio_in_turns}),
        )  # fmt: skip

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self.start_s


def _default_out(model: Model, device_name: str) -> Path:
    """A new file in the user's profile folder: model, device, time."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    name = f"{library.slug(model.name)[:60]}-{library.slug(device_name)[:60]}-{stamp}.json"
    return library.user_folder() / "measured" / name


def _require_writable(out: Path) -> None:
    """Find out before an hour of measuring. The folder is tried by the partial file."""
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give --out a file name")
    if out.exists():
        try:
            with out.open("r+b"):
                pass
        except OSError as error:
            raise InputError(f"{out}: cannot be written ({error.strerror or error}); choose another --out") from None
