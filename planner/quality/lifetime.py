"""A model's whole life: training, post-training and serving in dollars, and the size that would have been cheapest.

Composes `estimate` (training), `planner.costing` (serving, post-training) and a law (quality). The law holds the
quality fixed: another size reaches the plan's own loss with other data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any, cast

import numpy as np

from planner.costing import lifetime as life_costs
from planner.costing import post_training, serving
from planner.costing.post_training import Account, interval
from planner.costing.quote import listed, quote
from planner.costing.serving import Served, Server, Serving
from planner.errors import InputError
from planner.estimate import Estimate, Figure, Kind, estimate
from planner.formula import Array, Number, Traced, given, recording
from planner.plan.cluster import Accelerator
from planner.plan.lifetime import Lifetime
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.quality import losses
from planner.quality.frontier import Demand
from planner.quality.laws import DEFAULT, Chinchilla, Law
from planner.quality.laws import law as read_law
from planner.units import percent, show

SERVING_SPREAD = 0.30
"""80 % of the published throughputs of dense models lie within this share of the prediction (a test holds it)."""
CURVE_POINTS = 81
SAMPLES = 1000
_MOST_DOUBLINGS = 4
_WORTH_SAVING = 0.01
"""A size that saves a smaller share is as good as the plan's own."""
_MOST_TOKENS_A_PARAMETER = 100.0


@dataclass(frozen=True)
class Hosted:
    """A model on its server, and what its tokens cost."""

    model: Served
    server: Server
    serving: Serving
    accelerator: str
    usd_per_gpu_hour: float
    price_source: str

    request_tokens: float
    """Prompt and answer of one request."""


@dataclass(frozen=True)
class Choice:
    """One size with the data that bring it to the plan's loss, and what its life costs."""

    name: str
    parameters: float
    tokens: float
    training_usd: float
    serving_usd: float
    flops: float
    """6·N·D + 2·N·served."""

    @property
    def total_usd(self) -> float:
        """Training and serving."""
        return self.training_usd + self.serving_usd

    def to_json(self) -> dict[str, Any]:
        """As `lifetime --json` prints it."""
        return {**vars(self), "total_usd": self.total_usd}


@dataclass(frozen=True)
class Life:
    """A plan with everything that its life costs."""

    estimate: Estimate
    life: Lifetime
    hosted: Hosted
    law: Law
    loss: float
    ratio: float
    """Price of a FLOP in serving over one in training."""
    plan: Choice
    best: Choice
    compute_optimal: Choice
    curve: tuple[Choice, ...]
    bands: dict[str, tuple[float, float]]
    account: Account | None
    drawn: Account | None
    figures: dict[str, Figure]
    warnings: tuple[str, ...]

    @property
    def post_training_usd(self) -> float:
        """The stages after pre-training with their trials left out; 0 without an account."""
        return float(self.account.stages_usd) if self.account else 0.0

    @property
    def total_usd(self) -> float:
        """Training, post-training and serving."""
        return self.plan.total_usd + self.post_training_usd

    @property
    def price_words(self) -> str:
        """Why the account's pre-training costs other than the plan's training; blank where both pay one price."""
        post = self.estimate.plan.post_training
        if self.account is None or post is None or post.usd_per_gpu_hour is None:
            return ""
        hours, theirs = float(self.account.pretraining.gpu_hours), float(self.account.pretraining.usd)
        if not math.isfinite(self.plan.training_usd):
            return ""
        return (
            f"Pre-training is {show(theirs, 'USD')} in the account and {show(self.plan.training_usd, 'USD')} in the "
            f"plan: the same GPU-hours, at the account's own ${theirs / hours:.2f} each and at the plan's "
            f"${self.plan.training_usd / hours:.2f}"
        )

    @property
    def sources(self) -> str:
        """Where the law and the two prices are from."""
        trained = quote(self.estimate.plan).told()
        prices = f"Training: {trained}. Serving: {self.hosted.price_source}"
        return f"Law: {self.law.title}, {self.law.source}. {prices}. Both costs grow with the size (Sardana 2023)."

    @property
    def verdict(self) -> str:
        """What the life costs, what safety takes of it, and whether another size would have been cheaper."""
        parts = [("training", self.plan.training_usd), ("post-training", self.post_training_usd)]
        parts.append(("serving", self.plan.serving_usd))
        told = ", ".join(f"{name} {show(usd, 'USD')}" for name, usd in parts if usd)
        words = f"{self.plan.name} costs {show(self.total_usd, 'USD')} over its life: {told}"
        if self.account is not None and self.account.stages_usd:
            share = float(self.account.safety_usd / self.account.stages_usd)
            words += f"; safety takes {percent(share, 0)} of the post-training"
        saved = 1 - self.best.total_usd / self.plan.total_usd
        size = f"{show(self.best.parameters)} parameters on {show(self.best.tokens)} tokens"
        if not saved > _WORTH_SAVING:
            return f"{words}; no other size would be clearly cheaper at the same loss"
        return f"{words}; {size} would have the same loss for {percent(saved, 0)} less training and serving"

    def to_json(self) -> dict[str, Any]:
        """The object that `lifetime --json` prints: plain SI numbers, NaN as None."""
        s, server = self.hosted.serving, self.hosted.server
        data = {
            "plan": self.estimate.plan.name, "law": self.law.name, "loss": self.loss,
            "served_tokens": self.life.served_tokens,
            "serving": {
                "accelerator": self.hosted.accelerator, "gpus": float(server.gpus),
                **{field.name: float(getattr(s, field.name)) for field in fields(s)},
                "usd_per_gpu_hour": self.hosted.usd_per_gpu_hour,
            },
            "cost_usd": {
                "training": self.plan.training_usd, "post_training": self.post_training_usd,
                "serving": self.plan.serving_usd, "total": self.total_usd,
            },
            "optimum": {**self.best.to_json(), "bands": {name: list(band) for name, band in self.bands.items()}},
            "compute_optimal": self.compute_optimal.to_json(), "price_ratio": self.ratio,
            "curve": [choice.to_json() for choice in self.curve],
            "post_training": account_json(self.account, self.drawn) if self.account and self.drawn else {},
            "bands": {key: [f.low, f.high] for key, f in self.figures.items() if f.low is not None},
            "price_words": self.price_words, "warnings": list(self.warnings),
        }  # fmt: skip
        return cast(dict[str, Any], without_nan(data))


