"""Layouts as points: cost (or memory, or energy) against time, with the front that no other beats."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from planner import units
from planner.charts import scatter, style
from planner.charts.labels import Label, place
from planner.charts.style import Table, Theme
from planner.units import show

Against = Literal["cost_usd", "memory_bytes", "energy_kwh"]
NAMES: dict[Against, tuple[str, str, str]] = {
    "cost_usd": ("Cost", "USD", "cheapest"), "memory_bytes": ("Memory a GPU", "B", "least memory"),
    "energy_kwh": ("Energy", "kWh", "least energy"),
}  # fmt: skip
"""What can stand against time: its name, its unit, and what the least of it is called."""
_TIMES = ((units.DAY_S, "days"), (units.HOUR_S, "hours"), (60.0, "minutes"))
_SHAPES = "osD^vPpX"
_KEPT_CLEAR = 100
"""Points of the front, and of each cluster, that labels keep clear of."""
_SLOWEST = 4.0
"""Times the fastest: up to there the front is drawn, and further only as far as the ranked list goes."""


@dataclass(frozen=True)
class Mark:
    """One layout on one cluster, in SI units; `on_front`: no other is cheaper, faster and smaller together."""

    cluster: str
    layout: str
    train_time_s: float
    cost_usd: float
    memory_bytes: float
    energy_kwh: float
    on_front: bool = False
    listed: bool = True
    """In the ranked list, not only on the front."""


@dataclass(frozen=True)
class Data:
    """The layouts in the order of the list, what stands against time, and where the plan itself is."""

    marks: tuple[Mark, ...] = ()
    against: Against = "cost_usd"
    plan: Mark | None = None

    @classmethod
    def of_rows(cls, rows: Iterable[Mapping[str, Any]], against: Against, plan: Mark | None = None) -> Data:
        """From rows as `search --json` has them, with `words` and `on_front`; an unknown figure is NaN."""
        return cls(tuple(_mark(row) for row in rows), against, plan)

    @property
    def clusters(self) -> list[str]:
        """The clusters, in the order in which they come."""
        return list(dict.fromkeys(mark.cluster for mark in self.marks))


def against_time(rows: Sequence[Mapping[str, Any]]) -> Against:
    """What is worth drawing: on one cluster cost only follows time, and memory is what is traded."""
    several = len({(row["accelerator"], row["gpus"]) for row in rows}) > 1
    priced = any(row["cost_usd"] is not None for row in rows)
    return "cost_usd" if several and priced else "memory_bytes"


def points(data: Data) -> list[tuple[float, float]]:
    """Where each mark stands, in the units of the axes (seconds, and the base unit of the other figure)."""
    return [_place(mark, data.against) for mark in data.marks]


def series(data: Data) -> list[list[int]]:
    """The layouts of each cluster."""
    return scatter.grouped([mark.cluster for mark in data.marks])


def readout(data: Data, index: int) -> str:
    """One mark in words."""
    mark = data.marks[index]
    figures = (show(mark.cost_usd, "USD"), show(mark.train_time_s, "s"), show(mark.memory_bytes, "B"))
    return "\n".join((f"{mark.cluster}: {', '.join(figures)}", mark.layout))


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    title = f"{NAMES[data.against][0]} against time"
    drawn = [mark for mark in data.marks if _is_known(_place(mark, data.against))]
    if not drawn:
        words = "Nothing to show: the price is unknown." if data.marks else "No layouts yet."
        style.message(figure, theme, title, words)
        return
    axes = style.start(figure, theme)
    plan = data.plan if data.plan and _is_known(_place(data.plan, data.against)) else None
    front = _front(data, drawn)
    _limit(axes, data, drawn, front, plan, theme)
    _draw_clusters(axes, data, drawn, theme)
    axes.step(
        [x for x, _ in front], [y for _, y in front], where="post", color=theme.text, linewidth=1.0, alpha=0.55,
        zorder=4,
    )  # fmt: skip
    if plan:
        axes.plot(
            *_place(plan, data.against), linestyle="none", marker="*", markersize=13, color=theme.plan,
            markeredgecolor=theme.background, zorder=7,
        )  # fmt: skip
    if len(data.clusters) > 1:
        _legend(axes, data, theme)
    style.finish(figure, theme, title, "" if scatter.is_small(axes) else _subtitle(data, drawn))
    lines = [front[:_KEPT_CLEAR]]
    for name in data.clusters:
        places = sorted(_place(mark, data.against) for mark in drawn if mark.cluster == name)
        lines.append(places[:: max(1, len(places) // _KEPT_CLEAR)])
    drawn_lines = [([x for x, _ in one], [y for _, y in one]) for one in lines]
    place(axes, _labels(axes, data, front, plan, theme), drawn_lines, least_pt=scatter.OFF_RING_PT)
    scatter.halo(axes, theme)


def describe(data: Data) -> str:
    """One sentence: how many layouts, the fastest and the least of the other figure."""
    drawn = [mark for mark in data.marks if _is_known(_place(mark, data.against))]
    if not drawn:
        return "No layouts to show yet."
    name, unit, least = NAMES[data.against]
    fast, small = min(drawn, key=lambda m: m.train_time_s), min(drawn, key=lambda m: _place(m, data.against)[1])
    words = f"{name} against time of {_layouts(len(drawn))} on {_clusters(len(data.clusters))}"
    words += f"; the fastest takes {show(fast.train_time_s, 's')} at {show(_place(fast, data.against)[1], unit)}"
    words += f", the {least} is {show(_place(small, data.against)[1], unit)} in {show(small.train_time_s, 's')}."
    return words.replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every layout."""
    header = ("cluster", "layout", "train_time_s", "cost_usd", "memory_bytes", "energy_kwh", "on_pareto_front")
    return header, [
        (one.cluster, one.layout, one.train_time_s, one.cost_usd, one.memory_bytes, one.energy_kwh, one.on_front)
        for one in data.marks
    ]


