"""The charts of the life: drawn empty and full, nothing cut, described in a sentence."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest
from matplotlib.figure import Figure

from planner.charts import break_even, lifetime_cost, network_compare, style
from planner.charts.export import csv_text
from planner.plan import file
from planner.quality import task
from planner.quality.lifetime import life_of
from planner.search import networks

PLAN = file.load("llama-2-70b")
CASES: list[tuple[str, ModuleType, Any]] = [
    ("life", lifetime_cost, lifetime_cost.Data.of_life(life_of(PLAN))),
    ("life-empty", lifetime_cost, lifetime_cost.Data()),
    ("ways", break_even, break_even.Data.of_comparison(task.compare(PLAN))),
    ("ways-empty", break_even, break_even.Data()),
    ("networks", network_compare, network_compare.Data.of_networks(networks.compare(PLAN, keep_layout=True).to_json())),
    ("networks-empty", network_compare, network_compare.Data()),
]


@pytest.mark.parametrize("theme", style.THEMES.values(), ids=lambda theme: theme.name)
@pytest.mark.parametrize(("chart", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_every_chart_draws_empty_and_full(chart: Any, data: Any, theme: style.Theme) -> None:
    figure = Figure(figsize=(6.4, 4.0), dpi=100)
    chart.draw(figure, data, theme)
    assert figure.axes and figure.texts
    assert chart.describe(data).endswith(".") and "\n" not in chart.describe(data)
    header, rows = chart.table(data)
    assert all(len(row) == len(header) for row in rows)
    csv_text((header, rows))


@pytest.mark.parametrize(("chart", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("size", [(6.4, 4.0), (10.0, 6.2)])
def test_no_text_leaves_the_figure(chart: Any, data: Any, size: tuple[float, float]) -> None:
    figure = Figure(figsize=size, dpi=100)
    chart.draw(figure, data, style.LIGHT)
    figure.draw_without_rendering()
    width, height = figure.bbox.width, figure.bbox.height
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1, text.get_text()
