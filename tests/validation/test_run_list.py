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
from planner.errors import CancelledError, InputError
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
    path = write(user_folder, {"rows": [row]})
    with pytest.raises(InputError, match=f"{path}: {said}"):
        run_list.read(path)


@pytest.mark.parametrize("looks", [3, 41])
def test_a_list_can_be_stopped_while_it_is_parsed_and_between_its_blocks(
    user_folder: Path, monkeypatch: pytest.MonkeyPatch, looks: int
) -> None:
    monkeypatch.setattr(run_list, "BLOCK_ROWS", 10)
    path, asked = write(user_folder, as_list(40)), iter(range(100))
    with pytest.raises(CancelledError):
        validate(path, lambda: next(asked) == looks)
    assert next(asked) == looks + 1


def test_the_last_mistakes_of_a_long_list_are_counted(user_folder: Path) -> None:
    path = write(user_folder, {"rows": [{"tp": -1}, 7] * 1500})
    with pytest.raises(InputError) as caught:
        run_list.read(path)
    lines = str(caught.value).splitlines()
    assert len(lines) == run_table.MOST_TOLD + 1 and lines[1].startswith(f"{path}: rows.1: a section")
    assert lines[-1] == f"{path}: and 2,950 mistakes more"
