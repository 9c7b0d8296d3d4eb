"""What the app's process holds, and when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from shiboken6 import isValid

from planner.estimate import estimate
from planner.plan import file

ROOT = Path(__file__).resolve().parents[2]
OPEN = """
import json, linecache, sys
from gui.app import make_application
from gui.window import Window
app = make_application(["trainplan"])
window = Window()
window.show()
app.processEvents()
heavy = ("torch", "matplotlib", "numpy", "pandas", "scipy", "pydantic")
shown = [name for name in heavy if name in sys.modules]
shown += [page.key for page in window.page_classes if "gui.pages." + page.key in sys.modules]
window.after_first_paint()
from gui.chart_view import ChartView
from gui.pictures import _settle
while not any(chart.is_drawn for chart in window.findChildren(ChartView)):
    app.processEvents()
built = len(window.pages)
while len(window.pages) < len(window.page_classes):
    app.processEvents()
for page in window.page_classes:
    window.show_page(page.key)
    _settle(app, 0.2)
settled = [name for name in ("torch", "matplotlib.pyplot", "pandas") if name in sys.modules]
read = [name for name in linecache.cache if "matplotlib" in name or "numpy" in name]
print(json.dumps([shown, settled, window.verdict.sentence.text(), read, built]))
window.close()
"""


def test_heavy_libraries_and_other_pages_come_after_the_window_and_torch_never() -> None:
    done = subprocess.run([sys.executable, "-c", OPEN], cwd=ROOT, capture_output=True, text=True, check=True)
    shown, settled, verdict, read, built = json.loads(done.stdout)
    assert shown == []  # no library, and the module of no page
    assert settled == []
    assert "A100" in verdict
    assert built == 1  # the first chart waits for no page but its own
    assert read == []  # the sources of libraries are not kept in memory (28 MB)


@pytest.mark.parametrize(("name", "expected"), [("DISPLAY", True), ("WAYLAND_DISPLAY", True), ("NOTHING", False)])
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux starts without a screen")
def test_whether_there_is_a_screen_is_known_without_qt(name: str, expected: bool) -> None:
    code = "import sys; from gui.screen import has_screen; print(has_screen(), 'PySide6' in sys.modules)"
    screen = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {key: value for key, value in os.environ.items() if key not in screen}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**environment, name: ":9"},
    )
    assert done.stdout.split() == [str(expected), "False"]


@pytest.fixture
def start(application: object, no_qt_warnings: None) -> Iterator[Callable[..., Any]]:
    """Opens a window as the program does, on a plan file where one is named; its first picture is not painted yet."""
    from gui.app import open_window

    opened: list[Any] = []

    def start(path: Path | None = None) -> Any:
        opened.append(open_window(path))
        return opened[-1]

    yield start
    for window in opened:
        if isValid(window):
            window.close()


def test_a_plan_file_named_at_the_start_is_opened(start: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    file.save(file.load("gpt2"), path)
    window = start(path)
    window.after_first_paint()
    assert window.windowTitle() == "mine[*] – Trainplan" and not window.isWindowModified()
    assert window.verdict.sentence.text() == estimate(file.load("gpt2")).verdict


def test_a_broken_plan_file_named_at_the_start_is_told_of(start: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text("{")
    window = start(path)
    window.after_first_paint()
    assert str(path) in window.notice.text
    assert window.document.path is None and "A100" in window.verdict.sentence.text()


def test_a_window_may_be_closed_before_it_has_a_plan(start: Callable[..., Any], qtbot: Any) -> None:
    window = start()
    with qtbot.waitSignal(window.painted):
        pass
    assert window.close() and not window.isVisible()
    assert window.document is None
    qtbot.waitUntil(lambda: not isValid(window))
