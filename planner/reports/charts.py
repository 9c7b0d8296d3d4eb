"""The charts of an estimate as picture files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from planner.charts import (
    cost_breakdown,
    export,
    memory_breakdown,
    size_against_perplexity,
    step_time_breakdown,
    style,
)
from planner.estimate import Estimate
from planner.estimate import Figure as Number
from planner.quality.frontier import Training, frontier
from planner.quality.laws import DEFAULT, law
from planner.quality.observed import family_under

SIZE_INCHES = (8.0, 5.0)
DOTS_PER_INCH = 160


def write_charts(estimate: Estimate, folder: Path) -> list[Path]:
    """Draw memory, step time, cost and size against perplexity as PNG into an existing folder; returns the files."""
    accelerator = estimate.plan.cluster.accelerator
    found = frontier(
        None,
        law=law(DEFAULT),
        training=Training.of_estimate(estimate.plan.name, estimate.plan.recipe.tokens, estimate.json),
    )
    memory = memory_breakdown.Data.of(_rows(estimate.memory_parts), accelerator.memory_bytes, accelerator.name)
    quality = size_against_perplexity.Data.of_frontier(found, family_under(found.law))
    charts: list[tuple[str, Any, Any]] = [
        ("memory", memory_breakdown, memory),
        ("step-time", step_time_breakdown, step_time_breakdown.Data.of(_rows(estimate.time_parts))),
        ("cost", cost_breakdown, cost_breakdown.Data.of(_rows(estimate.money_parts))),
        ("size-against-perplexity", size_against_perplexity, quality),
    ]
    written = []
    for name, chart, data in charts:
        figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH)
        chart.draw(figure, data, style.LIGHT)
        path = folder / f"{name}.png"
        export.save(figure, path, description=chart.describe(data))
        written.append(path)
    return written


def _rows(parts: list[Number]) -> list[tuple[str, float, str]]:
    return [(part.label, part.value, part.kind) for part in parts]
