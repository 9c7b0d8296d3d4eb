"""Schedule and memory over a step: drawn empty, of one stage and of many, nothing cut, true to what was simulated."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.figure import Figure

from planner.charts import contents, memory_timeline, schedule, style
from planner.charts.export import csv_text
from planner.estimate import Estimate, estimate
from planner.formula import Node
from planner.plan.file import load


def estimated(name: str, **changes: Any) -> Estimate:
    return estimate(load(name).replace(**{key.replace("__", "."): value for key, value in changes.items()}))


PLANS = {
    "many": estimated("llama-2-70b"),
    "one": estimated("gpt2", recipe__global_batch=32),
    "uneven": estimated("llama-3.1-405b"),
    "too many": estimated("gpt3-175b", recipe__global_batch=1536 * 8),
}


@pytest.mark.parametrize("theme", style.THEMES.values(), ids=lambda theme: theme.name)
@pytest.mark.parametrize("size", [(3.4, 3.2), (8.0, 5.0)])
@pytest.mark.parametrize("name", [*PLANS, "empty"])
@pytest.mark.parametrize("chart", [schedule, memory_timeline])
def test_every_chart_draws_and_nothing_is_cut(chart: Any, name: str, size: Any, theme: style.Theme) -> None:
    figure = Figure(figsize=size, dpi=100)
    data = getattr(contents, chart.__name__.rpartition(".")[2])(chart, PLANS[name]) if name in PLANS else chart.Data()
    chart.draw(figure, data, theme)
    figure.draw_without_rendering()
    assert chart.describe(data).endswith(".") and "\n" not in chart.describe(data)
    header, rows = chart.table(data)
    assert all(len(row) == len(header) for row in rows)
    csv_text((header, rows))
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    texts += [text for legend in figure.legends for text in legend.get_texts()]
    for text in texts:
        left, bottom, right, top = style.extent(text)
        assert left >= -1 and right <= figure.bbox.width + 1 and bottom >= -1 and top <= figure.bbox.height + 1


def test_what_is_too_much_to_draw_is_said() -> None:
    data = contents.schedule(schedule, PLANS["too many"])
    assert not data.events and "too many" in schedule.describe(data)


def test_the_schedules_shares_add_up_and_its_uneven_stages_are_told() -> None:
    data = contents.schedule(schedule, PLANS["many"])
    assert sum(data.shares.values()) == pytest.approx(1)
    assert "estimate" not in schedule.describe(data)
    assert "as if all stages were as long" in schedule.describe(contents.schedule(schedule, PLANS["uneven"]))


def test_a_point_tells_of_its_event() -> None:
    data = contents.schedule(schedule, PLANS["many"])
    words = schedule.readout(data, 0)
    assert words.startswith("Stage 1: Forward of micro-batch 1, chunk 1")
    assert schedule.points(data)[0][1] == 0.0


def test_the_timelines_table_peaks_where_the_estimate_does() -> None:
    data = contents.memory_timeline(memory_timeline, PLANS["many"])
    header, rows = memory_timeline.table(data)
    peak = max(row[header.index("total_bytes")] for row in rows)
    assert peak == pytest.approx(float(PLANS["many"].outcome.memory.total))
    assert "stage 1" in memory_timeline.describe(data)
    at, size = memory_timeline.points(data)[3]
    assert f"{size:.1f}"[:2] in memory_timeline.readout(data, 3) and at > 0


@pytest.mark.parametrize("name", ["many", "one", "uneven"])
def test_what_a_block_takes_is_derived_from_the_estimates_formulas(name: str) -> None:
    data = contents.schedule(schedule, PLANS[name])
    ends = {0, data.pipeline.stages // 2, data.pipeline.stages - 1}
    kinds = {(one.kind, one.stage, one.chunk): i for i, one in enumerate(data.events) if one.stage in ends}
    for index in kinds.values():
        one = data.events[index]
        figure = schedule.explained(data, index)()
        assert figure.value == pytest.approx(one.end_s - one.start_s, rel=1e-6), one
        assert figure.node is not None and all_have_a_source(figure.node), one.kind


@pytest.mark.parametrize("name", ["many", "one", "uneven"])
def test_what_a_stage_holds_is_derived_part_by_part(name: str) -> None:
    data = contents.memory_timeline(memory_timeline, PLANS[name])
    places = memory_timeline.points(data)
    for index in sorted({0, 1, 2, 3, len(places) // 2, len(places) - 2, len(places) - 1}):
        figure = memory_timeline.explained(data, index)()
        assert figure.value == pytest.approx(places[index][1] * 2**30, rel=1e-9), memory_timeline.readout(data, index)
        assert figure.node is not None and all_have_a_source(figure.node)
    highest = max(range(len(places)), key=lambda index: places[index][1])
    peak = PLANS[name].figures["memory.total"].value
    assert memory_timeline.explained(data, highest)().value == pytest.approx(peak, rel=1e-9)


def all_have_a_source(root: Node) -> bool:
    waiting, seen = [root], {id(root)}
    for node in waiting:
        assert node.recombined() == pytest.approx(node.value, rel=1e-12), node.name
        waiting += [one for one in node.children.values() if id(one) not in seen]
        seen |= {id(one) for one in waiting}
    return all(node.children or node.source for node in waiting)
