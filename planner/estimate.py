"""Plan → estimate: counting, timing and costing, composed once.

`compute` is the composition on numbers or arrays; search and validation call it with arrays. `estimate` is the same on
one plan, with every figure's derivation, band and kind.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from planner import library, units
from planner.callable_module import make_callable
from planner.costing import energy, goodput, money, purchase
from planner.costing.quote import Quote, break_even_hours, quote
from planner.costing.rates import Rates, energy_basis, rates
from planner.counting import flops, memory, parameters
from planner.counting.allocation import Allocation, allocation, on_processor
from planner.counting.flops import Flops
from planner.counting.memory import Memory
from planner.counting.parameters import Parameters
from planner.formula import Node, Number, Traced, formula, given, recording
from planner.plan.check import Problem, check
from planner.plan.file import PlanError
from planner.plan.plan import Plan
from planner.plan.workload import Workload, workload
from planner.timing import band, communication
from planner.timing import step as step_timing
from planner.timing.collectives import Network, network
from planner.timing.device import Device, device
from planner.timing.fabric import Knowledge
from planner.timing.software import Software, software
from planner.timing.step import Step

if TYPE_CHECKING:
    from planner.timing.calibration import Calibration
    from planner.timing.measured import Fit

Kind = Literal["measured", "calibrated", "estimated", "published", "assumed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The constants that a plan's names stand for: the device, the links, the software's time and its memory."""

    device: Device
    network: Network
    software: Software
    allocation: Allocation
    profile: str = ""
    """Name of the measured profile that the device's constants were fitted to; empty where there is none."""
    fit: Fit | None = None
    """The fit to that profile."""
    problems: tuple[Problem, ...] = ()
    """What is doubtful about the profile, or why there is none."""
    calibration: Calibration | None = None
    """The one-point calibration that the plan names, already in the device."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything derived, as numbers or arrays in SI units."""

    parameters: Parameters
    flops: Flops
    memory: Memory
    step: Step
    fits: Number
    steps: Number
    tokens_per_s: Number
    flops_per_s_per_gpu: Number
    mfu: Number
    mfu_causal: Number
    hfu: Number
    model_flops: Number
    hardware_flops: Number
    productive_s: Number
    goodput: Number
    train_time_s: Number
    gpu_hours: Number
    energy_kwh: Number
    co2e_kg: Number
    accelerators_usd: Number
    idle_usd: Number
    electricity_usd: Number
    network_usd: Number
    exploration_usd: Number
    storage_usd: Number
    staff_usd: Number
    total_usd: Number
    power_w: Number


CALIBRATION = "calibration"
"""Name of the leaf by which a derivation tells that it rests on one."""


@formula("B·s", unit="tokens", source="definition of the global batch")
def step_tokens(batch: Number, sequence: Number) -> Number:
    """Tokens of one optimizer step."""
    return batch * sequence


@formula("B/dp", unit="sequences", source="each data-parallel rank has an equal share of the global batch")
def rank_sequences(batch: Number, dp: Number) -> Number:
    """Sequences of one optimizer step on one data-parallel rank."""
    return batch / dp


@formula("D/(B·s)", unit="steps", source="definition of an optimizer step")
def training_steps(tokens: Number, batch: Number, sequence: Number) -> Number:
    """Optimizer steps of the whole training; the last may be partial."""
    return tokens / (batch * sequence)


@formula("B·s/t_step", unit="tokens/s", source="definition of throughput")
def tokens_per_second(batch: Number, sequence: Number, step_s: Number) -> Number:
    """Tokens that the whole cluster trains on in a second."""
    return batch * sequence / step_s


@formula("FLOPs_step/(t_step·GPUs)", unit="FLOP/s", source="PaLM (arXiv 2204.02311) appendix B")
def flops_per_gpu(step_flops: Number, step_s: Number, gpus: Number) -> Number:
    """FLOP/s that one GPU delivers."""
    return step_flops / (step_s * gpus)


