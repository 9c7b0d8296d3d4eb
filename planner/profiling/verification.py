"""Holds an estimate against real training on this machine, as a generator of events.

The order keeps the two apart: the plan is fitted to the machine, its layer's shape is measured (or a profile of it
found), the estimate is made and told, and only then a model is trained. What is compared: step time and its parts,
tokens per second, peak memory, energy where a counter can be read.
"""

from __future__ import annotations

import gc
import math
import platform
import statistics
import tempfile
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from planner import library, units
from planner.errors import MissingError, TrainplanError
from planner.estimate import Estimate, estimate
from planner.plan.plan import Plan
from planner.profiling import breakdown, comparison, devices, events, needs, timer, trainable
from planner.profiling.allocator import Recorder
from planner.profiling.comparison import Measured
from planner.profiling.energy import Meter
from planner.profiling.profiler import MEMORY_SHARE, never
from planner.profiling.team import ALONE, Team
from planner.profiling.trainable import Here
from planner.profiling.training import Spans, Training
from planner.profiling.verification_events import Compared, Started, Stepped
from planner.timing.profile import Condition, load
from planner.timing.targets import usual_reference_s

if TYPE_CHECKING:
    from planner.profiling.parallel import ParallelTraining

WARM_UP = {"cpu": 2, "cuda": 5}
"""Steps before those that are timed: the first makes the optimizer's states, a GPU's clocks settle in the others."""
STEPS = {"cpu": 5, "cuda": 20}


def verify(
    plan: Plan,
    here: Here,
    *,
    steps: int | None = None,
    whole_step: bool = True,
    budget_s: float | None = None,
    memory_limit_bytes: float | None = None,
    cancel: Callable[[], bool] = never,
    team: Team = ALONE,
) -> Iterator[events.Event]:
    """Predict a plan's step on this machine, then train it; the last event is `Compared` or `Failed`.

    steps: how many are timed. whole_step: all micro-batches of the plan's step, however many. budget_s: time for
    measuring the layer first, where no profile holds it. memory_limit_bytes: at most this much is taken. team: the
    ranks that train together, of which only the first one's events tell anything.
    """
    try:
        yield from _Run(plan, here, steps, whole_step, budget_s, memory_limit_bytes, cancel, team).work()
    except TrainplanError as error:
        yield events.Failed(str(error), error.exit_code)


