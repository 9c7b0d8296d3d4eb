"""One task, four ways: a large model prompted with examples, the same fine-tuned, a small one fine-tuned for the task,
and that small one trained for it from new weights.

What is paid once and what every call pays give straight lines over the calls; where two meet is their break-even.
Calls are priced by the token at the plan's load, as on a shared server: a server kept for few calls costs more.
Published scores stand beside, with their source; they are of the models that were measured, not of the plan's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, cast

from planner import library
from planner.costing import serving
from planner.costing.lifetime import break_even_calls, cost_of_calls, fine_tuning_flops
from planner.estimate import Estimate, Figure, estimate
from planner.formula import Number, Traced, given, recording
from planner.plan import shipped
from planner.plan.lifetime import Lifetime, Task
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.quality.lifetime import host, serving_price, without_nan
from planner.units import show

SMALL_MODEL = "bert-large-cased"
SMALL_TRAINING_SHARE = 0.3
"""Share of the dense peak at which a small model is fine-tuned (assumed: short sequences, small batches)."""
WAYS = {
    "prompted": ("few-shot", "zero-shot"), "fine-tuned": ("fine-tuned",), "small": ("fine-tuned",),
    "scratch": ("from scratch",),
}  # fmt: skip
"""How a score of the shipped table was reached, for each way."""


@dataclass(frozen=True)
class Score:
    """A published score."""

    model: str
    way: str
    shots: int | None
    score: float
    metric: str
    source: str
    confidence: str


@dataclass(frozen=True)
class Way:
    """One way to do the task."""

    key: str
    label: str
    parameters: float
    fixed_usd: Number
    usd_per_call: Number
    input_tokens: float
    """Tokens a call pays to read."""
    scores: tuple[Score, ...]
    """What was published for such a model done this way; empty where nothing is known."""
    source: str = ""
    """Where the price of serving is from."""

    def cost(self, calls: Number) -> Number:
        """Dollars after so many calls, a number or an array."""
        return cost_of_calls(self.fixed_usd, self.usd_per_call, calls)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers and the scores."""
        plain = {"fixed_usd": float(self.fixed_usd), "usd_per_call": float(self.usd_per_call)}
        return {**vars(self), **plain, "scores": [vars(score) for score in self.scores]}


@dataclass(frozen=True)
class Comparison:
    """The ways, at the plan's calls."""

    task: Task
    ways: tuple[Way, ...]

    @property
    def cheapest(self) -> Way:
        """At the plan's calls."""
        return min(self.ways, key=lambda way: float(way.cost(self.task.calls)))

    def break_even(self, first: str, second: str) -> float:
        """Calls from which on `second` is cheaper than `first`, by the ways' keys."""
        by_key = {way.key: way for way in self.ways}
        a, b = by_key[first], by_key[second]
        return float(break_even_calls(a.fixed_usd, a.usd_per_call, b.fixed_usd, b.usd_per_call))

    @property
    def break_evens(self) -> dict[str, float]:
        """Of each way with each later one: `prompted → small`."""
        keys = [way.key for way in self.ways]
        pairs = [(a, b) for i, a in enumerate(keys) for b in keys[i + 1 :]]
        return {f"{a} → {b}": self.break_even(a, b) for a, b in pairs}

    def to_json(self) -> dict[str, Any]:
        """As `lifetime --json` prints it; a break-even that never comes is None."""
        data = {
            "calls": self.task.calls, "ways": [
                {**way.to_json(), "total_usd": float(way.cost(self.task.calls))} for way in self.ways
            ],
            "break_even_calls": self.break_evens, "cheapest": self.cheapest.key,
        }  # fmt: skip
        return cast(dict[str, Any], without_nan(data))


def compare(plan: Plan, result: Estimate | None = None) -> Comparison:
    """The plan's own model as the large one, and the task's small model. Raises `InputError` as `estimate` does."""
    life = plan.lifetime or Lifetime()
    task, result = life.task, result or estimate(plan)
    small = task.small_model or shipped.model(SMALL_MODEL)
    with recording():
        ways = (_prompted(plan, life), _tuned(plan, life, result), *_small(plan, life, small))
    return Comparison(task, ways)


def cost_figure(way: Way, calls: float) -> Figure:
    """Dollars of a way after so many calls, with the derivation."""
    with recording():
        fixed, each = _leaf("fixed", way.fixed_usd), _leaf("per call", way.usd_per_call)
        value = cost_of_calls(fixed, each, given("calls", calls, source="calls over the life"))
    return Figure.of("task.cost", f"{way.label}, {show(calls)} calls", value, "USD", source=f"Price: {way.source}")


