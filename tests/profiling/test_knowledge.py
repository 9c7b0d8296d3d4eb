"""The Gaussian process that times are predicted with, against the textbook's formulas."""

from __future__ import annotations

import numpy as np
import pytest

from planner.profiling import knowledge
from planner.profiling.knowledge import Knowledge
from planner.profiling.points import Point

POINTS = [Point("layer", batch, sequence) for batch in (1, 2, 4) for sequence in (512, 1024, 4096)]
POINTS += [Point("layer", 1, 1024, compiled=True), Point("head_loss", 1, 1024), Point("optimizer")]
FIRST_S = np.linspace(0.1, 1.2, len(POINTS))
SEEN = [(POINTS[0], 0.2, 0.03), (POINTS[4], 0.7, 0.1), (POINTS[9], 0.8, 0.05), (POINTS[4], 0.9, 0.1)]


def observed() -> Knowledge:
    found = Knowledge(POINTS, FIRST_S.tolist())
    for point, seconds, error in SEEN:
        found.observe(point, seconds, error)
    return found


def test_one_observation_after_another_is_the_posterior_of_all_at_once() -> None:
    """Rasmussen & Williams 2006, eqs. 2.23 and 2.24."""
    prior = knowledge._prior(POINTS)
    at = [POINTS.index(point) for point, _, _ in SEEN]
    logs = np.log([seconds for _, seconds, _ in SEEN] / FIRST_S[at])
    inverse = np.linalg.inv(prior[np.ix_(at, at)] + np.diag([error**2 for _, _, error in SEEN]))
    mean = prior[:, at] @ inverse @ logs
    covariance = prior - prior[:, at] @ inverse @ prior[at]
    found = observed()
    assert found.times_s == pytest.approx(FIRST_S * np.exp(mean), rel=1e-9)
    assert found.deviations**2 / found.surprise == pytest.approx(np.diag(covariance), rel=1e-6)


def test_the_prior_is_a_covariance() -> None:
    assert np.linalg.eigvalsh(knowledge._prior(POINTS)).min() > -1e-12


def test_the_gain_is_what_the_next_observation_takes_off_the_variances() -> None:
    found, weights, error = observed(), np.linspace(1.0, 2.0, len(POINTS)), 0.05
    surprise = found.surprise
    for number, point in enumerate(POINTS):
        after = found.copy()
        after.observe(point, found.seconds(point), error)
        before = found.deviations**2 - after.deviations**2 / after.surprise * surprise
        gain = found.gains(weights, np.full(len(POINTS), error))[number]
        assert gain == pytest.approx(weights @ before, rel=1e-6)


def test_a_point_tells_more_of_its_neighbours_than_of_other_groups() -> None:
    found = Knowledge(POINTS, FIRST_S.tolist())
    before = found.deviations
    found.observe(POINTS[0], 0.2, 0.03)
    left = found.deviations / before
    assert left[0] < left[1] < left[POINTS.index(Point("head_loss", 1, 1024))] < 1.0


def test_a_group_whose_times_come_out_otherwise_than_thought_is_believed_less() -> None:
    calm, wild = observed(), observed()
    for number in (1, 2, 3, 5):
        calm.observe(POINTS[number], calm.seconds(POINTS[number]), 0.05)
        wild.observe(POINTS[number], wild.seconds(POINTS[number]) * (4.0 if number % 2 else 0.25), 0.05)
    assert wild.deviations[8] > 2 * calm.deviations[8]
    assert wild.surprise[-2] == calm.surprise[-2], "another group's predictions are as good as before"
