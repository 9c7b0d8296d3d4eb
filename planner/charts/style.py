"""How every chart looks: two themes, fonts, axes, headings, layout."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import matplotlib
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.gridspec import SubplotSpec
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from planner.charts import view

matplotlib.rcParams["text.parse_math"] = False
"""Two prices in a line (`$2.45/h, $4.44M`) are no formula between dollar signs."""
for _told in ("Glyph .* missing from font", "constrained_layout not applied"):
    warnings.filterwarnings("ignore", _told, UserWarning)
"""A name in letters that the typeface lacks, or a chart in a corner, is seen; the terminal need not tell of it."""

Kind = Literal["measured", "published", "estimated", "assumed"]
Table = tuple[tuple[str, ...], list[tuple[Any, ...]]]
"""Header (units in it) and rows."""

FAMILY = "DejaVu Sans"
"""Ships with matplotlib, so a chart looks the same on every machine."""
TITLE_SIZE, TEXT_SIZE, SMALL_SIZE = 11.0, 9.0, 8.0
HATCHES: dict[str, str] = {
    "measured": "",
    "calibrated": "xxxx",
    "estimated": "////",
    "published": "\\\\\\\\",
    "assumed": "....",
}
"""Used only where one chart mixes kinds."""
_PAD_PX = 10.0


@dataclass(frozen=True)
class Theme:
    """Colours by role. Text roles keep 4.5:1 against the background, marks 3:1; `parts` follows Okabe & Ito."""

    name: str
    background: str
    text: str
    muted: str
    grid: str
    curve: str
    optimum: str
    plan: str
    family: str
    observed: str
    limit: str
    parts: tuple[str, ...]


LIGHT = Theme(
    "light", background="#ffffff", text="#1b1f24", muted="#57606a", grid="#e4e7eb", curve="#0069a8", optimum="#007355",
    plan="#b84a00", family="#8f3f74", observed="#57606a", limit="#b3261e",
    parts=("#0072b2", "#d55e00", "#009e73", "#c27ba0", "#b58900", "#3f97d3", "#7a5195", "#6b7580"),
)  # fmt: skip
DARK = Theme(
    "dark", background="#1b1e23", text="#e8eaed", muted="#a8b0ba", grid="#343a42", curve="#62b5f0", optimum="#3ecfa3",
    plan="#ff9d57", family="#e79ccb", observed="#a8b0ba", limit="#ff8a80",
    parts=("#4ea5e0", "#f08a3c", "#2fbf93", "#e79ccb", "#e3c14b", "#86cdf7", "#b493d6", "#98a2ad"),
)  # fmt: skip
THEMES = {theme.name: theme for theme in (LIGHT, DARK)}


def contrast(first: str, second: str) -> float:
    """Contrast of two colours, 1 to 21 (WCAG 2.1, relative luminance)."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def start(figure: Figure, theme: Theme) -> Axes:
    """Clear the figure and give its one axes, in the theme."""
    clear(figure, theme)
    return add_axes(figure, theme)


def clear(figure: Figure, theme: Theme) -> None:
    """Nothing left of the last time, and the theme's ground."""
    for axes in figure.axes:
        axes.remove()  # else `clear` empties each first, which takes as long as making one
    figure.clear()
    figure.set_facecolor(theme.background)


def add_axes(figure: Figure, theme: Theme, place: SubplotSpec | None = None) -> Axes:
    """Axes in the theme: the figure's only ones, or those of one place of a grid."""
    axes = figure.add_subplot(*([place] if place is not None else []))
    axes.set_facecolor(theme.background)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color(theme.grid)
    axes.tick_params(colors=theme.muted, labelcolor=theme.text, labelsize=SMALL_SIZE, length=3, labelfontfamily=FAMILY)
    axes.grid(True, color=theme.grid, linewidth=0.7)
    axes.set_axisbelow(True)
    return axes


