"""Which measured profile a plan's times rest on: the one it names, else the best of the very same device.

A profile of another kind of device (a CPU's for a GPU) is refused; one of another GPU is carried over and said so; a
file that cannot be read is named. Nothing is mixed silently.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from pydantic import ValidationError

from planner import library
from planner.errors import InputError, NotReadError, shorten
from planner.plan import shipped
from planner.plan.check import Problem
from planner.plan.cluster import Accelerator
from planner.plan.plan import Plan
from planner.plan.section import PlanError
from planner.plan.workload import workload
from planner.timing import measured, profile, provenance, reading
from planner.timing.device import device
from planner.timing.device import known_by as shipped_known_by
from planner.timing.digest import Digest
from planner.timing.fabric import Links
from planner.timing.measured import Fit
from planner.timing.profile import Profile
from planner.timing.provenance import Provenance
from planner.timing.reading import DigestOf, File, FitOf

MEMORY_TOLERANCE = 0.10
"""Drivers report a little less memory than data sheets; the next larger variant has a fifth more."""


@dataclass(frozen=True)
class Known:
    """What is known of a plan's device by measuring. Without a profile `fit` is None and its name empty."""

    fit: Fit | None = None
    profile: str = ""
    problems: tuple[Problem, ...] = ()


def known(plan: Plan) -> Known:
    """The fit of the profile that the plan names, or of the best of its accelerator; raises `PlanError`."""
    named = _by_name(plan) if plan.profile else None
    if named and not _holds_collectives_alone(named.digest):
        return _named(named, plan)
    found, problems = _profiles_of(plan.cluster.accelerator)
    found = [one for one in found if one.digest.precisions]  # some hold collectives alone
    precision = plan.recipe.precision
    usable = [one for one in found if precision in one.digest.precisions]
    if not usable:
        if found:
            problems.append(_other_precision(found[0].digest, precision))
        return Known(problems=tuple(problems))
    by_worth = sorted(usable, key=lambda one: (_is_of_this_layer(one.content, plan), one.content.created))
    for one in reversed(by_worth):
        try:
            return Known(_labelled(one, plan), one.name, tuple(problems))
        except InputError as error:
            problems.append(_left_out(error, one.file.path))
    return Known(problems=tuple(problems))


@dataclass(frozen=True)
class Exchanged:
    """What is known of a plan's collectives by measuring; `links` is None without any."""

    links: Links | None = None
    problems: tuple[Problem, ...] = ()


def links(plan: Plan, *, is_own_fabric: bool = True) -> Exchanged:
    """The collectives of the profile that the plan names, else of the newest of its accelerator that holds some.

    Within a node they are used wherever the accelerator is the same. Across nodes the plan's fabric must be the one
    that was measured; where the profile does not say which that was, the plan must name the profile, and
    `is_own_fabric` be true.
    """
    accelerator, fabric = plan.cluster.accelerator, plan.cluster.fabric.name
    named = _by_name(plan) if plan.profile else None
    is_named = bool(named and named.content.collectives)
    found = [named] if named and is_named else _profiles_of(accelerator)[0]
    holding = [
        (section.created, one.name, section)
        for one in found
        if (section := one.content.collectives) and is_same(one.content.device, accelerator)
    ]
    if not holding:
        return Exchanged()
    _, name, section = max(holding, key=lambda one: one[:2])
    is_fabric = section.fabric == fabric if section.fabric else is_named and is_own_fabric
    usable = tuple(curve for curve in section.curves if is_fabric or not curve.crosses_nodes)
    problems = []
    if is_named and section.fabric and len(usable) < len(section.curves):
        told = f"{name!r} measured collectives over {section.fabric}; across nodes they say nothing about {fabric}"
        problems.append(_warning(told, "choose that fabric, or measure this one"))
    return Exchanged(Links(name, usable) if usable else None, tuple(problems))


def known_by(accelerator: Accelerator) -> Provenance:
    """How a device is known at best: by the newest complete profile of it, else by what is shipped."""
    measured_by = []
    for file in _files_of(accelerator)[0]:
        try:
            told = file.told()
            if told.get("complete", True) and _holds_layers(file, told):
                measured_by.append((str(told.get("created", "")), str(told.get("name") or file.path.stem)))
        except InputError:  # left out, as estimates do
            continue
    if not measured_by:
        return shipped_known_by(accelerator)
    created, name = max(measured_by)
    return provenance.measured(name, created)


