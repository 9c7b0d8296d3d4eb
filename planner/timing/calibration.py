"""A one-point calibration: how much longer a real training step computed on a device than was predicted for it.

Made by `verify --calibrate` and used only by plans that name it. It multiplies a step's compute (forward, backward,
recomputation, head), and whatever is said of a number that it touches says so too. One point knows one model at one
shape: elsewhere it is a guess, and an estimate on another device refuses it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner import library
from planner.errors import InputError, UnknownNameError, shorten
from planner.plan.plan import Plan
from planner.plan.section import Plain, PlanError
from planner.timing.profile import Device
from planner.timing.selection import is_same
from planner.writing import write_atomically

FORMAT = "trainplan-calibration"
VERSION = 1
KIND = "calibrations"


class Calibration(BaseModel):
    """One measured step against its prediction."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())

    name: Plain
    created: Plain  # ISO 8601, UTC
    device: Device
    software: Plain  # PyTorch's version
    framework: Plain  # the software generation: pytorch or compiled
    model: Plain
    shape: Plain  # layers, micro-batch, tokens: what was trained
    precision: Plain
    profile: Plain  # the measured profile that the prediction rested on
    ratio: float = Field(gt=0, le=100)
    """Measured over predicted seconds of forward, backward, recomputation and head together."""

    @property
    def told(self) -> str:
        """In words, wherever a number rests on it."""
        return (
            f"compute × {self.ratio:.3f} by the one-point calibration {self.name}: measured over predicted for "
            f"{self.model} ({self.shape}) in {self.precision} on {self.device.name}, {self.created[:10]}"
        )


def of_plan(plan: Plan) -> Calibration:
    """The calibration that a plan names. Raises `PlanError` where it is another device's or cannot be read."""
    try:
        made = load(plan.calibration)
    except InputError as error:
        raise PlanError("plan", [("calibration", str(error).splitlines()[0])]) from None
    accelerator = plan.cluster.accelerator
    if not is_same(made.device, accelerator):
        told = f"{made.name!r} was made on {made.device.name} and says nothing about {accelerator.name}; leave it blank"
        raise PlanError("plan", [("calibration", told)])
    return made


def load(name: str) -> Calibration:
    """The user's calibration of a name. Raises `InputError`."""
    known = library.paths(KIND)
    slug = library.slug(name)
    if slug not in known:
        if not known:
            raise InputError(
                f"there is no calibration yet, so none named {shorten(name)!r}: make one with verify --calibrate"
            )
        raise UnknownNameError("calibration", name, known)
    return from_data(library.read_json(known[slug]), str(known[slug]))


def from_data(data: dict[str, Any], where: str = "calibration") -> Calibration:
    """A calibration from its file's content. Raises `InputError` with every mistake."""
    data = dict(data)
    kind, version = data.pop("format", None), data.pop("version", None)
    if kind != FORMAT:
        raise InputError(f"{where}: not a calibration (its format says {shorten(kind)!r}, a calibration's {FORMAT!r})")
    if version != VERSION:
        raise InputError(f"{where}: version {shorten(version)!r}, where this Trainplan reads {VERSION}")
    try:
        return Calibration.model_validate(data)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)]
        raise InputError(f"{where}: not a whole calibration\n" + "\n".join(lines[:20])) from None


def save(calibration: Calibration) -> Path:
    """Write it into the user's folder, whole or not at all; the file."""
    folder = library.user_folder() / KIND
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror or error})") from None
    path = folder / f"{library.slug(calibration.name)}.json"
    data = {"format": FORMAT, "version": VERSION, **calibration.model_dump(mode="json", exclude_defaults=True)}
    write_atomically(path, json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    return path
