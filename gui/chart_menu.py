"""What can be done with a chart, as a menu: explain, look closer, scales, copy, export. Each line names its key."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QMenu

if TYPE_CHECKING:
    from gui.chart_view import ChartView

FORMATS = ("png", "svg", "pdf", "csv")


def menu(chart: ChartView) -> QMenu:
    """The menu of one chart as it stands."""
    made = QMenu(chart)
    made.setObjectName(f"{chart.objectName()}.menu")
    if chart.can_explain:
        made.addAction("Explain this number\tF1", chart.explain_current)
        made.addSeparator()
    if chart.can_zoom:
        made.addAction("Zoom in\t+", lambda: chart.zoom(1))
        made.addAction("Zoom out\t−", lambda: chart.zoom(-1))
        made.addAction("Show all\t0", chart.show_all).setEnabled(chart.is_zoomed)
    for name, key in (("x", "X"), ("y", "Y")):
        if chart.can_switch(name):
            line = made.addAction(f"Logarithmic {name} axis\t{key}", lambda name=name: chart.switch_scale(name))
            line.setCheckable(True)
            line.setChecked(chart.is_log(name))
    made.addSeparator()
    made.addAction("Copy image\tCtrl+C", chart.copy_image)
    made.addAction("Copy data", chart.copy_data)
    made.addSeparator()
    for kind in FORMATS:
        made.addAction(f"Export {kind.upper()}…", lambda kind=kind: chart.ask_and_export(kind))
    return made