def _holds_layers(file: File, told: Mapping[str, Any]) -> bool:
    """Some profiles hold collectives alone. A long one is believed what it says of itself."""
    return bool(_Stored.of(file).digest.precisions) if file.is_light else told.get("suite") != "collectives"


def is_same(measured_on: profile.Device, accelerator: Accelerator) -> bool:
    """Whether a device that was measured is this accelerator: by its name as the driver tells it, and its memory.

    The accelerator `CPU` stands for the processor at hand, whichever it is.
    """
    if accelerator.kind == "cpu" or measured_on.kind == "cpu":
        return accelerator.kind == "cpu" and measured_on.kind == "cpu"
    told, sheet = _words(measured_on.name), _words(accelerator.name)
    forms = {"pcie", "nvl"}
    chip = {word for word in sheet if not re.fullmatch(r"\d+gb|sxm\d?|pcie|nvl\d*|hbm\w+|\d+w|gcd|1", word)}
    memory = abs(measured_on.memory_bytes / accelerator.memory_bytes - 1) < MEMORY_TOLERANCE
    return bool(chip) and chip <= told and told & forms == sheet & forms and memory and not told & {"laptop", "max"}


def why_not(plan: Plan, name: str) -> str:
    """Why a plan cannot use a profile; empty where it can."""
    try:
        known(plan.model_copy(update={"profile": name}))
    except PlanError as error:
        return error.problems[0][1]
    except InputError as error:
        return str(error)
    except NotReadError:  # told when it is read
        return ""
    return ""


def tried(content: Profile) -> Profile:
    """The profile with the errors of its kernel classes at shapes left out of the fit, where it can be fitted: where
    the device is among the accelerators and a layer was measured."""
    own = data_sheet(content.device)
    if own is None or own.peak(content.dtype) is None:
        return content
    try:
        errors = measured.fit(content, own, content.dtype).errors
    except (InputError, np.linalg.LinAlgError):  # no layer, or rows that nothing can be told from
        return content
    return content.model_copy(update={"summary": content.summary.model_copy(update={"left_out": errors})})


def overview() -> list[tuple[str, str, bool]]:
    """(name, device and date in a few words or what is wrong with the file, whether it can be read) of each profile."""
    rows = []
    for name, path in library.paths("measured").items():
        try:
            rows.append((name, _in_words(File.of(path)), True))
        except InputError as error:
            rows.append((name, str(error).splitlines()[0], False))
    return rows


@dataclass(frozen=True)
class _Stored:
    """A profile with the file that it came from."""

    file: File
    digest: Digest

    @classmethod
    def of(cls, file: File) -> _Stored:
        found: Digest = reading.answer(DigestOf(file))
        return cls(file, found)

    @property
    def content(self) -> Profile:
        """All but most of the rows."""
        return self.digest.content

    @property
    def name(self) -> str:
        return self.content.name or self.file.path.stem


def _by_name(plan: Plan) -> _Stored:
    """The profile that the plan names, which must be of its accelerator's kind."""
    try:
        stored = _Stored.of(File.of(profile.find(plan.profile)))
    except InputError as error:
        _refuse(str(error))
    content, accelerator = stored.content, plan.cluster.accelerator
    if (content.device.kind == "cpu") != (accelerator.kind == "cpu") or accelerator.kind not in ("cpu", "gpu"):
        _refuse(
            f"{stored.name!r} was measured on a {content.device.kind.upper()} ({content.device.name}) and says nothing "
            f"about {accelerator.name}; leave the field blank, or profile that device and name its profile"
        )
    return stored


def _holds_collectives_alone(digest: Digest) -> bool:
    return not digest.precisions and digest.content.collectives is not None


def _named(stored: _Stored, plan: Plan) -> Known:
    content, accelerator, precision = stored.content, plan.cluster.accelerator, plan.recipe.precision
    name = stored.name
    if precision not in stored.digest.precisions:
        there = ", ".join(stored.digest.precisions) or "no layer at all"
        _refuse(f"{name!r} holds no layer in {precision} (it has {there}); set recipe.precision, or leave it blank")
    problems = []
    if not content.complete:
        why = content.incomplete_because or "stopped early"
        problems.append(_warning(f"{name!r} is not complete ({why})", "measure again for surer figures"))
    if not is_same(content.device, accelerator):
        told = (
            f"{name!r} was measured on {content.device.name}; its efficiencies are carried over to {accelerator.name}"
        )
        problems.append(_warning(told, "profile that device, or leave the field blank"))
    try:
        return Known(_labelled(stored, plan), name, tuple(problems))
    except PlanError:
        raise
    except InputError as error:
        _refuse(str(error))


