"""What a file of another program says, laid over a plan: the file's model, recipe and layout; the plan's machines."""

from __future__ import annotations

from typing import Any

from planner.errors import InputError
from planner.interchange.content import Found
from planner.plan.file import validated
from planner.plan.layout import Layout
from planner.plan.plan import Plan

_ALWAYS_FROM_THE_PLAN = ("cluster.accelerator", "cluster.fabric", "prices")


def adopt(found: Found, base: Plan, name: str) -> tuple[Plan, list[str]]:
    """(the plan, a note for each thing that was ignored or taken from `base`). Raises `InputError`.

    A training config names no accelerator, no network and no price: these stay the base plan's, and so does what the
    format has but the file leaves out. The notes say so.
    """
    data = base.model_dump()
    taken = list(_ALWAYS_FROM_THE_PLAN)
    data |= {"name": name, "notes": "", "lifetime": None, "post_training": None}
    if found.model is None:
        taken.insert(0, f"model ({base.model.name})")
    elif isinstance(found.model, str):
        data["model"] = found.model
    else:
        data["model"] = {"name": name, "vocabulary": base.model.vocabulary, **found.model}
        if "vocabulary" not in found.model:
            taken.insert(0, f"model.vocabulary ({base.model.vocabulary:,})")
    data["recipe"] = {**data["recipe"], **found.recipe}
    data["layout"] = {**Layout().model_dump(), **{one: data["layout"][one] for one in found.unsaid}, **found.layout}
    taken += [f"layout.{one}" for one in found.unsaid]
    gpus, notes = _gpus(found, data["layout"]), list(found.notes)
    data["cluster"] |= _machines(gpus, found.gpus_per_node or base.cluster.gpus_per_node)
    if gpus is None:
        taken.append(f"number of GPUs ({base.cluster.gpus:,})")
    if found.replica_batch is not None:
        layout = data["layout"]
        ranks = max(1, (gpus or base.cluster.gpus) // (layout["tp"] * layout["pp"] * layout["cp"]))
        data["recipe"]["global_batch"] = found.replica_batch * ranks
        notes.append(f"recipe.global_batch: {found.replica_batch} a rank on {ranks:,} data-parallel ranks")
    batch = data["recipe"]["global_batch"] * data["recipe"]["sequence_length"]
    if found.steps is not None:
        data["recipe"]["tokens"] = found.steps * batch
    elif "tokens" not in found.recipe:
        taken.append("recipe.tokens")
    plan = validated(data, name)
    notes = [*notes, f"not in the file, taken from the plan {base.name}: {', '.join(taken)}"]
    return plan, [f"ignored: {', '.join(found.ignored)}"] * bool(found.ignored) + notes


def _gpus(found: Found, layout: dict[str, Any]) -> int | None:
    if found.gpus is not None or layout["dp"] is None:
        return found.gpus
    return int(layout["tp"] * layout["pp"] * layout["cp"] * layout["dp"])


def _machines(gpus: int | None, per_node: int) -> dict[str, Any]:
    """Nodes for so many GPUs; where they do not fill one, a smaller node."""
    if gpus is None:
        return {}
    if gpus < per_node:
        return {"nodes": 1, "gpus_per_node": gpus}
    if gpus % per_node:
        raise InputError(
            f"{gpus} GPUs do not fill nodes of {per_node}; name a plan with other nodes (--onto), "
            "or set cluster.gpus_per_node"
        )
    return {"nodes": gpus // per_node, "gpus_per_node": per_node}
