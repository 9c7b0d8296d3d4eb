"""Many plans through `compute` at once: their numbers side by side, each the one that `estimate` would give."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np

from planner.costing.rates import rates
from planner.estimate import Machine, Outcome, compute, machine
from planner.formula import Number
from planner.plan.plan import Plan
from planner.plan.workload import Workload, workload
from planner.quality import laws

T = TypeVar("T")


@dataclass(frozen=True)
class Measure:
    """A figure of the answer by which plans are held against each other."""

    key: str
    title: str
    unit: str
    figure: str
    """Under which key an estimate has it."""
    less_is_better: bool = True


MEASURES = {
    one.key: one
    for one in (
        Measure("cost_usd", "Cost", "USD", "money.total"),
        Measure("train_time_s", "Training time", "s", "time.training"),
        Measure("memory_bytes", "Memory a GPU", "B", "memory.total"),
        Measure("perplexity", "Perplexity", "", "quality.perplexity"),
        Measure("energy_kwh", "Energy", "kWh", "energy.energy"),
        Measure("co2e_kg", "CO2e", "kg", "energy.co2e"),
    )
}
"""What a change of the plan is judged by. Perplexity is that of the default scaling law."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A plan, and the machine's constants where they are not the plan's own."""

    plan: Plan
    machine: Machine


def variant(plan: Plan, like: Variant | None = None) -> Variant:
    """A plan with its machine: that of `like` where both name the same things."""
    if like is not None and _parts(like.plan) == _parts(plan):
        return Variant(plan, like.machine)
    return Variant(plan, machine(plan))


def _parts(plan: Plan) -> tuple[Any, ...]:
    """What a machine's constants follow from."""
    cluster, recipe = plan.cluster, plan.recipe
    return cluster.accelerator, cluster.fabric, recipe.precision, recipe.framework, plan.profile


def outcome(variants: Sequence[Variant]) -> tuple[Workload, Outcome]:
    """Everything derived from some plans: arrays with one element a plan, or scalars where all agree."""
    machines = [one.machine for one in variants]
    together = replace(
        machines[0], device=stacked([one.device for one in machines]),
        network=stacked([one.network for one in machines]), software=stacked([one.software for one in machines]),
        allocation=stacked([one.allocation for one in machines]),
    )  # fmt: skip
    w = stacked([workload(one.plan) for one in variants])
    with np.errstate(all="ignore"):
        return w, compute(w, together, stacked([rates(one.plan) for one in variants]))


def measures(variants: Sequence[Variant]) -> list[dict[str, float]]:
    """`MEASURES` and `fits` (1 or 0) of each plan, in SI units; an unknown price is NaN."""
    if not variants:
        return []
    w, o = outcome(variants)
    columns = {**of_outcome(o), "perplexity": perplexity(o, w.tokens), "fits": o.fits}
    wide = {name: np.broadcast_to(np.asarray(column, dtype=float), len(variants)) for name, column in columns.items()}
    return [{name: float(column[number]) for name, column in wide.items()} for number in range(len(variants))]


def of_outcome(o: Outcome) -> dict[str, Number]:
    """The measures that `compute` gives."""
    return {
        "cost_usd": o.total_usd, "train_time_s": o.train_time_s, "memory_bytes": o.memory.total,
        "energy_kwh": o.energy_kwh, "co2e_kg": o.co2e_kg,
    }  # fmt: skip


def perplexity(o: Outcome, tokens: Number) -> Number:
    """Under the default law; N counts the active parameters, as on the frontier."""
    return laws.law(laws.DEFAULT).perplexity(o.parameters.active, tokens)


def stacked(items: Sequence[T]) -> T:
    """Dataclasses of numbers as one with arrays; what all share stays a scalar, and words are the first one's."""
    first: Any = items[0]
    columns: dict[str, Any] = {}
    for field in fields(first):
        values = [getattr(one, field.name) for one in items]
        if all(value == values[0] for value in values) or isinstance(values[0], str):
            columns[field.name] = values[0]
        else:
            columns[field.name] = np.array([float(value) for value in values])
    return type(first)(**columns)  # type: ignore[no-any-return]