def _mark(row: Mapping[str, Any]) -> Mark:
    def figure(name: str) -> float:
        return math.nan if row.get(name) is None else float(row[name])

    return Mark(
        cluster=f"{row['gpus']:,} × {row['accelerator']}", layout=str(row.get("words", "")),
        train_time_s=figure("train_time_s"), cost_usd=figure("cost_usd"), memory_bytes=figure("memory_bytes"),
        energy_kwh=figure("energy_kwh"), on_front=bool(row.get("on_front")), listed=row.get("rank") is not None,
    )  # fmt: skip


def _place(mark: Mark, against: Against) -> tuple[float, float]:
    return mark.train_time_s, float(getattr(mark, against))


def _is_known(at: tuple[float, float]) -> bool:
    return all(math.isfinite(value) and value > 0 for value in at)


def _front(data: Data, drawn: Sequence[Mark]) -> list[tuple[float, float]]:
    """The lower left edge: what lies right of it or above it is beaten."""
    places = [_place(mark, data.against) for mark in drawn]
    return [places[index] for index in scatter.pareto(places)]


def _limit(
    axes: Axes, data: Data, drawn: Sequence[Mark], front: Sequence[tuple[float, float]], plan: Mark | None, theme: Theme
) -> None:
    """The axes hold the ranked list, the plan and the useful part of the front."""
    listed = [_place(mark, data.against) for mark in drawn if mark.listed] or list(front)
    slowest = max(_SLOWEST * front[0][0], max(x for x, _ in listed))
    seen = [*listed, *(at for at in front if at[0] <= slowest), *([_place(plan, data.against)] if plan else [])]
    times, others = [x for x, _ in seen], [y for _, y in seen]
    unit, name = next((pair for pair in _TIMES if min(times) >= 2 * pair[0]), (1.0, "seconds"))
    scatter.scale(axes.xaxis, min(times), max(times), unit)
    what = NAMES[data.against][0]
    if data.against == "memory_bytes":
        scatter.scale(axes.yaxis, min(others), max(others), units.GIB)
        what += " (GiB)"
    else:
        shown = NAMES[data.against][1]
        scatter.scale(
            axes.yaxis, min(others), max(others), show=lambda value, digits: _trimmed(show(value, shown, digits))
        )
    style.label_axes(axes, theme, f"Training time ({name})", what)


