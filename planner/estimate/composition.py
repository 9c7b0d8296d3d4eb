"""One plan's estimate: every figure with derivation, band and kind, the verdict, and what to be warned of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

from planner import units
from planner.costing.quote import Quote, quote
from planner.costing.rates import energy_basis, rates
from planner.estimate import bands, figures
from planner.estimate.constants import Machine, machine, traced
from planner.estimate.figure import Figure
from planner.estimate.outcome import Outcome, compute
from planner.formula import recording
from planner.plan.check import Problem, check
from planner.plan.plan import Plan, require_plan
from planner.plan.section import PlanError
from planner.plan.workload import workload
from planner.timing import band, communication
from planner.timing.fabric import Knowledge


@dataclass(frozen=True)
class Estimate:
    """A plan with everything derived from it."""

    plan: Plan
    outcome: Outcome
    machine: Machine
    figures: dict[str, Figure]
    problems: list[Problem]
    price: Quote

    @property
    def fits(self) -> bool:
        """The fullest GPU's memory is large enough."""
        return bool(self.outcome.fits)

    def parts(self, section: str) -> list[Figure]:
        """The parts that add up to a section's total: of memory, of a step's time, of the money."""
        return [self.figures[key] for key in figures.PARTS[section] if key in self.figures]

    @property
    def memory_parts(self) -> list[Figure]:
        """What fills the fullest GPU's memory."""
        return self.parts("memory")

    @property
    def time_parts(self) -> list[Figure]:
        """What a step's time is spent on."""
        return self.parts("time")

    @property
    def money_parts(self) -> list[Figure]:
        """What the money is spent on."""
        return self.parts("money")

    @cached_property
    def limiter(self) -> str:
        """What the step's time mostly waits for."""
        step = self.outcome.step
        shares = {
            "compute": step.forward + step.backward + step.recompute + step.head,
            "tensor-parallel communication": step.tensor,
            "context-parallel communication": step.context,
            "expert communication": step.experts,
            "sharded weights' communication": step.sharding,
            "the pipeline": step.pipeline + step.bubble,
            "gradient communication": step.gradients,
            "the optimizer": step.optimizer,
            "the host": step.host + step.stragglers + step.offload,
        }
        return max(shares, key=lambda name: float(shares[name]))

    @property
    def verdict(self) -> str:
        """One sentence: does it fit, how long, how much, what limits it."""
        cluster = self.plan.cluster
        where = f"{cluster.gpus:,} × {cluster.accelerator.name}"
        memory_figure = self.figures["memory.total"]
        there = units.show(cluster.accelerator.memory_bytes, "B")
        too_large = f"Does not fit on {where}: needs {memory_figure.text} of {there} a GPU"
        fits = f"Fits on {where}" if self.fits else too_large
        time_figure, cost = self.figures["time.training"], self.figures["money.total"]
        stale = f"; price {self.price.age_text()} old" if self.price.is_stale() else ""
        dollars = "price unknown" if math.isnan(cost.value) else f"{cost.text} ({cost.band_text}{stale})"
        made = self.machine.calibration
        calibrated = f"; compute calibrated × {made.ratio:.3g} by {made.name}" if made else ""
        return f"{fits}; {time_figure.text}, {dollars}, limited by {self.limiter}{calibrated}"

    @property
    def energy_basis(self) -> str:
        """What energy and carbon include, from where, and what they leave out."""
        power = self.figures["energy.power"]
        known = {"measured": f"measured by the profile {self.machine.profile}", "assumed": "assumed"}[power.kind]
        return energy_basis(self.plan, f"{power.text} a board on average ({known})")

    @property
    def kernel_source(self) -> str:
        """Where the kernels' times come from: measured, interpolated, carried or specification."""
        return str(self.machine.device.source)

    @cached_property
    def collectives(self) -> list[Knowledge]:
        """The collectives that the step's time rests on, and how each is known."""
        parts = (communication.known(self.figures[f"time.part.{name}"].node) for name in communication.PARTS)
        return list({one.text: one for some in parts for one in some}.values())

    @property
    def collective_source(self) -> str:
        """Where the collectives' times come from, at worst: measured, interpolated, carried or specification; `none`
        where ranks exchange nothing."""
        return communication.weakest(self.collectives) or "none"

    @property
    def collective_basis(self) -> str:
        """Each collective with how it is known."""
        return "; ".join(one.text for one in self.collectives) or "no rank waits for another"

    @property
    def provenance(self) -> str:
        """How the device is known: one of three kinds (`planner.timing.provenance`), with source and date."""
        return str(self.machine.device.provenance)

    def __repr__(self) -> str:
        return f"<{self.plan.name}: {self.verdict}>"

    def _repr_html_(self) -> str:
        """A notebook's view: the verdict and every figure, escaped."""
        head = "".join(f"<th>{word}</th>" for word in ("section", "figure", "value", "80 % band", "kind"))
        shown = [one for one in self.figures.values() if one.value or "part" not in one.key]
        cells = [(one.section, one.label, one.text, one.band_text, one.kind) for one in shown]
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in cells)
        return f"<p>{escape(self.verdict)}</p><table><tr>{head}</tr>{rows}</table>"

    @property
    def json(self) -> dict[str, Any]:
        """The object that `estimate --json` prints: plain SI numbers, NaN as None."""
        o = self.outcome
        data = {
            "plan": self.plan.name,
            "parameters": int(o.parameters.total), "active_parameters": int(o.parameters.active),
            "model_flops": float(o.model_flops), "model_flops_causal": float(o.flops.step_causal * o.steps),
            "hardware_flops": float(o.hardware_flops), "step_time_s": float(o.step.total),
            "tokens_per_s": float(o.tokens_per_s),
            "tokens_per_s_per_gpu": float(o.tokens_per_s / self.plan.cluster.gpus),
            "flops_per_s_per_gpu": float(o.flops_per_s_per_gpu), "mfu": float(o.mfu), "mfu_causal": float(o.mfu_causal),
            "hfu": float(o.hfu), "step_time_parts_s": _fields(o.step), "memory_bytes": _fields(o.memory),
            "fits": self.fits, "steps": float(o.steps), "productive_time_s": float(o.productive_s),
            "goodput": float(o.goodput), "train_time_s": float(o.train_time_s), "gpu_hours": float(o.gpu_hours),
            "gpus": self.plan.cluster.gpus, "energy_kwh": float(o.energy_kwh), "co2e_kg": float(o.co2e_kg),
            "cost_usd": {
                "total": float(o.total_usd), "accelerators": float(o.accelerators_usd), "idle": float(o.idle_usd),
                "electricity": float(o.electricity_usd), "network": float(o.network_usd),
                "exploration": float(o.exploration_usd), "storage": float(o.storage_usd), "staff": float(o.staff_usd),
            },
            "price": {
                "usd_per_gpu_hour": self.price.usd_per_gpu_hour, "purchase": self.plan.prices.purchase,
                "source": self.price.source, "as_of": self.price.as_of, "kind": self.price.kind,
                "age_days": self.price.age_days(), "is_stale": self.price.is_stale(),
            },
            "energy_basis": self.energy_basis,
            "kernel_source": self.kernel_source, "kernel_basis": self.machine.device.basis,
            "collective_source": self.collective_source, "collective_basis": self.collective_basis,
            "device_known_by": self.provenance,
            "profile": self.machine.profile, "calibration": self.plan.calibration, "verdict": self.verdict,
            "bands": {name: [self.figures[key].low, self.figures[key].high] for name, key in _JSON_BANDS.items()},
            "warnings": [str(problem) for problem in self.problems],
        }  # fmt: skip
        return {key: _without_nan(value) for key, value in data.items()}


