"""The segmented α–β fit, on times made from known constants."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.timing.alpha_beta import Fit, Regime, fit, time_s

SIZES = 2.0 ** np.arange(10, 30)


def fitted(sizes: np.ndarray, times: np.ndarray, error: float = 0.03) -> Fit:
    return fit(list(sizes), list(times), [error] * len(sizes))


def three_protocols(sizes: np.ndarray) -> np.ndarray:
    """As NCCL's LL, LL128 and Simple: each with a dearer start and a wider road."""
    return np.where(
        sizes < 2**16,
        5e-6 + sizes / 20e9,
        np.where(sizes < 2**20, 12e-6 + sizes / 120e9, 20e-6 + sizes / 400e9),
    )


@given(st.floats(1e-7, 1e-1), st.floats(1e6, 1e12))
@settings(max_examples=15, deadline=None)
def test_one_start_and_one_bandwidth_come_back(start_s: float, bytes_per_s: float) -> None:
    found = fitted(SIZES, start_s + SIZES / bytes_per_s)
    probe = np.array([700.0, 3e5, 2e9])
    np.testing.assert_allclose(time_s(found.regimes, probe), start_s + probe / bytes_per_s, rtol=1e-6)
    assert len(found.regimes) == 1


def test_each_protocol_is_found_where_it_begins() -> None:
    found = fitted(SIZES, three_protocols(SIZES))
    assert [(one.smallest_bytes, one.largest_bytes) for one in found.regimes] == [
        (2**10, 2**15), (2**16, 2**19), (2**20, 2**29),
    ]  # fmt: skip
    assert [one.start_s for one in found.regimes] == pytest.approx([5e-6, 12e-6, 20e-6])
    assert [1 / one.s_per_byte for one in found.regimes] == pytest.approx([20e9, 120e9, 400e9])


def test_noise_alone_makes_no_further_regime() -> None:
    rng = np.random.default_rng(1)
    noisy = (2e-5 + SIZES / 1e9) * np.exp(0.05 * rng.standard_normal(len(SIZES)))
    found = fitted(SIZES, noisy, 0.05)
    assert len(found.regimes) == 1
    assert found.error is not None and 0.03 < found.error < 0.15, "what was left out is off by about the noise"


@given(st.lists(st.floats(1e-7, 10.0), min_size=1, max_size=16))
@settings(max_examples=30, deadline=None)
def test_constants_are_never_negative_and_times_always_positive(times: list[float]) -> None:
    sizes = 4.0 ** np.arange(4, 4 + len(times))
    found = fitted(sizes, np.array(times))
    assert all(one.start_s >= 0 and one.s_per_byte >= 0 for one in found.regimes)
    assert (np.asarray(time_s(found.regimes, np.geomspace(1.0, 1e12, 50))) > 0).all()


def test_the_error_is_that_of_sizes_left_out() -> None:
    """One size is wrong by a factor of two: left out, it is missed by that factor, and only one in five is."""
    times = 1e-5 + SIZES[:5] / 1e9
    times[2] *= 2
    found = fitted(SIZES[:5], times)
    assert found.error is not None and 0.05 < found.error < np.log(2)


def test_two_sizes_leave_nothing_to_try_the_fit_on() -> None:
    found = fitted(SIZES[:2], 1e-5 + SIZES[:2] / 1e9)
    assert found.error is None and found.error_beyond is None
    assert time_s(found.regimes, SIZES[1]) == pytest.approx(1e-5 + SIZES[1] / 1e9)


def test_between_two_regimes_the_switch_is_half_way_in_the_logarithm() -> None:
    small = Regime(smallest_bytes=1e3, largest_bytes=1e4, start_s=1.0, s_per_byte=0.0)
    large = Regime(smallest_bytes=1e6, largest_bytes=1e7, start_s=2.0, s_per_byte=0.0)
    np.testing.assert_array_equal(time_s((small, large), np.array([1.0, 0.9e5, 1.1e5, 1e9])), [1.0, 1.0, 2.0, 2.0])
