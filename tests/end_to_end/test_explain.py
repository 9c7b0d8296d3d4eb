"""A number opens into its derivation."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QWidget

from planner.reports import derivation


def test_a_click_on_a_card_shows_where_its_number_comes_from(window: object, qtbot: object) -> None:
    window.show_page("results")
    qtbot.mouseClick(window.findChild(QWidget, "card.time.training"), Qt.MouseButton.LeftButton)
    panel, figure = window.explain_panel, window.state.estimate.figures["time.training"]
    assert panel.isVisible()
    assert panel.findChild(QWidget, "explain.value").text() == figure.text
    assert figure.formula in panel.findChild(QWidget, "explain.formula").text()
    assert panel.tree.topLevelItem(0).childCount() == len(figure.node.inputs)
    panel.copy.click()
    copied = QGuiApplication.clipboard().text()
    assert copied.startswith(derivation.markdown(figure)) and "A tenth more of, by itself: " in copied
    qtbot.waitUntil(lambda: "tokens +10.0\N{NO-BREAK SPACE}%" in panel.findChild(QWidget, "explain.changes").text())
    assert figure.text in copied
    assert figure.source in copied
    window.escape()
    assert not panel.isVisible()


def test_the_explanation_follows_the_plan(window: object, qtbot: object) -> None:
    window.explain("money.total")
    before = window.explain_panel.findChild(QWidget, "explain.value").text()
    window.document.try_set("prices.usd_per_gpu_hour", "9")
    qtbot.waitUntil(lambda: window.explain_panel.findChild(QWidget, "explain.value").text() != before)


def test_figures_of_all_sections_can_be_explained_and_copied(window: object) -> None:
    for key, figure in list(window.state.estimate.figures.items())[::4]:
        window.explain(key)
        assert window.explain_panel.findChild(QWidget, "explain.value").text() == figure.text
        assert figure.label in derivation.markdown(figure)


def test_a_click_on_the_verdicts_headlines_explains_them(window: object, qtbot: object) -> None:
    window.show_page("training")
    qtbot.mouseClick(window.findChild(QWidget, "verdict.money.total"), Qt.MouseButton.LeftButton)
    figure = window.state.estimate.figures["money.total"]
    assert window.explain_panel.findChild(QWidget, "explain.value").text() == figure.text


def test_f1_on_a_tables_figure_explains_that_figure(window: object) -> None:
    window.show_page("results")
    tree = window.findChild(QWidget, "results.memory.table")
    tree.setFocus()
    tree.setCurrentItem(tree.topLevelItem(0))
    window.explain_focused()
    assert window.explain_panel.key == "memory.weights"
