"""The roofline: achieved FLOP/s against arithmetic intensity, below what the device reached in one large matrix product
and in one large copy (Williams, Waterman, Patterson 2009, doi 10.1145/1498765.1498785).

Intensity counts the least traffic: weights, saved activations, inputs and outputs once. Caches may hold some of it, so
a point can stand above the copy's slope; what is read more than once puts a point below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from planner.charts import operations, scatter, style
from planner.charts.labels import Label, place
from planner.charts.style import Table, Theme
from planner.plan.cluster import Accelerator
from planner.timing.profile import Profile, Row
from planner.units import percent, show

TITLE = "Roofline"
_KEPT_CLEAR = 400
"""Points, about, that labels keep clear of."""


@dataclass(frozen=True)
class Data:
    """Rows with FLOPs and traffic, and the ceilings; None where nothing is known of one."""

    rows: tuple[Row, ...] = ()
    matmul_flops_per_s: float | None = None
    copy_bytes_per_s: float | None = None
    peak_flops: float | None = None
    bandwidth_bytes_per_s: float | None = None
    device: str = ""
    dtype: str = ""

    @classmethod
    def of_profile(cls, profile: Profile, accelerator: Accelerator | None = None) -> Data:
        """From a profile, in its own precision. `accelerator`: the data sheet of the device that was measured."""
        plain = [row for row in profile.rows if row.is_plain and row.dtype == profile.dtype]
        rows = [row for row in plain if row.tokens and row.flops and row.bytes]
        if not rows:
            return cls(device=profile.device.name, dtype=profile.dtype)
        copies = [row.bytes_per_s for row in profile.rows if row.is_plain and row.operation == "copy_peak"]
        return cls(
            tuple(rows), max((row.flops_per_s for row in plain if row.operation == "matmul_peak"), default=None),
            max(copies, default=None),
            accelerator.peak(profile.dtype) if accelerator else None,
            accelerator.memory_bandwidth_bytes_per_s if accelerator else None, profile.device.name, profile.dtype,
        )  # fmt: skip

    def share(self, row: Row) -> float | None:
        """Of the measured roof at the row's intensity, what it reaches."""
        roof = roof_at(intensity(row), self.matmul_flops_per_s, self.copy_bytes_per_s)
        return row.flops_per_s / roof if roof else None


def intensity(row: Row) -> float:
    """FLOP a byte of the least traffic."""
    return row.flops / row.bytes


def roof_at(intensity_: float, flops_per_s: float | None, bytes_per_s: float | None) -> float | None:
    """The lower of the flat and the sloped ceiling, as far as they are known."""
    return min([*([flops_per_s] if flops_per_s else []), *([bytes_per_s * intensity_] if bytes_per_s else [])],
               default=None)  # fmt: skip


def points(data: Data) -> list[tuple[float, float]]:
    """Where each row stands."""
    return [(intensity(row), row.flops_per_s) for row in data.rows]


def series(data: Data) -> list[list[int]]:
    """The rows of each operation."""
    return scatter.grouped([row.operation for row in data.rows])


