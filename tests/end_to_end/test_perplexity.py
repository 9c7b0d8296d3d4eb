"""What a budget buys: budget as text and slider, laws, published models apart by protocol, a fit of one's own."""

from __future__ import annotations

import csv
import math
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import QPoint

PATIENCE_MS = 60_000


@pytest.fixture
def page(window: Any, qtbot: Any) -> Any:
    window.show_page("perplexity")
    page = window.page("perplexity")
    qtbot.waitUntil(lambda: page._found is not None)
    return page


def hover(chart: Any, place: tuple[float, float], qtbot: Any) -> str:
    axes = chart._canvas.figure.axes[0]
    x, y = axes.transData.transform(place) / chart._canvas.device_pixel_ratio
    qtbot.mouseMove(chart._canvas, QPoint(2, 2))
    qtbot.mouseMove(chart._canvas, QPoint(round(x), round(chart._canvas.height() - y)))
    qtbot.waitUntil(lambda: chart._hover.index is not None)
    return str(chart._hover.text)


def test_the_plans_own_compute_is_answered_at_once_and_every_point_tells_its_source(page: Any, qtbot: Any) -> None:
    assert "perplexity 7.69" in page.verdict.text() and "llama-2-7b is 6.74B" in page.verdict.text()
    page.chart.draw_now()
    data = page.chart._data
    expected = {
        "compute-optimal: 26.4B": data.optimum, "1.89× the least compute": data.plan,
        "to serve 1.00T tokens": data.lifetime, "llama-2-70b": data.family.markers[-1],
    }  # fmt: skip
    for words, marker in expected.items():
        told = hover(page.chart, (marker.parameters, marker.perplexity), qtbot)
        assert words in told and "arXiv 2404.10102" in told
    line = data.lines[-1]
    middle = len(line.parameters) * 3 // 4
    told = hover(page.chart, (line.parameters[middle], line.perplexity[middle]), qtbot)
    assert line.label in told and "Price: " in told


def test_slider_and_text_say_the_same_budget_and_a_bad_one_is_marked(page: Any, qtbot: Any) -> None:
    page.form.budget.setText("$2M")
    page.form.changed.emit()
    assert page._found.budget_flops > 3e23 and "$2.00M" in page.verdict.text()
    position = page.form.slider.value()
    page.form.slider.setValue(position - 50)  # a tenth of it
    assert page.form.budget.text().startswith("$") and page._found.budget_flops == pytest.approx(3.7e22, rel=0.05)
    assert page._found.amounts[1][0] == "USD"
    before = page.verdict.text()
    page.form.budget.setText("three apples")
    page.form.changed.emit()
    assert not page.form._message.isHidden() and "not a budget" in page.form._message.text()
    assert page.form.budget.property("invalid") == "true" and page.verdict.text() == before


def test_repeated_data_need_a_law_that_knows_them(page: Any) -> None:
    page.form.unique.setText("100B")
    page.form.changed.emit()
    assert "muennighoff-2023" in page.form._message.text() and page.form.unique.property("invalid") == "true"
    page.form.law.show_value("muennighoff-2023")
    page.form.changed.emit()
    assert page.form._message.isHidden() and page._found.unique_tokens == 1e11
    page.chart.draw_now()
    assert [words for words, _ in page.chart._data.limits] == ["1 epoch", "4 epochs", "16 epochs"]
    assert page.chart._data.family is None


def test_only_one_protocol_is_on_the_chart_and_its_rows_lead_the_table(page: Any, qtbot: Any, tmp_path: Path) -> None:
    page.published.choose("WikiText-2", "GPT-2 BPE 50272")
    page.chart.draw_now()
    (series,) = page.chart._data.observed
    assert all(marker.label.startswith("OPT") for marker in series.markers) and len(series.markers) == 9
    told = hover(page.chart, (series.markers[2].parameters, series.markers[2].perplexity), qtbot)
    assert "published" in told and "context 2,048" in told and "Source:" in told
    page.export_published(tmp_path / "rows.csv")
    rows = list(csv.DictReader((tmp_path / "rows.csv").read_text("utf-8").splitlines()))
    assert {row["benchmark"] for row in rows} == {"WikiText-2"} and rows[0]["family"] == "OPT"
    assert all(row["source"] for row in rows)
    page.published.choose("WikiText-2", "None")
    page.chart.draw_now()
    assert not page.chart._data.observed


