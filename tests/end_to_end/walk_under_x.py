"""What `test_real_keys.py` runs under a virtual screen: the app driven by real keys and a real mouse, through xdotool.

python walk_under_x.py FOLDER: walks, and prints what it saw as one JSON object.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QPoint, Qt, QTimer
from PySide6.QtWidgets import QApplication, QCheckBox, QComboBox, QFileDialog, QLineEdit, QSlider, QWidget
from shiboken6 import isValid

from gui.app import make_application, open_window
from gui.forms import Form

PATIENCE_S = 20.0
INPUTS = (QLineEdit, QComboBox, QCheckBox, QSlider)


class Walk:
    """Sends keys and clicks to the X server, and waits until the window has answered."""

    def __init__(self) -> None:
        self.app = make_application(["trainplan"])
        self.window = open_window()
        self.window.resize(1180, 860)
        self.until(lambda: len(self.window.pages) == len(self.window.page_classes), "all pages are built")
        self.come_forward()

    def come_forward(self) -> None:
        """Give the window the keyboard: there is no window manager that would."""
        self.do("windowfocus", str(int(self.window.winId())))
        self.until(self.window.isActiveWindow, "the window is active")

    def do(self, *words: str) -> None:
        """Run xdotool, the window answering meanwhile."""
        process = subprocess.Popen(["xdotool", *words])
        self.until(lambda: process.poll() is not None, f"xdotool {words}")
        self.app.processEvents()

    def until(self, is_so: Callable[[], bool], what: str) -> None:
        """Let the event loop run until something is so; else say what is not."""
        end = time.monotonic() + PATIENCE_S
        while not is_so():
            if time.monotonic() > end:
                focused = QApplication.focusWidget()
                raise SystemExit(f"not reached: {what}; the focus is on {focused and focused.objectName()!r}")
            self.app.processEvents()
            time.sleep(0.002)

    def key(self, *keys: str) -> None:
        """Press keys by their X names, such as `ctrl+k`."""
        self.do("key", "--delay", "15", *keys)

    def type(self, text: str) -> None:
        """Type a text."""
        self.do("type", "--delay", "6", text)

    def click(self, widget: QWidget, at: QPoint | None = None) -> None:
        """Move the mouse over a widget and press its left button."""
        place = widget.mapToGlobal(at or widget.rect().center())
        self.do("mousemove", str(place.x()), str(place.y()), "click", "1")

    def focus(self) -> str:
        """Name of the widget that has the cursor."""
        focused = QApplication.focusWidget()
        return focused.objectName() if focused is not None else ""

    def turn_to(self, key: str) -> None:
        """A page by its shortcut."""
        keys = [page.key for page in self.window.page_classes]
        self.key(f"ctrl+{(keys.index(key) + 1) % 10}")
        self.until(lambda: self.window.stack.currentWidget() is self.window.pages[key], f"the page {key}")

    def command_with_file(self, keys: str, path: Path) -> None:
        """Press a shortcut that opens a file dialog, type a name into it, and press Enter.

        The dialog has an event loop of its own, so what is typed into it is sent from there."""
        typed = QTimer(interval=20, singleShot=False)

        def answer() -> None:
            if isinstance(QApplication.activeModalWidget(), QFileDialog):
                typed.stop()
                self.until(lambda: isinstance(QApplication.focusWidget(), QLineEdit), "the name's field has the cursor")
                self.key("ctrl+a")
                self.type(str(path))
                self.key("Return")

        typed.timeout.connect(answer)
        typed.start()
        self.key(keys)
        self.until(path.is_file, f"{path.name} is written")
        self.come_forward()


def stops(walk: Walk, page: QWidget) -> list[QWidget]:
    """Where Tab stops on a page, in order, from its first stop until it comes back or leaves the page."""
    seen: list[QWidget] = []
    first = next(one for one in _chain(page) if _takes_tab(one))
    first.setFocus(Qt.FocusReason.TabFocusReason)
    walk.app.processEvents()
    focused = [QApplication.focusWidget()]
    walk.app.focusChanged.connect(lambda _, now: focused.append(now))
    walk.do("key", "--delay", "10", *["Tab"] * (sum(map(_takes_tab, _chain(page))) + 2))
    walk.app.focusChanged.disconnect()
    for one in focused:
        if one is None or one in seen or not page.isAncestorOf(one):
            break
        seen.append(one)
    return seen


def _chain(page: QWidget) -> list[QWidget]:
    """All widgets of a page in the order in which Tab goes through them."""
    found, one = [], page.nextInFocusChain()
    while one is not page and len(found) < 10_000:
        found.append(one)
        one = one.nextInFocusChain()
    return [one for one in found if page.isAncestorOf(one)]


def _takes_tab(widget: QWidget) -> bool:
    policy = Qt.FocusPolicy.TabFocus.value
    return bool(widget.focusPolicy().value & policy) and widget.isVisible() and widget.isEnabled()


def _inputs(page: QWidget) -> list[QWidget]:
    return [one for one in page.findChildren(QWidget) if isinstance(one, INPUTS) and _takes_tab(one)
            and one.objectName() and one.focusProxy() is None]  # fmt: skip


def tab_orders(walk: Walk) -> dict[str, dict[str, list[str]]]:
    """Of each page: inputs that Tab does not reach, and those that come out of the order in which they are read."""
    told = {}
    for key, page in walk.window.pages.items():
        walk.turn_to(key)
        walk.window.jobs.cancel()
        walk.until(lambda: walk.window.job is None, f"the job of {key} has ended")
        order = stops(walk, page)
        reached = {*order, *(one.parentWidget() for one in order)}
        missed = [one.objectName() for one in _inputs(page) if one not in reached]
        wrong = []
        for form in page.findChildren(Form):
            heights = [one.mapTo(form, QPoint()).y() for one in order if form.isAncestorOf(one)]
            wrong += [form.accessibleName() or key] * (heights != sorted(heights))
        told[key] = {"missed": missed, "out of order": wrong, "stops": [one.objectName() for one in order]}
    return told


def main(folder: Path) -> dict[str, object]:
    """The walk."""
    walk, told = Walk(), {}
    window = walk.window
    told["tabs"] = tab_orders(walk)

    # A field by the palette, typed, its verdict; taken back by Ctrl+Z.
    walk.key("ctrl+k")
    walk.until(lambda: walk.focus() == "palette.typed", "the palette")
    walk.type("hardware nodes")
    walk.key("Return")
    walk.until(lambda: walk.focus() == "cluster.nodes", "the field of the nodes")
    before = window.verdict.sentence.text()
    walk.type("64")
    walk.until(lambda: "512 ×" in window.verdict.sentence.text(), "the verdict follows")
    walk.key("Tab", "ctrl+z")
    walk.until(lambda: window.verdict.sentence.text() == before, "Ctrl+Z takes it back")
    walk.key("ctrl+shift+z")
    walk.until(lambda: "512 ×" in window.verdict.sentence.text(), "Ctrl+Shift+Z does it again")

    # Something wrong is marked, and Enter in the problem bar's button leads back to the field.
    walk.turn_to("training")
    field = window.findChild(QLineEdit, "recipe.tokens")
    walk.click(field)
    walk.until(field.hasFocus, "a click puts the cursor there")
    walk.key("ctrl+a")
    walk.type("abc")
    walk.key("Tab")
    walk.until(lambda: window.problems.isVisible(), "the problem bar")
    told["invalid"] = [window.verdict.sentence.text(), window.findChild(QWidget, "recipe.tokens.message").text()]
    walk.click(window.problems.findChild(QWidget, "problems.0.go"))
    walk.until(field.hasFocus, "the entry leads to its field")
    walk.key("ctrl+a")
    walk.type("1.5T")
    walk.key("Return")
    walk.until(lambda: not window.document.invalid and window.document.plan.recipe.tokens == 1_500_000_000_000, "1.5T")

    # Pages by the mouse; a number explained by the mouse and by F1, closed by Escape.
    bar = window.sidebar
    walk.click(bar.viewport(), bar.visualItemRect(bar.findItems("Results", Qt.MatchFlag.MatchExactly)[0]).center())
    walk.until(lambda: window.stack.currentWidget() is window.pages["results"], "Results by the mouse")
    walk.click(window.findChild(QWidget, "card.money.total"))
    walk.until(lambda: window.explain_panel.isVisible() and window.explain_panel.key == "money.total", "the derivation")
    walk.key("Tab", "F1")
    walk.until(lambda: window.explain_panel.key == "time.gpu_hours", "F1 on the next card")
    walk.key("Escape")
    walk.until(lambda: not window.explain_panel.isVisible(), "Escape closes it")

    # Saved and exported by the keyboard alone.
    walk.command_with_file("ctrl+s", folder / "typed.json")
    told["title"] = window.windowTitle().replace("[*]", "*" if window.isWindowModified() else "")
    walk.command_with_file("ctrl+e", folder / "typed.csv")
    told["verdict"] = window.verdict.sentence.text()
    walk.key("ctrl+q")
    walk.until(lambda: not isValid(window), "Ctrl+Q closes")
    return told


if __name__ == "__main__":
    print(json.dumps(main(Path(sys.argv[1]))))
