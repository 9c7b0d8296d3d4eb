"""The plan: everything the user says, in one frozen object."""

from __future__ import annotations

from typing import Any

from pydantic import field_validator

from planner import library
from planner.errors import InputError, UnknownNameError, shorten
from planner.plan.cluster import Cluster
from planner.plan.layout import Layout
from planner.plan.lifetime import Lifetime
from planner.plan.model import Model
from planner.plan.post_training import PostTraining
from planner.plan.prices import Prices
from planner.plan.recipe import Recipe
from planner.plan.section import Section, choice, part, read_by_name, words


class Plan(Section):
    """Model, recipe, cluster, layout and prices of one training run."""

    name: str = words("Plan", "Name of the plan", default="untitled", max_length=200)
    notes: str = words("Notes", "What the plan assumes, and from where", max_length=4000, advanced=True)
    model: Model = choice("Model", "The architecture, by shipped name or in full")
    recipe: Recipe = choice("Recipe", "How it is trained")
    cluster: Cluster = choice("Cluster", "On which machines")
    layout: Layout = choice("Layout", "Laid out how", default=Layout.model_construct())
    prices: Prices = choice("Prices", "At which prices", default=Prices.model_construct())
    profile: str = words(
        "Profile",
        "Name of a measured profile to use; blank: the best that is known for the accelerator",
        max_length=200,
        advanced=True,
    )
    calibration: str = words(
        "Calibration",
        "Name of a one-point calibration (verify --calibrate) that compute times are multiplied by; blank: none",
        max_length=200,
        advanced=True,
    )
    lifetime: Lifetime | None = choice("Lifetime", "What it serves once it is trained", default=None, advanced=True)
    post_training: PostTraining | None = choice(
        "Post-training", "What follows pre-training, by name or in full", default=None, advanced=True
    )

    @field_validator("model", mode="before")
    @classmethod
    def _model_by_name(cls, value: Any) -> Any:
        return read_by_name("models", value)

    @field_validator("post_training", mode="before")
    @classmethod
    def _post_training_by_name(cls, value: Any) -> Any:
        return read_by_name("post_training", value)

    @property
    def dp(self) -> int:
        """The data-parallel degree."""
        return self.layout.resolved_dp(self.cluster.gpus)

    def replace(self, **changes: Any) -> Plan:
        """A copy with changed fields, named by their paths: `replace(**{"cluster.nodes": 64})`. Raises `PlanError` with
        every mistake, `UnknownNameError` for a field that is not there."""
        data = self.model_dump()
        for path, value in changes.items():
            set_path(data, path, value)
        return part(Plan, data, "plan")


def require_plan(given: object) -> None:
    """Raise the `InputError` of an entry point that got something else than a plan."""
    if not isinstance(given, Plan):
        raise InputError(f"a Plan is needed, not {type(given).__name__}; load() makes one of a name or a file")


def set_path(data: dict[str, Any], path: str, value: Any) -> None:
    """Set a field of a plan's nested dict by its dotted path; an entry of a list by its number or its name
    (`post_training.stages.red-teaming.expert_hours`). Raises `InputError` naming a field that is not there."""
    *parents, last = path.split(".")
    inside: Any = data
    for depth, key in enumerate(parents):
        where = ".".join(parents[:depth]) or "a plan"
        if depth == 0 and key in OPTIONAL:
            data[key] = _begun(key, data.get(key))
        inside = _entry(inside, key, where)
    if not isinstance(inside, dict) or last not in inside:
        known = inside if isinstance(inside, dict) else ()
        raise UnknownNameError(f"field of {shorten('.'.join(parents)) or 'a plan'}", last, known)
    inside[last] = value


OPTIONAL: dict[str, type[Section]] = {"lifetime": Lifetime, "post_training": PostTraining}
"""Sections that a plan may lack: setting one of their fields begins them with their defaults."""


def _begun(key: str, value: Any) -> Any:
    """A section that a plan may lack: with its defaults where it does, in full where only its name is given."""
    if value is None:
        return OPTIONAL[key]().model_dump()
    return OPTIONAL[key].model_validate(library.read(key, value)).model_dump() if isinstance(value, str) else value


def _entry(inside: Any, key: str, where: str) -> Any:
    """What stands under a key of a nested dict, or in a list under a number or the name of an entry."""
    if isinstance(inside, list | tuple):
        names = [library.slug(str(one.get("name", ""))) if isinstance(one, dict) else "" for one in inside]
        if key.isdecimal() and int(key) < len(inside):
            return inside[int(key)]
        if library.slug(key) in names:
            return inside[names.index(library.slug(key))]
        raise UnknownNameError(f"entry of {shorten(where)}", key, [*names, *map(str, range(len(inside)))])
    found = inside.get(key) if isinstance(inside, dict) else None
    if not isinstance(found, dict | list | tuple):
        raise UnknownNameError(f"field of {shorten(where)}", key, inside if isinstance(inside, dict) else ())
    return found
