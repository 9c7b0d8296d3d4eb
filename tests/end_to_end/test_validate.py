"""The shipped table is scored without blocking; its summary is the command line's; a table of one's own opens."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import Qt

from gui.pages.validate import SKIPPED, show_score
from planner import validation

OWN = """id,source_key,kind,model_name,n_layers,hidden,n_heads,seq_len,gpu,n_gpus,tp,pp,dp,global_batch,step_time_s
mine-1,mine,benchmark,small,24,2048,16,2048,A100-80GB-SXM,8,1,1,8,64,3.0
mine-2,mine,benchmark,small,24,2048,16,2048,A100-80GB-SXM,8,2,1,4,64,3.4
mine-3,mine,benchmark,small,24,2048,16,2048,H1000,8,1,1,8,64,1.0
"""
PATIENCE_MS = 60_000


def scored(window: object, qtbot: object) -> object:
    """The Validate page after its run has ended."""
    page = window.page("validate")
    qtbot.waitUntil(lambda: window.job is None and page.start.isEnabled(), timeout=PATIENCE_MS)
    return page


@pytest.fixture
def page(window: object, qtbot: object) -> object:
    """The page as it is when one first comes to it."""
    window.show_page("validate")
    assert window.page("validate").stop.isVisible(), "it runs in a process of its own"
    return scored(window, qtbot)


def test_the_summary_equals_the_command_lines_and_rows_are_linked_to_the_chart(page: object) -> None:
    said = validation.validate()
    assert page.status.text().startswith("✓")
    for name, card in page.cards.items():
        assert card.value.text() == show_score(name, said.summary[name])
    assert page.by_source.rows.rowCount() == len(said.by_source) + 1
    last = page.by_source.rows.rows[-1]
    assert last["name"] == "all" and last["mape"] == pytest.approx(said.summary["mape"])
    assert str(said.fits["true_fits"]) in page.others.text()

    # Rows are sorted, filtered and linked to the chart.
    steps = page.table.rows.rowCount()
    assert steps == page._answer["summary"]["n"]
    page.table.sortByColumn(next(i for i, c in enumerate(page.table.rows.columns) if c.key == "error"),
                            Qt.SortOrder.DescendingOrder)  # fmt: skip
    page.chart.draw_now()
    page.chart.picked.emit(4)
    assert page._lines[page.table.current()] is page._drawn[4]
    page.table.choose(0)
    assert page.chart._chosen == page._drawn.index(page._lines[0])

    page.by_source.opened.emit(0)
    name = page.by_source.rows.rows[0]["name"]
    assert {row["source"] for row in page._lines} == {name} and page.tabs.currentIndex() == 0
    page.source.show_value("")
    for metric in ("memory_bytes", "fits", SKIPPED):
        page.metric.show_value(metric)
        page._fill_rows()
        page.chart.draw_now()
        assert 0 < page.table.rows.rowCount() < steps or metric == "fits"
        assert page.table.as_tsv().count("\n") == page.table.rows.rowCount() + 1
    assert all(row["skipped"] for row in page._lines)


def test_a_table_of_ones_own_is_scored_and_a_broken_one_changes_nothing(
    page: object, window: object, qtbot: object, tmp_path: Path
) -> None:
    own, broken = tmp_path / "own.csv", tmp_path / "broken.csv"
    own.write_text(OWN)
    broken.write_text("name,colour\nx,red\n")
    page.open(own)
    scored(window, qtbot)
    assert page.cards["n"].value.text() == "2" and page.runs.currentText() == "own.csv"
    assert "1 skipped" in page.status.text()
    page.open(broken)
    scored(window, qtbot)
    assert "not a table of runs" in page.status.text() and page.status.property("role") == "error"
    assert page.runs.currentText() == "own.csv" and page.cards["n"].value.text() == "2"
    assert page.runs.findText("broken.csv") < 0
