"""A verify run: each part of a real training step beside its prediction, time above, memory below."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, MaxNLocator

from planner import units
from planner.charts import style
from planner.charts.style import Table, Theme
from planner.units import show

TITLE = "Predicted against measured"
ALONG = "y"
"""Any place of a row means its part."""
_HEIGHT = 0.36
_NARROW_INCHES = 4.4


@dataclass(frozen=True)
class Pair:
    """One part: predicted, with its 80 % band where it has one, and measured, with its quartiles where it has them."""

    label: str
    predicted: float
    measured: float
    band: tuple[float, float] | None = None
    quartiles: tuple[float, float] | None = None
    is_whole: bool = False  # the step, the peak: what the parts add up to

    @property
    def error(self) -> float | None:
        """Predicted over measured − 1, as a validation counts it; None where nothing was measured."""
        return self.predicted / self.measured - 1 if self.measured else None

    @property
    def is_inside(self) -> bool | None:
        """Measured within the band; None without one."""
        return self.band[0] <= self.measured <= self.band[1] if self.band else None


@dataclass(frozen=True)
class Data:
    """Times in seconds and memory in bytes."""

    times: tuple[Pair, ...] = ()
    memory: tuple[Pair, ...] = ()
    title: str = ""

    @classmethod
    def of_result(cls, result: Mapping[str, Any]) -> Data:
        """From what `verify --json` prints; figures of which one side is unknown are left out."""
        low, high = result["measured"]["step_time_quartiles_s"]
        quartiles = {"step time": (float(low), float(high))}
        times, memory = (
            tuple(_pair(row, quartiles.get(row["what"])) for row in result["rows"] if _has_both(row, unit))
            for unit in ("s", "B")
        )
        return cls(times, memory, f"{result['model']}, {result['layers']} layers on {result['device']}")


def _has_both(row: Mapping[str, Any], unit: str) -> bool:
    return row["unit"] == unit and row["predicted"] is not None and row["measured"] is not None


def _pair(row: Mapping[str, Any], quartiles: tuple[float, float] | None) -> Pair:
    """A row of a verification; `step: forward` is a part of the step time, whatever else is in seconds a whole."""
    is_known = row["low"] is not None and row["high"] is not None
    return Pair(
        row["what"].removeprefix("step: ").capitalize(), float(row["predicted"]), float(row["measured"]),
        (float(row["low"]), float(row["high"])) if is_known else None, quartiles,
        is_whole=not row["what"].startswith("step: "),
    )  # fmt: skip


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    groups = [
        (pairs, scale, name, show_one)
        for pairs, scale, name, show_one in (
            (data.times, *_time_scale(data.times), lambda value: show(value, "s")),
            (data.memory, *_memory_scale(data.memory), units.show_bytes),
        )
        if pairs
    ]
    if not groups:
        style.message(figure, theme, TITLE, "A verify run's parts appear here.")
        return
    style.clear(figure, theme)
    grid = figure.add_gridspec(len(groups), 1, height_ratios=[len(pairs) + 0.8 for pairs, *_ in groups])
    for number, (pairs, scale, name, show_one) in enumerate(groups):
        axes = style.add_axes(figure, theme, grid[number])
        _draw_pairs(axes, pairs, scale, show_one, theme)
        style.label_axes(axes, theme, name)
    _legend(figure, theme)
    style.finish(figure, theme, TITLE, _subtitle(data))


def points(data: Data) -> list[tuple[float, float]]:
    """The longer bar of each part: the times, then the memory."""
    return [
        (max(one.predicted, one.measured) / scale, float(line))
        for pairs, (scale, _) in ((data.times, _time_scale(data.times)), (data.memory, _memory_scale(data.memory)))
        for line, one in enumerate(pairs)
    ]  # fmt: skip


def axes_of(data: Data, index: int) -> int:
    """Time stands above memory."""
    return int(bool(data.times) and index >= len(data.times))


def readout(data: Data, index: int) -> str:
    """One part in words."""
    is_time = index < len(data.times)
    one, unit = (data.times[index], "s") if is_time else (data.memory[index - len(data.times)], "B")
    band = f" ({show(one.band[0], unit)} – {show(one.band[1], unit)})" if one.band else ""
    ends = f" ({show(one.quartiles[0], unit)} – {show(one.quartiles[1], unit)})" if one.quartiles else ""
    error = f": {units.percent(one.error, sign=True)}" if one.error is not None else ""
    return (
        f"{one.label}{error}\npredicted {show(one.predicted, unit)}{band}, estimated\n"
        f"measured {show(one.measured, unit)}{ends}"
    )


def describe(data: Data) -> str:
    """One sentence: the step's and the peak's error."""
    if not data.times and not data.memory:
        return "No verify run to show yet."
    return f"{TITLE}: {_subtitle(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every part."""
    header = ("part", "unit", "predicted", "band_low", "band_high", "measured", "low", "high", "error", "inside_band")
    return header, [
        (one.label, unit, one.predicted, *(one.band or ("", "")), one.measured, *(one.quartiles or ("", "")), one.error,
         one.is_inside)
        for unit, pairs in (("s", data.times), ("B", data.memory)) for one in pairs
    ]  # fmt: skip


