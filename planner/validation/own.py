"""The user's own runs: a table of the form of `profiles/runs.csv` in the user's folder, beside it each run's plan.

`verify --keep` appends to it and `validate` scores it with the published runs. A run's plan holds what the columns do
not say (biases, positions, the measured profile that its prediction rested on), so it is predicted by its plan.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from planner import library
from planner.errors import CancelledError, InputError, TrainplanError
from planner.estimate import Estimate, estimate
from planner.plan.file import load, save
from planner.plan.plan import Plan
from planner.reports.csv_report import cell
from planner.writing import write_atomically

SOURCE = "own"
"""The source of a run that was kept here."""
PRINTED = {"pytorch": "PyTorch", "compiled": "PyTorch compile"}
"""A software generation as a table of runs names it."""
_BEYOND = "\0"
"""Where the cells of a row go that no column of the header names."""


def path() -> Path:
    """The table; it may not be there yet."""
    return library.user_folder() / "runs.csv"


def plan_path(run: str) -> Path:
    """A run's plan."""
    return library.user_folder() / "runs" / f"{library.slug(run)}.json"


def append(plan: Plan, measured: dict[str, Any]) -> str:
    """Add a run to the table, whole or not at all; its id. measured: columns beside those that the plan tells.

    Raises `InputError` where the folder cannot be written or the table there is none of runs.
    """
    header, rows = _read()
    row = {**columns(plan), **measured}
    run = _new_id(row, {one.get("id", "") for one in rows})
    row = {name: cell(value) if isinstance(value, str) else value for name, value in row.items()} | {"id": run}
    place = plan_path(run)
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{place.parent}: cannot be made ({error.strerror or error})") from None
    save(plan, place)
    stream = io.StringIO()
    writer = csv.DictWriter(stream, [*header, *(name for name in row if name not in header)], lineterminator="\r\n")
    writer.writeheader()
    writer.writerows([*rows, row])
    try:
        write_atomically(path(), stream.getvalue())
    except InputError:
        place.unlink(missing_ok=True)
        raise
    return run


def columns(plan: Plan) -> dict[str, Any]:
    """What a plan tells of a run, in the columns of a table of runs."""
    model, recipe, layout, cluster = plan.model, plan.recipe, plan.layout, plan.cluster
    experts = {
        "n_experts": model.experts, "experts_per_token": model.experts_per_token, "expert_ffn": model.expert_ffn,
        "n_shared_experts": model.shared_experts, "n_dense_layers": model.dense_layers,
    } if model.is_mixture else {}  # fmt: skip
    return {
        "id": "", "source_key": SOURCE, "source": "verify on this machine", "confidence": "seen", "kind": "benchmark",
        "quality": "A", "model_name": model.name, "n_layers": model.layers, "hidden": model.hidden,
        "ffn_hidden": model.ffn, "ffn_type": model.activation, "n_heads": model.heads, "n_kv_heads": model.kv_heads,
        "vocab": model.vocabulary, "tied_embeddings": "yes" if model.tied_embeddings else "no", **experts,
        "seq_len": recipe.sequence_length, "gpu": cluster.accelerator.name, "n_gpus": cluster.gpus,
        "gpus_per_node": cluster.gpus_per_node, "precision": recipe.precision, "tp": layout.tp, "pp": layout.pp,
        "virtual_stages": layout.virtual_stages, "dp": plan.dp, "cp": layout.cp,
        "sequence_parallel": "yes" if layout.sequence_parallel else "no", "zero_stage": layout.zero_stage,
        "micro_batch": layout.micro_batch, "grad_accum": recipe.global_batch // (layout.micro_batch * plan.dp),
        "global_batch": recipe.global_batch, "global_batch_tokens": recipe.batch_tokens, "recompute": layout.recompute,
        "framework": PRINTED.get(recipe.framework, recipe.framework), "attention": recipe.attention, "outcome": "ran",
    }  # fmt: skip


def estimates(runs: list[str], is_cancelled: Callable[[], bool] = lambda: False) -> dict[str, Estimate]:
    """The estimate of each run whose plan was kept, by id; the others are predicted from their columns alone."""
    found = {}
    for run in runs:
        if is_cancelled():
            raise CancelledError("cancelled")
        place = plan_path(run)
        if place.is_file():
            try:
                found[run] = estimate(load(place))
            except TrainplanError:
                continue
    return found


def _read() -> tuple[list[str], list[dict[str, str]]]:
    """(header, rows) of the table; of the shipped table's header, and none, where there is no own one yet."""
    place = path()
    with (library.SHIPPED / "runs.csv").open(encoding="utf-8", newline="") as stream:
        header = next(csv.reader(stream))
    if not place.exists():
        return header, []
    try:
        reader = csv.DictReader(io.StringIO(library.read_text(place), newline=""), restkey=_BEYOND)
        names = list(reader.fieldnames or [])
        rows = list(reader)
    except csv.Error as error:
        raise InputError(f"{place}: cannot be read ({error}); move it away to begin a new one") from None
    if "source_key" not in names:
        raise InputError(f"{place}: not a table of runs; move it away to begin a new one")
    if any(_BEYOND in row for row in rows):
        raise InputError(f"{place}: a row has more cells than the header; mend it, or move it away to begin a new one")
    return names, rows


def _new_id(row: dict[str, Any], taken: set[str]) -> str:
    stem = f"{SOURCE}-{library.slug(str(row['model_name']))}-{library.slug(str(row.get('as_of', '')))}"
    number = 1
    while f"{stem}-{number}" in taken:
        number += 1
    return f"{stem}-{number}"
