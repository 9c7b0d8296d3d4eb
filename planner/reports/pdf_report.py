"""The report as PDF, A4, through fpdf2: the same content as the HTML page."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path

import matplotlib
from fpdf import FPDF
from fpdf.enums import XPos, YPos
from fpdf.fonts import FontFace

from planner.charts.style import LIGHT
from planner.estimate import Estimate
from planner.reports.charts import Chart
from planner.reports.derivation import Step
from planner.reports.report import Report, Section, Table, report
from planner.writing import require_writable, write_atomically

FAMILY = "DejaVu Sans"
FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
"""Matplotlib's own fonts, the charts' as well, which know every sign that a formula uses."""
DEEPEST = 2
"""Levels of a derivation that paper shows; the HTML page opens more."""
GOOD, BAD = (227, 244, 234), (252, 233, 231)
TEXT_POINTS, SMALL_POINTS = 9.5, 7.5
GAP_MM = 6.0
COLUMN_SHARES = {6: (15, 16, 17, 11, 23, 18), 4: (34, 22, 30, 14), 3: (36, 49, 15)}
"""Widths of a table's columns by their number: of figures, headlines and assumptions."""


def write(estimate: Estimate, path: Path, *, at: datetime | None = None) -> None:
    """Write the document atomically. Raises `InputError` when the path is not writable."""
    require_writable(path)
    write_atomically(path, content(estimate, at=at))


def content(estimate: Estimate, *, at: datetime | None = None) -> bytes:
    """The PDF's bytes."""
    made = report(estimate, at=at)
    page = _Page(made)
    page.head(made)
    for section in made.sections:
        page.section(section)
    return bytes(page.output())


class _Page(FPDF):
    """Lays the report's parts out one under another."""

    def __init__(self, made: Report) -> None:
        super().__init__(format="A4")
        for style, name in (("", "DejaVuSans"), ("B", "DejaVuSans-Bold")):
            self.add_font(FAMILY, style, FONTS / f"{name}.ttf")
        self.set_title(made.title)
        self.set_creator("Trainplan")
        self.made = made.made
        self.set_auto_page_break(True, margin=16)
        self.add_page()

    def footer(self) -> None:
        """Page number, date and versions under every page."""
        self.set_y(-12)
        self.set_font(FAMILY, size=6.5)
        self.set_text_color(LIGHT.muted)
        self.cell(0, 5, f"Made {self.made}")
        self.set_x(-30)
        self.cell(0, 5, f"{self.page_no()}", align="R")

    def head(self, made: Report) -> None:
        self._text(made.title, size=17, bold=True)
        self._text(made.subtitle, muted=True)
        self.set_fill_color(*(GOOD if made.fits else BAD))
        self._text(made.verdict, size=11, fill=True)
        self.set_fill_color(LIGHT.background)  # tables take the last one
        self.ln(2)
        rows = [(one.label, one.text, one.band_text, one.kind) for one in made.headlines]
        self._table(Table(("Headline", "Value", "80 % band", "Kind"), rows, frozenset({1, 2})))

    def section(self, section: Section) -> None:
        if self.will_page_break(30):
            self.add_page()
        self.ln(4)
        self.start_section(section.title)
        self._text(section.title, size=13, bold=True)
        for paragraph in section.paragraphs:
            self._text(paragraph)
        for start in range(0, len(section.charts), 2):
            self._charts(section.charts[start : start + 2])
        if section.table:
            self._table(section.table)
        for step in section.derivations:
            self._derivation(step, 0)

    def _text(
        self, words: str, *, size: float = TEXT_POINTS, bold: bool = False, muted: bool = False, fill: bool = False,
        width: float = 0.0, indent: float = 0.0,
    ) -> None:  # fmt: skip
        self.set_font(FAMILY, "B" if bold else "", size)
        self.set_text_color(LIGHT.muted if muted else LIGHT.text)
        left = self.get_x() if width else self.l_margin + indent
        self.set_x(left)
        self.multi_cell(
            width, size * 0.5, words, fill=fill, align="L", new_x=XPos.LEFT if width else XPos.LMARGIN,
            new_y=YPos.NEXT, padding=2 if fill else 1,
        )  # fmt: skip

    def _charts(self, pair: Sequence[Chart]) -> None:
        """Two beside each other, with a line under each."""
        width = (self.epw - GAP_MM) / 2
        if self.will_page_break(width * 0.8):
            self.add_page()
        top, bottom = self.y, self.y
        for number, chart in enumerate(pair):
            self.set_xy(self.l_margin + number * (width + GAP_MM), top)
            self.image(io.BytesIO(chart.rendered("png")), w=width, alt_text=chart.description)
            self.set_x(self.l_margin + number * (width + GAP_MM))
            self._text(chart.description, size=SMALL_POINTS, muted=True, width=width)
            bottom = max(bottom, self.y)
        self.set_xy(self.l_margin, bottom + 2)

    def _table(self, content: Table) -> None:
        self.set_font(FAMILY, size=SMALL_POINTS)
        self.set_text_color(LIGHT.text)
        self.set_draw_color(LIGHT.grid)
        columns = len(content.header)
        aligned = tuple("R" if column in content.numbers else "L" for column in range(columns))
        with self.table(
            borders_layout="HORIZONTAL_LINES", cell_fill_mode="NONE", line_height=4.2, padding=0.6, text_align=aligned,
            col_widths=COLUMN_SHARES.get(columns), headings_style=FontFace(emphasis="B", color=LIGHT.muted),
        ) as table:  # fmt: skip
            for row in (content.header, *content.rows):
                _fill(table.row(), row)

    def _derivation(self, step: Step, depth: int) -> None:
        node = step.node
        told = f"  =  {node.expression}" if node and node.expression else ""
        self._text(f"{step.name}: {step.text}{told}", size=SMALL_POINTS, bold=depth == 0, indent=5.0 * depth)
        if depth < DEEPEST:
            for child in step.children:
                self._derivation(child, depth + 1)


def _fill(row: object, cells: Iterable[str]) -> None:
    for cell in cells:
        row.cell(cell)  # type: ignore[attr-defined]
