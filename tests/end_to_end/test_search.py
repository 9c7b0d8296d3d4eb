"""A search runs, lists, draws; a layout is chosen in table or chart, and used as one step that can be undone."""

from __future__ import annotations

import math

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from gui.job_queue import JobQueue
from gui.sidebar import Sign

SMALL = {"cluster.nodes": 2, "recipe.global_batch": 64}
PATIENCE_MS = 60_000


def searched(window: object, qtbot: object) -> object:
    """The Search page after its search has ended."""
    page = window.page("search")
    qtbot.waitUntil(lambda: window.job is None and not page.stop.isVisible(), timeout=PATIENCE_MS)
    return page


@pytest.fixture
def page(window: object, qtbot: object) -> object:
    """The page as it is when one first comes to it, on a small plan."""
    window.document.apply(SMALL, "small")
    window.show_page("search")
    return searched(window, qtbot)


def test_the_first_visit_searches_and_a_layout_is_used_and_taken_back(
    page: object, window: object, qtbot: object
) -> None:
    assert page.status.text().startswith("✓") and page.table.rows.rowCount() > 100
    assert page.table_row() == 0 and page.chosen.text().startswith("#1")
    assert page.fallen.rows.rowCount() >= 2
    drawn = page.chart._source
    window.show_page("results")
    window.show_page("search")
    assert page.chart._source is drawn, "a mere visit draws nothing anew"
    before, steps = window.document.plan, window.document.stack.count()

    qtbot.mouseClick(page.take, Qt.MouseButton.LeftButton)
    assert window.document.stack.count() == steps + 1
    state = window.estimator.update_now()
    best = page._rows[0]
    assert state.estimate.json["cost_usd"]["total"] == pytest.approx(best["cost_usd"], rel=1e-9)
    assert "●" in best["sign"] and not page.take.isEnabled()
    assert page.stale.isHidden(), "using a layout does not make the search old"
    window.document.undo()
    assert window.document.plan == before
    window.estimator.update_now()
    assert page.take.isEnabled()

    # A cancelled search keeps the last results.
    count = page.table.rows.rowCount()
    page.begin()
    qtbot.mouseClick(page.stop, Qt.MouseButton.LeftButton)
    searched(window, qtbot)
    assert page.status.text().startswith(("Cancelled", "✓")) and page.table.rows.rowCount() == count
    assert page.last == Sign("✓", "good", f"{page._answer['fits']:,} layouts fit")


def test_table_and_chart_choose_the_same_layout_and_rows_copy(page: object, qtbot: object) -> None:
    page.chart.draw_now()
    page.table.choose(3)
    axes = page.chart._canvas.figure.axes[0]
    rings = [line for line in axes.lines if line.get_gid() == "chosen"]
    row = page._rows[3]
    assert [tuple(line.get_xydata()[0]) for line in rings] == [(row["train_time_s"], row["memory_bytes"])]

    page.chart.picked.emit(7)
    assert page.table_row() == 7 and page.chosen.text().startswith(f"#{page._rows[7]['rank']}")

    # A click on a point of the front.
    front = next(number for number, row in enumerate(page._rows) if row["on_front"] and number)
    row = page._rows[front]
    x, y = axes.transData.transform((row["train_time_s"], row["memory_bytes"]))
    ratio = page.chart._canvas.device_pixel_ratio
    place = page.chart._canvas.rect().topLeft()
    place.setX(round(x / ratio))
    place.setY(round(page.chart._canvas.height() - y / ratio))
    qtbot.mouseClick(page.chart._canvas, Qt.MouseButton.LeftButton, pos=place)
    chosen = page._rows[page.table_row()]
    assert math.isclose(chosen["train_time_s"], row["train_time_s"], rel_tol=0.05)

    # Only the front is shown when asked, and the choice stays.
    front = [number for number, row in enumerate(page._rows) if row["on_front"]]
    page.choose(front[1])
    page.only_front.click()
    assert page.table.rows.rowCount() == len(front) and page.table_row() == front[1]
    page.choose(next(number for number in range(len(page._rows)) if number not in front))
    assert not page.only_front.isChecked() and page.table.rows.rowCount() == len(page._rows)

    page.table.choose(0)
    page.table.copy()
    header, first = QGuiApplication.clipboard().text().splitlines()
    assert header.split("\t")[:3] == ["", "#", "Cost"] and first.split("\t")[1] == "1"


def test_limits_and_clusters_are_checked_searched_and_used(page: object, window: object, qtbot: object) -> None:
    page.form.texts["budget"].setText("cheap")
    page.begin()
    assert window.job is None and "Budget" in page.form._message.text()

    page.form.texts["budget"].setText("$1")
    page.begin()
    assert page.stop.isVisible() and not page.start.isEnabled()
    searched(window, qtbot)
    assert "rules them all out" in page.status.text() and page.table.rows.rowCount() == 0
    assert page.tabs.currentIndex() == 1
    assert "Over budget" in page.fallen.as_tsv()
    assert not page.take.isEnabled()

    page.form.texts["budget"].setText("")
    page.form.texts["gpus"].setText("16, 12")
    page.begin()
    searched(window, qtbot)
    assert "do not fill nodes" in page.status.text() and page.status.property("role") == "error"

    # Several clusters are compared by cost, and used with the cluster.
    page.form.texts["gpus"].setText("8, 32")
    page.begin()
    searched(window, qtbot)
    page.chart.draw_now()
    assert page.chart._data.against == "cost_usd" and len(page.chart._data.clusters) == 2
    number = next(number for number, row in enumerate(page._rows) if row["gpus"] == 32)
    page.choose(number)
    page.use()
    assert window.document.plan.cluster.gpus == 32
    window.document.try_set("recipe.global_batch", "128")
    window.estimator.update_now()
    assert not page.stale.isHidden() and "The plan has changed" in page.stale.text()


def test_a_broken_layout_can_still_be_searched_and_a_broken_model_not(window: object, qtbot: object) -> None:
    window.document.apply({**SMALL, "layout.tp": 3}, "broken layout")
    window.estimator.update_now()
    window.suggest_layout()
    page = searched(window, qtbot)
    assert page.table.rows.rowCount() > 0
    assert page.form.objective.currentData() == "time"
    window.document.try_set("model.heads", "33")
    window.estimator.update_now()
    assert not page.start.isEnabled() and page.status.text().startswith("Cannot search")
    window.document.try_set("model.heads", "32")
    window.estimator.update_now()
    assert page.start.isEnabled() and page.status.text().startswith("✓")


def test_a_second_job_waits_for_the_first_and_may_be_cancelled_before_it_begins(
    application: object, qtbot: object
) -> None:
    queue, told, ended = JobQueue(), {}, []
    queue.ended.connect(lambda order, outcome: ended.append((order.key, outcome.status)))
    for key in ("profile", "search", "validate"):
        queue.put(key, "Version", ["--version"], lambda job, key=key: told.__setitem__(key, job))
    assert queue.running.key == "profile" and queue.waiting == 2
    queue.cancel("search")
    assert ended == [("search", "cancelled")] and not told["search"].is_running
    qtbot.waitUntil(lambda: queue.running is None, timeout=PATIENCE_MS)
    assert ended[1:] == [("profile", "done"), ("validate", "done")]


def test_a_chart_that_was_never_drawn_is_neither_exported_nor_copied(window: object) -> None:
    window.show_page("search")
    window.jobs.cancel()
    window.export_chart()  # a dialog would fail the test
    window.copy_chart()
    assert "no chart yet" in window.strip.text.text()
