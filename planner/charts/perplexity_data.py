"""What the chart of perplexity against size draws, as plain data: curve, other budgets, models, and their words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import takewhile

from planner.charts import scatter
from planner.charts.style import Table
from planner.estimate import Figure
from planner.quality.budget import show_budget
from planner.quality.frontier import Frontier, Line, Point
from planner.quality.frontier_figures import figures, perplexity_figure
from planner.quality.observed import Group, Placed
from planner.units import show

EPOCHS = (1.0, 4.0, 16.0)
"""Passes over the data that are marked: fresh, almost as good as fresh, decayed to 1/e (Muennighoff 2023)."""


@dataclass(frozen=True)
class Marker:
    """One model: its size, its perplexity, what kind of number that is, and where it is from."""

    label: str
    parameters: float
    perplexity: float
    tokens: float | None = None
    source: str = ""
    kind: str = "estimated"
    low: float | None = None
    high: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Series:
    """Models whose perplexities are comparable with each other. The title says what they are."""

    title: str
    markers: tuple[Marker, ...]


@dataclass(frozen=True)
class Data:
    """What is drawn. An empty curve: the law gives no loss. `low` and `high` are empty without a band."""

    law: str = ""
    law_source: str = ""
    budget: str = ""
    parameters: tuple[float, ...] = ()
    tokens: tuple[float, ...] = ()
    perplexity: tuple[float, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    compute_ratio: tuple[float, ...] = ()
    """Compute that each size needs for the best loss, over the budget; NaN where unknown."""
    optimum: Marker | None = None
    lifetime: Marker | None = None
    plan: Marker | None = None
    family: Series | None = None
    observed: tuple[Series, ...] = ()
    lines: tuple[Line, ...] = ()
    price_source: str = ""
    frontier: Frontier | None = field(default=None, compare=False, repr=False)
    """What it was drawn from, which tells how each point was computed."""
    limits: tuple[tuple[str, float], ...] = ()
    """Words and size at which the budget passes once, four, sixteen times over the data there are."""

    @classmethod
    def of_frontier(
        cls, found: Frontier, family: Sequence[Placed] = (), observed: Sequence[Group] = (), *, with_lines: bool = True
    ) -> Data:
        """From a frontier, the known models under its law, and groups of published perplexities."""
        curve, law = found.curve, found.law
        banded = bool(curve) and all(point.low is not None for point in curve)
        return cls(
            law=law.title, law_source=law.source, budget=show_budget(found.budget_flops, "FLOP"),
            parameters=tuple(point.parameters for point in curve), tokens=tuple(point.tokens for point in curve),
            perplexity=tuple(_number(point.perplexity) for point in curve),
            low=tuple(_number(point.low) for point in curve) if banded else (),
            high=tuple(_number(point.high) for point in curve) if banded else (),
            compute_ratio=tuple(_number(point.compute_ratio) for point in curve),
            optimum=_marker("compute-optimal", found.optimum, law.source, "the best of this budget"),
            lifetime=_lifetime(found), plan=_plan(found), family=_family(family, law.title, law.source),
            observed=tuple(_observed(group) for group in observed), lines=found.lines if with_lines else (),
            price_source=found.price_source, limits=tuple(_limits(found)), frontier=found,
        )  # fmt: skip

    @property
    def series(self) -> list[Series]:
        """The known models, then the published ones."""
        return ([self.family] if self.family else []) + list(self.observed)

    @property
    def markers(self) -> list[Marker]:
        """Every marker drawn, in the order in which the pointer finds them."""
        single = [marker for marker in (self.optimum, self.plan, self.lifetime) if marker]
        return single + [marker for one in self.series for marker in one.markers]


def points(data: Data) -> list[tuple[float, float]]:
    """Where the pointer finds something: the markers, the curve, the other budgets' curves."""
    found = [(marker.parameters, marker.perplexity) for marker in data.markers]
    found += zip(data.parameters, data.perplexity, strict=True)
    return found + [place for line in data.lines for place in zip(line.parameters, line.perplexity, strict=True)]


def leading(data: Data) -> int:
    """The markers lie on the curves."""
    return len(data.markers)


def series(data: Data) -> list[list[int]]:
    """The models, the curve, then each other budget."""
    counts = [len(data.markers), len(data.parameters), *(len(line.parameters) for line in data.lines)]
    return scatter.grouped([number for number, count in enumerate(counts) for _ in range(count)])


