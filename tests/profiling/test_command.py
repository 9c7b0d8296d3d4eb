"""`profile` as a command: its words, its lines, its exit codes, and how it stops."""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner import cli
from planner.errors import InputError, MissingError, UnknownNameError
from planner.plan.model import Model
from planner.profiling import command, console, journal
from planner.timing import profile as profiles

ROOT = Path(__file__).resolve().parents[2]


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return parser.parse_args(["profile", *words])


@pytest.fixture
def home(tiny: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder that holds the tiny model."""
    monkeypatch.setenv("TRAINPLAN_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "tiny.json").write_text(tiny.model_dump_json())
    return tmp_path


def test_the_command_is_registered_without_torch() -> None:
    code = "import sys, argparse; from planner.profiling import command; command.add_parser(argparse.ArgumentParser()"
    code += ".add_subparsers()); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_without_torch_the_pip_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"pip install torch==2\.13\.0"):
        command.run(parse())


@pytest.mark.parametrize(
    ("words", "kind", "message"),
    [
        (["--budget", "soon"], InputError, "--budget: 'soon'"),
        (["--budget=-5m"], InputError, "--budget"),
        (["--memory-limit", "0"], InputError, "--memory-limit"),
        (["--model", "llama-2-7c"], UnknownNameError, "llama-2-7b"),
        (["--collectives"], MissingError, r"torchrun --standalone --nproc-per-node \d"),
    ],
)
def test_wrong_options_are_named(words: list[str], kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message):
        command.run(parse(*words))


def test_with_events_a_wrong_option_is_a_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["profile", "--events", "--budget", "soon"]) == 2
    line = json.loads(capsys.readouterr().out)
    assert line["event"] == "failed" and line["exit_code"] == 2


@pytest.mark.parametrize(("text", "seconds"), [("5m", 300.0), ("90s", 90.0), ("1h", 3600.0), ("2 min", 120.0)])
def test_budgets_read_as_a_person_writes_them(text: str, seconds: float) -> None:
    assert console.duration("--budget", text) == seconds


def test_a_table_is_printed_and_the_profile_kept_in_the_users_folder(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.run(parse("--model", "tiny", "--device", "cpu", "--budget", "2s")) == 0
    printed = capsys.readouterr()
    assert "feed_forward   backward" in printed.out
    assert "profiling tiny on" in printed.err
    (path,) = (home / "measured").glob("*.json")
    assert profiles.load(path.stem).model.name == "tiny"


SMALL = """
import argparse, sys
from planner.profiling import command, demand, timer
timer.PATIENCE["cpu"] = timer.Patience(spread=0.05, warm_up=1, least=3, most=3)
demand.MATMUL_SIZE["cpu"], demand.COPY_BYTES["cpu"], demand.LAUNCHES = 128, 2**20, 10
parser = argparse.ArgumentParser()
command.add_parser(parser.add_subparsers())
arguments = parser.parse_args(sys.argv[1:])
sys.exit(arguments.run(arguments))
"""
"""The command with few runs and a small ceiling: these tests are about how it ends, not about what it measures."""


def start(home: Path, *words: str) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", SMALL, "profile", "--model", "tiny", "--device", "cpu", "--events", *words]
    environment = {**os.environ, "TRAINPLAN_HOME": str(home)}
    return subprocess.Popen(arguments, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)


def lines_until(process: subprocess.Popen[str], word: str) -> list[dict[str, Any]]:
    assert process.stdout
    lines = []
    for line in process.stdout:
        lines.append(json.loads(line))
        if lines[-1]["event"] == word:
            break
    return lines


def test_stopped_by_a_signal_it_saves_and_exits_with_130(home: Path) -> None:
    process = start(home, "--out", str(home / "out.json"))
    assert lines_until(process, "row")[-1]["row"]["median_s"] > 0
    process.send_signal(signal.SIGTERM)
    last = lines_until(process, "finished")[-1]
    assert process.wait() == 130
    assert last["complete"] is False and last["out"] == str(home / "out.json")
    assert not profiles.load(home / "out.json").complete


def test_killed_it_leaves_every_row_it_told_of(home: Path) -> None:
    process = start(home, "--out", str(home / "out.json"))
    told = lines_until(process, "row") + lines_until(process, "row")
    process.kill()
    process.wait()
    told = [line["row"]["operation"] for line in told if line["event"] == "row"]
    kept = [row.operation for row in journal.recover(journal.partial_path(home / "out.json")).rows]
    assert kept[: len(told)] == told
