"""Layouts near the plan's own: each parallel degree up to twice or half as large, every sharding stage, every way to
recompute, through the search's own rules and the same `compute`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner.costing.rates import rates
from planner.estimate import Machine, compute
from planner.formula import Array
from planner.plan.layout import Layout
from planner.plan.plan import Plan
from planner.plan.workload import workload
from planner.scenarios.bottlenecks import losses
from planner.search.rules import Trial
from planner.search.space import SAVINGS, SHARDINGS, Saving, Space

AT_ONCE = 4000
"""Layouts of one block: some hundredths of a second."""
REACH = 2
"""A degree is tried up to so many times its size, and down to that part of it."""
FIELDS = ("tp", "pp", "cp", "ep", "virtual_stages", "micro_batch")
UNTRIED = {"optimizer_offload": False, "activation_offload": False, "zero_group": None}
"""What no neighbour has: a plan that does changes it with every neighbour."""


@dataclass(frozen=True, eq=False)
class Block:
    """Some layouts that fit: the figures of each, what of the plan's own layout it changes, and the layout itself."""

    time_s: Array
    """Of the training."""
    step_s: Array
    losses: dict[str, Array]
    """Seconds of a step by bottleneck."""
    changes: NDArray[np.int_]
    """How many fields differ from the plan's own."""
    layouts: list[dict[str, Any]]
    """By field, only what differs."""


def space(plan: Plan) -> Space:
    """What is tried."""
    whole, layout = Space.of(plan), plan.layout
    pipelines = [
        one for one in whole.pipelines
        if _is_near(one[0], layout.pp) and (not one[2] or layout.schedule == "gpipe")
    ]  # fmt: skip
    parts = tuple(Saving("full", quarters) for quarters in (1, 2, 3)) if layout.recompute == "full" else ()
    return replace(
        whole, tp=[one for one in whole.tp if _is_near(one, layout.tp)],
        cp=[one for one in whole.cp if _is_near(one, layout.cp)],
        ep=[one for one in whole.ep if _is_near(one, layout.ep)], pipelines=pipelines,
        micro_batches=[one for one in whole.micro_batches if _is_near(one, layout.micro_batch)],
        shardings=SHARDINGS, savings=(*SAVINGS, *parts),
    )  # fmt: skip


def nearby(plan: Plan, machine: Machine, most_changes: int) -> Iterator[Block]:
    """Every layout near the plan's that fits and changes no more than so many fields, block by block."""
    tried, terms, own = space(plan), rates(plan), plan.layout
    base = workload(plan.model_copy(update={"layout": own.model_copy(update={**UNTRIED, "recompute_layers": None})}))
    capacity = plan.cluster.accelerator.memory_bytes
    for rows, _ in tried.rows(repeat(max(1, AT_ONCE // tried.layouts_a_row)), Counter()):
        shape = (len(tried.shardings), len(tried.savings), len(rows.tp))
        with np.errstate(all="ignore"):
            w = tried.workload(base, rows)
            found = compute(w, machine, terms)
            lost = losses(found.step, w, machine.software)
        columns = {name: np.broadcast_to(one, shape) for name, one in _columns(own, tried, rows).items()}
        changes = _changes(own, columns)
        kept = tried.distinct(rows) & (_wide(found.memory.total, shape) <= capacity)
        kept &= (changes > 0) & (changes <= most_changes)
        chosen = np.flatnonzero(kept)
        picked = {name: _wide(seconds, shape).reshape(-1)[chosen] for name, seconds in lost.items()}
        time, step = (_wide(one, shape).reshape(-1)[chosen] for one in (found.train_time_s, found.step.total))
        yield Block(time, step, picked, changes.reshape(-1)[chosen], _layouts(own, columns, chosen))


def _is_near(value: int, own: int) -> bool:
    return own <= value * REACH and value <= own * REACH


def _wide(values: Any, shape: tuple[int, ...]) -> Array:
    return np.broadcast_to(np.asarray(values, dtype=float), shape)


def _columns(own: Layout, tried: Space, rows: Trial) -> dict[str, Any]:
    """The layouts' fields, as arrays that broadcast to (shardings, savings, rows). What makes no difference (sequence
    parallelism on one rank, the schedule of one stage) stays as the plan has it."""
    layers = tried.recompute_layers(rows)
    return {
        **{name: np.asarray(getattr(rows, name)) for name in FIELDS},
        "sequence_parallel": np.where(rows.tp > 1, rows.sequence_parallel > 0, own.sequence_parallel),
        "schedule": np.where(rows.pp > 1, np.where(rows.gpipe > 0, "gpipe", "1f1b"), own.schedule),
        "zero_stage": np.array([one.stage for one in tried.shardings])[:, None, None],
        "recompute": np.array([one.recompute for one in tried.savings])[:, None],
        "recompute_layers": np.where(layers < 0, np.nan, layers),
    }  # fmt: skip


def _changes(own: Layout, columns: dict[str, Any]) -> NDArray[np.int_]:
    """How many fields differ; which layers recompute is one with whether they do."""
    layers = np.nan if own.recompute_layers is None else own.recompute_layers
    other_layers = ~np.isclose(columns["recompute_layers"], layers, equal_nan=True)
    differ = [
        columns[name] != getattr(own, name)
        for name in (*FIELDS, "sequence_parallel", "schedule", "zero_stage")
    ]  # fmt: skip
    untried = sum(getattr(own, name) != value for name, value in UNTRIED.items())
    differ.append((columns["recompute"] != own.recompute) | other_layers)
    count: NDArray[np.int_] = np.sum(differ, axis=0, dtype=int) + untried
    return count


def _layouts(own: Layout, columns: dict[str, Any], chosen: NDArray[np.intp]) -> list[dict[str, Any]]:
    picked = {name: column.reshape(-1)[chosen].tolist() for name, column in columns.items()}
    found = []
    for number in range(len(chosen)):
        fields = {name: values[number] for name, values in picked.items()} | UNTRIED
        layers = fields["recompute_layers"]
        fields["recompute_layers"] = None if layers != layers else int(layers)
        found.append({name: value for name, value in fields.items() if value != getattr(own, name)})
    return found
