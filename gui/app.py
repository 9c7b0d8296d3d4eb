"""Starting the desktop app, and taking its pictures."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path

from PySide6.QtCore import QEvent, QEventLoop, QObject, QPoint, Qt, QTimer
from PySide6.QtGui import QFont
from PySide6.QtWidgets import QApplication

import planner
from gui import imports  # noqa: F401  first: it spares those below
from gui.chart_view import ChartView
from gui.plan_files import DEFAULT_PLAN
from gui.settings import Settings
from gui.theme import switch
from gui.window import Window
from planner.errors import InputError
from planner.plan import file

BASE_POINT_SIZE = 10.0


def run(argv: list[str]) -> int:
    """Open the window (on the plan file named in `argv`, if any) and stay until it is closed."""
    app = make_application(argv)
    switch().apply(Settings().theme)
    window = open_window()
    if len(argv) > 1:
        window.files.open(Path(argv[1]))
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return int(app.exec())


def open_window() -> Window:
    """A window on the default plan, beside those that are open; it is let go of when it is closed."""
    window = Window()
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    window.another.connect(lambda: _beside(window, open_window()))
    QApplication.instance().installEventFilter(_FirstPaint(window))
    window.show()
    return window


def _beside(old: Window, new: Window) -> None:
    new.move(old.pos() + QPoint(28, 28))


def make_application(argv: list[str]) -> QApplication:
    """The one QApplication, in Fusion, with the type scale's base size."""
    app = QApplication.instance() or QApplication(argv[:1] or ["trainplan"])
    app.setApplicationName("trainplan")
    app.setApplicationDisplayName("")
    app.setApplicationVersion(planner.__version__)
    app.setStyle("fusion")
    font = QFont(app.font())
    font.setPointSizeF(BASE_POINT_SIZE)
    app.setFont(font)
    return app


class _FirstPaint(QObject):
    """Starts what can wait once the window has been painted."""

    def __init__(self, window: Window) -> None:
        super().__init__(window)
        self._window = window

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint:
            QApplication.instance().removeEventFilter(self)
            QTimer.singleShot(0, self._window, self._window.after_first_paint)
        return False


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
    window = Window(file.load(DEFAULT_PLAN))
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
        _settle(app, 0.1)
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


if __name__ == "__main__":
    sys.exit(run(sys.argv))