def label_axes(axes: Axes, theme: Theme, x: str = "", y: str = "") -> None:
    """Axis labels, each with its unit."""
    axes.set_xlabel(x, color=theme.muted, fontsize=SMALL_SIZE, family=FAMILY)
    axes.set_ylabel(y, color=theme.muted, fontsize=SMALL_SIZE, family=FAMILY)


def ticks(axis: Any, positions: list[float], labels: list[str]) -> None:
    """Exactly these major ticks, and no minor ones."""
    names = dict(zip(positions, labels, strict=True))
    axis.set_major_locator(FixedLocator(positions))
    axis.set_major_formatter(FuncFormatter(lambda value, _: names.get(value, "")))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def finish(figure: Figure, theme: Theme, title: str, subtitle: str = "") -> None:
    """The view and the heading, then one pass of constrained layout, then the engine off: later draws cost half."""
    width, height = _size_px(figure)
    scale = figure.dpi / 72
    top = _PAD_PX * figure.dpi / 100
    for text, size, weight, colour in (
        (title, TITLE_SIZE, "bold", theme.text),
        (subtitle, SMALL_SIZE, "normal", theme.muted),
    ):
        if text:
            line = figure.text(
                _PAD_PX / width,
                1 - top / height,
                text,
                va="top",
                ha="left",
                fontsize=size,
                fontweight=weight,
                color=colour,
                family=FAMILY,
            )
            line.set_in_layout(False)
            _narrow(figure, line)
            top += size * 1.45 * scale
    view.apply(figure)
    lay_out(figure, 1 - (top + 4 * scale) / height)


def lay_out(figure: Figure, top: float = 1.0) -> None:
    """Constrained layout once, below `top` (a share of the height), and the engine switched off."""
    pad = 6 / 72
    engine = ConstrainedLayoutEngine(rect=(0.0, 0.0, 1.0, max(top, 0.3)), w_pad=pad, h_pad=pad)
    figure.set_layout_engine(engine)
    engine.execute(figure)  # alone: a whole draw without a picture would cost half as much again
    for axes in figure.axes:
        axes.apply_aspect()
    figure.set_layout_engine("none")


def legend_below(
    figure: Figure | SubFigure,
    handles: Sequence[Artist],
    theme: Theme,
    *,
    most_columns: int = 6,
    handle_length: float = 1.6,
) -> None:
    """A legend below the axes, in as many columns as fit. The handles carry their labels."""
    for columns in range(min(most_columns, len(handles)), 0, -1):
        legend = figure.legend(
            handles=handles, loc="outside lower left", ncols=columns, frameon=False, labelcolor=theme.text,
            prop={"family": FAMILY, "size": SMALL_SIZE}, handlelength=handle_length, columnspacing=1.2,
        )  # fmt: skip
        left, _, right, _ = extent(legend)
        if columns == 1 or right - left < figure.bbox.width - 12:
            return
        legend.remove()


def message(figure: Figure, theme: Theme, title: str, words: str) -> None:
    """A chart with nothing to draw says so."""
    axes = start(figure, theme)
    axes.set_axis_off()
    axes.text(
        0.5,
        0.5,
        words,
        ha="center",
        va="center",
        color=theme.muted,
        fontsize=TEXT_SIZE,
        family=FAMILY,
        transform=axes.transAxes,
    )
    finish(figure, theme, title)


def extent(artist: Artist) -> tuple[float, float, float, float]:
    """Left, bottom, right, top of an artist in pixels."""
    box = artist.get_window_extent()
    return float(box.x0), float(box.y0), float(box.x1), float(box.y1)


def _narrow(figure: Figure, line: Text) -> None:
    """Shorten a heading that would leave the figure."""
    width, _ = _size_px(figure)
    words = line.get_text()
    while len(words) > 12 and extent(line)[2] > width - _PAD_PX:
        words = words[:-4]
        line.set_text(words.rstrip(" ,;") + "…")


def _size_px(figure: Figure) -> tuple[float, float]:
    return float(figure.bbox.width), float(figure.bbox.height)
