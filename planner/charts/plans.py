"""Many plans as points: what each costs against how long it takes; the ones that no other beats go by their names."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from planner import units
from planner.charts import scatter, style
from planner.charts.labels import Label, place
from planner.charts.style import Table, Theme
from planner.units import show

TITLE = "Cost against time"
_NAMED, _NAMED_IF_NARROW, _NARROW_IN = 4, 2, 4.5
"""Of the front so many are named, from the fastest to the cheapest, and in a narrow figure (in inches) only the two;
every point tells its name under the pointer."""
_TIMES = ((units.DAY_S, "days"), (units.HOUR_S, "hours"), (60.0, "minutes"))
_LONGEST_NAME = 24


@dataclass(frozen=True)
class Mark:
    """One plan, in SI units; an unknown figure is NaN."""

    name: str
    where: str
    train_time_s: float
    cost_usd: float
    memory_bytes: float
    fits: bool


@dataclass(frozen=True)
class Data:
    """The plans in the order of their table."""

    marks: tuple[Mark, ...] = ()

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]]) -> Data:
        """From rows as `compare --json` has them; those with a problem have no point."""
        return cls(tuple(
            Mark(row["name"], f"{row['gpus'] or 0:,} × {row['accelerator']}", _figure(row, "train_time_s"),
                 _figure(row, "cost_usd"), _figure(row, "memory_bytes"), bool(row["fits"]))
            for row in rows
        ))  # fmt: skip


def points(data: Data) -> list[tuple[float, float]]:
    """Where each plan stands; NaN where a figure of it is unknown."""
    return [(mark.train_time_s, mark.cost_usd) for mark in data.marks]


def series(data: Data) -> list[list[int]]:
    """The plans that fit, and those that do not."""
    return scatter.grouped([mark.fits for mark in data.marks])


def readout(data: Data, index: int) -> str:
    """One plan in words."""
    mark = data.marks[index]
    figures = (show(mark.cost_usd, "USD"), show(mark.train_time_s, "s"), show(mark.memory_bytes, "B"))
    return f"{mark.name}\n{mark.where}: {', '.join(figures)}{'' if mark.fits else '; does not fit'}"


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    drawn = _known(data)
    if not drawn:
        words = "Nothing to show: no price is known." if data.marks else "No plans yet."
        style.message(figure, theme, TITLE, words)
        return
    axes = style.start(figure, theme)
    _limit(axes, drawn, theme)
    for fits, shape, colour in ((True, "o", theme.curve), (False, "X", theme.plan)):
        mine = [(mark.train_time_s, mark.cost_usd) for mark in drawn if mark.fits == fits]
        axes.plot(
            [x for x, _ in mine], [y for _, y in mine], linestyle="none", marker=shape, markersize=5.0, color=colour,
            alpha=0.7, markeredgecolor=theme.background, markeredgewidth=0.5, zorder=4,
        )  # fmt: skip
    front = _front(drawn)
    axes.step(
        [mark.train_time_s for mark in front], [mark.cost_usd for mark in front], where="post", color=theme.text,
        linewidth=1.0, alpha=0.55, zorder=3,
    )  # fmt: skip
    style.finish(figure, theme, TITLE, "" if scatter.is_small(axes) else _subtitle(data, drawn))
    named = _NAMED if figure.get_figwidth() >= _NARROW_IN else _NAMED_IF_NARROW
    labels = [
        Label(mark.train_time_s, mark.cost_usd, _short(mark.name), theme.text, number == 0)
        for number, mark in enumerate(_spread(front, named))
    ]
    near = sorted((mark.train_time_s, mark.cost_usd) for mark in drawn)
    near = near[:: max(1, len(near) // 100)]
    place(axes, labels, [([x for x, _ in near], [y for _, y in near])], least_pt=scatter.OFF_RING_PT)
    scatter.halo(axes, theme)


def describe(data: Data) -> str:
    """One sentence: how many plans, the fastest and the cheapest that fit."""
    front = _front(_known(data))
    if not front:
        return "No plans with a price to show yet."
    fast, cheap = front[0], front[-1]
    words = f"Cost against time of {_subtitle(data, _known(data))}; the fastest that fits, {fast.name}, takes "
    words += f"{show(fast.train_time_s, 's')} for {show(fast.cost_usd, 'USD')}; the cheapest, {cheap.name}, "
    words += f"{show(cheap.cost_usd, 'USD')} in {show(cheap.train_time_s, 's')}."
    return words.replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every plan."""
    return ("plan", "cluster", "train_time_s", "cost_usd", "memory_bytes", "fits"), [
        (one.name, one.where, one.train_time_s, one.cost_usd, one.memory_bytes, one.fits) for one in data.marks
    ]


def _figure(row: Mapping[str, Any], name: str) -> float:
    return math.nan if row.get(name) is None else float(row[name])


def _known(data: Data) -> list[Mark]:
    """Those with a place on logarithmic axes."""
    return [mark for mark in data.marks if mark.train_time_s > 0 and mark.cost_usd > 0]


def _front(drawn: list[Mark]) -> list[Mark]:
    """The plans that no other is both faster and cheaper than, the fastest first: of those that fit, if any does."""
    able = [mark for mark in drawn if mark.fits] or drawn
    return [able[index] for index in scatter.pareto([(mark.train_time_s, mark.cost_usd) for mark in able])]


def _spread(front: list[Mark], count: int) -> list[Mark]:
    """So many of them at most, first and last among them."""
    if len(front) <= count:
        return front
    return [front[round(i * (len(front) - 1) / (count - 1))] for i in range(count)]


def _limit(axes: Axes, drawn: list[Mark], theme: Theme) -> None:
    times, costs = [mark.train_time_s for mark in drawn], [mark.cost_usd for mark in drawn]
    unit, name = next((pair for pair in _TIMES if min(times) >= 2 * pair[0]), (1.0, "seconds"))
    scatter.scale(axes.xaxis, min(times), max(times), unit)
    scatter.scale(axes.yaxis, min(costs), max(costs), show=lambda value, digits: show(value, "USD", digits))
    style.label_axes(axes, theme, f"Training time ({name})", "Cost")


def _subtitle(data: Data, drawn: list[Mark]) -> str:
    said = f"{len(drawn):,} plan{'' if len(drawn) == 1 else 's'}"
    misfits = sum(not mark.fits for mark in drawn)
    if misfits:
        said += f", × {misfits:,} that do{'es' if misfits == 1 else ''} not fit"
    missing = len(data.marks) - len(drawn)
    return said + (f"; {missing:,} without a figure" if missing else "")


def _short(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"
