"""The order in which the app starts.

1. `app.run`: Qt, the look, and the window's frame (`shell`), which is painted before any other library is loaded.
2. `after_first_paint`: the libraries of the plan and its estimate; the plan and the page one was on, which is painted
   once, with its estimate; the libraries of the charts, the first chart.
3. The other pages, one after another.

Between two steps the event loop runs, so that the window moves, answers and closes meanwhile.
"""

from __future__ import annotations

import gc
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from gui import imports

if TYPE_CHECKING:
    from gui.window import Window
    from planner.plan.plan import Plan

PLAN = (
    "pydantic", "planner.plan.section", "planner.plan.cluster", "planner.plan.lifetime", "planner.plan.plan",
    "planner.plan.file", "gui.document", "gui.job_queue", "gui.plan_files", "gui.recovery", "gui.chart_view", "numpy",
    "gui.forms", "gui.pages.page",
)  # fmt: skip
ESTIMATE = ("planner.counting.memory", "planner.timing.step", "planner.estimate")
FIT = ("numpy.testing", "scipy.special", "scipy.fft", "scipy.spatial.transform", "scipy.optimize")
"""What a fit to a measured profile loads, half a second; long profiles are fitted in another process."""
BELOW_CHARTS = ("pyparsing", "PIL.Image", "matplotlib.colors")
CHARTS = (
    "matplotlib.artist", "matplotlib.patches", "matplotlib.text", "matplotlib.collections", "matplotlib.image",
    "matplotlib.dates", "matplotlib.axes", "matplotlib.figure",
    "matplotlib.backends.backend_qtagg", "planner.charts.style",
)  # fmt: skip
"""Libraries in pieces, each loaded in less time than one notices."""


def after_first_paint(
    window: Window, plan: Plan | None = None, path: Path | None = None
) -> Generator[None, None, None]:
    """The rest of a window's start, step by step: on `plan`, on the plan file `path`, or on the default plan."""
    with without_collections():
        yield from _loaded((*PLAN, *ESTIMATE, f"gui.pages.{window.sidebar.selected}"))
        from gui import recovery
        from gui.plan_files import DEFAULT_PLAN
        from planner.plan import file
        from planner.timing import reading

        if reading.has_light():
            yield from _loaded(FIT)

        plan = plan or file.load(DEFAULT_PLAN)
        yield
        window.begin(plan)
        if path is not None:
            window.files.open(path)
        window.estimator.update_now()
        recovery.offer(window.recovery_bar, window.recover)
        charts = [chart for chart in window.charts if chart.is_due]
        for chart in charts:
            chart.hold()
        yield
        yield from _loaded(BELOW_CHARTS)
        imports.spare_matplotlib()
        yield from _loaded(CHARTS)
        for chart in charts:
            chart.draw_now()
            yield
    window.build_next_page()


def _loaded(names: tuple[str, ...]) -> Iterator[None]:
    for name in names:
        import_module(name)
        yield


@contextmanager
def without_collections() -> Iterator[None]:
    """While libraries are loaded next to nothing becomes garbage, and what they leave is never looked through again:
    each full collection would take longer than a key may."""
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # a second window loads nothing
            gc.freeze()
        gc.enable()