def _profiles_of(accelerator: Accelerator) -> tuple[list[_Stored], list[Problem]]:
    """Complete profiles of an accelerator; a warning for each file that cannot be read."""
    files, problems = _files_of(accelerator)
    found = []
    for file in files:
        try:
            stored = _Stored.of(file)
        except InputError as error:
            problems.append(_left_out(error, file.path))
        else:
            found += [stored] if stored.content.complete else []
    return found, problems


def _files_of(accelerator: Accelerator) -> tuple[list[File], list[Problem]]:
    """The files that tell of an accelerator; a warning for each that tells of no device."""
    found, problems = [], []
    for path in library.paths("measured").values():
        try:
            file = File.of(path)
            if is_same(_device_in(file), accelerator):
                found.append(file)
        except InputError as error:
            problems.append(_left_out(error, path))
    return found, problems


def _left_out(error: InputError, path: Path) -> Problem:
    first = shorten(str(error).splitlines()[0], 300)
    return _warning(f"a measured profile is left out: {first}", f"measure again, or remove {path}")


def _labelled(stored: _Stored, plan: Plan) -> Fit:
    """The fit with what it knows of the plan's layer shape; of another device's profile, carried over."""
    accelerator, precision = plan.cluster.accelerator, plan.recipe.precision
    if not is_same(stored.content.device, accelerator):
        own = data_sheet(stored.content.device)
        if own is None or own.peak(precision) is None:
            _refuse(
                f"{stored.content.device.name} is not among the accelerators, so its efficiencies cannot be carried "
                f"over to {accelerator.name}; add it, or leave the field blank"
            )
        return measured.carried(_fit(stored.file, own, precision), own, accelerator, precision)
    found = _fit(stored.file, accelerator, precision)
    level = stored.digest.knowledge(workload(plan), precision)
    beyond = level == "carried"
    if beyond and device(accelerator, precision).source == "interpolated":
        level = "interpolated"  # the constants that the fit began from know other shapes of this device
    basis = {"measured": "this layer shape was measured; "}.get(level, "beyond the measured shapes; " if beyond else "")
    return replace(found, device=replace(found.device, source=level, basis=basis + found.device.basis))


def _fit(file: File, accelerator: Accelerator, precision: str) -> Fit:
    found: Fit = reading.answer(FitOf(file, accelerator, precision))
    return found


@lru_cache(maxsize=256)
def _device_in(file: File) -> profile.Device:
    """The device that a file tells of, without looking at its rows."""
    try:
        return profile.Device.model_validate(file.told().get("device"))
    except ValidationError:
        raise InputError(f"{file.path}: not a whole profile (it names no device)") from None


@lru_cache(maxsize=256)
def _in_words(file: File) -> str:
    data = file.told()
    parts = (_device_in(file).name, str(data.get("dtype", "")), str(data.get("created", ""))[:10])
    told = ", ".join(filter(None, parts))
    return told if data.get("complete", True) else f"{told}, not complete"


def data_sheet(measured_on: profile.Device) -> Accelerator | None:
    """The data sheet of a device that was measured, among those that are known; a processor's is the made-up `CPU`."""
    for name in library.paths("accelerators"):
        try:
            one = shipped.accelerator(name)
        except InputError:  # told where it is chosen by its name
            continue
        if is_same(measured_on, one):
            return one
    return None


def _is_of_this_layer(content: Profile, plan: Plan) -> bool:
    """Measured at the plan's own widths, so that only tokens and splits lie between."""
    mine, theirs = plan.model, content.model
    return all(
        getattr(mine, name) == getattr(theirs, name)
        for name in ("hidden", "ffn", "heads", "kv_heads", "head_dim", "latent_rank", "gated", "experts")
    )


def _other_precision(digest: Digest, precision: str) -> Problem:
    content, there = digest.content, digest.precisions
    message = f"this device was measured in {', '.join(there) or 'nothing'} ({content.name}), not in {precision}"
    changes = {"recipe.precision": there[0]} if there else {}
    return Problem("profile", "warning", f"{message}: no profile is used", f"use {there[0]}" if there else "", changes)


def _words(name: str) -> set[str]:
    return set(re.findall(r"[a-z0-9]+", name.casefold()))


def _warning(message: str, suggestion: str) -> Problem:
    return Problem("profile", "warning", message, suggestion)


def _refuse(message: str) -> NoReturn:
    raise PlanError("plan", [("profile", "; ".join(shorten(line, 300) for line in message.splitlines()[:3]))])
