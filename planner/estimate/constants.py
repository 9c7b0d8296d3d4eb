"""What a plan's names stand for: device, links and software as constants, measured where there is a profile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from planner import library
from planner.counting.allocation import Allocation, allocation, on_processor
from planner.formula import given
from planner.plan.check import Problem
from planner.plan.plan import Plan
from planner.timing.collectives import Network, network
from planner.timing.device import Device, device
from planner.timing.software import Software, software

if TYPE_CHECKING:
    from planner.timing.calibration import Calibration
    from planner.timing.measured import Fit


CALIBRATION = "calibration"
"""Name of the leaf by which a derivation tells that it rests on one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """The constants that a plan's names stand for: the device, the links, the software's time and its memory."""

    device: Device
    network: Network
    software: Software
    allocation: Allocation
    profile: str = ""
    """Name of the measured profile that the device's constants were fitted to; empty where there is none."""
    fit: Fit | None = None
    """The fit to that profile."""
    problems: tuple[Problem, ...] = ()
    """What is doubtful about the profile, or why there is none."""
    calibration: Calibration | None = None
    """The one-point calibration that the plan names, already in the device."""


def machine(plan: Plan, *, is_own_fabric: bool = True) -> Machine:
    """The timing constants that a plan's names stand for; of its device as measured, where there is a profile of it,
    calibrated where the plan names a calibration.

    is_own_fabric: False where another network than the plan's own is tried, of which a profile that names none says
    nothing.
    Raises `PlanError` where the plan names a profile or a calibration that says nothing about its accelerator.
    """
    found = _uncalibrated(plan, is_own_fabric=is_own_fabric)
    if not plan.calibration:
        return found
    from planner.timing import calibration

    made = calibration.of_plan(plan)
    unit = replace(found.device, calibration=made.ratio, basis=f"{found.device.basis}; {made.told}")
    return replace(found, device=unit, calibration=made)


def _uncalibrated(plan: Plan, *, is_own_fabric: bool) -> Machine:
    links, base = network(plan.cluster), software(plan.recipe.framework)
    kept = allocation(plan.recipe.framework)
    if plan.cluster.accelerator.kind == "cpu":
        kept = on_processor(kept)
    if not plan.profile and not library.paths("measured"):
        plain = device(plan.cluster.accelerator, plan.recipe.precision)
        return Machine(device=plain, network=links, software=base, allocation=kept)
    from planner.timing import measured, selection  # only who has measured waits for it

    known, exchanged = selection.known(plan), selection.links(plan, is_own_fabric=is_own_fabric)
    links = replace(links, measured=exchanged.links)
    problems = known.problems + exchanged.problems
    if known.fit is None:
        plain = device(plan.cluster.accelerator, plan.recipe.precision)
        return Machine(device=plain, network=links, software=base, allocation=kept, problems=problems)
    return Machine(
        device=known.fit.device, network=links, software=measured.in_place_of(base, known.fit), allocation=kept,
        profile=known.profile, fit=known.fit, problems=problems,
    )  # fmt: skip


def traced(parts: Machine) -> Machine:
    """The calibration and the measured power as leaves of every derivation that they enter."""
    unit = parts.device
    power = given("power_w", unit.power_w, unit="W", source=f"profile {parts.profile}", kind="measured")
    unit = replace(unit, power_w=power)
    if parts.calibration is not None:
        ratio = given(CALIBRATION, parts.calibration.ratio, source=parts.calibration.told, kind="measured")
        unit = replace(unit, calibration=ratio)
    return replace(parts, device=unit)
