"""Somebody new asks: a 13B model on 64 H100s for under $300k: how many tokens, which layout, how good?"""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Qt
from PySide6.QtTest import QTest
from PySide6.QtWidgets import QComboBox, QFileDialog, QLabel, QPushButton, QWidget

from planner.estimate import estimate

PATIENCE_MS = 60_000
ENTER, LEFT = Qt.Key.Key_Return, Qt.MouseButton.LeftButton
MOST_CLICKS, MOST_KEYS = 20, 50


class Hands:
    """Clicks and types as a person does, and counts."""

    def __init__(self, window: object) -> None:
        self.window, self.clicks, self.keys = window, 0, 0

    def turn_to(self, key: str) -> None:
        bar = self.window.sidebar
        item = next(bar.item(i) for i in range(bar.count()) if bar.item(i).text().casefold() == key)
        QTest.mouseClick(bar.viewport(), LEFT, pos=bar.visualItemRect(item).center())
        self.clicks += 1
        assert self.window.stack.currentWidget() is self.window.page(key)

    def click(self, name: str) -> None:
        made = self.window.stack.currentWidget().findChild(QPushButton, name)
        assert made.isVisible() and made.isEnabled(), name
        QTest.mouseClick(made, LEFT)
        self.clicks += 1

    def type_into(self, name: str, text: str) -> None:
        field = self.window.stack.currentWidget().findChild(QWidget, name)
        edit = field.lineEdit() if isinstance(field, QComboBox) else field
        edit.setFocus()
        edit.selectAll()
        QTest.keyClicks(edit, text)
        QTest.keyClick(edit, ENTER)
        self.clicks, self.keys = self.clicks + 2, self.keys + len(text) + 1


def test_from_the_first_start_to_the_exported_report(
    window: object, qtbot: object, tmp_path: Path, monkeypatch: object
) -> None:
    hands, document = Hands(window), window.document
    hands.turn_to("model")
    hands.type_into("model.preset", "llama-2-13b")
    hands.turn_to("hardware")
    hands.type_into("cluster.accelerator", "H100-80GB-SXM")
    hands.type_into("cluster.nodes", "8")
    assert (document.plan.name, document.plan.cluster.gpus) == ("llama-2-13b", 64)

    hands.turn_to("training")
    hands.click("training.suggest")
    search = window.page("search")
    qtbot.waitUntil(lambda: window.job is None and search.take.isEnabled(), timeout=PATIENCE_MS)
    hands.click("search.use")
    qtbot.waitUntil(lambda: window.state.plan is document.plan)
    layout = document.plan.layout

    hands.turn_to("training")
    hands.type_into("tokens.budget", "$300k")
    words, expected = (window.findChild(QLabel, f"tokens.within.{name}").text() for name in ("words", "perplexity"))
    hands.click("tokens.within.use")
    found = estimate(document.plan)
    assert 297_000 < float(found.outcome.total_usd) <= 300_000 and found.fits
    assert document.plan.layout == layout and document.plan.recipe.tokens > 10**12
    assert "with this layout" in words and "perplexity" in expected
    qtbot.waitUntil(lambda: window.findChild(QPushButton, "tokens.within.use").text() == "✓ used")

    hands.turn_to("perplexity")
    good = window.findChild(QLabel, "perplexity.verdict")
    qtbot.waitUntil(lambda: "llama-2-13b is 13.0B parameters" in good.text(), timeout=PATIENCE_MS)

    hands.turn_to("results")
    assert window.verdict.sentence.text() == found.verdict
    path = tmp_path / "report.html"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), "Web page (*.html)"))
    hands.click("results.export")
    qtbot.waitUntil(lambda: path.is_file() and window.job is None, timeout=PATIENCE_MS)
    report = path.read_text("utf-8")
    assert found.verdict in report and "llama-2-13b" in report
    assert hands.clicks <= MOST_CLICKS and hands.keys <= MOST_KEYS


def test_a_budget_that_is_none_or_too_small_is_said_and_nothing_is_offered(window: object, qtbot: object) -> None:
    window.show_page("training")
    hands = Hands(window)
    message, use = (window.findChild(QWidget, f"tokens.{name}") for name in ("budget.message", "within.use"))
    for text, said in (("three apples", "not a budget"), ("$0.01", "does not pay for one step")):
        hands.type_into("tokens.budget", text)
        assert said in message.text() and message.isVisible() and not use.isVisible()
    hands.type_into("tokens.budget", "30 days")
    assert use.isVisible() and not message.isVisible()
    before = window.document.plan
    hands.click("tokens.optimal.use")
    assert window.document.plan.recipe.tokens < 2 * 10**11
    window.document.undo()
    assert window.document.plan == before


def test_a_batch_that_the_laws_advise_is_taken_with_one_click_and_given_back(window: object, qtbot: object) -> None:
    window.show_page("training")
    use = window.findChild(QPushButton, "advice.critical.use")
    qtbot.waitUntil(lambda: use.isVisible() and use.isEnabled())
    before, said = window.document.plan, window.findChild(QLabel, "advice.critical.words").text()
    QTest.mouseClick(use, LEFT)
    batch = window.document.plan.recipe.global_batch
    assert batch != before.recipe.global_batch and f"{batch:,} sequences" in said
    qtbot.waitUntil(lambda: use.text() == "✓ used" and not use.isEnabled())
    window.document.undo()
    assert window.document.plan == before
    assert "2503.04715" in window.findChild(QLabel, "advice.learning_rate.why").text()
