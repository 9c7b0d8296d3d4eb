"""The charts of an estimate: which ones a report shows, and as picture files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
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
from planner.plan.file import write_atomically
from planner.quality.budget import Training
from planner.quality.frontier import frontier
from planner.quality.laws import DEFAULT, law

SIZE_INCHES = (8.0, 5.0)
DOTS_PER_INCH = 160


@dataclass(frozen=True)
class Chart:
    """A chart's module with what it draws."""

    name: str
    module: Any
    data: Any

    @property
    def description(self) -> str:
        """What it shows, in one sentence."""
        return str(self.module.describe(self.data))

    def rendered(self, ending: str) -> bytes:
        """The drawn chart as the content of a file: png, svg or pdf."""
        figure = Figure(figsize=SIZE_INCHES, dpi=DOTS_PER_INCH)
        self.module.draw(figure, self.data, style.LIGHT)
        return export.rendered(figure, ending, description=self.description)


def charts_of(estimate: Estimate) -> Iterator[Chart]:
    """What a report shows of an estimate: memory, step time, cost, and size against perplexity."""
    yield Chart("memory", memory_breakdown, contents.memory_breakdown(memory_breakdown, estimate))
    yield Chart("step-time", step_time_breakdown, contents.step_time_breakdown(step_time_breakdown, estimate))
    yield Chart("cost", cost_breakdown, contents.cost_breakdown(cost_breakdown, estimate))
    training = Training.of(estimate)
    found = frontier(None, law=law(DEFAULT), training=training)
    quality = contents.size_against_perplexity(size_against_perplexity, contents.Quality(found))
    yield Chart("size-against-perplexity", size_against_perplexity, quality)


def write_charts(estimate: Estimate, folder: Path) -> list[Path]:
    """Each chart as PNG into an existing folder; returns the files."""
    written = []
    for chart in charts_of(estimate):
        path = folder / f"{chart.name}.png"
        write_atomically(path, chart.rendered("png"))
        written.append(path)
    return written
