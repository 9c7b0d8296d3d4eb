"""Starting the desktop app; `gui.start` tells in which order."""

from __future__ import annotations

import signal
import sys
from importlib.util import find_spec
from pathlib import Path

from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QFont, QFontDatabase, QFontInfo
from PySide6.QtWidgets import QApplication

import planner
from gui import imports  # noqa: F401  first: it spares those below
from gui.settings import Settings
from gui.theme import switch
from gui.window import Window

BASE_POINT_SIZE = 10.0


def run(argv: list[str]) -> int:
    """Open the window (on the plan file named in `argv`, if any) and stay until it is closed."""
    app = make_application(argv)
    switch().apply(Settings().theme)
    open_window(Path(argv[1]) if len(argv) > 1 else None)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    return int(app.exec())


def open_window(path: Path | None = None) -> Window:
    """A window on a plan file or the default plan, beside those that are open; it is let go of when it is closed."""
    window = Window(path=path)
    window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    window.another.connect(lambda: _beside(window, open_window()))
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
    if not QFontInfo(font).family():
        font.setFamily(_charts_typeface())
    font.setPointSizeF(BASE_POINT_SIZE)
    app.setFont(font)
    return app


def _charts_typeface() -> str:
    """A machine without fonts would show boxes for letters: the typeface that the charts bring serves for all."""
    library = find_spec("matplotlib")
    folder = Path(library.origin).parent / "mpl-data" / "fonts" / "ttf" if library and library.origin else Path()
    for style in ("DejaVuSans", "DejaVuSans-Bold"):
        QFontDatabase.addApplicationFont(str(folder / f"{style}.ttf"))
    return "DejaVu Sans"


if __name__ == "__main__":
    sys.exit(run(sys.argv))
