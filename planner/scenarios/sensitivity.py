"""What would change the answer? Each input over its stated range, all others as planned; and one input from end to end.

Every number is the estimate's own: the plans go through `compute` together, as a search's layouts do.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

from planner.estimate import Estimate
from planner.plan.check import check
from planner.plan.section import PlanError
from planner.scenarios.perplexity import perplexity_figure
from planner.scenarios.ranges import Range, between, ranges
from planner.scenarios.variants import MEASURES, Variant, measures

CURVE_POINTS = 41
PREDICTION = "prediction"
"""Key of the last row: how sure the figures themselves are."""

Measured = dict[str, float]
Steps = Generator[None, None, "Sensitivity"]


@dataclass(frozen=True)
class End:
    """A value of an input and what comes of it; `why` it cannot be where there are no measures."""

    text: str
    measures: Measured | None = None
    why: str = ""
    value: Any = None

    @property
    def fits(self) -> bool:
        """The fullest GPU's memory is large enough."""
        return self.measures is not None and bool(self.measures["fits"])


@dataclass(frozen=True)
class Swing:
    """One input over its range."""

    key: str
    title: str
    now: str
    ends: tuple[End, ...]
    reason: str
    source: str
    range: Range | None
    """None for the row of the prediction itself, which has no curve."""

    def span(self, measure: str, base: float) -> tuple[float, float]:
        """Least and greatest value of a measure over the range, the plan's own included; NaN where it is unknown."""
        found = [base, *(end.measures[measure] for end in self.ends if end.measures is not None)]
        return (math.nan, math.nan) if any(map(math.isnan, found)) else (min(found), max(found))

    def end_at(self, measure: str, value: float, base: float) -> End | None:
        """The end that gives a value of a measure; None where that is the plan's own."""
        known = (end for end in self.ends if end.measures is not None and end.measures[measure] == value)
        return None if math.isclose(value, base, rel_tol=1e-9) else next(known, None)


@dataclass(frozen=True)
class Sensitivity:
    """The plan's own figures, and every input's swing."""

    base: Measured
    swings: tuple[Swing, ...]

    def ranked(self, measure: str) -> list[Swing]:
        """Those that move a measure, the widest first."""
        widths = {swing.key: _width(swing.span(measure, self.base[measure])) for swing in self.swings}
        moving = [swing for swing in self.swings if widths[swing.key] > 1e-9 * abs(self.base[measure])]
        return sorted(moving, key=lambda swing: -widths[swing.key])

    @property
    def json(self) -> dict[str, Any]:
        """As `estimate --sensitivity --json` has it."""
        return {"base": _plain(self.base), "inputs": [_swing_json(swing) for swing in self.swings]}

    @property
    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Header and rows of the CSV, one row for each value of each input."""
        header = ["input", "title", "value", "fits", *MEASURES, "why not", "reason", "source"]
        rows = []
        for swing in self.swings:
            for end in swing.ends:
                found = [None if end.measures is None else end.measures[key] for key in MEASURES]
                fits = None if end.measures is None else end.fits
                value = end.text if end.value is None else end.value
                rows.append([swing.key, swing.title, value, fits, *found, end.why, swing.reason, swing.source])
        return header, rows


@dataclass(frozen=True)
class Point:
    """One value of an input and what comes of it."""

    value: Any
    text: str
    measures: Measured


@dataclass(frozen=True)
class Curve:
    """One input from end to end; values that contradict the rest of the plan are left out."""

    range: Range
    points: tuple[Point, ...]
    left_out: int = 0

    @property
    def json(self) -> dict[str, Any]:
        """As `estimate --curve --json` has it."""
        points = [{"value": point.value, **_plain(point.measures)} for point in self.points]
        return {"input": self.range.key, "unit": self.range.unit, "now": self.range.now, "points": points}

    @property
    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Header and rows of the CSV."""
        named = f"{self.range.key} [{self.range.unit}]" if self.range.unit else self.range.key
        rows = [[p.value, bool(p.measures["fits"]), *(p.measures[key] for key in MEASURES)] for p in self.points]
        return [named, "fits", *MEASURES], rows


