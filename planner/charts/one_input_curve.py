"""One figure against one input, from end to end of its stated range, all other inputs as planned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from planner.charts import scatter, style
from planner.charts.style import Table, Theme
from planner.scenarios.sensitivity import Curve
from planner.scenarios.variants import MEASURES
from planner.units import show

_MARKED = 12
"""Up to so many points each gets a mark."""


@dataclass(frozen=True)
class Spot:
    """One value of the input; a choice has its place in the list as `x`."""

    x: float
    text: str
    y: float
    fits: bool
    is_plans: bool


@dataclass(frozen=True)
class Data:
    """The points in order; `x_unit` and `unit` of input and figure."""

    spots: tuple[Spot, ...] = ()
    input: str = ""
    title: str = ""
    unit: str = ""
    is_choice: bool = False
    x_texts: tuple[str, ...] = ()
    left_out: int = 0
    figure: str = ""
    """Under which key an estimate has it."""

    @classmethod
    def of(cls, found: Curve, measure: str) -> Data:
        """From a curve, for one of its measures."""
        one, chosen = MEASURES[measure], found.range
        words = chosen.is_choice or not all(isinstance(point.value, int | float) for point in found.points)
        spots = [
            Spot(float(number if words else point.value), point.text, point.measures[measure],
                 bool(point.measures["fits"]), point.value == chosen.now)
            for number, point in enumerate(found.points)
        ]  # fmt: skip
        kept = tuple(spot for spot in spots if not math.isnan(spot.y))
        return cls(kept, chosen.title, one.title, one.unit, words, tuple(s.text for s in kept), found.left_out,
                   one.figure)  # fmt: skip


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    title = f"{data.title} by {data.input}" if data.spots else "One input"
    if not data.spots:
        style.message(figure, theme, title, describe(data))
        return
    axes = style.start(figure, theme)
    _scales(axes, data)
    x, y = [spot.x for spot in data.spots], [spot.y for spot in data.spots]
    axes.plot(
        x, y, color=theme.curve, linewidth=1.0 if data.is_choice else 2.0, linestyle=":" if data.is_choice else "-"
    )
    marked = len(data.spots) <= _MARKED
    for spot in data.spots:
        if marked or not spot.fits:
            axes.plot(
                [spot.x], [spot.y], linestyle="none", marker="o" if spot.fits else "x", markersize=5,
                color=theme.curve if spot.fits else theme.limit,
            )  # fmt: skip
        if spot.is_plans:
            axes.plot(
                [spot.x], [spot.y], linestyle="none", marker="*", markersize=13, color=theme.plan,
                markeredgecolor=theme.background, zorder=6,
            )  # fmt: skip
    style.finish(figure, theme, title, _subtitle(data))


def describe(data: Data) -> str:
    """One sentence: the figure at both ends and as planned."""
    if not data.spots:
        return "Click a bar to see its curve."
    first, last = data.spots[0], data.spots[-1]
    words = (
        f"{data.title} goes from {show(first.y, data.unit)} at {first.text} to {show(last.y, data.unit)} at {last.text}"
    )
    own = next((spot for spot in data.spots if spot.is_plans), None)
    words += f"; the plan has {own.text}, {show(own.y, data.unit)}" if own else ""
    return f"{words}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every point."""
    unit = f" [{data.unit}]" if data.unit else ""
    header = (data.input or "input", f"{data.title or 'figure'}{unit}", "fits", "is the plan's")
    return header, [(spot.text if data.is_choice else spot.x, spot.y, spot.fits, spot.is_plans) for spot in data.spots]


def points(data: Data) -> list[tuple[float, float]]:
    """Each point."""
    return [(spot.x, spot.y) for spot in data.spots]


def readout(data: Data, index: int) -> str:
    """One point in words."""
    spot = data.spots[index]
    told = f"{data.input} {spot.text}: {show(spot.y, data.unit)}"
    return told + ("" if spot.fits else "\ndoes not fit in memory") + ("\nas planned" if spot.is_plans else "")


def explained(data: Data, index: int) -> str:
    """The key of the figure that a point is: the plan's own."""
    return data.figure if data.spots[index].is_plans else ""


def _scales(axes: Axes, data: Data) -> None:
    y = [spot.y for spot in data.spots]
    scatter.scale(axes.yaxis, min(y), max(y), show=lambda value, digits: show(value, data.unit, digits))
    if data.is_choice:
        axes.set_xlim(-0.5, len(data.spots) - 0.5)
        style.ticks(axes.xaxis, [spot.x for spot in data.spots], list(data.x_texts))
        return
    x = [spot.x for spot in data.spots]
    scatter.scale(axes.xaxis, min(x), max(x), show=lambda value, digits: _near(data.spots, value))


def _near(spots: Sequence[Spot], value: float) -> str:
    """A tick in the words of the points: the unit of the nearest one's text."""
    text = min(spots, key=lambda spot: abs(spot.x - value)).text
    number, blank, unit = text.partition("\N{NO-BREAK SPACE}")
    if number.startswith("$"):
        return f"${value:,.2f}/h"
    return _scaled(value, number, f"{blank}{unit}", min(spots, key=lambda spot: abs(spot.x - value)).x)


def _scaled(value: float, number: str, unit: str, own: float) -> str:
    digits = "".join(letter for letter in number if letter in "0123456789.")
    suffix = number.lstrip("0123456789.,−-")
    scale = own / float(digits) if digits and own and float(digits) else 1.0
    return f"{value / scale:,.4g}{suffix}{unit}"


def _subtitle(data: Data) -> str:
    own = next((spot for spot in data.spots if spot.is_plans), None)
    told = f"★ as planned: {own.text}, {show(own.y, data.unit)}" if own else ""
    out = f"{data.left_out} values contradict the rest of the plan and are left out" if data.left_out else ""
    cross = "" if all(spot.fits for spot in data.spots) else "✕ does not fit"
    return "; ".join(filter(None, (told, cross, out)))
