"""Every figure of an estimate: key, label, unit, band and kind, in the order in which they are shown."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from planner.costing.quote import Quote, break_even_hours
from planner.costing.rates import Rates
from planner.counting import flops
from planner.estimate.bands import interval
from planner.estimate.constants import CALIBRATION, Machine
from planner.estimate.figure import Figure, Kind
from planner.estimate.outcome import Outcome, rank_sequences, step_tokens, whole_training
from planner.formula import Node, Number
from planner.plan.plan import Plan
from planner.plan.workload import Workload
from planner.timing import communication
from planner.timing.step import Step

if TYPE_CHECKING:
    from planner.timing.calibration import Calibration


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
PARTS = {
    "memory": [f"memory.{name}" for name in _MEMORY], "time": [f"time.part.{name}" for name in _TIME],
    "money": [f"money.{name.removesuffix('_usd')}" for name in _MONEY],
}  # fmt: skip


def listed(
    plan: Plan, w: Workload, o: Outcome, parts: Machine, factors: Mapping[str, tuple[float, float]], terms: Rates,
    price: Quote, ends: tuple[Step, Step] | None,
) -> dict[str, Figure]:  # fmt: skip
    """Every figure in display order.

    factors: of the 80 % bands (`bands.factors`); ends: the step at the edges of the measured collectives' band.
    """
    figures = _Figures(factors, parts.calibration)
    _add_work(figures, plan, w, o)
    _add_memory(figures, o)
    _add_time(figures, w, o)
    _add_money(figures, plan, o)
    figures.by_key["money.usd_per_gpu_hour"] = _price(terms.usd_per_gpu_hour, price)
    figures.by_key.update(_break_even(plan, o))
    _add_energy(figures, plan, o, parts)
    if ends:
        _tell_measured(figures.by_key, ends)
    return figures.by_key


class _Figures:
    """Figures in display order, as they are added. `bands`: factors of the times' 80 % intervals."""

    def __init__(self, bands: Mapping[str, tuple[float, float]], calibrated: Calibration | None) -> None:
        self.by_key: dict[str, Figure] = {}
        self._bands = bands
        self._calibrated = calibrated
        self._seen: dict[Node, bool] = {}

    def add(self, key: str, label: str, value: Any, unit: str, spread: str = "", kind: Kind = "estimated") -> None:
        figure = Figure.of(key, label, value, unit, interval(float(value), spread, self._bands), kind)
        if self._calibrated and figure.node and self._rests_on_calibration(figure.node):
            kind = "calibrated" if kind == "estimated" else kind
            figure = replace(figure, kind=kind, source=f"{figure.source}; {self._calibrated.told}")
        self.by_key[key] = figure

    def _rests_on_calibration(self, node: Node) -> bool:
        if node not in self._seen:
            below = node.children.values()
            self._seen[node] = node.name == CALIBRATION or any(map(self._rests_on_calibration, below))
        return self._seen[node]


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


def _tell_measured(figures: dict[str, Figure], ends: tuple[Step, Step]) -> None:
    """Give the communication parts that rest on measured collectives their band, their source and, where no compute
    enters them, their kind."""
    for name in communication.PARTS:
        key = f"time.part.{name}"
        figure = figures[key]
        known = communication.known(figure.node)
        if communication.weakest(known) in (None, "specification"):
            continue
        is_measured = communication.weakest(known) == "measured" and communication.is_plain(figure.node)
        low, high = (float(getattr(edge, name)) for edge in ends)
        told = "; ".join(one.text for one in known)
        kind: Kind = "measured" if is_measured else figure.kind
        figures[key] = replace(figure, low=low, high=high, kind=kind, source=f"{figure.source}; {told}")


def _add_money(figures: _Figures, plan: Plan, o: Outcome) -> None:
    figures.add("money.total", "Cost", o.total_usd, "USD", "cost")
    spreads = {"staff_usd": "", "idle_usd": "idle"}
    absent = {"idle_usd", "electricity_usd"} - _MONEY_OF.get(plan.prices.purchase, set())
    for name, label in _MONEY.items():
        if name in absent:
            continue
        key, value = f"money.{name.removesuffix('_usd')}", getattr(o, name)
        kind: Kind = "assumed" if name == "staff_usd" else "estimated"
        figures.add(key, label, value, "USD", spreads.get(name, "time"), kind)


def _price(value: Number, price: Quote) -> Figure:
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


def _add_energy(figures: _Figures, plan: Plan, o: Outcome, parts: Machine) -> None:
    """Stated and estimated shares of the power limit are assumptions; a profile's power is measured."""
    is_measured = plan.prices.power_share is None and not math.isnan(float(parts.device.power_w))
    figures.add("energy.power", "Mean board power", o.power_w, "W", kind="measured" if is_measured else "assumed")
    figures.add("energy.energy", "Energy", o.energy_kwh, "kWh", "time")
    figures.add("energy.co2e", "CO2e", o.co2e_kg, "kg", "time")
