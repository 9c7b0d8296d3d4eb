"""The cost report is exported as CSV; a place that cannot be written costs nothing but a message."""

from __future__ import annotations

import csv
from pathlib import Path

from PySide6.QtWidgets import QFileDialog


def test_the_report_holds_every_figure_at_full_precision(window: object, tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    assert window.files.export(path)
    with path.open(newline="", encoding="utf-8-sig") as stream:
        rows = list(csv.DictReader(stream))
    assert rows
    assert list(rows[0]) == ["section", "item", "value", "unit", "low", "high", "kind", "formula", "source"]
    figure = window.state.estimate.figures["money.total"]
    row = next(row for row in rows if row["section"] == "money" and row["item"] == figure.label)
    assert float(row["value"]) == figure.value
    assert row["kind"] == figure.kind
    assert str(path) in window.strip.text.text()


def test_the_button_asks_for_a_place(window: object, tmp_path: Path, monkeypatch: object) -> None:
    path = tmp_path / "asked"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *args: (str(path), "Table, one row a figure (*.csv)"))
    window.show_page("results")
    window.page("results").export_button.click()
    assert path.with_suffix(".csv").is_file()


def test_a_place_that_cannot_be_written_is_said_and_nothing_is_lost(window: object, tmp_path: Path) -> None:
    window.document.try_set("cluster.nodes", "64")
    plan = window.document.plan
    assert not window.files.export(tmp_path / "nowhere" / "report.csv")
    assert "nowhere" in window.notice.text
    assert window.document.plan is plan
    assert window.document.is_dirty


def test_nothing_is_exported_while_an_input_is_invalid(window: object, tmp_path: Path) -> None:
    window.document.mark_invalid("recipe.tokens", "'abc' is not a number")
    assert not window.files.export(tmp_path / "report.csv")
    assert not (tmp_path / "report.csv").exists()
    assert "abc" in window.notice.text


def test_the_written_report_is_drawn_by_a_job(window: object, qtbot: object, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert window.files.export(path)
    assert window.job is not None
    qtbot.waitUntil(lambda: window.job is None, timeout=60_000)
    page = path.read_text("utf-8")
    assert window.state.estimate.verdict in page
    assert str(path) in window.strip.text.text()


def test_a_written_report_that_cannot_be_written_is_said(window: object, qtbot: object, tmp_path: Path) -> None:
    assert window.files.export(tmp_path / "nowhere" / "report.pdf")
    qtbot.waitUntil(lambda: window.job is None, timeout=60_000)
    assert "nowhere" in window.notice.text
