"""The entry points that a notebook or a script has beside `estimate` and `search`: tables in and out, and measuring.

pandas is imported only where a table is asked for, torch only by `profile`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.errors import InputError
from planner.estimate import Estimate
from planner.plan.file import load, with_settings
from planner.plan.plan import Plan
from planner.search.events import Result

if TYPE_CHECKING:
    import pandas as pd

    from planner.timing.profile import Profile


def frame(answer: Estimate | Result) -> pd.DataFrame:
    """An answer as a table of plain SI numbers. Of an estimate: one row a figure (`value`, `unit`, `low`, `high` of the
    80 % band, `kind`, `source`), by its key. Of a search: one row a layout, best first."""
    import pandas as pd

    if not isinstance(answer, Estimate | Result):
        raise InputError(f"an estimate or a search's result is needed, not {type(answer).__name__}")
    if isinstance(answer, Estimate):
        columns = ("label", "value", "unit", "low", "high", "kind", "source")
        rows = {one.key: [getattr(one, name) for name in columns] for one in answer.figures.values()}
        return pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("figure")
    return pd.DataFrame([{**one.layout.model_dump(), **one.figures} for one in answer.best])


def plans(table: pd.DataFrame, base: Plan | str) -> list[Plan]:
    """One plan a row of a table whose columns are field paths (`cluster.nodes`, `recipe.tokens`); blank cells leave the
    field as the base plan has it. Raises `PlanError` naming the field, `InputError` naming the row."""
    start = load(base) if isinstance(base, str) else base
    made = []
    for number, row in enumerate(table.to_dict("records")):
        settings = [(str(path), _plain(value)) for path, value in row.items() if value is not None and value == value]
        try:
            made.append(with_settings(start, settings))
        except InputError as error:
            raise InputError(f"row {number}: {error}") from None
    return made


def profile(model: str = "llama-2-7b", *, out: Path | str | None = None, **options: Any) -> Profile:
    """Measure one layer of a model on this machine and give the profile back; it is kept in the user's folder (or at
    `out`), where estimates of this device find it. options: `device`, `suite`, `budget_s`, `memory_limit_bytes`, as for
    `planner.profiling.profiler.profile`. Raises `MissingError` without torch, `TrainplanError` where it fails."""
    from planner.plan.derive import named_model
    from planner.profiling.console import require_torch
    from planner.timing import profile as profiles

    require_torch()
    from planner.profiling import events, profiler

    written = ""
    for event in profiler.profile(named_model(model)[0], out=None if out is None else Path(out), **options):
        if isinstance(event, events.Failed):
            raise InputError(event.message)
        if isinstance(event, events.Finished):
            written = event.out
    return profiles.load(Path(written))


def _plain(value: Any) -> Any:
    """A NumPy scalar as Python's own number."""
    return value.item() if hasattr(value, "item") else value
