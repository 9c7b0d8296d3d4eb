"""Models that the person has changed: kept as files of the user's, so that the command line finds them by name."""

from __future__ import annotations

import json

from planner.errors import UnknownNameError
from planner.library import slug, user_folder
from planner.plan import shipped
from planner.plan.model import Model
from planner.writing import write_atomically


def name_for_command_line(model: Model) -> str:
    """The model's name where a file of that name says the same; else of a file written now. Raises `InputError`."""
    try:
        if shipped.model(model.name) == model:
            return model.name
        name = f"{model.name}-changed"
    except UnknownNameError:
        name = model.name
    folder = user_folder() / "models"
    folder.mkdir(parents=True, exist_ok=True)
    content = {**model.model_dump(mode="json"), "name": name}
    write_atomically(folder / f"{slug(name) or 'model'}.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")
    return name
