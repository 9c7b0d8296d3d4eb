"""Every layout of a plan, through the same `estimate`: ranked, with the Pareto front and why the others fall out.

`search` gives the whole answer, `sweep` the same as events with a cancel check, `best_layout` just the layout.
"""

from planner.callable_module import make_callable
from planner.search.events import Result
from planner.search.ranking import OBJECTIVES, Constraints, Found, Objective
from planner.search.run import best_layout, search, sweep

__all__ = ["OBJECTIVES", "Constraints", "Found", "Objective", "Result", "best_layout", "search", "sweep"]

make_callable(__name__)
