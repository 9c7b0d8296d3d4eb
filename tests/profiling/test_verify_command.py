"""`verify` as a command: its words, its lines, its exit codes, what it keeps, and how it stops."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner import cli, library
from planner.estimate import estimate
from planner.plan.file import load
from planner.plan.model import Model
from planner.profiling import verify_command
from planner.timing import calibration
from planner.validation import own, validate

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def home(tiny: Model, user_folder: Path) -> Path:
    """A user's folder that holds the tiny model."""
    (user_folder / "models").mkdir()
    (user_folder / "models" / "tiny.json").write_text(tiny.model_dump_json())
    return user_folder


def words(*more: str) -> list[str]:
    quickly = ["--steps", "2", "--budget", "1s", "--memory-limit", "64MiB"]
    return ["verify", "--model", "tiny", "--sequence", "32", *quickly, *more]


def test_the_result_can_be_kept_as_a_run_and_as_a_calibration(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "result.json"
    assert cli.run(words("--json", "--keep", "--calibrate", "this machine", "--out", str(out))) == 0
    result = json.loads(capsys.readouterr().out)
    assert {key: value for key, value in result.items() if key != "out"} == json.loads(out.read_text())
    _the_run_is_scored_by_its_own_plan(result)
    _the_calibration_brings_the_estimate_to_the_measured_compute(result)


def _the_run_is_scored_by_its_own_plan(result: dict[str, Any]) -> None:
    rows = {row["metric"]: row for row in validate().rows if row["source"] == own.SOURCE}
    step, held = rows["step_time_s"], rows["memory_bytes"]
    assert step["published"] == pytest.approx(result["measured"]["step_time_s"])
    assert step["predicted"] == pytest.approx(result["predicted"]["step_time_s"])
    assert held["published"] == pytest.approx(result["measured"]["allocated_bytes"])
    assert held["predicted"] == pytest.approx(result["predicted"]["memory_allocated_bytes"])
    assert not step["skipped"]


def _the_calibration_brings_the_estimate_to_the_measured_compute(result: dict[str, Any]) -> None:
    made = calibration.load("this machine")
    plan = load(next((library.user_folder() / "runs").glob("*.json")))
    step = estimate(plan.replace(calibration=made.name)).outcome.step
    measured = sum(result["measured"]["parts_s"][part] for part in ("forward", "backward", "head"))
    assert step.forward + step.backward + step.head == pytest.approx(measured, rel=1e-6)


def test_events_are_json_lines_that_end_with_the_result(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(words("--events")) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    kinds = [one["event"] for one in told]
    assert kinds[-1] == "finished" and kinds.index("predicted") < kinds.index("step")
    _the_table_has_predicted_and_measured_side_by_side(verify_command.table(told[-1]["result"]))


def _the_table_has_predicted_and_measured_side_by_side(table: str) -> None:
    for text in ("predicted", "measured", "step time", "memory allocated", "kernel times: ", "torch.profiler"):
        assert text in table


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["--steps", "0"], 2, "--steps"),
        (["--micro-batch", "many"], 2, "--micro-batch"),
        (["--budget", "soon"], 2, "--budget"),
        (["--set", "layout.recompute=twice"], 2, "layout.recompute"),
        (["--set", "layout.nonsense=1"], 2, "nonsense"),
        (["--model", "gpt-two"], 2, "gpt2"),
        (["--model", "bert-base-cased"], 2, "architecture"),
        (["no-such-plan"], 2, "no-such-plan"),
        (["--sequence", "4096", "--model", "gpt2"], 2, "recipe.sequence_length"),
        (["--out", "/no/such/folder/x.json"], 2, "/no/such/folder"),
        (["--calibrate", " "], 2, "--calibrate"),
    ],
)
def test_wrong_input_is_named_before_anything_is_trained(
    home: Path, more: list[str], code: int, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["verify", *more]) == code
    told = capsys.readouterr()
    assert message in told.err and "step 1" not in told.err and not told.out


@pytest.mark.parametrize(("command", "option"), [
    (["verify", "--keep"], "--keep"), (["verify", "--calibrate", "here"], "--calibrate"), (["ladder"], "--out"),
    (["profile"], "--out"),
])  # fmt: skip
def test_where_nothing_can_be_kept_it_is_told_before_anything_is_measured_and_how_to_mend_it(
    command: list[str], option: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRAINPLAN_HOME", str(tmp_path / "file" / "trainplan"))
    assert cli.run(command) == 2
    told = capsys.readouterr().err.splitlines()[-1]
    assert f"{option}: " in told and "set TRAINPLAN_HOME" in told


def test_without_torch_the_pip_command_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert cli.run(["verify"]) == 3
    assert "pip install torch==" in capsys.readouterr().err


def test_the_command_is_registered_without_torch() -> None:
    code = "import sys; from planner import cli; cli.command_parser([]); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_stopped_in_training_it_leaves_nothing_half_written(home: Path, number: signal.Signals) -> None:
    command = [sys.executable, "main.py", *words("--events", "--keep", "--calibrate", "x"), "--steps", "9999"]
    environment = {**os.environ, "TRAINPLAN_HOME": str(home)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    for line in process.stdout:
        if json.loads(line)["event"] == "step" and not json.loads(line)["warm_up"]:
            break
    process.send_signal(number)
    process.stdout.read()
    assert process.wait(60) == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert not list(home.rglob("*.tmp")) and not own.path().exists() and not (home / "calibrations").exists()
