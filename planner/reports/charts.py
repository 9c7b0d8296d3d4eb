"""The charts of an estimate as picture files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from planner.charts import (
    contents,
    cost_breakdown,
    export,
    memory_breakdown,
    size_against_perplexity,
    step_time_breakdown,
    style,
)
from planner.estimate import Estimate
from planner.quality.frontier import Training, frontier
from planner.quality.laws import DEFAULT, law

SIZE_INCHES = (8.0, 5.0)
DOTS_PER_INCH = 160


def write_charts(estimate: Estimate, folder: Path) -> list[Path]:
    """Draw memory, step time, cost and size against perplexity as PNG into an existing folder; returns the files."""
    found = frontier(
        None,
        law=law(DEFAULT),
        training=Training.of_estimate(estimate.plan.name, estimate.plan.recipe.tokens, estimate.json),
    )
    quality = contents.size_against_perplexity(size_against_perplexity, found)
    charts: list[tuple[str, Any, Any]] = [
        ("memory", memory_breakdown, contents.memory_breakdown(memory_breakdown, estimate)),
        ("step-time", step_time_breakdown, contents.step_time_breakdown(step_time_breakdown, estimate)),
        ("cost", cost_breakdown, contents.cost_breakdown(cost_breakdown, estimate)),
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