def sensitivity(estimate: Estimate) -> Sensitivity:
    """Every input of the stated list over its range."""
    steps = swinging(estimate)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: Sensitivity = done.value
            return found


def swinging(estimate: Estimate) -> Steps:
    """`sensitivity` in short steps, for who must not be kept waiting."""
    base = Variant(estimate.plan, estimate.machine)
    known = ranges(base.plan, base.machine)
    yield
    tried: list[tuple[Range, Any, Variant | str]] = []
    for one in known:
        tried += [(one, value, _tried(one, base, value)) for value in one.values if value != one.now]
        yield
    possible = [made for _, _, made in tried if not isinstance(made, str)]
    first, *found = measures([base, *possible])
    yield
    answers = iter(found)
    ends: dict[str, list[End]] = {}
    for one, value, made in tried:
        why, measured = (made, None) if isinstance(made, str) else ("", next(answers))
        ends.setdefault(one.key, []).append(End(one.text(value), measured, why, value))
    swings = [
        Swing(one.key, one.title, one.text(one.now), tuple(ends[one.key]), one.reason, one.source, one) for one in known
    ]
    return Sensitivity(first, (*swings, _prediction(estimate, first)))


def curve(estimate: Estimate, chosen: Range, count: int = CURVE_POINTS) -> Curve:
    """One input from end to end."""
    base = Variant(estimate.plan, estimate.machine)
    made = [(value, base if value == chosen.now else _tried(chosen, base, value)) for value in between(chosen, count)]
    possible = [(value, one) for value, one in made if not isinstance(one, str)]
    found = measures([one for _, one in possible])
    points = (Point(value, chosen.text(value), one) for (value, _), one in zip(possible, found, strict=True))
    return Curve(chosen, tuple(points), len(made) - len(possible))


def range_of(estimate: Estimate, key: str) -> Range | None:
    """The stated range of an input; None where the list has none for this plan."""
    return next((one for one in ranges(estimate.plan, estimate.machine) if one.key == key), None)


def _tried(chosen: Range, base: Variant, value: Any) -> Variant | str:
    """The plan with this value, or why there is none."""
    try:
        made = chosen.applied(base, value)
    except PlanError as error:
        return error.problems[0][1]
    errors = [problem.message for problem in check(made.plan) if problem.severity == "error"]
    return errors[0] if errors else made


def _prediction(estimate: Estimate, base: Measured) -> Swing:
    """The 80 % bands of the figures themselves, as one more row."""
    figures = {**estimate.figures, "quality.perplexity": perplexity_figure(estimate)}
    ends = []
    for side, text in (("low", "low end"), ("high", "high end")):
        found = {key: getattr(figures[one.figure], side) for key, one in MEASURES.items()}
        told = {key: base[key] if value is None else float(value) for key, value in found.items()}
        capacity = estimate.plan.cluster.accelerator.memory_bytes
        ends.append(End(text, {**told, "fits": float(told["memory_bytes"] <= capacity)}))
    reason = "the 80 % bands of the figures, from runs and sources left out of the fit"
    return Swing(PREDICTION, "The prediction itself", "", tuple(ends), reason, "profiles/bands.json", None)


def _width(span: Sequence[float]) -> float:
    low, high = span
    return -1.0 if math.isnan(low) else high - low


def _swing_json(swing: Swing) -> dict[str, Any]:
    return {
        "input": swing.key, "title": swing.title, "now": swing.range.now if swing.range else None,
        "ends": [
            {"value": end.text if end.value is None else end.value, "why_not": end.why or None,
             **(_plain(end.measures) if end.measures else {})}
            for end in swing.ends
        ],
        "reason": swing.reason, "source": swing.source,
    }  # fmt: skip


def _plain(measured: Measured) -> dict[str, Any]:
    found: dict[str, Any] = {key: value if math.isfinite(value) else None for key, value in measured.items()}
    return {**found, "fits": bool(measured["fits"])}
