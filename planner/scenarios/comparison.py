"""Scenarios side by side: the inputs that differ first, then the figures with what they differ by.

A shipped thing (an accelerator, a fabric, a model) is one input, its name: two plans on other GPUs differ in the
accelerator and not in each number of its data sheet. What only documents the plan (names, notes, sources) is no input.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from planner import library
from planner.errors import InputError
from planner.estimate import Estimate, Figure
from planner.plan import fields
from planner.plan.cluster import Accelerator, Fabric
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.plan.post_training import PostTraining
from planner.plan.section import Section
from planner.scenarios.perplexity import perplexity_figure

MOST = 4
NAMED = {
    "model": "models", "cluster.accelerator": "accelerators", "cluster.fabric": "fabrics",
    "post_training": "post_training",
}  # fmt: skip
"""Parts of a plan that go by the name of a shipped file, and its kind."""
OPTIONAL = ("lifetime", "post_training")
"""Parts that a plan may lack."""
DOCUMENTS = ("name", "notes", "source", "as_of", "confidence", "price_source", "price_as_of", "vendor")
"""Fields that say what something is and where it is from, and change no figure. The accelerator's name does: its
measured kernels and its price go by it."""


@dataclass(frozen=True)
class Scenario:
    """A plan with its estimate, beside others."""

    name: str
    estimate: Estimate

    @property
    def plan(self) -> Plan:
        """What it assumes."""
        return self.estimate.plan


@dataclass(frozen=True)
class InputRow:
    """One field of the plans, by scenario."""

    path: str
    title: str
    values: tuple[Any, ...]
    texts: tuple[str, ...]

    @property
    def differs(self) -> bool:
        """Not all scenarios say the same."""
        return any(value != self.values[0] for value in self.values)


@dataclass(frozen=True)
class FigureRow:
    """One figure by scenario; None where a scenario has no such figure."""

    key: str
    label: str
    unit: str
    figures: tuple[Figure | None, ...]

    def ratio(self, number: int) -> float:
        """A scenario's value over the first one's, less 1; NaN where it says nothing."""
        first, other = self.figures[0], self.figures[number]
        if first is None or other is None or not first.value:
            return math.nan
        return other.value / first.value - 1

    def delta(self, number: int) -> float:
        """A scenario's value less the first one's, in the row's unit."""
        first, other = self.figures[0], self.figures[number]
        return math.nan if first is None or other is None else other.value - first.value

    def overlaps(self, number: int) -> bool | None:
        """The 80 % bands of the first and of another scenario share values, so that their order is not certain; None
        where a figure has no band. (Both bands hold what the two plans share, so they are wider than the difference's.)
        """
        first, other = self.figures[0], self.figures[number]
        if first is None or other is None or None in (first.low, first.high, other.low, other.high):
            return None
        return bool(first.low <= other.high and other.low <= first.high)  # type: ignore[operator]

    @property
    def differs(self) -> bool:
        """Not all scenarios have the same value, beyond rounding."""
        return any(not abs(self.ratio(number)) <= 1e-12 for number in range(1, len(self.figures))
                   if not _both_are_nothing(self.figures[0], self.figures[number]))  # fmt: skip


@dataclass(frozen=True)
class Comparison:
    """Some scenarios, row by row."""

    scenarios: tuple[Scenario, ...]
    inputs: tuple[InputRow, ...]
    """Those that differ first, else in the plan's own order."""
    figures: tuple[FigureRow, ...]

    @property
    def differing(self) -> list[InputRow]:
        """The inputs that are not the same in all scenarios."""
        return [row for row in self.inputs if row.differs]

    @property
    def json(self) -> dict[str, Any]:
        """As `estimate --compare --json` has it: plain SI numbers, NaN as None."""
        return {
            "scenarios": [one.name for one in self.scenarios],
            "differing": [row.path for row in self.differing],
            "inputs": [{"path": row.path, "title": row.title, "values": list(row.values)} for row in self.inputs],
            "figures": [_figure_json(row) for row in self.figures],
        }

    @property
    def table(self) -> tuple[list[str], list[list[Any]]]:
        """Header and rows of the CSV: each scenario's value, and of the others what they differ by."""
        names = [one.name for one in self.scenarios]
        header = ["section", "item", "unit", "differs", *names]
        header += [f"{name}: {what}" for name in names[1:] for what in ("delta", "ratio", "bands overlap")]
        rows = [["input", row.path, fields.unit(row.path), row.differs, *row.values] for row in self.inputs]
        rows = [[*row, *[None] * (len(header) - len(row))] for row in rows]
        for row in self.figures:
            values = [figure.value if figure else None for figure in row.figures]
            others = [
                cell for number in range(1, len(names))
                for cell in (row.delta(number), row.ratio(number), row.overlaps(number))
            ]  # fmt: skip
            rows.append([row.key.partition(".")[0], row.label, row.unit, row.differs, *values, *others])
        return header, rows


