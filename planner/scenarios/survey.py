"""Many plans, one row each: the headline figures of a folder of scenarios, of which a person then compares a few."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from planner.errors import CancelledError, InputError, TrainplanError
from planner.estimate import Estimate, estimate
from planner.plan.file import load

MOST_PLANS = 10_000
FIGURES = {
    "cost_usd": "money.total", "train_time_s": "time.training", "memory_bytes": "memory.total", "mfu": "time.mfu",
    "energy_kwh": "energy.energy", "co2e_kg": "energy.co2e", "gpu_hours": "time.gpu_hours",
    "tokens_per_s": "time.tokens_per_s",
}  # fmt: skip
"""Columns of a row, and the figures of the plan's estimate that they are."""
COLUMNS = (
    "name", "plan", "model", "accelerator", "gpus", "tokens", "fits", *FIGURES, "problem",
)  # fmt: skip


def plans_of(names: Sequence[str]) -> list[str]:
    """The plans that are meant: of a folder every `*.json`, in alphabetical order. Raises `InputError` for none, or too
    many."""
    found: list[str] = []
    for name in names:
        path = Path(name)
        try:
            is_folder = path.is_dir()
            files = sorted(path.glob("*.json")) if is_folder else []
        except OSError as error:
            raise InputError(f"{name}: cannot be listed ({error.strerror or error})") from None
        if is_folder and not files:
            raise InputError(f"{name}: this folder holds no plan (*.json)")
        found += map(str, files) if is_folder else [name]
        if len(found) > MOST_PLANS:
            raise InputError(f"{len(found):,} plans; up to {MOST_PLANS:,} stand in one table")
    return list(dict.fromkeys(found))


def surveyed(plans: Sequence[str], is_cancelled: Callable[[], bool] = lambda: False) -> Iterator[dict[str, Any]]:
    """A row of each plan, in their order; one that cannot be read or estimated says why in `problem`. Raises
    `CancelledError` between two plans."""
    for plan in plans:
        if is_cancelled():
            raise CancelledError("cancelled")
        try:
            yield _row(plan, estimate(load(plan)))
        except TrainplanError as error:
            blank = dict.fromkeys(COLUMNS)
            yield {**blank, "name": Path(plan).stem, "plan": plan, "problem": str(error).splitlines()[0]}


def _row(name: str, found: Estimate) -> dict[str, Any]:
    plan = found.plan
    figures = {column: _plain(found.figures[key].value) for column, key in FIGURES.items() if key in found.figures}
    return {
        **dict.fromkeys(COLUMNS), "name": plan.name, "plan": name, "model": plan.model.name,
        "accelerator": plan.cluster.accelerator.name, "gpus": plan.cluster.gpus, "tokens": float(plan.recipe.tokens),
        "fits": bool(found.outcome.fits), **figures,
    }  # fmt: skip


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
