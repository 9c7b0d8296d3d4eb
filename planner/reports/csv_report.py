"""The cost report as CSV: long form with one row a figure, or wide with one row a scenario.

Numbers are written in SI units at full precision (`repr`), so that reading them back gives the same float. A text cell
that a spreadsheet would run as a formula gets a leading apostrophe.
"""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from planner.estimate import Estimate
from planner.plan import fields
from planner.plan.plan import Plan
from planner.writing import write_atomically

COLUMNS = ("section", "item", "value", "unit", "low", "high", "kind", "formula", "source")


def write(estimates: Estimate | Sequence[Estimate], path: Path, *, wide: bool = False) -> None:
    """Write the report of one or several estimates atomically. Raises `InputError` when the path is not writable."""
    several = [estimates] if isinstance(estimates, Estimate) else list(estimates)
    write_atomically(path, wide_text(several) if wide else long_text(several))


def write_table(header: Sequence[str], rows: Iterable[Sequence[Any]], path: Path) -> None:
    """Write any other table in the report's form. Raises `InputError` when the path is not writable."""
    write_atomically(path, table_text(header, rows))


def long_text(estimates: Sequence[Estimate]) -> str:
    """One row a figure: the plan's own fields first, as assumptions, then everything derived. Of several estimates each
    row begins with its plan's name."""
    rows = [[one.plan.name, *row.values()] for one in estimates for row in rows_of(one)]
    if len(estimates) == 1:
        return table_text(COLUMNS, [row[1:] for row in rows])
    return table_text(("plan", *COLUMNS), rows)


def wide_text(estimates: Iterable[Estimate]) -> str:
    """One row a scenario, one column a figure, the unit in the header."""
    several = list(estimates)
    keys = list(dict.fromkeys(key for one in several for key in one.figures))
    units = {key: figure.unit for one in several for key, figure in one.figures.items()}
    header = ["plan", *(f"{key} [{units[key]}]" if units[key] else key for key in keys)]
    rows = [
        [one.plan.name, *(one.figures[key].value if key in one.figures else None for key in keys)] for one in several
    ]
    return table_text(header, rows)


def rows_of(estimate: Estimate) -> list[dict[str, Any]]:
    """The long report's rows as dicts of `COLUMNS`."""
    rows = [_row("plan", path, value, unit, "assumed", "", "plan") for path, value, unit in assumptions(estimate.plan)]
    for figure in estimate.figures.values():
        rows.append(
            _row(figure.section, figure.label, figure.value, figure.unit, figure.kind, figure.formula, figure.source,
                 figure.low, figure.high)
        )  # fmt: skip
    rows.append(_row("verdict", "Fits", estimate.fits, "", "estimated", "memory ≤ capacity", estimate.verdict))
    basis = estimate.machine.device.basis
    rows.append(_row("verdict", "Energy includes", "", "", "assumed", "", estimate.energy_basis))
    rows.append(_row("verdict", "Kernel times", estimate.kernel_source, "", "estimated", "", basis))
    source, told = estimate.collective_source, estimate.collective_basis
    rows.append(_row("verdict", "Collective times", source, "", "estimated", "", told))
    rows.append(_row("verdict", "Device known by", estimate.provenance, "", "estimated", "", basis))
    return rows


def assumptions(plan: Plan) -> list[tuple[str, Any, str]]:
    """Every field that the plan fills in: its path, the value in SI, the unit."""
    return [(path, value, fields.unit(path)) for path, value in fields.said(plan) if value not in (None, "")]


def table_text(header: Sequence[str], rows: Iterable[Sequence[Any]]) -> str:
    """A CSV table's text. None and NaN become empty cells."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\r\n")  # Python quotes a cell's line end only where it is in this one
    writer.writerow([cell(name) for name in header])
    writer.writerows([cell(value) for value in row] for row in rows)
    return stream.getvalue()


def _row(
    section: str, item: str, value: Any, unit: str, kind: str, formula: str, source: str,
    low: float | None = None, high: float | None = None,
) -> dict[str, Any]:  # fmt: skip
    return dict(zip(COLUMNS, (section, item, value, unit, low, high, kind, formula, source), strict=True))


_BEGINS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""OWASP, CSV Injection; the full-width signs are run by spreadsheets in East Asian settings."""


def cell(value: Any) -> str:
    """A cell's text: numbers at full precision, None and NaN empty, and no text that a spreadsheet would run."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, float):
        return repr(float(value))
    text = str(value)
    return f"'{text}" if isinstance(value, str) and text.startswith(_BEGINS_A_FORMULA) else text
