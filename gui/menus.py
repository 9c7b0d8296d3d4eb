"""The menu bar: every command with its shortcut."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMenu

from planner import library

if TYPE_CHECKING:
    from gui.window import Window

Keys = QKeySequence.StandardKey


def build(window: Window) -> dict[str, QAction]:
    """Fill the window's menu bar; the actions by name."""
    actions: dict[str, QAction] = {}

    def add(menu: QMenu, name: str, text: str, keys: object, act: Callable[[], None]) -> QAction:
        action = QAction(text, window)
        action.setObjectName(f"action.{name}")
        if keys is not None:
            action.setShortcut(QKeySequence(keys))
        action.triggered.connect(lambda: act())
        menu.addAction(action)
        actions[name] = action
        return action

    bar = window.menuBar()
    menu = bar.addMenu("&File")
    add(menu, "new", "&New", Keys.New, window.new)
    add(menu, "open", "&Open…", Keys.Open, window.ask_open)
    _fill_when_shown(menu.addMenu("New from &example"), lambda: _examples(window))
    _fill_when_shown(menu.addMenu("Open &recent"), lambda: _recent(window))
    menu.addSeparator()
    add(menu, "save", "&Save", Keys.Save, window.save)
    add(menu, "save_as", "Save &as…", "Ctrl+Shift+S", window.ask_save_as)
    menu.addSeparator()
    add(menu, "export", "&Export cost report (CSV)…", "Ctrl+E", window.ask_export)
    menu.addSeparator()
    add(menu, "quit", "&Quit", "Ctrl+Q", window.close)

    menu = bar.addMenu("&Edit")
    add(menu, "undo", "&Undo", Keys.Undo, window.document.undo)
    redo = add(menu, "redo", "&Redo", None, window.document.redo)
    redo.setShortcuts([QKeySequence("Ctrl+Shift+Z"), QKeySequence("Ctrl+Y")])

    menu = bar.addMenu("&View")
    for number, page in enumerate(window.page_classes, 1):
        add(menu, f"page.{page.key}", page.title, f"Ctrl+{number % 10}", lambda key=page.key: window.show_page(key))
    menu.addSeparator()
    add(menu, "explain", "E&xplain this number", "F1", window.explain_focused)
    _themes(window, menu.addMenu("&Theme"))

    menu = bar.addMenu("&Run")
    add(menu, "run", "&Profile this computer", "F5", window.run_profile)
    add(menu, "cancel", "&Cancel", "Esc", window.escape)
    return actions


def _fill_when_shown(menu: QMenu, entries: Callable[[], list[tuple[str, Callable[[], None]]]]) -> None:
    def fill() -> None:
        menu.clear()
        for text, act in entries():
            menu.addAction(text.replace("&", "&&"), act)
        if menu.isEmpty():
            menu.addAction("(none yet)").setEnabled(False)

    menu.aboutToShow.connect(fill)


def _examples(window: Window) -> list[tuple[str, Callable[[], None]]]:
    return [(name, lambda name=name: window.new(name)) for name in library.names("plans")]


def _recent(window: Window) -> list[tuple[str, Callable[[], None]]]:
    return [(str(path), lambda path=path: window.open(path)) for path in window.settings.recent]


def _themes(window: Window, menu: QMenu) -> None:
    group = QActionGroup(window)
    for name in ("system", "light", "dark"):
        action = QAction(f"&{name.capitalize()}", window, checkable=True)
        action.setChecked(window.settings.theme == name)
        action.triggered.connect(lambda _=False, name=name: window.set_theme(name))
        group.addAction(action)
        menu.addAction(action)
