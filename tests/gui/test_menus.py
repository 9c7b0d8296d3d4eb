"""The menu bar: every mnemonic of a menu means one command."""

from __future__ import annotations

from collections.abc import Iterator

from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QMenu


def menus(window: object) -> Iterator[tuple[str, list[str]]]:
    """The bar and every menu below it, with the texts of their lines."""
    yield "bar", [action.text() for action in window.menuBar().actions()]
    for menu in window.menuBar().findChildren(QMenu):
        yield menu.title(), [action.text() for action in menu.actions()]


def test_no_menu_has_a_mnemonic_twice(window: object) -> None:
    found = dict(menus(window))
    assert {"&File", "&Edit", "&View", "&Run", "&Theme", "New from e&xample"} <= found.keys()
    for title, texts in found.items():
        keys = [key.toString() for text in texts if not (key := QKeySequence.mnemonic(text)).isEmpty()]
        assert len(keys) == len(set(keys)), f"{title}: {texts}"


def test_no_two_commands_share_a_shortcut(window: object) -> None:
    keys = [key.toString() for action in window.actions_by_name.values() for key in action.shortcuts()]
    assert len(keys) == len(set(keys)) > 10
