"""How the app bears large inputs: the longest time for which its event loop answers nothing, memory, and time to stop.

python benchmarks/load_app.py [--only plans,runs,profile] [--small 1]

Each case is a window in a process of its own, which needs no screen: a folder of 1,000 plans on the Compare page, a
table of 50,000 runs on the Validate page, a measured profile of 100,000 rows on the Profile page. `--small 100` makes
each a hundredth as large. The exit code is 1 where a case failed, held more than 1 GiB with its child processes, let
more than `LONGEST_GAP_MS` pass without an event, or took longer than 1 s to stop. Run it alone on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.load import LONGEST_STOP_S, MOST_BYTES, a_folder, a_profile, a_table

LONGEST_GAP_MS = 100.0
CASES: dict[str, Callable[[Path, int], Any]] = {"plans": a_folder, "runs": a_table, "profile": a_profile}
PATIENCE_S = 580.0


class Watch:
    """A timer that should fire every 5 ms: how long it did not, and while what was done."""

    def __init__(self) -> None:
        from PySide6.QtCore import QTimer

        self.longest_ms, self.last = 0.0, time.perf_counter()
        self._timer = QTimer(interval=5)
        self._timer.timeout.connect(self._tick)
        self._timer.start()

    def _tick(self) -> None:
        now = time.perf_counter()
        self.longest_ms, self.last = max(self.longest_ms, 1e3 * (now - self.last)), now

    def taken(self) -> float:
        """The longest gap since it was last asked, in ms."""
        longest, self.longest_ms = self.longest_ms, 0.0
        return longest


def until(app: Any, done: Callable[[], bool]) -> float:
    """Let the event loop run until something is so; the seconds that took."""
    from PySide6.QtCore import QEventLoop

    began = time.perf_counter()
    while not done():
        if time.perf_counter() - began > PATIENCE_S:
            raise TimeoutError("the app did not come to what is measured")
        app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents | QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
    return time.perf_counter() - began


def settle(app: Any, seconds: float) -> None:
    """Let the event loop run so long."""
    end = time.perf_counter() + seconds
    until(app, lambda: time.perf_counter() >= end)


def session(case: str, home: Path) -> dict[str, float]:
    """One window and one case in it: `gap_ms` over all, `<what>_s` and `<what>_gap_ms` of its steps."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from gui.app import make_application, open_window
    from gui.theme import switch

    app = make_application(["trainplan"])
    switch().apply("light")
    watch = Watch()
    window = open_window()
    window.resize(1280, 800)
    until(app, lambda: len(window.pages) == len(window.page_classes) and window.state.estimate is not None)
    settle(app, 1.0)
    watch.taken()
    found: dict[str, float] = {}

    def step(name: str, act: Callable[[], object], done: Callable[[], bool]) -> None:
        began = time.perf_counter()
        act()
        until(app, done)
        found[f"{name}_s"] = time.perf_counter() - began
        settle(app, 1.0)
        found[f"{name}_gap_ms"] = watch.taken()

    {"plans": many_plans, "runs": many_runs, "profile": large_profile}[case](window, home, step)
    window.document.stack.setClean()
    window.close()
    return found


def many_plans(window: Any, home: Path, step: Any) -> None:
    """Open, stop, open again; sort, filter, draw."""
    from PySide6.QtCore import Qt

    window.show_page("compare")
    page = window.page("compare")
    survey = page.survey
    step("begin", lambda: page.open_many([home / "plans"]), lambda: len(survey._rows) > 5)
    step("stop", survey.stop.click, lambda: not survey.is_running)
    step("open", lambda: page.open_many([home / "plans"]), lambda: not survey.is_running)
    step("sort", lambda: survey.table.sortByColumn(1, Qt.SortOrder.DescendingOrder), lambda: True)
    step("filter", lambda: survey.filter.setText("scenario 7"), lambda: not survey._fill_soon.isActive())