@formula("FLOP/s/peak", unit="fraction", source="PaLM (arXiv 2204.02311) appendix B")
def utilization(flops_per_s: Number, peak: Number) -> Number:
    """Share of the dense peak that is delivered: MFU of model FLOPs, HFU of hardware FLOPs."""
    return flops_per_s / peak


@formula("steps·t_step", unit="s", source="definition")
def productive_time(steps: Number, step_s: Number) -> Number:
    """Time of all steps without a failure or a checkpoint."""
    return steps * step_s


@formula("productive/goodput", unit="s", source="definition of goodput")
def wall_time(productive_s: Number, goodput: Number) -> Number:
    """Time on the calendar."""
    return productive_s / goodput


@formula("FLOPs_step·steps", unit="FLOP", source="definition")
def whole_training(step_flops: Number, steps: Number) -> Number:
    """FLOPs of the whole training."""
    return step_flops * steps


def compute(w: Workload, machine: Machine, terms: Rates) -> Outcome:
    """Every number of a workload. Floats for one plan, arrays for many: the same code."""
    counted = parameters.count(w)
    work, held = flops.count(w), memory.count(w, counted, machine.allocation, terms.memory_bytes)
    step = step_timing.count(w, counted, machine.device, machine.network, machine.software)
    steps = training_steps(w.tokens, w.batch, w.sequence)
    mean_time = goodput.mean_time_between_failures_s(terms.failures_per_node_day, terms.nodes)
    useful = goodput.goodput(terms.checkpoint_s, mean_time, terms.restart_s, terms.other_losses)
    productive = productive_time(steps, step.total)
    wall = wall_time(productive, useful)
    hours = money.gpu_hours(w.gpus, wall)
    delivered = flops_per_gpu(work.step_full, step.total, w.gpus)
    hardware = utilization(flops_per_gpu(work.step_hardware, step.total, w.gpus), terms.peak_flops)
    share = np.where(np.isnan(terms.power_share), energy.power_share(hardware), terms.power_share)[()]
    measured = np.isnan(terms.power_share) & ~np.isnan(machine.device.power_w)
    power = np.where(measured, machine.device.power_w, energy.board_power_w(terms.tdp_w, share))[()]
    kwh = energy.energy_kwh(hours, power, terms.server_overhead, terms.pue)
    rent = money.accelerators_usd(hours, terms.usd_per_gpu_hour)
    links = money.network_usd(rent, terms.network_premium)
    current = purchase.electricity_usd(kwh, terms.usd_per_kwh)
    idle_hours = purchase.idle_gpu_hours(hours, w.gpus, terms.term_days, terms.other_use)
    idle = purchase.idle_usd(idle_hours, terms.usd_per_gpu_hour)
    trials = money.exploration_usd(rent, links, current, terms.exploration)
    checkpoint_bytes = counted.total * (w.weight_bytes + w.optimizer_bytes)
    storage = money.storage_usd(
        checkpoint_bytes, terms.checkpoints_kept, w.tokens * terms.data_bytes_per_token,
        terms.storage_usd_per_tb_month, wall,
    )  # fmt: skip
    return Outcome(
        parameters=counted, flops=work, memory=held, step=step, fits=held.total <= terms.memory_bytes, steps=steps,
        tokens_per_s=tokens_per_second(w.batch, w.sequence, step.total), flops_per_s_per_gpu=delivered,
        mfu=utilization(delivered, terms.peak_flops),
        mfu_causal=utilization(flops_per_gpu(work.step_causal, step.total, w.gpus), terms.peak_flops), hfu=hardware,
        model_flops=whole_training(work.step_full, steps), hardware_flops=whole_training(work.step_hardware, steps),
        productive_s=productive, goodput=useful, train_time_s=wall, gpu_hours=hours, energy_kwh=kwh,
        co2e_kg=energy.co2e_kg(kwh, terms.kg_per_kwh), accelerators_usd=rent, idle_usd=idle,
        electricity_usd=current, network_usd=links, exploration_usd=trials, storage_usd=storage,
        staff_usd=terms.staff_usd,
        total_usd=money.total_usd(rent, idle, current, links, trials, storage, terms.staff_usd), power_w=power,
    )  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One number of an estimate, with everything a reader may ask of it."""

    key: str
    label: str
    value: float
    unit: str
    low: float | None
    high: float | None
    kind: Kind
    formula: str
    source: str
    node: Node | None

    @classmethod
    def of(
        cls, key: str, label: str, value: Any, unit: str, interval: tuple[float | None, float | None] = (None, None),
        kind: Kind = "estimated", source: str = "",
    ) -> Figure:  # fmt: skip
        """Of a number with the derivation that it remembers; of a plain one with `source` as its only step."""
        node = value.node if isinstance(value, Traced) else None
        if node is None and source:
            node = Node(label, "", source, unit, float(value), kind=kind)
        told = (node.expression, node.source) if node is not None else ("", "")
        return cls(key, label, float(value), unit, *interval, kind, told[0], source or told[1], node)

    @property
    def section(self) -> str:
        """The part of the report it stands in: work, memory, time, money or energy."""
        return self.key.partition(".")[0]

    @property
    def text(self) -> str:
        """The value as the screen shows it."""
        return units.show(self.value, self.unit)

    @property
    def band_text(self) -> str:
        """The 80 % band as the screen shows it, empty for exact counts."""
        if self.low is None or self.high is None or math.isnan(self.value):
            return ""
        return f"{units.show(self.low, self.unit)} – {units.show(self.high, self.unit)}"


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
        return [self.figures[key] for key in _PARTS[section] if key in self.figures]

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
        headline = {name: f"{key}" for name, key in _JSON_BANDS.items()}
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
            "bands": {name: [self.figures[key].low, self.figures[key].high] for name, key in headline.items()},
            "warnings": [str(problem) for problem in self.problems],
        }  # fmt: skip
        return {key: _without_nan(value) for key, value in data.items()}


def estimate(plan: Plan, *, is_own_fabric: bool = True) -> Estimate:
    """Everything derived from a plan. Raises `PlanError` with every mistake when the plan contradicts itself.

    is_own_fabric: as for `machine`.
    """
    problems = check(plan)
    errors = [problem for problem in problems if problem.severity == "error"]
    if errors:
        raise PlanError("plan", [(p.path, p.message + (f"; {p.suggestion}" if p.suggestion else "")) for p in errors])
    parts = machine(plan, is_own_fabric=is_own_fabric)
    edges = _edges(plan, parts)
    with recording():
        numbers, terms, price = workload(plan), rates(plan), quote(plan)
        outcome = compute(numbers, _traced(parts), terms)
        busy = _busy(float(outcome.mfu), parts)
        bands = _bands(numbers, outcome, parts, busy, edges)
        bands |= _money_bands(numbers, outcome, terms, *bands["time"])
        figures = _figures(plan, numbers, outcome, bands, parts)
        energy_figures = {key: figures.pop(key) for key in [*figures] if key.startswith("energy.")}
        figures["money.usd_per_gpu_hour"] = _price_figure(terms.usd_per_gpu_hour, price)
        figures |= _break_even(plan, outcome) | energy_figures
        if edges:
            _tell_measured(figures, edges)
    problems.extend(parts.problems)
    if not band.is_validated(busy):
        problems.append(_not_validated(outcome))
    if not outcome.fits:
        problems.append(_too_large(plan, outcome))
    if math.isnan(outcome.total_usd):
        problems.append(Problem(price.path, "warning", price.source))
    return Estimate(plan, outcome, parts, figures, problems, price)


def _edges(plan: Plan, parts: Machine) -> tuple[Step, Step] | None:
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


def _bands(
    w: Workload, outcome: Outcome, parts: Machine, busy: float, edges: tuple[Step, Step] | None
) -> dict[str, tuple[float, float]]:
    """(low, high) factors of the times' 80 % bands: of the step ("time"), and by a profile of the parts that it holds.

    With a profile the step is no surer than the layers in it, all taken to be off together, nor than the measured
    collectives, whose `edges` these are.
    """
    low, high = map(float, band.factors(parts.device.source, busy))
    if edges:
        total = float(outcome.step.total)
        low, high = min(low, float(edges[0].total) / total), max(high, float(edges[1].total) / total)
    if parts.fit is None:
        return {"time": (low, high)}
    widths = parts.fit.half_widths(w)
    times = {name: float(getattr(outcome.step, name)) for name in widths}
    width = sum(widths[name] * time_s for name, time_s in times.items()) / sum(times.values())
    own = {name: (math.exp(-one), math.exp(one)) for name, one in widths.items()}
    return {"time": (min(low, math.exp(-width)), max(high, math.exp(width))), **own}


def _money_bands(w: Workload, o: Outcome, terms: Rates, low: float, high: float) -> dict[str, tuple[float, float]]:
    """(low, high) factors of the idle reserved hours, which shrink as the training grows, and of the whole cost, in
    which people do not grow with it."""
    idle, total, staff, hours = (float(one) for one in (o.idle_usd, o.total_usd, o.staff_usd, o.gpu_hours))
    if not total > 0 or math.isinf(total):
        return {"cost": (low, high)}
    edges = []
    for factor in (low, high):
        left = purchase.idle_gpu_hours(hours * factor, float(w.gpus), float(terms.term_days), float(terms.other_use))
        edges.append(float(left) * float(terms.usd_per_gpu_hour))
    rest = total - idle - staff
    cost = tuple((rest * factor + staff + left) / total for factor, left in zip((low, high), edges, strict=True))
    spread = {"cost": (min(cost), max(cost))}
    return spread | ({"idle": (edges[1] / idle, edges[0] / idle)} if idle else {})


def machine(plan: Plan, *, is_own_fabric: bool = True) -> Machine:
    """The timing constants that a plan's names stand for; of its device as measured, where there is a profile of it,
    calibrated where the plan names a calibration.

    is_own_fabric: False where another network than the plan's own is tried, of which a profile that names none says
    nothing.
    Raises `PlanError` where the plan names a profile or a calibration that says nothing about its accelerator.
    """
    found = _uncalibrated(plan, is_own_fabric=is_own_fabric)
    if not plan.calibration:
        return found
    from planner.timing import calibration

    made = calibration.of_plan(plan)
    unit = replace(found.device, calibration=made.ratio, basis=f"{found.device.basis}; {made.told}")
    return replace(found, device=unit, calibration=made)


def _uncalibrated(plan: Plan, *, is_own_fabric: bool) -> Machine:
    links, base = network(plan.cluster), software(plan.recipe.framework)
    kept = allocation(plan.recipe.framework)
    if plan.cluster.accelerator.kind == "cpu":
        kept = on_processor(kept)
    if not plan.profile and not library.paths("measured"):
        plain = device(plan.cluster.accelerator, plan.recipe.precision)
        return Machine(device=plain, network=links, software=base, allocation=kept)
    from planner.timing import measured, selection  # only who has measured waits for it

    known, exchanged = selection.known(plan), selection.links(plan, is_own_fabric=is_own_fabric)
    links = replace(links, measured=exchanged.links)
    problems = known.problems + exchanged.problems
    if known.fit is None:
        plain = device(plan.cluster.accelerator, plan.recipe.precision)
        return Machine(device=plain, network=links, software=base, allocation=kept, problems=problems)
    return Machine(
        device=known.fit.device, network=links, software=measured.in_place_of(base, known.fit), allocation=kept,
        profile=known.profile, fit=known.fit, problems=problems,
    )  # fmt: skip


def _traced(parts: Machine) -> Machine:
    """The calibration and the measured power as leaves of every derivation that they enter."""
    unit = parts.device
    power = given("power_w", unit.power_w, unit="W", source=f"profile {parts.profile}", kind="measured")
    unit = replace(unit, power_w=power)
    if parts.calibration is not None:
        ratio = given(CALIBRATION, parts.calibration.ratio, source=parts.calibration.told, kind="measured")
        unit = replace(unit, calibration=ratio)
    return replace(parts, device=unit)


def _power_kind(plan: Plan, parts: Machine) -> Kind:
    """Stated and estimated shares of the limit are assumptions; a profile's power is measured."""
    is_measured = plan.prices.power_share is None and not math.isnan(float(parts.device.power_w))
    return "measured" if is_measured else "assumed"