def _draw_pairs(
    axes: Axes, pairs: Sequence[Pair], scale: float, show_one: Callable[[float], str], theme: Theme
) -> None:
    """Two bars a part, hatched what is predicted; the figures and the error beside them."""
    longest = max(max(one.predicted, one.measured, *(one.band or ())) for one in pairs) / scale
    for line, one in enumerate(pairs):
        top, bottom = line - _HEIGHT / 2, line + _HEIGHT / 2
        predicted = axes.barh(
            top, one.predicted / scale, height=_HEIGHT, facecolor=theme.background, edgecolor=theme.curve,
            hatch=style.HATCHES["estimated"], linewidth=0.9,
        )  # fmt: skip
        predicted[0].set_hatch_linewidth(0.6)
        axes.barh(bottom, one.measured / scale, height=_HEIGHT, color=theme.curve)
        _whiskers(axes, one.band, top, scale, theme)
        _whiskers(axes, one.quartiles, bottom, scale, theme)
        _write(axes, one, line, show_one, theme)
    axes.set_xlim(0, longest * 1.04)
    axes.set_ylim(len(pairs) - 0.45, -0.55)
    style.ticks(axes.yaxis, [float(line) for line in range(len(pairs))], [one.label for one in pairs])
    for text, one in zip(axes.get_yticklabels(), pairs, strict=True):
        text.set_fontweight("bold" if one.is_whole else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))


def _whiskers(axes: Axes, ends: tuple[float, float] | None, y: float, scale: float, theme: Theme) -> None:
    if ends is not None:
        axes.plot([ends[0] / scale, ends[1] / scale], [y, y], color=theme.text, linewidth=1.1, marker="|",
                  markersize=5, zorder=4)  # fmt: skip


def _write(axes: Axes, one: Pair, line: int, show_one: Callable[[float], str], theme: Theme) -> None:
    """Both figures and the error right of the axes, in a column; where that is narrow, the error alone."""
    error = units.percent(one.error, 0, sign=True) if one.error is not None else "–"
    outside = one.is_inside is False
    figure = axes.get_figure(root=True)
    is_narrow = figure is not None and figure.get_figwidth() < _NARROW_INCHES
    figures = "" if is_narrow else f"{show_one(one.predicted)} | {show_one(one.measured)}  "
    axes.annotate(
        f"{figures}{'✕ ' * outside}{error}", (1.0, line),
        xycoords=("axes fraction", "data"), xytext=(6, 0), textcoords="offset points", va="center", ha="left",
        fontsize=style.SMALL_SIZE, family=style.FAMILY, color=theme.limit if outside else theme.text,
        fontweight="bold" if one.is_whole else "normal",
    )  # fmt: skip


def _legend(figure: Figure, theme: Theme) -> None:
    predicted = Patch(facecolor=theme.background, edgecolor=theme.curve, hatch=style.HATCHES["estimated"],
                      label="≈ predicted, with 80 % band")  # fmt: skip
    predicted.set_hatch_linewidth(0.6)
    style.legend_below(figure, [predicted, Patch(color=theme.curve, label="● measured, with quartiles")], theme)


def _time_scale(pairs: Sequence[Pair]) -> tuple[float, str]:
    longest = max((max(one.predicted, one.measured) for one in pairs), default=1.0)
    return (1.0, "Seconds") if longest >= 1 else (1e-3, "Milliseconds")


def _memory_scale(pairs: Sequence[Pair]) -> tuple[float, str]:
    largest = max((max(one.predicted, one.measured) for one in pairs), default=1.0)
    return (2.0**30, "GiB") if largest >= 2.0**30 else (2.0**20, "MiB")


def _subtitle(data: Data) -> str:
    whole = [one for one in (*data.times, *data.memory) if one.is_whole] or [*data.times, *data.memory][:1]
    told = [
        f"{one.label} {units.percent(one.error, sign=True)}"
        + (f", {'inside' if one.is_inside else 'outside'} the band" if one.band else "")
        for one in whole
        if one.error is not None
    ]
    return "; ".join([data.title] * bool(data.title) + told) or "nothing measured"