def readout(data: Data, index: int) -> str:
    """What is at a point, with its source."""
    if index < len(data.markers):
        return _marker_words(data.markers[index], data.law)
    index -= len(data.markers)
    if index < len(data.parameters):
        return _curve_words(data, index)
    index -= len(data.parameters)
    for line in data.lines:
        if index < len(line.parameters):
            return _line_words(data, line, index)
        index -= len(line.parameters)
    return ""


def explained(data: Data, index: int) -> Callable[[], Figure | None] | None:
    """The perplexity that a point is: under the law, with its derivation; of an observed model, as published.

    Worked out when it is asked for: the pointer passes over many.
    """
    found = data.frontier
    if found is None:
        return None
    if index < len(data.markers):
        return partial(_explained_marker, data, found, data.markers[index])
    index -= len(data.markers)
    if index < len(data.parameters):
        band = (data.low[index], data.high[index]) if data.low else (None, None)
        budget, flops, size = data.budget, found.budget_flops, data.parameters[index]
    else:
        places = [(line, N) for line in data.lines for N in line.parameters]
        line, size = places[index - len(data.parameters)]
        budget, flops, band = line.label, line.flops, (None, None)
    return partial(
        perplexity_figure, found.law, size, math.nan, label=f"Perplexity at {budget}", band=band, flops=flops,
        unique_tokens=found.unique_tokens,
    )  # fmt: skip


def _explained_marker(data: Data, found: Frontier, one: Marker) -> Figure | None:
    named = {"optimum": data.optimum, "plan": data.plan, "lifetime": data.lifetime}
    name = next((name for name, marker in named.items() if marker is one), "")
    if name:
        return figures(found).get(f"{name}.perplexity")
    label = f"Perplexity of {one.label}"
    if one.kind == "published":
        return Figure.of("quality.published", label, one.perplexity, "", kind="published", source=one.source)
    return perplexity_figure(found.law, one.parameters, one.tokens or math.nan, label=label)


def table(data: Data) -> Table:
    """Every point and marker with its kind and source."""
    header = (
        "series", "name", "parameters", "tokens", "perplexity", "low_80", "high_80", "compute_for_best_loss", "kind",
        "source",
    )  # fmt: skip
    bands = zip(data.low, data.high, strict=True) if data.low else [("", "")] * len(data.parameters)
    columns = zip(data.parameters, data.tokens, data.perplexity, bands, data.compute_ratio, strict=True)
    rows: list[tuple[object, ...]] = [
        ("curve", data.budget, N, D, value, low, high, _finite(ratio), "estimated", f"{data.law}: {data.law_source}")
        for N, D, value, (low, high), ratio in columns
    ]
    named = [("compute-optimal", data.optimum), ("plan", data.plan), ("lifetime-optimal", data.lifetime)]
    named += [(one.title, marker) for one in data.series for marker in one.markers]
    rows += [
        (series, one.label, one.parameters, one.tokens or "", one.perplexity, _blank(one.low), _blank(one.high), "",
         one.kind, one.source)
        for series, one in named if one
    ]  # fmt: skip
    priced = f"; price: {data.price_source}" if data.price_source else ""
    rows += [
        ("other budget", line.label, N, line.flops / (6 * N), value, "", "", "", "estimated",
         f"{data.law}: {data.law_source}{priced}")
        for line in data.lines for N, value in zip(line.parameters, line.perplexity, strict=True)
    ]  # fmt: skip
    return header, rows


def of_row(data: Data, row: int) -> int:
    """Which point a row of the table is: the curve comes first there, and last but the lines here."""
    curve, marked = len(data.parameters), len(data.markers)
    return row + marked if row < curve else row - curve if row < curve + marked else row


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _blank(value: float | None) -> float | str:
    return "" if value is None else value


def _finite(value: float) -> float | str:
    """As a table has it: blank where unknown, words where no data bring the size to the loss."""
    return "" if math.isnan(value) else "never" if math.isinf(value) else value


def _lines(*lines: str) -> str:
    return "\n".join(line for line in lines if line).replace("\N{NO-BREAK SPACE}", " ")


def _size(parameters: float, tokens: float | None) -> str:
    words = f"{show(parameters)} parameters"
    return f"{words}, {show(tokens)} tokens ({tokens / parameters:.3g} each)" if tokens else words


