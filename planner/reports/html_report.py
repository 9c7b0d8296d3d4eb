"""The report as one self-contained HTML page: charts inside it, no script, nothing fetched from anywhere."""

from __future__ import annotations

import base64
from datetime import datetime
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from planner.charts.style import LIGHT
from planner.estimate import Estimate
from planner.reports.charts import Chart
from planner.reports.report import report
from planner.writing import require_writable, write_atomically

DEEPEST = 6
"""Levels of a derivation that the page opens."""


def write(estimate: Estimate, path: Path, *, at: datetime | None = None) -> None:
    """Write the page atomically. Raises `InputError` when the path is not writable."""
    require_writable(path)
    write_atomically(path, text(estimate, at=at))


def text(estimate: Estimate, *, at: datetime | None = None) -> str:
    """The page. Everything that a user named is escaped."""
    room = Environment(
        loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    page = room.get_template("report.html.jinja")
    return page.render(report=report(estimate, at=at), picture=_picture, theme=LIGHT, deepest=DEEPEST)


def _picture(chart: Chart) -> str:
    """The chart as a data URL: vector, so that it prints sharply."""
    return "data:image/svg+xml;base64," + base64.b64encode(chart.rendered("svg")).decode("ascii")