def life_of(plan: Plan, law: Law | str = DEFAULT, result: Estimate | None = None) -> Life:
    """Everything about a plan's life. Raises `InputError` for a plan or a law that cannot say."""
    law = read_law(law) if isinstance(law, str) else law
    result = result or estimate(plan)
    life = plan.lifetime or Lifetime()
    chosen = host(plan.model, life, plan.cluster.accelerator)  # of several trials only the one taken is recorded
    with recording():
        settled = life.model_copy(update={"gpus": round(float(chosen.server.gpus))})
        return _composed(result, life, host(plan.model, settled, plan.cluster.accelerator), law)


def demand(result: Estimate) -> Demand:
    """What a plan's model serves over its life, and the price of a FLOP in serving over one in training."""
    plan, life = result.plan, result.plan.lifetime or Lifetime()
    hosted = host(plan.model, life, plan.cluster.accelerator)
    per_token = hosted.serving.usd_per_answer / hosted.request_tokens
    trained = result.outcome.total_usd - result.outcome.staff_usd
    size = float(result.outcome.parameters.active)
    return Demand(life.served_tokens, _finite(life_costs.price_ratio(per_token, trained, size, plan.recipe.tokens)))


def host(
    model: Model, life: Lifetime, plans: Accelerator, prompt: float | None = None, answer: float | None = None
) -> Hosted:
    """A model on the GPUs that answer cheapest of those that hold it (powers of two within one scale-up domain), with
    the batch that memory and readers allow."""
    accelerator = life.accelerator or plans
    prompt, answer = prompt or float(life.prompt_tokens), answer or float(life.answer_tokens)
    served = serving.served(model, serving.precision_of(accelerator, life), life.cache_bytes)
    if life.gpus:
        return _hosted(served, life, accelerator, float(life.gpus), prompt, answer)
    least = float(serving.gpus_to_hold(served, serving.server(accelerator, life), prompt, answer))
    counts = [least * 2.0**i for i in range(_MOST_DOUBLINGS) if i == 0 or least * 2**i <= accelerator.link_domain]
    tried = [_hosted(served, life, accelerator, gpus, prompt, answer) for gpus in counts]
    return min(tried, key=lambda one: float(one.serving.usd_per_answer))


