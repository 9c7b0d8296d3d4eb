"""One step as a Gantt picture: what each pipeline stage does when, and where it waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from planner.charts import scatter, style
from planner.charts.style import Table, Theme
from planner.estimate import Figure as Explained
from planner.schedule.order import Pipeline
from planner.schedule.step import KINDS, Event, Schedule
from planner.units import percent, show

TITLE = "Schedule of one step"
COLLECTIVES = "Exposed collectives"
_TALLEST_PX = 64.0
_NUMBER_PX = 15.0
"""A block gets its micro-batch's number from this width on."""
_SMALLEST_LABELLED = 900
_RIMMED_PX = 5.0
_STAGE_PX = 15.0
"""Height of a stage's name."""
_PALEST = 0.45
"""How far the last of several chunks fades towards the background."""
_SAME = 5e-4
"""Relative difference below which two times read the same."""
_NOTHING = Schedule(Pipeline(0, 1, 0), (), ((), ()), (0.0, 0.0), (), 0.0)


@dataclass(frozen=True)
class Data:
    """The events of a step, or why there are none."""

    schedule: Schedule | None = None
    why: str = "No schedule to show yet."
    explain: Callable[[Event], Explained] | None = field(default=None, compare=False, repr=False)
    """How long an event lasts, with the derivation."""

    @classmethod
    def of(cls, schedule: Schedule, explain: Callable[[Event], Explained] | None = None) -> Data:
        """From a simulated step."""
        return cls(schedule, explain=explain)

    @property
    def events(self) -> tuple[Event, ...]:
        """Everything that the stages do, and their bubbles."""
        return self.schedule.events if self.schedule else ()

    @property
    def pipeline(self) -> Pipeline:
        """Stages, chunks and micro-batches."""
        return self.schedule.pipeline if self.schedule else Pipeline(1, 1, 0)

    @property
    def makespan_s(self) -> float:
        """From the step's beginning to its end."""
        return self.schedule.makespan_s if self.schedule else 0.0

    @property
    def shares(self) -> dict[str, float]:
        """Share of all stages' time by what it goes into; collectives apart from the work that they hold up."""
        first, second, *rest = KINDS.values()
        spent = dict.fromkeys([first, second, COLLECTIVES, *rest], 0.0)
        for event in self.events:
            spent[KINDS[event.kind]] += event.end_s - event.start_s - event.collectives_s
            spent[COLLECTIVES] += event.collectives_s
        whole = self.makespan_s * self.pipeline.stages
        return {name: seconds / whole for name, seconds in spent.items() if seconds > 0}


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.events:
        style.message(figure, theme, TITLE, data.why)
        return
    axes = style.start(figure, theme)
    axes.set_xlim(0, data.makespan_s)
    rows = max(float(data.pipeline.stages), figure.bbox.height / figure.dpi * 100 * 0.6 / _TALLEST_PX)
    axes.set_ylim((data.pipeline.stages - 1 + rows) / 2, (data.pipeline.stages - 1 - rows) / 2)
    _ground(axes, data, theme)
    for kind in (name for name in KINDS if name != "bubble"):
        _blocks(axes, [event for event in data.events if event.kind == kind], data.pipeline.chunks, theme)
    _waits(axes, data.events, theme)
    _axis(axes, data, theme)
    _legend(axes, data, theme)
    style.finish(figure, theme, TITLE, _verdict(data))
    if len(data.events) <= _SMALLEST_LABELLED:
        _numbers(axes, data, theme)


def describe(data: Data) -> str:
    """One sentence: which schedule, how long, and what share is bubbles."""
    if not data.events:
        return data.why if data.why.endswith(".") else f"{data.why}."
    return f"{_verdict(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every event; stages, micro-batches and chunks are counted from 1."""
    return (data.schedule or _NOTHING).table


def points(data: Data) -> list[tuple[float, float]]:
    """The middle of each event."""
    return [((one.start_s + one.end_s) / 2, float(one.stage)) for one in data.events]


