"""Rows of a shape that was come back to."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from planner.profiling import pooling
from planner.profiling.pooling import folded, pooled
from planner.timing.profile import Row


def row(times: list[float], **changes: Any) -> Row:
    low, middle, high = np.percentile(times, (25, 50, 75))
    measured = {"median_s": middle, "lower_quartile_s": low, "upper_quartile_s": high, "n": len(times)}
    made = {
        "operation": "layer",
        "direction": "forward",
        "dtype": "fp32",
        "samples_s": tuple(sorted(times)),
        **measured,
    }
    return Row.model_validate({**made, **changes})


def test_two_visits_have_the_quartiles_of_all_their_runs() -> None:
    first, second = [1.0, 1.1, 1.2, 1.3], [1.6, 1.5, 1.4]
    both = pooled(row(first), row(second))
    assert (both.n, both.visits) == (7, 2)
    assert (both.lower_quartile_s, both.median_s, both.upper_quartile_s) == pytest.approx(
        np.percentile(first + second, (25, 50, 75))
    )
    assert both.spread > row(first).spread, "the drift between visits shows"


@pytest.mark.parametrize("throttled", [(True, False), (False, True)])
def test_an_undisturbed_visit_stands_for_a_disturbed_one(throttled: tuple[bool, bool]) -> None:
    rows = [row([2.0 if slow else 1.0] * 5, throttled=slow) for slow in throttled]
    assert pooled(*rows).median_s == 1.0 and not pooled(*rows).throttled


def test_a_row_of_an_older_file_gives_way_to_one_of_as_many_runs() -> None:
    old = row([2.0] * 5, samples_s=())
    assert pooled(old, row([1.0] * 5)).median_s == 1.0
    assert pooled(old, row([1.0] * 3)).median_s == 2.0


def test_many_samples_are_thinned_and_keep_their_quartiles() -> None:
    times = np.random.default_rng(0).lognormal(sigma=0.2, size=1000).tolist()
    kept = pooling.kept(times)
    assert len(kept) == pooling.MOST_SAMPLES and kept == tuple(sorted(kept))
    assert np.percentile(kept, (25, 50, 75)) == pytest.approx(np.percentile(times, (25, 50, 75)), rel=0.01)


def test_visits_are_folded_shape_by_shape() -> None:
    visits = [row([1.0] * 3), row([1.0] * 3, compiled=True), row([2.0] * 3), row([1.0] * 3, dtype="bf16")]
    assert [(one.n, one.compiled, one.dtype) for one in folded(visits)] == [
        (6, False, "fp32"), (3, True, "fp32"), (3, False, "bf16"),
    ]  # fmt: skip