def _hosted(
    served: Served, life: Lifetime, accelerator: Accelerator, gpus: float, prompt: float, answer: float
) -> Hosted:
    server = serving.server(accelerator, life, given("gpus", gpus, unit="GPUs", source="plan, or the cheapest"))
    batch = float(life.batch) if life.batch else serving.batch_for(served, server, prompt, answer, life.tokens_per_s)
    price, source = serving_price(accelerator, life)
    speed = serving.serve(
        served, server, prompt=prompt, answer=answer, batch=batch,
        usd_per_gpu_hour=given("usd_per_gpu_hour", price, unit="USD/h", source=source),
        load=given("load", life.load, unit="fraction", source="plan"),
    )  # fmt: skip
    return Hosted(served, server, speed, accelerator.name, price, source, prompt + answer)


def serving_price(accelerator: Accelerator, life: Lifetime) -> tuple[float, str]:
    """Price of a serving GPU-hour and where it is from; NaN where none is known."""
    if life.usd_per_gpu_hour is not None:
        return life.usd_per_gpu_hour, "plan"
    found = listed(accelerator.name, "lifetime.usd_per_gpu_hour")
    return float(found.usd_per_gpu_hour), found.told()


def account_json(account: Account, drawn: Account) -> dict[str, Any]:
    """The account of a post-training, each sum with its 80 % range."""

    def sums(one: Any, many: Any, names: tuple[str, ...]) -> dict[str, Any]:
        values = {name: float(getattr(one, name)) for name in names}
        return {**values, "bands": {name: list(interval(getattr(many, name))) for name in names}}

    return {
        **sums(account, drawn, ("gpu_hours", "usd", "people_usd", "safety_usd", "stages_usd", "weeks")),
        "safety_share": float(account.safety_usd / account.usd) if account.usd else 0.0,
        "safety_share_of_post_training": float(account.safety_usd / account.stages_usd) if account.stages_usd else 0.0,
        "parts": [
            {"name": one.name, **sums(one, many, _COST)}
            for one, many in zip(account.parts, drawn.parts, strict=True)
        ],
    }  # fmt: skip


_COST = ("gpu_hours", "compute_usd", "people_usd", "people_hours", "safety_usd", "usd")


