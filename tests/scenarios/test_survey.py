"""Many plans, one row each."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from planner import cli
from planner.errors import CancelledError, InputError
from planner.estimate import estimate
from planner.plan import file
from planner.scenarios import survey


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two plans and a broken one."""
    for name in ("gpt2", "bert-base-cased"):
        file.save(file.load(name), tmp_path / f"{name}.json")
    (tmp_path / "broken.json").write_text("{")
    return tmp_path


def test_a_row_has_the_figures_of_the_plans_own_estimate_and_a_broken_plan_says_why(folder: Path) -> None:
    rows = {row["name"]: row for row in survey.surveyed(survey.plans_of([str(folder)]))}
    assert set(rows) == {"gpt2", "bert-base-cased", "broken"}
    figures = estimate(file.load("gpt2")).figures
    assert all(rows["gpt2"][name] == figures[key].value for name, key in survey.FIGURES.items())
    assert str(folder / "broken.json") in rows["broken"]["problem"] and rows["broken"]["cost_usd"] is None
    assert all(tuple(row) == survey.COLUMNS for row in rows.values())


def test_a_folder_counts_once_and_an_empty_one_is_an_error(folder: Path, tmp_path: Path) -> None:
    one = str(folder / "gpt2.json")
    assert len(survey.plans_of([one, str(folder), one])) == 3
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no plan"):
        survey.plans_of([str(tmp_path / "empty")])


def test_it_stops_between_two_plans() -> None:
    seen: list[str] = []
    with pytest.raises(CancelledError):
        for row in survey.surveyed(["gpt2", "gpt2", "gpt2"], lambda: bool(seen)):
            seen.append(row["name"])
    assert seen == ["gpt2"]


def test_the_command_tells_rows_progress_and_the_end_and_writes_a_table(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "table.csv"
    assert cli.run(["compare", str(folder), "--events", "--csv", str(table)]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [one["event"] for one in told if one["event"] != "progress"] == ["row", "row", "row", "finished"]
    assert told[-1] == {"event": "finished", "plans": 3, "failed": 1}
    assert [one["fraction"] for one in told if one["event"] == "progress"][-1] == 1.0
    with table.open(encoding="utf-8", newline="") as stream:
        assert [row["name"] for row in csv.DictReader(stream)] == ["bert-base-cased", "broken", "gpt2"]


def test_a_plan_that_is_nowhere_is_named_and_nothing_to_show_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["compare", "gpt2", "/nowhere/x.json"]) == 0
    said = capsys.readouterr()
    assert "gpt2" in said.out and "/nowhere/x.json: there is no such file" in said.err
    assert cli.run(["compare", "/nowhere/x.json"]) == 2