def _busy(mfu: float, parts: Machine) -> float:
    """Utilization against what a device's products were measured to reach, else against its data sheet's peak: the
    generic processor's peak is a guess."""
    return mfu / min(1.0, float(parts.device.matmul_efficiency)) if parts.profile else mfu


def _too_large(plan: Plan, outcome: Outcome) -> Problem:
    needed, there = float(outcome.memory.total), plan.cluster.accelerator.memory_bytes
    return Problem(
        "layout", "warning", f"needs {units.show(needed, 'B')} on the fullest GPU, which has {units.show(there, 'B')}",
        "shard more (tensor, pipeline, ZeRO), recompute, or take a smaller micro-batch",
    )  # fmt: skip


def _not_validated(outcome: Outcome) -> Problem:
    share = f"the GPUs would work at {float(outcome.mfu):.1%} of their peak"
    return Problem(
        "layout", "warning", f"{share}; published runs of such layouts scatter widely, so the times are rough",
        "fewer GPUs, a larger batch or less splitting would use them better",
    )  # fmt: skip


_JSON_BANDS = {
    "step_time_s": "time.step", "tokens_per_s": "time.tokens_per_s", "mfu": "time.mfu", "hfu": "time.hfu",
    "train_time_s": "time.training", "gpu_hours": "time.gpu_hours", "energy_kwh": "energy.energy",
    "co2e_kg": "energy.co2e", "cost_usd": "money.total", "memory_bytes": "memory.total",
}  # fmt: skip