def _band(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None or math.isnan(low) else f" ({low:.3f} – {high:.3f})"


def _marker_words(one: Marker, law: str) -> str:
    by = f" by {law}" if one.kind == "estimated" else ""
    return _lines(
        f"{one.label}: {_size(one.parameters, one.tokens)}",
        f"perplexity {one.perplexity:.4g}{_band(one.low, one.high)}, {one.kind}{by}", one.note,
        f"Source: {one.source}" if one.source else "",
    )  # fmt: skip


def _curve_words(data: Data, index: int) -> str:
    low, high = (data.low[index], data.high[index]) if data.low else (None, None)
    ratio = data.compute_ratio[index]
    price = "no amount of data brings it to the best loss" if math.isinf(ratio) else ""
    if math.isfinite(ratio):
        price = f"{ratio:.3g}× the compute for the best loss of this budget"
    return _lines(
        f"{data.budget}: {_size(data.parameters[index], data.tokens[index])}",
        f"perplexity {data.perplexity[index]:.3f}{_band(low, high)}, estimated", price,
        f"{data.law}: {data.law_source}",
    )  # fmt: skip


def _line_words(data: Data, line: Line, index: int) -> str:
    N = line.parameters[index]
    return _lines(
        f"{line.label}: {_size(N, line.flops / (6 * N))}", f"perplexity {line.perplexity[index]:.3f}, estimated",
        f"{data.law}: {data.law_source}", f"Price: {data.price_source}" if data.price_source else "",
    )  # fmt: skip


def _marker(label: str, point: Point, source: str, note: str = "") -> Marker | None:
    if point.perplexity is None:
        return None
    return Marker(
        label, point.parameters, point.perplexity, point.tokens, source, low=point.low, high=point.high, note=note
    )


def _plan(found: Frontier) -> Marker | None:
    if found.plan is None:
        return None
    ratio = found.plan.compute_ratio
    note = f"{ratio:.3g}× the least compute that reaches its loss" if ratio is not None else ""
    return _marker(found.plan.name, found.plan.point, found.law.source, note)


def _lifetime(found: Frontier) -> Marker | None:
    if found.lifetime is None or found.demand is None:
        return None
    served = show(found.demand.served_tokens, "tokens")
    note = f"cheapest to train and to serve {served}; {found.lifetime.compute_ratio:.3g}× the budget's training compute"
    return _marker("lifetime-optimal", found.lifetime, f"Sardana 2023 (arXiv 2401.00448); {found.law.source}", note)


def _limits(found: Frontier) -> list[tuple[str, float]]:
    if found.unique_tokens is None or not found.curve:
        return []
    once = found.budget_flops / 6 / found.unique_tokens
    named = [(f"{epochs:g} epoch{'s' if epochs > 1 else ''}", once / epochs) for epochs in EPOCHS]
    return [(words, N) for words, N in named if found.curve[0].parameters < N < found.curve[-1].parameters]


def _family(placed: Sequence[Placed], law: str, source: str) -> Series | None:
    if not placed:
        return None
    note = "by the law, at its own N and D; not observed"
    markers = tuple(Marker(one.name, one.parameters, one.perplexity, one.tokens, source, note=note) for one in placed)
    tokens = {one.tokens for one in placed}
    trained = f" at {short(tokens.pop())} tokens" if len(tokens) == 1 else ""
    return Series(f"{_common_name([one.name for one in placed])}{trained}, by the law", markers)


def _observed(group: Group) -> Series:
    name = _common_name([row.model for row in group.rows])
    first = group.rows[0]
    context = f", context {first.context_length:,.0f}" if first.context_length else ""
    markers = tuple(
        Marker(row.model, row.parameters or math.nan, row.perplexity, row.tokens, f"{row.source} ({row.confidence})",
               "published", note=group.title)
        for row in group.rows if row.perplexity is not None
    )  # fmt: skip
    return Series(f"{name} observed on {first.benchmark}{context} (another text)", markers)


def _common_name(names: list[str]) -> str:
    """What the names share up to a hyphen: `Llama-2` of `llama-2-7b` and `llama-2-70b`; else `models`."""
    words = [name.split("-") for name in names]
    alike = takewhile(lambda column: len(set(column)) == 1, zip(*words, strict=False))
    name = "-".join(column[0] for column in alike)
    return name[:1].upper() + name[1:] if name else "models"


def short(parameters: float) -> str:
    """`13B`: a size as an axis has it."""
    for scale, name in ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k")):
        if parameters >= scale * 0.999:
            return f"{parameters / scale:.4g}{name}"
    return f"{parameters:.4g}"