def at(data: Data, x: float, y: float) -> int | None:
    """The block that holds a place."""
    for index, one in enumerate(data.events):
        if one.stage == round(y) and one.start_s <= x <= one.end_s:
            return index
    return None


def series(data: Data) -> list[list[int]]:
    """What each stage does."""
    return scatter.grouped([one.stage for one in data.events])


def readout(data: Data, index: int) -> str:
    """One event in words."""
    one = data.events[index]
    what = KINDS[one.kind]
    if one.micro_batch >= 0:
        what += f" of micro-batch {one.micro_batch + 1}" + (
            f", chunk {one.chunk + 1}" if data.pipeline.chunks > 1 else ""
        )
    lasts = f"{show(one.end_s - one.start_s, 's')} from {show(one.start_s, 's')}"
    waits = f", {show(one.collectives_s, 's')} of it exposed collectives" if one.collectives_s > 0 else ""
    return f"Stage {one.stage + 1}: {what}\n{lasts}{waits}"


def explained(data: Data, index: int) -> Callable[[], Explained] | None:
    """How long an event lasts, worked out when it is asked for."""
    return partial(data.explain, data.events[index]) if data.explain else None


def _verdict(data: Data) -> str:
    pipeline, estimated_s = data.pipeline, data.schedule.estimated_s if data.schedule else 0.0
    shape = f"{pipeline.micro_batches:,} micro-batch{'' if pipeline.micro_batches == 1 else 'es'}"
    if pipeline.stages > 1:
        shape += f" through {pipeline.stages} stages"
        shape += f" of {pipeline.chunks} chunks" if pipeline.chunks > 1 else ""
    said = show(data.makespan_s, "s")
    if abs(data.makespan_s / estimated_s - 1) > _SAME:
        said += f" (estimate: {show(estimated_s, 's')}, as if all stages were as long as the longest)"
    bubble = data.shares.get(KINDS["bubble"], 0.0)
    said += f", {percent(bubble)} of it bubbles" if pipeline.stages > 1 else ""
    return f"{said}: {pipeline.name}, {shape}"


def _colour(theme: Theme, kind: str) -> str:
    places = {"forward": 0, "backward": 2, "messages": 7, "gradients": 1, "optimizer": 6, "other": 4}
    return theme.parts[places[kind]] if kind in places else theme.background


def _ground(axes: Axes, data: Data, theme: Theme) -> None:
    """Every stage hatched from end to end: bubbles are what the blocks leave of it."""
    made = PolyCollection(
        _boxes((stage, 0.0, data.makespan_s) for stage in range(data.pipeline.stages)), facecolors=theme.background,
        edgecolors=theme.muted, linewidths=0.0, hatch="////", zorder=1.5,
    )  # fmt: skip
    made.set_hatch_linewidth(0.5)
    axes.add_collection(made, autolim=False)


def _blocks(axes: Axes, events: Sequence[Event], chunks: int, theme: Theme) -> None:
    """Events of one kind as bars; later chunks paler."""
    for chunk in range(chunks):
        few = [event for event in events if event.chunk == chunk]
        if not few:
            continue
        made = PolyCollection(
            _boxes((one.stage, one.start_s, one.end_s) for one in few),
            facecolors=[_faded(_colour(theme, few[0].kind), theme, chunk / max(1, chunks - 1))],
            edgecolors=theme.background, linewidths=_edge(axes, events), zorder=2,
        )  # fmt: skip
        axes.add_collection(made, autolim=False)


def _waits(axes: Axes, events: Iterable[Event], theme: Theme) -> None:
    """What of a block waits for collectives, as its last part."""
    found = [(one.stage, one.end_s - one.collectives_s, one.end_s) for one in events if one.collectives_s > 0]
    if found:
        made = PolyCollection(_boxes(found), facecolors=theme.parts[3], edgecolors="none", zorder=3)
        axes.add_collection(made, autolim=False)


