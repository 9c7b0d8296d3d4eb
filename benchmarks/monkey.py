"""A monkey at the window: seeded random user actions over its real widgets, and what must stay true meanwhile.

python benchmarks/monkey.py [--actions 10000] [--seed 1] [--no-jobs] [--out REPORT.txt]

No exception may escape, Qt may not complain, the window must say what the command line says of the same plan, and
memory must not grow. Runs offscreen, in a user folder of its own. Exit code 1 where something was found.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import shiboken6
from PySide6.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl, qInstallMessageHandler
from PySide6.QtGui import QDesktopServices, QDragEnterEvent, QDropEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QFileDialog,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPlainTextEdit,
    QTabBar,
    QWidget,
)

from gui.chart_view import ChartView
from gui.theme import switch
from gui.window import Window
from planner.estimate import estimate
from planner.plan import file

ROOT = Path(__file__).resolve().parent.parent
LEFT, NONE = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
CONTROL, SHIFT = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier
OWN_WORDS = ("This plugin does not support", "Keyboard event not accepted by receiving widget")
"""What Qt's offscreen platform and its test keys say of themselves, not of the program."""
TEXTS = (
    "1", "2", "3", "4", "6", "8", "12", "16", "32", "64", "128", "512", "1024", "4k", "1M", "2T", "300B", "1.5",
    "0.9", "90%", "$2M", "80 GiB", "80 GB", "312 TFLOP/s", "$4/h", "30 days", "400 Gbit/s", "1e21 FLOP",
    "", " ", "abc", "-1", "0", "1e", "1e400", "nan", "inf", "-inf", "9" * 40, "1e-300", "0x10", "6x4", "½", "٣", "😀",
    "a\tb", "<b>x</b>", "&amp", "%s{}", "llama-2-13b", "gpt2", "H100-80GB-SXM", "../../etc", "x" * 5000,
)  # fmt: skip
MOST_WINDOWS = 2
LONG_ENOUGH, MOST_GROWTH = 3_000, 1.15
"""From so many actions on, memory may grow by so much over the last seven tenths: caches are warm by then."""
SIZES = ((860, 560), (1024, 680), (1280, 800), (1920, 1080))
SEARCHED = ("explain", "nodes", "tokens", "new", "page", "zzz", "layout", "save", "cost", "h", "")
PAUSES_MS = (0,) * 12 + (1, 5, 20, 20, 60, 130, 450)
KEYS = (
    (Qt.Key.Key_Tab, NONE), (Qt.Key.Key_Tab, SHIFT), (Qt.Key.Key_Return, NONE), (Qt.Key.Key_Escape, NONE),
    (Qt.Key.Key_Down, NONE), (Qt.Key.Key_Up, NONE), (Qt.Key.Key_Space, NONE), (Qt.Key.Key_F1, NONE),
    (Qt.Key.Key_PageDown, NONE), (Qt.Key.Key_Home, NONE), (Qt.Key.Key_Delete, NONE), (Qt.Key.Key_Left, NONE),
    (Qt.Key.Key_Right, NONE), (Qt.Key.Key_A, CONTROL), (Qt.Key.Key_C, CONTROL), (Qt.Key.Key_V, CONTROL),
    (Qt.Key.Key_Z, CONTROL), (Qt.Key.Key_Plus, NONE), (Qt.Key.Key_Minus, NONE),
)  # fmt: skip
TORN = '{"format": "trainplan-plan", "model":'


class WrongError(AssertionError):
    """The window does not say what the command line says."""


class Watch:
    """Hears every exception that escapes and every message of Qt's, with the actions that led to it."""

    def __init__(self) -> None:
        self.trail: deque[str] = deque(maxlen=12)
        self.found: list[str] = []

    @contextlib.contextmanager
    def listening(self) -> Iterator[None]:
        """Take the place of the interpreter's and Qt's own reports."""
        hooks, handler = (sys.excepthook, sys.unraisablehook), qInstallMessageHandler(self._message)
        sys.excepthook = lambda *told: self.note("exception", "".join(traceback.format_exception(*told)))
        sys.unraisablehook = lambda told: self.note("exception", f"{told.exc_value!r} in {told.object!r}")
        try:
            yield
        finally:
            sys.excepthook, sys.unraisablehook = hooks
            qInstallMessageHandler(handler)

    def note(self, kind: str, text: str) -> None:
        """Something that must not happen."""
        self.found.append(f"{kind} after {' → '.join(self.trail)}:\n{text.strip()}\n")
        print(self.found[-1], file=sys.stderr, flush=True)

    def _message(self, mode: Any, context: Any, text: str) -> None:
        if not text.startswith(OWN_WORDS):
            self.note("Qt", f"{mode.name}: {text}")


