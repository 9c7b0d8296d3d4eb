"""The menu bar: every command with its shortcut. What a command does is the window's business."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QMainWindow, QMenu

Act = Callable[[], object]
Keys = QKeySequence.StandardKey


@dataclass(frozen=True)
class Command:
    """A line of a menu."""

    name: str
    text: str
    keys: tuple[object, ...] = ()


SEPARATOR = Command("", "")
MENUS: dict[str, tuple[Command, ...]] = {
    "&File": (
        Command("new", "&New", (Keys.New,)),
        Command("new_window", "New &window", ("Ctrl+Shift+N",)),
        Command("open", "&Open…", (Keys.Open,)),
        Command("load_config", "Load &model config…", ("Ctrl+Shift+O",)),
        SEPARATOR,
        Command("save", "&Save", (Keys.Save,)),
        Command("save_as", "Save &as…", ("Ctrl+Shift+S",)),
        SEPARATOR,
        Command("export", "&Export report (CSV, HTML, PDF)…", ("Ctrl+E",)),
        Command("export_chart", "Export c&hart (PNG, SVG, PDF, CSV)…", ("Ctrl+Shift+E",)),
        Command("launch", "Export &launch files…", ("Ctrl+Alt+E",)),
        SEPARATOR,
        Command("quit", "&Quit", ("Ctrl+Q",)),
    ),
    "&Edit": (
        Command("undo", "&Undo", (Keys.Undo,)),
        Command("redo", "&Redo", ("Ctrl+Shift+Z", "Ctrl+Y")),
        SEPARATOR,
        Command("copy_chart", "&Copy chart image", ("Ctrl+Shift+C",)),
        SEPARATOR,
        Command("palette", "&Find a command, a field or a number…", ("Ctrl+K", "Ctrl+Shift+P")),
    ),
    "&View": (Command("explain", "E&xplain this number", ("F1",)),),
    "&Run": (Command("run", "&Profile this computer", ("F5",)), Command("cancel", "&Cancel", ("Esc",))),
}  # fmt: skip


def build(
    window: QMainWindow, acts: Mapping[str, Act], pages: Iterable[tuple[str, str]], turn_to: Callable[[str], None]
) -> dict[str, QAction]:
    """Fill the menu bar; the actions by name. `acts`: what each command does. `pages`: their keys and titles."""
    actions: dict[str, QAction] = {}
    for title, commands in MENUS.items():
        menu = menu_of(window, title)
        if title == "&View":
            for number, (key, page) in enumerate(pages, 1):
                command = Command(f"page.{key}", page, (f"Ctrl+{number % 10}",) if number <= 10 else ())
                actions[command.name] = _add(menu, window, command, lambda key=key: turn_to(key))
            menu.addSeparator()
        for command in commands:
            if command is SEPARATOR:
                menu.addSeparator()
            else:
                actions[command.name] = _add(menu, window, command, acts[command.name])
    return actions


def menu_of(window: QMainWindow, title: str) -> QMenu:
    """A menu of the bar by its title, made where there is none."""
    found = next((one.menu() for one in window.menuBar().actions() if one.text() == title), None)
    return found or window.menuBar().addMenu(title)


def add_list(menu: QMenu, title: str, before: QAction, entries: Callable[[], list[tuple[str, Act]]]) -> None:
    """A submenu whose lines are asked for each time that it is shown."""
    made = QMenu(title, menu)
    menu.insertMenu(before, made)

    def fill() -> None:
        made.clear()
        for text, act in entries():
            made.addAction(text.replace("&", "&&"), act)
        if made.isEmpty():
            made.addAction("(none yet)").setEnabled(False)

    made.aboutToShow.connect(fill)


def add_themes(menu: QMenu, chosen: str, choose: Callable[[str], None]) -> None:
    """The looks, one of them on."""
    made = menu.addMenu("&Theme")
    group = QActionGroup(made)
    for name in ("system", "light", "dark"):
        action = QAction(f"&{name.capitalize()}", made, checkable=True)
        action.setChecked(name == chosen)
        action.triggered.connect(lambda _=False, name=name: choose(name))
        group.addAction(action)
        made.addAction(action)


def _add(menu: QMenu, window: QMainWindow, command: Command, act: Act) -> QAction:
    action = QAction(command.text, window)
    action.setObjectName(f"action.{command.name}")
    action.setShortcuts([QKeySequence(keys) for keys in command.keys])
    action.triggered.connect(lambda: act())
    menu.addAction(action)
    return action
