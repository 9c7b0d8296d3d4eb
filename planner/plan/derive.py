"""A plan carried to another model: sequence length and layout derived again for it, and what changed said."""

from __future__ import annotations

from pathlib import Path

from planner import library
from planner.errors import InputError
from planner.plan.check import check, divisors
from planner.plan.layout import Layout
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.plan.section import part

_BYTES_A_PARAMETER = 18
"""Mixed precision with Adam, unsharded: the rough measure by which a first layout is chosen (Rajbhandari 2020 §3)."""


def with_model(plan: Plan, name: str) -> tuple[Plan, list[str]]:
    """The plan for a shipped model, a model file in the plan's form or a Hugging Face `config.json`, with a note for
    each field that had to change and of what a config held that was ignored."""
    model, ignored = named_model(name)
    changed, notes = with_dimensions(plan, model)
    return changed, [f"{name}: ignored {', '.join(ignored)}"] * bool(ignored) + notes


def with_dimensions(plan: Plan, model: Model) -> tuple[Plan, list[str]]:
    """The plan for a model, with a note for each field that had to change. A plan that was called after its model is
    called after the new one."""
    sequence = min(plan.recipe.sequence_length, model.max_sequence)
    batch = max(1, plan.recipe.batch_tokens // sequence)
    recipe = plan.recipe.model_copy(update={"sequence_length": sequence, "global_batch": batch})
    name = model.name if plan.name == plan.model.name else plan.name
    changed = plan.model_copy(update={"name": name, "model": model, "recipe": recipe})
    if any(problem.severity == "error" for problem in check(changed)) or not _roomy(changed):
        changed = changed.model_copy(update={"layout": first_layout(changed)})
    return changed, _differences(plan, changed)


def named_model(name: str) -> tuple[Model, list[str]]:
    """(the model, what of its file was ignored) of a shipped name, a model file or a Hugging Face `config.json`."""
    if name.endswith(".json") or Path(name).is_file():
        return _from_file(Path(name))
    from planner.plan.shipped import model as shipped

    return shipped(name), []


def first_layout(plan: Plan) -> Layout:
    """A plain layout that suits a model: tensor parallel inside the node and pipeline beyond, until the model states
    take at most half of a GPU's memory with the optimizer sharded; micro-batch 1. `search` finds better ones."""
    candidates = [
        Layout(tp=tp, pp=pp, zero_stage=1, sequence_parallel=tp > 1)
        for pp in divisors(plan.model.layers)
        for tp in divisors(plan.cluster.gpus_per_node)
        if plan.cluster.gpus % (tp * pp) == 0
    ]
    candidates.sort(key=lambda layout: (layout.tp * layout.pp, layout.pp))
    fitting = [layout for layout in candidates if _is_clean(plan, layout)]
    roomy = [layout for layout in fitting if _roomy(plan.model_copy(update={"layout": layout}))]
    return next(iter(roomy), fitting[-1] if fitting else Layout())


def _is_clean(plan: Plan, layout: Layout) -> bool:
    return not any(p.severity == "error" for p in check(plan.model_copy(update={"layout": layout})))


def _roomy(plan: Plan) -> bool:
    model, layout = plan.model, plan.layout
    layer = 4 * model.hidden * model.heads * model.head_dim + 3 * model.hidden * model.ffn * max(1, model.experts)
    parameters = (model.layers + model.encoder_layers) * layer + 2 * model.vocabulary * model.hidden
    shards = layout.tp * layout.pp
    group = plan.dp * layout.cp if layout.zero_stage else 1
    sharded = {0: 0, 1: 12, 2: 16, 3: 18}[layout.zero_stage]
    held = parameters / shards * (_BYTES_A_PARAMETER - sharded + sharded / group)
    return held <= plan.cluster.accelerator.memory_bytes / 2


def _from_file(path: Path) -> tuple[Model, list[str]]:
    """(the model, ignored fields) of a file in the plan's own form or in Hugging Face's."""
    data = library.read_json(path)
    if "hidden" in data:
        with library.naming(path):
            return part(Model, data, str(path)), []
    if "model_type" not in data:
        raise InputError(
            f"{path}: not a model: it has neither `hidden` (the plan's form) nor `model_type` (Hugging Face's)"
        )
    from planner.plan import huggingface

    with library.naming(path):
        return huggingface.model(data, path.parent.name if path.stem == "config" else path.stem)


def _differences(before: Plan, after: Plan) -> list[str]:
    notes = []
    for section in ("recipe", "layout"):
        old, new = getattr(before, section), getattr(after, section)
        for field in type(old).model_fields:
            if getattr(old, field) != getattr(new, field):
                notes.append(f"{section}.{field}: {getattr(old, field)} → {getattr(new, field)} for {after.model.name}")
    return notes
