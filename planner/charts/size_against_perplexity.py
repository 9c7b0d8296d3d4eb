"""Perplexity against size at one budget: the law's curve with its band, the best size, the plan, known models."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from planner.charts import style
from planner.charts.labels import Label, place
from planner.charts.style import Table, Theme
from planner.quality.frontier import Frontier, Point, show_budget
from planner.quality.observed import Group, Placed
from planner.units import show

TITLE = "Perplexity against size"
_HEADROOM = 1.30
"""The curve is drawn as far as this many times its lowest perplexity, further where a marker lies."""


@dataclass(frozen=True)
class Marker:
    """One model: its size, its perplexity, and where the number is from."""

    label: str
    parameters: float
    perplexity: float
    tokens: float | None = None
    source: str = ""


@dataclass(frozen=True)
class Series:
    """Models whose perplexities are comparable with each other. The title says what they are."""

    title: str
    markers: tuple[Marker, ...]


@dataclass(frozen=True)
class Data:
    """What is drawn. An empty curve: the law gives no loss. `low` and `high` are empty without a band."""

    law: str = ""
    budget: str = ""
    parameters: tuple[float, ...] = ()
    tokens: tuple[float, ...] = ()
    perplexity: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    optimum: Marker | None = None
    plan: Marker | None = None
    family: Series | None = None
    observed: tuple[Series, ...] = ()

    @classmethod
    def of_frontier(cls, found: Frontier, family: Sequence[Placed] = (), observed: Sequence[Group] = ()) -> Data:
        """From a frontier, the known models under its law, and groups of published perplexities."""
        curve = found.curve
        banded = bool(curve) and all(point.low is not None for point in curve)
        return cls(
            law=found.law.title,
            budget=show_budget(found.budget_flops, "FLOP"),
            parameters=tuple(point.parameters for point in curve),
            tokens=tuple(point.tokens for point in curve),
            perplexity=tuple(point.perplexity or math.nan for point in curve),
            low=tuple(point.low or math.nan for point in curve) if banded else (),
            high=tuple(point.high or math.nan for point in curve) if banded else (),
            optimum=_marker("compute-optimal", found.optimum, found.law.source),
            plan=_marker(found.plan.name, found.plan.point, "the plan") if found.plan else None,
            family=_family(family, found.law.title),
            observed=tuple(_observed(group) for group in observed),
        )

    @property
    def markers(self) -> list[Marker]:
        """Every marker drawn."""
        series = ([self.family] if self.family else []) + list(self.observed)
        single = [marker for marker in (self.optimum, self.plan) if marker]
        return single + [marker for one in series for marker in one.markers]


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.parameters and not data.markers:
        style.message(figure, theme, TITLE, "This law gives no perplexity.\nChoose another one to see its curve.")
        return
    axes = style.start(figure, theme)
    axes.set_xscale("log")
    axes.set_yscale("log")
    _draw_curve(axes, data, theme)
    _draw_markers(axes, data, theme)
    _limit(axes, data)
    style.label_axes(axes, theme, "Parameters", "Perplexity, exp(loss in nats a token)")
    if data.parameters or _series(data):
        _legend(axes, theme)
    style.finish(figure, theme, f"{TITLE} at {data.budget}" if data.budget else TITLE, _subtitle(data))
    place(axes, _labels(data, theme), [(data.parameters, data.perplexity)])


def describe(data: Data) -> str:
    """One sentence: the best size and how the plan compares."""
    if data.optimum is None:
        return f"{data.law or 'The law'} gives no perplexity, so there is no curve."
    best = data.optimum
    tokens = f" on {show(best.tokens)} tokens" if best.tokens else ""
    size = f"{show(best.parameters)} parameters{tokens}"
    words = f"At {data.budget}, {data.law} is best at {size}: perplexity {best.perplexity:.3g}"
    if data.plan:
        words += f"; {data.plan.label} with {show(data.plan.parameters)} reaches {data.plan.perplexity:.3g}"
    return f"{words}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every point and marker with its source."""
    header = ("series", "name", "parameters", "tokens", "perplexity", "low_80", "high_80", "source")
    bands = zip(data.low, data.high, strict=True) if data.low else [("", "")] * len(data.parameters)
    rows: list[tuple[object, ...]] = [
        ("curve", "", N, D, value, low, high, data.law)
        for N, D, value, (low, high) in zip(data.parameters, data.tokens, data.perplexity, bands, strict=True)
    ]
    named = [("compute-optimal", data.optimum), ("plan", data.plan)]
    named += [(one.title, marker) for one in _series(data) for marker in one.markers]
    rows += [
        (series, marker.label, marker.parameters, marker.tokens or "", marker.perplexity, "", "", marker.source)
        for series, marker in named
        if marker
    ]
    return header, rows


