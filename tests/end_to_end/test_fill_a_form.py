"""An engineer changes the cluster and sees the verdict follow."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QLabel, QWidget

from planner.estimate import estimate

CONTROL = Qt.KeyboardModifier.ControlModifier


def test_the_verdict_follows_what_is_typed(window: object, qtbot: object) -> None:
    assert "256 × A100-80GB-SXM" in window.verdict.sentence.text()
    first = window.verdict.sentence.text()

    qtbot.keyClick(window, Qt.Key.Key_2, CONTROL)
    assert window.stack.currentWidget() is window.page("hardware")
    nodes = window.findChild(QWidget, "cluster.nodes")
    nodes.setFocus()
    nodes.selectAll()
    qtbot.keyClicks(nodes, "64")
    qtbot.waitUntil(lambda: "512 × A100-80GB-SXM" in window.verdict.sentence.text(), timeout=10_000)
    assert window.verdict.sentence.text() != first
    assert window.isWindowModified()

    expected = estimate(window.document.plan)
    assert window.verdict.sentence.text() == expected.verdict
    qtbot.keyClick(window, Qt.Key.Key_5, CONTROL)
    for key in ("time.training", "money.total", "time.gpu_hours", "time.mfu", "energy.co2e"):
        assert window.findChild(QLabel, f"card.{key}.value").text() == expected.figures[key].text


def test_choosing_another_model_by_part_of_its_name(window: object, qtbot: object) -> None:
    window.show_page("model")
    preset = window.page("model").preset
    preset.lineEdit().setFocus()
    preset.lineEdit().selectAll()
    qtbot.keyClicks(preset.lineEdit(), "llama-2-13b")
    qtbot.keyClick(preset.lineEdit(), Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window.document.plan.model.layers == 40)
    assert window.findChild(QWidget, "model.hidden").text() == "5120"


def test_the_last_of_a_hundred_rapid_edits_wins(window: object, qtbot: object) -> None:
    window.focus_field("recipe.tokens")
    for number in range(1, 101):
        window.document.try_set("recipe.tokens", f"{number}B")
    qtbot.waitUntil(lambda: window.state.plan.recipe.tokens == 100_000_000_000)
    assert window.verdict.sentence.text() == estimate(window.document.plan).verdict
