"""Plan → estimate: counting, timing and costing, composed once.

`compute` is the composition on numbers or arrays; search and validation call it with arrays. `estimate` is the same on
one plan, with every figure's derivation, band and kind.
"""

from planner.callable_module import make_callable
from planner.estimate.composition import Estimate, estimate
from planner.estimate.constants import CALIBRATION, Machine, machine
from planner.estimate.figure import Figure, Kind
from planner.estimate.outcome import Outcome, compute

__all__ = ["CALIBRATION", "Estimate", "Figure", "Kind", "Machine", "Outcome", "compute", "estimate", "machine"]

make_callable(__name__)
