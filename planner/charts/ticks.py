"""Round ticks that follow the view: zoomed into, an axis finds finer ones; switched to logarithmic, decades."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.ticker import Formatter, Locator, NullFormatter, NullLocator

Show = Callable[..., str]
"""Writes a number of the axis' unit; takes how many digits as its second argument."""
_FINER = (3, 4, 5, 6)
"""Digits tried in turn until no two ticks read the same."""
_FEWEST = 3
"""Fewer round positions than this on a log axis: the view is so narrow that it is as good as linear."""


class RoundTicks(Locator):
    """Round positions inside the view, as many as there is room for. `unit`: one of the axis' unit in the data's."""

    def __init__(self, unit: float = 1.0) -> None:
        self._unit = unit

    def __call__(self) -> Sequence[float]:
        """Those of the view as it is now."""
        low, high = sorted(_of(self).get_view_interval())
        return self.tick_values(low, high)

    def tick_values(self, vmin: float, vmax: float) -> Sequence[float]:
        """Those between two values."""
        axis = _of(self)
        most = that_fit(axis.axes, horizontal=axis is axis.axes.xaxis)
        low, high = vmin / self._unit, vmax / self._unit
        found = log_ticks(low, high, most) if axis.get_scale() == "log" and low > 0 else []
        if len(found) < _FEWEST:
            found = linear_ticks(low, high, most)
        return [position * self._unit for position in found]


class RoundNames(Formatter):
    """Writes each tick in the axis' unit, with as many digits as tell neighbours apart."""

    def __init__(self, show: Show, unit: float = 1.0) -> None:
        self._show, self._unit = show, unit

    def __call__(self, x: float, pos: int | None = None) -> str:
        """One tick."""
        return self._show(x / self._unit, _FINER[0])

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """All ticks of a view."""
        found = [self(value) for value in values]
        for digits in _FINER[1:]:
            if len(set(found)) == len(found):
                break
            found = [self._show(value / self._unit, digits) for value in values]
        return found


def follow(axis: Any, show: Show = "{:,g}".format, unit: float = 1.0) -> None:
    """Give an axis round ticks that follow its view, and no minor ones. Its scale is set before."""
    axis.set_major_locator(RoundTicks(unit))
    axis.set_major_formatter(RoundNames(show, unit))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def that_fit(axes: Any, *, horizontal: bool) -> int:
    """How many tick labels an axis of the figure has room for."""
    box = axes.figure.bbox
    scale = axes.figure.dpi / 100
    return max(2, min(7, int(box.width / scale / 74 if horizontal else box.height / scale / 44)))


def log_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round positions of a log axis: 1, 2, 5 or 1, 3 of each decade, or fewer, whichever are few enough."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1.0, 1.5, 2.0, 3.0, 5.0, 7.0), (1.0, 2.0, 5.0), (1.0, 3.0), (1.0,)):
        found = [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]
        if len(found) <= most:
            return found
    return found[:: math.ceil(len(found) / most)]


def linear_ticks(low: float, high: float, most: int = 7) -> list[float]:
    """Round positions of a linear axis; none below zero where the axis only begins a little there for air."""
    rough = (high - low) / most
    decade = 10.0 ** math.floor(math.log10(rough))
    step = next(size * decade for size in (1.0, 2.0, 2.5, 5.0, 10.0) if size * decade >= rough)
    numbers = range(math.ceil(low / step), math.floor(high / step) + 1)
    return [float(f"{number * step:.12g}") for number in numbers if number * step >= 0 or low >= 0]


def _of(locator: Locator) -> Any:
    return locator.axis
