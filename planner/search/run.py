"""The search itself: blocks of layouts through `compute` on a few threads, the best and the Pareto front kept.

NumPy lets go of the interpreter inside its loops, so threads share the work without copies. A block is as large as the
second-level caches like it, which also bounds the memory whatever the space.
"""

from __future__ import annotations

import math
import os
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import numpy as np

from planner.costing.rates import Rates, rates
from planner.errors import CancelledError, InputError
from planner.estimate import Machine, compute, machine
from planner.plan.check import check
from planner.plan.layout import Layout
from planner.plan.plan import Plan, require_plan
from planner.plan.section import PlanError
from planner.plan.shipped import accelerator
from planner.plan.workload import Workload, workload
from planner.search import ranking
from planner.search.events import Event, Finished, Progress, Result
from planner.search.ranking import FIGURES, OBJECTIVES, Columns, Constraints, Found, Objective
from planner.search.rules import Trial
from planner.search.space import RECOMPUTE, Space

LAYOUTS_AT_ONCE = 80_000
FIRST_LAYOUTS = 30_000
"""The first blocks are small: all threads start early, and share a small space evenly."""
MOST_THREADS = 4
"""More would wait for the interpreter, not for the arithmetic."""
_LARGE_ARRAY = 3_900_000
"""Elements of an array just below the 32 MiB up to which the C library adapts what it keeps (see `sweep`)."""
_UNMERGED = 2000
"""Pareto candidates that are held against each other at once."""
PROGRESS_EVERY_S = 0.1
_TIES_KEPT = 8
"""Candidates a block hands on for each place of the ranked list, since equal layouts share one place."""

NO_MEMORY = "does not fit in memory"
NO_PRICE = "price unknown"
OVER_BUDGET = "over budget"
PAST_DEADLINE = "past the deadline"
TOO_MANY_NODES = "too many nodes"

UNLIMITED = Constraints()


