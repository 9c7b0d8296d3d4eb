"""Runs of one's own as a JSON file: the columns of `profiles/runs.csv` as fields, validated like other own files.

`validate` scores every `run_lists/*.json` of the user's folder with the published runs; `validate --runs FILE.json` one
by itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydantic import create_model

from planner import library
from planner.plan.section import Section, choice, part, quantity, words
from planner.validation.run_table import LONGEST_CELL, NUMBERS, WORDS, Runs

FOLDER = "run_lists"


def _title(column: str) -> str:
    return column.replace("_", " ").capitalize()


_FIELDS: dict[str, Any] = {
    name: (
        float | None,
        quantity(_title(name), "As in profiles/runs.csv; blank: not stated", default=None, ge=0, le=1e30),
    )
    for name in NUMBERS
} | {
    name: (str, words(_title(name), "As in profiles/runs.csv; blank: not stated", max_length=LONGEST_CELL))
    for name in WORDS
}
Run = create_model("Run", __base__=Section, __doc__="One training that somebody measured.", **_FIELDS)


class RunList(Section):
    """A file of runs."""

    name: str = words("Name", "Of the list", max_length=200)
    notes: str = words("Notes", "What was measured, and how", max_length=4000)
    rows: tuple[Run, ...] = choice("Runs", "One a line")


def read(path: Path) -> Runs:
    """A list's runs as columns. Raises `InputError` with every mistake, the file and the row's field named."""
    found = part(RunList, library.read_json(path), str(path))
    rows: list[Any] = list(found.rows)
    numbers = {
        name: np.array([np.nan if getattr(row, name) is None else getattr(row, name) for row in rows], dtype=float)
        for name in NUMBERS
    }
    told = {name: np.array([getattr(row, name) for row in rows], dtype=np.str_) for name in WORDS}
    ids = [row.id or f"{path.stem} {number}" for number, row in enumerate(rows, start=1)]
    sources = [row.source_key or found.name or path.stem for row in rows]
    return Runs(numbers, told | {"id": np.array(ids, dtype=np.str_), "source_key": np.array(sources, dtype=np.str_)})


def own() -> list[Runs]:
    """Every list in the user's folder."""
    return [read(path) for path in library.paths(FOLDER).values()]
