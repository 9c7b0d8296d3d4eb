"""The charts of an estimate: which ones a report shows, and as picture files."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from planner.charts import (
    break_even,
    contents,
    cost_breakdown,
    export,
    lifetime_cost,
    memory_breakdown,
    network_compare,
    one_input_curve,
    size_against_perplexity,
    step_time_breakdown,
    style,
)
from planner.errors import InputError
from planner.estimate import Estimate
from planner.quality.budget import Training
from planner.quality.frontier import frontier
from planner.quality.laws import DEFAULT, law
from planner.quality.lifetime import Life, life_of
from planner.quality.task import Comparison, compare
from planner.scenarios.sensitivity import curve, range_of
from planner.search import networks
from planner.writing import write_atomically

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


def life_charts(life: Life, task: Comparison) -> tuple[Chart, ...]:
    """What a report shows of a model's life: dollars by size, and one task done generally or specifically."""
    return (
        Chart("cost-over-the-life", lifetime_cost, contents.lifetime_cost(lifetime_cost, life)),
        Chart("general-or-specific", break_even, contents.break_even(break_even, task)),
    )


def price_chart(estimate: Estimate) -> tuple[Chart, ...]:
    """The cost over the stated range of the price, of owned hardware over that of the purchase; none where it has no
    range."""
    owned = estimate.plan.prices.purchase == "owned"
    found = range_of(estimate, "prices.owned.purchase_usd" if owned else "prices.usd_per_gpu_hour")
    if found is None or math.isnan(float(estimate.outcome.total_usd)):
        return ()
    return (Chart("cost-by-price", one_input_curve, one_input_curve.Data.of(curve(estimate, found), "cost_usd")),)


def network_chart(found: networks.Networks) -> Chart:
    """The plan over other networks."""
    return Chart("networks", network_compare, contents.network_compare(network_compare, found.to_json()))


def write_charts(estimate: Estimate, folder: Path) -> list[Path]:
    """Each chart as PNG into an existing folder; returns the files. A model that cannot be served has none of its
    life."""
    charts = [
        *charts_of(estimate),
        *price_chart(estimate),
        network_chart(networks.compare(estimate.plan, keep_layout=True)),
    ]
    with contextlib.suppress(InputError):
        charts += life_charts(life_of(estimate.plan, result=estimate), compare(estimate.plan, estimate))
    written = []
    for chart in charts:
        path = folder / f"{chart.name}.png"
        write_atomically(path, chart.rendered("png"))
        written.append(path)
    return written