def estimate(plan: Plan, *, is_own_fabric: bool = True) -> Estimate:
    """Everything derived from a plan. Raises `PlanError` with every mistake when the plan contradicts itself.

    is_own_fabric: as for `machine`.
    """
    require_plan(plan)
    problems = check(plan)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise PlanError("plan", [(p.path, p.message + (f"; {p.suggestion}" if p.suggestion else "")) for p in errors])
    parts = machine(plan, is_own_fabric=is_own_fabric)
    ends = bands.edges(plan, parts)
    with recording():
        numbers, terms, price = workload(plan), rates(plan), quote(plan)
        outcome = compute(numbers, traced(parts), terms)
        factors = bands.factors(numbers, outcome, parts, terms, ends)
        listed = figures.listed(plan, numbers, outcome, parts, factors, terms, price, ends)
    problems.extend(parts.problems)
    if not band.is_validated(bands.busy(outcome, parts)):
        problems.append(_not_validated(outcome))
    if not outcome.fits:
        problems.append(_too_large(plan, outcome))
    if math.isnan(outcome.total_usd):
        problems.append(Problem(price.path, "warning", price.source))
    return Estimate(plan, outcome, parts, listed, problems, price)


def _too_large(plan: Plan, outcome: Outcome) -> Problem:
    needed, there = float(outcome.memory.total), plan.cluster.accelerator.memory_bytes
    return Problem(
        "layout", "warning", f"needs {units.show(needed, 'B')} on the fullest GPU, which has {units.show(there, 'B')}",
        "shard more (tensor, pipeline, ZeRO), recompute, or take a smaller micro-batch",
    )  # fmt: skip


def _not_validated(outcome: Outcome) -> Problem:
    share = f"the GPUs would work at {units.percent(float(outcome.mfu))} of their peak"
    return Problem(
        "layout", "warning", f"{share}; published runs of such layouts scatter widely, so the times are rough",
        "fewer GPUs, a larger batch or less splitting would use them better",
    )  # fmt: skip


_JSON_BANDS = {
    "step_time_s": "time.step", "tokens_per_s": "time.tokens_per_s", "mfu": "time.mfu", "hfu": "time.hfu",
    "train_time_s": "time.training", "gpu_hours": "time.gpu_hours", "energy_kwh": "energy.energy",
    "co2e_kg": "energy.co2e", "cost_usd": "money.total", "memory_bytes": "memory.total",
}  # fmt: skip


def _fields(part: Any) -> dict[str, float]:
    return {name: float(getattr(part, name)) for name in type(part).__slots__}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
