"""Published runs against predictions: one vectorized pass over a table of runs of the form of `profiles/runs.csv`."""

from planner.validation.score import UNITS, Validation, validate

__all__ = ["UNITS", "Validation", "validate"]
