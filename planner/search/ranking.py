"""Which layouts to keep: the best by an objective, the Pareto front, simpler layouts first among equals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from planner import units
from planner.estimate import Outcome
from planner.formula import Array, Number
from planner.plan.layout import Layout
from planner.plan.plan import Plan
from planner.search.space import RECOMPUTE

Objective = Literal["cost", "time", "energy"]
OBJECTIVES: dict[Objective, str] = {"cost": "cost_usd", "time": "train_time_s", "energy": "energy_kwh"}

FIGURES: dict[str, Callable[[Outcome], Number]] = {
    "step_time_s": lambda o: o.step.total, "train_time_s": lambda o: o.train_time_s, "cost_usd": lambda o: o.total_usd,
    "energy_kwh": lambda o: o.energy_kwh, "memory_bytes": lambda o: o.memory.total, "mfu": lambda o: o.mfu,
    "tokens_per_s": lambda o: o.tokens_per_s, "gpu_hours": lambda o: o.gpu_hours, "co2e_kg": lambda o: o.co2e_kg,
}  # fmt: skip
"""What a found layout carries of its estimate."""

SIMPLICITY = (
    "cluster", "optimizer_offload", "activation_offload", "recompute", "recompute_layers", "virtual_stages", "gpipe",
    "zero_group", "ep", "cp", "pp", "zero_stage", "tp", "sequence_parallel", "micro_batch",
)  # fmt: skip
"""The columns of a layout in the order in which they make it less simple: among equals the smaller stands first."""

PARETO = ("cost_usd", "train_time_s", "memory_bytes")

TIE = 1e-12
"""Relative difference under which two figures are one: rounding, not arithmetic, would tell them apart."""

Columns = dict[str, NDArray[Any]]
"""Some layouts with their figures, one column a field."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraints:
    """What a layout must keep to beside fitting; None: no limit."""

    memory_margin: float = 0.0
    """Share of the device's memory that must stay free."""
    budget_usd: float | None = None
    deadline_s: float | None = None
    max_nodes: int | None = None


@dataclass(frozen=True)
class Found:
    """One layout of the answer: the plan that has it, and its figures in SI units (`FIGURES`)."""

    plan: Plan
    layout: Layout
    figures: dict[str, float]


def layout_words(plan: Plan) -> str:
    """A layout in the field's short hand: `tp 8 · pp 4×5 · dp 64 · ZeRO 1 · sp · micro-batch 2 · full recompute`."""
    layout = plan.layout
    pipeline = f"pp {layout.pp}" + (f"×{layout.virtual_stages}" if layout.virtual_stages > 1 else "")
    group = f" in groups of {layout.zero_group}" if layout.zero_group else ""
    part = f" of {layout.recompute_layers} layers" if layout.recompute_layers is not None else ""
    said = [
        f"tp {layout.tp}", pipeline, f"cp {layout.cp}" if layout.cp > 1 else "",
        f"ep {layout.ep}" if layout.ep > 1 else "", f"dp {plan.dp}", f"ZeRO {layout.zero_stage}{group}",
        "sp" if layout.sequence_parallel else "", f"micro-batch {layout.micro_batch}",
        f"{layout.recompute} recompute{part}" if layout.recompute != "none" else "",
        "GPipe" if layout.schedule == "gpipe" else "", "optimizer offload" if layout.optimizer_offload else "",
        "activation offload" if layout.activation_offload else "",
    ]  # fmt: skip
    return " · ".join(word for word in said if word)


def shown(found: Sequence[Found]) -> list[list[str]]:
    """Layouts as a table of texts: the header, then one a row; with accelerators only where there are several."""
    kinds = {one.plan.cluster.accelerator.name for one in found}
    named = ["accelerator"] if len(kinds) > 1 else []
    rows = [["", "GPUs", *named, "step", "MFU", "time", "cost", "energy", "memory", "layout"]]
    for rank, one in enumerate(found, start=1):
        figures = one.figures
        kind = [one.plan.cluster.accelerator.name] if len(kinds) > 1 else []
        rows.append([
            str(rank), f"{one.plan.cluster.gpus:,}", *kind, units.show(figures["step_time_s"], "s"),
            units.percent(figures["mfu"]), units.show(figures["train_time_s"], "s"),
            units.show(figures["cost_usd"], "USD"), units.show(figures["energy_kwh"], "kWh"),
            units.show(figures["memory_bytes"], "B"), layout_words(one.plan),
        ])  # fmt: skip
    return rows


def joined(parts: Iterable[Columns]) -> Columns:
    """All rows of some tables of one form; empty ones have no columns."""
    tables = [one for one in parts if one]
    return {name: np.concatenate([one[name] for one in tables]) for name in tables[0]} if tables else {}


