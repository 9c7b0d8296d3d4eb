"""`estimate --compare`, `--sensitivity`, `--curve`, `--advice`, `--schedule`: additions to the object, tables, CSV."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from planner import cli

ASKED = {
    "comparison": ["--compare", "llama-2-13b"], "sensitivity": ["--sensitivity"],
    "curve": ["--curve", "recipe.tokens"], "advice": ["--advice"], "schedule": ["--schedule"],
}  # fmt: skip


def test_everything_at_once_adds_its_keys_to_the_estimate(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["estimate", "llama-2-70b", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert cli.run(["estimate", "llama-2-70b", "--json", *(word for words in ASKED.values() for word in words)]) == 0
    together = json.loads(capsys.readouterr().out)
    assert {key: together[key] for key in alone} == alone
    assert set(together) - set(alone) == set(ASKED)
    assert together["comparison"]["differing"][0] == "model.name"
    assert together["schedule"]["makespan_s"] == pytest.approx(alone["step_time_s"])


@pytest.mark.parametrize("key", ASKED)
def test_each_prints_a_table_and_writes_its_csv(key: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    assert cli.run(["estimate", "llama-2-70b", *ASKED[key], "--csv", str(path)]) == 0
    told = capsys.readouterr()
    assert told.out.startswith("Fits on") and len(told.out.splitlines()) > 5
    assert told.err == f"wrote {path}\n"
    with path.open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    assert rows and all(len(row) == len(header) for row in rows)


@pytest.mark.parametrize(("words", "said"), [
    (["--compare", "gpt2", "gpt2", "gpt2", "gpt2"], "up to 3"), (["--compare", "lama-2-7b"], "llama-2-7b"),
    (["--curve", "cluster.node"], "cluster.nodes"), (["--advice", "--schedule", "--csv", "x.csv"], "at a time"),
    (["--schedule", "--set", "recipe.global_batch=1024000"], "blocks of work"),
])  # fmt: skip
def test_wrong_input_is_one_clear_line(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["estimate", "llama-2-70b", *words]) == 2
    told = capsys.readouterr()
    assert told.out == "" and said in told.err and len(told.err.splitlines()) == 1
