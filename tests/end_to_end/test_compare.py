"""Scenarios are kept, compared and explained; inputs are varied; advice is applied and taken back."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QPushButton

from gui.job_queue import Order
from gui.jobs import Job, Outcome

PATIENCE_MS = 60_000


@pytest.fixture
def page(window: object) -> object:
    window.show_page("compare")
    return window.page("compare")


def settled(page: object, qtbot: object) -> None:
    qtbot.waitUntil(
        lambda: not (page._quiet.isActive() or page._slices.is_running or page._curve_slices.is_running),
        timeout=PATIENCE_MS,
    )


def lines(page: object, group: int) -> list[list[str]]:
    root = page.table.topLevelItem(group)
    return [[root.child(i).text(c) for c in range(page.table.columnCount())] for i in range(root.childCount())]


def test_a_plan_kept_twice_with_one_edit_between_differs_in_exactly_that_input(
    page: object, window: object, qtbot: object, tmp_path: Path
) -> None:
    assert page._empty.isVisible() and "Add this plan" in page._empty.text() and not page.table.isVisible()
    qtbot.mouseClick(page.add, Qt.MouseButton.LeftButton)
    window.document.try_set("cluster.nodes", "64")
    qtbot.mouseClick(page.add, Qt.MouseButton.LeftButton)
    settled(page, qtbot)
    assert [line[0] for line in lines(page, 0)] == ["Nodes"]
    assert lines(page, 0)[0][1:3] == ["32", "64"]
    cost = next(line for line in lines(page, 1) if line[0] == "Cost")
    assert cost[3].startswith("≈ +")

    # A figure of the second column opens the derivation of the second scenario.
    item = next(page.table.topLevelItem(1).child(i) for i in range(9)
                if page.table.topLevelItem(1).child(i).text(0) == "Training time")  # fmt: skip
    page.table.setCurrentItem(item, 2)
    page.table.setFocus()
    window.explain_focused()
    assert window.explain_panel.isVisible()
    assert window.explain_panel.findChild(type(window.explain_panel._value), "explain.value").text() == item.text(2)

    assert page.export(tmp_path / "comparison.csv")
    with (tmp_path / "comparison.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["item"] for row in rows if row["section"] == "input" and row["differs"] == "True"] == ["cluster.nodes"]
    page.chart.draw_now()
    assert "Cost" in page.chart.accessibleDescription() or page.chart._data.label

    page.all_inputs.click()
    assert len(lines(page, 0)) > 30


def test_scenarios_are_four_at_most_survive_a_restart_and_can_be_taken_as_the_plan(
    page: object, open_window: object, window: object, qtbot: object
) -> None:
    page.add_shipped("gpt2")
    page.add_shipped("llama-2-70b")
    page.add_plan()
    page.open(Path("no-such-file.json"))
    assert len(page.shelf.kept) == 3 and "no such file" in window.notice.text
    page.add_plan()
    assert page.shelf.is_full and not page.add.isEnabled()
    page._rename(0, "small")

    again = open_window()
    again.show_page("compare")
    other = again.page("compare")
    assert [one.name for one in other.shelf.kept] == ["small", "llama-2-70b", "llama-2-7b", "llama-2-7b 2"]
    before = again.document.plan
    other.use(1)
    assert again.document.plan.model.name == "llama-2-70b" and again.document.stack.count() == 1
    again.document.undo()
    assert again.document.plan == before
    other._put_first(2)
    other._remove(3)
    assert [one.name for one in other.shelf.kept] == ["llama-2-7b", "small", "llama-2-70b"]


def test_the_names_of_the_rows_stay_in_sight_when_the_scenarios_are_scrolled_sideways(
    page: object, window: object, qtbot: object
) -> None:
    window.resize(1024, 680)
    for name in ("gpt2", "llama-2-70b", "llama-2-7b"):
        page.add_shipped(name)
    page.add_plan()
    settled(page, qtbot)
    table, bar = page.table, page.table.horizontalScrollBar()
    assert table.names.isHidden()
    bar.setValue(bar.maximum())
    assert bar.maximum() > table.columnWidth(0) and table.names.isVisible()
    table.verticalScrollBar().setValue(table.verticalScrollBar().maximum())
    assert table.names.verticalScrollBar().value() == table.verticalScrollBar().value() > 0
    line = table.topLevelItem(1).child(8)
    inside = table.visualItemRect(line).center()
    inside.setX(40)
    seen = table.names.viewport().mapFromGlobal(table.viewport().mapToGlobal(inside))
    assert table.names.indexAt(seen).data() == line.text(0)
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=inside)
    assert (table.currentItem(), table.currentColumn()) == (line, 0) and bar.value() == bar.maximum()


def test_scenarios_are_estimated_again_after_a_profile_in_any_window(
    page: object, open_window: object, window: object, qtbot: object
) -> None:
    page.add_plan()
    settled(page, qtbot)
    kept, before = page.shelf.kept[0].plan, next(iter(page._estimates.values()))[1]
    other = open_window()
    order = Order("profile", "Profile", Job(["--version"], parent=other), was_asked=True)
    other.jobs.ended.emit(order, Outcome("done", "", {}))
    settled(page, qtbot)
    after = page._estimates[id(kept)][1]
    assert after is not before and after.figures["time.step"].value == before.figures["time.step"].value


def test_the_tornado_follows_the_figure_and_a_bar_opens_its_curve(page: object, window: object, qtbot: object) -> None:
    page.tabs.setCurrentIndex(1)
    page.tabs.setCurrentIndex(2)  # before it is answered: it is asked again when one comes back
    page.tabs.setCurrentIndex(1)
    settled(page, qtbot)
    page.tornado.draw_now()
    assert page.tornado._data.bars[0].key in ("prices.usd_per_gpu_hour", "recipe.tokens")
    number = next(i for i, bar in enumerate(page.tornado._data.bars) if bar.key == "recipe.tokens")
    page.tornado.picked.emit(number)
    settled(page, qtbot)
    page.curve.draw_now()
    assert page.curve._data.input == "Training tokens" and "Source" in page.reason.text()
    page.measure.setCurrentIndex(3)
    page.measure.chosen.emit("perplexity")
    settled(page, qtbot)
    page.tornado.draw_now()
    assert {bar.key for bar in page.tornado._data.bars} == {"recipe.tokens", "prediction"}


def test_advice_is_applied_as_one_step_keeps_its_promise_and_is_taken_back(
    page: object, window: object, qtbot: object
) -> None:
    window.document.apply({"layout.recompute": "full"}, "recompute")
    window.estimator.update_now()
    page.tabs.setCurrentIndex(2)
    settled(page, qtbot)
    before, steps = window.document.plan, window.document.stack.count()
    apply = page.findChild(QPushButton, "compare.apply.1")
    told = page._advice[1]
    qtbot.mouseClick(apply, Qt.MouseButton.LeftButton)
    assert window.document.stack.count() == steps + 1
    state = window.estimator.update_now()
    assert float(state.estimate.outcome.train_time_s) == pytest.approx(told.after["train_time_s"], rel=1e-9)
    assert state.estimate.fits
    window.document.undo()
    assert window.document.plan == before


def test_nothing_is_computed_for_tabs_that_are_not_looked_at(window: object, qtbot: object) -> None:
    window.show_page("compare")
    page = window.page("compare")
    window.show_page("results")
    window.document.try_set("cluster.nodes", "64")
    window.estimator.update_now()
    assert not page._slices.is_running and page._found is None
