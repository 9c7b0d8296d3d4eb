"""One row of a validation explained: the prediction's derivation from what the source states, and the published figure
with its source.

The row is expressed and computed as in `validate`, by itself and recorded; a test holds both equal.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from planner.costing.energy import co2e_kg, energy_kwh
from planner.counting import memory
from planner.errors import InputError
from planner.estimate import Estimate, Figure, Kind, Outcome, compute, estimate
from planner.formula import Number, Traced, given, recording
from planner.plan.workload import Workload
from planner.timing import band
from planner.validation import own, score, table
from planner.validation.run import runs_named
from planner.validation.run_table import Runs
from planner.validation.table import Expressed

LABELS = {
    "step_time_s": ("Step time", "s"), "memory_bytes": ("Memory a GPU", "B"), "gpu_hours": ("GPU-hours", "GPU-hours"),
    "energy_kwh": ("Energy", "kWh"), "co2e_kg": ("CO2e", "kg"), "fits": ("Memory of the fullest GPU", "B"),
}  # fmt: skip
STEP_COLUMNS = ("step_time_s", "tokens_per_s_per_gpu", "tflops_per_gpu", "mfu")
"""What a source prints of a step's time, the first that it does."""


def explained(run: str, metric: str, path: Path | None = None) -> tuple[Figure, Figure]:
    """(predicted, published) of a row of a table, by the run's id and the metric. `path`: as for `validate`.

    Raises `InputError` where no such run is in the table, or nothing is predicted of it.
    """
    steps = explaining(run, metric, path)
    while True:
        try:
            next(steps)
        except StopIteration as last:
            found: tuple[Figure, Figure] = last.value
            return found


def explaining(run: str, metric: str, path: Path | None = None) -> Generator[None, None, tuple[Figure, Figure]]:
    """`explained` in steps: a large table is looked through block by block."""
    for runs in runs_named(run, path):
        if run in runs.words["id"]:
            return _explained(runs, run, metric)
        yield
    raise InputError(f"{run}: no such run in the table")


def _explained(runs: Runs, run: str, metric: str) -> tuple[Figure, Figure]:
    first = np.flatnonzero(runs.words["id"] == run)[0]
    one = table.express(runs.where(np.arange(len(runs)) == first))
    kept = own.estimates([run]).get(run) if one.runs.words["source_key"][0] == own.SOURCE else None
    with recording():
        outcome = _outcome(one)
        published = _published(one, outcome, metric)
        value = _of_plan(kept, metric) if kept else _predicted(one, outcome, metric)
    label, unit = LABELS[metric]
    step = kept.figures["time.step"] if kept else None
    interval = (step.low, step.high) if step else _interval(one, outcome, metric)
    interval = interval if metric == "step_time_s" else (None, None)
    return Figure.of(f"validate.{metric}", f"{label} of {run}, predicted", value, unit, interval), published


def _source(runs: Runs) -> str:
    """Where a run was published."""
    told = ("source", "url", "as_of", "confidence")
    return ", ".join(filter(None, (str(runs.words[name][0]) for name in told))) or str(runs.words["source_key"][0])


def _outcome(one: Expressed) -> Outcome:
    """The row's outcome, each number that it was given a leaf."""
    rates = _single(score.terms(one))
    sheet = one.accelerators[int(one.device_index[0])]
    told = {name: given(name, value, source=f"{sheet.name}: {sheet.source}; or the table's defaults")
            for name, value in _numbers(rates).items()}  # fmt: skip
    machine = replace(
        one.machine, device=_single(one.machine.device), network=_single(one.machine.network),
        software=_single(one.machine.software), allocation=_single(one.machine.allocation),
    )  # fmt: skip
    with np.errstate(divide="ignore", invalid="ignore"):
        return compute(_workload(one), machine, replace(rates, **told))


def _predicted(one: Expressed, outcome: Outcome, metric: str) -> Number:
    runs = one.runs
    if metric == "step_time_s":
        return outcome.step.total
    if metric == "fits":
        return outcome.memory.total
    if metric == "memory_bytes":
        capacity = float(one.of_device(lambda a: a.memory_bytes)[0])
        definition = np.asarray(str(runs.words["mem_definition"][0]))
        kept = _single(one.machine.allocation)
        return memory.as_printed(_workload(one), outcome.parameters, kept, definition, capacity)[()]  # type: ignore[index]
    hours = given("gpu_hours", float(runs.numbers["total_gpu_hours"][0]), unit="GPU-hours", source=_source(runs),
                  kind="published")  # fmt: skip
    if metric == "gpu_hours":
        return _hours(one, outcome)
    power, pue, grid = score.power_terms(one, 0)
    board = given(
        "power_w", power, unit="W", source="the device's power limit, by the share that the plan reckons with"
    )
    overhead = given("pue", pue if metric == "co2e_kg" or not score.without_pue(runs, 0) else 1.0, source="assumed")
    energy = energy_kwh(hours, board, 0.0, overhead)
    if metric == "energy_kwh":
        return energy
    return co2e_kg(energy, given("kg_per_kwh", grid, unit="kg/kWh", source="the grid that the papers reckon with"))


