"""A Hugging Face `config.json` as a model: read field by field, with what was ignored listed.

One reader a family of configs (`decoders.py`: RMSNorm and gates, `classic.py`: LayerNorm and two matrices, encoders); a
family that is not known, or a field that is missing, is an error that names it. A config of a model that also sees or
hears holds its language model under `text_config`; that one is read, and the rest told as left out.
"""

from __future__ import annotations

from typing import Any

from planner.errors import InputError, UnknownNameError
from planner.plan.huggingface import classic, decoders
from planner.plan.huggingface.config import WITHOUT_EFFECT, Fields
from planner.plan.model import Model
from planner.plan.section import part

FAMILIES = decoders.FAMILIES | classic.FAMILIES


def model(data: dict[str, Any], name: str) -> tuple[Model, list[str]]:
    """(the model, the config's fields that were ignored). Raises `InputError` naming the family or the field."""
    data, beside = _text_config(data)
    family = data.get("model_type")
    if not isinstance(family, str):
        raise InputError("model_type: is missing from the config; it names the family of models")
    if family not in FAMILIES:
        raise UnknownNameError("model_type", family, FAMILIES)
    fields = Fields(data)
    sizes = FAMILIES[family](fields)
    read = part(Model, {"name": name or family, "source": f"config.json of {name or family}", **sizes}, "config")
    return read, [*sorted(set(data) - fields.read - WITHOUT_EFFECT), *fields.uncounted, *beside]


def _text_config(data: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """(the config of the language model, what stands beside it and is left out)."""
    inner, family = data.get("text_config"), data.get("model_type")
    if not isinstance(inner, dict) or (isinstance(family, str) and family in FAMILIES):
        return data, []
    shared = {name: data[name] for name in ("tie_word_embeddings",) if name in data}
    beside = sorted(key for key, value in data.items() if isinstance(value, dict) and key != "text_config")
    return shared | inner, [f"{key} (only the language model, text_config, is counted)" for key in beside]
