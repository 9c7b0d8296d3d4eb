"""The share of the peak that one layer reaches over shapes: the fit as filled contours, measured points on it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle

from planner.charts import operations, scatter, style
from planner.charts.style import Table, Theme
from planner.timing.peak_share import PeakShare, Place
from planner.units import percent

TITLE = "Share of the peak"
_ACROSS = {"micro-batch": "Micro-batch (sequences)", "width": "Share of the width"}
_STEPS = (0.01, 0.02, 0.05, 0.1)
_MOST_LEVELS = 14
"""Steps of colour; every second one is labelled."""
MOST_NAMED = 60
"""Shares written beside their marks; of more they would lie on each other, and the readout tells them."""
_AIR = 1.25
"""So far the colours and the axis go on past the first and the last line of the grid."""


@dataclass(frozen=True)
class Data:
    """The surface; None, and why, where there is none."""

    found: PeakShare | None = None
    why: str = "No surface yet."
    device: str = ""


def points(data: Data) -> list[tuple[float, float]]:
    """Where each measured layer stands."""
    return [(one.x, one.y) for one in data.found.places] if data.found else []


def readout(data: Data, index: int) -> str:
    """One measured layer in words."""
    assert data.found is not None
    one = data.found.places[index]
    noisy = ", noisy" if one.is_noisy else ""
    return (
        f"layer, {_place_words(data.found, one)}\nmeasured {percent(one.share)} of the peak{noisy}, the fit says "
        f"{percent(one.predicted)}"
    )


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    found = data.found
    if found is None:
        style.message(figure, theme, TITLE, data.why)
        return
    axes = style.start(figure, theme)
    scatter.scale(axes.xaxis, found.x[0], found.x[-1], is_log=True)
    axes.set_xlim(found.x[0], found.x[-1])
    axes.set_yscale("log")
    axes.set_ylim(found.y[0] / _AIR, found.y[-1] * _AIR)
    style.ticks(axes.yaxis, list(found.y), [_across_words(found, value) for value in found.y])
    _draw_surface(axes, found, theme)
    _draw_measured_range(axes, found, theme)
    _draw_places(axes, found.places, theme)
    x = "Tokens of a sequence" if found.axis == "micro-batch" else "Tokens at once, in one sequence"
    style.label_axes(axes, theme, x, _ACROSS[found.axis])
    _legend(figure, found, theme)
    style.finish(figure, theme, TITLE, _subtitle(data))


def describe(data: Data) -> str:
    """One sentence: the best measured layer, and how far the fit is from the measured ones."""
    if data.found is None:
        return f"No surface to show: {data.why.rstrip('.')}."
    return f"{TITLE} on {data.device}: {_subtitle(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """The measured layers, then the grid of the fit."""
    header = ("kind", "tokens_of_a_sequence", "across", "across_is", "share_of_peak", "fit_share_of_peak", "noisy")
    if data.found is None:
        return header, []
    found = data.found
    rows: list[tuple[object, ...]] = [
        ("measured", one.x, one.y, found.axis, one.share, one.predicted, one.is_noisy) for one in found.places
    ]
    for line, across in enumerate(found.y):
        rows += [("estimated", float(x), float(across), found.axis, "", float(found.share[line, column]), "")
                 for column, x in enumerate(found.x)]  # fmt: skip
    return header, rows


def _draw_surface(axes: Axes, found: PeakShare, theme: Theme) -> None:
    top = float(found.share.max())
    step = next((one for one in _STEPS if top / one <= _MOST_LEVELS), _STEPS[-1])
    levels = np.arange(0.0, top + step, step)
    across = np.concatenate([found.y[:1] / _AIR, found.y, found.y[-1:] * _AIR])
    share = np.concatenate([found.share[:1], found.share, found.share[-1:]])
    axes.contourf(found.x, across, share, levels=levels, cmap=_colours(theme), zorder=1)
    lines = axes.contour(found.x, across, share, levels=levels[2::2], colors=theme.text, linewidths=0.6, zorder=2)
    for text in axes.clabel(lines, fmt=lambda value: percent(value, 0), fontsize=style.SMALL_SIZE):
        text.set_fontfamily(style.FAMILY)
    axes.grid(False)


def _draw_measured_range(axes: Axes, found: PeakShare, theme: Theme) -> None:
    """Beyond the frame the fit is extrapolated."""
    xs, ys = [one.x for one in found.places], [one.y for one in found.places]
    low, bottom = min(xs) / 1.08, min(ys) / 1.1
    axes.add_patch(Rectangle(
        (low, bottom), max(xs) * 1.08 - low, max(ys) * 1.1 - bottom, fill=False, edgecolor=theme.plan, linewidth=1.3,
        linestyle=(0, (4, 2)), zorder=3, label="measured range",
    ))  # fmt: skip


def _draw_places(axes: Axes, places: Sequence[Place], theme: Theme) -> None:
    """Those that look alike at once: thousands of them take no more time than tens."""
    for is_noisy in (False, True):
        alike = [one for one in places if one.is_noisy == is_noisy]
        axes.plot(
            [one.x for one in alike], [one.y for one in alike], linestyle="none", marker="o", markersize=7,
            color=theme.plan, markeredgewidth=1.4, markeredgecolor=theme.plan,
            markerfacecolor="none" if is_noisy else theme.plan, zorder=4, clip_on=False,
        )  # fmt: skip
    if len(places) <= MOST_NAMED:
        for place in places:
            axes.annotate(
                percent(place.share, 0), (place.x, place.y), xytext=(0, 7), textcoords="offset points",
                ha="center", va="bottom", color=theme.text, fontsize=style.SMALL_SIZE, family=style.FAMILY,
                fontweight="bold", zorder=5,
            )  # fmt: skip


def _legend(figure: Figure, found: PeakShare, theme: Theme) -> None:
    measured = Line2D([], [], linestyle="none", marker="o", color=theme.plan, markersize=6, label="measured layer")
    frame = Line2D([], [], color=theme.plan, linestyle=(0, (4, 2)), linewidth=1.3,
                   label="measured range; beyond it extrapolated")  # fmt: skip
    noisy = [operations.noisy_handle(theme)] if any(one.is_noisy for one in found.places) else []
    style.legend_below(figure, [measured, *noisy, frame], theme)


def _colours(theme: Theme) -> Colormap:
    """From the ground to the colour of curves, short of it: the lines and words on it stay readable."""
    ground, full = (np.array([int(one[i : i + 2], 16) for i in (1, 3, 5)]) / 255
                    for one in (theme.background, theme.curve))  # fmt: skip
    return LinearSegmentedColormap.from_list("share", [ground, ground + 0.6 * (full - ground)])


def _across_words(found: PeakShare, value: float) -> str:
    if found.axis == "micro-batch":
        return f"{value:g}"
    return "1" if value == 1 else f"1/{1 / value:.0f}"


def _place_words(found: PeakShare, one: Place) -> str:
    if found.axis == "micro-batch":
        return f"{one.y:g} × {one.x:,.0f} tokens"
    return f"{one.x:,.0f} tokens, {_across_words(found, one.y)} of the width"


def _subtitle(data: Data) -> str:
    assert data.found is not None
    best = max(data.found.places, key=lambda one: one.share)
    off = float(np.median([abs(one.predicted / one.share - 1) for one in data.found.places]))
    return (
        f"layer forward and backward ÷ {data.found.peak_of}; best measured {percent(best.share, 0)} at "
        f"{_place_words(data.found, best)}; the fit is off by {percent(off)} (median)"
    )