def _hours(one: Expressed, outcome: Outcome) -> Number:
    """GPU-hours of the shipped plan of the model for the published tokens, else of the row's own layout."""
    plan = score.plan_of(str(one.runs.words["model_name"][0]))
    if plan is None:
        return outcome.gpu_hours
    figure = estimate(plan).figures["time.gpu_hours"]
    assert figure.node is not None
    trained = given("plan's tokens", float(plan.recipe.tokens), unit="tokens", source=f"plan {plan.name}")
    tokens = given("tokens", float(one.runs.numbers["total_tokens"][0]), unit="tokens", source=_source(one.runs),
                   kind="published")  # fmt: skip
    return Traced(figure.value, figure.node) / trained * tokens


def _of_plan(kept: Estimate, metric: str) -> Number:
    """A figure of a run of one's own whose plan was kept."""
    o = kept.outcome
    return {"step_time_s": o.step.total, "memory_bytes": o.memory.allocated, "fits": o.memory.total}[metric]


def _published(one: Expressed, outcome: Outcome, metric: str) -> Figure:
    runs, source = one.runs, _source(one.runs)
    label, unit = LABELS[metric]
    key, label = f"validate.{metric}.published", f"{label} of {runs.words['id'][0]}, published"
    kind: Kind = "measured" if runs.words["source_key"][0] == own.SOURCE else "published"

    def stated(column: str, unit: str = "", scale: float = 1.0) -> Number:
        return given(column, float(runs.numbers[column][0]) * scale, unit=unit, source=source, kind=kind)

    if metric == "fits":
        ran = str(runs.words["outcome"][0]).lower() == "ran"
        return Figure.of(key, f"{'Ran' if ran else 'Failed'}, as published (1: ran)", float(ran), "", kind=kind,
                         source=source)  # fmt: skip
    columns = {"memory_bytes": ("mem_gb_per_gpu", 1e9), "gpu_hours": ("total_gpu_hours", 1.0),
               "energy_kwh": ("energy_mwh", 1e3), "co2e_kg": ("co2_t", 1e3)}  # fmt: skip
    if metric in columns:
        column, scale = columns[metric]
        return Figure.of(key, label, stated(column, unit, scale), unit, kind=kind, source=source)
    column = next(name for name in STEP_COLUMNS if math.isfinite(float(runs.numbers[name][0])))
    w = _workload(one)
    flops, words = outcome.flops, str(runs.words["tflops_kind"][0]).lower()
    value: Number
    if column == "step_time_s":
        value = stated(column, "s")
    elif column == "tokens_per_s_per_gpu":
        value = score.step_of_tokens(w.batch, w.sequence, w.gpus, stated(column, "tokens/s"))
    elif column == "tflops_per_gpu":
        work = (
            flops.step_hardware if "hardware" in words else flops.step_causal if "causal" in words else flops.step_full
        )
        value = score.step_of_flops(work, w.gpus, stated(column, "FLOP/s", 1e12))
    else:
        own_peak = math.isfinite(float(runs.numbers["mfu_peak_tflops"][0]))
        sheet = float(_single(one.machine.device).peak_flops)
        peak: Number = given("peak", sheet, unit="FLOP/s", source="data sheet", kind="published")
        peak = stated("mfu_peak_tflops", "FLOP/s", 1e12) if own_peak else peak
        value = score.step_of_flops(flops.step_full, w.gpus, stated(column) / 100 * peak)
    return Figure.of(key, label, value, unit, kind=kind, source=source)


def _workload(one: Expressed) -> Workload:
    """The row's numbers as leaves."""
    assumed = ", ".join(one.assumed[0])
    source = _source(one.runs) + (f"; blank there and assumed: {assumed}" if assumed else "")
    work: Workload = _single(one.workload)
    leaves = {name: given(name, value, source=source, kind="published") for name, value in _numbers(work).items()}
    return replace(work, **leaves)


def _interval(one: Expressed, outcome: Outcome, metric: str) -> tuple[float | None, float | None]:
    low, high = band.factors(str(one.device_sources[0]), float(outcome.mfu))
    return float(outcome.step.total) * float(low), float(outcome.step.total) * float(high)


def _numbers(part: Any) -> dict[str, float]:
    return {name: value for name, value in _values(part).items() if isinstance(value, float)}


def _values(part: Any) -> dict[str, Any]:
    return {field.name: getattr(part, field.name) for field in fields(part)}


def _single(part: Any) -> Any:
    """A record of arrays of one element, or of scalars, as plain numbers."""
    plain = {
        name: float(np.asarray(value).reshape(-1)[0])
        for name, value in _values(part).items()
        if isinstance(value, np.ndarray | float | int | np.generic) and not isinstance(value, bool)
    }
    return replace(part, **plain)