class Monkey:
    """One pair of hands at one window after another. All that it does follows from the seed."""

    def __init__(self, scratch: Path, seed: int, watch: Watch, *, with_jobs: bool = True) -> None:
        self.random, self.scratch, self.watch, self.with_jobs = random.Random(seed), scratch, watch, with_jobs
        self.done: Counter[str] = Counter()
        self.compared: Counter[str] = Counter()
        self.windows: list[Window] = []
        self.open_window()
        acts: dict[str, tuple[int, Callable[[], None]]] = {
            "type": (26, self.type_text), "click": (16, self.click_button), "choose": (8, self.choose),
            "tab": (6, self.turn_tab), "page": (10, self.turn_page), "key": (9, self.press_key),
            "table": (8, self.use_table), "chart": (6, self.use_chart), "menu": (6, self.use_menu),
            "command": (5, self.command), "palette": (4, self.find), "history": (8, self.undo_or_redo),
            "drop": (2, self.drop), "resize": (2, self.resize), "theme": (1, self.switch_theme),
            "slider": (2, self.slide), "write": (1, self.write_text), "cancel": (4, self.cancel),
            "new": (1, self.begin_anew), "window": (1, self.change_window),
        }  # fmt: skip
        self._names, self._acts = list(acts), {name: act for name, (_, act) in acts.items()}
        self._weights = [weight for weight, _ in acts.values()]

    @property
    def window(self) -> Window:
        """The one in front."""
        return self.windows[-1]

    def act(self) -> None:
        """Do one thing, and let the window answer for a moment."""
        name = self.random.choices(self._names, self._weights)[0]
        self.watch.trail.append(name)
        self._acts[name]()
        self.done[name] += 1
        self._settle_popups()
        wait(self.random.choice(PAUSES_MS))
        if not is_open(self.window):
            self.close_window()
        if not self.with_jobs:
            self.window.jobs.cancel()

    # Windows.

    def open_window(self) -> None:
        """Another window, as the program opens it."""
        window = Window()
        window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        window.another.connect(lambda: self.open_window() if len(self.windows) < MOST_WINDOWS else None)
        window.show()
        window.after_first_paint()
        self.windows.append(window)

    def close_window(self) -> None:
        """The window in front has been closed: the one behind it, or a new one, takes its place."""
        self.windows.pop()
        if not self.windows:
            self.open_window()

    def change_window(self) -> None:
        """Two windows at most; closing asks about unsaved edits, and may be refused."""
        if len(self.windows) < MOST_WINDOWS:
            self.open_window()
        else:
            self.window.close()

    def close_all(self) -> None:
        """Close every window, whatever is unsaved."""
        for window in self.windows:
            with mock.patch.object(window, "_may_close", lambda: True):
                window.close()
        wait(50)

    # Hands.

    def _pick(self, kind: type | tuple[type, ...]) -> Any:
        """A widget that one can reach now; None where there is none."""
        found = [
            one for one in self.window.findChildren(QWidget)
            if isinstance(one, kind) and one.isVisible() and one.isEnabled() and one.width() > 4
            and one.window() is self.window
        ]  # fmt: skip
        picked = self.random.choice(found) if found else None
        if picked is not None:
            self._say(f"{picked.objectName() or type(picked).__name__}")
        return picked

    def _say(self, words: str) -> None:
        self.watch.trail[-1] += f" {words}"

    def type_text(self) -> None:
        """Into a field: something right, wrong or extreme; then Enter, Tab, or nothing."""
        field = self._pick(QLineEdit)
        if field is None or field.isReadOnly():
            return
        text = self.random.choice(TEXTS)
        self._say(repr(text[:20]))
        QTest.mouseClick(field, LEFT)
        field.setFocus()
        if self.random.random() < 0.85:
            field.selectAll()
        if len(text) > 50 or not (text.isascii() and text.isprintable()):  # QTest types what a keyboard has
            QApplication.clipboard().setText(text)
            QTest.keyClick(field, Qt.Key.Key_V, CONTROL)
        else:
            QTest.keyClicks(field, text)
        ending = self.random.choice((Qt.Key.Key_Return, Qt.Key.Key_Tab, None))
        if ending is not None:
            QTest.keyClick(field, ending)

    def click_button(self) -> None:
        """Any button or check box on the page."""
        self._click(self._pick(QAbstractButton))

    def _click(self, widget: QWidget | None) -> None:
        if widget is not None:
            QTest.mouseClick(widget, LEFT)

    def choose(self) -> None:
        """Another entry of a choice."""
        combo = self._pick(QComboBox)
        if combo is None or not combo.count():
            return
        row = self.random.randrange(combo.count())
        combo.showPopup()
        view = combo.view()
        view.setCurrentIndex(combo.model().index(row, combo.modelColumn()))
        QTest.keyClick(view, self.random.choice((Qt.Key.Key_Return, Qt.Key.Key_Return, Qt.Key.Key_Escape)))
        if shiboken6.isValid(combo):
            combo.hidePopup()

    def turn_tab(self) -> None:
        """Another tab."""
        bar = self._pick(QTabBar)
        if bar is not None and bar.count():
            QTest.mouseClick(bar, LEFT, NONE, bar.tabRect(self.random.randrange(bar.count())).center())

    def turn_page(self) -> None:
        """Another page, by the list on the left or its shortcut."""
        number = self.random.randrange(len(self.window.page_classes))
        self._say(self.window.page_classes[number].key)
        if self.random.random() < 0.5:
            QTest.keyClick(self.window, Qt.Key(Qt.Key.Key_0 + (number + 1) % 10), CONTROL)
        else:
            bar = self.window.sidebar
            QTest.mouseClick(
                bar.viewport(),
                LEFT,
                NONE,
                bar.visualItemRect(bar._items[self.window.page_classes[number].key]).center(),
            )

    def press_key(self) -> None:
        """A key where the cursor is."""
        key, modifier = self.random.choice(KEYS)
        self._say(key.name)
        focused = QApplication.focusWidget()
        QTest.keyClick(
            focused if focused is not None and focused.window() is self.window else self.window, key, modifier
        )

    def use_table(self) -> None:
        """Select, copy, sort, open, or ask for the menu of a table or tree."""
        table = self._pick(QAbstractItemView)
        if table is None or table is self.window.sidebar:
            return
        what = self.random.randrange(6)
        spot = QPoint(
            self.random.randrange(table.viewport().width() + 1), self.random.randrange(table.viewport().height() + 1)
        )
        if what == 0 and hasattr(table, "horizontalHeader"):
            QTest.mouseClick(table.horizontalHeader().viewport(), LEFT, NONE, QPoint(spot.x(), 5))
        elif what == 1:
            QTest.mouseDClick(table.viewport(), LEFT, NONE, spot)
        elif what == 2:
            table.customContextMenuRequested.emit(spot)
        else:
            QTest.mouseClick(table.viewport(), LEFT, self.random.choice((NONE, CONTROL, SHIFT)), spot)
            if what == 3:
                QTest.keyClick(table, Qt.Key.Key_C, CONTROL)
            if what == 4:
                QTest.keyClick(table, self.random.choice((Qt.Key.Key_Return, Qt.Key.Key_F1, Qt.Key.Key_Down)))

    def use_chart(self) -> None:
        """Point at a chart, click it, turn the wheel over it, press a key in it, ask for its menu."""
        chart = self._pick(ChartView)
        if chart is None:
            return
        spot = QPoint(self.random.randrange(chart.width()), self.random.randrange(chart.height()))
        target = chart.childAt(spot) or chart
        inside = target.mapFrom(chart, spot)
        what = self.random.randrange(5)
        if what == 0:
            chart.customContextMenuRequested.emit(spot)
        elif what == 1:
            QTest.mouseMove(target, inside)
        elif what == 2:
            QTest.mouseClick(target, LEFT, NONE, inside)
        elif what == 3:
            QTest.mousePress(target, LEFT, NONE, inside)
            QTest.mouseMove(target, inside + QPoint(40, 25))
            QTest.mouseRelease(target, LEFT, NONE, inside + QPoint(40, 25))
        else:
            QTest.keyClick(
                chart, self.random.choice((Qt.Key.Key_Left, Qt.Key.Key_Right, Qt.Key.Key_Home, Qt.Key.Key_Plus))
            )

    def use_menu(self) -> None:
        """A line of the menu bar."""
        menus = [action.menu() for action in self.window.menuBar().actions() if action.menu() is not None]
        self._trigger(self.random.choice(menus))

    def _trigger(self, menu: QMenu, depth: int = 0) -> None:
        menu.aboutToShow.emit()
        actions = [one for one in menu.actions() if one.isEnabled() and not one.isSeparator()]
        if not actions:
            return
        action = self.random.choice(actions)
        self._say(action.text())
        if action.menu() is not None and depth < 3:
            self._trigger(action.menu(), depth + 1)
        else:
            action.trigger()

    def command(self) -> None:
        """A command by its shortcut."""
        action = self.random.choice([one for one in self.window.actions_by_name.values() if one.isEnabled()])
        self._say(action.objectName())
        action.trigger()

    def find(self) -> None:
        """The palette: a few letters, then Enter or Escape."""
        self.window.find()
        typed = self.window.palette_of_commands.typed
        QTest.keyClicks(typed, self.random.choice(SEARCHED))
        for _ in range(self.random.randrange(4)):
            QTest.keyClick(typed, Qt.Key.Key_Down)
        current = self.window.palette_of_commands.list.currentItem()
        self._say(current.text() if current else "nothing")
        QTest.keyClick(typed, self.random.choice((Qt.Key.Key_Return, Qt.Key.Key_Escape)))

    def undo_or_redo(self) -> None:
        """Some steps back or forth."""
        action = self.window.actions_by_name[self.random.choice(("undo", "undo", "redo"))]
        for _ in range(self.random.randrange(1, 6)):
            action.trigger()

    def drop(self) -> None:
        """A file is dropped: a plan, a config, or something else."""
        path = self.random.choice(sorted(self.scratch.iterdir()))
        self._say(path.name)
        mime = QMimeData()
        mime.setUrls([QUrl.fromLocalFile(str(path))])
        enter = QDragEnterEvent(QPoint(9, 9), Qt.DropAction.CopyAction, mime, LEFT, NONE)
        enter.ignore()
        QApplication.sendEvent(self.window, enter)
        if enter.isAccepted():
            QApplication.sendEvent(self.window, QDropEvent(QPointF(9, 9), Qt.DropAction.CopyAction, mime, LEFT, NONE))

    def resize(self) -> None:
        """Another size of the window."""
        self.window.resize(*self.random.choice(SIZES))

    def switch_theme(self) -> None:
        """Light, dark, or as the desktop has it."""
        self.window.set_theme(self.random.choice(("light", "dark", "system")))

    def slide(self) -> None:
        """Move a slider or a scroll bar."""
        slider = self._pick(QAbstractSlider)
        if slider is not None:
            slider.setValue(self.random.randint(slider.minimum(), slider.maximum()))

    def write_text(self) -> None:
        """Into a box of several lines."""
        box = self._pick(QPlainTextEdit)
        if box is not None:
            box.setPlainText(self.random.choice(TEXTS) * self.random.randrange(4))

    def cancel(self) -> None:
        """Stop what runs."""
        self.window.escape()

    def begin_anew(self) -> None:
        """An example as the plan."""
        self.window.files.new(self.random.choice(("llama-2-7b", "gpt2", "mixtral-8x7b", "t5-11b", "bert-large-cased")))

    def _settle_popups(self) -> None:
        """A menu that has popped up: choose from it, or leave it."""
        for _ in range(4):
            popup = QApplication.activePopupWidget()
            if popup is None:
                return
            if isinstance(popup, QMenu) and self.random.random() < 0.6:
                self._trigger(popup)
            if shiboken6.isValid(popup):
                popup.close()

    # What must stay true.

    def compare(self, *, with_process: bool = False) -> None:
        """The window says of its plan what the command line says; raises `WrongError`."""
        window = self.window
        end_jobs(window)
        state = window.estimator.update_now()
        if state.is_stale or state.estimate is None:
            self.compared["stale"] += 1
            if "Waiting" not in window.verdict.sentence.text():
                raise WrongError(f"{state.blocking!r} blocks, yet the verdict is {window.verdict.sentence.text()!r}")
            window.document.undo()  # takes back what is typed and invalid
            state = window.estimator.update_now()
            if state.is_stale or state.estimate is None:
                return
        shown = window.verdict.sentence.text()
        path = self.scratch / "checkpoint.json"
        file.save(window.document.plan, path)
        expected = estimate(file.load(str(path)))
        told = expected.json
        if shown != expected.verdict:
            raise WrongError(f"{shown!r} is shown, {expected.verdict!r} is true")
        window.show_page("results")
        for key, card in window.page("results")._cards.items():
            if card.value.text() != expected.figures[key].text:
                raise WrongError(f"{key}: {card.value.text()!r} is shown, {expected.figures[key].text!r} is true")
        same(state.estimate.json, told, "the window's estimate")
        self.compared["in process"] += 1
        if with_process:
            command = [sys.executable, str(ROOT / "main.py"), "estimate", str(path), "--json"]
            ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
            if ran.returncode:
                raise WrongError(f"the command line ends with {ran.returncode}: {ran.stderr}")
            same(json.loads(json.dumps(told)), json.loads(ran.stdout), "the command line's estimate")
            self.compared["by command"] += 1


