"""The figures of a frontier with their derivations: the law asked once more with everything put in recorded.

The numbers are those of `frontier`: the same methods of the law on the same numbers, its constants and the plan's N and
D as leaves. What a law has no formula for (the best split of repeated data) is searched, and its leaf says so.
"""

from __future__ import annotations

from typing import Any

from planner.estimate import Estimate, Figure
from planner.formula import Number, Traced, given, recording
from planner.quality import losses
from planner.quality.frontier import Frontier, Interval, Point, compute_ratio, off_optimum, same_quality_sizes
from planner.quality.laws import Law

NO_BAND: tuple[None, None] = (None, None)


def perplexity_figure(
    law: Law, parameters: Number, tokens: Number, *, label: str = "Perplexity", band: Any = NO_BAND,
    unique_tokens: float | None = None, flops: float | None = None, asked: str = "asked for",
) -> Figure:  # fmt: skip
    """What a law expects of N parameters after D tokens; with `flops`, of what that budget lets them see.

    asked: where N and D are from.

    Raises `InputError` for a law without a loss.
    """
    with recording():
        size = given("parameters", parameters, unit="parameters", source=asked)
        traced = law.traced
        if flops is None:
            data = given("tokens", tokens, unit="tokens", source=asked)
            loss = traced.loss(size, data, unique_tokens)
        else:
            budget = given("flops", flops, unit="FLOP", source=asked)
            loss = traced.loss_within(size, budget, unique_tokens)
        value = losses.perplexity(loss)
    return Figure.of("quality.perplexity", label, value, "", band, source=_sources(law, value))


def figures(found: Frontier, estimate: Estimate | None = None) -> dict[str, Figure]:
    """By key: `optimum.parameters`, `.tokens`, `.each`, `.perplexity`; likewise of the plan (with `.flops` and
    `.ratio`) and of the size that is cheapest over the life; `off.3× smaller` and its like; `flat.smallest`,
    `flat.largest`."""
    made: dict[str, Figure] = {}
    with recording():
        law = found.law.traced
        budget = _budget(found, estimate)
        best = law.optimum(budget, found.unique_tokens)
        data = losses.tokens_within(budget, best.parameters)
        size = _searched(best.parameters, "parameters", found)
        made |= _point("optimum", found.optimum, size, data, best.loss, found)
        if found.plan is not None:
            made |= _plan(found, law, estimate)
        if found.lifetime is not None:
            made |= _lifetime(found, law, best.loss, budget)
        made |= _off(found, law, budget, best.parameters)
    return {key: one for key, one in made.items() if one.value == one.value}


def _budget(found: Frontier, estimate: Estimate | None) -> Number:
    """The FLOPs, from what was typed or from the plan's own N and D."""
    if found.budget is None and found.plan is not None:
        return losses.training_flops(*_size_and_data(found, estimate))
    price = dict(found.amounts).get(found.budget.unit) if found.budget else None
    if found.budget is None or found.budget.unit == "FLOP" or not price:
        return given("flops", found.budget_flops, unit="FLOP", source="the budget typed")
    told = f"what the plan costs for each of its 6·N·D FLOPs; {found.price_source or 'its estimate'}"
    a_flop = given(f"{found.budget.unit} a FLOP", price / found.budget_flops, source=told, kind="estimated")
    return given("budget", found.budget.amount, unit=found.budget.unit, source="the budget typed") / a_flop


def _size_and_data(found: Frontier, estimate: Estimate | None) -> tuple[Number, Number]:
    assert found.plan is not None
    point = found.plan.point
    size = estimate.outcome.parameters.active if estimate is not None else point.parameters
    return (
        given("parameters", size, unit="parameters", source="plan"),
        given("tokens", point.tokens, unit="tokens", source="plan"),
    )  # fmt: skip