def search(
    plan: Plan, *, gpus: Sequence[int] = (), accelerators: Sequence[str] = (), objective: Objective = "cost",
    top: int = 10, constraints: Constraints = UNLIMITED, wide: bool = False,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Result:  # fmt: skip
    """Every layout of a plan, ranked. `gpus` and `accelerators` are tried instead of the plan's own.

    wide: also hybrid sharding, recomputing part of the layers, and context parallelism of any degree.
    Raises `PlanError` for a plan that no layout can mend, `InputError` for what is no plan or a `top` below 1,
    `CancelledError` when cancelled.
    """
    require_plan(plan)
    if top < 1:
        raise InputError(f"top: {top} layouts cannot be listed; ask for 1 or more")
    for event in sweep(
        plan, gpus=gpus, accelerators=accelerators, objective=objective, top=top, constraints=constraints, wide=wide,
        is_cancelled=is_cancelled,
    ):  # fmt: skip
        if isinstance(event, Finished):
            return event.result
    raise AssertionError("a sweep ends with its result")


def best_layout(plan: Plan, *, objective: Objective = "time") -> Layout:
    """The best layout of a plan on its own cluster; where none fits, the one that needs the least memory.

    Raises `InputError` with the reasons where no layout is possible at all."""
    result = search(plan, objective=objective, top=1)
    found = result.best[0] if result.best else result.closest
    if found is None:
        reasons = "; ".join(f"{reason}: {count:,}" for reason, count in result.rejected.items())
        raise InputError(f"no layout is possible on {plan.cluster.gpus:,} GPUs ({reasons})")
    return found.layout


def sweep(
    plan: Plan, *, gpus: Sequence[int] = (), accelerators: Sequence[str] = (), objective: Objective = "cost",
    top: int = 10, constraints: Constraints = UNLIMITED, wide: bool = False,
    is_cancelled: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:  # fmt: skip
    """`search` as events: progress about ten times a second, then `Finished`."""
    started = time.perf_counter()
    rejected: Counter[str] = Counter()
    clusters = _clusters(plan, gpus, accelerators, constraints, wide, rejected, is_cancelled)
    standing = _Standing(objective, max(1, top), [one.plan for one in clusters], rejected)
    threads = min(MOST_THREADS, os.cpu_count() or 1)
    _keep_freed_memory()
    told = started
    with ThreadPoolExecutor(threads) as pool:
        waiting: deque[tuple[Future[_Block], float]] = deque()
        try:
            for index, one in enumerate(clusters):
                sizes = chain([FIRST_LAYOUTS] * threads, repeat(LAYOUTS_AT_ONCE))
                for rows, share in one.space.rows((size // one.space.layouts_a_row for size in sizes), rejected):
                    if is_cancelled():
                        raise CancelledError("cancelled")
                    task = pool.submit(one.judged, index, rows, standing)
                    waiting.append((task, (index + share) / len(clusters)))
                    if len(waiting) <= 2 * threads:
                        continue
                    future, fraction = waiting.popleft()
                    standing.add(future.result())
                    if time.perf_counter() - told > PROGRESS_EVERY_S:
                        told = time.perf_counter()
                        yield standing.progress(one.plan, fraction, told - started)
            while waiting:
                if is_cancelled():
                    raise CancelledError("cancelled")
                standing.add(waiting.popleft()[0].result())
        finally:
            for future, _ in waiting:
                future.cancel()
    yield Finished(standing.result(started))


def _keep_freed_memory() -> None:
    """Teach glibc to keep freed memory at hand, by freeing one large array: its threshold follows the largest block
    freed, up to 32 MiB. Else every array to come is given back and faulted in again page by page, which takes as long
    as the arithmetic. (Elsewhere it does nothing; the array itself is never touched.)"""
    np.empty(_LARGE_ARRAY)


@dataclass(frozen=True, slots=True)
class _Block:
    """What one block of layouts comes to."""

    evaluated: int
    fits: int
    fallen: dict[str, int]
    best: Columns
    pareto: Columns
    closest: Columns


@dataclass(frozen=True, slots=True)
class _Cluster:
    """One cluster to search, and what stays the same for all its layouts."""

    plan: Plan
    space: Space
    base: Workload
    machine: Machine
    rates: Rates
    constraints: Constraints

    def judged(self, index: int, rows: Trial, standing: _Standing) -> _Block:
        """Estimate all layouts of some rows and keep those that may stand in the answer."""
        with np.errstate(all="ignore"):
            outcome = compute(self.space.workload(self.base, rows), self.machine, self.rates)
        shape = (len(self.space.shardings), len(self.space.savings), len(rows.tp))
        figures = {name: np.broadcast_to(np.asarray(figure(outcome)), shape) for name, figure in FIGURES.items()}
        valid = self.space.distinct(rows)
        limit = self.plan.cluster.accelerator.memory_bytes * (1 - self.constraints.memory_margin)
        fits = valid & (figures["memory_bytes"] <= limit)
        evaluated, fitting = int(np.count_nonzero(valid)), int(np.count_nonzero(fits))
        fallen = {NO_MEMORY: evaluated - fitting}
        kept = fits
        for reason, allowed in self._limits(figures, standing.objective):
            left = kept & allowed
            fallen[reason] = int(np.count_nonzero(kept)) - int(np.count_nonzero(left))
            kept = left
        value = figures[OBJECTIVES[standing.objective]]
        best = ranking.smallest(value, kept, _TIES_KEPT * standing.top, standing.bound)
        front = ranking.front(figures["train_time_s"], figures["memory_bytes"], kept)
        least = np.empty(0, dtype=np.intp)
        if evaluated and not fitting:
            least = np.array([np.argmin(np.where(valid, figures["memory_bytes"], np.inf))])
        chosen = (self._columns(index, rows, figures, flat) for flat in (best, front, least))
        return _Block(evaluated, fitting, fallen, *chosen)

    def _limits(self, figures: dict[str, Any], objective: Objective) -> Iterator[tuple[str, Any]]:
        limits = self.constraints
        if objective == "cost" or limits.budget_usd is not None:
            yield NO_PRICE, ~np.isnan(figures["cost_usd"])
        if limits.budget_usd is not None:
            yield OVER_BUDGET, figures["cost_usd"] <= limits.budget_usd
        if limits.deadline_s is not None:
            yield PAST_DEADLINE, figures["train_time_s"] <= limits.deadline_s

    def _columns(self, index: int, rows: Trial, figures: dict[str, Any], chosen: Any) -> Columns:
        """The layouts at flat indices, as columns."""
        if not len(chosen):
            return {}
        space, shape = self.space, figures["memory_bytes"].shape
        sharding, saving, row = np.unravel_index(chosen, shape)
        group = np.broadcast_to(space.sharding_group(rows), (shape[0], 1, shape[2]))[sharding, 0, row]
        return {
            **{name: np.asarray(value)[row] for name, value in rows.of_layout().items()},
            "cluster": np.full(len(row), index), "zero_group": group,
            "zero_stage": np.array([one.stage for one in space.shardings])[sharding],
            "optimizer_offload": np.array([one.optimizer_offload for one in space.shardings])[sharding],
            "recompute": np.array([RECOMPUTE.index(one.recompute) for one in space.savings])[saving],
            "recompute_layers": space.recompute_layers(rows)[saving, row],
            "activation_offload": np.array([one.activation_offload for one in space.savings])[saving],
            **{name: value[sharding, saving, row] for name, value in figures.items()},
        }  # fmt: skip


class _Standing:
    """The answer as it stands between two blocks."""

    def __init__(self, objective: Objective, top: int, plans: list[Plan], rejected: Counter[str]) -> None:
        self.objective, self.top, self.plans, self.rejected = objective, top, plans, rejected
        self.evaluated = self.fits = 0
        self.bound = math.inf
        self._best: Columns = {}
        self._candidates: list[Columns] = []
        self._closest: Columns = {}

    def add(self, block: _Block) -> None:
        """Take up one block. What the bound leaves out later is worse than the whole list, whatever the order."""
        self.evaluated += block.evaluated
        self.fits += block.fits
        for reason, count in block.fallen.items():
            self.rejected[reason] += count
        if block.best:
            name = OBJECTIVES[self.objective]
            self._best = ranking.ranked(ranking.joined([self._best, block.best]), name, self.top)
            if len(self._best[name]) == self.top:
                self.bound = float(self._best[name][-1]) * (1 + 2 * ranking.TIE)
        if block.pareto:
            self._candidates.append(block.pareto)
            if sum(len(one["cluster"]) for one in self._candidates) > _UNMERGED:
                self._candidates = [ranking.pareto_front(ranking.joined(self._candidates))]
        if block.closest and not self.fits:
            self._closest = ranking.ranked(ranking.joined([self._closest, block.closest]), "memory_bytes", 1)

    def found(self, table: Columns) -> list[Found]:
        """Rows as layouts of their plans."""
        names = list(table)
        rows = [dict(zip(names, values, strict=True)) for values in zip(*table.values(), strict=True)]
        answer = []
        for row in rows:
            layout = ranking.layout_of(row)
            plan = self.plans[int(row["cluster"])].model_copy(update={"layout": layout})
            answer.append(Found(plan, layout, {name: float(row[name]) for name in FIGURES}))
        return answer

    def progress(self, plan: Plan, fraction: float, elapsed_s: float) -> Progress:
        """How far it is."""
        best = self.found(ranking.taken(self._best, slice(1)))
        return Progress(
            doing=f"{plan.cluster.gpus:,} × {plan.cluster.accelerator.name}", fraction=fraction,
            evaluated=self.evaluated, fits=self.fits, elapsed_s=elapsed_s,
            remaining_s=elapsed_s / max(fraction, 1e-9) * (1 - fraction), best=best[0] if best else None,
        )  # fmt: skip

    def result(self, started: float) -> Result:
        """The answer. `started`: the clock when the search began."""
        best = self.found(self._best)
        pareto = self.found(ranking.pareto_front(ranking.joined(self._candidates)))
        closest = self.found(self._closest) if not self.fits else []
        rejected = {reason: count for reason, count in self.rejected.most_common() if count}
        seconds = time.perf_counter() - started
        return Result(
            self.objective, self.evaluated, self.fits, seconds, best, pareto, rejected, closest[0] if closest else None
        )


def _clusters(
    plan: Plan, gpus: Sequence[int], accelerators: Sequence[str], constraints: Constraints, wide: bool,
    rejected: Counter[str], is_cancelled: Callable[[], bool],
) -> list[_Cluster]:  # fmt: skip
    """The clusters to search. One that cannot train the plan at all falls out with its whole space."""
    found = []
    for name in accelerators or [""]:
        for count in gpus or [plan.cluster.gpus]:
            if is_cancelled():
                raise CancelledError("cancelled")
            one = _on_cluster(plan, count, name)
            reason = ""
            if one.cluster.accelerator.peak(plan.recipe.precision) is None:
                if not accelerators:
                    _raise_what_no_layout_mends(one)
                reason = f"{one.cluster.accelerator.name} has no {plan.recipe.precision} rate on its data sheet"
            elif constraints.max_nodes is not None and one.cluster.nodes > constraints.max_nodes:
                reason = TOO_MANY_NODES
            space = Space.of(one, wide=wide)
            if reason:
                ignored: Counter[str] = Counter()
                possible = sum(len(rows.tp) for rows, _ in space.rows(repeat(LAYOUTS_AT_ONCE), ignored))
                rejected[reason] += possible * space.layouts_a_row
                continue
            _raise_what_no_layout_mends(one)
            plain = one.model_copy(update={"layout": Layout()})
            found.append(_Cluster(plain, space, workload(plain), machine(plain), rates(plain), constraints))
    return found


def _on_cluster(plan: Plan, gpus: int, accelerator_name: str) -> Plan:
    """The plan on so many GPUs, of another kind where one is named: then at the shipped price."""
    cluster, prices = plan.cluster, plan.prices
    if gpus != cluster.gpus:
        if gpus < 1:
            raise InputError(f"gpus: {gpus} is not a number of GPUs")
        per_node = min(cluster.gpus_per_node, gpus)
        if gpus % per_node:
            raise InputError(f"gpus: {gpus:,} do not fill nodes of {per_node}; use {-(-gpus // per_node) * per_node:,}")
        cluster = cluster.model_copy(update={"gpus_per_node": per_node, "nodes": gpus // per_node})
    if accelerator_name:
        kind = accelerator(accelerator_name)
        if kind.name != cluster.accelerator.name:
            cluster = cluster.model_copy(update={"accelerator": kind})
            prices = prices.of_another_accelerator()
            plan = plan.model_copy(update={"calibration": ""})  # made on the plan's own device
    return plan.model_copy(update={"cluster": cluster, "prices": prices})


def _raise_what_no_layout_mends(plan: Plan) -> None:
    errors = [
        (problem.path, problem.message + (f"; {problem.suggestion}" if problem.suggestion else ""))
        for problem in check(plan.model_copy(update={"layout": Layout()}))
        if problem.severity == "error" and not problem.path.startswith(("layout.", "recipe.global_batch"))
    ]
    if errors:
        raise PlanError("plan", errors)
