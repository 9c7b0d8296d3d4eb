"""The published JSON Schemas: current, and true of every shipped file."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from planner import library, schemas

PUBLISHED = Path(__file__).resolve().parent.parent / "docs" / "schemas"
MADE = schemas.schemas()


def test_the_published_schemas_are_those_of_today() -> None:
    published = {path.name: path.read_text("utf-8") for path in PUBLISHED.glob("*.json")}
    assert published == {f"{kind}.schema.json": schemas.text(made) for kind, made in MADE.items()}, (
        "write them anew with: python main.py schemas docs/schemas"
    )


@pytest.mark.parametrize("kind", MADE)
def test_every_shipped_file_is_valid_by_its_schema(kind: str) -> None:
    jsonschema.Draft202012Validator.check_schema(MADE[kind])
    check = jsonschema.Draft202012Validator(MADE[kind])
    files = [json.loads(path.read_text("utf-8")) for path in (library.SHIPPED / kind).glob("*.json")]
    if kind == "prices":
        files.append(library.read_json(library.SHIPPED / "prices.json"))
    assert files or kind in ("measured", "calibrations", "run_lists")  # these are the user's alone
    for data in files:
        check.validate(data)


@pytest.mark.parametrize("broken", [{"nodes": 0}, {"nodes": []}, {"accelerator": 7}, {"gpus": 8}])
def test_a_field_that_a_plan_would_refuse_is_refused_by_the_schema(broken: dict[str, object]) -> None:
    data = json.loads((library.SHIPPED / "plans" / "llama-2-7b.json").read_text("utf-8"))
    data["cluster"] |= broken
    assert not jsonschema.Draft202012Validator(MADE["plans"]).is_valid(data)
