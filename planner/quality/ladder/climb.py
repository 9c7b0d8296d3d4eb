"""The whole ladder, as a generator of events: tune, train the lower rungs, predict the last one, train it, fit.

It knows neither threads nor signals: whoever consumes the events passes a `cancel` check, which is asked between any
two optimizer steps. Every finished run is on the disk before the next begins; a ladder that was stopped or killed goes
on from there when it is started again with the same options.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from planner.counting import parameters
from planner.errors import InputError
from planner.profiling import devices
from planner.profiling.journal import Journal, partial_path
from planner.quality.ladder import events, result
from planner.quality.ladder.forecast import forecast
from planner.quality.ladder.pace import Pace
from planner.quality.ladder.request import Request
from planner.quality.ladder.result import Trained
from planner.quality.ladder.rungs import SEQUENCE, Budget, Rung, rungs
from planner.quality.ladder.training import Rate, Trainer
from planner.units import show

FORMAT, VERSION = "trainplan-ladder", 1
FIRST_RATE = 2.0**-6
FIRST_TRIED = (0, -1, 1)
"""The search for the base learning rate goes by factors of two from the first rate."""
FURTHEST = 4
DIVERGED = 1e6
"""Loss written for a tuning run that ended in NaN."""
REPEATS = 3
"""Seeds of the smallest rung's first budget: what luck alone does to a loss."""
FORWARD_SHARE = 1 / 3
"""A forward pass's share of a training step's FLOPs."""
PROGRESS_EVERY_S = 1.0


@dataclass(frozen=True)
class _Run:
    """One training to be done."""

    rung: Rung
    budget: Budget
    seed: int
    purpose: Literal["point", "tuning"] = "point"

    def is_row(self, row: Trained, rate: Rate) -> bool:
        """Whether a row, taken over perhaps, is this run's."""
        mine = (self.purpose, self.rung.parameters, self.budget.steps, self.budget.batch * SEQUENCE, self.seed)
        return mine == (row.purpose, row.parameters, row.steps, row.batch_tokens, row.seed) and (
            row.learning_rate == rate.base
        )


def climb(request: Request, cancel: Callable[[], bool] = lambda: False) -> Iterator[events.Event]:
    """Train the ladder. Raises `CancelledError` when asked to stop, `InputError` for what cannot be a ladder."""
    return _Climb(request, cancel).work()


