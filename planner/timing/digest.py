"""What is kept in memory of a measured profile: all but its rows, of which those stay that a picture can tell apart.

A profile may hold a hundred thousand rows. Who chooses among profiles, estimates with one or shows one needs its head,
the precisions and shapes that its layers were measured at, and some of its rows.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from planner import library
from planner.errors import InputError
from planner.plan.workload import Workload
from planner.timing.profile import Profile, Row
from planner.timing.shapes import Shape, by_shape

MOST_DRAWN = 2000
"""Rows that are kept of a profile, about: more cannot be told apart in a chart."""
STEPS = (60.0, 30.0, 15.0, 8.0, 4.0, 2.0, 1.0)
"""Spots an e-fold: of shapes on one spot one is kept. 60 are a pixel each in a chart over ten e-folds."""
_HEAD_BYTES = 2**18
_ROWS_BEGIN = b',\n "rows": ['
"""What `profile.to_text` writes between the head and the rows."""


@dataclass(frozen=True)
class Digest:
    """A profile without most of its rows."""

    content: Profile
    """The profile; of its rows those that are kept."""
    rows: int
    """In the file."""
    precisions: tuple[str, ...]
    """That a layer was measured in."""
    layers: Mapping[str, NDArray[np.float64]]
    """By precision the different shapes of its layers, as `_SHAPE` lists them. [n, 8]"""

    @classmethod
    def of(cls, whole: Profile) -> Digest:
        """Of a profile with all its rows."""
        layers = [row for row in whole.rows if row.operation == "layer" and row.is_plain]
        precisions = tuple(dict.fromkeys(row.dtype for row in layers))
        shapes = {one: _shapes([row for row in layers if row.dtype == one]) for one in precisions}
        return cls(whole.model_copy(update={"rows": drawn(whole.rows)}), len(whole.rows), precisions, shapes)

    def knowledge(self, w: Workload, precision: str) -> str:
        """How a plan's layer shape is known: measured, interpolated between measured shapes, or carried beyond them.

        The shape is one rank's: widths over `tp`, micro-batch × tokens over `cp`.
        """
        wanted = [
            float(value)
            for value in (w.hidden, w.heads / w.tp, np.maximum(1.0, w.kv_heads / w.tp), w.head_dim, w.ffn / w.tp,
                          w.micro_batch, w.sequence / w.cp, w.micro_batch * w.sequence / w.cp)
        ]  # fmt: skip
        shapes = self.layers.get(precision)
        if shapes is None or not np.all(np.asarray(w.latent_rank) == self.content.model.latent_rank):
            return "carried"
        if (shapes == wanted).all(axis=1).any():
            return "measured"
        inside = (shapes.min(axis=0) <= wanted) & (wanted <= shapes.max(axis=0))
        inside[-3] = True  # the number of sequences counts through the tokens
        return "interpolated" if inside.all() else "carried"


_SHAPE = ("hidden", "heads", "kv_heads", "head_dim", "ffn", "batch", "sequence", "tokens")


def _shapes(rows: Sequence[Row]) -> NDArray[np.float64]:
    found = dict.fromkeys(tuple(float(getattr(row, name)) for name in _SHAPE) for row in rows)
    return np.array(list(found))


def head(path: Path) -> dict[str, Any]:
    """What a profile's file says before its rows, which are not read where it is written as `profile.save` does.

    Raises `InputError`. Whether the rest is whole is found when it is read.
    """
    try:
        with path.open("rb") as stream:
            begin, found, _ = stream.read(_HEAD_BYTES).partition(_ROWS_BEGIN)
        return dict(json.loads(begin + b"}")) if found else library.read_json(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: not a whole profile (what stands before its rows cannot be read)") from None


def drawn(rows: Sequence[Row]) -> tuple[Row, ...]:
    """All of few rows. Of many about `MOST_DRAWN`: of the shapes that stand on one spot of the charts the first, and
    the fastest of each operation and direction; each shape with all its directions."""
    if len(rows) <= MOST_DRAWN:
        return tuple(rows)
    shapes = by_shape(rows)
    best = {id(shape) for shape in _fastest(shapes)}
    spots = [_spot(shape) for shape in shapes]
    kept: list[Shape] = []
    for steps in STEPS:
        first = {(*kind, *(round(steps * log) for log in logs)): n for n, (kind, logs) in reversed([*enumerate(spots)])}
        chosen = set(first.values())
        kept = [shape for number, shape in enumerate(shapes) if number in chosen or id(shape) in best]
        if sum(len(shape.rows) for shape in kept) <= MOST_DRAWN:
            break
    return tuple(row for shape in kept for row in shape.rows)


def _fastest(shapes: Sequence[Shape]) -> list[Shape]:
    found: dict[tuple[Any, ...], tuple[float, Shape]] = {}
    for shape in shapes:
        for row in shape.rows:
            key, rate = (row.operation, row.direction, row.dtype, row.is_plain), row.flops_per_s or row.bytes_per_s
            if key not in found or rate > found[key][0]:
                found[key] = rate, shape
    return [shape for _, shape in found.values()]


def _spot(shape: Shape) -> tuple[tuple[Any, ...], tuple[float, ...]]:
    """What a mark looks like, and the logarithms of where it stands in the charts."""
    first = shape.first
    kind = (first.operation, first.dtype, first.is_plain, first.shards, shape.is_noisy, len(shape.rows))
    numbers = (first.tokens, shape.flops_per_s or shape.bytes_per_s, shape.intensity or 1.0)
    return kind, tuple(math.log(number) if number > 0 else 0.0 for number in numbers)
