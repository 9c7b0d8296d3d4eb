"""What the Profile page's tables hold: one dict a row, from the command line's events and from profiles. No Qt."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from gui.row_table import Column
from planner import units

if TYPE_CHECKING:
    from planner.estimate import Figure
    from planner.timing.profile import Profile, Row
    from planner.timing.profile_comparison import ProfileComparison
    from planner.timing.profile_history import Entry
    from planner.timing.shapes import Shape

Line = dict[str, Any]

POINTS = [
    Column("what", "What", is_words=True),
    Column("manner", "Manner", is_words=True, tip="What sets it apart from the model's own layer trained plainly"),
    Column("batch", "Sequences", "{:,}".format),
    Column("sequence", "Tokens each", "{:,}".format),
    Column("width", "Width", is_words=True, tip="Of the layer: what one of so many tensor-parallel GPUs holds"),
    Column("seconds", "About", units.show_duration, "Estimated; the first rows teach this computer's speed"),
    Column("memory_bytes", "Memory", units.show_bytes, "At most, counted before anything is built"),
]
SHAPES = [
    Column("what", "Operation", is_words=True),
    Column("shape", "Shape", is_words=True, tip="Sequences × tokens of each", sort_by="tokens"),
    Column("forward_s", "Forward", units.show_duration, "Median"),
    Column("backward_s", "Backward", units.show_duration, "Median; an optimizer's step stands under Forward"),
    Column("rate", "Rate", tip="Forward and backward together", sort_by="rate_per_s"),
    Column(
        "spread_text", "Spread", tip="Interquartile range over median, the wider of both directions. ! is noisy: few "
        "runs, a wide spread, or slowed by heat or other programs",
        tone=lambda one: "warning" if one["is_noisy"] else "", sort_by="spread",
    ),
    Column("memory_bytes", "Memory", units.show_bytes, "Peak, of the larger direction"),
    Column("repeats", "Runs", "{:,}".format),
]  # fmt: skip
EXPLAINED = ("forward_s", "backward_s", "rate", "spread_text", "memory_bytes", "repeats")
"""Columns of `SHAPES` whose numbers have a derivation."""
FORWARD = ("forward", "step", "forward+backward")
"""Directions that stand under Forward, the first that was measured."""
HISTORY = [
    Column("sign", "", is_words=True, tip="● the plan names it; ✕ cannot be read; ! not complete"),
    Column("name", "Profile", is_words=True),
    Column("created", "Date", is_words=True),
    Column("rows", "Rows", "{:,}".format),
    Column("noisy_rows", "Noisy", "{:,}".format, "Rows of few runs, a wide spread, or slowed from outside"),
    Column("left_out", "Left out", units.percent, "Median error of a layer at a shape left out of the fit"),
    Column("torch", "torch", is_words=True),
    Column("driver", "Driver", is_words=True),
    Column("model", "Model", is_words=True),
    Column("dtype", "In", is_words=True, tip="Precision of most rows"),
    Column("device", "Device", is_words=True),
    Column("where", "Where", is_words=True),
]
VERSIONS = [
    Column("name", "What", is_words=True, tip="≠ differs"),
    Column("before", "Before", is_words=True),
    Column("after", "After", is_words=True),
]


def planned(shapes: Iterable[Line]) -> list[Line]:
    """The points of a plan, and their sum below them."""
    found = [
        {
            "what": _words(one.get("operation", "")), "manner": one.get("manner") or None,
            "batch": one.get("batch") or None,
            "sequence": one.get("sequence") or None, "width": _width(one.get("shards") or 1),
            "seconds": one.get("seconds"), "memory_bytes": one.get("memory_bytes"), "is_total": False,
        }
        for one in shapes
    ]  # fmt: skip
    if not found:
        return []
    total = {
        "what": f"All {len(found)} points", "manner": None, "batch": None, "sequence": None, "width": None,
        "is_total": True,
        "seconds": sum(one["seconds"] or 0.0 for one in found),
        "memory_bytes": max(one["memory_bytes"] or 0.0 for one in found),
    }  # fmt: skip
    return [*found, total]


def measured(rows: Sequence[Row]) -> list[Line]:
    """Measured rows, both directions of a shape in one line."""
    from planner.timing.shapes import by_shape

    return [_measured(shape) for shape in by_shape(rows)]


def figure(shape: Shape, column: str, run: str) -> Figure | None:
    """A number of a measured line with what was run, how often, and `run`: where and when. None where there is none."""
    from planner.estimate import Figure
    from planner.formula import recording

    with recording():
        value, unit = _traced(shape, column, run)
    title = next(one.title for one in SHAPES if one.key == column)
    words = f"{title} of {_words(shape.first.operation).lower()}"
    return None if value is None else Figure.of(f"profile.{column}", words, value, unit, kind="measured")


def figure_of_point(data: Any, index: int, run: str) -> Figure | None:
    """The rate that a point of the roofline, or of the rates against tokens, shows: with its derivation."""
    from planner.timing.shapes import Shape

    return figure(data.shapes[index] if hasattr(data, "shapes") else Shape((data.rows[index],)), "rate", run)


def _traced(shape: Shape, column: str, run: str) -> tuple[Any, str]:
    """The value from the rows' own numbers, and its unit."""
    rows = shape.rows
    if column in ("forward_s", "backward_s"):
        wanted = FORWARD if column == "forward_s" else ("backward",)
        found = next((row for one in wanted for row in rows if row.direction == one), None)
        return (_leaf(found, run, "median", found.median_s, "s") if found else None), "s"
    if column == "memory_bytes":
        largest = max(rows, key=lambda row: row.peak_memory_bytes or 0.0)
        peak = largest.peak_memory_bytes
        return (_leaf(largest, run, f"peak memory ({largest.peak_memory_from})", peak, "B") if peak else None), "B"
    if column == "repeats":
        least = min(rows, key=lambda row: row.n)
        return _leaf(least, run, "runs", least.n), ""
    if column == "spread_text":
        wide = max(rows, key=lambda row: row.spread)
        upper = _leaf(wide, run, "upper quartile", wide.upper_quartile_s, "s")
        lower = _leaf(wide, run, "lower quartile", wide.lower_quartile_s, "s")
        return (upper - lower) / _leaf(wide, run, "median", wide.median_s, "s"), "fraction"
    return (None, "") if shape.first.operation == "launch" else _rate(shape, run)


