"""Energy and carbon of a run."""

from __future__ import annotations

import numpy as np

from planner.formula import Number, formula

IDLE_SHARE = 0.2
"""Board power of a GPU that waits, over its limit (A100 and H100 boards idle at 60–130 W of 400–700 W)."""
FULL_POWER_HFU = 0.5
"""Hardware FLOP/s utilization from which training boards draw about their limit (assumed; Meta's tables state the
limit itself for LLaMA and Llama 2 at 40–50 %)."""


@formula(
    "idle + (1 − idle)·min(1, HFU/0.5)",
    unit="fraction",
    source="assumed: power grows with the work of the matrix units until the limit holds it",
)
def power_share(hfu: Number) -> Number:
    """Mean board power over its limit, from the hardware utilization; used where no measured or stated share is."""
    return IDLE_SHARE + (1 - IDLE_SHARE) * np.minimum(1.0, hfu / FULL_POWER_HFU)


@formula("limit·share", unit="W", source="board power limit × mean share drawn")
def board_power_w(tdp_w: Number, share: Number) -> Number:
    """Mean power of one board where none was measured."""
    return tdp_w * share


@formula(
    "GPU-hours·W·(1 + server)·PUE/1000",
    unit="kWh",
    source="LLaMA (arXiv 2302.13971) §6: Wh = GPU-h × power × PUE; server overhead added where given",
)
def energy_kwh(gpu_hours: Number, power_w: Number, server_overhead: Number, pue: Number) -> Number:
    """Energy at the meter of the data centre."""
    return gpu_hours * power_w * (1 + server_overhead) * pue / 1000


@formula("kWh·intensity", unit="kg", source="LLaMA (arXiv 2302.13971) §6: tCO2e = MWh × 0.385")
def co2e_kg(energy_kwh: Number, kg_per_kwh: Number) -> Number:
    """CO2-equivalent of the electricity; manufacture of the machines is not included."""
    return energy_kwh * kg_per_kwh