_PARAMETERS = {
    "embedding": "Embedding", "attention": "Attention", "feed_forward": "Feed-forward", "experts": "Experts",
    "router": "Router", "norms": "Norms", "head": "Head",
}  # fmt: skip
_MEMORY = {
    "weights": "Weights", "gradients": "Gradients", "optimizer": "Optimizer states", "gathered": "Gathered layers",
    "activations": "Activations", "logits": "Logits and loss", "buffers": "NCCL buffers",
    "reserve": "Allocator reserve", "context": "CUDA context",
}  # fmt: skip
_TIME = {
    "forward": "Forward", "backward": "Backward", "recompute": "Recompute", "head": "Head and loss",
    "tensor": "Tensor parallel", "context": "Context parallel", "experts": "Expert exchange",
    "sharding": "Sharded weights", "pipeline": "Stage to stage", "bubble": "Pipeline bubble",
    "gradients": "Gradient reduction", "optimizer": "Optimizer", "host": "Host", "stragglers": "Stragglers",
    "offload": "Offload",
}  # fmt: skip
_MONEY = {
    "accelerators_usd": "Accelerators", "idle_usd": "Idle reserved hours", "electricity_usd": "Electricity",
    "network_usd": "Network premium", "exploration_usd": "Exploration",
    "storage_usd": "Storage", "staff_usd": "Staff",
}  # fmt: skip
_MONEY_OF = {"reserved": {"idle_usd"}, "owned": {"electricity_usd"}}
"""Parts that only one way to pay for the accelerators has."""
_PARTS = {
    "memory": [f"memory.{name}" for name in _MEMORY], "time": [f"time.part.{name}" for name in _TIME],
    "money": [f"money.{name.removesuffix('_usd')}" for name in _MONEY],
}  # fmt: skip


