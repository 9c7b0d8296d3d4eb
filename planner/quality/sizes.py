"""A law's size as a model and a plan: the family's proportions at another size, on the plan's own machines."""

from __future__ import annotations

import math

from planner.counting import parameters as counting
from planner.errors import InputError
from planner.estimate import estimate
from planner.plan.derive import with_dimensions
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.units import show

_EVEN_LAYERS = 8
"""From so many layers on their number is even, so that pipelines divide it."""
_FFN_MULTIPLE = 256
"""Inner widths are multiples of this, as the matrix units like them."""
_FARTHEST = 0.1
"""A size that misses by more than this share of the one asked is refused."""
_ASPECT_WEIGHT = 0.1
"""How much a change of width over depth counts beside a miss of the size, both as logarithms."""


def model_of_size(model: Model, parameters: float) -> Model:
    """The model scaled to about so many active parameters: its head width, its inner width over its width and its
    grouping of keys stay; width and depth grow together. Raises `InputError` where the family has no such size.

    Head and layer counts are whole numbers, so sizes are met to a few percent.
    """
    scale = (parameters / float(counting.of_model(model).active)) ** (1 / 3)
    step = _head_step(model)
    guess = max(1, round(model.heads * scale / step))
    candidates = [_with_heads(model, count * step) for count in range(max(1, guess * 2 // 3), guess * 3 // 2 + 2)]
    fitted = [_with_layers(one, parameters) for one in candidates]
    best = min(fitted, key=lambda one: _misfit(one, model, parameters))
    size = float(counting.of_model(best).active)
    if abs(size / parameters - 1) > _FARTHEST:
        raise InputError(f"{model.name}: no model of its proportions has about {show(parameters)} parameters")
    return best.model_copy(update={"name": f"{model.name} scaled to {show(size)}", "source": "scaled", "as_of": ""})


def plan_of_size(plan: Plan, parameters: float, tokens: float) -> Plan:
    """The plan with its model scaled to a size, trained on so many tokens; where its layout does not fit into memory
    any more, with the cheapest that does. Raises as `model_of_size` does."""
    changed, _ = with_dimensions(plan, model_of_size(plan.model, parameters))
    changed = changed.replace(**{"recipe.tokens": max(1, round(tokens))})
    return changed if estimate(changed).fits else with_best_layout(changed)


def with_best_layout(plan: Plan) -> Plan:
    """The plan with the cheapest layout that fits; itself where none does."""
    from planner.search import best_layout

    try:
        return plan.model_copy(update={"layout": best_layout(plan, objective="cost")})
    except InputError:
        return plan


def _head_step(model: Model) -> int:
    """Grouped keys keep their number of heads, so query heads come in multiples of it."""
    return model.kv_heads if model.kv_heads < model.heads else 1


def _with_heads(model: Model, heads: int) -> Model:
    hidden = round(heads * model.hidden / model.heads)
    return model.model_copy(update={
        "heads": heads, "kv_heads": model.kv_heads if model.kv_heads < model.heads else heads, "hidden": hidden,
        "ffn": _inner(model.ffn, model.hidden, hidden),
        "expert_ffn": _inner(model.expert_ffn, model.hidden, hidden) if model.expert_ffn else 0,
    })  # fmt: skip


def _inner(ffn: int, hidden: int, other_hidden: int) -> int:
    multiple = math.gcd(_FFN_MULTIPLE, ffn)
    return max(multiple, round(ffn / hidden * other_hidden / multiple) * multiple)


def _with_layers(model: Model, parameters: float) -> Model:
    """The depth that comes nearest to the size; parameters grow by the same number with each layer."""
    few, more = (float(counting.of_model(_deep(model, model.dense_layers + n)).active) for n in (1, 2))
    wanted = model.dense_layers + 1 + (parameters - few) / (more - few)
    step = 2 if wanted >= _EVEN_LAYERS else 1
    return _deep(model, max(model.dense_layers + 1, round(wanted / step) * step))


def _deep(model: Model, layers: int) -> Model:
    """With so many layers; an encoder beside the decoder in its old proportion."""
    return model.model_copy(
        update={"layers": layers, "encoder_layers": round(model.encoder_layers * layers / model.layers)}
    )


def _misfit(candidate: Model, model: Model, parameters: float) -> float:
    missed = abs(math.log(float(counting.of_model(candidate).active) / parameters))
    aspect = math.log(candidate.hidden / candidate.layers * model.layers / model.hidden)
    return missed + _ASPECT_WEIGHT * abs(aspect)
