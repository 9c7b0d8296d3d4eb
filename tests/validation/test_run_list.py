"""Runs of one's own as a JSON list."""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from planner import library, schemas
from planner.errors import InputError
from planner.validation import run_list, run_table, validate

TABLE = library.SHIPPED / "runs.csv"


def as_list(count: int = 40) -> dict[str, object]:
    """Rows of the published table as a list."""
    with TABLE.open(newline="", encoding="utf-8") as stream:
        rows = [{key: value for key, value in row.items() if value} for row in list(csv.DictReader(stream))[:count]]
    return {
        "name": "ours",
        "rows": [{k: float(v) if k in run_table.NUMBERS else v for k, v in row.items()} for row in rows],
    }


def write(folder: Path, data: object) -> Path:
    path = folder / run_list.FOLDER / "ours.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(data))
    return path


def test_a_list_reads_as_the_table_does_and_is_valid_by_its_schema(user_folder: Path) -> None:
    data = as_list()
    path = write(user_folder, data)
    jsonschema.Draft202012Validator(schemas.schemas()["run_lists"]).validate(data)
    mine, published = run_list.read(path), run_table.read(TABLE)
    for name in run_table.NUMBERS:
        assert np.array_equal(mine.numbers[name], published.numbers[name][:40], equal_nan=True), name
    for name in run_table.WORDS:
        assert list(mine.words[name]) == list(published.words[name][:40]), name
    listed = Counter(row["id"] for row in validate().rows)
    assert all(listed[row["id"]] % 2 == 0 for row in data["rows"]), "the own list is scored beside the shipped table"
    assert [row["error"] for row in validate(path).rows if not row["skipped"]]


@pytest.mark.parametrize(("row", "said"), [
    ({"n_layers": "many"}, "rows.0.n_layers"), ({"layers": 3}, "rows.0.layers"),
    ({"step_time_s": -1}, "rows.0.step_time_s"),
])  # fmt: skip
def test_a_mistake_names_the_row_and_its_field(user_folder: Path, row: dict[str, object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        run_list.read(write(user_folder, {"rows": [row]}))