class _Figures:
    """Figures in display order, as they are added. `bands`: factors of the times' 80 % intervals."""

    def __init__(self, bands: Mapping[str, tuple[float, float]], calibrated: Calibration | None) -> None:
        self.by_key: dict[str, Figure] = {}
        self._bands = bands
        self._calibrated = calibrated
        self._seen: dict[Node, bool] = {}

    def add(self, key: str, label: str, value: Any, unit: str, spread: str = "", kind: Kind = "estimated") -> None:
        interval = _interval(float(value), spread, self._bands)
        figure = Figure.of(key, label, value, unit, interval, kind)
        if self._calibrated and figure.node and self._rests_on_calibration(figure.node):
            kind = "calibrated" if kind == "estimated" else kind
            figure = replace(figure, kind=kind, source=f"{figure.source}; {self._calibrated.told}")
        self.by_key[key] = figure

    def _rests_on_calibration(self, node: Node) -> bool:
        if node not in self._seen:
            below = node.children.values()
            self._seen[node] = node.name == CALIBRATION or any(map(self._rests_on_calibration, below))
        return self._seen[node]


def _figures(
    plan: Plan, w: Workload, o: Outcome, bands: Mapping[str, tuple[float, float]], parts: Machine
) -> dict[str, Figure]:
    """Every figure in display order."""
    figures = _Figures(bands, parts.calibration)
    _add_work(figures, plan, w, o)
    _add_memory(figures, o)
    _add_time(figures, w, o)
    _add_money_and_energy(figures, plan, o, _power_kind(plan, parts))
    return figures.by_key


