"""Each field of a plan is described once, well enough for a form, a schema and a help text."""

from __future__ import annotations

import pytest
from pydantic import BaseModel, ValidationError

from planner.plan import file
from planner.plan.cluster import Accelerator, Cluster, Fabric, PeakFlops
from planner.plan.layout import Layout
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.plan.prices import Prices
from planner.plan.recipe import Recipe

SECTIONS: list[type[BaseModel]] = [Plan, Model, Recipe, Cluster, Accelerator, PeakFlops, Fabric, Layout, Prices]


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_every_field_has_title_description_and_unit_and_every_number_bounds(section: type[BaseModel]) -> None:
    properties = section.model_json_schema()["properties"]
    for name, field in section.model_fields.items():
        assert field.title and field.description, name
        assert isinstance(field.json_schema_extra, dict) and {"unit", "advanced"} <= set(field.json_schema_extra), name
        shapes = properties[name].get("anyOf", [properties[name]])
        for shape in shapes:
            if shape.get("type") in ("integer", "number") and "enum" not in shape:
                assert {"minimum", "exclusiveMinimum"} & set(shape), name
                assert "maximum" in shape, name


@pytest.mark.parametrize("section", SECTIONS, ids=lambda section: section.__name__)
def test_titles_are_unique_in_their_form(section: type[BaseModel]) -> None:
    titles = [field.title for field in section.model_fields.values()]
    assert len(set(titles)) == len(titles)


def test_a_plan_is_frozen() -> None:
    plan = file.load("gpt2")
    with pytest.raises(ValidationError):
        plan.layout.tp = 2
    assert plan.replace(**{"layout.tp": 2}).layout.tp == 2 and plan.layout.tp == 1


def test_data_parallel_is_what_remains_of_the_gpus() -> None:
    plan = file.load("llama-2-70b")
    assert plan.dp == 2048 // (4 * 4)
    assert plan.replace(**{"layout.dp": 5}).dp == 5
