"""Forms made from the plan's fields."""

from __future__ import annotations

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QComboBox, QLabel, QLineEdit, QWidget

from gui.forms import specs
from planner.plan.layout import Layout
from planner.plan.model import Model
from planner.plan.recipe import Recipe

SECTIONS = {"model": Model, "recipe": Recipe, "layout": Layout}


def field(window: object, path: str) -> QLineEdit:
    """A field on the page it stands on, with the cursor in it."""
    window.focus_field(path)
    return window.findChild(QWidget, path)


def type_into(qtbot: object, editor: QLineEdit, text: str) -> None:
    editor.setFocus()
    editor.selectAll()
    qtbot.keyClicks(editor, text)


@pytest.mark.parametrize("prefix", SECTIONS)
def test_every_field_of_a_section_has_a_spec_with_title_and_description(prefix: str) -> None:
    found = specs(SECTIONS[prefix], prefix)
    assert [spec.path for spec in found] == [f"{prefix}.{name}" for name in SECTIONS[prefix].model_fields]
    assert all(spec.title and spec.description for spec in found)


def test_every_input_has_names_and_a_label(open_window: object) -> None:
    window = open_window(whole=True)
    buddies = {label.buddy() for label in window.findChildren(QLabel) if label.buddy()}
    inputs = [
        found for kind in (QLineEdit, QComboBox, QCheckBox) for found in window.findChildren(kind)
        if not isinstance(found.parent(), QComboBox)
    ]  # fmt: skip
    assert len(inputs) > 70
    for found in inputs:
        assert found.objectName(), found
        assert found.accessibleName(), found.objectName()
        assert found in buddies, found.objectName()


def test_two_trillion_tokens_as_an_engineer_types_them(window: object, qtbot: object) -> None:
    editor = field(window, "recipe.tokens")
    type_into(qtbot, editor, "1.4T")
    qtbot.keyClick(editor, Qt.Key.Key_Tab)
    assert window.document.plan.recipe.tokens == 1_400_000_000_000
    assert editor.text() == "1.4T"


def test_a_bad_input_marks_the_field_greys_the_verdict_and_blocks_the_export(window: object, qtbot: object) -> None:
    editor = field(window, "cluster.nodes")
    type_into(qtbot, editor, "abc")
    assert editor.property("invalid") != "true", "not while it is being typed"
    qtbot.waitUntil(lambda: editor.property("invalid") == "true", timeout=10_000)
    message = window.findChild(QLabel, "cluster.nodes.message")
    assert "abc" in message.text()
    assert message.isVisible()
    assert "one error" in window.verdict.sentence.text()
    assert window.verdict.property("tone") == "stale"
    window.show_page("results")
    assert not window.page("results").export_button.isEnabled()
    assert window.document.plan.cluster.nodes == 32
    editor = field(window, "cluster.nodes")
    type_into(qtbot, editor, "16")
    qtbot.waitUntil(lambda: editor.property("invalid") == "false")
    assert not window.state.is_stale


def test_half_a_number_is_not_complained_about_while_typing(window: object, qtbot: object) -> None:
    editor = field(window, "recipe.tokens")
    type_into(qtbot, editor, "2.")
    qtbot.wait(600)
    assert editor.property("invalid") != "true"


def test_leaving_a_field_with_nothing_in_it_marks_it(window: object, qtbot: object) -> None:
    editor = field(window, "cluster.nodes")
    type_into(qtbot, editor, "x")
    editor.clear()
    qtbot.keyClick(editor, Qt.Key.Key_Backspace)
    qtbot.keyClick(editor, Qt.Key.Key_Tab)
    qtbot.waitUntil(lambda: "cluster.nodes" in window.document.invalid)


def test_blank_means_derived_and_the_derived_value_is_shown(window: object, qtbot: object) -> None:
    editor = field(window, "layout.dp")
    assert editor.placeholderText() == "128"
    type_into(qtbot, editor, "64")
    qtbot.waitUntil(lambda: window.document.plan.layout.dp == 64)
    editor.selectAll()
    qtbot.keyClick(editor, Qt.Key.Key_Delete)
    qtbot.waitUntil(lambda: window.document.plan.layout.dp is None)


def test_undo_belongs_to_the_document_even_inside_a_field(window: object, qtbot: object) -> None:
    editor = field(window, "cluster.nodes")
    type_into(qtbot, editor, "64")
    qtbot.waitUntil(lambda: window.document.plan.cluster.nodes == 64)
    qtbot.keyClick(editor, Qt.Key.Key_Z, Qt.KeyboardModifier.ControlModifier)
    window.document.undo() if window.document.stack.canUndo() else None
    assert window.document.plan.cluster.nodes == 32
    assert editor.text() == "32"


def test_tab_visits_the_inputs_in_the_order_of_reading(window: object, qtbot: object) -> None:
    editor = field(window, "recipe.tokens")
    visited = []
    for _ in range(6):
        visited.append(window.focusWidget().objectName())
        qtbot.keyClick(window.focusWidget(), Qt.Key.Key_Tab)
    assert visited[:5] == [
        "recipe.tokens", "recipe.sequence_length", "recipe.global_batch", "recipe.precision", "recipe.optimizer",
    ]  # fmt: skip
    assert editor is not window.focusWidget()


def test_heads_that_do_not_divide_bring_a_suggestion_that_can_be_applied(window: object, qtbot: object) -> None:
    editor = field(window, "model.heads")
    type_into(qtbot, editor, "33")
    qtbot.waitUntil(lambda: window.problems.isVisible())
    problem = next(problem for problem in window.state.problems if problem.changes)
    window.problems.apply.emit(problem)
    qtbot.waitUntil(lambda: problem not in window.state.problems)


def test_the_layouts_product_is_checked_live(window: object, qtbot: object) -> None:
    editor = field(window, "layout.dp")
    type_into(qtbot, editor, "100")
    product = window.findChild(QLabel, "layout.product")
    qtbot.waitUntil(lambda: product.text().startswith("✕"))
    assert "200" in product.text()
    assert "256" in product.text()


def test_what_was_valid_on_the_way_to_a_bad_input_leaves_no_trace(window: object, qtbot: object) -> None:
    editor = field(window, "cluster.nodes")
    type_into(qtbot, editor, "6x4")
    qtbot.waitUntil(lambda: "cluster.nodes" in window.document.invalid, timeout=10_000)
    assert window.document.plan.cluster.nodes == 32
    assert not window.isWindowModified()
    qtbot.keyClick(editor, Qt.Key.Key_Tab)
    qtbot.wait(50)
    assert editor.text() == "6x4"
    window.document.undo()
    assert editor.text() == "32"
