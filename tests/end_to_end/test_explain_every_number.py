"""Every number of a page opens into its derivation: the root is the number, and each leaf says its source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QTreeWidget, QTreeWidgetItem, QWidget

from gui.cards import MetricCard
from gui.tables import KEY, FigureTree

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
