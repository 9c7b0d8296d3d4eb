"""Published runs against predictions: vectorized passes over a table of runs of the form of `profiles/runs.csv`."""

from planner.validation.events import Validation
from planner.validation.run import validate
from planner.validation.score import UNITS

__all__ = ["UNITS", "Validation", "validate"]
