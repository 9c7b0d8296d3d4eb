"""JSON Schema of each kind of file a user may write, made from the models that read them.

`python main.py schemas DIR` writes them; `docs/schemas/` holds the published ones, for editors that complete and check.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from planner.plan.section import Section

_BY_NAME = {"accelerator": "accelerators", "fabric": "fabrics", "model": "models", "post_training": "post_training"}
"""Fields that a file may give by the name of a shipped or own thing instead of in full."""


def _kinds() -> dict[str, Callable[[], type[BaseModel]]]:
    from planner.plan.cluster import Accelerator, Fabric
    from planner.plan.model import Model
    from planner.plan.offers import PriceList
    from planner.plan.plan import Plan
    from planner.quality.laws import Law
    from planner.timing.calibration import Calibration
    from planner.timing.profile import Profile
    from planner.validation.run_list import RunList

    return {
        "accelerators": lambda: Accelerator, "fabrics": lambda: Fabric, "models": lambda: Model, "plans": lambda: Plan,
        "laws": lambda: Law, "measured": lambda: Profile, "calibrations": lambda: Calibration,
        "prices": lambda: PriceList, "run_lists": lambda: RunList,
    }  # fmt: skip


def schemas() -> dict[str, dict[str, Any]]:
    """JSON Schema (2020-12) by kind, which is also the name of the folder that its files lie in."""
    return {kind: schema(kind, model()) for kind, model in _kinds().items()}


def schema(kind: str, model: type[BaseModel]) -> dict[str, Any]:
    """One model's schema, as its files are written: a quantity may be an engineer's text, a part a name."""
    made = model.model_json_schema(mode="validation")
    sections = {one.__name__ for one in _sections()}
    for name, part in {model.__name__: made, **made.get("$defs", {})}.items():
        if name in sections:
            part["properties"] = {key: _as_written(key, value) for key, value in part.get("properties", {}).items()}
    if issubclass(model, Section):
        made["properties"] |= {"format": {"type": "string"}, "version": {"type": "integer"}} if kind == "plans" else {}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"Trainplan {kind}", **made}


def text(made: dict[str, Any]) -> str:
    """A schema as its file holds it."""
    return json.dumps(made, indent=2, ensure_ascii=False) + "\n"


def write(folder: Path) -> list[Path]:
    """Write every schema into a folder, which is made when it is missing; the paths. Raises `InputError`."""
    from planner.errors import InputError
    from planner.writing import write_atomically

    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror}); choose another place") from None
    made = {folder / f"{kind}.schema.json": text(one) for kind, one in schemas().items()}
    for path, content in made.items():
        write_atomically(path, content)
    return list(made)


def _sections() -> list[type[BaseModel]]:
    """Every part of a plan that there is."""
    found: list[type[BaseModel]] = [Section]
    for one in found:
        found += one.__subclasses__()
    return found


def _as_written(field: str, value: dict[str, Any]) -> dict[str, Any]:
    types = {value.get("type"), *(one.get("type") for one in value.get("anyOf", ()))}
    if not (types & {"number", "integer"} or field in _BY_NAME):
        return value
    words: dict[str, Any] = {
        key: value[key] for key in ("title", "description", "default", "unit", "advanced") if key in value
    }
    rest = {key: one for key, one in value.items() if key not in words and key != "anyOf"}
    forms = [*value.get("anyOf", ()), *([rest] if rest else []), {"type": "string"}]
    return {**words, "anyOf": forms}
