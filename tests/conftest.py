"""What every test gets: a user folder of its own; and for the app's tests: no dialogs, no Qt warnings."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("MPLBACKEND", "agg")

PATIENCE_MS = 30_000
"""A busy machine may be slow; nothing here tests speed."""
OFFSCREEN = "This plugin does not support"
"""What Qt's offscreen platform says of popups: about itself, not about the program."""


@pytest.fixture(autouse=True)
def user_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The test's own `TRAINPLAN_HOME`: settings, recovery files, measured profiles."""
    folder = tmp_path_factory.mktemp("user")
    monkeypatch.setenv("TRAINPLAN_HOME", str(folder))
    return folder


@pytest.fixture(scope="session")
def gpt2_profile() -> object:
    """A real profile: one layer of GPT-2 on two cores of a server's processor."""
    from planner.timing import profile

    return profile.load(Path(__file__).parent / "data" / "gpt2-cpu.json")


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
    """Opens windows on screen, all pages built; closes them without a question."""
    from gui.plan_files import PlanFiles
    from gui.window import Window

    windows = []

    def open_one(plan: object = None) -> object:
        window = Window(plan)
        window.show()
        window.after_first_paint()
        qtbot.waitUntil(lambda: len(window.pages) == len(window.page_classes), timeout=PATIENCE_MS)
        windows.append(window)
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
