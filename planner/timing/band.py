"""How sure a predicted time is: an 80 % interval as factors of the prediction."""

from __future__ import annotations

import math

from planner.plan.plan import Plan
from planner.timing.device import Device

LAYOUT_SPREAD = 0.12
"""Relative 80 % spread of step times whose kernels are known: overlap, stragglers, host (assumed until validated)."""


def relative_band(device: Device, plan: Plan) -> tuple[float, float]:
    """(low, high) factors of a plan's times: the kernels' residual and the layout's, independent of one another."""
    spread = math.hypot(float(device.band), LAYOUT_SPREAD)
    return 1 / (1 + spread), 1 + spread
