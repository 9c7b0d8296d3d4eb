"""Names beside points, placed so that they cover neither each other nor the points and lines."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from planner.charts import style, view

Box = tuple[float, float, float, float]
Pixels = NDArray[np.float64]

_DIRECTIONS = ((1, 1), (-1, 1), (1, -1), (-1, -1), (0, 1), (0, -1), (1, 0), (-1, 0))
_DISTANCES_PT = (5.0, 9.0, 15.0, 24.0, 36.0, 50.0)
_LEADER_FROM_PT = 14.0
_MARK_PT = 5.0
_GAP_PT = 2.0
_COVERS = 60.0
"""What it costs a place that a label there would cover another, or the legend."""


@dataclass(frozen=True)
class Label:
    """A name for the point (x, y) in data units. `is_needed`: it is drawn even where it covers another; a name that can
    be had otherwise, such as from the readout, is rather left out."""

    x: float
    y: float
    text: str
    colour: str
    bold: bool = False
    is_needed: bool = True


def place(
    axes: Axes, labels: Sequence[Label], lines: Sequence[tuple[Sequence[float], Sequence[float]]] = (),
    keep_clear: Sequence[Box] = (), *, least_pt: float = 0.0,
) -> None:  # fmt: skip
    """Draw the labels of what is in view, first come first served. Call after the layout: places are found in pixels.

    keep_clear: boxes in pixels that are taken already, such as the legend's; least_pt: so far away from its point a
    label stays, where a ring may be drawn round it."""
    labels = [label for label in labels if view.is_inside(axes, label.x, label.y)]
    points = list(axes.transData.transform(np.array([(label.x, label.y) for label in labels]).reshape(-1, 2)))
    drawn = [_dense(*line) for line in lines if len(line[0])]
    line_pixels = axes.transData.transform(np.concatenate(drawn)) if drawn else np.empty((0, 2))
    taken: list[Box] = list(keep_clear)
    for index, label in enumerate(labels):
        box = _place_one(axes, label, points[index], points, line_pixels, taken, least_pt)
        taken += [box] if box else []


def _place_one(
    axes: Axes, label: Label, at: Pixels, points: Sequence[Pixels], line: Pixels, taken: list[Box], least_pt: float
) -> Box | None:  # fmt: skip
    text = axes.annotate(
        label.text, (label.x, label.y), xytext=(0, 0), textcoords="offset points", color=label.colour, zorder=6,
        fontsize=style.SMALL_SIZE, family=style.FAMILY, fontweight="bold" if label.bold else "normal",
        annotation_clip=False,
    )  # fmt: skip
    text.set_in_layout(False)
    left, bottom, right, top = style.extent(text)
    width, height = right - left, top - bottom
    scale = axes.figure.dpi / 72
    inside = style.extent(axes.patch)
    best: tuple[float, Box, float] | None = None
    for distance in (one for one in _DISTANCES_PT if one >= least_pt):
        for rank, (dx, dy) in enumerate(_DIRECTIONS):
            box = _beside(at, width, height, dx, dy, distance * scale, inside)
            cost = _cost(box, inside, points, line, taken, scale) + distance * 0.02 + rank * 0.01
            if best is None or cost < best[0]:
                best = (cost, box, distance)
    assert best is not None
    cost, box, distance = best
    if not label.is_needed and cost >= _COVERS:
        text.remove()
        return None
    text.set_position(((box[0] - at[0]) / scale, (box[1] - at[1]) / scale))
    if distance > _LEADER_FROM_PT:
        _lead(axes, label, at, box)
    return box


def _beside(at: Pixels, width: float, height: float, dx: int, dy: int, distance: float, inside: Box) -> Box:
    """The label's box when it stands in a direction from its point; above or below it, pushed in from the sides."""
    reach = distance * (0.75 if dx and dy else 1.0)
    x = at[0] + dx * reach - (width if dx < 0 else width / 2 if dx == 0 else 0)
    y = at[1] + dy * reach - (height if dy < 0 else height / 2 if dy == 0 else 0)
    if dy:
        x = max(min(x, inside[2] - width), inside[0])
    return float(x), float(y), float(x + width), float(y + height)


def _cost(box: Box, inside: Box, points: Sequence[Pixels], line: Pixels, taken: list[Box], scale: float) -> float:
    mark, gap = _MARK_PT * scale, _GAP_PT * scale
    outside = max(0.0, inside[0] - box[0], box[2] - inside[2], inside[1] - box[1], box[3] - inside[3])
    covered = sum(_overlap(box, other, gap) for other in taken)
    marks = sum(_holds(box, point, mark) for point in points)
    on_line = bool(len(line)) and float(np.count_nonzero(_within(line, box, gap))) > 0
    return 100.0 * (outside > 0) + outside + _COVERS * covered + 30.0 * marks + 4.0 * on_line


def _overlap(first: Box, second: Box, gap: float) -> bool:
    return (
        first[0] < second[2] + gap
        and second[0] < first[2] + gap
        and first[1] < second[3] + gap
        and second[1] < first[3] + gap
    )


def _holds(box: Box, point: Pixels, margin: float) -> bool:
    return bool(box[0] - margin < point[0] < box[2] + margin and box[1] - margin < point[1] < box[3] + margin)


def _within(line: Pixels, box: Box, gap: float) -> NDArray[np.bool_]:
    x, y = line.T
    return np.asarray((x > box[0] - gap) & (x < box[2] + gap) & (y > box[1] - gap) & (y < box[3] + gap))


def _dense(x: Sequence[float], y: Sequence[float]) -> Pixels:
    """Points of a line close enough that no label slips between them."""
    if len(x) == 1:
        return np.array([[x[0], y[0]]], dtype=float)
    place = np.linspace(0, len(x) - 1, 8 * len(x))
    return np.stack([np.interp(place, np.arange(len(x)), x), np.interp(place, np.arange(len(y)), y)], axis=1)


def _lead(axes: Axes, label: Label, at: Pixels, box: Box) -> None:
    """A thin line from the point to the nearest edge of its label."""
    end = (min(max(at[0], box[0]), box[2]), min(max(at[1], box[1]), box[3]))
    to_data = axes.transData.inverted()
    (x0, y0), (x1, y1) = to_data.transform(at), to_data.transform(end)
    axes.plot([x0, x1], [y0, y1], color=label.colour, linewidth=0.7, alpha=0.8, zorder=3, scalex=False,
              scaley=False, gid=view.LEADER)  # fmt: skip
