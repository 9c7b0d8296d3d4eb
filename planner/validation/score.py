"""Predictions held against what a table's sources measured, row by row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np

from planner import library
from planner.costing.energy import co2e_kg, energy_kwh
from planner.costing.rates import Rates
from planner.counting import memory
from planner.errors import CancelledError, TrainplanError
from planner.estimate import Estimate, Outcome, compute, estimate
from planner.formula import Array, Number, formula
from planner.plan.cluster import Cluster
from planner.plan.file import load
from planner.plan.plan import Plan
from planner.timing import band
from planner.validation import own, table
from planner.validation.run_table import Runs
from planner.validation.table import Expressed

UNITS = {
    "step_time_s": "s", "memory_bytes": "B", "gpu_hours": "GPU-hours", "energy_kwh": "kWh", "co2e_kg": "kg", "fits": "",
}  # fmt: skip
MEASURED_MEMORY = ("allocated", "reserved", "nvidia-smi", "unknown", "")


Job = tuple[Any, ...]
"""What several layouts of one job have in common: source, model, device, precision, GPUs, batch and sequence."""


@dataclass(frozen=True)
class Scored:
    """Some rows of a table, scored: one dict a run and metric, and of each job's layouts the step times (published,
    predicted)."""

    rows: list[dict[str, Any]]
    jobs: dict[Job, list[tuple[float, float]]]


@np.errstate(all="ignore")  # a row that cannot be worked out says so itself
def scored(
    runs: Runs, hours: dict[str, float | None] | None = None, is_cancelled: Callable[[], bool] = lambda: False
) -> Scored:
    """Runs held against the planner's predictions. hours: what earlier blocks of the table learnt of shipped plans."""
    expressed = table.express(runs)
    outcome = predict(expressed)
    published = measured_step_s(expressed, outcome)
    predicted = np.broadcast_to(np.asarray(outcome.step.total, dtype=float), (len(runs),))
    low, high = bands(expressed, outcome)
    memory_bytes = _memory_as_printed(expressed, outcome)
    if kept := _kept_estimates(runs, is_cancelled):
        expressed, predicted, low, high, memory_bytes = _by_plan(kept, expressed, predicted, low, high, memory_bytes)
    hours = {} if hours is None else hours
    rows = _rows(expressed, outcome, published, predicted, low, high, memory_bytes, hours, is_cancelled)
    return Scored(rows, _jobs(expressed, published, predicted))


def _kept_estimates(runs: Runs, is_cancelled: Callable[[], bool]) -> dict[int, Estimate]:
    """Estimates of the user's own runs whose plans were kept, by row."""
    mine = [int(i) for i in np.flatnonzero(runs.words["source_key"] == own.SOURCE)]
    found = own.estimates([str(runs.words["id"][i]) for i in mine], is_cancelled)
    return {i: found[str(runs.words["id"][i])] for i in mine if str(runs.words["id"][i]) in found}


def _by_plan(
    kept: dict[int, Estimate], expressed: Expressed, predicted: Array, low: Array, high: Array, memory_bytes: Array
) -> tuple[Expressed, Array, Array, Array, Array]:
    """Rows whose plan was kept, as that plan's estimate has them: its profile, and a processor's as well as a GPU's."""
    predicted, memory_bytes, skipped = predicted.copy(), memory_bytes.copy(), expressed.skipped.copy()
    for i, found in kept.items():
        step = found.figures["time.step"]
        predicted[i], memory_bytes[i] = step.value, float(found.outcome.memory.allocated)
        low[i], high[i] = (step.low or np.nan) / step.value, (step.high or np.nan) / step.value
        skipped[i] = ""
    return replace(expressed, skipped=skipped), predicted, low, high, memory_bytes


def bands(expressed: Expressed, outcome: Outcome) -> tuple[Array, Array]:
    """Each row's factors of the 80 % interval, by how its device's kernels are known."""
    low, high = np.ones(len(expressed.runs)), np.ones(len(expressed.runs))
    mfu = np.broadcast_to(np.asarray(outcome.mfu), low.shape)
    for source in np.unique(expressed.device_sources):
        rows = expressed.device_sources == source
        low[rows], high[rows] = band.factors(str(source), mfu[rows])
    return low, high


def predict(expressed: Expressed) -> Outcome:
    """Every row's outcome, in one pass."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return compute(expressed.workload, expressed.machine, terms(expressed))


def terms(expressed: Expressed) -> Rates:
    """Every row's rates: no price, the plan's defaults of reliability, the world's mean grid."""
    count = len(expressed.runs)
    nan, w = np.full(count, np.nan), expressed.workload
    reliability = {
        name: float(Cluster.model_fields[name].default)
        for name in ("failures_per_node_day", "restart_s", "checkpoint_s", "other_losses")
    }  # fmt: skip
    one = expressed.of_device
    return Rates(
        nodes=np.maximum(1.0, np.ceil(np.asarray(w.gpus) / np.asarray(w.gpus_per_node))),
        memory_bytes=one(lambda a: a.memory_bytes), peak_flops=np.asarray(expressed.machine.device.peak_flops),
        tdp_w=one(lambda a: a.tdp_w or np.nan), usd_per_gpu_hour=nan, **reliability, network_premium=0.0,
        exploration=0.0,
        storage_usd_per_tb_month=0.0, checkpoints_kept=0.0, data_bytes_per_token=0.0, staff_usd=0.0, power_share=nan,
        server_overhead=0.0, pue=1.1, kg_per_kwh=0.385,
    )  # fmt: skip


