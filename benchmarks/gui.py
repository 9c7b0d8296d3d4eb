"""How quick the app is, each figure against its budget: `python benchmarks/gui.py`. Needs no screen.

Start, first chart and memory are those of a process of its own; the others are measured on a window with real key
presses. The program is compiled first, as its installation does. Numbers are of this machine as busy as it is: run it
alone on the machine.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

BUDGETS = {
    "start to first paint": (500.0, "ms"), "start to first chart": (1200.0, "ms"),
    "keystroke to updated verdict": (100.0, "ms"), "page switch": (100.0, "ms"), "chart redraw": (100.0, "ms"),
    "chart moved by one notch of the wheel": (100.0, "ms"), "words under the pointer": (16.0, "ms"),
    "cancel acknowledged": (100.0, "ms"), "cancel to end of the process": (3000.0, "ms"), "close": (1000.0, "ms"),
    "memory after a walk through all pages": (220.0, "MB"), "idle CPU": (1.0, "%"),
}  # fmt: skip
"""The app's budgets on two cores. A thousandth of a core at rest is the clock's own noise."""
KEYS = 24
IDLE_S = 3.0
STARTS = 3


def main() -> int:
    """Measure, and print a table; 1 where a median is over its budget."""
    import statistics  # here, as in `started`: a start is not to wait for what only its measuring needs
    import subprocess
    import tempfile

    os.environ["TRAINPLAN_HOME"] = tempfile.mkdtemp(prefix="trainplan-gui-")
    subprocess.run([sys.executable, "-m", "compileall", "-q", "main.py", "gui", "planner"], cwd=ROOT, check=True)
    found: dict[str, list[float]] = {}
    for _ in range(STARTS):
        for name, value in started().items():
            found.setdefault(name, []).append(value)
    told = subprocess.run(
        [sys.executable, __file__, "--session"], capture_output=True, text=True, check=True, timeout=180
    )
    found.update(json.loads(told.stdout.splitlines()[-1]))
    print(f"{'what':40} {'median':>10} {'worst':>10} {'budget':>10}")
    over = 0
    for name, (budget, unit) in BUDGETS.items():
        values = found[name]
        median = statistics.median(values)
        over += median > budget
        verdict = "over" if median > budget else ""
        print(f"{name:40} {median:>7.1f} {unit:2} {max(values):>7.1f} {unit:2} {budget:>7.0f} {unit:2} {verdict}")
    return 1 if over else 0


def started() -> dict[str, float]:
    """One start in a process of its own: milliseconds from its beginning, as the parent's clock has it."""
    import subprocess

    begun = time.time()
    told = subprocess.run(
        [sys.executable, __file__, "--start", repr(begun)], capture_output=True, text=True, check=True
    )  # fmt: skip
    return {name: float(value) for name, value in json.loads(told.stdout.splitlines()[-1]).items()}


def start(begun: float) -> dict[str, float]:
    """Open the app as `main.py` does; when was all of the window on screen, and when its first chart?"""
    from PySide6.QtCore import QEvent, QObject

    from gui.app import make_application, open_window
    from gui.settings import Settings
    from gui.theme import switch

    app = make_application(["trainplan"])
    switch().apply(Settings().theme)
    seen: dict[str, float] = {}

    def see(what: str) -> None:
        seen.setdefault(what, 1e3 * (time.time() - begun))

    class Painted(QObject):
        def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802
            if event.type() == QEvent.Type.Paint and type(watched).__name__ == "Canvas":
                see("start to first chart")
            return False

    window = open_window()
    window.painted.connect(lambda: see("start to first paint"))
    painted = Painted()
    app.installEventFilter(painted)
    until(app, lambda: len(seen) == 2)
    window.close()
    return seen


def until(app: Any, done: Callable[[], bool], patience_s: float = 30.0) -> None:
    """Let the event loop run until something is so."""
    end = time.monotonic() + patience_s
    while not done():
        if time.monotonic() > end:
            raise TimeoutError("the app did not come to what is measured")
        app.processEvents()


def session() -> dict[str, list[float]]:
    """One window, used: keys, pages, charts, a cancelled job, rest, close."""
    from gui.app import make_application, open_window
    from gui.theme import switch

    app = make_application(["trainplan"])
    switch().apply("light")
    window = open_window()
    until(app, lambda: len(window.pages) == len(window.page_classes) and window.state.estimate is not None)
    found = {"keystroke to updated verdict": keystrokes(app, window), "page switch": switches(app, window)}
    found |= charts(app, window)
    found["memory after a walk through all pages"] = [resident_mb()]
    found |= cancelled(app, window)
    found["idle CPU"] = [at_rest(app)]
    window.document.stack.setClean()  # else it would ask
    found["close"] = [timed(window.close)]
    return found


