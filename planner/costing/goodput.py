"""The share of wall time that trains: failures, checkpoints, and what else a long run loses."""

from __future__ import annotations

import numpy as np

from planner.formula import Number, formula
from planner.units import DAY_S

DALY = "Young 1974; Daly 2006 (FGCS 22) eq. 1"


@formula("86400/(failures·nodes)", unit="s", source="failures of independent nodes add up")
def mean_time_between_failures_s(failures_per_node_day: Number, nodes: Number) -> Number:
    """Mean time between interruptions of a job on `nodes` nodes; infinite without failures."""
    rate = failures_per_node_day * nodes
    with np.errstate(over="ignore"):  # once in more than 10^300 s is never
        return np.where(rate > 0, DAY_S / np.where(rate > 0, rate, 1.0), np.inf)[()]


@formula("√(2·δ·MTBF)", unit="s", source=DALY)
def checkpoint_interval_s(checkpoint_s: Number, mtbf_s: Number) -> Number:
    """The interval between checkpoints that loses least: δ is the time one takes."""
    return np.sqrt(2 * checkpoint_s * mtbf_s)


@formula("(1 − other)·(1 − min(0.99, √(2·δ/MTBF) + R/MTBF))", unit="fraction", source=DALY)
def goodput(checkpoint_s: Number, mtbf_s: Number, restart_s: Number, other_losses: Number) -> Number:
    """Useful share of wall time with checkpoints at Young's interval τ: δ/τ goes into writing, τ/2 of work is lost at a
    failure (together √(2δ/MTBF)), R into each restart; `other_losses` into stragglers, evaluation, loss spikes."""
    lost = np.sqrt(2 * checkpoint_s / mtbf_s) + restart_s / mtbf_s
    return (1 - other_losses) * (1 - np.minimum(0.99, lost))