def _add_work(figures: _Figures, plan: Plan, w: Workload, o: Outcome) -> None:
    figures.add("work.parameters", "Parameters", o.parameters.total, "parameters")
    if plan.model.is_mixture:
        figures.add("work.active_parameters", "Active parameters", o.parameters.active, "parameters")
    for name, label in _PARAMETERS.items():
        figures.add(f"work.parameters.{name}", label, getattr(o.parameters, name), "parameters")
    causal = whole_training(o.flops.step_causal, o.steps)
    figures.add("work.model_flops", "Model FLOPs (full attention)", o.model_flops, "FLOP")
    figures.add("work.model_flops_causal", "Model FLOPs (causal attention)", causal, "FLOP")
    figures.add("work.hardware_flops", "Hardware FLOPs", o.hardware_flops, "FLOP")
    figures.add("work.rule_of_thumb", "6·N·D", flops.rule_of_thumb_flops(o.parameters.active, w.tokens), "FLOP")
    figures.add("work.steps", "Optimizer steps", o.steps, "")
    figures.add("work.step_tokens", "Tokens a step", step_tokens(w.batch, w.sequence), "tokens")
    figures.add("work.rank_sequences", "Sequences a step and rank", rank_sequences(w.batch, w.dp), "sequences")


def _add_memory(figures: _Figures, o: Outcome) -> None:
    figures.add("memory.total", "Memory of the fullest GPU", o.memory.total, "B", "memory")
    for name, label in _MEMORY.items():
        spread = "memory" if name in ("activations", "buffers", "reserve", "context") else ""
        figures.add(f"memory.{name}", label, getattr(o.memory, name), "B", spread)