def keystrokes(app: Any, window: Any) -> list[float]:
    """From a key in the field of the tokens to the verdict on screen."""
    from PySide6.QtCore import Qt
    from PySide6.QtTest import QTest

    window.focus_field("recipe.tokens")
    settle(app)
    field = app.focusWidget()
    field.selectAll()
    found = []
    for number in range(KEYS):
        before = window.state.estimate
        key = Qt.Key.Key_1 if number % 2 else Qt.Key.Key_Backspace
        if number == 0:
            QTest.keyClicks(field, "2001")
            settle(app)
            before = window.state.estimate
        found.append(timed(lambda key=key, before=before: press(app, window, field, key, before)))
        settle(app, 0.25)
    return found


def press(app: Any, window: Any, field: Any, key: Any, before: Any) -> None:
    """One key, and everything that follows until the window shows it."""
    from PySide6.QtTest import QTest

    QTest.keyClick(field, key)
    until(app, lambda: window.state.estimate is not before)
    window.verdict.repaint()


def switches(app: Any, window: Any) -> list[float]:
    """From the key of a page to its picture; each page was seen once before."""
    found = []
    for is_first in (True, False):
        for page in window.page_classes:

            def turn(key: str = page.key) -> None:
                window.show_page(key)
                window.repaint()

            took = timed(turn)
            settle(app, 0.5)
            until(app, lambda: window.job is None, 120.0)
            if not is_first:
                found.append(took)
    return found


def charts(app: Any, window: Any) -> dict[str, list[float]]:
    """Each chart that a page shows at first: drawn anew, moved, asked for a point."""
    from gui.chart_view import ChartView

    redrawn, moved, told = [], [], []
    for page in window.page_classes:
        window.show_page(page.key)
        settle(app, 0.6)
        for chart in [one for one in window.pages[page.key].findChildren(ChartView) if one.isVisible()]:
            if chart._data is None:
                continue
            chart._drawn = ()
            redrawn.append(timed(lambda chart=chart: (chart.draw_now(), chart._canvas.draw())))
            settle(app, 0.3)
            if len(chart._hover.points):
                told.append(timed(lambda chart=chart: (chart._hover.tell(0), chart._hover.repaint())))
                chart._hover.tell(None)
            if chart.can_zoom:
                moved.append(timed(lambda chart=chart: (chart.zoom(1), chart._canvas.draw())))
                chart.show_all()
            settle(app, 0.3)
    return {
        "chart redraw": redrawn,
        "chart moved by one notch of the wheel": moved,
        "words under the pointer": told,
    }


def cancelled(app: Any, window: Any) -> dict[str, list[float]]:
    """A profile of this machine, cancelled when it has begun to measure."""
    window.run_profile()
    until(app, lambda: window.job is not None and bool(window.job.doing), 120.0)
    acknowledged = timed(window.cancel_job)
    ended = timed(lambda: until(app, lambda: window.job is None))
    return {"cancel acknowledged": [acknowledged], "cancel to end of the process": [acknowledged + ended]}


def at_rest(app: Any) -> float:
    """Share of one core that the app takes when nobody touches it, in per cent."""
    from PySide6.QtCore import QEventLoop, QTimer

    settle(app, 1.5)
    loop = QEventLoop()
    QTimer.singleShot(round(1e3 * IDLE_S), loop.quit)
    before = time.process_time()
    loop.exec()
    return 100 * (time.process_time() - before) / IDLE_S


def resident_mb() -> float:
    """Resident memory of this process now, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmRSS")).split()[1]) * 1024 / 1e6


def settle(app: Any, seconds: float = 0.4) -> None:
    """Let timers and layouts come to rest."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        app.processEvents()
        time.sleep(0.005)


def timed(act: Callable[[], object]) -> float:
    """Milliseconds that something takes."""
    begun = time.perf_counter()
    act()
    return 1e3 * (time.perf_counter() - begun)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--start"]:
        print(json.dumps(start(float(sys.argv[2]))))
    elif sys.argv[1:2] == ["--session"]:
        print(json.dumps(session()))
    else:
        sys.exit(main())
