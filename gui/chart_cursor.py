"""The keyboard's way over the points of a chart: along a series, to the next series, to either end."""

from __future__ import annotations

import math
from collections.abc import Sequence

from PySide6.QtCore import Qt

Key = Qt.Key
Points = Sequence[tuple[float, float]]
KEYS = (Key.Key_Left, Key.Key_Right, Key.Key_Up, Key.Key_Down, Key.Key_Home, Key.Key_End)


def move(
    key: int, index: int | None, points: Points, series: Sequence[Sequence[int]], *, along: str = ""
) -> int | None:
    """Where a key leads from a point; None where the chart has no point. `along`: `y` for charts of rows, whose points
    are gone through from the top, with every arrow."""
    lines = [line for line in (_in_order(one, points, along) for one in series) if line]
    if not lines:
        return None
    here = next((number for number, line in enumerate(lines) if index in line), None)
    if here is None or index is None:
        return lines[0][-1 if key == Key.Key_End else 0]
    line = lines[here]
    at = line.index(index)
    if key in (Key.Key_Home, Key.Key_End):
        return line[0 if key == Key.Key_Home else -1]
    is_on = key in (Key.Key_Right, Key.Key_Down if along or len(lines) > 1 else Key.Key_Up)
    if key in (Key.Key_Up, Key.Key_Down) and len(lines) > 1:
        other = lines[(here + (1 if is_on else -1)) % len(lines)]
        return min(other, key=lambda one: abs(_rank(points[one][0]) - _rank(points[index][0])))
    return line[max(0, min(len(line) - 1, at + (1 if is_on else -1)))]


def _in_order(series: Sequence[int], points: Points, along: str) -> list[int]:
    """The points that have a place, from left to right, or from the top."""
    known = [index for index in series if all(math.isfinite(value) for value in points[index])]
    return sorted(known, key=lambda index: points[index][1 if along == "y" else 0])


def _rank(value: float) -> float:
    """So that near means near on an axis of any size."""
    return math.log(value) if value > 0 else value