def _boxes(bars: Iterable[tuple[int, float, float]]) -> Any:
    """Corners of bars (row, left, right), as one array, which matplotlib takes ten times as fast as a list."""
    row, left, right = np.array(list(bars)).T
    return np.stack([[left, row - 0.4], [right, row - 0.4], [right, row + 0.4], [left, row + 0.4]]).transpose(2, 0, 1)


def _faded(colour: str, theme: Theme, far: float) -> tuple[float, float, float]:
    own, ground = to_rgb(colour), to_rgb(theme.background)
    red, green, blue = (a + (b - a) * _PALEST * far for a, b in zip(own, ground, strict=True))
    return red, green, blue


def _edge(axes: Axes, events: Sequence[Event]) -> float:
    """A rim round the blocks where they are wide enough to be told apart."""
    left, right = axes.get_xlim()
    widths = [event.end_s - event.start_s for event in events]
    return 0.5 if axes.bbox.width * sum(widths) / len(widths) / (right - left) > _RIMMED_PX else 0.0


def _axis(axes: Axes, data: Data, theme: Theme) -> None:
    scale, unit = next((pair for pair in ((1.0, "s"), (1e-3, "ms")) if data.makespan_s >= pair[0]), (1e-6, "µs"))
    axes.xaxis.set_major_locator(MaxNLocator(7, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value / scale:g}"))
    every = -(-data.pipeline.stages // max(1, int(axes.figure.bbox.height / axes.figure.dpi * 100 * 0.55 / _STAGE_PX)))
    shown = [float(row) for row in range(0, data.pipeline.stages, every)]
    style.ticks(axes.yaxis, shown, [f"Stage {int(row) + 1}" for row in shown])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.spines["left"].set_visible(False)
    style.label_axes(axes, theme, f"Time ({unit})")


def _legend(axes: Axes, data: Data, theme: Theme) -> None:
    """Kinds with their share of all stages' time, below the axes."""
    looks = {KINDS[kind]: _colour(theme, kind) for kind in KINDS} | {COLLECTIVES: theme.parts[3]}
    patches = [
        Patch(
            facecolor=looks[name], edgecolor=theme.muted if name == KINDS["bubble"] else "none",
            hatch="////" if name == KINDS["bubble"] else "", label=f"{name} {_percent(share)}", linewidth=0.5,
        )
        for name, share in data.shares.items()
    ]  # fmt: skip
    figure = axes.figure
    for columns in (len(patches), 4, 3, 2, 1):
        legend = figure.legend(
            handles=patches, loc="outside lower left", ncols=columns, frameon=False, labelcolor=theme.text,
            prop={"family": style.FAMILY, "size": style.SMALL_SIZE}, handlelength=1.3, columnspacing=1.3,
        )  # fmt: skip
        left, _, right, _ = style.extent(legend)
        if columns == 1 or right - left < figure.bbox.width - 12:
            return
        legend.remove()


def _percent(share: float) -> str:
    return f"{'<' * (share < 0.001)}{percent(max(share, 0.001))}"


def _numbers(axes: Axes, data: Data, theme: Theme) -> None:
    """The micro-batch's number in each block that has room for it."""
    pixels = axes.transData.transform
    for one in data.events:
        if one.kind not in ("forward", "backward"):
            continue
        end = one.end_s - one.collectives_s
        (left, top), (right, bottom) = pixels([(one.start_s, one.stage - 0.4), (end, one.stage + 0.4)])
        if right - left >= _NUMBER_PX * axes.figure.dpi / 100 and abs(top - bottom) >= _NUMBER_PX:
            axes.text(
                (one.start_s + end) / 2, one.stage, f"{one.micro_batch + 1}", ha="center", va="center_baseline",
                color=theme.background, fontsize=style.SMALL_SIZE - 1, family=style.FAMILY, zorder=4,
            )  # fmt: skip
