"""`export` and `estimate FILE` as a shell sees them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner import cli


def test_export_writes_the_file_and_what_goes_beside_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "plan.toml"
    assert cli.run(["export", "llama-2-7b", "--to", "torchtitan", "--out", str(out)]) == 0
    assert {path.name for path in tmp_path.iterdir()} == {"plan.toml", "trainplan_decoder.py"}
    told = capsys.readouterr()
    assert told.out == "" and "layout.zero_stage" in told.err and f"wrote {out}" in told.err


def test_what_was_exported_is_estimated_as_the_plan_that_it_was(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "plan.sh")
    assert cli.run(["export", "llama-3.1-8b", "--to", "megatron", "--out", out]) == 0
    capsys.readouterr()
    assert cli.run(["estimate", out, "--onto", "llama-3.1-8b", "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert cli.run(["estimate", "llama-3.1-8b", "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert again["step_time_s"] == first["step_time_s"] and again["memory_bytes"] == first["memory_bytes"]


def test_a_file_of_another_content_beside_it_is_not_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trainplan_decoder.py").write_text("mine")
    assert cli.run(["export", "llama-2-7b", "--to", "torchtitan", "--out", str(tmp_path / "plan.toml")]) == 2
    assert (tmp_path / "trainplan_decoder.py").read_text() == "mine" and not (tmp_path / "plan.toml").exists()
    assert "in the way" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["bert-base-cased", "--to", "megatron"], "model.architecture"),
        (["llama-2-7b", "--to", "megatron", "--measure"], "--measure"),
        (["llama-2-7b", "--to", "megatron", "--set", "layout.tp=3"], "layout.tp"),
        (["llama-2-7b", "--to", "megatron", "--out", "/nowhere/x"], "/nowhere/x"),
        (["llama-2-7b", "--to", "skypilot", "--set", "cluster.accelerator=TPU v4"], "cluster.accelerator"),
    ],
)
def test_what_cannot_be_written_is_an_error_that_names_it(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["export", *arguments]) == 2
    told = capsys.readouterr()
    assert told.out == "" and said in told.err and "unexpected" not in told.err