def taken(table: Columns, index: Any) -> Columns:
    """Some rows."""
    return {name: column[index] for name, column in table.items()}


def rounded(values: Array) -> Array:
    """Values to twelve significant digits, in which ties are judged."""
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = 10.0 ** (11 - np.floor(np.log10(np.abs(values))))
        return np.where(np.isfinite(scale), np.round(values * scale) / scale, values)


def ranked(table: Columns, objective: str, top: int) -> Columns:
    """The best `top` rows in order. Of layouts whose figures are all equal only the simplest stands."""
    if not table:
        return table
    simple = [table[name] for name in reversed(SIMPLICITY)]
    figures = [np.nan_to_num(rounded(table[name]), nan=-1.0) for name in (*PARETO, objective)]
    order = np.lexsort([*simple, table["cluster"], *figures])
    repeated = np.ones(len(order), dtype=bool)
    repeated[:1] = False
    for column in (table["cluster"], *figures):
        repeated[1:] &= column[order][1:] == column[order][:-1]
    kept = order[~repeated]
    by_simplicity = np.lexsort([*(column[kept] for column in simple), figures[-1][kept]])
    return taken(table, kept[by_simplicity[:top]])


def pareto_front(table: Columns) -> Columns:
    """The rows that no other beats in cost, time and memory together, fastest first; equals once."""
    if not table:
        return table
    table = ranked(table, "train_time_s", len(table["cluster"]))
    figures = np.stack([np.nan_to_num(rounded(table[name]), nan=0.0) for name in PARETO])
    # In the order of time, cost, memory no row is beaten by a later one, and equals come simplest first.
    order = np.lexsort([figures[2], figures[0], figures[1]])
    table, figures = taken(table, order), figures[:, order]
    beaten = np.zeros(figures.shape[1], dtype=bool)
    for i in range(figures.shape[1]):
        if not beaten[i]:
            beaten[i + 1 :] |= np.all(figures[:, i + 1 :] >= figures[:, i : i + 1], axis=0)
    return taken(table, ~beaten)


def smallest(values: Array, mask: NDArray[np.bool_], count: int, bound: float) -> NDArray[np.intp]:
    """Flat indices of the `count` smallest values under the mask and up to `bound`, and of all that tie with them."""
    index = np.flatnonzero(mask & (values <= bound))
    if len(index) > count:
        chosen = values.reshape(-1)[index]
        index = index[chosen <= np.partition(chosen, count - 1)[count - 1] * (1 + TIE)]
    return index


def front(time: Array, memory: Array, mask: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Flat indices that hold every layout of one cluster that no other beats in time and memory. (What an hour of one
    cluster costs is fixed, so cost follows time.) Some that are beaten may be among them.

    time, memory, mask: of one shape, rows last. Sorting all would take longer than estimating them, so most are first
    held against a few good ones: the least time × memory along the rows."""
    good = np.argmin(np.where(mask, time * memory, np.inf), axis=-1)[..., None]
    open_ = mask.copy()
    for best_time, best_memory in zip(
        np.take_along_axis(time, good, -1)[np.take_along_axis(mask, good, -1)],
        np.take_along_axis(memory, good, -1)[np.take_along_axis(mask, good, -1)], strict=True,
    ):  # fmt: skip
        open_ &= (time <= best_time) | (memory <= best_memory)
    index = np.flatnonzero(open_)
    times, bytes_ = time.reshape(-1)[index], memory.reshape(-1)[index]
    order = np.argsort(times, kind="stable")
    least = np.minimum.accumulate(bytes_[order])
    keeps = np.ones(len(order), dtype=bool)
    keeps[1:] = bytes_[order][1:] < least[:-1] * (1 + TIE)
    return index[order[keeps]]


def layout_of(row: dict[str, Any]) -> Layout:
    """The layout of one row of columns, whose values need no validation."""
    fields: dict[str, Any] = {
        **{name: int(row[name]) for name in ("tp", "pp", "cp", "ep", "virtual_stages", "zero_stage", "micro_batch")},
        "schedule": "gpipe" if row["gpipe"] else "1f1b", "sequence_parallel": bool(row["sequence_parallel"]),
        "recompute": RECOMPUTE[int(row["recompute"])],
        "recompute_layers": int(row["recompute_layers"]) if row["recompute_layers"] >= 0 else None,
        "zero_group": int(row["zero_group"]) or None, "optimizer_offload": bool(row["optimizer_offload"]),
        "activation_offload": bool(row["activation_offload"]),
    }  # fmt: skip
    return Layout.model_construct(**fields)
