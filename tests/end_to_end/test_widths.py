"""Pages that scroll, in windows of several widths."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication
from PySide6.QtWidgets import QScrollArea

WIDTHS = (860, 1900)


def test_no_page_asks_for_more_room_because_it_has_more(window: object) -> None:
    """Qt resizes a scrolled page within the page's own resizing: one whose least width follows from its width can go
    on for ever, and end the program."""
    for key in [page.key for page in window.page_classes]:
        window.show_page(key)
        found: dict[QScrollArea, set[int]] = {}
        for width in WIDTHS:
            window.resize(width, 700)
            for _ in range(2):
                QCoreApplication.processEvents()
            for area in window.page(key).findChildren(QScrollArea):
                if area.isVisible() and area.widget() is not None and area.widget().layout() is not None:
                    found.setdefault(area, set()).add(area.widget().layout().totalMinimumSize().width())
        assert all(len(least) == 1 for least in found.values()), f"{key}: {[sorted(one) for one in found.values()]}"
