"""Layouts and validation as points: drawn empty, one and full, nothing cut; the point under the pointer is found."""

from __future__ import annotations

import math
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure

from planner.charts import labels, pareto, plans, predicted_against_published, scatter, style
from planner.charts.export import csv_text
from planner.charts.labels import Label
from planner.charts.ticks import log_ticks

DAY_S = 86400.0
GIB = 2.0**30


def layouts(count: int, gpus: tuple[int, ...] = (64,), usd: float | None = 4e5) -> list[dict[str, Any]]:
    """Made layouts: the later in the list, the slower and the smaller."""
    return [
        {
            "accelerator": "A100-80GB-SXM", "gpus": n, "rank": i + 1, "on_front": i % 4 == 0, "words": f"tp {i}",
            "train_time_s": (20 + i) * DAY_S * 64 / n, "cost_usd": usd and usd * (1 + i / 10) * (n / 64) ** 0.1,
            "memory_bytes": (70 - i) * GIB, "energy_kwh": 5e4 * (1 + i / 10),
        }
        for n in gpus for i in range(count)
    ]  # fmt: skip


def runs(errors: list[float]) -> list[dict[str, Any]]:
    """Made rows of a validation: published 0.1 s, 1 s, 10 s, … with these errors."""
    return [
        {"id": f"made-{i}", "source": "made", "gpu": "A100-80GB-SXM", "published": 10.0 ** (i - 1),
         "predicted": 10.0 ** (i - 1) * (1 + error), "inside_band": abs(error) < 0.2}
        for i, error in enumerate(errors)
    ]  # fmt: skip


def layouts_drawn(*arguments: Any, against: pareto.Against = "cost_usd", **named: Any) -> pareto.Data:
    plan = pareto.Mark("64 × A100-80GB-SXM", "the plan", 30 * DAY_S, 5e5, 40 * GIB, 6e4)
    return pareto.Data.of_rows(layouts(*arguments, **named), against, plan)


def surveyed(count: int) -> list[dict[str, Any]]:
    """Rows as `compare --json` has them: ever more GPUs, ever faster and dearer; each third does not fit."""
    return [
        {"name": f"a scenario with a rather long name {i}", "gpus": 8 * (i + 1), "accelerator": "A100-80GB-SXM",
         "train_time_s": 90 * DAY_S / (i + 1), "cost_usd": 1e5 * (1 + i % 7 / 10 + i / 500), "memory_bytes": 40 * GIB,
         "fits": bool(i % 3)}
        for i in range(count)
    ]  # fmt: skip


def test_a_sample_of_runs_speaks_of_all_of_them() -> None:
    errors = np.array([0.05] * 30 + [0.2] * 60 + [0.9] * 10)
    data = predicted_against_published.Data.of_rows(runs([0.05, 0.9]), errors=errors)
    said = predicted_against_published.describe(data)
    assert "100 rows; 30 % within ±10 %, 90 % within ±25 %; 2 of them drawn" in said


@pytest.mark.parametrize("is_needed", [True, False])
def test_a_name_without_room_is_drawn_only_where_it_is_needed(is_needed: bool) -> None:
    axes = Figure((3, 3), dpi=100).add_subplot()
    taken = (-1e4, -1e4, 1e4, 1e4)
    labels.place(axes, [Label(0.5, 0.5, "a run", "black", is_needed=is_needed)], keep_clear=[taken])
    assert [text.get_text() for text in axes.texts] == ["a run"] * is_needed


def test_of_many_plans_those_that_no_other_beats_are_named_and_the_others_tell_their_names() -> None:
    rows = [
        {"name": name, "gpus": 8, "accelerator": "L4", "train_time_s": time, "cost_usd": cost, "memory_bytes": 1.0,
         "fits": fits}
        for name, time, cost, fits in (
            ("fast", 1e6, 9e3, True), ("cheap", 9e6, 1e3, True), ("beaten", 9e6, 9e3, True), ("misfit", 1e5, 1e2, False)
        )
    ]  # fmt: skip
    data = plans.Data.of_rows(rows)
    said = plans.describe(data)
    assert "fast, takes" in said and "cheapest, cheap," in said and "1 that does not fit" in said
    assert plans.readout(data, 3).startswith("misfit") and "does not fit" in plans.readout(data, 3)


