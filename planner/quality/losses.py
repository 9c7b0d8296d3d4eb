"""The formulas of the scaling laws: pure and elementwise, for floats or NumPy arrays.

Symbols, here and in every formula below: N parameters, D training tokens, C = 6·N·D training FLOPs (forward and
backward, attention's quadratic part left out), L loss. L is in nats a token unless a law's file says otherwise.
"""

from __future__ import annotations

from typing import cast

import numpy as np

from planner.formula import Number, formula

FLOPS_PER_PARAMETER_TOKEN = 6.0
"""2 multiply-adds forward and 4 backward a parameter and token (Kaplan 2020, section 2.1)."""

FLOPS_PER_PARAMETER_TOKEN_SERVED = 2.0
"""The forward pass alone (Kaplan 2020, section 2.1)."""

FLOPS_PER_PETAFLOP_DAY = 1e15 * 86400.0


@formula("C = 6·N·D", unit="FLOP", source="Kaplan 2020 (arXiv 2001.08361), section 2.1")
def training_flops(parameters: Number, tokens: Number) -> Number:
    """Training compute as the laws count it; leaves out attention's quadratic part."""
    return FLOPS_PER_PARAMETER_TOKEN * parameters * tokens


@formula("D = C / (6·N)", unit="tokens", source="Kaplan 2020 (arXiv 2001.08361), section 2.1")
def tokens_within(flops: Number, parameters: Number) -> Number:
    """Tokens that a budget of FLOPs lets a model of this size see."""
    return flops / (FLOPS_PER_PARAMETER_TOKEN * parameters)


@formula("perplexity = exp(L)", unit="", source="definition; L in nats a token")
def perplexity(loss: Number) -> Number:
    """Among how many equally likely tokens the model, on average, chooses."""
    with np.errstate(over="ignore"):  # infinite, from 710 nats
        return cast(Number, np.exp(loss))


@formula("L = E + A/N^α + B/D^β", unit="nats/token", source="Hoffmann 2022 (arXiv 2203.15556), equation 2")
def chinchilla_loss(
    parameters: Number, tokens: Number, E: Number, A: Number, B: Number, alpha: Number, beta: Number
) -> Number:
    """Irreducible loss, what a finite model cannot express, what finite data cannot teach. One epoch."""
    return E + A / parameters**alpha + B / tokens**beta


@formula(
    "N* = G·(C/6)^(β/(α+β)), G = (αA/(βB))^(1/(α+β))",
    unit="parameters",
    source="Hoffmann 2022 (arXiv 2203.15556), equation 4",
)
def optimal_parameters(flops: Number, A: Number, B: Number, alpha: Number, beta: Number) -> Number:
    """The size that minimises the Chinchilla form under 6·N·D = C; there αA/N^α = βB/D^β."""
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    return G * (flops / FLOPS_PER_PARAMETER_TOKEN) ** (beta / (alpha + beta))


@formula(
    "D* = (βB·N^α/(αA))^(1/β)",
    unit="tokens",
    source="Hoffmann 2022 (arXiv 2203.15556), equation 4: where αA/N^α = βB/D^β",
)
def optimal_tokens(parameters: Number, A: Number, B: Number, alpha: Number, beta: Number) -> Number:
    """The tokens with whose compute no other size would reach a lower loss."""
    return (beta * B * parameters**alpha / (alpha * A)) ** (1 / beta)


@formula(
    "L* = E + (A·G^(−α) + B·G^β)·(C/6)^(−αβ/(α+β))",
    unit="nats/token",
    source="Hoffmann 2022 (arXiv 2203.15556), equation 4 put into equation 2",
)
def optimal_loss(flops: Number, E: Number, A: Number, B: Number, alpha: Number, beta: Number) -> Number:
    """The lowest loss that a budget buys."""
    return E + _reducible_at_unit_compute(A, B, alpha, beta) * (flops / FLOPS_PER_PARAMETER_TOKEN) ** (
        -alpha * beta / (alpha + beta)
    )


