"""Training of one rung, against what mathematics says of it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch

from planner.errors import CancelledError
from planner.quality.ladder.rungs import Budget, decoder
from planner.quality.ladder.training import Rate, Trainer, rate_share

RNG = np.random.default_rng(0)
WINDOWS = np.cumsum(RNG.integers(1, 3, (400, 33)), axis=1, dtype=np.int32) % 16
"""Each token is one or two above the one before: ln 2 nats a token are all there is to know."""


def trainer(steps: int = 60, width: int = 24, batch: int = 4, rate: float = 0.02) -> Trainer:
    return Trainer(decoder(width, 2, 16), WINDOWS[:300], Budget(steps, batch), Rate(rate, 24, 4), seed=1, device="cpu")


def test_an_untrained_model_knows_nothing() -> None:
    assert trainer().evaluate(WINDOWS[300:]) == pytest.approx(math.log(16), abs=1e-5)


def test_a_trained_model_approaches_the_entropy_of_its_text_from_above() -> None:
    one = trainer()
    assert list(one.run(lambda: False)) == list(range(1, 61))
    assert math.log(2) < one.evaluate(WINDOWS[300:]) < 1.25 * math.log(2)


def test_the_same_seed_gives_the_same_loss() -> None:
    first, second = trainer(10), trainer(10)
    for one in (first, second):
        list(one.run(lambda: False))
    assert first.evaluate(WINDOWS[300:]) == second.evaluate(WINDOWS[300:])


def test_a_cancelled_run_stops_before_its_next_step() -> None:
    answers = iter([False, False, True])
    with pytest.raises(CancelledError):
        list(trainer().run(lambda: next(answers)))


def test_the_rate_rises_stays_and_falls_to_almost_nothing() -> None:
    budget = Budget(100, 4)
    shares = [rate_share(index, budget) for index in range(100)]
    assert shares[0] == 0.2 and shares[4:81] == [1.0] * 77
    assert all(later < earlier for earlier, later in itertools.pairwise(shares[80:]))
    assert 0 < shares[-1] < 0.05


def test_a_step_moves_the_logits_of_every_width_alike() -> None:
    """The coordinate check of μP (Yang 2022, appendix D.1): under one rate for all widths it grows with the width."""

    def moved(width: int, rate: Rate) -> float:
        one = Trainer(decoder(width, 2, 16), WINDOWS, Budget(5, 8), rate, seed=0, device="cpu")
        for index in range(5):
            one.step(index, 1.0)
        with torch.no_grad():
            return float(one.decoder(torch.from_numpy(WINDOWS[:20]).long()).std())

    scaled = moved(256, Rate(0.002, 32, 8)) / moved(32, Rate(0.002, 32, 8))
    unscaled = moved(256, Rate(0.002, 256, 8)) / moved(32, Rate(0.002, 32, 8))
    assert 0.5 < scaled < 2 < unscaled
