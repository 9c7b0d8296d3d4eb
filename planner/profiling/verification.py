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
from collections.abc import Callable, Generator, Iterator

from planner import units
from planner.errors import MissingError, TrainplanError
from planner.estimate import Estimate, estimate
from planner.plan.plan import Plan
from planner.profiling import breakdown, comparison, devices, events, needs, timer, trainable
from planner.profiling.allocator import Recorder
from planner.profiling.comparison import Measured
from planner.profiling.energy import Meter
from planner.profiling.profiler import MEMORY_SHARE, never
from planner.profiling.trainable import Here
from planner.profiling.training import Spans, Training
from planner.profiling.verification_events import Compared, Started, Stepped
from planner.timing.profile import load

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
) -> Iterator[events.Event]:
    """Predict a plan's step on this machine, then train it; the last event is `Compared` or `Failed`.

    steps: how many are timed. whole_step: all micro-batches of the plan's step, however many. budget_s: time for
    measuring the layer first, where no profile holds it. memory_limit_bytes: at most this much is taken.
    """
    try:
        yield from _Run(plan, here, steps, whole_step, budget_s, memory_limit_bytes, cancel).work()
    except TrainplanError as error:
        yield events.Failed(str(error), error.exit_code)


class _Run:
    """One plan, predicted and trained."""

    def __init__(
        self, plan: Plan, here: Here, steps: int | None, whole_step: bool, budget_s: float | None,
        memory_limit_bytes: float | None, cancel: Callable[[], bool],
    ) -> None:  # fmt: skip
        self.device, self.cancel = here.device, cancel
        self.kind = kind = here.device.kind
        self.steps, self.budget_s = steps or STEPS[kind], budget_s
        self.limit_bytes = min(memory_limit_bytes or math.inf, MEMORY_SHARE[kind] * devices.free_bytes(kind))
        self.notes: list[str] = []
        found = trainable.adapted(plan, here, whole_step=whole_step)
        self.plan, self._told = found.plan, found.notes
        self._smaller = trainable.smaller(self.plan)

    def work(self) -> Iterator[events.Event]:
        """All of it, in order."""
        yield from self._note(*self._told)
        yield from self._fit_memory()
        yield self._started()
        while True:
            profile = yield from self._profile()
            found = estimate(self.plan.model_copy(update={"profile": profile}))
            there = comparison.predicted(found)
            yield there
            here = yield from self._trained()
            if here is not None:
                break
            yield from self._shrink("memory ran out")
        yield from self._say_what_disturbed(here)
        machine = {
            "device": self.device.model_dump(mode="json"), "host": platform.node(), "torch": devices.torch_version()
        }  # fmt: skip
        yield Compared(comparison.result(self.plan, self.notes, machine, there, here))

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
        yield from self._note("no quiet profile of this layer's shape yet: its parts are measured first, and kept")
        made = yield from needs.measured(self.plan, self.kind, self.budget_s, self.limit_bytes, self.cancel)
        if not needs.holds(load(made), self.plan):
            yield from self._note(f"the profile {made} holds not every part at this shape in quiet; the rest is fitted")
        return made

    def _trained(self) -> Generator[events.Event, None, Measured | None]:
        """Real steps; None where memory ran out."""
        try:
            return (yield from self._train())
        except Exception as error:
            if not devices.is_out_of_memory(error):
                raise
        gc.collect()
        devices.release(self.kind)
        return None

    def _train(self) -> Generator[events.Event, None, Measured]:
        spans, meter, sensor = Spans(timer.clock_for(self.kind)), Meter(self.kind), devices.Sensor(self.kind)
        losses: list[float] = []
        with Recorder(self.kind) as record:
            training = Training(self.plan, self.kind, cancel=self.cancel)
            yield from self._steps(training, spans, WARM_UP[self.kind], losses, warm_up=True)
        sensor.start()
        meter.start()
        found = yield from self._steps(training, spans, self.steps, losses, warm_up=False)
        energy, load_of_others = meter.joules(), sensor.read().other_load
        kernels = breakdown.kernel_seconds(self.kind, lambda: training.step(spans))
        peak = record.peak
        return Measured(
            step_times_s=tuple(sum(parts.values()) for parts in found), parts_s=_medians(found), kernels_s=kernels,
            tokens_per_step=self.plan.recipe.batch_tokens, parameters=training.parameters,
            allocated_bytes=peak.allocated_bytes, allocated_from=peak.allocated_from,
            reserved_bytes=peak.reserved_bytes, reserved_from=peak.reserved_from,
            energy_j=None if energy is None else energy / self.steps, energy_from=meter.source or meter.why_not,
            losses=tuple(losses), other_load=load_of_others,
        )  # fmt: skip

    def _steps(
        self, training: Training, spans: Spans, count: int, losses: list[float], *, warm_up: bool
    ) -> Generator[events.Event, None, list[dict[str, float]]]:
        """So many steps, the device read only once in a bunch so that it is never left waiting; their parts."""
        found: list[dict[str, float]] = []
        while len(found) < count:
            bunch = min(timer.clock_for(self.kind).bunch, count - len(found))
            told = [training.step(spans) for _ in range(bunch)]
            for loss, parts in zip(told, spans.read(), strict=True):
                found.append(parts)
                losses.append(float(loss))
                yield Stepped(len(found), count, warm_up, sum(parts.values()), losses[-1])
        return found

    def _say_what_disturbed(self, here: Measured) -> Iterator[events.Event]:
        if here.other_load is not None and here.other_load > comparison.BUSY_LOAD:
            share = f"{here.other_load:.0%}"
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


def _medians(steps: list[dict[str, float]]) -> dict[str, float]:
    names = dict.fromkeys(name for parts in steps for name in parts)
    return {name: statistics.median(parts.get(name, 0.0) for parts in steps) for name in names}