def test_the_table_holds_every_point_with_its_source(page: Any, qtbot: Any, tmp_path: Path) -> None:
    page.tabs.setCurrentWidget(page.table.parentWidget())
    page.tabs.setCurrentIndex(1)
    qtbot.waitUntil(lambda: page.table.table is not None and page.table.table.rows.rowCount() > 0)
    page.table.export(tmp_path / "curve.csv")
    rows = list(csv.DictReader((tmp_path / "curve.csv").read_text("utf-8").splitlines()))
    assert len(rows) == page.table.table.rows.rowCount() and all(row["source"] for row in rows)
    assert {"curve", "compute-optimal", "plan", "lifetime-optimal", "other budget"} <= {row["series"] for row in rows}


def test_the_best_size_becomes_the_plan_and_comes_back(page: Any, window: Any, qtbot: Any) -> None:
    before = window.document.plan
    page.use.click()
    plan = window.document.plan
    assert plan.recipe.tokens == round(page._found.optimum.tokens) and plan.model.layers > before.model.layers
    assert window.estimator.update_now().estimate.fits
    window.document.undo()
    assert window.document.plan == before


def test_a_law_of_ones_own_is_fitted_and_chosen(page: Any, window: Any, qtbot: Any, tmp_path: Path) -> None:
    rows = [(N, N * r, 1.7 + 400 / N**0.34 + 1500 / (N * r) ** 0.36) for N in (1e8, 3e8, 1e9, 3e9) for r in (5, 20, 80)]
    points = tmp_path / "our runs.csv"
    points.write_text("parameters,tokens,loss\n" + "".join(f"{N},{D},{L}\n" for N, D, L in rows))
    page.fit(points)
    qtbot.waitUntil(lambda: page.form.law.currentData() == "our-runs", timeout=PATIENCE_MS)
    assert page._found.law.title == "Own fit (12 points)"
    assert page._found.law.parameters["alpha"] == pytest.approx(0.34, rel=1e-3)
    assert "N counts total parameters" in page._law_words.text()
    broken = tmp_path / "broken.csv"
    broken.write_text("parameters,tokens\n1,2\n")
    page.fit(broken)
    qtbot.waitUntil(lambda: page.form.fit.isEnabled(), timeout=PATIENCE_MS)
    assert window.notice.isVisible() and "no column loss" in window.notice.text


def test_a_text_is_counted_and_a_perplexity_carried_over(page: Any, qtbot: Any) -> None:
    page.tokens.text.setPlainText("Tacobell")
    page.tokens.base.show_value("bytes")
    page.tokens.perplexity.setText("3")
    page.tokens.begin()
    qtbot.waitUntil(lambda: page.tokens.start.isEnabled(), timeout=PATIENCE_MS)
    if page.tokens.status.property("role") == "error":
        assert "install" in page.tokens.status.text()  # real tokenizers are optional
        return
    rows = {one["name"]: one for one in page.tokens.table.rows.rows}
    assert rows["bytes"]["perplexity"] == pytest.approx(3) and rows["bytes"]["tokens"] == 8
    other = next(one for name, one in rows.items() if name != "bytes")
    assert math.log(other["perplexity"]) * other["tokens"] == pytest.approx(math.log(3) * 8)


def test_advice_and_caveats_of_the_law_are_told(page: Any) -> None:
    assert {"Critical batch", "Learning rate"} <= {one["about"] for one in page.advice.rows.rows}
    page.form.law.show_value("kaplan-2020")
    page.form.changed.emit()
    assert "Superseded" in page._law_words.text() and "historical" in page._warnings.text()
    page.form.law.show_value("hoffmann-2022")
    page.form.changed.emit()
    assert "not its own" in page._warnings.text() and "do not use them" in page._law_words.text()
