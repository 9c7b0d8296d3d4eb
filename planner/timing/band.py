"""How sure a predicted time is: an 80 % interval, as factors of the prediction.

The factors are quantiles of published over predicted step times, taken from runs whose source was left out of the fit
(`benchmarks/fit_runs.py --bands` writes `profiles/bands.json`): one pair for each way a device's kernels are known,
and one for layouts so inefficient that no validated run resembles them.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np

from planner import library
from planner.formula import Array, Number

LOWEST_VALIDATED_MFU = 0.10
"""Below this utilization a layout waits more than it computes; published runs of that kind scatter widely."""


def factors(source: str, mfu: Number) -> tuple[Number, Number]:
    """(low, high) factors of the times of a plan, or of each row of a table: arrays where `mfu` is one. `source`: how
    the device's kernels are known (`Device.source`)."""
    pairs = _pairs()
    low, high = pairs.get(source, pairs["specification"])
    wide_low, wide_high = pairs["inefficient"]
    inefficient = np.asarray(mfu) < LOWEST_VALIDATED_MFU
    return np.where(inefficient, wide_low, low)[()], np.where(inefficient, wide_high, high)[()]


def is_validated(mfu: Number) -> bool | Array:
    """The plan is like the runs that the band was made from."""
    return np.asarray(mfu) >= LOWEST_VALIDATED_MFU


def table() -> dict[str, Any]:
    """The bands with what they were made from."""
    return library.read_json(library.SHIPPED / "bands.json")


@cache
def _pairs() -> dict[str, tuple[float, float]]:
    return {name: (float(pair[0]), float(pair[1])) for name, pair in table()["factors"].items()}
