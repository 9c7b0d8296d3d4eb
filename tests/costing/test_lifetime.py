"""The lifetime-optimal size: the published condition, test vectors, limits."""

from __future__ import annotations

import numpy as np
import pytest

from planner.costing import lifetime
from planner.plan import file
from planner.quality import losses
from planner.quality.laws import law
from planner.quality.lifetime import life_of

FORM = law("besiroglu-2024").chinchilla


def loss_of_compute_optimal(parameters: float) -> tuple[float, float]:
    """(loss, tokens) of a compute-optimal model: α·A/N^α = β·B/D^β."""
    _, A, B, alpha, beta = FORM
    tokens = (beta * B / (alpha * A / parameters**alpha)) ** (1 / beta)
    return float(losses.chinchilla_loss(parameters, tokens, *FORM)), tokens


def test_the_quality_of_70b_for_a_trillion_served_tokens() -> None:
    """Besiroglu's law, worked out apart from this code: N 5.49348e10, D 1.67631e12, 6.62395e23 against 6.79974e23."""
    loss, tokens = loss_of_compute_optimal(70e9)
    found = lifetime.best(loss, 1e12, *FORM)
    assert found.parameters == pytest.approx(5.49348e10, rel=1e-5)
    assert found.tokens == pytest.approx(1.67631e12, rel=1e-5)
    assert losses.lifetime_flops(found.parameters, found.tokens, 1e12) == pytest.approx(6.62395e23, rel=1e-5)
    assert losses.lifetime_flops(70e9, tokens, 1e12) == pytest.approx(6.79974e23, rel=1e-5)


def test_with_nothing_served_the_best_is_compute_optimal() -> None:
    loss, tokens = loss_of_compute_optimal(70e9)
    found = lifetime.best(loss, 0.0, *FORM)
    assert (found.parameters, found.tokens) == pytest.approx((70e9, tokens))


def test_the_best_is_the_least_of_a_grid_of_equal_loss() -> None:
    loss, _ = loss_of_compute_optimal(7e9)
    sizes = np.geomspace(1e9, 7e10, 20001)
    tokens = losses.tokens_for_loss(loss, sizes, *FORM)
    flops = losses.lifetime_flops(sizes, tokens, 1e13)
    found = lifetime.best(loss, 1e13, *FORM)
    assert sizes[np.nanargmin(flops)] == pytest.approx(found.parameters, rel=1e-3)


def test_more_served_tokens_make_a_smaller_model_on_more_data() -> None:
    loss, _ = loss_of_compute_optimal(70e9)
    found = lifetime.best(loss, np.array([0.0, 1e11, 1e12, 1e13, 1e15]), *FORM)
    assert np.all(np.diff(found.parameters) < 0) and np.all(np.diff(found.tokens) > 0)


def test_dearer_serving_counts_as_more_of_it() -> None:
    loss, _ = loss_of_compute_optimal(70e9)
    assert lifetime.best(loss, 1e12, *FORM, 3.0).parameters == lifetime.best(loss, 3e12, *FORM).parameters


def test_a_loss_that_no_size_reaches_has_no_best() -> None:
    assert np.isnan(lifetime.best(1.0, 1e12, *FORM).tokens)


@pytest.mark.parametrize(
    ("first", "second", "calls"),
    [
        ((0, 0.01), (1000, 0.001), 1000 / 0.009),
        ((0, 0.01), (1000, 0.02), np.inf),
        ((10, 0.01), (5, 0.001), 0.0),
        ((5, 1), (10, 1), np.inf),
    ],
)
def test_break_even(first: tuple[float, float], second: tuple[float, float], calls: float) -> None:
    assert lifetime.break_even_calls(*first, *second) == pytest.approx(calls)
    if 0 < calls < np.inf:
        assert lifetime.cost_of_calls(*first, calls) == pytest.approx(lifetime.cost_of_calls(*second, calls))


def test_servers_on_average_cost_what_serving_costs() -> None:
    """GPUs around the clock for the whole life, at their price, are the dollars of serving."""
    found = life_of(file.load("llama-2-70b"))
    years, price = found.life.years, found.hosted.usd_per_gpu_hour
    fleet = found.figures["serving.fleet"].value
    assert fleet * years * 365.25 * 24 * price == pytest.approx(found.plan.serving_usd, rel=1e-9)
    assert found.figures["serving.tokens_per_day"].value == pytest.approx(1e12 / (2 * 365.25))