def without_nan(value: Any) -> Any:
    """Numbers that are not finite as None, in nested dicts and lists."""
    if isinstance(value, dict):
        return {key: without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _composed(result: Estimate, life: Lifetime, hosted: Hosted, law: Law) -> Life:
    plan, outcome = result.plan, result.outcome
    form = law.chinchilla
    if form is None:
        raise InputError(f"{law.name}: this law does not say which sizes have the same loss; use {DEFAULT}")
    N, D = float(outcome.parameters.active), float(plan.recipe.tokens)
    served = given("served", life.served_tokens, unit="tokens", source="plan")
    trained = outcome.total_usd - outcome.staff_usd
    per_token = hosted.serving.usd_per_answer / hosted.request_tokens
    loss = float(law.loss(N, D))
    ratio = _finite(life_costs.price_ratio(per_token, trained, N, D))

    def choice(name: str, parameters: Number, tokens: Number) -> Choice:
        spent = life_costs.scaled_training_usd(trained, parameters, tokens, N, D)
        asked = life_costs.serving_usd(life_costs.scaled_usd_per_token(per_token, parameters, N), served)
        flops = losses.lifetime_flops(parameters, tokens, life.served_tokens)
        return Choice(name, float(parameters), float(tokens), float(spent), float(asked), float(flops))

    best = life_costs.best(loss, life.served_tokens, *form, ratio)
    cheapest = life_costs.best(loss, 0.0, *form)
    account, drawn = _accounts(result, hosted)
    figures = _figures(result, life, hosted, trained, served, per_token, best, account, drawn)
    sizes, data = _same_loss(loss, form, float(best.parameters), float(cheapest.parameters), N)
    spent = life_costs.scaled_training_usd(float(trained), sizes, data, N, D)
    asked = life_costs.serving_usd(
        life_costs.scaled_usd_per_token(float(per_token), sizes, N), life.served_tokens
    )  # fmt: skip
    columns = (sizes, data, spent, asked, losses.lifetime_flops(sizes, data, life.served_tokens))
    curve = tuple(
        Choice("", *row) for row in zip(*(cast(Array, column).tolist() for column in columns), strict=True)
    )  # fmt: skip
    return Life(
        result, life, hosted, law, loss, ratio, choice(plan.name, N, D),
        choice("lifetime-optimal", best.parameters, best.tokens),
        choice("compute-optimal", cheapest.parameters, cheapest.tokens), curve,
        _bands(law, N, D, life.served_tokens, ratio), account, drawn, figures,
        tuple(_warnings(plan, life, hosted, law, best)),
    )  # fmt: skip


def choice_figure(found: Life, one: Choice) -> Figure:
    """What one size of a life costs, training and serving, with the derivation: both prices are the plan's own."""
    with recording():
        trained, asked = (_again(found.figures[f"lifetime.{name}"]) for name in ("training", "serving"))
        told = f"a size with the plan's own loss of {found.loss:.4g}"
        size = given("parameters", one.parameters, unit="parameters", source=told)
        data = given("tokens", one.tokens, unit="tokens", source=told)
        N = given(
            "plan's parameters", float(found.estimate.outcome.parameters.active), unit="parameters", source="plan"
        )
        D = given("plan's tokens", found.plan.tokens, unit="tokens", source="plan")
        per_token, served = asked.node.inputs["usd_per_token"], asked.node.inputs["served_tokens"]
        spent = life_costs.scaled_training_usd(trained, size, data, N, D)
        served_usd = life_costs.serving_usd(life_costs.scaled_usd_per_token(per_token, size, N), served)
        value = life_costs.life_usd(spent, 0.0, served_usd)
    label = f"Training and serving, {one.name}" if one.name else "Training and serving at this size"
    return Figure.of("lifetime.choice", label, value, "USD", source=found.sources)


def _again(figure: Figure) -> Traced:
    """A figure's value with its derivation, to be reckoned with further."""
    assert figure.node is not None  # recorded in `life_of`
    return Traced(figure.value, figure.node)


def _finite(ratio: Number) -> float:
    """The ratio of prices, 1 (FLOPs alone) where one of them is unknown."""
    value = float(ratio)
    return value if math.isfinite(value) and value > 0 else 1.0


def _same_loss(loss: float, form: Chinchilla, *sizes: float) -> tuple[Array, Array]:
    """Sizes around the named ones and the data that bring each to the loss, where any do."""
    low, high = min(sizes) / 3, max(sizes) * 3
    grid = np.union1d(np.geomspace(low, high, CURVE_POINTS), sizes)
    tokens = cast(Array, losses.tokens_for_loss(loss, grid, *form))
    kept = np.isfinite(tokens) & (tokens > 0)
    return grid[kept], tokens[kept]


def _bands(law: Law, N: float, D: float, served: float, ratio: float) -> dict[str, tuple[float, float]]:
    """80 % of the law's draws: each has its own loss for the plan, and its own cheapest size at it."""
    form = law.samples(SAMPLES)
    if form is None:
        return {}
    best = life_costs.best(losses.chinchilla_loss(N, D, *form), served, *form, ratio)
    return {"parameters": interval(best.parameters), "tokens": interval(best.tokens)}


def _accounts(result: Estimate, hosted: Hosted) -> tuple[Account | None, Account | None]:
    post, outcome = result.plan.post_training, result.outcome
    if post is None:
        return None, None
    hours = result.figures["time.gpu_hours"]
    compute = post_training.Compute(
        parameters=outcome.parameters.active, flops_per_s_per_gpu=outcome.flops_per_s_per_gpu,
        gpu_s_per_input_token=hosted.serving.gpu_s_per_input_token,
        gpu_s_per_output_token=hosted.serving.gpu_s_per_output_token,
        usd_per_gpu_hour=outcome.accelerators_usd / outcome.gpu_hours,
        pretraining_gpu_hours=post_training.pretraining_hours(hours.value, hours.low, hours.high),
    )  # fmt: skip
    return post_training.account(post, compute), post_training.drawn(post, compute)


def _figures(
    result: Estimate, life: Lifetime, hosted: Hosted, trained: Number, served: Number, per_token: Number,
    best: life_costs.Best, account: Account | None, drawn: Account | None,
) -> dict[str, Figure]:  # fmt: skip
    s, training = hosted.serving, result.figures["money.total"]
    slow, quick = 1 + SERVING_SPREAD, 1 / (1 + SERVING_SPREAD)
    asked = life_costs.serving_usd(per_token, served)
    spent = (_ratio(training.low, training.value), _ratio(training.high, training.value))
    timed, exact = (quick, slow), (1.0, 1.0)
    years = given("years", life.years, unit="years", source="plan")
    daily = life_costs.tokens_per_day(served, years)
    gpu_s = life.prompt_tokens * s.gpu_s_per_input_token + life.answer_tokens * s.gpu_s_per_output_token
    load = given("load", life.load, unit="fraction", source="plan")
    fleet = life_costs.serving_gpus(daily, gpu_s / hosted.request_tokens, load)
    rows: list[tuple[str, str, Number, str, tuple[float, float]]] = [
        ("lifetime.training", "Training", trained, "USD", spent),
        ("lifetime.serving", "Serving", asked, "USD", timed),
        ("serving.tokens_per_day", "Tokens served a day", daily, "tokens", exact),
        ("serving.fleet", "GPUs that serve, on average", fleet, "GPUs", timed),
        ("serving.gpus", "GPUs a copy", hosted.server.gpus, "GPUs", exact),
        ("serving.batch", "Answers at once", s.batch, "sequences", exact),
        ("serving.prefill", "Reading the prompts of a batch", s.prefill_s, "s", timed),
        ("serving.step", "One token of each answer", s.decode_step_s, "s", timed),
        ("serving.output_tokens_per_s", "Tokens written", s.output_tokens_per_s, "tokens/s", timed),
        ("serving.reader_tokens_per_s", "Speed for one reader", s.tokens_per_s_per_answer, "tokens/s", timed),
        ("serving.input_usd", "A million tokens in", s.input_usd_per_million, "USD", timed),
        ("serving.output_usd", "A million tokens out", s.output_usd_per_million, "USD", timed),
        ("serving.memory", "Memory of a copy", s.memory_bytes, "B", exact),
        ("optimum.parameters", "Lifetime-optimal size", best.parameters, "parameters", exact),
        ("optimum.tokens", "Lifetime-optimal data", best.tokens, "tokens", exact),
    ]
    found = {row[0]: _figure(*row) for row in rows}
    for name, label, unit in _ACCOUNT if account and drawn else ():
        low, high = interval(getattr(drawn, name))
        value = getattr(account, name)
        ends = _ratio(low, float(value)), _ratio(high, float(value))
        found[f"post_training.{name}"] = _figure(f"post_training.{name}", label, value, unit, ends, "assumed")
    return found | _whole_life(found, trained, asked, account)


def _whole_life(found: dict[str, Figure], trained: Number, asked: Number, account: Account | None) -> dict[str, Figure]:
    """Post-training beside training and serving, and all three together; the ends of the band are added up."""
    after = account.stages_usd if account else 0.0
    parts = [found["lifetime.training"], found["lifetime.serving"]]
    made: dict[str, Figure] = {}
    if "post_training.stages_usd" in found:
        stages = found["post_training.stages_usd"]
        made["lifetime.post_training"] = replace(stages, key="lifetime.post_training")
        parts.append(stages)
    total = life_costs.life_usd(trained, after, asked)
    low, high = (sum(getattr(one, end) or one.value for one in parts) for end in ("low", "high"))
    ends = _ratio(low, float(total)), _ratio(high, float(total))
    return made | {"lifetime.total": _figure("lifetime.total", "Over the life", total, "USD", ends)}


_ACCOUNT = (
    ("usd", "Whole account", "USD"),
    ("gpu_hours", "GPU-hours of the account", "GPU-hours"),
    ("stages_usd", "Post-training", "USD"),
    ("people_usd", "People", "USD"),
    ("safety_usd", "Safety", "USD"),
)


def _ratio(end: float | None, value: float) -> float:
    """An end of a band as a share of its figure; 1 where there is no band, or nothing to take a share of."""
    return 1.0 if end is None or not value else end / value


def _figure(
    key: str, label: str, value: Number, unit: str, band: tuple[float, float], kind: Kind = "estimated"
) -> Figure:
    """A figure whose ends are `band` times its value; equal ends: no band."""
    number, (low, high) = float(value), band
    interval = (number * low, number * high) if low != high else (None, None)
    return Figure.of(key, label, value, unit, interval, kind)


def _warnings(plan: Plan, life: Lifetime, hosted: Hosted, law: Law, best: life_costs.Best) -> list[str]:
    found = law.outside(float(best.parameters), float(best.tokens))
    if float(best.tokens / best.parameters) > _MOST_TOKENS_A_PARAMETER:
        most = f"{_MOST_TOKENS_A_PARAMETER:.0f} tokens a parameter"
        found.append(f"{law.name}: beyond {most} laws overstate what data bring (Sardana 2023)")
    if plan.lifetime is None:
        found.append(
            f"lifetime: not in the plan; taken as {show(life.served_tokens, 'tokens')} served, "
            f"load {percent(life.load, 0)}"
        )
    if math.isnan(hosted.usd_per_gpu_hour):
        found.append(f"lifetime.usd_per_gpu_hour: {hosted.price_source}")
    if plan.model.is_mixture:
        found.append("serving: published servers reach a half to a whole less on mixtures in fp8 than this predicts")
    return found
