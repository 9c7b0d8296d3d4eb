"""The window's frame: list of pages, verdict, bars, strip, and the room for the pages. It knows no plan, and needs no
library but Qt, so it is on screen while those are still being loaded."""

from __future__ import annotations

from PySide6.QtCore import QSize, Qt, QTimer, Signal
from PySide6.QtGui import QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QMainWindow, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from gui import menus
from gui.bars import NoticeBar, ProblemBar
from gui.pages import PAGES
from gui.settings import Settings
from gui.sidebar import Sidebar
from gui.strip import TaskStrip
from gui.verdict import VerdictPanel


class Shell(QMainWindow):
    """What a window shows at once, as it was left the last time: its place, its size and the page in the list."""

    painted = Signal()
    """The first picture is on screen."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings()
        self.page_classes = PAGES
        self._is_painted = False
        self.setWindowTitle("Trainplan")
        self.resize(QSize(1280, 820).boundedTo(self.screen().availableSize()))
        self.setMinimumSize(860, 560)
        self.sidebar, self.verdict, self.problems = Sidebar(), VerdictPanel(), ProblemBar()
        self.notice, self.recovery_bar = NoticeBar("notice"), NoticeBar("recovery")
        self.strip, self.stack = TaskStrip(), QStackedWidget()
        self._list_pages()
        self._arrange()
        if not self.settings.geometry.isEmpty():
            self.restoreGeometry(self.settings.geometry)

    def paintEvent(self, event: QPaintEvent) -> None:
        """The first time, tell of it when all of the window is on screen."""
        super().paintEvent(event)
        if not self._is_painted:
            self._is_painted = True
            QTimer.singleShot(0, self, self.painted.emit)

    def _list_pages(self) -> None:
        group = ""
        for number, page in enumerate(self.page_classes, 1):
            if page.group != group:
                group = page.group
                self.sidebar.add_group(group)
            self.sidebar.add_page(page.key, page.title, f"Ctrl+{number % 10}")
        key = self.settings.page
        self._mark_page(key if key in {page.key for page in self.page_classes} else "results")

    def _mark_page(self, key: str) -> None:
        """Show in the list which page is open; Results has the headlines itself."""
        self.sidebar.select(key)
        self.verdict.show_headlines(key != "results")

    def _arrange(self) -> None:
        for title in menus.MENUS:
            menus.menu_of(self, title)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setHandleWidth(1)
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(self.stack)
        self._split.setStretchFactor(0, 1)
        centre = QVBoxLayout()
        centre.setSpacing(0)
        for widget in (self.recovery_bar, self.notice, self.verdict, self.problems):
            centre.addWidget(widget)
        centre.addWidget(self._split, 1)
        body = QHBoxLayout()
        body.setSpacing(0)
        body.addWidget(self.sidebar)
        body.addLayout(centre, 1)
        whole = QWidget()
        layout = QVBoxLayout(whole)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(body, 1)
        layout.addWidget(self.strip)
        self.setCentralWidget(whole)