def same(one: Any, other: Any, what: str, path: str = "") -> None:
    """Raises `WrongError` at the first key that differs."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one.keys() | other.keys():
            same(one.get(key), other.get(key), what, f"{path}.{key}")
    elif one != other and not (one != one and other != other):
        raise WrongError(f"{what} differs in {path}: {one!r} and {other!r}")


def is_open(window: Window) -> bool:
    """It has not been closed, nor deleted after that."""
    return shiboken6.isValid(window) and window.isVisible()


def wait(milliseconds: int) -> None:
    """Let the event loop run, and what asked to be deleted go."""
    QTest.qWait(milliseconds) if milliseconds else QApplication.processEvents()


def end_jobs(window: Window) -> None:
    """Stop every job and wait for its end; a page may begin one of its own after another."""
    for _ in range(400):
        if window.job is None:
            return
        window.jobs.cancel()
        wait(25)
    raise WrongError("a cancelled job does not end")


@contextlib.contextmanager
def answering(monkey: Monkey) -> Iterator[None]:
    """File dialogs and questions are answered at once, at random; no folder is opened in a file manager."""
    dice, scratch = monkey.random, monkey.scratch

    def to_open(*_: Any, **__: Any) -> tuple[str, str]:
        return str(dice.choice([*scratch.iterdir(), ""])), ""

    def to_save(parent: Any, title: str, proposal: str, kinds: str = "", *_: Any) -> tuple[str, str]:
        folder = dice.choice((scratch, scratch, scratch, scratch / "nowhere"))
        ending = dice.choice(("", Path(proposal).suffix, ".csv", ".html"))
        name = dice.choice((f"saved{dice.randrange(4)}", "名前 with blanks", ""))
        return (str(folder / f"{name}{ending}"), dice.choice(kinds.split(";;"))) if name else ("", "")

    def answer(box: QMessageBox) -> Any:
        return dice.choice([box.standardButton(one) for one in box.buttons()])

    answers = (
        (QFileDialog, "getOpenFileName", to_open), (QFileDialog, "getSaveFileName", to_save),
        (QFileDialog, "getOpenFileNames", lambda *_: (dice.sample([*map(str, scratch.iterdir())], 2), "")),
        (QFileDialog, "getExistingDirectory", lambda *_: dice.choice((str(scratch), ""))),
        (QMessageBox, "exec", answer), (QDesktopServices, "openUrl", lambda url: True),
    )  # fmt: skip
    with contextlib.ExitStack() as stack:
        for owner, name, act in answers:
            stack.enter_context(mock.patch.object(owner, name, act))
        yield


def fill(scratch: Path) -> None:
    """Files to open and to drop: plans, a config, torn and foreign ones."""
    scratch.mkdir(parents=True, exist_ok=True)
    for name in ("gpt2", "llama-2-13b", "llama-3.1-405b"):
        file.save(file.load(name), scratch / f"{name}.json")
    (scratch / "torn.json").write_text(TORN, "utf-8")
    (scratch / "foreign.json").write_text('{"hello": [1, 2]}', "utf-8")
    (scratch / "bytes.json").write_bytes(b"\x00\xff\xfe")
    (scratch / "points.csv").write_text("parameters,tokens,loss\n1e8,2e9,3.1\n", "utf-8")
    (scratch / "config.json").write_text(json.dumps({
        "architectures": ["MistralForCausalLM"], "model_type": "mistral", "hidden_size": 4096,
        "intermediate_size": 14336,
        "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000,
        "max_position_embeddings": 32768, "hidden_act": "silu", "tie_word_embeddings": False, "an_unknown_field": 7,
    }), "utf-8")  # fmt: skip


def resident_mb() -> float:
    """Memory of this process in MB (Linux; else 0)."""
    try:
        pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    except OSError:
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def census() -> Counter[str]:
    """Live Python objects by type, and Qt's widgets."""
    gc.collect()
    found = Counter(type(one).__name__ for one in gc.get_objects())
    found["all widgets"] = len(QApplication.allWidgets())
    found["all objects"] = len(gc.get_objects())
    return found