def break_even_figure(first: Way, second: Way) -> Figure:
    """Calls from which on the second way is cheaper, with the derivation."""
    with recording():
        ends = (_leaf(f"{name} of {way.label}", value) for way in (first, second) for name, value in
                (("fixed", way.fixed_usd), ("per call", way.usd_per_call)))  # fmt: skip
        value = break_even_calls(*ends)
    label = f"Calls from which {second.label} is cheaper than {first.label}"
    return Figure.of("task.break_even", label, value, "")


def _leaf(name: str, value: Number) -> Number:
    return given(name, float(value), unit="USD", source="the task") if not isinstance(value, Traced) else value


def scores(task: str) -> list[dict[str, Any]]:
    """Rows of the shipped table for a task, all tasks' for a blank name."""
    return [row for row in library.table("task_scores") if not task or row["task"].casefold() == task.casefold()]


def _prompted(plan: Plan, life: Lifetime) -> Way:
    task = life.task
    shown = task.examples * task.example_tokens
    paid = task.question_tokens + shown * (1 - task.cached_share)
    per_call, size, source = _call(plan.model, life, plan, task.question_tokens + shown, paid)
    label = f"{plan.model.name}, {task.examples} examples in the prompt" if shown else f"{plan.model.name}, prompted"
    fixed = task.examples * task.usd_per_label
    return Way("prompted", label, size, fixed, per_call, paid, _published(task, "prompted", size), source)


def _tuned(plan: Plan, life: Lifetime, result: Estimate) -> Way:
    task, outcome = life.task, result.outcome
    per_call, size, source = _call(plan.model, life, plan, task.question_tokens, task.question_tokens)
    price = outcome.accelerators_usd / outcome.gpu_hours
    fixed = _tuning(task, size, float(outcome.flops_per_s_per_gpu), float(price))
    label = f"{plan.model.name}, fine-tuned"
    scored = _published(task, "fine-tuned", size)
    return Way("fine-tuned", label, size, fixed, per_call, task.question_tokens, scored, source)


def _small(plan: Plan, life: Lifetime, model: Model) -> tuple[Way, Way]:
    """The small model fine-tuned, and trained from new weights, which takes more labels and passes. Its calls cost the
    same either way."""
    task = life.task
    accelerator = life.accelerator or plan.cluster.accelerator
    per_call, size, source = _call(model, life, plan, task.question_tokens, task.question_tokens)
    rate = (
        accelerator.peak("bf16") or accelerator.peak("fp16") or accelerator.peak("fp32") or math.nan
    ) * SMALL_TRAINING_SHARE
    price = serving_price(accelerator, life)[0]

    def way(key: str, label: str, spent: Task) -> Way:
        fixed, scored = _tuning(spent, size, rate, price), _published(task, key, size)
        return Way(key, f"{model.name}, {label}", size, fixed, per_call, task.question_tokens, scored, source)

    anew = task.model_copy(update={"labels": task.scratch_labels, "epochs": task.scratch_epochs})
    return way("small", "fine-tuned", task), way("scratch", "from scratch", anew)


def _call(model: Model, life: Lifetime, plan: Plan, prompt: float, paid: float) -> tuple[Number, float, str]:
    """(price of a call that pays to read `paid` of its `prompt` tokens, active parameters, where the price of a GPU is
    from). An encoder writes nothing: its answer is the pass over the question."""
    writes = model.architecture != "encoder"
    answer = float(life.task.answer_tokens) if writes else 0.0
    alone = life if model is plan.model else _free(life)
    hosted = host(model, alone, plan.cluster.accelerator, float(prompt), max(answer, 1.0))
    s = hosted.serving
    price = serving.usd_per_request(paid, answer, s.input_usd_per_million, s.output_usd_per_million)
    return price, float(hosted.model.active), hosted.price_source


def _free(life: Lifetime) -> Lifetime:
    """The lifetime without the GPUs and batch that were chosen for the large model."""
    return life.model_copy(update={"gpus": None, "batch": None})


def _tuning(task: Task, parameters: float, flops_per_s: float, usd_per_gpu_hour: float) -> Number:
    """Labels, and compute until one fine-tuning is kept."""
    tokens = task.labels * (task.question_tokens + task.answer_tokens)
    hours = fine_tuning_flops(parameters, tokens, task.epochs, task.trials) / flops_per_s / 3600
    return task.labels * task.usd_per_label + hours * usd_per_gpu_hour


def _published(task: Task, key: str, parameters: float) -> tuple[Score, ...]:
    """Scores done this way: by small models for the small one, by the others for the large one. A model whose size was
    not told (a linear one, a closed one) stands where its way does."""
    rows = [row for row in scores(task.quality_task) if row["way"] in WAYS[key]]
    small = key in ("small", "scratch")
    kept = [row for row in rows if row["parameters"] is None or (row["parameters"] < _SMALL) == small]
    names = ("model", "way", "shots", "score", "metric", "source", "confidence")
    return tuple(Score(**{name: row[name] for name in names}) for row in kept)


_SMALL = 3e9
"""Parameters below which a model of the table counts as small."""