def compare(scenarios: Sequence[Scenario]) -> Comparison:
    """Up to four scenarios; the first is what the others are held against. Raises `InputError` for none or too many."""
    if not 1 <= len(scenarios) <= MOST:
        raise InputError(f"{len(scenarios)} scenarios; from 1 to {MOST} can be compared")
    told_apart = [replace(one, name=name) for one, name in zip(scenarios, _distinct(scenarios), strict=True)]
    inputs = _inputs([one.plan for one in scenarios])
    return Comparison(tuple(told_apart), tuple(inputs), tuple(_figures(scenarios)))


def _distinct(scenarios: Sequence[Scenario]) -> list[str]:
    """Their names, numbered where several have the same."""
    names = [one.name for one in scenarios]
    return [
        f"{name} ({names[: number + 1].count(name)})" if names.count(name) > 1 else name
        for number, name in enumerate(names)
    ]


def _inputs(plans: Sequence[Plan]) -> list[InputRow]:
    lacking = tuple(name for name in OPTIONAL if any(fields.value(plan, name) is None for plan in plans))
    shipped = tuple(
        path for path in NAMED if not path.startswith(lacking) and all(_is_shipped(plan, path) for plan in plans)
    )
    columns = [_fields(plan, lacking, shipped) for plan in plans]
    rows = []
    for path in dict.fromkeys(path for column in columns for path in column):
        values = tuple(column.get(path) for column in columns)
        texts = tuple(_text(path, value) for value in values)
        rows.append(InputRow(path, fields.title(path.removesuffix(".name")), values, texts))
    return sorted(rows, key=lambda row: not row.differs)


def _fields(plan: Plan, lacking: tuple[str, ...], shipped: tuple[str, ...]) -> dict[str, Any]:
    """What a plan says, by path. A part that goes by its name is that name; one that some plan lacks, whether it is
    there."""
    found: dict[str, Any] = {}
    for path, value in fields.said(plan):
        section, last = path.partition(".")[0], path.rpartition(".")[2]
        part = next((one for one in shipped if path.startswith(f"{one}.")), "")
        if section in lacking:
            found[section] = "none" if fields.value(plan, section) is None else "given"
        elif part:
            found[f"{part}.name"] = fields.value(plan, f"{part}.name")
        elif last not in DOCUMENTS or path == "cluster.accelerator.name":
            found[path] = value
    return found


def _text(path: str, value: Any) -> str:
    if path in OPTIONAL:
        return str(value)
    return f"{len(value)} of them" if isinstance(value, list) else fields.text(path, value)


def _is_shipped(plan: Plan, path: str) -> bool:
    """A part of the plan is, in all that counts, what is known under its name."""
    section: Accelerator | Fabric | Model | PostTraining = fields.value(plan, path)
    known = _known(type(section), NAMED[path], section.name)
    return known is not None and known == section.model_dump(exclude=set(DOCUMENTS))


def _known(section: type[Section], kind: str, name: str) -> dict[str, Any] | None:
    try:
        return section.model_validate(library.read(kind, name)).model_dump(exclude=set(DOCUMENTS))
    except InputError:
        return None


def _figures(scenarios: Sequence[Scenario]) -> list[FigureRow]:
    columns = [{**one.estimate.figures, "quality.perplexity": perplexity_figure(one.estimate)} for one in scenarios]
    keys = dict.fromkeys(key for column in columns for key in column)
    rows = []
    for key in keys:
        found = tuple(column.get(key) for column in columns)
        known = next(figure for figure in found if figure is not None)
        rows.append(FigureRow(key, known.label, known.unit, found))
    return rows


def _both_are_nothing(first: Figure | None, other: Figure | None) -> bool:
    if first is None or other is None:
        return first is other
    return first.value == other.value or (math.isnan(first.value) and math.isnan(other.value))


def _figure_json(row: FigureRow) -> dict[str, Any]:
    others = range(1, len(row.figures))
    return {
        "key": row.key, "label": row.label, "unit": row.unit,
        "values": [_plain(figure.value) if figure else None for figure in row.figures],
        "delta": [_plain(row.delta(number)) for number in others],
        "ratio": [_plain(row.ratio(number)) for number in others],
        "bands_overlap": [row.overlaps(number) for number in others],
    }  # fmt: skip


def _plain(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
