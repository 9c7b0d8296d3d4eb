"""How sure an estimate's times and money are: the 80 % bands as factors of the values."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from planner.costing import purchase
from planner.costing.rates import Rates
from planner.counting import parameters
from planner.estimate.constants import Machine
from planner.estimate.outcome import Outcome
from planner.plan.plan import Plan
from planner.plan.workload import Workload, workload
from planner.timing import band
from planner.timing import step as step_timing
from planner.timing.step import Step


def edges(plan: Plan, parts: Machine) -> tuple[Step, Step] | None:
    """The step with every measured collective at the lower and at the upper edge of its band; None without any."""
    links = parts.network.measured
    if links is None:
        return None
    numbers = workload(plan)
    counted = parameters.count(numbers)
    lower, upper = (
        step_timing.count(
            numbers, counted, parts.device, replace(parts.network, measured=replace(links, edge=edge)), parts.software
        )
        for edge in (-1, 1)
    )
    return lower, upper


def busy(outcome: Outcome, parts: Machine) -> float:
    """Utilization against what a device's products were measured to reach, else against its data sheet's peak: the
    generic processor's peak is a guess."""
    mfu = float(outcome.mfu)
    return mfu / min(1.0, float(parts.device.matmul_efficiency)) if parts.profile else mfu


def factors(
    w: Workload, outcome: Outcome, parts: Machine, terms: Rates, ends: tuple[Step, Step] | None
) -> dict[str, tuple[float, float]]:
    """(low, high) factors of the 80 % bands: of the step ("time"), by a profile of the parts that it holds, of the idle
    reserved hours ("idle") and of the whole cost ("cost"). `ends`: the step at the edges of the measured collectives.
    """
    times = _of_times(w, outcome, parts, ends)
    return times | _of_money(w, outcome, terms, *times["time"])


def _of_times(
    w: Workload, outcome: Outcome, parts: Machine, ends: tuple[Step, Step] | None
) -> dict[str, tuple[float, float]]:
    """With a profile the step is no surer than the layers in it, all taken to be off together, nor than the measured
    collectives."""
    low, high = map(float, band.factors(parts.device.source, busy(outcome, parts)))
    if ends:
        total = float(outcome.step.total)
        low, high = min(low, float(ends[0].total) / total), max(high, float(ends[1].total) / total)
    if parts.fit is None:
        return {"time": (low, high)}
    widths = parts.fit.half_widths(w)
    times = {name: float(getattr(outcome.step, name)) for name in widths}
    width = sum(widths[name] * time_s for name, time_s in times.items()) / sum(times.values())
    own = {name: (math.exp(-one), math.exp(one)) for name, one in widths.items()}
    return {"time": (min(low, math.exp(-width)), max(high, math.exp(width))), **own}


def _of_money(w: Workload, o: Outcome, terms: Rates, low: float, high: float) -> dict[str, tuple[float, float]]:
    """Idle reserved hours shrink as the training grows, and people do not grow with it."""
    idle, total, staff, hours = (float(one) for one in (o.idle_usd, o.total_usd, o.staff_usd, o.gpu_hours))
    if not total > 0 or math.isinf(total):
        return {"cost": (low, high)}
    left = []
    for factor in (low, high):
        spare = purchase.idle_gpu_hours(hours * factor, float(w.gpus), float(terms.term_days), float(terms.other_use))
        left.append(float(spare) * float(terms.usd_per_gpu_hour))
    rest = total - idle - staff
    cost = tuple((rest * factor + staff + one) / total for factor, one in zip((low, high), left, strict=True))
    spread = {"cost": (min(cost), max(cost))}
    return spread | ({"idle": (left[1] / idle, left[0] / idle)} if idle else {})


def interval(value: float, spread: str, bands: Mapping[str, tuple[float, float]]) -> tuple[float | None, float | None]:
    """`spread`: memory, rate (of a time), or a name in `bands`; nothing known of any other."""
    if spread == "memory":
        return value * 0.93, value * 1.07
    if spread == "rate":
        return value / bands["time"][1], value / bands["time"][0]
    if spread in bands:
        return value * bands[spread][0], value * bands[spread][1]
    return None, None
