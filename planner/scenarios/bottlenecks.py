"""What a step's time is lost to: parts of the estimate, and what `compute` gives back when a limit is lifted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from planner.costing.rates import rates
from planner.estimate import Estimate, Machine, compute
from planner.formula import Number, formula
from planner.plan.workload import Workload, workload
from planner.timing.software import Software
from planner.timing.step import Step, outside_layers_s

WITHOUT_LIMIT = 1e6
"""A bandwidth so many times higher is no limit any more."""


@dataclass(frozen=True)
class Bottleneck:
    """Something that costs time or money. `seconds`: of one step, on its critical path; 0 where it costs money only."""

    key: str
    title: str
    seconds: float
    share: float
    """Of the step; of the cost or of the wall time where it is no part of the step."""
    why: str
    figure: str
    """Key of the estimate's figure that it can be read from."""


Why = Callable[[Estimate], str]
PARTS: dict[str, tuple[str, Why]] = {
    "bubble": ("Pipeline bubble", lambda e: f"{e.plan.layout.pp} stages fill and drain around {_micro_batches(e)}"),
    "recompute": ("Recomputation", lambda e: f"{e.plan.layout.recompute} recompute does forward work a second time"),
    "tensor": ("Tensor-parallel collectives", lambda e: f"each layer waits for {e.plan.layout.tp} GPUs to exchange"),
    "context": ("Context-parallel exchange", lambda e: f"keys and values of {e.plan.layout.cp} GPUs"),
    "experts": ("Expert exchange", lambda e: f"tokens go to the experts of {e.plan.layout.ep} GPUs and back"),
    "sharding": ("Gathering of sharded weights", lambda e: "ZeRO-3 gathers each layer's weights every micro-batch"),
    "pipeline": ("Messages between stages", lambda e: f"{e.plan.layout.pp} × {e.plan.layout.virtual_stages} chunks"),
    "gradients": ("Gradient reduction", lambda e: f"{e.plan.dp * e.plan.layout.cp:,} ranks reduce once a step"),
    "offload": ("Offload to the host", lambda e: "states or activations travel over the host's link"),
    "optimizer": ("Optimizer", lambda e: "every rank updates its share of the states"),
    "host": ("Launches by the host", lambda e: "the GPU is done before the next kernels are launched"),
    "kernels": ("Small matrices", lambda e: f"products of {_rows(e)} rows leave the matrix units unfilled"),
    "idle": ("Uneven stages", lambda e: "the longest stage keeps the others waiting"),
}
"""What a neighbouring layout may relieve: title, and why it costs time in this plan."""


def bottlenecks(estimate: Estimate) -> list[Bottleneck]:
    """All that cost time, the largest first."""
    step, total = estimate.outcome.step, float(estimate.outcome.step.total)
    seconds = {
        **losses(step, workload(estimate.plan), estimate.machine.software),
        "kernels": small_matrices_s(estimate),
    }
    figures = {name: f"time.part.{name}" for name in PARTS if hasattr(step, name)}
    found = [
        Bottleneck(key, title, float(seconds[key]), float(seconds[key]) / total, why(estimate),
                   figures.get(key, "time.step"))
        for key, (title, why) in PARTS.items()
    ]  # fmt: skip
    for key, title, lost, why in (
        ("memory traffic", "Memory traffic", memory_traffic_s(estimate), "attention, norms and casts wait for memory"),
        ("network", "The network between nodes", network_s(estimate), f"{estimate.plan.cluster.fabric.name}"),
        ("compute", "Matrix products", float(step.forward + step.backward), "the matrix units are at work"),
    ):
        found.append(Bottleneck(key, title, lost, lost / total, why, "time.step"))
    return sorted((one for one in found if one.seconds > 0), key=lambda one: -one.seconds)


@formula(
    "m·(t_slowest − Σ stages/p)",
    unit="s",
    source="a pipeline runs at the pace of its slowest stage, the mean one waits",
)
def idle_s(passes_s: Number, bubble_s: Number, stages: Number, virtual_stages: Number, micro_batches: Number) -> Number:
    """Seconds of a step that a mean stage waits because another one is longer.

    passes_s: what the slowest stage works on all its micro-batches; the bubble, (Σ stages − slowest)/v of one
    micro-batch, tells the others' work."""
    slowest = passes_s / micro_batches
    all_stages = bubble_s * virtual_stages + slowest
    return np.where(stages > 1, np.maximum(0.0, micro_batches * (slowest - all_stages / stages)), 0.0)[()]


def losses(step: Step, w: Workload, software: Software) -> dict[str, Number]:
    """Seconds of a step by bottleneck that a layout may relieve, for one plan or many."""
    kernels = step.forward + step.backward + step.head
    found = {name: getattr(step, name) for name in PARTS if hasattr(step, name)}
    passes = kernels + step.recompute + step.tensor + step.context + step.experts + step.sharding
    passes = passes + step.host - outside_layers_s(w, software)
    idle = idle_s(passes, step.bubble, w.pp, w.virtual_stages, w.micro_batches)
    return {**found, "kernels": kernels, "idle": idle}


def small_matrices_s(estimate: Estimate) -> float:
    """What large products would save: tiles, waves and depths filled without loss."""
    ideal = {"matmul_edge": 0.0, "matmul_depth": 0.0, "matmul_tail": 0.0, "matmul_split": 0.0, "launch_s": 0.0}
    return _saved_s(estimate, _with(estimate.machine, "device", ideal), ("forward", "backward", "head", "recompute"))


def memory_traffic_s(estimate: Estimate) -> float:
    """What an endless memory bandwidth would save."""
    device = estimate.machine.device
    ideal = {"bandwidth_bytes_per_s": device.bandwidth_bytes_per_s * WITHOUT_LIMIT}
    return _saved_s(estimate, _with(estimate.machine, "device", ideal), ("forward", "backward", "head", "recompute"))


def network_s(estimate: Estimate) -> float:
    """What an endless network between nodes would save."""
    links = estimate.machine.network
    ideal = {"between_bytes_per_s": links.between_bytes_per_s * WITHOUT_LIMIT, "between_step_s": 0.0}
    return _saved_s(estimate, _with(estimate.machine, "network", ideal), ("total",))


def _saved_s(estimate: Estimate, ideal: Machine, names: tuple[str, ...]) -> float:
    without = compute(workload(estimate.plan), ideal, rates(estimate.plan)).step
    now = estimate.outcome.step
    return max(0.0, float(sum(getattr(now, name) - getattr(without, name) for name in names)))


def _with(machine: Machine, part: str, changes: dict[str, Any]) -> Machine:
    changed: dict[str, Any] = {part: replace(getattr(machine, part), **changes)}
    return replace(machine, **changed)


def _micro_batches(estimate: Estimate) -> str:
    count = int(workload(estimate.plan).micro_batches)
    return f"{count:,} micro-batch{'' if count == 1 else 'es'}"


def _rows(estimate: Estimate) -> str:
    return f"{int(workload(estimate.plan).rank_tokens):,}"
