"""Runs of one's own as a JSON file: the columns of `profiles/runs.csv` as fields, validated like other own files.

`validate` scores every `run_lists/*.json` of the user's folder with the published runs; `validate --runs FILE.json` one
by itself. Like a table it is read in blocks, between which reading can be stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import create_model

from planner import library
from planner.errors import InputError
from planner.plan.section import PlanError, Section, choice, part, quantity, words
from planner.validation.run_table import BLOCK_ROWS, LONGEST_CELL, MOST_TOLD, NUMBERS, WORDS, Runs, joined

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
    return joined(list(blocks(path)))


def blocks(path: Path, watch: Callable[[], None] | None = None) -> Iterator[Runs]:
    """The list in blocks of rows, one at least; `watch` is called row by row while the file is parsed. Raises
    `InputError`, after the last block where fields are wrong, and what `watch` raises."""
    data = library.read_json(path, watch)
    rows = data.get("rows")
    if not isinstance(rows, list):
        rows = []
    else:
        data["rows"] = []
    with library.naming(path):
        name, wrong = part(RunList, data, str(path)).name or path.stem, list[str]()
        for start in range(0, max(1, len(rows)), BLOCK_ROWS):
            yield _columns(_checked(rows[start : start + BLOCK_ROWS], start, wrong), start, name, path)
        if wrong:
            more = [f"and {len(wrong) - MOST_TOLD:,} mistakes more"] if len(wrong) > MOST_TOLD else []
            raise InputError("\n".join(wrong[:MOST_TOLD] + more))


def _checked(rows: list[Any], start: int, wrong: list[str]) -> list[Any]:
    """The rows that are runs, the first of them number `start`; what is wrong with the others goes to `wrong`."""
    found = []
    for number, row in enumerate(rows, start):
        try:
            found.append(part(Run, row, ""))
        except PlanError as error:
            wrong += [f"rows.{number}{'.' if field else ''}{field}: {told}" for field, told in error.problems]
    return found


def _columns(rows: list[Any], start: int, name: str, path: Path) -> Runs:
    numbers = {
        name: np.array([np.nan if getattr(row, name) is None else getattr(row, name) for row in rows], dtype=float)
        for name in NUMBERS
    }
    told = {name: np.array([getattr(row, name) for row in rows], dtype=np.str_) for name in WORDS}
    ids = [row.id or f"{path.stem} {number}" for number, row in enumerate(rows, start + 1)]
    sources = [row.source_key or name for row in rows]
    return Runs(numbers, told | {"id": np.array(ids, dtype=np.str_), "source_key": np.array(sources, dtype=np.str_)})


def own(watch: Callable[[], None] | None = None) -> Iterator[Runs]:
    """Every list in the user's folder, in blocks."""
    for path in library.paths(FOLDER).values():
        yield from blocks(path, watch)
