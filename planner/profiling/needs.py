"""The measured profile that a verification's prediction rests on: one of the user's that holds the plan's shapes on
this very device, else the few that are needed, measured now and kept like any profile.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from planner import library
from planner.errors import InputError, TrainplanError
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.profiling import devices, events
from planner.profiling.points import Point
from planner.profiling.profiler import profile
from planner.timing.profile import Device, Profile, Row, load

BUDGET_S = {"cpu": 60.0, "cuda": 45.0}
"""Time for the shapes of one plan, some runs of each."""


def points_of(plan: Plan) -> tuple[Point, ...]:
    """What a plan's step is composed of: its layer, embedding and head at its shape, the optimizer, the ceilings."""
    shape = (plan.layout.micro_batch, plan.recipe.sequence_length)
    shards = plan.layout.tp
    groups = ("layer", "head_loss", "embedding")
    shaped = tuple(Point(group, *shape, shards=shards) for group in groups)  # type: ignore[arg-type]
    return (Point("ceilings"), *shaped, Point("optimizer"))


def found(plan: Plan, device: Device) -> str:
    """Name of the newest profile of this very device and PyTorch that holds what a plan needs, undisturbed; or ''."""
    holding = []
    for name, path in library.paths("measured").items():
        try:
            content = load(path)
        except InputError:
            continue
        if _is_of_here(content, device) and holds(content, plan):
            holding.append((content.created, content.name or name))
    return max(holding)[1] if holding else ""


def holds(content: Profile, plan: Plan) -> bool:
    """A profile is of the plan's layer and has each operation of its step at its shape, in quiet more than once."""
    if _layer_of(content.model) != _layer_of(plan.model):
        return False
    return all(any(_is_row_of(row, point, plan) for row in content.rows) for point in points_of(plan))


def measured(
    plan: Plan, kind: str, budget_s: float | None, memory_limit_bytes: float | None, cancel: Callable[[], bool],
    out: Path | None = None,
) -> Generator[events.Event, None, str]:  # fmt: skip
    """Measure what a plan needs; as the generator's value what a plan calls the new profile: its name, or `out` where
    it is written there. Raises what measuring raises."""
    name = ""
    happenings = profile(
        plan.model, device=kind, suite="quick", only=points_of(plan), dtype=plan.recipe.precision,
        budget_s=budget_s or BUDGET_S[kind], memory_limit_bytes=memory_limit_bytes, cancel=cancel, out=out,
    )  # fmt: skip
    for event in happenings:
        match event:
            case events.Failed(message=message, exit_code=code):
                error = TrainplanError(message)
                error.exit_code = code
                raise error
            case events.Finished(out=written):
                name = load(Path(written)).name if out is None else written
            case events.Measured() | events.Note() | events.Progress():
                yield event
    return name


def _is_of_here(content: Profile, device: Device) -> bool:
    same = content.device.fingerprint == device.fingerprint and content.device.threads == device.threads
    return same and content.complete and content.software.torch == devices.torch_version()


def _layer_of(model: Model) -> dict[str, Any]:
    """What decides a layer's, a head's and an embedding's work."""
    return model.model_dump(exclude={"name", "layers", "dense_layers", "source", "as_of"})


def _is_row_of(row: Row, point: Point, plan: Plan) -> bool:
    if point.group == "ceilings":
        return row.operation == "copy_peak"
    if row.operation != point.group or not row.is_plain:
        return False
    here = (row.batch, row.sequence, row.shards) == (point.batch, point.sequence, point.shards)
    return point.group == "optimizer" or (
        here and row.dtype == plan.recipe.precision and row.n > 1 and not row.throttled
    )