@formula("C = 6·((A·G^(−α) + B·G^β)/(L − E))^((α+β)/(αβ))", unit="FLOP", source="inverse of Hoffmann's L*(C)")
def cheapest_flops(loss: Number, E: Number, A: Number, B: Number, alpha: Number, beta: Number) -> Number:
    """The least compute that reaches a loss; infinite at or below the irreducible loss E."""
    gap = np.maximum(loss - E, 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        ratio = np.divide(_reducible_at_unit_compute(A, B, alpha, beta), gap)
        return cast(Number, FLOPS_PER_PARAMETER_TOKEN * ratio ** ((alpha + beta) / (alpha * beta)))


def _reducible_at_unit_compute(A: Number, B: Number, alpha: Number, beta: Number) -> Number:
    """A·G^−α + B·G^β: the reducible loss at N·D = 1, along the optimum."""
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    return A * G**-alpha + B * G**beta


@formula(
    "D = (B/(L − E − A/N^α))^(1/β)", unit="tokens", source="Hoffmann 2022 (arXiv 2203.15556), equation 2 solved for D"
)
def tokens_for_loss(
    loss: Number, parameters: Number, E: Number, A: Number, B: Number, alpha: Number, beta: Number
) -> Number:
    """Tokens with which a model of this size reaches a loss; infinite where no amount of data would."""
    gap = np.maximum(loss - E - A / parameters**alpha, 0.0)
    with np.errstate(divide="ignore", over="ignore"):
        return cast(Number, np.divide(B, gap) ** (1 / beta))


@formula(
    "A = a·6^(−η), B = b·6^(−η), α = β = 2η",
    unit="",
    source="Gadre 2024 (arXiv 2403.08540), equation 4 with C = 6ND, M = D/N",
)
def over_training_coefficient(coefficient: Number, eta: Number) -> Number:
    """A or B of the Chinchilla form from a or b of L = E + (a·M^η + b·M^−η)·C^−η."""
    return coefficient * FLOPS_PER_PARAMETER_TOKEN**-eta


# Repeated data (Muennighoff 2023): more epochs and more parameters than the unique tokens deserve are worth less.


@formula(
    "D' = U + U·R*_D·(1 − exp(−R_D/R*_D)), R_D = max(D/U − 1, 0)",
    unit="tokens",
    source="Muennighoff 2023 (arXiv 2305.16264), equation 5",
)
def effective_tokens(tokens: Number, unique_tokens: Number, decay: Number) -> Number:
    """Unique tokens that would teach as much as D tokens made of U unique ones. `decay` is R*_D, in repetitions."""
    unique = np.minimum(tokens, unique_tokens)
    repeats = tokens / unique - 1
    return cast(Number, unique + unique * decay * -np.expm1(-repeats / decay))


@formula(
    "N' = U_N + U_N·R*_N·(1 − exp(−R_N/R*_N)), U_N = min(N, G·(U·G)^(β/α))",
    unit="parameters",
    source="Muennighoff 2023 (arXiv 2305.16264), equations 6 and 7",
)
def effective_parameters(
    parameters: Number, unique_tokens: Number, A: Number, B: Number, alpha: Number, beta: Number, decay: Number
) -> Number:
    """Parameters that count, when only U unique tokens exist. U_N is the size that U is compute-optimal for."""
    G = (alpha * A / (beta * B)) ** (1 / (alpha + beta))
    base = np.minimum(parameters, (unique_tokens * G) ** (beta / alpha) * G)
    excess = parameters / base - 1
    return cast(Number, base + base * decay * -np.expm1(-excess / decay))


# Kaplan 2020: N without embeddings; kept as history.


@formula(
    "L = ((N_c/N)^(α_N/α_D) + D_c/D)^α_D",
    unit="nats/token",
    source="Kaplan 2020 (arXiv 2001.08361), equation 1.5, table 2",
)
def kaplan_loss(parameters: Number, tokens: Number, N_c: float, D_c: float, alpha_N: float, alpha_D: float) -> Number:
    """Loss of early-stopped training with dropout on D unique tokens; no irreducible part."""
    return ((N_c / parameters) ** (alpha_N / alpha_D) + D_c / tokens) ** alpha_D


@formula("N* = N_1·(C in PF-days)^a", unit="parameters", source="Kaplan 2020 (arXiv 2001.08361), section 6.1")
def allocated_parameters(flops: Number, coefficient: Number, exponent: Number, flops_unit: Number = 1.0) -> Number:
    """A printed power law of the optimal size; `flops_unit` is the FLOPs of the unit that C is counted in."""
    return coefficient * (flops / flops_unit) ** exponent


@formula(
    "B_crit = B*/L^(1/α_B)",
    unit="tokens",
    source="Kaplan 2020 (arXiv 2001.08361), equation 1.4; McCandlish 2018 (arXiv 1812.06162)",
)
def critical_batch_tokens(loss: Number, B_star: float, alpha_B: float) -> Number:
    """Batch at which time and compute are traded evenly: twice the least steps, twice the least tokens."""
    return B_star / loss ** (1 / alpha_B)


@formula("S = S_min·(1 + B_crit/B)", unit="steps", source="McCandlish 2018 (arXiv 1812.06162), equation 2.11")
def steps_at_batch(least_steps: Number, batch_tokens: Number, critical_tokens: Number) -> Number:
    """Steps to the same loss with a batch of B tokens."""
    return least_steps * (1 + critical_tokens / batch_tokens)


@formula(
    "L = (N_c/N)^α_N + (S_c/S_min)^α_S, S_min = C/(6·N·B_crit(L))",
    unit="nats/token",
    source="Kaplan 2020 (arXiv 2001.08361), equation 1.6, table 3, with equation 1.4",
)
def kaplan_loss_at_compute(
    parameters: Number,
    flops: Number,
    N_c: float,
    S_c: float,
    alpha_N: float,
    alpha_S: float,
    B_star: float,
    alpha_B: float,
) -> Number:
    """Loss of one pass over fresh data with C FLOPs spent far below the critical batch.

    The loss stands on both sides; the left grows with it and the right falls, so bisection finds the one root.
    """
    low, high = np.zeros_like(parameters * flops), np.full_like(parameters * flops, 100.0)
    for _ in range(60):
        loss = (low + high) / 2
        least_steps = flops / (FLOPS_PER_PARAMETER_TOKEN * parameters * critical_batch_tokens(loss, B_star, alpha_B))
        too_low = (N_c / parameters) ** alpha_N + (S_c / least_steps) ** alpha_S > loss
        low, high = np.where(too_low, loss, low), np.where(too_low, high, loss)
    middle = (low + high) / 2
    return middle if np.ndim(middle) else float(middle)


# Precision (Kumar 2024).


@formula(
    "N_eff = N·(1 − e^(−P_w/γ_w))·(1 − e^(−P_a/γ_a))·(1 − e^(−P_kv/γ_kv))",
    unit="parameters",
    source="Kumar 2024 (arXiv 2411.04330), section 4",
)
def parameters_at_precision(
    parameters: Number,
    weight_bits: Number,
    activation_bits: Number,
    kv_bits: Number,
    gamma_w: float,
    gamma_a: float,
    gamma_kv: float,
) -> Number:
    """Full-precision parameters that a model trained with P bits is worth."""
    share = np.expm1(-weight_bits / gamma_w) * np.expm1(-activation_bits / gamma_a) * np.expm1(-kv_bits / gamma_kv)
    return cast(Number, -parameters * share)


@formula("δ = C_T·D^γ_D/N^γ_N·e^(−P/γ_post)", unit="nats/token", source="Kumar 2024 (arXiv 2411.04330), equation 2")
def quantization_penalty(
    parameters: Number, tokens: Number, bits: Number, C_T: float, gamma_D: float, gamma_N: float, gamma_post: float
) -> Number:
    """Loss added when trained weights are rounded to P bits afterwards: the more tokens a parameter saw, the more."""
    return cast(Number, C_T * tokens**gamma_D / parameters**gamma_N * np.exp(-bits / gamma_post))


# Advice for the recipe.


@formula("k·N^a·D^b", unit="", source="Step Law 2025 (arXiv 2503.04715)")
def power_of_size_and_data(
    parameters: Number, tokens: Number, coefficient: float, of_parameters: float, of_tokens: float
) -> Number:
    """A learning rate or a batch in tokens, as a power law of size (without embeddings) and data."""
    return cast(Number, coefficient * parameters**of_parameters * tokens**of_tokens)


# Which parameters a law counts.


@formula(
    "N = N_nE + ω·N_nE^(1/3), ω = V·(aspect/12)^(1/3)",
    unit="parameters",
    source="Pearce & Song 2024 (arXiv 2406.12907)",
)
def with_embeddings(without: Number, vocabulary: Number, aspect: Number = 39.2) -> Number:
    """Total parameters from those without embeddings, for a typical decoder with tied embeddings.

    aspect: width over layers; 39.2 gives the paper's ω = 47,491 at a vocabulary of 32,000.
    """
    return cast(Number, without + vocabulary * (aspect / 12) ** (1 / 3) * np.cbrt(without))


# Training and serving together (Sardana 2023).


@formula("C_life = 6·N·D + 2·N·D_served", unit="FLOP", source="Sardana 2023 (arXiv 2401.00448), equation 2")
def lifetime_flops(parameters: Number, tokens: Number, served_tokens: Number) -> Number:
    """Compute of training and of serving a number of tokens afterwards."""
    return parameters * (FLOPS_PER_PARAMETER_TOKEN * tokens + FLOPS_PER_PARAMETER_TOKEN_SERVED * served_tokens)
