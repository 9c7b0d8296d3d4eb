"""One profile as pictures: the roofline, the share of the peak over shapes, the rates of each operation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QLabel, QStackedWidget, QVBoxLayout, QWidget

from gui import profile_rows
from gui.chart_view import ChartView
from gui.fields import ComboField
from gui.widgets import column, framed, label, row

if TYPE_CHECKING:
    from planner.estimate import Figure
    from planner.timing.peak_share import Answer, Axis
    from planner.timing.profile_history import Entry

VIEWS = {
    "roofline": ("Roofline", "roofline"), "batch": ("Peak share by batch", "efficiency_surface"),
    "width": ("Peak share by width", "efficiency_surface"), "rates": ("Rate against tokens", "measured_rates"),
}  # fmt: skip
"""What can be shown, and the chart that shows it."""
AXES: dict[str, Axis] = {"batch": "micro-batch", "width": "width"}
NO_PROFILE = "No profile yet: measure one, or put a profile's file into the folder that History names."


class ChartsTab(QWidget):
    """Has its own choice of profile, which follows the newest until another is chosen."""

    failed = Signal(str)
    saved = Signal(str)
    explain_figure = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self.setAccessibleName("Charts of a profile")
        self.profile = ComboField([])
        self.profile.setObjectName("profile.charted")
        self.profile.setAccessibleName("Profile to show")
        self.profile.setMinimumContentsLength(24)
        self.profile.chosen.connect(lambda _: self._show_chosen())
        self.kind = ComboField([(title, name) for name, (title, _) in VIEWS.items()])
        self.kind.setObjectName("profile.chart")
        self.kind.setAccessibleName("Chart")
        self.kind.chosen.connect(lambda _: self._show_chosen())
        self.about = label(role="muted", wrap=True, size=0.92)
        self.about.setObjectName("profile.charted_about")
        self.charts = {chart: ChartView(chart, title) for title, chart in VIEWS.values()}
        self._stack = QStackedWidget()
        for chart in self.charts.values():
            chart.failed.connect(self.failed)
            chart.saved.connect(self.saved)
            self._stack.addWidget(chart)
        for name in ("roofline", "measured_rates"):
            chart = self.charts[name]
            chart.explain.connect(self.explain_figure)
            chart.explainer = partial(self._figure, chart)
        self._entries: dict[str, Entry] = {}
        self._newest = ""
        self._is_waiting = False
        """Something of what is shown is being read."""
        self._build()

    def _build(self) -> None:
        captions = [QLabel("&Profile"), QLabel("C&hart")]
        for caption, field in zip(captions, (self.profile, self.kind), strict=True):
            caption.setBuddy(field)
        top = row(captions[0], self.profile, captions[1], self.kind, spacing=10)
        top.layout().setStretch(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 8, 0, 0)
        content = column(top, self.about, framed(self._stack), spacing=6)
        content.layout().setStretch(2, 1)
        layout.addWidget(content)

    def show_entries(self, entries: list[Entry]) -> None:
        """The profiles that can be read; a new one is shown at once."""
        readable = {one.name: one for one in entries if one.profile}
        newest = next(iter(readable), "")
        chosen = self.profile.currentData() if newest == self._newest else newest
        if list(readable.values()) == list(self._entries.values()):
            if self._is_waiting:
                self._show_chosen()
            return
        self._entries, self._newest = readable, newest
        self.profile.clear()
        for name in readable:
            self.profile.addItem(name, name)
        self.choose(chosen if chosen in readable else newest)

    def choose(self, name: str) -> None:
        """Show this profile."""
        self.profile.setCurrentIndex(max(0, self.profile.findData(name)))
        self._show_chosen()

    def _figure(self, chart: ChartView, index: int) -> Figure | None:
        """The rate that a point shows, from the rows of the profile."""
        entry = self._entries[self.profile.currentData()]
        return profile_rows.figure_of_point(chart.data, index, f"{self.about.text()} ({entry.path})")

    def _show_chosen(self) -> None:
        entry = self._entries.get(self.profile.currentData())
        view = self.kind.currentData()
        chart = self.charts[VIEWS[view][1]]
        self._stack.setCurrentWidget(chart)
        if entry is None or entry.profile is None:
            self.about.setText(NO_PROFILE)
            chart.show_data(())
            return
        self.about.setText(profile_rows.charted(entry))
        self._is_waiting = entry.rows is None
        chart.show_data(() if self._is_waiting else self._source(view, entry))

    def _source(self, view: str, entry: Entry) -> Any:
        """What a chart draws of a profile."""
        if view == "roofline":
            return entry.profile
        return entry.profile.rows if view == "rates" else self._shares(AXES[view], entry)

    def _shares(self, axis: Axis, entry: Entry) -> Answer:
        """The share of the peak, or why there is none."""
        from planner.errors import InputError, NotReadError
        from planner.timing import peak_share, reading

        try:
            return reading.answer(reading.SharesOf(entry.file, axis))
        except (InputError, NotReadError) as error:
            self._is_waiting = isinstance(error, NotReadError)
            return peak_share.Answer(None, entry.profile.device.name, f"{error}.")