def readout(data: Data, index: int) -> str:
    """One row in words."""
    row = data.rows[index]
    width = f" of 1/{row.shards}" if row.shards > 1 else ""
    share = data.share(row)
    reached = f", {percent(share, 0)} of the measured roof" if share else ""
    noisy = f"\nnoisy: spread {percent(row.spread, 0)} of {row.n} runs" if row.is_noisy else ""
    return (
        f"{operations.name(row.operation)} {row.direction}, {row.batch} × {row.sequence:,} tokens{width}\n"
        f"{show(row.flops_per_s, 'FLOP/s')} at {show(intensity(row))} FLOP/B{reached}{noisy}"
    )


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.rows:
        style.message(figure, theme, TITLE, "No row with FLOPs and traffic.")
        return
    axes = style.start(figure, theme)
    low, high = _reach(data)
    tops = [rate for _, rate in points(data)] + [top for top in (data.matmul_flops_per_s, data.peak_flops) if top]
    unit, name = operations.rate_unit(max(tops))
    scatter.scale(axes.xaxis, low, high, is_log=True)
    scatter.scale(axes.yaxis, min(tops) / 1.5, max(tops) * 1.3, unit, is_log=True)
    lines = [_draw_roof(axes, data.matmul_flops_per_s, data.copy_bytes_per_s, theme.text, "-", 1.6)]
    lines.append(_draw_roof(axes, data.peak_flops, data.bandwidth_bytes_per_s, theme.muted, "--", 0.9))
    _draw_rows(axes, data, theme)
    style.label_axes(axes, theme, "Arithmetic intensity (FLOP/B)", name)
    _legend(figure, data, theme)
    style.finish(figure, theme, TITLE, _subtitle(data))
    marks: list[Line] = [([x], [y]) for x, y in points(data)[:: max(1, len(data.rows) // _KEPT_CLEAR)]]
    place(axes, _labels(axes, data, theme), [line for line in lines if line[0]] + marks)
    scatter.halo(axes, theme)


def describe(data: Data) -> str:
    """One sentence: the device, its ceilings, and the best layer."""
    if not data.rows:
        return "No measured row with FLOPs and traffic to show yet."
    return f"{TITLE} of {data.device} in {data.dtype}: {_subtitle(data)}.".replace("\N{NO-BREAK SPACE}", " ")


def table(data: Data) -> Table:
    """Every row, then the ceilings."""
    header = (
        "operation", "direction", "dtype", "batch", "sequence", "shards", "intensity_flop_per_byte", "flops_per_s",
        "share_of_measured_roof", "spread", "repeats", "noisy",
    )  # fmt: skip
    rows: list[tuple[object, ...]] = [
        (row.operation, row.direction, row.dtype, row.batch, row.sequence, row.shards, intensity(row), row.flops_per_s,
         data.share(row), row.spread, row.n, row.is_noisy)
        for row in data.rows
    ]  # fmt: skip
    for words, value in _ceilings(data):
        rows.append((words, "", data.dtype, "", "", "", "", value, "", "", "", ""))
    return header, rows


def _ceilings(data: Data) -> list[tuple[str, float]]:
    found = [
        ("measured matrix product (FLOP/s)", data.matmul_flops_per_s), ("measured copy (B/s)", data.copy_bytes_per_s),
        ("data sheet peak (FLOP/s)", data.peak_flops), ("data sheet bandwidth (B/s)", data.bandwidth_bytes_per_s),
    ]  # fmt: skip
    return [(words, value) for words, value in found if value]


def _reach(data: Data) -> tuple[float, float]:
    """Intensities from below the least to above the largest, and past the ridge where both ceilings are known."""
    seen = [x for x, _ in points(data)]
    if data.matmul_flops_per_s and data.copy_bytes_per_s:
        seen.append(data.matmul_flops_per_s / data.copy_bytes_per_s)
    return min(seen) / 2, max(seen) * 2


Line = tuple[Sequence[float], Sequence[float]]


def _draw_roof(
    axes: Axes, flops_per_s: float | None, bytes_per_s: float | None, colour: str, dashes: str, width: float
) -> Line:
    """The slope up to the ridge and the flat behind it; only one of them where the other is unknown."""
    left, right = axes.get_xlim()
    places = [left, right]
    if flops_per_s and bytes_per_s and left < flops_per_s / bytes_per_s < right:
        places.insert(1, flops_per_s / bytes_per_s)
    heights = [roof_at(x, flops_per_s, bytes_per_s) for x in places]
    drawn = [(x, y) for x, y in zip(places, heights, strict=True) if y]
    if not drawn:
        return [], []
    xs, ys = [x for x, _ in drawn], [y for _, y in drawn]
    axes.plot(xs, ys, color=colour, linestyle=dashes, linewidth=width, zorder=2, scalex=False, scaley=False)
    return xs, ys


def _draw_rows(axes: Axes, data: Data, theme: Theme) -> None:
    """The rows that look alike at once: thousands of them take no more time than tens."""
    alike: dict[tuple[str, str, bool], list[Row]] = {}
    for row in data.rows:
        alike.setdefault((row.operation, row.direction, row.is_noisy), []).append(row)
    for (operation, direction, is_noisy), rows in alike.items():
        shade = operations.colour(operation, theme)
        axes.plot(
            [intensity(row) for row in rows], [row.flops_per_s for row in rows], linestyle="none",
            marker=operations.SHAPES[direction], markersize=6.0, color=shade, markeredgewidth=1.2, zorder=4,
            markerfacecolor=theme.background if is_noisy else shade,
        )  # fmt: skip


def _legend(figure: Figure, data: Data, theme: Theme) -> None:
    """Of the marks' shapes; the operations are named beside their points, in their colour."""
    directions = [one for one in operations.SHAPES if any(row.direction == one for row in data.rows)]
    handles = [operations.direction_handle(one, theme) for one in directions]
    if any(row.is_noisy for row in data.rows):
        handles.append(operations.noisy_handle(theme))
    if data.peak_flops:
        handles.append(Line2D([], [], color=theme.muted, linestyle="--", linewidth=0.9, label="data sheet"))
    style.legend_below(figure, handles, theme, handle_length=1.2)


def _labels(axes: Axes, data: Data, theme: Theme) -> list[Label]:
    """The ceilings by name and figure, and the best point of each operation."""
    (left, right), (bottom, _) = axes.get_xlim(), axes.get_ylim()
    found = []
    if data.matmul_flops_per_s:
        words = f"matrix product {show(data.matmul_flops_per_s, 'FLOP/s')}"
        found.append(Label((left * right**3) ** 0.25, data.matmul_flops_per_s, words, theme.text, True))
    if data.copy_bytes_per_s:
        start = max(left, bottom / data.copy_bytes_per_s)
        end = min(right, (data.matmul_flops_per_s or data.copy_bytes_per_s * right) / data.copy_bytes_per_s)
        at = (start * end) ** 0.5
        words = f"copy {show(data.copy_bytes_per_s, 'B/s')}"
        found.append(Label(at, at * data.copy_bytes_per_s, words, theme.text, True))
    for operation in dict.fromkeys(row.operation for row in data.rows):
        best = max((row for row in data.rows if row.operation == operation), key=lambda row: row.flops_per_s)
        shade = operations.colour(operation, theme)
        found.append(Label(intensity(best), best.flops_per_s, operations.name(operation), shade))
    return found


def _subtitle(data: Data) -> str:
    told = f"{len(data.rows)} row{'s' * (len(data.rows) != 1)}"
    layers = [row for row in data.rows if row.operation == "layer"]
    best = max(layers, key=lambda row: row.flops_per_s, default=None)
    if best is not None:
        share = data.share(best)
        reached = f", {percent(share, 0)} of the measured roof" if share else ""
        told += f"; best layer {show(best.flops_per_s, 'FLOP/s')}{reached}"
    return told
