"""How sure a predicted time is: an 80 % interval as factors of the prediction."""

from __future__ import annotations

import numpy as np

from planner.formula import Array
from planner.plan.plan import Plan
from planner.plan.workload import Workload
from planner.timing.device import Device

LAYOUT_SPREAD = 0.12
"""Relative 80 % spread of step times whose kernels are known: overlap, stragglers, host (assumed until validated)."""


def relative_band(device: Device, plan: Plan) -> tuple[float, float]:
    """(low, high) factors of a plan's times: the kernels' residual and the layout's, independent of one another."""
    spread = float(np.hypot(float(device.band), LAYOUT_SPREAD))
    return 1 / (1 + spread), 1 + spread


def row_bands(device: Device, w: Workload) -> tuple[Array, Array]:
    """The same for a table of rows."""
    spread = np.hypot(np.asarray(device.band, dtype=float), LAYOUT_SPREAD) + 0.0 * np.asarray(w.tp)
    return 1 / (1 + spread), 1 + spread