@formula("B·s/GPUs/(tokens/s a GPU)", unit="s", source="definition of throughput")
def step_of_tokens(batch: Number, sequence: Number, gpus: Number, tokens_per_s: Number) -> Number:
    """Step time of a published throughput a GPU."""
    return batch * sequence / gpus / tokens_per_s


@formula("FLOPs_step/GPUs/(FLOP/s a GPU)", unit="s", source="definition; the FLOPs in the source's own convention")
def step_of_flops(step_flops: Number, gpus: Number, flops_per_s: Number) -> Number:
    """Step time of a published rate of FLOPs a GPU."""
    return step_flops / gpus / flops_per_s


def measured_step_s(expressed: Expressed, outcome: Outcome) -> Array:
    """Each row's step time from whichever of step time, tokens/s and FLOP/s its source printed; NaN where none."""
    runs, w = expressed.runs, expressed.workload
    step = runs.numbers["step_time_s"]
    from_tokens = step_of_tokens(w.batch, w.sequence, w.gpus, runs.numbers["tokens_per_s_per_gpu"])
    kind = np.char.lower(runs.words["tflops_kind"])
    work = np.where(
        np.char.find(kind, "hardware") >= 0, outcome.flops.step_hardware,
        np.where(np.char.find(kind, "causal") >= 0, outcome.flops.step_causal, outcome.flops.step_full),
    )  # fmt: skip
    from_flops = step_of_flops(work, w.gpus, runs.numbers["tflops_per_gpu"] * 1e12)
    peak = np.where(
        np.isnan(runs.numbers["mfu_peak_tflops"]),
        np.asarray(expressed.machine.device.peak_flops),
        runs.numbers["mfu_peak_tflops"] * 1e12,
    )
    from_mfu = step_of_flops(outcome.flops.step_full, w.gpus, runs.numbers["mfu"] / 100 * peak)
    best = np.where(~np.isnan(step), step, np.where(~np.isnan(from_tokens), from_tokens, from_flops))
    best = np.where(np.isnan(best), from_mfu, best)
    return np.asarray(best, dtype=float)


def _rows(
    e: Expressed, outcome: Outcome, published: Array, predicted: Array, low: Array, high: Array, memory_total: Array,
    hours: dict[str, float | None], is_cancelled: Callable[[], bool],
) -> list[dict[str, Any]]:  # fmt: skip
    runs, rows = e.runs, []
    ran = np.char.lower(runs.words["outcome"])
    fits = np.broadcast_to(np.asarray(outcome.fits), (len(runs),))
    kind, quality = runs.words["kind"], runs.words["quality"]
    scored_kind = np.isin(kind, ("benchmark", "run", "")) & (quality != "C")

    def add(i: int, metric: str, there: Any, here: Any, inside: bool | None, skipped: str = "") -> None:
        rows.append({
            "id": str(runs.words["id"][i]), "source": str(runs.words["source_key"][i]),
            "gpu": str(runs.words["gpu"][i]), "metric": metric, "published": there,
            "predicted": None if skipped else here,
            "error": None if skipped or metric == "fits" else float(here / there - 1),
            "inside_band": inside, "skipped": skipped, "assumed": e.assumed[i],
        })  # fmt: skip

    for i in range(len(runs)):
        if is_cancelled():  # a row may be the first to need a shipped plan's estimate
            raise CancelledError("cancelled")
        before = len(rows)
        reason = str(e.skipped[i])
        if np.isfinite(published[i]) and published[i] > 0 and scored_kind[i]:
            inside = bool(predicted[i] * low[i] <= published[i] <= predicted[i] * high[i])
            add(i, "step_time_s", float(published[i]), float(predicted[i]), inside, reason)
        memory = runs.numbers["mem_gb_per_gpu"][i] * 1e9
        if (
            np.isfinite(memory)
            and memory > 0
            and runs.words["mem_definition"][i] in MEASURED_MEMORY
            and kind[i] != "layer"
        ):
            add(i, "memory_bytes", float(memory), float(memory_total[i]), None, reason)
        if kind[i] in ("benchmark", "") and ran[i] in ("ran", "failed"):
            add(i, "fits", bool(ran[i] == "ran"), bool(fits[i]), None, reason)
        _whole_run(e, outcome, i, add, hours)
        if len(rows) == before:
            why = reason or (
                "quality C: not for scoring step times" if quality[i] == "C" else "no figure that the planner predicts"
            )
            add(i, "step_time_s", None, None, None, why)
    return rows