def _trimmed(text: str) -> str:
    """`$5.00M` → `$5M`."""
    return re.sub(r"(\.\d*?)0+(?=\D|$)", lambda match: match[1].rstrip("."), text)


def _looks(data: Data, theme: Theme) -> list[tuple[str, str, str]]:
    """Each cluster's colour and shape."""
    return [
        (cluster, theme.parts[number % len(theme.parts)], _SHAPES[number % len(_SHAPES)])
        for number, cluster in enumerate(data.clusters)
    ]


def _draw_clusters(axes: Axes, data: Data, drawn: Sequence[Mark], theme: Theme) -> None:
    """Faint points of all, strong ones of the front; each cluster has its colour and its shape."""
    for cluster, colour, shape in _looks(data, theme):
        for strong in (False, True):
            mine = [_place(mark, data.against) for mark in drawn if mark.cluster == cluster and mark.on_front == strong]
            axes.plot(
                [x for x, _ in mine], [y for _, y in mine], linestyle="none", marker=shape, color=colour,
                markersize=5.5 if strong else 3.0, alpha=1.0 if strong else 0.4,
                markeredgecolor=theme.background if strong else "none", markeredgewidth=0.7,
                zorder=5 if strong else 3, rasterized=not strong,
            )  # fmt: skip


def _labels(
    axes: Axes, data: Data, front: Sequence[tuple[float, float]], plan: Mark | None, theme: Theme
) -> list[Label]:
    """The plan, the fastest, and the least of the other figure where it is in the picture."""
    unit, least = NAMES[data.against][1:]
    found = [Label(*_place(plan, data.against), "this plan", theme.plan, True)] if plan else []
    first, last = front[0], front[-1]
    if first == last:
        return [*found, Label(*first, f"fastest and {least}", theme.text, True)]
    found.append(Label(*first, f"fastest: {show(first[0], 's')}", theme.text, True))
    if last[0] <= axes.get_xlim()[1]:
        found.append(Label(*last, f"{least}: {show(last[1], unit)}", theme.text, True))
    return found


def _legend(axes: Axes, data: Data, theme: Theme) -> None:
    """The clusters below the axes."""
    handles = [
        Line2D([], [], linestyle="none", marker=shape, color=colour, markersize=5.5, label=name)
        for (_, colour, shape), name in zip(_looks(data, theme), _short(data.clusters), strict=True)
    ]
    style.legend_below(axes.figure, handles, theme, handle_length=0.9)


def _short(clusters: Sequence[str]) -> list[str]:
    """Without what all have in common: `64 × A100`, `128 × A100` → `64 GPUs`, `128 GPUs`."""
    counts, kinds = zip(*(name.split(" × ", 1) for name in clusters), strict=True)
    if len(set(kinds)) == 1:
        return [f"{count} GPUs" for count in counts]
    return list(kinds) if len(set(counts)) == 1 else list(clusters)


def _subtitle(data: Data, drawn: Sequence[Mark]) -> str:
    front = sum(mark.on_front for mark in drawn)
    if not front:
        return _layouts(len(drawn))
    return f"{_layouts(len(drawn))}; strong: the {front} that no other beats in cost, time and memory"


def _layouts(count: int) -> str:
    return f"{count:,} layout{'' if count == 1 else 's'}"


def _clusters(count: int) -> str:
    return f"{count} cluster{'' if count == 1 else 's'}"
