"""A folder is dropped on the window: its plans are listed, filtered, sorted, drawn, handed over; it can be stopped."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import QApplication

from planner.plan import file

PATIENCE_MS = 60_000
COUNT = 12


def folder_of(tmp_path: Path) -> Path:
    """Some plans that differ in their nodes, and a broken file."""
    base = file.load("gpt2")
    for number in range(COUNT):
        plan = base.replace(**{"name": f"plan {number}", "recipe.tokens": (number + 1) * 10**9})
        file.save(plan, tmp_path / f"{number:02}.json")
    (tmp_path / "broken.json").write_text("{")
    return tmp_path


def test_a_dropped_folder_is_listed_filtered_and_handed_over(window: object, qtbot: object, tmp_path: Path) -> None:
    mime = QMimeData()
    mime.setUrls([QUrl.fromLocalFile(str(folder_of(tmp_path)))])
    hands = (Qt.DropAction.CopyAction, mime, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier)
    QApplication.sendEvent(window, QDragEnterEvent(QPoint(9, 9), *hands))
    QApplication.sendEvent(window, QDropEvent(QPointF(9, 9), *hands))
    page = window.page("compare")
    survey = page.survey
    qtbot.waitUntil(lambda: survey.is_running, timeout=PATIENCE_MS)
    assert survey.isVisible() and survey.stop.isVisible()
    qtbot.waitUntil(lambda: not survey.is_running, timeout=PATIENCE_MS)
    assert survey.status.text() == f"✓ {COUNT + 1} plans; 1 cannot be estimated"
    assert survey.table.rows.rowCount() == COUNT + 1

    survey.table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    assert survey.table.rows.text(0, 0) == f"plan {COUNT - 1}"
    survey.filter.setText("11 plan")
    qtbot.waitUntil(lambda: survey.table.rows.rowCount() == 1, timeout=PATIENCE_MS)
    survey.chart.draw_now()
    assert len(survey.chart._data.marks) == 1

    survey.chart.picked.emit(0)
    one = survey._shown[0]
    assert survey.table.selected() == [0]
    survey.keep.click()
    assert [kept.name for kept in page.shelf.kept] == [one["name"]]
    survey.take.click()
    assert window.document.plan.recipe.tokens == one["tokens"] and window.document.plan.name == one["name"]
    window.document.undo()
    survey.table.explain.emit(0, "cost_usd")
    assert window.explain_panel.isVisible()


def test_a_list_is_stopped_and_what_was_estimated_stays(window: object, qtbot: object, tmp_path: Path) -> None:
    window.show_page("compare")
    window.page("compare").open_many([folder_of(tmp_path)])
    survey = window.page("compare").survey
    qtbot.waitUntil(lambda: len(survey._rows) > 0, timeout=PATIENCE_MS)
    survey.stop.click()
    qtbot.waitUntil(lambda: window.job is None and not survey.is_running, timeout=PATIENCE_MS)
    assert survey.table.rows.rowCount() == len(survey._rows) > 0
    assert survey.open_folder.isEnabled() and not survey.stop.isVisible()
