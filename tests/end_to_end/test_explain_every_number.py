"""Every number of a page opens into its derivation: the root is the number, and each leaf says its source."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTreeWidget, QTreeWidgetItem, QWidget

from gui.cards import MetricCard
from gui.chart_view import ChartView
from gui.facts import FigureLabel
from gui.tables import KEY, FigureTree
from planner.plan import file

STEP = Qt.ItemDataRole.UserRole


def lines(tree: QTreeWidget, seen: set[int]) -> Iterator[tuple[QTreeWidgetItem, Any]]:
    """Lines of a tree with their nodes, each opened as a click on its arrow would; a node shared by several once."""
    waiting = [tree.topLevelItem(number) for number in range(tree.topLevelItemCount())]
    while waiting:
        item = waiting.pop()
        node = item.data(0, STEP).node
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        item.setExpanded(True)
        waiting += [item.child(number) for number in range(item.childCount())]
        yield item, node


@pytest.mark.parametrize("page", ["results", "model", "training"])
def test_root_is_what_is_shown_and_leaves_have_a_source(window: object, page: str) -> None:
    window.show_page(page)
    shown = window.page(page)
    keys = {card.key for card in shown.findChildren(MetricCard)}
    for tree in shown.findChildren(FigureTree):
        keys |= {item.data(0, KEY) for item in tree._all(tree.invisibleRootItem())} - {"", None}
    assert keys
    panel, figures, seen = window.explain_panel, window.state.estimate.figures, set()
    for key in keys:
        window.explain(key)
        assert panel.key == key
        assert panel.findChild(QWidget, "explain.value").text() == figures[key].text
        for item, node in lines(panel.tree, seen):
            assert node.recombined() == pytest.approx(node.value, rel=1e-12), (key, item.text(0))
            assert node.children or node.source, f"{key}: {item.text(0)} has no source"


def assert_explained(window: object, what: str, seen: set[int]) -> None:
    """The panel shows a figure whose every step is right and whose every leaf has a source; it copies as Markdown."""
    panel, figure = window.explain_panel, window.explain_panel._figure
    assert panel.isVisible(), what
    assert panel.findChild(QWidget, "explain.value").text() == figure.text
    assert figure.node is not None, what
    for item, node in lines(panel.tree, seen):
        assert node.recombined() == pytest.approx(node.value, rel=1e-12), (what, item.text(0))
        assert node.children or node.source, f"{what}: {item.text(0)} has no source"


@pytest.mark.parametrize("page", ["hardware", "training", "perplexity"])
def test_every_fact_opens_into_its_derivation(window: object, qtbot: object, page: str) -> None:
    """What a label shows is the figure that it opens, to the digits shown."""
    window.show_page(page)
    shown = window.page(page)
    qtbot.waitUntil(lambda: all(facts_ready(shown, page)))
    labels = [one for one in shown.findChildren(FigureLabel) if one.isVisible() and one.key]
    assert len(labels) >= {"hardware": 10, "training": 7, "perplexity": 15}[page]
    seen: set[int] = set()
    for one in labels:
        qtbot.mouseClick(one, Qt.MouseButton.LeftButton)
        assert_explained(window, one.accessibleName(), seen)
        if math.isinf(window.explain_panel._figure.value):
            assert one.text() == "never"
            continue
        first, said = digits(window.explain_panel._figure.text)[0], digits(one.text())
        assert any(abs(first - other) < 0.05 * first for other in said), (one.accessibleName(), first)


def digits(text: str) -> list[float]:
    """The numbers of a text without their powers of ten: 80.9 and 8.09 × 10²² are both 8.09."""
    found = [float(number.replace(",", "")) for number in re.findall(r"\d[\d,]*\.?\d*", text)]
    return [number / 10 ** math.floor(math.log10(number)) for number in found if number]


def facts_ready(page: Any, key: str) -> list[bool]:
    """The page has answered."""
    if key == "training":
        return [page.findChild(FigureLabel, f"{name}.words").text() for name in ("tokens.optimal", "advice.critical")]
    return [bool(page.verdict.text())] if key == "perplexity" else [True]


@pytest.mark.parametrize(
    ("page", "name"),
    [("perplexity", "size_against_perplexity"), ("lifetime", "lifetime_cost"), ("lifetime", "break_even")],
)
def test_every_kind_of_point_opens_into_its_derivation(window: object, qtbot: object, page: str, name: str) -> None:
    """The ends and the middle of each line, and each named point; the value is the one that is drawn."""
    window.show_page(page)
    shown = window.page(page)
    chart = next(one for one in shown.findChildren(ChartView) if one.objectName() == f"chart.{name}")
    qtbot.waitUntil(lambda: chart._source is not None)
    from importlib import import_module

    from planner.charts import contents

    module = import_module(f"planner.charts.{name}")
    data = getattr(contents, name)(module, chart._source)
    points, series = module.points(data), module.series(data)
    looked_at = {index for line in series for index in (line[0], line[len(line) // 2], line[-1])}
    seen: set[int] = set()
    for index in sorted({*range(module.leading(data)), *looked_at}):
        figure = module.explained(data, index)()
        value = points[index][0] if name == "break_even" and index < len(data.break_evens) else points[index][1]
        scale = module._scale(max(data.total_usd))[0] if name == "lifetime_cost" else 1.0
        assert figure.value == pytest.approx(value * scale, rel=1e-9), module.readout(data, index)
        shown.explain_figure.emit(figure)
        assert_explained(window, module.readout(data, index), seen)
    header, rows = module.table(data)
    at = header.index({"size_against_perplexity": "perplexity"}.get(name, "total_usd"))
    for row in range(0, len(rows), 7):
        if name != "break_even":
            assert module.explained(data, module.of_row(data, row))().value == pytest.approx(rows[row][at], rel=1e-9)


def test_every_cell_of_the_post_training_account_opens(open_window: Any, qtbot: Any) -> None:
    window = open_window(file.load("llama-2-70b"))
    window.show_page("lifetime")
    page = window.page("lifetime")
    qtbot.waitUntil(lambda: page._estimate is not None and page._estimate is window.state.estimate)
    table = page.stages.table
    for row, line in enumerate(table.rows.rows):  # each step and leaf: tests/quality/test_lifetime.py
        for column in table.explained:
            if line[column] is not None:
                table.explain.emit(row, column)
                assert window.explain_panel.isVisible() and window.explain_panel._title.text().startswith(line["name"])
                assert window.explain_panel._figure.value == pytest.approx(line[column], rel=1e-12)


@pytest.mark.parametrize("name", ["schedule", "memory_timeline"])
def test_a_point_of_a_steps_picture_opens(window: Any, name: str) -> None:
    """Pressed as Enter does, on the first points."""
    window.show_page("results")
    page = window.page("results")
    chart, seen = page._charts[name], set()
    page.tabs.setCurrentIndex(3 + ["schedule", "memory_timeline"].index(name))
    chart.draw_now()
    for index in range(3):
        chart.activate(index)
        assert_explained(window, f"{name} {index}", seen)


def test_a_published_run_opens_into_its_prediction_and_its_source(window: object, qtbot: object) -> None:
    """Every cell of a row that is a number, a point of the chart, a score's card, and a row of the tables of scores."""
    window.show_page("validate")
    page = window.page("validate")
    qtbot.waitUntil(lambda: bool(page._answer) and window.job is None, timeout=60_000)
    seen: set[int] = set()
    for column, key in (("predicted_text", "predicted"), ("published_text", "published")):
        page.table.explain.emit(0, column)
        qtbot.waitUntil(lambda: not page._explaining.is_running, timeout=60_000)
        assert_explained(window, column, seen)
        assert window.explain_panel._figure.value == pytest.approx(page._lines[0][key], rel=1e-12)
    assert page.chart.explainer(3).value == pytest.approx(page._drawn[3]["predicted"], rel=1e-12)
    for name, card in page.cards.items():
        qtbot.mouseClick(card, Qt.MouseButton.LeftButton)
        assert_explained(window, name, seen)
        assert window.explain_panel._figure.value == page._answer["summary"][name]
    page.by_gpu.explain.emit(0, "mape")
    assert window.explain_panel._figure.value == page.by_gpu.rows.rows[0]["mape"]
