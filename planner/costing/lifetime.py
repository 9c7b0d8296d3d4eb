"""Training plus serving: what a model costs over its life, and the size that makes it least at a given quality.

The law's five numbers come in as numbers, so that this room knows no law. Everything is elementwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from planner.formula import Number, formula
from planner.plan.lifetime import DAYS_A_YEAR

SARDANA = "Sardana 2023 (arXiv 2401.00448)"
DAY_S = 86400.0
_HALVINGS = 120
_SMALLEST = 1e-9
"""Where the search begins: this share of the law's reducible loss is left to the size, and the rest to the data."""


@dataclass(frozen=True, slots=True)
class Best:
    """The size and the data that are cheapest over the life at a given loss."""

    parameters: Number
    tokens: Number


@formula("served·2·N", unit="FLOP", source=f"{SARDANA} eq. 2: a forward pass for each token of prompt and answer")
def serving_flops(parameters: Number, served_tokens: Number) -> Number:
    """FLOPs of a life of serving."""
    return 2 * parameters * served_tokens


@formula("price·tokens", unit="USD", source="prompts and answers in their proportion, at the price of each")
def serving_usd(usd_per_token: Number, served_tokens: Number) -> Number:
    """Dollars of a life of serving."""
    return usd_per_token * served_tokens


@formula("training + post-training + serving", unit="USD", source="definition of the life's cost")
def life_usd(training_usd: Number, post_training_usd: Number, serving_usd: Number) -> Number:
    """Dollars of a model's life."""
    return training_usd + post_training_usd + serving_usd


@formula("tokens/(years·365.25)", unit="tokens", source="definition")
def tokens_per_day(served_tokens: Number, years: Number) -> Number:
    """Tokens served on a mean day of the life."""
    return served_tokens / (years * DAYS_A_YEAR)


@formula("tokens a day·GPU-seconds a token/86,400/load", unit="GPUs", source="a server is paid busy or idle")
def serving_gpus(daily_tokens: Number, gpu_s_per_token: Number, load: Number) -> Number:
    """GPUs that serve so many tokens a day at the mean load; whole copies and peaks of the day left out."""
    return daily_tokens * gpu_s_per_token / DAY_S / load


@formula(
    "price·N/N_plan",
    unit="USD",
    source="weights to read and FLOPs to do both grow with N; keys and values, a smaller part, more slowly",
)
def scaled_usd_per_token(usd_per_token: Number, parameters: Number, plan_parameters: Number) -> Number:
    """Price of a served token for another size than the one it was worked out for."""
    return usd_per_token * parameters / plan_parameters


@formula("training·N·D/(N_plan·D_plan)", unit="USD", source="C = 6·N·D at the plan's price of a FLOP")
def scaled_training_usd(
    training_usd: Number, parameters: Number, tokens: Number, plan_parameters: Number, plan_tokens: Number
) -> Number:
    """Price of another training on the same cluster at the same utilization."""
    return training_usd * (parameters * tokens) / (plan_parameters * plan_tokens)


@formula(
    "(price a served token/(2·N))/(training price/(6·N·D))",
    unit="",
    source=f"{SARDANA} §3: the ratio of the two prices of a FLOP",
)
def price_ratio(usd_per_token: Number, training_usd: Number, parameters: Number, tokens: Number) -> Number:
    """Dollars of a FLOP in serving over those of a FLOP in training."""
    return usd_per_token / (2 * parameters) / (training_usd / (6 * parameters * tokens))


@formula(
    "(α·A/N^α)/(β·B/D^β) = 1 + ρ·D_inf/(3·D), L(N, D) = loss; least 6·N·D + ρ·2·N·D_inf",
    unit="tokens",
    source=f"{SARDANA} §2: Lagrange condition of the least cost at a given loss; halved in ln D",
)
def lifetime_tokens(
    loss: Number, served_tokens: Number, E: Number, A: Number, B: Number, alpha: Number, beta: Number,
    ratio: Number = 1.0,
) -> Number:  # fmt: skip
    """Training tokens D of the cheapest model with this loss. ρ: price of a FLOP in serving over training's.

    The left side minus the right grows with D (more data leave more of the loss to the size), so the one root lies
    between D = (B/(L − E))^(1/β), where the size is infinite, and a D that leaves almost nothing to the data.
    NaN where the law cannot reach the loss.
    """
    room = np.where(np.asarray(loss) > E, loss - E, np.nan)
    low = np.log(B / room) / beta
    high = low - np.log(_SMALLEST) / beta
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        data = B * np.exp(-beta * middle)
        size = np.maximum(room - data, 0.0)
        above = alpha * size > beta * data * (1 + ratio * served_tokens / (3 * np.exp(middle)))
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return cast(Number, np.exp((low + high) / 2)[()])


@formula("N = (A/(L − E − B/D^β))^(1/α)", unit="parameters", source="L(N, D) solved for N")
def parameters_for_loss(
    loss: Number, tokens: Number, E: Number, A: Number, B: Number, alpha: Number, beta: Number
) -> Number:
    """Size that reaches a loss with D tokens; infinite where none does."""
    left = loss - E - B / tokens**beta
    return np.where(left > 0, A / np.where(left > 0, left, 1.0), np.inf)[()] ** (1 / alpha)


def best(
    loss: Number, served_tokens: Number, E: Number, A: Number, B: Number, alpha: Number, beta: Number,
    ratio: Number = 1.0,
) -> Best:  # fmt: skip
    """The size and data that are cheapest over the life; with nothing served, the compute-optimal ones."""
    tokens = lifetime_tokens(loss, served_tokens, E, A, B, alpha, beta, ratio)
    return Best(parameters_for_loss(loss, tokens, E, A, B, alpha, beta), tokens)


@formula("fixed + calls·per call", unit="USD", source="what is paid once, and what every call pays")
def cost_of_calls(fixed_usd: Number, usd_per_call: Number, calls: Number) -> Number:
    """Dollars of a way to do a task, after so many calls."""
    return fixed_usd + calls * usd_per_call


@formula("(fixed₂ − fixed₁)/(per call₁ − per call₂)", unit="calls", source="where the two straight lines meet")
def break_even_calls(
    first_fixed: Number, first_per_call: Number, second_fixed: Number, second_per_call: Number
) -> Number:
    """Calls from which on the second way is cheaper; infinite where it never is, 0 where it always was."""
    saved, more = first_per_call - second_per_call, second_fixed - first_fixed
    meets = np.where(saved > 0, more / np.where(saved > 0, saved, 1.0), np.inf)
    return np.where(more <= 0, np.where(saved >= 0, 0.0, np.inf), meets)[()]


@formula("6·N·tokens·epochs·trials", unit="FLOP", source="C = 6·N·D for each fine-tuning")
def fine_tuning_flops(parameters: Number, tokens: Number, epochs: Number, trials: Number) -> Number:
    """FLOPs of fine-tuning until one is kept."""
    return 6 * parameters * tokens * epochs * trials
