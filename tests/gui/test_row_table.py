"""A virtual table: sorted by value, None last, selection kept, copied as shown."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication

from gui.row_table import Column, RowTable

COLUMNS = [
    Column("name", "Name", is_words=True),
    Column("cost", "Cost", lambda value: f"${value:,.0f}"),
    Column("text", "Reads", sort_by="cost"),
]
ROWS = [
    {"name": "b", "cost": 1000.0, "text": "thousand"},
    {"name": "a", "cost": None, "text": None},
    {"name": "c", "cost": 90.0, "text": "ninety"},
]


@pytest.fixture
def table(application: object, qtbot: object, no_qt_warnings: None) -> RowTable:
    made = RowTable("made", "Made", COLUMNS)
    qtbot.addWidget(made)
    made.show_rows(ROWS)
    made.show()
    return made


def shown(table: RowTable, column: int = 0) -> list[str]:
    return [table.rows.text(line, column) for line in range(table.rows.rowCount())]


def test_rows_stand_as_they_come_until_a_header_is_clicked(table: RowTable) -> None:
    assert shown(table) == ["b", "a", "c"]
    assert shown(table, 1) == ["$1,000", "", "$90"]


@pytest.mark.parametrize("column", [1, 2])
def test_sorting_is_by_value_and_what_is_unknown_stands_last(table: RowTable, column: int) -> None:
    table.sortByColumn(column, Qt.SortOrder.AscendingOrder)
    assert shown(table) == ["c", "b", "a"]
    table.sortByColumn(column, Qt.SortOrder.DescendingOrder)
    assert shown(table) == ["b", "c", "a"]


def test_the_chosen_row_stays_chosen_when_the_table_is_sorted(table: RowTable) -> None:
    told: list[int] = []
    table.chosen.connect(told.append)
    table.choose(2)
    assert told == [2] and table.current() == 2
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert table.current() == 2 and table.currentIndex().row() == 0


def test_copy_takes_the_selected_rows_in_the_order_of_the_screen_with_headers(table: RowTable, qtbot: object) -> None:
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    table.choose(0)
    qtbot.keyClick(table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    assert QGuiApplication.clipboard().text() == "Name\tCost\tReads\nb\t$1,000\tthousand\n"
    table.clearSelection()
    table.setColumnHidden(2, True)
    assert table.as_tsv() == "Name\tCost\nc\t$90\nb\t$1,000\na\t\n"


def test_ten_thousand_rows_are_no_widgets(table: RowTable, qtbot: object) -> None:
    table.show_rows([{"name": str(i), "cost": float(-i)} for i in range(10_000)])
    table.sortByColumn(1, Qt.SortOrder.AscendingOrder)
    assert shown(table)[:2] == ["9999", "9998"]
    table.choose(5)
    assert table.current() == 5


def test_an_empty_table_says_why(table: RowTable) -> None:
    table.show_rows([], "Nothing is left.")
    assert table.empty_text == "Nothing is left." and table.current() == -1
    assert not table.grab().isNull()