def _rate(shape: Shape, run: str) -> tuple[Any, str]:
    """Work over time, all directions together: FLOPs where there are any, else the least traffic."""
    from planner.formula import given

    what, unit = ("flops", "FLOP") if shape.flops_per_s else ("bytes", "B")
    work = sum(
        given(
            f"{what}, {row.direction}", getattr(row, what), unit=unit, source="counted from the shape", kind="estimated"
        )
        for row in shape.rows
    )
    return work / sum(_leaf(row, run, "median", row.median_s, "s") for row in shape.rows), f"{unit}/s"


def _leaf(row: Row, run: str, name: str, value: float, unit: str = "") -> Any:
    from planner.formula import given

    return given(f"{name}, {row.direction}", float(value), unit=unit, source=_source(row, run), kind="measured")


def _source(row: Row, run: str) -> str:
    """What was run, how often and how evenly, where and when."""
    shape = f" at {row.batch} × {row.sequence:,} tokens" if row.tokens else ""
    quartiles = f"{units.show_duration(row.lower_quartile_s)} to {units.show_duration(row.upper_quartile_s)}"
    runs = f"{row.n:,} runs in {row.visits:,} visit{'s' * (row.visits != 1)}, half of them within {quartiles}"
    manner = f" ({row.manner})" if row.manner else ""
    return f"measured: {_words(row.operation).lower()}{manner}, {row.direction}{shape} in {row.dtype}; {runs}; {run}"


def history(entries: Sequence[Entry], used: str) -> list[Line]:
    """The profiles that there are; one that cannot be read says why in place of its date."""
    return [_told(entry, used) for entry in entries]