def _series(data: Data) -> list[Series]:
    return ([data.family] if data.family else []) + list(data.observed)


def _marker(label: str, point: Point, source: str) -> Marker | None:
    if point.perplexity is None:
        return None
    return Marker(label, point.parameters, point.perplexity, point.tokens, source)


def _family(placed: Sequence[Placed], law: str) -> Series | None:
    if not placed:
        return None
    markers = tuple(
        Marker(one.name, one.parameters, one.perplexity, one.tokens, f"{law}, at its own N and D") for one in placed
    )
    tokens = {one.tokens for one in placed}
    trained = f" at {_short(tokens.pop())} tokens" if len(tokens) == 1 else ""
    return Series(f"{_common_name([one.name for one in placed])}{trained}, by the law (not observed)", markers)


def _observed(group: Group) -> Series:
    name = _common_name([row.model for row in group.rows])
    first = group.rows[0]
    context = f", context {first.context_length:,.0f}" if first.context_length else ""
    markers = tuple(
        Marker(row.model, row.parameters or math.nan, row.perplexity, row.tokens, f"{row.source}; {group.title}")
        for row in group.rows
        if row.perplexity is not None
    )
    return Series(f"{name} observed on {first.benchmark}{context} (another text)", markers)


def _common_name(names: list[str]) -> str:
    """What the names share up to a hyphen: `Llama-2` of `llama-2-7b` and `llama-2-70b`; else `models`."""
    words = [name.split("-") for name in names]
    alike = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
    name = "-".join(column[0] for column in alike)
    return name[:1].upper() + name[1:] if name else "models"


def _draw_curve(axes: Axes, data: Data, theme: Theme) -> None:
    if data.low:
        axes.fill_between(
            data.parameters,
            data.low,
            data.high,
            color=theme.curve,
            alpha=0.16,
            linewidth=0,
            label="80 % band of the law's parameters",
        )
    if data.parameters:
        axes.plot(data.parameters, data.perplexity, color=theme.curve, linewidth=1.8, label="same compute, other sizes")


def _draw_markers(axes: Axes, data: Data, theme: Theme) -> None:
    looks = [(data.family, "s", theme.family, theme.family)]
    looks += [
        (one, shape, theme.background, theme.observed) for one, shape in zip(data.observed, "^v<>Ph", strict=False)
    ]
    for series, shape, face, edge in looks:
        if series:
            shown = [one for one in series.markers if not (data.plan and _same_place(one, data.plan))]
            axes.plot(
                [one.parameters for one in shown], [one.perplexity for one in shown], linestyle="none", marker=shape,
                markersize=5.5, markerfacecolor=face, markeredgecolor=edge, markeredgewidth=1.2, label=series.title,
                zorder=4,
            )  # fmt: skip
    for marker, shape, size, colour in ((data.optimum, "*", 13, theme.optimum), (data.plan, "o", 8, theme.plan)):
        if marker:
            axes.plot(
                [marker.parameters],
                [marker.perplexity],
                linestyle="none",
                marker=shape,
                markersize=size,
                color=colour,
                markeredgecolor=theme.background,
                zorder=5,
            )


