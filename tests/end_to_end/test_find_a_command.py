"""Somebody who knows what they want types a few letters of it."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest


def found(window: object) -> list[str]:
    shown = window.palette_of_commands.list
    return [shown.item(row).text() for row in range(shown.count())]


def test_a_field_is_found_by_part_of_its_name_and_gets_the_cursor(window: object, qtbot: object) -> None:
    window.show_page("results")
    window.actions_by_name["palette"].trigger()
    typed = window.palette_of_commands.typed
    QTest.keyClicks(typed, "micro-batch")
    assert any("layout.micro_batch" in line for line in found(window))
    QTest.keyClick(typed, Qt.Key.Key_Return)
    assert window.stack.currentWidget() is window.page("training")
    assert window.focusWidget().objectName() == "layout.micro_batch"


def test_the_arrows_choose_and_a_page_opens(window: object) -> None:
    window.actions_by_name["palette"].trigger()
    typed = window.palette_of_commands.typed
    QTest.keyClicks(typed, "explain: cost")
    assert len(found(window)) >= 1
    QTest.keyClick(typed, Qt.Key.Key_Down)
    QTest.keyClick(typed, Qt.Key.Key_Up)
    QTest.keyClick(typed, Qt.Key.Key_Return)
    assert window.explain_panel.isVisible()
    assert window.explain_panel.key == "money.total"


def test_what_does_not_exist_is_said(window: object) -> None:
    window.actions_by_name["palette"].trigger()
    QTest.keyClicks(window.palette_of_commands.typed, "zzz")
    assert found(window) == ["Nothing of that name"]
    QTest.keyClick(window.palette_of_commands.typed, Qt.Key.Key_Return)
    assert window.palette_of_commands.isVisible()


def test_escape_closes_it_and_stops_nothing_else(window: object) -> None:
    window.explain("money.total")
    window.actions_by_name["palette"].trigger()
    QTest.keyClick(window.palette_of_commands.typed, Qt.Key.Key_Escape)
    assert not window.palette_of_commands.isVisible()
    assert window.explain_panel.isVisible()