def many_runs(window: Any, home: Path, step: Any) -> None:
    """Score, stop, score again; sort, choose another figure and another source, open a derivation."""
    from PySide6.QtCore import Qt

    page = window.page("validate")
    step("shipped", lambda: window.show_page("validate"), lambda: window.job is None and page._answer)
    step("begin", lambda: page.open(home / "many.csv"), lambda: page._coming.count > 5)
    step("stop", page.stop.click, lambda: window.job is None and not page._is_running)
    step("open", lambda: page.open(home / "many.csv"), lambda: window.job is None and not page._is_running)
    step("sort", lambda: page.table.sortByColumn(1, Qt.SortOrder.DescendingOrder), lambda: True)
    step("metric", lambda: (page.metric.show_value("memory_bytes"), page._fill_rows()), lambda: True)
    step("explain", lambda: page._explain(page._lines[-1], False), lambda: not page._explaining.is_running)


def large_profile(window: Any, home: Path, step: Any) -> None:
    """Let a plan's estimate rest on it, stop that, again; change the plan; look at every tab and chart of it."""
    from planner.plan import file

    page = window.page("profile")
    reader = window.reader

    def is_read() -> bool:
        return not reader.doing and not window.state.reading and window.job is None

    on_processor = {"cluster.accelerator": "CPU", "recipe.precision": "fp32", "profile": "large"}
    plan = file.with_settings(file.load("gpt2"), list(on_processor.items()))
    step("begin", lambda: window.document.replace(plan, None), lambda: bool(reader.doing))
    step("stop", window.cancel_job, lambda: not reader.doing)
    step("use", lambda: page.use("large"), lambda: is_read() and window.state.estimate.machine.profile == "large")
    step("edit", lambda: window.document.try_set("recipe.tokens", 3e9), is_read)
    step("page", lambda: window.show_page("profile"), is_read)
    step("charts", lambda: page.tabs.setCurrentWidget(page.charts_tab), is_read)
    for number in range(page.charts_tab.kind.count()):
        step(
            page.charts_tab.kind.itemData(number),
            lambda number=number: (page.charts_tab.kind.setCurrentIndex(number), page.charts_tab._show_chosen()),
            is_read,
        )
    for name in ("history", "compare"):
        step(name, lambda name=name: page.tabs.setCurrentWidget(getattr(page, f"{name}_tab")), is_read)


def measured(case: str, small: int) -> tuple[dict[str, float], float, str]:
    """What a session found, its peak memory in bytes, and what it said last."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as out:
        home = Path(folder)
        CASES[case](home, small)
        child = subprocess.Popen(
            [sys.executable, __file__, "--session", case], stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, "TRAINPLAN_HOME": str(home)},
        )  # fmt: skip
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        last = (out.read().decode("utf-8", "replace").splitlines() or [""])[-1]
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return (json.loads(last) if child.returncode == 0 else {}), peak, last


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="CASE,…", help="cases to run (default: all)")
    parser.add_argument("--small", type=int, default=1, metavar="N", help="each case an Nth as large")
    parser.add_argument("--session", metavar="CASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.session:
        print(json.dumps(session(options.session, Path(os.environ["TRAINPLAN_HOME"]))))
        return 0
    broken = []
    for case in options.only.split(",") if options.only else CASES:
        found, peak, last = measured(case, options.small)
        print(f"{case}: {peak / 2**20:,.0f} MiB", flush=True)
        for name in [one.removesuffix("_s") for one in found if one.endswith("_s") and not one.endswith("_ms")]:
            print(
                f"  {name:10} {found[f'{name}_s']:8.2f} s   longest gap {found[f'{name}_gap_ms']:8.0f} ms", flush=True
            )
        if not found:
            broken.append(f"{case}: {last[:300]}")
        if peak > MOST_BYTES:
            broken.append(f"{case}: held {peak / 2**20:,.0f} MiB")
        broken += [f"{case}: no event for {v:,.0f} ms ({k})" for k, v in found.items()
                   if k.endswith("_gap_ms") and v > LONGEST_GAP_MS]  # fmt: skip
        if found.get("stop_s", 0.0) > LONGEST_STOP_S:
            broken.append(f"{case}: stopped after {found['stop_s']:.2f} s")
    for one in broken:
        print(f"FAILED {one}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
