"""A plan's fields by path: what they are called, their unit, and how a value of theirs reads."""

from __future__ import annotations

from collections.abc import Iterator
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import BaseModel

from planner import units
from planner.errors import UnknownNameError
from planner.plan.plan import Plan
from planner.plan.section import part, unit_of


def title(path: str) -> str:
    """What a field is called on a form; a part of an entry with the entry's name before it."""
    section, name = _home(path)
    own = section.model_fields[name].title or name
    home = path.rpartition(".")[0]
    return own if home.count(".") < 1 or home.startswith("cluster.") else f"{title(home)}: {own.lower()}"


def unit(path: str) -> str:
    """The unit that a field is kept in."""
    return unit_of(*_home(path))


def text(path: str, value: Any) -> str:
    """A value of a field as it reads: with its unit, or as a word."""
    if value is None:
        return "blank"
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, int | float):
        return units.show(value, unit(path))
    return str(value) or "blank"


def value(plan: Plan, path: str) -> Any:
    """What a plan says in a field; None where it lacks the section."""
    found: Any = plan
    for name in path.split("."):
        found = getattr(found, name) if found is not None else None
    return found


def with_value(plan: Plan, path: str, changed: Any) -> Plan:
    """The plan with one field of a section that it has, checked like a form's entry and without reading all the rest
    anew. Raises `PlanError`."""
    *parents, last = path.split(".")
    sections: list[BaseModel] = [plan]
    for name in parents:
        sections.append(getattr(sections[-1], name))
    inner = sections.pop()
    data = {name: getattr(inner, name) for name in type(inner).model_fields}
    made: BaseModel = part(type(inner), {**data, last: changed}, path)  # type: ignore[type-var]
    for section, name in zip(reversed(sections), reversed(parents), strict=True):
        made = section.model_copy(update={name: made})
    assert isinstance(made, Plan)
    return made


def leaves(data: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """(path, value) of everything in a plan's nested dict."""
    for key, inner in data.items():
        if isinstance(inner, dict):
            yield from leaves(inner, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", inner


def said(plan: Plan) -> Iterator[tuple[str, Any]]:
    """(path, value) of what a plan says: its fields without the terms of ways to pay that it does not take."""
    unused = tuple(f"prices.{way}." for way in ("reserved", "spot", "owned") if way != plan.prices.purchase)
    return ((path, value) for path, value in leaves(plan.model_dump(mode="json")) if not path.startswith(unused))


def _home(path: str) -> tuple[type[BaseModel], str]:
    """The section that a field is in, and its name there."""
    *parents, last = path.split(".")
    section: type[BaseModel] = Plan
    for name in parents:
        section = _section(section, name, path)
    if last not in section.model_fields:
        raise UnknownNameError("field of a plan", path, section.model_fields)
    return section, last


def _section(section: type[BaseModel], name: str, path: str) -> type[BaseModel]:
    if name not in section.model_fields:
        raise UnknownNameError("field of a plan", path, section.model_fields)
    annotation = section.model_fields[name].annotation
    members = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    found: type[BaseModel] = next(one for one in members if isinstance(one, type) and issubclass(one, BaseModel))
    return found
