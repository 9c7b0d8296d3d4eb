"""The plan file: JSON, versioned, saved atomically, migrated on load."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from planner import library
from planner.errors import InputError, shorten
from planner.plan.plan import Plan, set_path
from planner.plan.section import PlanError, Section, SomeSection, part
from planner.writing import write_atomically

FORMAT = "trainplan-plan"
VERSION = 1
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each old version, the function that turns its content into the next version's."""


def load(name_or_path: str | Path) -> Plan:
    """A plan from a file, or a shipped (or the user's own) plan by name."""
    text = str(name_or_path)
    path = Path(text)
    looks_like_a_file = isinstance(name_or_path, Path) or path.suffix == ".json" or os.sep in text
    try:
        is_file = path.is_file()
    except (OSError, ValueError):
        is_file = False
    if is_file:
        return from_data(library.read_json(path), str(path))
    if looks_like_a_file:
        raise InputError(f"{shorten(text)}: there is no such file")
    return from_data(library.read("plans", text), text)


def from_data(data: dict[str, Any], where: str = "plan") -> Plan:
    """A plan from a plan file's content, migrated to today's version. Raises `PlanError` with every mistake."""
    if not isinstance(data, dict):
        raise InputError(f"{where}: holds {shorten(repr(data))} where an object {{…}} is needed")
    data = dict(data)
    kind, version = data.pop("format", FORMAT), data.pop("version", VERSION)
    if kind != FORMAT:
        raise InputError(f"{where}: not a plan file (its format says {shorten(kind)!r})")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{where}: version {shorten(version)!r} is not a whole number from 1 to {VERSION}")
    if version > VERSION:
        newer = f"written by a newer Trainplan (version {shorten(version)}, this one reads {VERSION})"
        raise InputError(f"{where}: {newer}; update it")
    while version < VERSION:
        data, version = MIGRATIONS[version](data), version + 1
    return validated(data, where)


def validated(data: dict[str, Any], where: str = "plan") -> Plan:
    """The plan that a nested dict describes. Raises `PlanError` with every mistake: the fields that are wrong, and what
    the others contradict among themselves."""
    try:
        return part(Plan, data, where)
    except PlanError as error:
        raise PlanError(where, error.problems + _contradictions(data, error.problems)) from None


def with_settings(plan: Plan, settings: list[tuple[str, Any]]) -> Plan:
    """The plan with fields set by dotted path. All mistakes are reported together."""
    data, unknown = plan.model_dump(), []
    for path, value in settings:
        try:
            set_path(data, path, value)
        except InputError as error:
            unknown.append((path, str(error)))
    try:
        changed = validated(data)
    except PlanError as error:
        raise PlanError("plan", unknown + error.problems) from None
    if unknown:
        raise PlanError("plan", unknown)
    return changed


def to_text(plan: Plan) -> str:
    """The plan file's text: readable, with format and version first."""
    data = {"format": FORMAT, "version": VERSION, **plan.model_dump(mode="json")}
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def save(plan: Plan, path: Path) -> None:
    """Write the plan file atomically."""
    write_atomically(path, to_text(plan))


def _contradictions(data: dict[str, Any], problems: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """What the valid fields of an invalid plan say against each other: its wrong fields are put right from a shipped
    plan, so that the rest can be read, and then taken out, so that no rule looks at them."""
    from planner.plan.check import check_known

    whole = load(_STAND_IN)
    wrong = [path.split(".")[:2] for path, _ in problems if path]
    stand_in, mended = whole.model_dump(), dict(data)
    for section, *field in wrong:
        inner = mended.get(section)
        if section not in stand_in:
            mended.pop(section, None)
        elif not (field and isinstance(inner, dict) and isinstance(stand_in[section], dict)):
            mended[section] = stand_in[section]
        elif field[0] in stand_in[section]:
            mended[section] = {**inner, field[0]: stand_in[section][field[0]]}
        else:
            mended[section] = {name: value for name, value in inner.items() if name != field[0]}
    try:
        plan = Plan.model_validate(mended)
    except (ValidationError, RecursionError):
        return []
    for section, *field in wrong:
        if section in Plan.model_fields:
            plan = _without(plan, section, *(name for name in field if isinstance(mended[section], dict)))
    known = [(one.path, one.message + (f"; {one.suggestion}" if one.suggestion else "")) for one in check_known(plan)]
    return [problem for problem in known if problem[0] not in {path for path, _ in problems}]


_STAND_IN = "llama-2-7b"


def _without(section: SomeSection, name: str, *inner: str) -> SomeSection:
    """A copy that lacks a field, or a field's own field: asking for it raises `AttributeError`."""
    rest = section.model_copy()
    if name not in rest.__dict__:
        return rest
    if inner and isinstance(rest.__dict__[name], Section):
        rest.__dict__[name] = _without(rest.__dict__[name], *inner)
    else:
        del rest.__dict__[name]
    return rest
