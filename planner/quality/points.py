"""Measured points (parameters, tokens, loss) from a CSV file, with every bad one named by its line."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner import library
from planner.errors import InputError, shorten

Floats = NDArray[np.float64]

COLUMNS = ("parameters", "tokens", "loss")
FEWEST_POINTS = 6
"""One more than the parameters of the law."""
FEWEST_VALUES = 3
"""Different sizes, and different token counts, that an exponent beside a constant needs."""
_SAME_RATIO = 1.05
"""Tokens a parameter that differ by less than this factor count as one ratio."""
_MOST_NAMED = 20


@dataclass(frozen=True)
class Points:
    """Measured losses, nats a token, one element a point. `runs` tells which training run a point is from."""

    parameters: Floats
    tokens: Floats
    loss: Floats
    runs: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.loss)


def read(path: Path) -> Points:
    """The points of a CSV file with columns parameters, tokens, loss, and optionally run.

    Raises `InputError` that names every line that cannot be used. A point that repeats an earlier one exactly is left
    out with a warning.
    """
    return parse(library.read_text(path), str(path))


def parse(text: str, where: str = "points") -> Points:
    """The points of a CSV text. Raises `InputError` as `read` does."""
    try:
        reader = csv.DictReader(text.splitlines(), skipinitialspace=True)
        header = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
        missing = [name for name in COLUMNS if name not in header]
        if missing:
            raise InputError(f"{where}: no column {', '.join(missing)}; the first line must read {','.join(COLUMNS)}")
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise InputError(f"{where}: not a CSV file ({error})") from None
    mistakes = [f"{where}, line {line}: {problem}" for line, row in rows for problem in _problems(row, header)]
    if mistakes:
        more = [f"{where}: and {len(mistakes) - _MOST_NAMED:,} more"] if len(mistakes) > _MOST_NAMED else []
        raise InputError("\n".join(mistakes[:_MOST_NAMED] + more))
    return _without_repeats(rows, header, where)


def unidentified(points: Points) -> list[str]:
    """Why five parameters cannot be told from these points; empty when they can be tried."""
    if len(points) < FEWEST_POINTS:
        return [f"{len(points)} points; a law of five parameters needs at least {FEWEST_POINTS}"]
    reasons = []
    for name, letter, values in (("model sizes", "α", points.parameters), ("token counts", "β", points.tokens)):
        different = len(np.unique(values))
        if different < FEWEST_VALUES:
            reasons.append(f"{different} different {name}; {letter} needs at least {FEWEST_VALUES}")
    ratio = points.tokens / points.parameters
    if not reasons and ratio.max() < ratio.min() * _SAME_RATIO:
        same = f"every point has the same tokens a parameter ({ratio.mean():.3g})"
        reasons.append(f"{same}; α and β cannot be told apart: train some sizes shorter or longer")
    if np.ptp(points.loss) == 0:
        reasons.append("every point has the same loss")
    return reasons


def _problems(row: Mapping[str, str], header: Mapping[str, str]) -> Iterator[str]:
    for name in COLUMNS:
        text = _cell(row, header, name)
        try:
            value = float(text)
        except ValueError:
            yield f"{name} is blank" if not text else f"{name} is {shorten(text)!r}, not a number"
            continue
        if not math.isfinite(value):
            yield f"{name} is {'not a number (NaN)' if math.isnan(value) else 'infinite'}"
        elif value <= 0:
            yield f"{name} is {text}; it must be above zero"


def _cell(row: Mapping[str, str], header: Mapping[str, str], name: str) -> str:
    return (row[header[name]] or "").strip()


def _without_repeats(rows: Sequence[tuple[int, Mapping[str, str]]], header: Mapping[str, str], where: str) -> Points:
    first: dict[tuple[float, float, float], int] = {}
    kept, runs, warnings = [], [], []
    for line, row in rows:
        size, tokens, loss = (float(_cell(row, header, name)) for name in COLUMNS)
        point = size, tokens, loss
        if point in first:
            warnings.append(f"{where}, line {line}: the same point as in line {first[point]}; it is counted once")
            continue
        first[point] = line
        kept.append(point)
        runs.append(_cell(row, header, "run") if "run" in header else "")
    columns = np.array(kept, dtype=float).reshape(-1, 3).T
    named = tuple(runs) if any(runs) else ()
    if len(warnings) > _MOST_NAMED:
        warnings = [*warnings[:_MOST_NAMED], f"{where}: and {len(warnings) - _MOST_NAMED:,} more repeated points"]
    return Points(columns[0], columns[1], columns[2], named, tuple(warnings))