CASES: list[tuple[str, ModuleType, Any]] = [
    ("layouts", pareto, layouts_drawn(40, (64, 128, 256, 512))),
    ("layouts-memory", pareto, layouts_drawn(40, against="memory_bytes")),
    ("layouts-one", pareto, layouts_drawn(1)),
    ("layouts-unpriced", pareto, pareto.Data.of_rows(layouts(9, usd=None), "cost_usd")),
    ("layouts-empty", pareto, pareto.Data()),
    ("runs", predicted_against_published, predicted_against_published.Data.of_rows(runs([0.05, -0.02, 0.9, -0.5]))),
    ("runs-one", predicted_against_published, predicted_against_published.Data.of_rows(runs([0.0]))),
    ("runs-empty", predicted_against_published, predicted_against_published.Data()),
    ("runs-sample", predicted_against_published, predicted_against_published.Data.of_rows(
        runs([0.05, -0.02, 0.9, -0.5]), errors=np.linspace(-0.5, 0.5, 50_000))),
    ("plans", plans, plans.Data.of_rows(surveyed(1000))),
    ("plans-one", plans, plans.Data.of_rows(surveyed(1))),
    ("plans-unpriced", plans, plans.Data.of_rows([{**one, "cost_usd": None} for one in surveyed(3)])),
    ("plans-empty", plans, plans.Data()),
]  # fmt: skip


@pytest.mark.parametrize("theme", style.THEMES.values(), ids=lambda theme: theme.name)
@pytest.mark.parametrize(("chart", "data"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
@pytest.mark.parametrize("size", [(3.4, 3.2), (8.0, 5.0)])
def test_every_chart_draws_and_nothing_is_cut(chart: Any, data: Any, theme: style.Theme, size: Any) -> None:
    figure = Figure(figsize=size, dpi=100)
    chart.draw(figure, data, theme)
    figure.draw_without_rendering()
    assert figure.axes and figure.texts
    assert chart.describe(data).endswith(".") and "\n" not in chart.describe(data)
    header, rows = chart.table(data)
    assert all(len(row) == len(header) for row in rows)
    csv_text((header, rows))
    width, height = figure.bbox.width, figure.bbox.height
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    for text in texts:
        box = text.get_window_extent()
        assert box.x0 >= -1 and box.x1 <= width + 1 and box.y0 >= -1 and box.y1 <= height + 1, text.get_text()


def test_the_front_is_what_no_point_is_below_and_left_of() -> None:
    assert scatter.pareto([(1.0, 9.0), (2.0, 9.5), (2.0, 5.0), (3.0, 5.0), (4.0, 1.0)]) == [0, 2, 4]
    assert scatter.pareto([]) == []


def test_the_nearest_point_is_found_within_reach_only() -> None:
    figure = Figure(figsize=(6, 4), dpi=100)
    data = layouts_drawn(12)
    pareto.draw(figure, data, style.LIGHT)
    axes, places = figure.axes[0], pareto.points(data)
    x, y = axes.transData.transform(places[7])
    assert scatter.nearest(axes, places, x + 3, y - 3) == 7
    assert scatter.nearest(axes, places, x, y + 150) is None
    assert scatter.nearest(axes, [(math.nan, 1.0)], x, y) is None


def test_choosing_another_point_moves_the_one_ring() -> None:
    figure = Figure(figsize=(6, 4), dpi=100)
    data = layouts_drawn(12)
    pareto.draw(figure, data, style.LIGHT)
    axes = figure.axes[0]
    count = len(axes.lines)
    limits = axes.get_xlim(), axes.get_ylim()
    for place in pareto.points(data)[:3]:
        scatter.ring(axes, place, style.LIGHT)
    assert len(axes.lines) == count + 1
    assert (axes.get_xlim(), axes.get_ylim()) == limits
    scatter.ring(axes, None, style.LIGHT)
    assert len(axes.lines) == count


def test_on_one_cluster_memory_stands_against_time_and_on_several_cost() -> None:
    assert pareto.against_time(layouts(3)) == "memory_bytes"
    assert pareto.against_time(layouts(3, (64, 128))) == "cost_usd"
    assert pareto.against_time(layouts(3, (64, 128), usd=None)) == "memory_bytes"


def test_the_lines_of_error_are_counted_as_they_are_drawn() -> None:
    data = predicted_against_published.Data.of_rows(runs([0.1, -0.101, 0.25, 0.3]))
    assert data.within(0.10 + 1e-9) == 1 / 4
    assert data.within(0.25 + 1e-9) == 3 / 4
    assert "made-2" in predicted_against_published.readout(data, 2)


def test_rows_without_a_prediction_are_left_out() -> None:
    rows = [*runs([0.0]), {"id": "x", "source": "made", "gpu": "", "published": 1.0, "predicted": None,
                           "inside_band": None}]  # fmt: skip
    assert len(predicted_against_published.Data.of_rows(rows).marks) == 1


@pytest.mark.parametrize(("low", "high"), [(0.01, 1000.0), (3.0, 5.0), (1e9, 2e9)])
def test_log_ticks_are_round_and_few(low: float, high: float) -> None:
    ticks = log_ticks(low, high, 5)
    assert 1 <= len(ticks) <= 5 and all(low <= tick <= high for tick in ticks)
