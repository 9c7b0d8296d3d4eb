"""Tornado, one-input curve and scenarios: drawn empty, of one and of many, nothing cut, and true to what they show."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure

from planner.charts import one_input_curve, scenario_compare, style, tornado
from planner.charts.export import csv_text
from planner.estimate import estimate
from planner.plan.file import load
from planner.scenarios.comparison import Scenario, compare
from planner.scenarios.sensitivity import curve, range_of, sensitivity

RESULT = estimate(load("llama-2-70b"))
FOUND = sensitivity(RESULT)
UNPRICED = sensitivity(estimate(load("gpt2").replace(**{"cluster.accelerator": "MI100", "recipe.precision": "fp16"})))
OTHERS = [RESULT.plan.replace(**{"cluster.nodes": nodes, "name": f"{nodes} nodes of a name that is long"})
          for nodes in (128, 512)]  # fmt: skip
BESIDE = compare([Scenario("now", RESULT), *(Scenario(plan.name, estimate(plan)) for plan in OTHERS)])
ALONE = compare([Scenario("now", RESULT)])


def row(found: Any, key: str) -> Any:
    return next(one for one in found.figures if one.key == key)


def curve_of(key: str, measure: str) -> one_input_curve.Data:
    chosen = range_of(RESULT, key)
    assert chosen is not None
    return one_input_curve.Data.of(curve(RESULT, chosen), measure)


CASES: dict[str, tuple[Any, Any]] = {
    "tornado": (tornado, tornado.Data.of(FOUND, "cost_usd")),
    "tornado-memory": (tornado, tornado.Data.of(FOUND, "memory_bytes")),
    "tornado-few": (tornado, tornado.Data.of(FOUND, "perplexity")),
    "tornado-unpriced": (tornado, tornado.Data.of(UNPRICED, "cost_usd")),
    "tornado-empty": (tornado, tornado.Data()),
    "curve": (one_input_curve, curve_of("recipe.tokens", "perplexity")),
    "curve-few": (one_input_curve, curve_of("cluster.nodes", "train_time_s")),
    "curve-choice": (one_input_curve, curve_of("layout.zero_stage", "memory_bytes")),
    "curve-price": (one_input_curve, curve_of("prices.usd_per_gpu_hour", "cost_usd")),
    "curve-constant": (one_input_curve, curve_of("device.matmul_efficiency", "cost_usd")),
    "curve-empty": (one_input_curve, one_input_curve.Data()),
    "scenarios": (scenario_compare, scenario_compare.Data.of(BESIDE, row(BESIDE, "money.total"))),
    "scenarios-exact": (scenario_compare, scenario_compare.Data.of(BESIDE, row(BESIDE, "work.parameters"))),
    "scenarios-one": (scenario_compare, scenario_compare.Data.of(ALONE, row(ALONE, "time.step"))),
    "scenarios-empty": (scenario_compare, scenario_compare.Data()),
}


@pytest.mark.parametrize("theme", style.THEMES.values(), ids=lambda theme: theme.name)
@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("size", [(3.4, 3.2), (8.0, 5.0)])
def test_every_chart_draws_and_nothing_is_cut(name: str, size: Any, theme: style.Theme) -> None:
    chart, data = CASES[name]
    figure = Figure(figsize=size, dpi=100)
    chart.draw(figure, data, theme)
    figure.draw_without_rendering()
    assert chart.describe(data).endswith(".") and "\n" not in chart.describe(data)
    header, rows = chart.table(data)
    assert all(len(row) == len(header) for row in rows)
    csv_text((header, rows))
    assert all(chart.readout(data, index) for index in range(len(chart.points(data))))
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    for text in texts:
        left, bottom, right, top = style.extent(text)
        inside = left >= -1 and right <= figure.bbox.width + 1 and bottom >= -1 and top <= figure.bbox.height + 1
        assert inside, text.get_text()


def test_the_widest_bar_is_on_top_and_crosses_the_plans_value() -> None:
    data = tornado.Data.of(FOUND, "cost_usd")
    assert [bar.high - bar.low for bar in data.bars] == sorted((b.high - b.low for b in data.bars), reverse=True)
    assert all(bar.low <= data.base <= bar.high for bar in data.bars)
    assert data.bars[0].title.lower() in tornado.describe(data)


def test_an_end_that_does_not_fit_is_crossed() -> None:
    data = tornado.Data.of(FOUND, "memory_bytes")
    assert next(bar for bar in data.bars if bar.key == "layout.zero_stage").high_text.endswith("✕")


def test_the_curve_marks_the_plan() -> None:
    data = curve_of("recipe.tokens", "perplexity")
    (own,) = [spot for spot in data.spots if spot.is_plans]
    assert own.x == RESULT.plan.recipe.tokens and "as planned" in one_input_curve.readout(data, data.spots.index(own))


def test_scenarios_tell_what_they_differ_by_and_how_sure_that_is() -> None:
    data = scenario_compare.Data.of(BESIDE, row(BESIDE, "time.training"))
    assert data.bars[1].ratio == pytest.approx(row(BESIDE, "time.training").ratio(1))
    assert "%" in scenario_compare.describe(data)


def test_two_prices_in_a_line_are_no_formula() -> None:
    """matplotlib sets what stands between two dollar signs as mathematics, without the signs."""
    figure = Figure()
    one_input_curve.draw(figure, curve_of("prices.usd_per_gpu_hour", "cost_usd"), style.LIGHT)
    told = next(text for text in figure.texts if text.get_text().count("$") == 2)
    assert not told.get_parse_math()