class _Climb:
    def __init__(self, request: Request, cancel: Callable[[], bool]) -> None:
        self.request, self.cancel, self.corpus = request, cancel, request.corpus
        self.kind = devices.resolve(request.device)
        self.device = devices.describe(self.kind)
        vocabulary, available = self.corpus.vocabulary.size, self.corpus.training_tokens
        self.rungs, self.note = rungs(request.shapes, request.tokens, vocabulary, available)
        self.rows: list[Trained] = []
        self.pace = Pace()
        self.step_s: dict[tuple[int, int], float] = {}

    def work(self) -> Iterator[events.Event]:
        """The whole run."""
        out, done = self.request.out, False
        self.journal = Journal(partial_path(out), self._head(), Trained, identity)
        try:
            yield self._started()
            yield from self._take_over()
            yield self._plan()
            rate = yield from self._tuned()
            for run in self._runs():
                if run.rung is self.rungs[-1]:
                    yield from self._predict_and_check(run, rate)
                else:
                    yield from self._train(run, rate)
            result.write_points(self.rows, self.corpus, out)
            done = True
            yield self._finished()
        finally:
            self.journal.close(remove=done or not self.rows)

    def _runs(self) -> list[_Run]:
        """The points' runs from the smallest rung, and the smallest of all with other seeds."""
        first, seed = self.rungs[0], self.request.seed
        repeats = [_Run(first, first.budgets[0], seed + extra) for extra in range(1, REPEATS)]
        return repeats + [_Run(rung, budget, seed) for rung in self.rungs for budget in rung.budgets]

    def _tuning_run(self) -> _Run:
        return _Run(self.rungs[0], self.rungs[0].budgets[0], self.request.seed, "tuning")

    def _plan(self) -> events.Event:
        """Measure some steps of each kind of run; what will be trained, and how long that takes."""
        runs = self._runs()
        tuning = [self._tuning_run()] * (len(FIRST_TRIED) if self.request.learning_rate is None else 0)
        for run in {(run.rung.parameters, run.budget.batch): run for run in runs}.values():
            step_s = self._trainer(run, self._rate(0.0)).seconds_a_step()
            self.step_s[run.rung.parameters, run.budget.batch] = step_s
        for run in (*tuning, *runs):
            self.pace.expect(self._seconds(run))
        planned = [
            events.PlannedRung(
                rung.model.hidden, rung.model.layers, rung.parameters, tuple(one.tokens for one in rung.budgets),
                sum(self._seconds(run) for run in runs if run.rung is rung),
            )
            for rung in self.rungs
        ]  # fmt: skip
        return events.Planned(tuple(planned), sum(map(self._seconds, tuning)), self.pace.left_s())

    def _seconds(self, run: _Run) -> float:
        """About how long a run takes, from the steps measured: all of its own, and the pass over what is held out."""
        evaluated = FORWARD_SHARE * self.corpus.held_out_tokens / (run.budget.batch * SEQUENCE)
        return self.step_s[run.rung.parameters, run.budget.batch] * (run.budget.steps + evaluated)

    def _tuned(self) -> Generator[events.Event, None, Rate]:
        """The best of factors of two on the smallest rung, moved to the lowest point of the parabola through it."""
        if self.request.learning_rate is not None:
            return self._rate(self.request.learning_rate)
        loss: dict[int, float] = {}
        wanted: tuple[int, ...] = FIRST_TRIED
        while wanted:
            for place in wanted:
                loss[place] = yield from self._train(self._tuning_run(), self._rate(FIRST_RATE * 2.0**place))
            best = min(loss, key=lambda place: loss[place])
            wanted = tuple(one for one in (best - 1, best + 1) if one not in loss and abs(one) <= FURTHEST)
            for _ in wanted:
                self.pace.expect(self._seconds(self._tuning_run()))
        rate = self._rate(FIRST_RATE * 2.0 ** (best + _vertex(loss, best)))
        yield events.Tuned(rate.base, len(loss))
        return rate

    def _rate(self, base: float) -> Rate:
        """Every rung's rate, from that of the smallest at its largest budget."""
        return Rate(base, self.rungs[0].model.hidden, self.rungs[0].budgets[0].batch)

    def _trainer(self, run: _Run, rate: Rate) -> Trainer:
        return Trainer(run.rung.model, self.corpus.training, run.budget, rate, seed=run.seed, device=self.kind)

    def _train(self, run: _Run, rate: Rate) -> Generator[events.Event, None, float]:
        """One run, unless it is there already; its loss."""
        known = next((row for row in self.rows if run.is_row(row, rate)), None)
        if known is not None:
            self.pace.skip(self._seconds(run))
            return known.loss
        trainer = self._trainer(run, rate)
        self.pace.begin(self._seconds(run))
        told_s = -math.inf
        for step in trainer.run(self.cancel):
            if self.pace.running_s() - told_s >= PROGRESS_EVERY_S:
                told_s = self.pace.running_s()
                yield self._progress(run, step)
        loss = trainer.evaluate(self.corpus.held_out)
        row = self._row(run, rate, loss, self.pace.end())
        self.rows.append(row)
        self.journal.add(row)
        yield events.TrainedOne(row)
        return row.loss

    def _row(self, run: _Run, rate: Rate, loss: float, seconds: float) -> Trained:
        model, counted = run.rung.model, parameters.of_model(run.rung.model)
        if not math.isfinite(loss):
            if run.purpose == "point":
                raise InputError(f"ladder: training diverged at a learning rate of {rate.base:.3g}; give a smaller one")
            loss = DIVERGED
        return Trained(
            purpose=run.purpose, width=model.hidden, layers=model.layers, parameters=run.rung.parameters,
            non_embedding_parameters=int(counted.total - counted.embedding - counted.head), steps=run.budget.steps,
            batch_tokens=run.budget.batch * SEQUENCE, tokens=run.budget.tokens, learning_rate=rate.base, seed=run.seed,
            loss=loss, seconds=seconds,
        )  # fmt: skip

    def _predict_and_check(self, run: _Run, rate: Rate) -> Iterator[events.Event]:
        """Say the last rung's loss, then train it. Its row, where it was taken over, tells the forecast nothing."""
        below = [row for row in self.rows if row.parameters < run.rung.parameters]
        noise = result.seed_noise(below)
        found = forecast(result.points_of(below), run.rung.parameters, run.budget.tokens, noise)
        yield events.Predicted(found, noise, self.corpus.bits_per_byte(found.loss))
        loss = yield from self._train(run, rate)
        yield events.Checked(
            found.loss, loss, found.loss / loss - 1, found.low <= loss <= found.high, self.corpus.bits_per_byte(loss)
        )

    def _progress(self, run: _Run, step: int) -> events.Progress:
        left_s, spent_s = self.pace.left_s(), self.pace.spent_s()
        doing = (
            f"{'tuning: ' if run.purpose == 'tuning' else ''}{show(run.rung.parameters)} parameters, step {step:,} of "
        )
        return events.Progress(
            self.pace.done, self.pace.expected, spent_s / (spent_s + left_s), spent_s, left_s,
            f"{doing}{run.budget.steps:,}",
        )  # fmt: skip

    def _take_over(self) -> Iterator[events.Event]:
        """Runs of an earlier ladder of the same kind that was stopped or killed."""
        self.rows = list(self.journal.rows)
        if self.rows:
            yield events.Note(f"{len(self.rows)} finished runs taken over from an interrupted ladder")
        if self.note:
            yield events.Note(self.note)

    def _finished(self) -> events.Event:
        """The law through all points, saved where they identify one."""
        law = reason = ""
        try:
            found = result.fitted(self.rows)
            law = self.request.name
            result.save_law(found, law, self.corpus, self.device.name, SEQUENCE)
        except InputError as error:
            law, reason = "", str(error)
        points = tuple(row for row in self.rows if row.purpose == "point")
        return events.Finished(str(self.request.out), law, reason, points, self.pace.spent_s())

    def _started(self) -> events.Event:
        corpus, out = self.corpus, self.request.out
        return events.Started(
            corpus.text.name, corpus.text.source, corpus.vocabulary.name, corpus.vocabulary.size,
            corpus.training_tokens, corpus.held_out_tokens, 1 / corpus.held_out_tokens_per_byte, self.device.name,
            self.kind, self.request.seed, str(out), str(partial_path(out)),
        )  # fmt: skip

    def _head(self) -> dict[str, Any]:
        return {
            "format": FORMAT, "version": VERSION, "device": self.device.name,
            "torch": devices.software(devices.Sensor(self.kind)).torch, "text": self.corpus.text.sha256,
            "tokenizer": self.corpus.vocabulary.name, "shapes": [list(shape) for shape in self.request.shapes],
            "tokens": self.request.tokens, "seed": self.request.seed, "learning_rate": self.request.learning_rate,
        }  # fmt: skip


def identity(head: dict[str, Any]) -> str:
    """All of it must agree for the runs of an interrupted ladder to be carried over."""
    return json.dumps(head, sort_keys=True)


def _vertex(loss: dict[int, float], best: int) -> float:
    """Where the parabola through the best place and its neighbours is lowest, from the best; 0 at the search's end."""
    low, middle, high = (loss.get(place, DIVERGED) for place in (best - 1, best, best + 1))
    if max(low, high) >= DIVERGED or low + high - 2 * middle <= 0:
        return 0.0
    return (low - high) / (2 * (low + high - 2 * middle))
