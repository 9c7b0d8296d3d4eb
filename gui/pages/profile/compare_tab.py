"""Two profiles side by side: what differs in software and device, and what it did to the times."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QVBoxLayout, QWidget

from gui import profile_rows
from gui.chart_view import ChartView
from gui.fields import ComboField
from gui.row_table import RowTable
from gui.widgets import beside, column, framed, label, plain, row

if TYPE_CHECKING:
    from planner.timing.profile_history import Entry

TWO_NEEDED = "Two profiles are needed: measure again after a driver or torch upgrade, and see here what it changed."


class CompareTab(QWidget):
    """Has two choices of profile: the newest, and the one before it on the same device."""

    failed = Signal(str)
    saved = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Comparison of two profiles")
        self._entries: dict[str, Entry] = {}
        self._is_waiting = False
        self.before, self.after = (self._choice(name) for name in ("before", "after"))
        self.words = label(role="muted", wrap=True, size=0.92)
        self.words.setObjectName("profile.comparison")
        self.versions = RowTable(
            "profile.versions", "Software and device", profile_rows.VERSIONS, bold=lambda one: one["differs"]
        )
        self.versions.setSortingEnabled(False)
        self.chart = ChartView("profile_comparison", "What changed between two profiles")
        self.chart.setMinimumSize(300, 200)
        self.chart.failed.connect(self.failed)
        self.chart.saved.connect(self.saved)
        self._build()
        self.choose("", "")

    def _choice(self, name: str) -> ComboField:
        made = ComboField([])
        made.setObjectName(f"profile.{name}")
        made.setAccessibleName(f"Profile {name}")
        made.setMinimumContentsLength(16)
        made.setSizeAdjustPolicy(ComboField.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        made.chosen.connect(lambda _: self._compare())
        return made

    def _build(self) -> None:
        captions = [QLabel("&Before"), QLabel("Af&ter")]
        for caption, field in zip(captions, (self.before, self.after), strict=True):
            caption.setBuddy(field)
        top = row(captions[0], self.before, captions[1], self.after, spacing=10)
        for number in (1, 3):
            top.layout().setStretch(number, 1)
        split = beside(framed(self.chart), self.versions, sizes=(520, 340), stretch=(1,))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        content = column(top, self.words, split, spacing=6)
        content.layout().setStretch(2, 1)
        layout.addWidget(content)

    def show_entries(self, entries: list[Entry]) -> None:
        """The profiles that can be read; the choice stays where both are still there."""
        readable = {one.name: one for one in entries if one.profile}
        if list(readable.values()) == list(self._entries.values()):
            if self._is_waiting:
                self._compare()
            return
        chosen = self.before.currentData(), self.after.currentData()
        is_newest = next(iter(self._entries), "") == next(iter(readable), "")
        self._entries = readable
        for field in (self.before, self.after):
            field.clear()
            for name, one in readable.items():
                field.addItem(name, name)
                field.setItemData(field.count() - 1, plain(f"{one.profile.device.name}, {one.profile.created[:10]}"),
                                  Qt.ItemDataRole.ToolTipRole)  # fmt: skip
        if is_newest and set(chosen) <= set(readable):
            self.choose(*chosen)
        else:
            self.choose_after(next(iter(readable), ""))

    def choose_after(self, name: str) -> None:
        """Compare this profile with the one before it, of the same device and model where there is one."""
        from planner.timing import profile_history

        entry, others = self._entries.get(name), list(self._entries.values())
        earlier = profile_history.before(entry, others) if entry else None
        other = earlier or next((one for one in others if one is not entry), None)
        self.choose(other.name if other else "", name)

    def choose(self, before: str, after: str) -> None:
        """Compare these two."""
        self.before.setCurrentIndex(self.before.findData(before))
        self.after.setCurrentIndex(self.after.findData(after))
        self._compare()

    def _compare(self) -> None:
        self._is_waiting = False
        before, after = (self._entries.get(field.currentData()) for field in (self.before, self.after))
        if before is None or after is None:
            self._show_nothing(TWO_NEEDED)
            return
        from planner.errors import InputError, NotReadError
        from planner.timing import reading

        try:
            found = reading.answer(reading.ComparisonOf(before.file, after.file))
        except (InputError, NotReadError) as error:
            self._is_waiting = isinstance(error, NotReadError)
            self._show_nothing(f"{error}.")
            return
        self.words.setText(profile_rows.compared(found))
        self.versions.show_rows(profile_rows.versions(found))
        self.chart.show_data(found)

    def _show_nothing(self, why: str) -> None:
        self.words.setText(why)
        self.versions.show_rows([], "Nothing to compare yet.")
        self.chart.show_data(())
