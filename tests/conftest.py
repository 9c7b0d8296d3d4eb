"""What every test gets: a user folder of its own; and for the app's tests: no dialogs, no Qt warnings."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("MPLBACKEND", "agg")
# Of numpy, torch and the processes that tests start: threads that wait for each other, or for the tests beside these,
# turn a test of milliseconds into one of seconds.
os.environ.setdefault("OMP_NUM_THREADS", "1")

PATIENCE_MS = 60_000
"""A busy machine may be slow; nothing here tests speed."""
OFFSCREEN = "This plugin does not support"
"""What Qt's offscreen platform says of popups: about itself, not about the program."""


def pytest_collection_finish() -> None:
    """What importing all tests has left is never garbage: each full collection would look through it, a second each."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def user_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own `TRAINPLAN_HOME`: settings, recovery files, measured profiles."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("TRAINPLAN_HOME", str(folder))
    return folder


@pytest.fixture(autouse=True)
def nothing_read_elsewhere() -> Iterator[None]:
    """A window leaves long profiles to a process beside it; the next test reads its own."""
    yield
    if module := sys.modules.get("planner.timing.reading"):
        module.read_elsewhere(None)


@pytest.fixture(scope="session")
def gpt2_profile() -> object:
    """A real profile: one layer of GPT-2 on two cores of a server's processor."""
    from planner.timing import profile

    return profile.load(Path(__file__).parent / "data" / "gpt2-cpu.json")


@pytest.fixture
def qtbot(qtbot: object) -> object:
    """pytest-qt's, which waits no less than our patience: its own five seconds are over soon on a busy machine."""
    for name in ("waitUntil", "waitSignal"):
        setattr(qtbot, name, patient(getattr(qtbot, name)))
    return qtbot


def patient(wait: Callable[..., object]) -> Callable[..., object]:
    def waiting(*arguments: object, timeout: int = 0, **options: object) -> object:
        return wait(*arguments, timeout=max(timeout, PATIENCE_MS), **options)

    return waiting


@pytest.fixture
def no_dialogs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A dialog would wait for ever: opening one fails the test."""
    from PySide6.QtWidgets import QDialog, QFileDialog, QMessageBox

    def refuse(*args: object, **kwargs: object) -> None:
        raise AssertionError("a blocking dialog was opened")

    for owner, name in (
        (QDialog, "exec"), (QMessageBox, "exec"), (QFileDialog, "getOpenFileName"), (QFileDialog, "getSaveFileName"),
    ):  # fmt: skip
        monkeypatch.setattr(owner, name, refuse)


@pytest.fixture
def no_qt_warnings(qtlog: object) -> Iterator[None]:
    """Whatever Qt complains about fails the test."""
    yield
    told = [f"{record.type.name}: {record.message}" for record in qtlog.records if OFFSCREEN not in record.message]
    assert not told, f"Qt printed: {told}"


@pytest.fixture
def application(qapp: object) -> object:
    """The application as `run` makes it."""
    from gui.app import make_application
    from gui.theme import switch

    made = make_application(["trainplan"])
    switch().apply("light")
    return made


@pytest.fixture
def open_window(
    application: object, qtbot: object, no_dialogs: None, no_qt_warnings: None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., object]]:
    """Opens windows on screen and closes them without a question. Pages are built when they are first asked for, which
    saves a second or two a window; `whole` waits until the window has built them all by itself."""
    from gui.plan_files import PlanFiles
    from gui.window import Window

    windows = []

    def open_one(plan: object = None, *, whole: bool = False) -> object:
        window = Window(plan)
        windows.append(window)
        if not whole:
            monkeypatch.setattr(window, "build_next_page", lambda: None)
        window.show()
        window.after_first_paint()
        if whole:
            qtbot.waitUntil(lambda: len(window.pages) == len(window.page_classes), timeout=PATIENCE_MS)
        return window

    yield open_one
    monkeypatch.setattr(PlanFiles, "may_discard", lambda self: True)
    monkeypatch.setattr(Window, "_may_close", lambda self: True)
    for window in windows:
        window.close()
        window.deleteLater()
    qtbot.wait(1)


@pytest.fixture
def window(open_window: Callable[..., object]) -> object:
    """One window on the default plan."""
    return open_window()