def _memory_as_printed(e: Expressed, outcome: Outcome) -> Array:
    """The predicted memory in the convention that each source prints: the stage and the allocator's figure it reads
    (allocated, reserved, nvidia-smi), so that `predicted` can differ from the fullest stage's total."""
    capacity = e.of_device(lambda a: a.memory_bytes)
    printed = memory.as_printed(
        e.workload, outcome.parameters, e.machine.allocation, e.runs.words["mem_definition"], capacity
    )
    return np.broadcast_to(np.asarray(printed, dtype=float), (len(e.runs),))


def _whole_run(e: Expressed, outcome: Outcome, i: int, add: Any, plans: dict[str, float | None]) -> None:
    """GPU-hours, energy and carbon of a whole training. Hours come from the shipped plan of the model where the source
    gives no layout; energy and carbon from the *published* hours and the device's power limit, as such tables do."""
    runs = e.runs
    hours, tokens = runs.numbers["total_gpu_hours"][i], runs.numbers["total_tokens"][i]
    if runs.words["kind"][i] != "run" or not np.isfinite(hours):
        return
    reason = str(e.skipped[i])
    if np.isfinite(tokens):
        predicted = _hours_by_plan(str(runs.words["model_name"][i]), tokens, plans)
        if predicted is None and np.isfinite(runs.numbers["n_gpus"][i]) and not reason:
            predicted = float(np.broadcast_to(np.asarray(outcome.gpu_hours), (len(runs),))[i])
        why = reason or ("" if predicted else "neither a GPU count nor a shipped plan")
        add(i, "gpu_hours", float(hours), predicted, None, why)
    power, pue, grid = power_terms(e, i)
    kwh = float(energy_kwh(float(hours), power, 0.0, 1.0 if without_pue(runs, i) else pue))
    if np.isfinite(runs.numbers["energy_mwh"][i]) and np.isfinite(kwh):
        add(i, "energy_kwh", float(runs.numbers["energy_mwh"][i] * 1e3), kwh, None)
    if np.isfinite(runs.numbers["co2_t"][i]) and runs.words["source_key"][i] in ("llama1", "llama2"):
        carbon = float(co2e_kg(float(energy_kwh(float(hours), power, 0.0, pue)), grid))
        add(i, "co2e_kg", float(runs.numbers["co2_t"][i] * 1e3), carbon, None)


def power_terms(e: Expressed, i: int) -> tuple[float, float, float]:
    """(W a board, PUE, kg CO2e a kWh) that such tables reckon with."""
    power = (e.accelerators[e.device_index[i]].tdp_w or np.nan) * _power_share(str(e.runs.words["model_name"][i]))
    return power, 1.1, 0.385


def plan_of(model_name: str) -> Plan | None:
    """The shipped plan of a model as the tables print it."""
    return _shipped_plan(_plan_name(model_name))


def without_pue(runs: Runs, i: int) -> bool:
    """Its energy is of the boards alone."""
    return runs.words["source_key"][i] in ("llama2", "llama3-cards")


def _hours_by_plan(model_name: str, tokens: float, known: dict[str, float | None]) -> float | None:
    """GPU-hours of the shipped plan of a model for so many tokens, to which they are proportional; each plan is
    estimated once a table and kept in `known` as hours a token."""
    slug = _plan_name(model_name)
    if slug not in known:
        known[slug] = _hours_a_token(slug)
    rate = known[slug]
    return None if rate is None else rate * tokens


def _plan_name(model_name: str) -> str:
    """The shipped plan's name of a model as the tables print it."""
    name = library.slug(model_name)
    for printed, shipped in (("llama2-", "llama-2-"), ("llama1-", "llama-"), ("llama3.1-", "llama-3.1-")):
        name = name.replace(printed, shipped)
    return name


@cache
def _shipped_plan(name: str) -> Plan | None:
    if name not in library.paths("plans"):
        return None
    try:
        return load(name)
    except TrainplanError:
        return None


def _power_share(model_name: str) -> float:
    """Share of the power limit that a model's publisher reckons with: its shipped plan's, else all of it."""
    plan = _shipped_plan(_plan_name(model_name))
    return (plan.prices.power_share if plan else None) or 1.0


def _hours_a_token(name: str) -> float | None:
    plan = _shipped_plan(name)
    try:
        return float(estimate(plan).outcome.gpu_hours) / plan.recipe.tokens if plan else None
    except TrainplanError:
        return None


def _jobs(e: Expressed, published: Array, predicted: Array) -> dict[Job, list[tuple[float, float]]]:
    """The step times of the rows that can be ranked, by job."""
    runs = e.runs
    found: dict[Job, list[tuple[float, float]]] = {}
    usable = np.isfinite(published) & (e.skipped == "") & (runs.words["kind"] == "benchmark")
    words = [runs.words[name][usable].tolist() for name in ("source_key", "model_name", "gpu", "precision")]
    work = [
        np.broadcast_to(np.asarray(one), usable.shape)[usable].tolist()
        for one in (e.workload.gpus, e.workload.batch, e.workload.sequence)
    ]
    for *job, there, here in zip(*words, *work, published[usable].tolist(), predicted[usable].tolist(), strict=True):
        found.setdefault(tuple(job), []).append((there, here))
    return found