def about(entry: Entry) -> str:
    """A profile in a sentence, or what is wrong with its file."""
    found = entry.profile
    if found is None:
        return f"✕ {entry.path}: {entry.problem}"
    told = [f"{found.suite} suite of {units.show_duration(found.elapsed_s)}"]
    if found.summary.median_spread is not None:
        told.append(f"median spread {units.percent(found.summary.median_spread)}")
    if found.summary.drift is not None:
        told.append(f"the machine's speed moved by {units.percent(found.summary.drift)}")
    if not found.complete:
        told.append(f"not complete ({found.incomplete_because or 'stopped early'})")
    return "; ".join([*told, *found.notes[:1]])


def charted(entry: Entry) -> str:
    """What a profile is of, and how many of its rows the charts draw."""
    found = entry.profile
    told = f"{found.model.name} on {found.device.name} in {found.dtype}, {found.created[:10]}"
    if entry.rows is None:
        return f"{told}: being read…"
    if entry.rows == len(found.rows):
        return f"{told}, {entry.rows:,} rows"
    return f"{told}, {entry.rows:,} rows; drawn are {len(found.rows):,} of them: one of those on one spot, and the best"


def compared(found: ProfileComparison) -> str:
    """Whether the two have shapes in common, and what the rest of them is."""
    rest = [
        f"{count} rows only {where}" for count, where in ((found.only_before, "before"), (found.only_after, "after"))
        if count
    ]  # fmt: skip
    what = f"Of what both measured, {found.agreement}" if found.agreement else "no measured shape in common"
    return "; ".join([what, *rest]) + "."


def versions(found: ProfileComparison) -> list[Line]:
    """What times depend on in two profiles, what differs first."""
    return [
        {"name": f"≠ {one.name}" if one.differs else one.name, "before": one.before or "–", "after": one.after or "–",
         "differs": one.differs}
        for one in found.versions
    ]  # fmt: skip


def _told(entry: Entry, used: str) -> Line:
    found, is_used = entry.profile, entry.name == used
    line: Line = {"name": entry.name, "where": "shipped" if entry.is_shipped else "yours", "is_used": is_used}
    if found is None:
        return {**line, "sign": "✕", "created": entry.problem}
    return {
        **line, "sign": "● " * is_used + "!" * (not found.complete), "device": found.device.name,
        "created": found.created[:16].replace("T", " "), "model": found.model.name, "dtype": found.dtype,
        "rows": entry.rows, "left_out": _left_out(found), "noisy_rows": found.summary.noisy_rows,
        "torch": found.software.torch or None, "driver": found.software.driver or None,
    }  # fmt: skip


def _left_out(found: Profile) -> float | None:
    """Of the whole layer, the worse direction; None where nothing could be left out."""
    return max((one.median for one in found.summary.left_out if one.operation == "layer"), default=None)


def _measured(shape: Shape) -> Line:
    first = shape.first
    rate = shape.flops_per_s
    is_launch = first.operation == "launch"  # its time is the host's, whatever the kernel moves
    width = f" of {_width(first.shards)}" if first.shards > 1 else ""
    return {
        "what": _words(first.operation) + (f" ({first.manner})" if first.manner else ""),
        "shape": f"{first.batch} × {first.sequence:,}{width}" if first.tokens else None,
        "tokens": first.tokens or None,
        "forward_s": next(filter(None, map(shape.time_s, FORWARD)), None),
        "backward_s": shape.time_s("backward"),
        "rate": None if is_launch else units.show(rate, "FLOP/s") if rate else units.show(shape.bytes_per_s, "B/s"),
        "rate_per_s": rate or shape.bytes_per_s,
        "memory_bytes": shape.peak_memory_bytes,
        "spread": shape.spread,
        "is_noisy": shape.is_noisy,
        "spread_text": f"{'! ' if shape.is_noisy else ''}{units.percent(shape.spread)}",
        "repeats": shape.repeats,
    }


def _words(operation: str) -> str:
    """`attention_core` → `Attention core`."""
    return operation.replace("_", " ").replace("head loss", "head + loss").capitalize()


def _width(shards: int) -> str | None:
    return f"1/{shards}" if shards > 1 else None