def _limit(axes: Axes, data: Data) -> None:
    """Limits: the useful part of the curve and every marker, with some air; then round ticks inside them."""
    seen = [marker.perplexity for marker in data.markers]
    values = [value for value in data.perplexity if value == value]
    top = max([*seen, min(values) * _HEADROOM] if values else seen)
    bottom = min([*seen, *data.low, *values])
    low, high = bottom * (bottom / top) ** 0.08, top * (top / bottom) ** 0.06
    if high <= low * 1.02:
        low, high = low / 1.1, high * 1.1
    axes.set_ylim(low, high)
    sizes = [N for N, value in zip(data.parameters, data.perplexity, strict=True) if value <= high]
    sizes += [marker.parameters for marker in data.markers]
    left, right = min(sizes) / 1.25, max(sizes) * 1.25
    axes.set_xlim(left, right)
    decades = math.log10(right / left)
    style.ticks(axes.xaxis, *_ticks(left, right, (1, 2, 5) if decades < 2.2 else (1, 3) if decades < 3.2 else (1,)))
    style.ticks(axes.yaxis, *_perplexity_ticks(low, high))


def _ticks(left: float, right: float, steps: tuple[int, ...]) -> tuple[list[float], list[str]]:
    decades = range(math.floor(math.log10(left)), math.ceil(math.log10(right)) + 1)
    positions = [step * 10.0**decade for decade in decades for step in steps]
    inside = [position for position in positions if left <= position <= right]
    return inside, [_short(position) for position in inside]


def _short(parameters: float) -> str:
    for scale, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= scale * 0.999:
            return f"{parameters / scale:.4g}{name}"
    return f"{parameters:.4g}"


def _perplexity_ticks(low: float, high: float) -> tuple[list[float], list[str]]:
    """Five or so round perplexities."""
    for step in (0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000):
        if (high - low) / step <= 7:
            break
    positions = [round(float(value), 6) for value in np.arange(math.ceil(low / step) * step, high, step)]
    return positions, [f"{value:g}" for value in positions]


def _labels(data: Data, theme: Theme) -> list[Label]:
    """The best size and the plan first: they get the best places."""
    found = []
    if data.optimum:
        found.append(_label(data.optimum, f"{data.optimum.label} {show(data.optimum.parameters)}", theme.optimum, True))
    same = data.plan and any(
        marker.label.casefold() == data.plan.label.casefold() for one in _series(data)[:1] for marker in one.markers
    )
    if data.plan:
        found.append(_label(data.plan, data.plan.label if same else f"{data.plan.label} (the plan)", theme.plan, True))
    for one, colour in zip(
        _series(data), [theme.family] * bool(data.family) + [theme.observed] * len(data.observed), strict=True
    ):
        for marker in one.markers:
            if not (data.plan and _same_place(marker, data.plan)):
                found.append(_label(marker, _size_in(marker.label), colour, False))
    return found


def _label(marker: Marker, text: str, colour: str, bold: bool) -> Label:
    return Label(marker.parameters, marker.perplexity, text, colour, bold)


def _same_place(first: Marker, second: Marker) -> bool:
    return math.isclose(first.parameters, second.parameters, rel_tol=0.02) and math.isclose(
        first.perplexity, second.perplexity, rel_tol=0.002
    )


def _size_in(name: str) -> str:
    """`Llama-2-7B` → `7B`: the legend names the family."""
    return name.split("-")[-1].split(" ")[-1].upper()


def _legend(axes: Axes, theme: Theme) -> None:
    """Below the axes, in two columns where the figure is wide enough."""
    handles, _ = axes.get_legend_handles_labels()
    style.legend_below(axes.figure, handles, theme, most_columns=2 if len(handles) > 2 else 1)


def _subtitle(data: Data) -> str:
    return f"Law: {data.law}" if data.law else ""
