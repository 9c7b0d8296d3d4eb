"""Twenty edits, twenty undos: the first plan exactly, in every field on screen."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget

EDITS = ("cluster.nodes", "recipe.global_batch", "layout.micro_batch", "model.layers", "prices.pue")


def test_twenty_typed_edits_are_undone_and_redone_one_by_one(window: object, qtbot: object) -> None:
    first = window.document.plan
    for number in range(20):
        path = EDITS[number % len(EDITS)]
        window.focus_field(path)
        editor = window.findChild(QWidget, path)
        editor.selectAll()
        qtbot.keyClicks(editor, str(number // len(EDITS) + 5))
        qtbot.keyClick(editor, Qt.Key.Key_Tab)
    last = window.document.plan
    assert last != first
    assert window.document.stack.count() == 20
    for _ in range(20):
        window.actions_by_name["undo"].trigger()
    assert window.document.plan == first
    assert not window.isWindowModified()
    assert window.findChild(QWidget, "cluster.nodes").text() == "32"
    assert not window.actions_by_name["undo"].isEnabled()
    for _ in range(20):
        window.actions_by_name["redo"].trigger()
    assert window.document.plan == last
    assert window.findChild(QWidget, "cluster.nodes").text() == "8"
