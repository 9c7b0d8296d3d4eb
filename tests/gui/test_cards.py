"""The cards of headline figures, in as many columns as fit."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication, QEvent, QObject
from PySide6.QtWidgets import QScrollArea

from gui.cards import CardGrid, MetricCard
from gui.widgets import column, label, scrolling

WIDTHS = (1600, 900, 460, 440, 400, 380, 430, 470, 740, 1500)
DEEP = 6


class Depth(QObject):
    """How many resizes of a scroll area's content are within one another; ends what would not end by itself."""

    def __init__(self, area: QScrollArea) -> None:
        super().__init__()
        self._area, self._now, self.deepest = area, 0, 0
        area.widget().installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        """The area's own answer to a resize is given within this one, once."""
        if event.type() != QEvent.Type.Resize:
            return False
        self._now += 1
        self.deepest = max(self.deepest, self._now)
        if self._now < DEEP:
            self._area.eventFilter(watched, event)
        self._now -= 1
        return True


def test_the_least_width_of_the_cards_does_not_follow_from_what_they_show(application: object, qtbot: object) -> None:
    area = scrolling(
        column(CardGrid([MetricCard(f"card {n}", "Memory a GPU") for n in range(8)]), label("…", wrap=True))
    )
    qtbot.addWidget(area)
    area.show()
    depth, least = Depth(area), set()
    for width in WIDTHS:
        area.resize(width, 300)
        for _ in range(3):  # a card's change reaches the page's layout in the next pass of the event loop
            QCoreApplication.processEvents()
        least.add(area.widget().layout().totalMinimumSize().width())
    assert len(least) == 1, f"the cards ask for {sorted(least)} pixels: a scroll area may flip between these for ever"
    assert depth.deepest < DEEP
