"""The Results page: the verdict in cards; memory, time and money each as a tree table beside its chart; the schedule
of a step and the memory over it as pictures."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QHideEvent, QResizeEvent, QShowEvent
from PySide6.QtWidgets import QSizePolicy, QSplitter, QTabWidget, QVBoxLayout, QWidget

from gui.cards import CardGrid, MetricCard
from gui.chart_view import ChartView
from gui.document import Document
from gui.pages.page import Page
from gui.sidebar import Sign
from gui.state import State
from gui.tables import FigureTree, short_band
from gui.widgets import Card, button, column, label, row, scrolling
from planner import units

CARDS = {
    "memory.total": "Memory a GPU", "time.training": "Training time", "money.total": "Cost",
    "time.gpu_hours": "GPU-hours", "time.tokens_per_s": "Throughput", "time.mfu": "MFU",
    "energy.energy": "Energy", "energy.co2e": "CO2e",
}  # fmt: skip
TABS = {
    "memory": ("&Memory", "memory_parts", "memory.total", "memory_breakdown"),
    "time": ("&Time of a step", "time_parts", "time.step", "step_time_breakdown"),
    "money": ("Mone&y", "money_parts", "money.total", "cost_breakdown"),
}
PICTURES = {
    "schedule": ("Sc&hedule", "What every pipeline stage does in a step"),
    "memory_timeline": ("Memory o&ver the step", "What every pipeline stage holds in memory over a step"),
}
"""Charts that fill a tab by themselves."""


class ResultsPage(Page):
    """What the plan comes to."""

    key = "results"
    export = Signal()

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._cards = {key: MetricCard(key, title) for key, title in CARDS.items()}
        for card in self._cards.values():
            card.opened.connect(self.explain)
        self.export_button = button("E&xport cost report…", "results.export")
        self.export_button.clicked.connect(self.export)
        self._why = label(role="muted", size=0.92)
        self._trees: dict[str, FigureTree] = {}
        self._charts: dict[str, ChartView] = {}
        self.tabs = QTabWidget()
        self.tabs.setObjectName("results.tabs")
        self.tabs.setAccessibleName("Breakdowns")
        self.tabs.setMinimumHeight(330)
        self.tabs.tabBar().setDrawBase(False)
        for name in TABS:
            self.tabs.addTab(self._make_tab(name), TABS[name][0])
        for name, (title, what) in PICTURES.items():
            self.tabs.addTab(column(self._make_picture(name, what), margins=(0, 10, 0, 0)), title)
        hint = label("Click a number, or press F1 on it, to see how it was computed.", "muted", size=0.92, wrap=True)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        cards = CardGrid(list(self._cards.values()))
        line = row(hint, self._why, self.export_button)
        line.layout().setStretch(0, 1)
        content = column(cards, line, self.tabs, margins=(18, 16, 18, 14), spacing=12)
        content.layout().setStretch(2, 1)
        layout.addWidget(scrolling(content))

    def show_state(self, state: State) -> None:
        """Show the estimate; greyed while it does not answer what is typed."""
        estimate = state.estimate
        self.export_button.setEnabled(not state.blocking and estimate is not None)
        why = "A profile is being read" if state.reading else "An input is invalid" if state.blocking else ""
        self._why.setText(f"{why}: the last good results are shown." if why else "")
        if estimate is None:
            return
        for key, card in self._cards.items():
            card.show_figure(estimate.figures.get(key), is_stale=state.is_stale, **_special(key, state))
        for name, (_, parts, total, _) in TABS.items():
            self._trees[name].show_figures(list(getattr(estimate, parts)), estimate.figures.get(total))
        for chart in self._charts.values():
            chart.show_data(estimate)

    @classmethod
    def sign(cls, state: State) -> Sign:
        """Whether the plan fits."""
        if state.estimate is None or state.is_stale:
            return Sign("…", "muted", "waiting for a valid input")
        return Sign("✓", "good", "fits") if state.estimate.fits else Sign("✕", "bad", "does not fit in memory")

    def _make_tab(self, name: str) -> QWidget:
        tree = FigureTree(f"results.{name}.table", f"{name.capitalize()} by part")
        tree.opened.connect(self.explain)
        self._trees[name] = tree
        split = _Beside()
        split.addWidget(tree)
        split.addWidget(self._make_picture(TABS[name][3], f"Chart of {name} by part"))
        split.setSizes([560, 480])
        return column(split, margins=(0, 10, 0, 0))

    def _make_picture(self, chart: str, title: str) -> Card:
        view = ChartView(chart, title)
        view.failed.connect(self.failed)
        view.saved.connect(self.done)
        view.explain.connect(self._explain)
        view.description = self.plan_text
        view.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Ignored)  # as high as the page has room
        self._charts[chart] = view
        picture = Card()
        picture.body.setContentsMargins(6, 6, 6, 6)
        picture.body.addWidget(view, 1)
        return picture

    def _explain(self, what: Any) -> None:
        """A part's figure by its key, or the figure of a picture's point."""
        (self.explain if isinstance(what, str) else self.explain_figure).emit(what)


def _special(key: str, state: State) -> dict[str, str]:
    """The memory card says whether it fits, and into what; the cost's how old a stale price is."""
    if key == "money.total" and state.estimate is not None and state.estimate.price.is_stale():
        band = short_band(state.estimate.figures[key].band_text)
        return {"note": f"{band}, {state.estimate.price.age_text().replace('months', 'mo.')} old"}
    if key != "memory.total" or state.estimate is None:
        return {}
    capacity = units.show(state.plan.cluster.accelerator.memory_bytes, "B")
    fits = state.estimate.fits
    return {"note": f"{'✓ fits in' if fits else '✕ more than'} {capacity}", "tone": "good" if fits else "error"}


class _Beside(QSplitter):
    """Table and chart side by side; below each other where there is little room.

    Its least width is that of one of them, however they stand now: they are side by side only where both have room.
    """

    LEAST_WIDTH, ROOM_FOR_BOTH = 280, 640

    def __init__(self) -> None:
        super().__init__(Qt.Orientation.Horizontal)
        self.setChildrenCollapsible(False)
        self.setHandleWidth(12)
        self.setMinimumWidth(self.LEAST_WIDTH)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Turn when the width passes the limit."""
        super().resizeEvent(event)
        if self.isVisible():
            self._turn()

    def showEvent(self, event: QShowEvent) -> None:
        """A tab that was hidden has missed the changes of size."""
        super().showEvent(event)
        self._turn()

    def hideEvent(self, event: QHideEvent) -> None:
        """A hidden tab asks for no height."""
        super().hideEvent(event)
        self.setMinimumHeight(0)

    def _turn(self) -> None:
        wide = self.width() >= self.ROOM_FOR_BOTH
        wanted = Qt.Orientation.Horizontal if wide else Qt.Orientation.Vertical
        if self.orientation() != wanted:
            self.setOrientation(wanted)
        self.setMinimumHeight(0 if wide else 560)
