"""The rate of each operation against the tokens it works on at once: grows row by row while a profile is measured."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from planner.charts import operations, scatter, style
from planner.charts.labels import Label, place
from planner.charts.style import Table, Theme
from planner.timing.profile import Row
from planner.timing.shapes import Shape, by_shape
from planner.units import percent, show

TITLE = "Rate against tokens"


@dataclass(frozen=True)
class Data:
    """Shapes that have tokens and a rate in FLOP/s, variants left out."""

    shapes: tuple[Shape, ...] = ()
    matmul_flops_per_s: float | None = None

    @classmethod
    def of_rows(cls, rows: Iterable[Row]) -> Data:
        """From the rows of a profile, as many as there are yet."""
        kept = [row for row in rows if row.is_plain]
        shapes = [one for one in by_shape(kept) if one.first.tokens and one.flops_per_s]
        shapes.sort(key=lambda one: (operations.order(one.first.operation), one.first.tokens, one.first.sequence))
        peaks = [row.flops_per_s for row in kept if row.operation == "matmul_peak"]
        return cls(tuple(shapes), max(peaks, default=None))

    def of(self, operation: str) -> list[Shape]:
        """The shapes of one operation at the model's full width, by tokens."""
        return [one for one in self.shapes if one.first.operation == operation and one.first.shards == 1]

    def curve(self, operation: str) -> tuple[list[float], list[float]]:
        """Tokens and rates of one operation; the same tokens cut otherwise (1 × 512, 2 × 256) count by their median."""
        at: dict[int, list[float]] = {}
        for one in self.of(operation):
            at.setdefault(one.first.tokens, []).append(one.flops_per_s or 0.0)
        return [float(tokens) for tokens in at], [statistics.median(rates) for rates in at.values()]


def points(data: Data) -> list[tuple[float, float]]:
    """Where each shape stands."""
    return [(float(one.first.tokens), one.flops_per_s or 0.0) for one in data.shapes]


def series(data: Data) -> list[list[int]]:
    """The shapes of each operation."""
    return scatter.grouped([one.first.operation for one in data.shapes])


def readout(data: Data, index: int) -> str:
    """One shape in words."""
    one = data.shapes[index]
    noisy = ", noisy" if one.is_noisy else ""
    return (
        f"{_shape_words(one)}\n{show(one.flops_per_s or 0.0, 'FLOP/s')} in {show(one.total_s, 's')}, spread "
        f"{percent(one.spread)} of {one.repeats} runs{noisy}"
    )


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.shapes:
        style.message(figure, theme, TITLE, "The curve grows with the rows.")
        return
    axes = style.start(figure, theme)
    tops = [*(rate for _, rate in points(data)), data.matmul_flops_per_s or 0.0]
    unit, name = operations.rate_unit(max(tops))
    tokens = [float(one.first.tokens) for one in data.shapes]
    scatter.scale(axes.xaxis, min(tokens) / 1.3, max(tokens) * 1.3, is_log=True)
    scatter.scale(axes.yaxis, 0.0, max(tops), unit, is_log=False)
    axes.set_ylim(bottom=0.0)
    found = sorted({one.first.operation for one in data.shapes}, key=operations.order)
    for operation in found:
        _draw_operation(axes, data, operation, theme)
    if data.matmul_flops_per_s:
        axes.axhline(data.matmul_flops_per_s, color=theme.muted, linewidth=1.0, linestyle=(0, (5, 2)))
    style.label_axes(axes, theme, "Tokens at once", name)
    _legend(figure, data, found, theme)
    style.finish(figure, theme, TITLE, _subtitle(data))
    _name_peak(axes, data, theme)


def describe(data: Data) -> str:
    """One sentence: how many shapes, and the best rate of the whole layer."""
    if not data.shapes:
        return "No rate measured yet."
    return f"{TITLE}: {_subtitle(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every shape."""
    header = (
        "operation", "dtype", "batch", "sequence", "shards", "tokens", "flops_per_s", "time_s", "spread", "repeats",
        "noisy",
    )  # fmt: skip
    return header, [
        (one.first.operation, one.first.dtype, one.first.batch, one.first.sequence, one.first.shards, one.first.tokens,
         one.flops_per_s, one.total_s, one.spread, one.repeats, one.is_noisy)
        for one in data.shapes
    ]  # fmt: skip


def _draw_operation(axes: Axes, data: Data, operation: str, theme: Theme) -> None:
    """A line through the full width's shapes; narrower ones (one rank's share) as points beside it."""
    shade = operations.colour(operation, theme)
    axes.plot(*data.curve(operation), color=shade, linewidth=1.4)
    alike: dict[tuple[bool, bool], list[Shape]] = {}
    for one in data.shapes:
        if one.first.operation == operation:
            alike.setdefault((one.first.shards == 1, one.is_noisy), []).append(one)
    for (is_whole, is_noisy), shapes in alike.items():
        axes.plot(
            [one.first.tokens for one in shapes], [one.flops_per_s or 0.0 for one in shapes], linestyle="none",
            marker="o", markersize=5.0 if is_whole else 3.2, color=shade, zorder=4, markeredgewidth=1.3,
            markerfacecolor=theme.background if is_noisy else shade,
        )  # fmt: skip


def _legend(figure: Figure, data: Data, found: Sequence[str], theme: Theme) -> None:
    handles = [
        Line2D([], [], color=operations.colour(one, theme), marker="o", markersize=4.5, label=operations.name(one))
        for one in found
    ]
    if any(one.is_noisy for one in data.shapes):
        handles.append(operations.noisy_handle(theme))
    style.legend_below(figure, handles, theme)


def _name_peak(axes: Axes, data: Data, theme: Theme) -> None:
    if data.matmul_flops_per_s:
        left, right = axes.get_xlim()
        middle = (left * right) ** 0.5 if axes.get_xscale() == "log" else (left + right) / 2
        peak = Label(middle, data.matmul_flops_per_s, "matrix product", theme.muted)
        place(axes, [peak], [data.curve(operation) for operation in operations.NAMES])
        scatter.halo(axes, theme)


def _shape_words(one: Shape) -> str:
    row = one.first
    width = f" of 1/{row.shards}" if row.shards > 1 else ""
    return f"{operations.name(row.operation)}, {row.batch} × {row.sequence:,} tokens{width}"


def _subtitle(data: Data) -> str:
    best = max(data.of("layer") or data.shapes, key=lambda one: one.flops_per_s or 0.0)
    count, rate = len(data.shapes), show(best.flops_per_s or 0.0, "FLOP/s")
    return f"{count} shape{'s' * (count != 1)}, forward and backward; best {_shape_words(best)}: {rate}"