def _add_time(figures: _Figures, w: Workload, o: Outcome) -> None:
    figures.add("time.step", "Step time", o.step.total, "s", "time")
    for name, label in _TIME.items():
        figures.add(f"time.part.{name}", label, getattr(o.step, name), "s", name)
    figures.add("time.tokens_per_s", "Throughput", o.tokens_per_s, "tokens/s", "rate")
    figures.add("time.tokens_per_s_per_gpu", "Throughput a GPU", o.tokens_per_s / w.gpus, "tokens/s", "rate")
    figures.add("time.flops_per_gpu", "Model FLOP/s a GPU", o.flops_per_s_per_gpu, "FLOP/s", "rate")
    figures.add("time.mfu", "MFU (full attention)", o.mfu, "fraction", "rate")
    figures.add("time.mfu_causal", "MFU (causal attention)", o.mfu_causal, "fraction", "rate")
    figures.add("time.hfu", "HFU", o.hfu, "fraction", "rate")
    figures.add("time.productive", "Productive time", o.productive_s, "s", "time")
    figures.add("time.goodput", "Goodput", o.goodput, "fraction", kind="assumed")
    figures.add("time.training", "Training time", o.train_time_s, "s", "time")
    figures.add("time.gpu_hours", "GPU-hours", o.gpu_hours, "GPU-hours", "time")


def _tell_measured(figures: dict[str, Figure], edges: tuple[Step, Step]) -> None:
    """Give the communication parts that rest on measured collectives their band, their source and, where no compute
    enters them, their kind."""
    for name in communication.PARTS:
        key = f"time.part.{name}"
        figure = figures[key]
        known = communication.known(figure.node)
        if communication.weakest(known) in (None, "specification"):
            continue
        is_measured = communication.weakest(known) == "measured" and communication.is_plain(figure.node)
        low, high = (float(getattr(edge, name)) for edge in edges)
        told = "; ".join(one.text for one in known)
        kind: Kind = "measured" if is_measured else figure.kind
        figures[key] = replace(figure, low=low, high=high, kind=kind, source=f"{figure.source}; {told}")


def _add_money_and_energy(figures: _Figures, plan: Plan, o: Outcome, power_kind: Kind) -> None:
    figures.add("money.total", "Cost", o.total_usd, "USD", "cost")
    spreads = {"staff_usd": "", "idle_usd": "idle"}
    absent = {"idle_usd", "electricity_usd"} - _MONEY_OF.get(plan.prices.purchase, set())
    for name, label in _MONEY.items():
        if name in absent:
            continue
        key, value = f"money.{name.removesuffix('_usd')}", getattr(o, name)
        kind: Kind = "assumed" if name == "staff_usd" else "estimated"
        figures.add(key, label, value, "USD", spreads.get(name, "time"), kind)
    figures.add("energy.power", "Mean board power", o.power_w, "W", kind=power_kind)
    figures.add("energy.energy", "Energy", o.energy_kwh, "kWh", "time")
    figures.add("energy.co2e", "CO2e", o.co2e_kg, "kg", "time")


def _price_figure(value: Number, price: Quote) -> Figure:
    """The price of a GPU-hour with its source, its date and, where it is stale, its age."""
    figure = Figure.of("money.usd_per_gpu_hour", "Price a GPU-hour", value, "USD/h", (None, None), price.kind)
    return replace(figure, source=price.told())


def _break_even(plan: Plan, o: Outcome) -> dict[str, Figure]:
    """From how many hours in use on a bought GPU is cheaper than a rented one; nothing where no purchase is stated."""
    found = break_even_hours(plan, o.energy_kwh / o.gpu_hours)
    if found is None:
        return {}
    key, label = "money.break_even", "Owning pays from, hours in use of a GPU"
    return {key: Figure.of(key, label, found, "GPU-hours", (None, None), "estimated")}


def _interval(value: float, spread: str, bands: Mapping[str, tuple[float, float]]) -> tuple[float | None, float | None]:
    """`spread`: memory, rate (of a time), or a name in `bands`; nothing known of any other."""
    if spread == "memory":
        return value * 0.93, value * 1.07
    if spread == "rate":
        return value / bands["time"][1], value / bands["time"][0]
    if spread in bands:
        return value * bands[spread][0], value * bands[spread][1]
    return None, None


def _fields(part: Any) -> dict[str, float]:
    return {name: float(getattr(part, name)) for name in type(part).__slots__}


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


make_callable(__name__)
