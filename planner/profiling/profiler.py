"""Profiles one model's layer on one device, as a generator of events.

`profile` builds a single decoder layer at the model's true width and times its blocks, forward and backward, then the
optimizer, the embedding and the head with its loss; a full suite goes on to variants, where they tell most. It knows
neither threads nor signals: whoever consumes the events passes a `cancel` check, asked between any two runs.
"""

from __future__ import annotations

import math
import platform
import statistics
import time
from collections.abc import Callable, Generator, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from planner import units
from planner.errors import CancelledError, InputError, MissingError, TrainplanError, shorten
from planner.plan.model import Model
from planner.profiling import decoder, devices, events, journal, operations, points, store, timer
from planner.profiling.demand import Demand
from planner.profiling.design import Design
from planner.profiling.journal import Journal, partial_path
from planner.profiling.points import Point
from planner.profiling.pooling import folded
from planner.profiling.recorder import Recorder, blank
from planner.timing import selection
from planner.timing.fabric import Collectives
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
CAP = 2.0
"""How many times its estimate a point of the grid may take for quieter times."""
SHORTEST_CAP_S = 0.25
"""Every row may take this long, however little of the work it is."""
ROUNDS, FEWEST_ROUNDS, ROUNDS_SHARE = 5, 3, 0.3
"""Blocks and layer are measured in turns so often, as far as this share of the budget goes; else not at all. On a busy
machine of two cores the medians' ratio came out anywhere from 0.3 to 2.5, that of 16 rounds in turns at 1.00."""
PLANNED_ANEW = 20
"""Points of a grid after which what lies ahead is told anew."""


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
    started_s: float | None = None,
    plan_only: bool = False,
    only: tuple[Point, ...] = (),
    dtype: str = "",
) -> Iterator[events.Event]:
    """Measure a model's layer and write the profile; the last event is `Finished` or `Failed`.

    device: auto, cuda or cpu. budget_s: time for everything since `started_s` (of `time.perf_counter`; now, by
    default). memory_limit_bytes: at most this much is taken (and never more than the device has free). out: the file,
    by default in the user's profile folder; rows of the same device, software and model that it holds are refined.
    Cancelled, it writes what it has, marked incomplete. plan_only: the events are `Started` and `Planned`, and nothing
    is measured or written. only: these points in place of the suite's; dtype: in place of the device's best.
    """
    start_s = time.perf_counter() if started_s is None else started_s
    try:
        run = _Run(model, device, suite, budget_s, memory_limit_bytes, out, cancel, start_s, only, dtype)
        yield from run.plan() if plan_only else run.work()
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
        start_s: float,
        only: tuple[Point, ...],
        dtype: str,
    ) -> None:
        self.start_s = start_s
        decoder.require_decoder(model)
        if suite not in SUITES:
            raise InputError(f"suite: {shorten(suite)!r} is not one of {', '.join(SUITES)}")
        self.model, self.suite, self.cancel = model, suite, cancel
        self.kind = devices.resolve(device)
        self.device = devices.describe(self.kind)
        rates = devices.rates(self.device)
        self.dtype = dtype or devices.choose_dtype(self.kind, rates)
        self.budget_s = budget_s or BUDGET_S[suite, self.kind]
        self.limit_bytes = self._limit(memory_limit_bytes)
        self.recorder = Recorder(self.kind, cancel)
        self.software = devices.software(self.recorder.sensor)
        bandwidth = devices.bandwidth_bytes_per_s(self.device)
        flush = devices.flush_bytes(self.kind)
        self.demand = Demand(model, self.kind, self.dtype, self.limit_bytes, rates, bandwidth, flush)
        self.bench = operations.Bench(self.demand)
        others = [dtype for dtype in rates if dtype != self.dtype]
        offers = devices.offers(self.kind, others)
        self.points = points.Points(only) if only else points.points(model, suite, self.kind, offers)
        self.design = Design((*self.points.essential, *self.points.grid), self.demand)
        self.visits: list[Row] = []  # every row of every visit, in order
        self.known: set[tuple[Any, ...]] = set()  # shapes that need not be measured again
        self.notes: list[str] = []
        self.done: list[Point] = []
        self.tried: set[Point] = set()
        self.ratio_in_turns: float | None = None
        self.collectives: Collectives | None = None  # of the file that is refined
        self.aside: Path | None = None  # where a profile that must not be mixed in goes
        self.out = Path()
        self.out = out or store.place(model.name, self.device.name, suite, self._head())

    def plan(self) -> Iterator[events.Event]:
        """What would be measured, in order."""
        yield self._started()
        chosen = self._choose()
        left_s = self._left_s() - sum(map(self._seconds, chosen))
        yield self._planned([*chosen, *self._ahead(chosen, left_s)])

    def work(self) -> Iterator[events.Event]:
        """The whole run."""
        store.require_writable(self.out)
        self.journal = Journal(partial_path(self.out), self._head(), Row)
        saved = False
        try:
            yield self._started()
            reason = ""
            try:
                yield from self._take_over()
                yield from self._measure_essential()
                yield from self._measure_grid()
                yield self._progress([])
                yield from self._say_what_is_wanting()
            except CancelledError:
                reason = "cancelled"
            if reason and not self.visits:
                raise CancelledError("cancelled before anything was measured; nothing is written")
            if not reason and not self._has_layer():
                raise MissingError(self._nothing_fits())
            result = selection.tried(self._result(reason))
            if self.aside:
                self.out.replace(self.aside)
            save(result, self.out)
            saved = True
            yield events.Finished(str(self.out), not reason, len(result.rows), self._elapsed_s(), result.summary)
        finally:
            self.bench.clear()
            devices.use_tf32(False)
            self.journal.close(remove=saved or not self.visits)

    def _measure_essential(self) -> Iterator[events.Event]:
        """Plan, measure the first point, plan the rest anew with what that taught about this device's speed."""
        shown: list[Point] = []
        while True:
            chosen = self._choose()
            if not chosen:
                return
            if chosen != shown:
                left_s = self._left_s() - sum(map(self._seconds, chosen))
                yield self._planned([*chosen, *self._ahead(chosen, left_s)])
            yield self._progress(chosen)
            point, shown = chosen[0], chosen[1:]
            yield from self._measure(point, self._cap_s(point, chosen))

    def _measure_grid(self) -> Iterator[events.Event]:
        """One point after another, where the next tells most for its time."""
        if not self.points.grid:
            return
        count = 0
        ahead: list[Point] = []
        while (point := self.design.next(self._left_s(), LARGEST_SHARE * self.budget_s)) is not None:
            if count % PLANNED_ANEW == 0:
                ahead = self._ahead([], self._left_s())
                yield self._planned(ahead)
            count += 1
            yield self._progress([point, *ahead[count % PLANNED_ANEW :]])
            yield from self._visit(point, min(CAP * self._seconds(point), LARGEST_SHARE * self.budget_s))

    def _ahead(self, chosen: list[Point], left_s: float) -> list[Point]:
        """What of the grid would be measured after the chosen points in the time that they leave."""
        if not self.points.grid:
            return []
        return self.design.ahead(left_s, LARGEST_SHARE * self.budget_s, after=chosen)

    def _cap_s(self, point: Point, chosen: list[Point]) -> float:
        """Time for an essential point's runs: its share of what is left, or where a grid follows enough."""
        most_s = LARGEST_SHARE * self.budget_s
        if self.points.grid:
            return min(CAP * self._seconds(point), most_s)
        share = self._seconds(point) / sum(map(self._seconds, chosen))
        return min(SPENT_SHARE * self._left_s() * share, most_s)

    def _choose(self) -> list[Point]:
        """The essential points still to be measured that fit memory and the time left, in the order of measuring.

        Of each group one is measured, made smaller until it fits, if there is time for it at all; of the others those
        that fit as they are. A layer is measured whatever it takes; nothing more once the time is up.
        """
        chosen: list[Point] = []
        if not self._left_s() and self._has_layer():
            return []
        room_s = PLANNED_SHARE * self._left_s()
        for point in self.points.essential:
            is_first = all(other.group != point.group for other in (*chosen, *self.tried))
            found = self._first_that_fits(point, room_s) if is_first else point
            if found is None or found in self.tried or found in chosen or not self.demand.fits(found):
                continue
            seconds = self._seconds(found)
            most_s = room_s if not is_first else math.inf if found.group == "layer" else self._left_s()
            if seconds <= most_s:
                chosen.append(found)
                room_s -= seconds
        return points.in_order(chosen)

    def _first_that_fits(self, point: Point, room_s: float) -> Point | None:
        """The point or the largest smaller one that fits memory and time; narrower only where memory asks for it."""
        fitting = [one for one in points.alternatives(point, self.model) if self.demand.fits(one)]
        widest = [one for one in fitting if one.shards == fitting[0].shards]
        in_time = (one for one in widest if self._seconds(one) <= room_s)
        return next(in_time, min(widest, key=self._seconds, default=None))

    def _say_what_is_wanting(self) -> Iterator[events.Event]:
        """Notes on disturbed rows and on the suite's points that were not measured, by reason."""
        rows = folded(self.visits)
        disturbed = sum(bool(row.throttled) for row in rows)
        if disturbed:
            cause = "other programs on this machine" if self.kind == "cpu" else "heat or a power brake"
            yield from self._note(f"{disturbed} of {len(rows)} rows were slowed by {cause}; they weigh less")
        suite = tuple(dict.fromkeys((*self.points.essential, *self.points.grid)))
        wanted = [one for one in suite if one not in self.done]
        large = [one for one in wanted if not self.demand.fits(one)]
        left = [one for one in wanted if self.demand.fits(one) and one not in self.tried | self.design.dropped]
        if large:
            limit = units.show_bytes(self.limit_bytes)
            yield from self._note(f"left out, as they need more than {limit}: {_of(large)}")
        if left and self.design.is_good_enough:
            yield from self._note(f"left out, as they would tell little more: {_of(left)}")
        elif left:
            yield from self._note(f"left out for want of time ({self.budget_s:.0f} s): {_of(left)}")
        smaller = [one for one in self.done if one.group != "ceilings" and one not in suite]
        if smaller:
            yield from self._note(f"measured smaller than the suite has it: {_of(smaller)}")

    def _measure(self, point: Point, cap_s: float) -> Iterator[events.Event]:
        """An essential point, or where memory runs out after all the next smaller one."""
        for smaller in points.alternatives(point, self.model):
            if smaller in self.tried:
                continue
            found = yield from self._try(smaller, cap_s)
            if found != "too large":
                return
            self.design.drop(smaller, larger=True)

    def _visit(self, point: Point, cap_s: float) -> Iterator[events.Event]:
        """A point of the grid, the first time or once more; one that is impossible is not chosen again."""
        again = point in self.done
        found = yield from self._try(point, cap_s, again=again)
        if found == "too large":
            self.design.drop(point, larger=True)
        elif found == "impossible":
            self.design.drop(point, family=bool(point.manner))

    def _try(self, point: Point, cap_s: float, *, again: bool = False) -> Generator[events.Event, None, str]:
        """Measure one point; as the generator's value `done`, `too large` or `impossible`."""
        self.tried.add(point)
        found = "done"
        try:
            yield from self._measure_here(point, cap_s, again=again)
        except Exception as error:
            found, problem = self._problem(point, error)
        if found == "done":
            if not again:
                self.done.append(point)
            if point.group == "layer" and not point.manner and self.ratio_in_turns is None:
                self._measure_in_turns(point)
            return found
        devices.release(self.kind)
        yield from self._note(problem)
        return found

    def _measure_in_turns(self, point: Point) -> None:
        """Attention and feed-forward against the layer, round by round, where there is time and memory for it."""
        blocks = ("attention", "feed_forward", "layer")
        rows = [row for row in self.visits if row.operation in blocks and point.has(row, self.dtype)]
        once_s = sum(row.median_s for row in rows) * self.recorder.clock.bunch
        rounds = min(ROUNDS, int(min(ROUNDS_SHARE * self.budget_s, self._left_s()) / once_s)) if once_s else 0
        if rounds < FEWEST_ROUNDS:
            return
        try:
            calls = [task.prepare().once for task in self.bench.tasks(point) if task.operation in blocks]
            times = timer.in_turns(calls, self.recorder.clock, rounds, self.cancel)
        except Exception as error:
            if not devices.is_out_of_memory(error):
                self._require_device(str(point), error)
                raise
            self.bench.clear()
            return
        self.ratio_in_turns = statistics.median((attention + feed) / layer for attention, feed, layer in times)

    def _problem(self, point: Point, error: Exception) -> tuple[str, str]:
        """What a failure means and what to say of it; those that are not the device's are raised again."""
        if isinstance(error, TrainplanError):
            raise error
        self._require_device(str(point), error)
        self.bench.clear()
        if devices.is_out_of_memory(error):
            return "too large", f"{point}: ran out of memory; measuring it smaller"
        return "impossible", f"{point}: could not be measured ({type(error).__name__}: {shorten(error, 200)})"

    def _require_device(self, doing: str, error: Exception) -> None:
        """Raise `MissingError` where the device no longer answers: nothing after would be measured either."""
        if not devices.answers(self.kind):
            kept = f"{len(self.visits)} rows are kept in {partial_path(self.out)}"
            raise MissingError(
                f"{self.device.name} was lost at {doing} ({shorten(error, 200)}); {kept}: see to the device, and run "
                f"the same with --out {self.out} to go on there"
            ) from None

    def _measure_here(self, point: Point, cap_s: float, *, again: bool) -> Iterator[events.Event]:
        start_s = time.perf_counter()
        tasks = [task for task in self.bench.tasks(point) if again or blank(task, point, 0).shape not in self.known]
        total = sum(sum(task.flops) for task in tasks)
        before = len(self.visits)
        for task in tasks:
            share = sum(task.flops) / total if total else 1 / len(tasks)
            for row in self.recorder.rows(task, point, max(cap_s * share, SHORTEST_CAP_S)):
                self.visits.append(row)
                self.known.add(row.shape)
                self.journal.add(row)
                yield events.Measured(*folded(one for one in self.visits if one.shape == row.shape))
        if len(tasks) == len(point.operations):
            self.design.learn(point, self.visits[before:], time.perf_counter() - start_s)
        else:  # the rest was measured before a kill
            self.design.learn(point, [row for row in folded(self.visits) if point.has(row, self.dtype)])

    def _take_over(self) -> Iterator[events.Event]:
        """Rows of the profile to be refined, and of an earlier run into the same file that was killed."""
        yield from self._base()
        self.visits += self.journal.rows
        if self.journal.rows:
            yield from self._note(f"{len(self.journal.rows)} rows taken over from an interrupted run")
        fixed = self.visits if self.points.grid else self.journal.rows  # a quick suite measures all of its points anew
        self.known = {row.shape for row in fixed}
        rows = folded(self.visits)
        for point in dict.fromkeys((*self.points.essential, *self.points.grid)):
            mine = [row for row in rows if point.has(row, self.dtype)]
            if {row.operation for row in mine} == set(point.operations):
                self.design.learn(point, mine)
                if {row.shape for row in mine} <= self.known:
                    self.tried.add(point)
                    self.done.append(point)

    def _base(self) -> Iterator[events.Event]:
        """Rows of the profile that is there already, if it is of this device, software, model and dtype."""
        if not self.out.exists():
            return
        before = journal.like(self.out, self._head())
        if before is None:
            self.aside = self.out.with_name(f"{self.out.name}.old")
            yield from self._note(
                f"{self.out.name} was measured on another device, with other software, or of another model: it is kept "
                f"as {self.aside.name}, and nothing of it is mixed in"
            )
            return
        self.visits, self.ratio_in_turns = list(before.rows), before.summary.ratio_in_turns
        self.collectives = before.collectives
        yield from self._note(f"{len(self.visits)} rows taken over from {self.out.name}, to be refined")

    def _has_layer(self) -> bool:
        return any(row.operation == "layer" for row in self.visits)

    def _nothing_fits(self) -> str:
        if self.notes and "could not be measured" in self.notes[-1]:
            return self.notes[-1]
        return (
            f"not even a slice of one layer of {self.model.name} fits {units.show_bytes(self.limit_bytes)}; "
            "raise --memory-limit or profile a smaller model"
        )

    def _seconds(self, point: Point) -> float:
        return self.design.seconds(point)

    def _limit(self, wanted_bytes: float | None) -> float:
        limit = min(wanted_bytes or math.inf, MEMORY_SHARE[self.kind] * devices.free_bytes(self.kind))
        if self.kind == "cuda":
            devices.limit_cuda_memory(limit)
        return limit

    def _planned(self, chosen: list[Point]) -> events.Planned:
        shapes = [
            events.PlannedShape(
                point.group, point.batch, point.sequence, point.shards, self._seconds(point),
                min(self.demand.needed_bytes(point), self.limit_bytes), point.manner,
            )
            for point in chosen
        ]  # fmt: skip
        return events.Planned(tuple(shapes), sum(shape.seconds for shape in shapes))

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
        rows = folded(self.visits)
        return Profile(
            name=self.out.stem, created=datetime.now(UTC).isoformat(timespec="seconds"), complete=not reason,
            incomplete_because=reason, host=platform.node(), device=self.device, software=self.software,
            model=self.model, suite=self.suite, dtype=self.dtype, elapsed_s=self._elapsed_s(), rows=rows,
            notes=tuple(self.notes), collectives=self.collectives,
            summary=summarize(rows).model_copy(update={"ratio_in_turns": self.ratio_in_turns}),
        )  # fmt: skip

    def _elapsed_s(self) -> float:
        return time.perf_counter() - self.start_s


def _of(chosen: list[Point]) -> str:
    """Points in words; many of one family as their number."""
    families: dict[tuple[str, str], list[Point]] = {}
    for point in chosen:
        families.setdefault(point.family, []).append(point)
    told = [
        ", ".join(map(str, members)) if len(members) < 4 else f"{members[0].of_family} at {len(members)} shapes"
        for members in families.values()
    ]
    return ", ".join(told)
