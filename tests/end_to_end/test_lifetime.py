"""A model's life: what it serves, on which server, the stages after pre-training, one task; edited and undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from planner.plan import file


@pytest.fixture
def window(open_window: Any) -> Any:
    return open_window(file.load("llama-2-70b"))


@pytest.fixture
def page(window: Any, qtbot: Any) -> Any:
    window.show_page("lifetime")
    page = window.page("lifetime")
    settle(page, window, qtbot)
    return page


def settle(page: Any, window: Any, qtbot: Any) -> None:
    window.estimator.update_now()
    qtbot.waitUntil(lambda: page._estimate is window.state.estimate)


def test_the_verdict_adds_training_post_training_and_serving_and_names_safety(page: Any, window: Any) -> None:
    assert page.verdict.text().startswith(
        "llama-2-70b costs $14.3M over its life: training $4.45M, post-training $8.74M"
    )
    assert "safety takes 36\N{NO-BREAK SPACE}% of the post-training" in page.verdict.text()
    figures = page.life.figures
    parts = ("lifetime.training", "lifetime.post_training", "lifetime.serving")
    assert figures["lifetime.total"].value == pytest.approx(sum(figures[key].value for key in parts))
    page.costs.opened.emit("lifetime.serving")
    assert window.explain_panel.isVisible() and "price·tokens" in window.explain_panel._formula.text()


def test_the_slider_sets_what_is_served_and_undo_takes_the_section_back(page: Any, window: Any, qtbot: Any) -> None:
    before = window.document.plan
    for step in (20, 40, 60):
        page.slider.setValue(page.slider.value() + step)
    served = window.document.plan.lifetime.served_tokens
    assert served > 1e14
    settle(page, window, qtbot)
    assert "less training and serving" in page.verdict.text()
    assert page.life.best.parameters < page.life.plan.parameters
    window.document.undo()  # one stay on the slider is one step
    assert window.document.plan == before
    settle(page, window, qtbot)
    assert page.life.life.served_tokens == 1e12


def test_the_forms_edit_the_plans_lifetime(page: Any, window: Any, qtbot: Any) -> None:
    price = page.serving_form.rows["lifetime.usd_per_gpu_hour"].input
    shipped, cost = float(price.placeholderText()), page.life.plan.serving_usd
    price.setText("8")
    price.textEdited.emit("8")
    settle(page, window, qtbot)
    assert page.life.plan.serving_usd == pytest.approx(cost * 8 / shipped, rel=1e-6)
    assert window.document.plan.lifetime.usd_per_gpu_hour == 8
    window.focus_field("lifetime.task.calls")
    assert page.tabs.currentIndex() == 3


def test_a_stage_is_changed_added_and_removed_and_every_step_undone(page: Any, window: Any, qtbot: Any) -> None:
    before = window.document.plan
    names = [one["name"] for one in page.stages.table.rows.rows]
    assert names[0] == "Pre-training" and names[-1] == "Together"
    page.stages.table.choose(names.index("Red teaming"))
    rounds = page.stages._form.rows["post_training.stages.7.rounds"].input
    hours = page.stages._form.rows["post_training.stages.7.expert_hours"]
    assert "50" not in hours.input.text() or (hours.input.text() and "Expert hours" in hours.spec.title)
    rounds.setText("10")
    rounds.textEdited.emit("10")
    settle(page, window, qtbot)
    assert window.document.plan.post_training.stages[7].rounds == 10
    assert page.stages.table.rows.rows[names.index("Red teaming")]["usd"] > 3e6
    page.stages.add.click()
    assert window.document.plan.post_training.stages[-1].name == "Stage 9"
    settle(page, window, qtbot)
    page.stages.remove.click()
    assert len(window.document.plan.post_training.stages) == 8
    for _ in range(3):
        window.document.undo()
    assert window.document.plan == before


def test_a_plan_without_post_training_begins_with_llama_2s_account(open_window: Any, qtbot: Any) -> None:
    window = open_window()
    window.show_page("lifetime")
    page = window.page("lifetime")
    settle(page, window, qtbot)
    assert not page.stages.begin.isHidden() and page.stages.table.rows.rowCount() == 0
    page.stages.begin.click()
    settle(page, window, qtbot)
    assert window.document.plan.post_training.name == "llama-2" and "Safety takes" in page.stages.words.text()


def test_charts_tell_their_prices_and_tables_are_written(page: Any, qtbot: Any, tmp_path: Path) -> None:
    for name, words in (("lifetime_cost", "Sardana"), ("break_even", "Price: ")):
        chart = page.charts[name]
        page.tabs.setCurrentIndex(0 if name == "lifetime_cost" else 3)
        qtbot.waitUntil(chart.isVisible)
        chart.draw_now()
        points = chart._chart.points(chart._data)
        told = [chart._chart.readout(chart._data, index) for index in range(len(points))]
        assert words in told[-1] and all(told)
        page.tables[name].export(tmp_path / f"{name}.csv")
        header, *rows = (tmp_path / f"{name}.csv").read_text("utf-8").splitlines()
        assert "source" in header and rows
    assert "bert-large-cased" in (tmp_path / "break_even.csv").read_text("utf-8")


def test_the_networks_are_compared_in_a_child_process_and_told_as_a_chart_and_a_table(
    page: Any, window: Any, qtbot: Any
) -> None:
    page.tabs.setCurrentWidget(page.networks)
    page.networks.keep.click()
    page.networks.start.click()
    qtbot.waitUntil(lambda: page.networks.start.isEnabled(), timeout=60_000)
    told = page.networks.status.text()
    assert "Commodity Ethernet" in told and "own layout" in told
    assert page.networks.chart.isVisible() and not page.networks.table.isVisible()
    page.networks.as_table.click()
    qtbot.waitUntil(page.networks.table.isVisible)
    table = page.networks.table.table
    labels = [row["network"] for row in table.rows.rows]
    assert "InfiniBand NDR 400" in labels and sum(bool(row["is_plan"]) for row in table.rows.rows) == 1
    page.networks.as_table.click()
    qtbot.waitUntil(page.networks.chart.isVisible)
    page.networks.chart.draw_now()
    window.document.apply({"cluster.nodes": window.document.plan.cluster.nodes * 2}, "twice the nodes")
    qtbot.waitUntil(lambda: "changed since" in page.networks.status.text(), timeout=5_000)
