"""A chart as a file: PNG, SVG or PDF by the name's ending, written whole or not at all."""

from __future__ import annotations

import io
from pathlib import Path

from matplotlib.figure import Figure

from planner.charts.style import Table
from planner.errors import InputError
from planner.reports.csv_report import table_text
from planner.writing import write_atomically

FORMATS = ("png", "svg", "pdf")
_DPI = 200
_DESCRIPTION_KEY = {"png": "Description", "svg": "Description", "pdf": "Subject"}


def save(figure: Figure, path: Path, *, description: str = "") -> None:
    """Write the figure as it stands. `description` (such as the plan's file) is embedded in the file.

    Raises `InputError` for another ending and for a path that cannot be written. The figure keeps its canvas.
    """
    write_atomically(path, rendered(figure, path.suffix.lower().lstrip("."), description=description))


def rendered(figure: Figure, ending: str, *, description: str = "") -> bytes:
    """The file's content. Bitmaps have 200 dots an inch."""
    if ending not in FORMATS:
        raise InputError(f"a chart cannot be saved as {ending or 'a file without ending'!r}; use .png, .svg or .pdf")
    stream = io.BytesIO()
    metadata = {_DESCRIPTION_KEY[ending]: description} if description else None
    figure.savefig(stream, format=ending, dpi=_DPI, facecolor=figure.get_facecolor(), metadata=metadata)
    return stream.getvalue()


def csv_text(table: Table) -> str:
    """A chart's table as CSV, numbers at full precision, no text that a spreadsheet would run."""
    return table_text(*table)
