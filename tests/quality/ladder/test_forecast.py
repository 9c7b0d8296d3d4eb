"""Forecasts of a rung from those below it."""

from __future__ import annotations

import numpy as np
import pytest

from planner.errors import InputError
from planner.quality.ladder.forecast import forecast
from planner.quality.points import Points

SIZES = (3e4, 6e4, 1.2e5, 2.4e5, 4.8e5)
LAST = (1e6, 5e6)


def points(loss, noise: float = 0.0) -> Points:
    N = np.array([size for size in SIZES for _ in range(3)])
    D = N * np.tile([5.0, 10.0, 20.0], len(SIZES))
    wobble = 1 + noise * np.random.default_rng(3).standard_normal(len(N))
    return Points(N, D, loss(N, D) * wobble)


def chinchilla(N, D):
    return 0.8 + 30 / N**0.4 + 200 / D**0.45


def power(N, D):
    return 20 * N**-0.08 * D**-0.1


@pytest.mark.parametrize("law", [chinchilla, power])
def test_a_law_without_noise_is_found_and_continued(law) -> None:
    found = forecast(points(law), *LAST)
    assert found.loss == pytest.approx(law(*LAST), rel=2e-3)
    assert found.low < law(*LAST) < found.high or found.rms_error < 1e-4


def test_the_form_is_the_one_that_did_best_on_the_rungs_already_there() -> None:
    found = forecast(points(power), *LAST)
    assert found.form == "power law" and found.rms_error < min(found.rejected.values())
    assert [test.parameters for test in found.backtests] == list(SIZES[3:])


def test_noise_widens_the_band() -> None:
    noisy, quiet = forecast(points(chinchilla, 0.005), *LAST, 0.01), forecast(points(chinchilla), *LAST)
    assert noisy.high - noisy.low > 2 * (quiet.high - quiet.low)
    assert noisy.loss == pytest.approx(chinchilla(*LAST), rel=0.03)


def test_too_few_rungs_are_refused() -> None:
    few = points(chinchilla)
    below = few.parameters < SIZES[3]
    with pytest.raises(InputError, match="4 below"):
        forecast(Points(few.parameters[below], few.tokens[below], few.loss[below]), *LAST)
