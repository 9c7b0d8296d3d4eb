"""A part of a chart, or another scale: ticks follow it, nothing outside is named, nothing is cut."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure

from planner.charts import memory_breakdown, pareto, size_against_perplexity, style
from planner.charts.ticks import follow
from planner.charts.view import View, look
from tests.charts.test_charts import GIB, MEMORY, sizes, visible_texts
from tests.charts.test_scatter_charts import layouts

SIZES = sizes()
MEMORY_DATA = memory_breakdown.Data.of(MEMORY, 80 * GIB, "A100-80GB")
LAYOUTS = pareto.Data.of_rows(layouts(40), "memory_bytes")
BEST = SIZES.optimum
assert BEST is not None
CLOSE = View((BEST.parameters / 1.5, BEST.parameters * 1.5), (BEST.perplexity * 0.98, BEST.perplexity * 1.02))
CASES: list[tuple[str, Any, Any, View]] = [
    ("close", size_against_perplexity, SIZES, CLOSE),
    ("linear", size_against_perplexity, SIZES, View(switched="xy")),
    ("bars", memory_breakdown, MEMORY_DATA, View((10.0, 20.0))),
    ("layouts", pareto, LAYOUTS, View((30 * 86400.0, 35 * 86400.0))),
    ("layouts-log", pareto, LAYOUTS, View(switched="xy")),
]


def seen(chart: Any, data: Any, view: View) -> Figure:
    figure = Figure(figsize=(6.4, 4.0), dpi=100)
    look(figure, view)
    chart.draw(figure, data, style.LIGHT)
    figure.draw_without_rendering()
    return figure


@pytest.mark.parametrize(("chart", "data", "view"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_nothing_is_cut_and_ticks_can_be_told_apart(chart: Any, data: Any, view: View) -> None:
    figure = seen(chart, data, view)
    width, height = figure.bbox.width, figure.bbox.height
    for text in visible_texts(figure):
        if text.get_visible():
            box = text.get_window_extent()
            assert box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1, text.get_text()
    axes = figure.axes[0]
    for axis in (axes.xaxis, axes.yaxis):
        low, high = sorted(axis.get_view_interval())
        shown = [tick for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
        names = [tick.label1.get_text() for tick in shown]
        assert len(names) >= 2 and len(set(names)) == len(names), names


def test_only_what_is_in_view_is_named() -> None:
    whole, close = (seen(size_against_perplexity, SIZES, view) for view in (View(), CLOSE))
    names = [{text.get_text() for text in figure.axes[0].texts if text.get_visible()} for figure in (whole, close)]
    assert names[1] < names[0] and any("compute-optimal" in name for name in names[1])


def test_bars_keep_their_zero_and_rows_their_names() -> None:
    figure = seen(memory_breakdown, MEMORY_DATA, View((10.0, 20.0), (0.0, 1.0), "xy"))
    axes = figure.axes[0]
    assert axes.get_xscale() == "linear" and axes.get_xlim() == (10.0, 20.0)
    assert axes.get_ylim() != (0.0, 1.0)


def test_a_logarithmic_axis_begins_at_the_least_that_is_drawn() -> None:
    figure = Figure(figsize=(6, 4))
    axes = figure.add_subplot()
    axes.plot([0.0, 3.0, 40.0], [1.0, 2.0, 3.0])
    axes.set_xlim(0, 50)
    follow(axes.xaxis)
    look(figure, View(switched="x"))
    style.finish(figure, style.LIGHT, "Title")
    assert axes.get_xscale() == "log" and 0 < axes.get_xlim()[0] <= 3.0 and axes.get_xlim()[1] == 50


def test_a_narrow_view_of_a_logarithmic_axis_has_ticks_still() -> None:
    figure = Figure(figsize=(6, 4))
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.set_xlim(41.0, 44.0)
    follow(axes.xaxis)
    assert len(axes.xaxis.get_major_locator()()) >= 3
