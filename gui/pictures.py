"""Pictures of the app: one PNG a page."""

from __future__ import annotations

import os
import time
from pathlib import Path

from PySide6.QtCore import QEventLoop
from PySide6.QtWidgets import QApplication

from gui.app import make_application
from gui.chart_view import ChartView
from gui.theme import switch
from gui.window import Window
from planner.errors import InputError


def screenshots(folder: Path, theme: str = "light", width: int = 1280, height: int = 800) -> list[Path]:
    """One PNG a page, named after it. Needs no screen. Raises `InputError` where they cannot be written."""
    if QApplication.instance() is None:
        os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    app = make_application(["trainplan"])
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror}); choose another place") from None
    switch().apply(theme)
    window = Window()
    window.resize(width, height)
    window.show()
    window.after_first_paint()
    written = []
    for page in window.page_classes:
        window.show_page(page.key)
        _settle(app)
        while window.job is not None:
            _settle(app, 0.1)
        for chart in window.findChildren(ChartView):
            chart.draw_now()
        _settle(app)  # words that wrap anew move what stands below them
        path = folder / f"{page.key}.png"
        if not window.grab().save(str(path)):
            raise InputError(f"{path}: cannot be written; choose another place")
        written.append(path)
    window.autosave.close()
    window.destroy()
    return written


def _settle(app: QApplication, seconds: float = 0.4) -> None:
    """Let timers, layouts and charts come to rest."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        app.processEvents(QEventLoop.ProcessEventsFlag.AllEvents, 20)
