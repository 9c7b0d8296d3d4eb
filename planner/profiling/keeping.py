"""What is kept of a verification when the user asks for it: the result, a run among one's own, a calibration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from planner import library
from planner.errors import InputError
from planner.plan.file import validated
from planner.plan.plan import Plan
from planner.timing import calibration
from planner.timing.profile import Device
from planner.validation import own
from planner.writing import require_writable, write_atomically

COMPUTE = ("forward", "backward", "head")
"""The parts of a step that a calibration multiplies; recomputation is inside backward."""


def keep(result: dict[str, Any], *, run: bool, calibrate: str | None, out: Path | None) -> dict[str, str]:
    """Write what is asked for; where each of them is, by `run`, `calibration` and `out`."""
    kept: dict[str, str] = {}
    if run:
        kept["run"] = f"{_append(result)} in {own.path()}"
    if calibrate is not None:
        kept["calibration"] = str(calibration.save(made(result, calibrate)))
    if out is not None:
        write_atomically(out, json.dumps({**result, **kept}, indent=1, ensure_ascii=False, allow_nan=False) + "\n")
        kept["out"] = str(out)
    return kept


def require_possible(plan: Plan, *, run: bool, calibrate: str | None, out: Path | None) -> None:
    """Find out before minutes of training what cannot be kept. Raises `InputError`."""
    if calibrate is not None:
        _require_calibration(plan, calibrate)
    if (run or calibrate is not None) and (why := library.why_not_kept()):
        raise InputError(f"{'--keep' if run else '--calibrate'}: {why}")
    if out is None:
        return
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give --out a file name")
    if not out.parent.is_dir():
        raise InputError(f"{out}: there is no folder {out.parent}; make it, or choose another place")
    require_writable(out)


def _require_calibration(plan: Plan, name: str) -> None:
    if not library.slug(name):
        raise InputError("--calibrate: give the calibration a name")
    if plan.calibration:
        raise InputError("--calibrate: the prediction would be calibrated already; verify with calibration= first")
    if plan.cluster.gpus > 1:
        raise InputError("--calibrate: made of one device's step; several ranks' has their communication in it")


def made(result: dict[str, Any], name: str) -> calibration.Calibration:
    """The one-point calibration of a result."""
    there, here = (result[side]["parts_s"] for side in ("predicted", "measured"))
    predicted, measured = (sum(side[part] for part in COMPUTE) for side in (there, here))
    shape = f"{result['layers']} layers, micro-batches of {result['micro_batch']} × {result['sequence_length']} tokens"
    return calibration.Calibration(
        name=name, created=result["created"], device=Device.model_validate(result["machine"]["device"]),
        software=result["machine"]["torch"], framework=result["framework"], model=result["model"], shape=shape,
        precision=result["precision"], profile=result["predicted"]["profile"], ratio=measured / predicted,
    )  # fmt: skip


def _append(result: dict[str, Any]) -> str:
    measured, plan = result["measured"], plan_of(result)
    load = measured["other_load"]
    disturbed = load is not None and load > result["busy_load"]
    return own.append(plan, {
        "as_of": result["created"][:10], "quality": "B" if disturbed else "A",
        "step_time_s": measured["step_time_s"], "mem_gb_per_gpu": measured["allocated_bytes"] / 1e9,
        "mem_definition": "allocated", "notes": "; ".join(result["notes"]),
    })  # fmt: skip


def plan_of(result: dict[str, Any]) -> Plan:
    """The plan that was trained, with the profile that its prediction rested on."""
    return validated(result["plan"], "the verified plan")
