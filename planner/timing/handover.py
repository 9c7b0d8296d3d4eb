"""What one process worked out, as JSON for another: data classes, arrays and checked models, told by their names.

Numbers come back to the last digit. Only the classes that are listed here are ever made of what is read.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel

from planner.plan.cluster import Accelerator
from planner.timing import measured, peak_share, profile_comparison, reading, surface
from planner.timing.device import Device
from planner.timing.digest import Digest
from planner.timing.profile import LeftOut, Profile

_CLASSES: dict[str, Any] = {
    one.__name__: one
    for one in (
        Accelerator, Device, Digest, LeftOut, Profile, measured.Fit, measured.Linear, measured.Solved,
        surface.Evidence, surface.Places, surface.Posterior, surface.Scales, surface.Surface, peak_share.Answer,
        peak_share.PeakShare, peak_share.Place, profile_comparison.Agreement, profile_comparison.Change,
        profile_comparison.ProfileComparison, profile_comparison.Version, reading.ComparisonOf, reading.DigestOf,
        reading.File, reading.FitOf, reading.SharesOf,
    )
}  # fmt: skip
_KIND = "$"


def encode(value: Any) -> Any:
    """As what `json` can write."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, list):
        return [encode(one) for one in value]
    name, content = _told(value)
    return {_KIND: name, "of": content}


def _told(value: Any) -> tuple[str, Any]:
    if isinstance(value, tuple):
        return "tuple", [encode(one) for one in value]
    if isinstance(value, np.ndarray):
        return "array", [str(value.dtype), list(value.shape), value.ravel().tolist()]
    if isinstance(value, Path):
        return "path", str(value)
    if isinstance(value, BaseModel):
        return _listed(value), value.model_dump(mode="json", exclude_defaults=True)
    if is_dataclass(value):
        return _listed(value), {field.name: encode(getattr(value, field.name)) for field in fields(value)}
    return "map", [[encode(key), encode(one)] for key, one in value.items()]


def _listed(value: Any) -> str:
    name = type(value).__name__
    if _CLASSES.get(name) is not type(value):
        raise TypeError(f"{name} is not handed over")
    return name


def decode(told: Any) -> Any:
    """What `encode` was given."""
    if isinstance(told, list):
        return [decode(one) for one in told]
    if not isinstance(told, dict):
        return told
    name, content = told[_KIND], told["of"]
    if name == "tuple":
        return tuple(decode(one) for one in content)
    if name == "array":
        return np.array(content[2], dtype=content[0]).reshape(content[1])
    if name == "path":
        return Path(content)
    if name == "map":
        return {decode(key): decode(one) for key, one in content}
    made = _CLASSES[name]
    if issubclass(made, BaseModel):
        return made.model_validate(content)
    return made(**{field: decode(one) for field, one in content.items()})