def run(options: argparse.Namespace) -> int:
    """The whole run with its report."""
    home = Path(tempfile.mkdtemp(prefix="trainplan-monkey-"))
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["TRAINPLAN_HOME"] = str(home / "user")
    from gui.app import make_application

    make_application(["trainplan"])
    switch().apply("light")
    scratch, watch = home / "files", Watch()
    fill(scratch)
    began, told = time.monotonic(), []
    with watch.listening():
        monkey = Monkey(scratch, options.seed, watch, with_jobs=options.jobs)
        with answering(monkey):
            told = observe(monkey, options)
            monkey.close_all()
    report = [
        f"{options.actions:,} actions, seed {options.seed}, {time.monotonic() - began:.0f} s",
        "actions: " + ", ".join(f"{name} {count:,}" for name, count in monkey.done.most_common()),
        "verdicts compared: " + ", ".join(f"{name} {count}" for name, count in monkey.compared.items()),
        *told, f"found: {len(watch.found) or 'nothing'}", *watch.found,
    ]  # fmt: skip
    print("\n".join(report))
    if options.out:
        options.out.write_text("\n".join(report) + "\n", "utf-8")
    shutil.rmtree(home, ignore_errors=True)
    return 1 if watch.found else 0


def observe(monkey: Monkey, options: argparse.Namespace) -> list[str]:
    """Act, compare and measure; the lines about memory."""
    told, marks, before = [], [], Counter()
    for number in range(1, options.actions + 1):
        try:
            monkey.act()
            if number % options.every == 0:
                monkey.compare(with_process=number % (10 * options.every) == 0)
        except WrongError as error:
            monkey.watch.note("verdict", str(error))
        except Exception:  # what a method that the monkey calls itself lets through
            monkey.watch.note("exception", traceback.format_exc())
        if number % max(1, options.actions // 10) == 0:
            now = census()
            marks.append(resident_mb())
            grown = (now - before).most_common(6) if before else []
            before = now
            told.append(
                f"after {number:>6,}: {marks[-1]:.0f} MB, {now['all widgets']:,} widgets, "
                f"{now['all objects']:,} objects   grown: {', '.join(f'{name} +{count}' for name, count in grown)}"
            )
            print(told[-1], f"  found {len(monkey.watch.found)}", file=sys.stderr, flush=True)
    settled = marks[(len(marks) - 1) * 3 // 10]
    if options.actions >= LONG_ENOUGH and marks[-1] > MOST_GROWTH * settled:
        monkey.watch.note("memory", f"{settled:.0f} MB after three tenths, {marks[-1]:.0f} MB at the end")
    return told


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--actions", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--every", type=int, default=50, help="actions between two comparisons of the verdict")
    parser.add_argument("--no-jobs", dest="jobs", action="store_false", help="cancel every job as soon as it begins")
    parser.add_argument("--out", type=Path, help="write the report here, too")
    return run(parser.parse_args())


if __name__ == "__main__":
    sys.exit(main())
