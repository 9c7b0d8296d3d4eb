"""The useful share of wall time, against Young's and Daly's own numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.costing import goodput


def test_llama_3_405b_was_interrupted_every_three_hours() -> None:
    """419 unexpected interruptions in 54 days on 2,048 nodes (arXiv 2407.21783, table 5)."""
    between = goodput.mean_time_between_failures_s(419 / 54 / 2048, 2048)
    assert between == pytest.approx(54 * 86400 / 419)
    assert between / 3600 == pytest.approx(3.09, abs=0.01)


def test_youngs_interval_worked_by_hand() -> None:
    """A checkpoint of 60 s and a failure every 12 h: √(2 · 60 · 43,200) = 2,276.8 s."""
    assert goodput.checkpoint_interval_s(60.0, 43_200.0) == pytest.approx(2276.84, abs=0.01)


def test_goodput_worked_by_hand() -> None:
    """60 s checkpoints, a failure every 12 h, 10 min to restart: 60/2276.8 + 1138.4/43200 + 600/43200 are lost."""
    lost = 60 / 2276.84 + 2276.84 / 2 / 43_200 + 600 / 43_200
    assert goodput.goodput(60.0, 43_200.0, 600.0, 0.0) == pytest.approx(1 - lost, abs=1e-6)
    assert goodput.goodput(60.0, 43_200.0, 600.0, 0.1) == pytest.approx(0.9 * (1 - lost), abs=1e-6)


@given(st.floats(1, 1000), st.floats(3600, 1e6), st.floats(0.2, 5))
def test_no_other_interval_loses_less_than_youngs(checkpoint_s: float, between_s: float, factor: float) -> None:
    def lost(interval: float) -> float:
        return checkpoint_s / interval + interval / 2 / between_s

    best = float(goodput.checkpoint_interval_s(checkpoint_s, between_s))
    assert lost(best) <= lost(best * factor) * (1 + 1e-12)
    assert 1 - float(goodput.goodput(checkpoint_s, between_s, 0.0, 0.0)) == pytest.approx(min(0.99, lost(best)))


def test_without_failures_nothing_is_lost_but_what_is_lost_anyway() -> None:
    never = goodput.mean_time_between_failures_s(0.0, 2048)
    assert never == math.inf
    assert goodput.goodput(30.0, never, 600.0, 0.05) == pytest.approx(0.95)


def test_more_nodes_fail_more_often_and_goodput_never_falls_to_zero() -> None:
    nodes = np.array([1.0, 16.0, 2048.0, 1e9])
    between = goodput.mean_time_between_failures_s(0.0038, nodes)
    useful = goodput.goodput(30.0, between, 600.0, 0.05)
    assert (np.diff(between) < 0).all() and (np.diff(useful) < 0).all()
    assert (useful > 0).all()