def _point(prefix: str, point: Point, size: Number, data: Number, loss: Number, found: Frontier) -> dict[str, Figure]:
    bands = found.bands if prefix == "optimum" else {}
    source = _sources(found.law, size) if prefix == "optimum" else ""
    made = {
        f"{prefix}.parameters": _of(f"{prefix}.parameters", "Parameters", size, "parameters", bands, source),
        f"{prefix}.tokens": _of(f"{prefix}.tokens", "Tokens", data, "tokens", bands),
        f"{prefix}.each": _of(f"{prefix}.each", "Tokens that each parameter sees", data / size, "tokens", {}),
    }
    if point.perplexity is not None:
        band = {"perplexity": (point.low, point.high)} if point.low is not None and point.high is not None else {}
        value = losses.perplexity(loss)
        key = f"{prefix}.perplexity"
        made[key] = _of(key, "Perplexity", value, "", band, _sources(found.law, value))
    return made


def _plan(found: Frontier, law: Law, estimate: Estimate | None) -> dict[str, Figure]:
    assert found.plan is not None
    size, data = _size_and_data(found, estimate)
    flops = losses.training_flops(size, data)
    loss = law.loss_within(size, flops, found.unique_tokens) if found.law.gives_loss else 0.0
    made = _point("plan", found.plan.point, size, data, loss, found)
    made["plan.flops"] = _of("plan.flops", "Training compute", flops, "FLOP", {})
    if found.plan.compute_ratio is not None:
        ratio = flops / law.cheapest(loss)
        made["plan.ratio"] = _of("plan.ratio", "Compute over the least with the same loss", ratio, "", {})
    return made


def _lifetime(found: Frontier, law: Law, loss: Number, budget: Number) -> dict[str, Figure]:
    from planner.costing import lifetime as life_costs

    form, demand = law.chinchilla, found.demand
    assert form is not None and demand is not None and found.lifetime is not None
    served = given("served_tokens", demand.served_tokens, unit="tokens", source="plan")
    told = "price of a FLOP in serving over one in training, of the plan's own estimate (Lifetime page)"
    best = life_costs.best(loss, served, *form, given("ratio", demand.price_ratio, source=told, kind="estimated"))
    made = _point("lifetime", found.lifetime, best.parameters, best.tokens, loss, found)
    ratio = losses.training_flops(best.parameters, best.tokens) / budget
    made["lifetime.ratio"] = _of("lifetime.ratio", "Training compute over the budget", ratio, "", {})
    made["lifetime.served"] = _of("lifetime.served", "Tokens to serve", served, "tokens", {})
    return made


def _off(found: Frontier, law: Law, budget: Number, best: Number) -> dict[str, Figure]:
    """What sizes off the optimum cost, and how flat it is."""
    made: dict[str, Figure] = {}
    for words, _ in off_optimum(found):
        factor, way = float(words.partition("×")[0]), words.partition(" ")[2]
        size = best * factor if way == "larger" else best / factor
        ratio = compute_ratio(law, size, best, budget)
        label = f"Compute of a {words} model with the best loss, over the budget"
        made[f"off.{words}"] = _of(f"off.{words}", label, ratio, "", {})
    flat = same_quality_sizes(found.law, found.budget_flops) if found.unique_tokens is None else None
    told = f"searched along the law's curve at the budget: loss within 0.5 % of the lowest. {_sources(found.law, 0.0)}"
    for end, size in zip(("smallest", "largest"), flat or (), strict=False):
        made[f"flat.{end}"] = _of(f"flat.{end}", f"{end.capitalize()} size within 0.5 %", size, "parameters", {}, told)
    return made


def _searched(size: Number, unit: str, found: Frontier) -> Number:
    """A size that no formula gives."""
    if isinstance(size, Traced):
        return size
    return given("parameters", size, unit=unit, source="searched along the curve of the budget, lowest loss")


def _of(key: str, label: str, value: Number, unit: str, bands: dict[str, Interval], source: str = "") -> Figure:
    return Figure.of(f"frontier.{key}", label, value, unit, bands.get(key.partition(".")[2], NO_BAND), source=source)


def _sources(law: Law, value: Number) -> str:
    """The formula's source and the constants', each once."""
    own = value.node.source if isinstance(value, Traced) else ""
    of_law = f"{law.title}: {law.source}"
    return f"{own}. Constants: {of_law}" if own and own != "arithmetic" else of_law