class _Run:
    """One plan, predicted and trained."""

    def __init__(
        self, plan: Plan, here: Here, steps: int | None, whole_step: bool, budget_s: float | None,
        memory_limit_bytes: float | None, cancel: Callable[[], bool], team: Team,
    ) -> None:  # fmt: skip
        self.device, self.cancel, self.team = here.device, cancel, team
        self.kind = kind = here.device.kind
        if kind == "cpu":
            devices.keep_freed_memory()
        self.steps, self.budget_s = steps or STEPS[kind], budget_s
        free = devices.free_bytes(kind) / (team.per_node if kind == "cpu" else 1)
        self.limit_bytes = min(memory_limit_bytes or math.inf, MEMORY_SHARE[kind] * free)
        self.notes: list[str] = []
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        """Of a profile that cannot be kept: it goes with the run."""
        found = trainable.adapted(plan, here, whole_step=whole_step)
        self.plan, self._told = found.plan, found.notes
        self._smaller = trainable.smaller(self.plan)

    def work(self) -> Iterator[events.Event]:
        """All of it, in order."""
        if not self.team.leads:
            yield from self._follow()
            return
        yield from self._note(*self._told, *self._said_of_ranks())
        yield from self._fit_memory()
        yield self._started()
        while True:
            profile = yield from self._profile()
            found = estimate(self.plan.model_copy(update={"profile": profile}))
            there = comparison.predicted(found)
            yield there
            self.team.share(self.plan)
            here = yield from self._trained(profile)
            if here is not None:
                break
            yield from self._shrink("memory ran out")
        yield from self._say_what_disturbed(here)
        machine = {
            "device": self.device.model_dump(mode="json"), "host": platform.node(), "torch": devices.torch_version()
        }  # fmt: skip
        yield Compared(comparison.result(self.plan, self.notes, machine, there, here))

    def _follow(self) -> Iterator[events.Event]:
        """Another rank's part: what the first one has predicted is trained."""
        self.plan = self.team.share(None)
        yield from self._trained("")

    def _said_of_ranks(self) -> Iterator[str]:
        """What several ranks of a processor have to share."""
        if self.team.ranks > 1 and self.kind == "cpu":
            yield (
                f"{self.team.per_node} ranks of {self.device.threads} threads each share this processor's "
                f"{self.device.multiprocessors} cores, its memory and the messages between them: the layer is measured "
                "by one rank alone, so the real step is slower by what they take from one another"
            )

    def _fit_memory(self) -> Iterator[events.Event]:
        """Cut the plan until its prediction fits the memory that is free."""
        if self._needed_bytes(estimate(self.plan)) > self.limit_bytes:
            room = units.show_bytes(self.limit_bytes)
            yield from self._shrink(
                f"all of it would need {units.show_bytes(self._needed_bytes(estimate(self.plan)))} of {room}"
            )

    def _needed_bytes(self, found: Estimate) -> float:
        """A GPU's context is outside of what is free; an allocator's reserve gives way."""
        return float(found.outcome.memory.allocated)

    def _shrink(self, why: str) -> Iterator[events.Event]:
        """On to the largest smaller plan that is predicted to fit. Raises `MissingError` where none does."""
        for plan, cut in self._smaller:
            if self._needed_bytes(estimate(plan)) <= self.limit_bytes:
                self.plan = plan
                yield from self._note(f"{cut} are trained and predicted: {why}")
                return
        raise MissingError(
            f"not even one layer of {self.plan.model.name} trains in {units.show_bytes(self.limit_bytes)}; free some, "
            "raise --memory-limit or verify a smaller model"
        )

    def _profile(self) -> Generator[events.Event, None, str]:
        """The profile that the prediction rests on, measured now where there is none."""
        name = needs.found(self.plan, self.device)
        if name:
            yield from self._note(f"the prediction rests on the profile {name}, which holds this layer's shape")
            return name
        first = "no quiet profile of this layer's shape yet: its parts are measured first, and"
        if why := library.why_not_kept():  # as on a cluster's node, whose home may be read-only
            yield from self._note(f"{first} not kept: {why}")
            self._folder = tempfile.TemporaryDirectory(prefix="trainplan-")
        else:
            yield from self._note(f"{first} kept")
        out = Path(self._folder.name) / "profile.json" if self._folder else None
        made = yield from needs.measured(self.plan, self.kind, self.budget_s, self.limit_bytes, self.cancel, out)
        if not needs.holds(load(made), self.plan):
            yield from self._note(f"the profile {made} holds not every part at this shape in quiet; the rest is fitted")
        return made

    def _trained(self, profile: str) -> Generator[events.Event, None, Measured | None]:
        """Real steps beside the prediction from a profile; None where memory ran out."""
        try:
            return (yield from self._train(profile))
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
            if self.team.ranks > 1:
                raise MissingError(f"rank {self.team.rank} ran out of memory; lower --memory-limit") from None
        gc.collect()
        devices.release(self.kind)
        return None

    def _train(self, profile: str) -> Generator[events.Event, None, Measured]:
        spans, meter, sensor = Spans(timer.clock_for(self.kind)), Meter(self.kind), devices.Sensor(self.kind)
        losses: list[float] = []
        with Recorder(self.kind) as record:
            training = self._training()
            yield from self._steps(training, spans, WARM_UP[self.kind], losses, warm_up=True)
        sensor.start()
        meter.start()
        is_alone = self.team.ranks == 1  # beside other ranks, the others on the processor are they
        found = yield from self._steps(
            training, spans, self.steps, losses, warm_up=False,
            sensor=sensor if is_alone and self.kind == "cpu" else None,
        )  # fmt: skip
        energy = self._energy(meter)
        condition = sensor.read() if is_alone else Condition()
        kernels = breakdown.kernel_seconds(self.kind, lambda: training.step(spans))
        peak = max(self.team.all(record.peak), key=lambda one: one.allocated_bytes)
        return Measured(
            step_times_s=tuple(sum(parts.values()) for parts in found), parts_s=_medians(found), kernels_s=kernels,
            tokens_per_step=self.plan.recipe.batch_tokens, parameters=training.parameters,
            allocated_bytes=peak.allocated_bytes, allocated_from=peak.allocated_from,
            reserved_bytes=peak.reserved_bytes, reserved_from=peak.reserved_from,
            energy_j=None if energy is None else energy / self.steps, energy_from=meter.source or meter.why_not,
            losses=tuple(losses), other_load=condition.other_load, slowing=_slowing(profile, condition),
        )  # fmt: skip

    def _training(self) -> Training | ParallelTraining:
        if self.team.ranks == 1:
            return Training(self.plan, self.kind, cancel=self.cancel)
        from planner.profiling.parallel import ParallelTraining

        return ParallelTraining(self.plan, self.kind, cancel=self.cancel)

    def _energy(self, meter: Meter) -> float | None:
        """Of all GPUs, or of each node's processors once."""
        told = self.team.all(meter.joules())
        if self.kind == "cpu":
            told = told[:: self.team.per_node]
        return None if None in told else sum(told)

    def _steps(
        self, training: Training | ParallelTraining, spans: Spans, count: int, losses: list[float], *, warm_up: bool,
        sensor: devices.Sensor | None = None,
    ) -> Generator[events.Event, None, list[dict[str, float]]]:  # fmt: skip
        """So many steps, the device read only once in a bunch so that it is never left waiting; their parts."""
        found: list[dict[str, float]] = []
        while len(found) < count:
            bunch = min(timer.clock_for(self.kind).bunch, count - len(found))
            told = [training.step(spans) for _ in range(bunch)]
            for loss, parts in zip(told, spans.read(), strict=True):
                found.append(parts)
                losses.append(float(loss))
                yield Stepped(len(found), count, warm_up, sum(parts.values()), losses[-1])
            if sensor is not None:
                sensor.read()
        return found

    def _say_what_disturbed(self, here: Measured) -> Iterator[events.Event]:
        if here.other_load is not None and here.other_load > comparison.BUSY_LOAD:
            share = units.percent(here.other_load, 0)
            yield from self._note(f"other programs took {share} of the processor's cores while the steps were timed")

    def _started(self) -> Started:
        plan = self.plan
        return Started(
            plan.model.name, self.device.name, self.kind, plan.cluster.gpus, plan.recipe.precision, plan.model.layers,
            plan.layout.micro_batch, plan.recipe.sequence_length,
            trainable.micro_batches(plan), self.steps,
        )  # fmt: skip

    def _note(self, *texts: str) -> Iterator[events.Event]:
        for text in texts:
            self.notes.append(text)
            yield events.Note(text)


def _slowing(profile: str, condition: Condition) -> float | None:
    """A processor's reference product during the steps over that of the profile that predicted them, − 1."""
    usual_s = usual_reference_s(load(profile)) if profile else None
    return condition.reference_s / usual_s - 1 if condition.reference_s and usual_s else None


def _medians(steps: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for parts in steps for name in parts)
    return {name: statistics.median(parts.get(name, 0.0) for parts in steps) for name in names}
