"""The campaign's plan and report: every part is named, none outlives the time, and one that failed is told."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

SCRIPT = Path(__file__).resolve().parent.parent / "benchmarks" / "gpu_campaign.py"


@pytest.fixture(scope="module")
def campaign() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_campaign", SCRIPT)
    assert spec and spec.loader
    made = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = made
    spec.loader.exec_module(made)
    return made


def test_the_shares_leave_room_within_the_time(campaign: ModuleType, tmp_path: Path) -> None:
    found = list(campaign.parts("cuda", tmp_path, smoke=False, seconds=540))
    assert sum(part.budget_s for part in found) <= 540
    told = {part.name for part in found}
    assert {"profile-llama-2-7b", "profile-llama-2-13b", "profile-llama-2-70b", "gpu-tests"} <= told
    for model in ("gpt2", "gpt2-xl", "llama-2-7b"):
        runs = [name for name in told if name.startswith(f"verify-{model}-")]
        assert len(runs) >= 4
        assert any("compiled" in name for name in runs) and any("recompute" in name for name in runs)


def test_every_command_is_one_that_the_program_knows(campaign: ModuleType, tmp_path: Path) -> None:
    from planner import cli

    for part in campaign.parts("cpu", tmp_path, smoke=False, seconds=540):
        if part.kind != "tests":
            cli._parser(part.arguments).parse_args(part.arguments)


def test_a_part_without_time_left_is_not_begun_and_one_that_fails_is_told(campaign: ModuleType, tmp_path: Path) -> None:
    late = campaign.Part("profile-gpt2", "profile", ["profile"], 10.0)
    campaign.run(late, tmp_path, 1.0)
    wrong = campaign.Part("profile-none", "profile", ["profile", "--model", "no-such-model"], 10.0)
    campaign.run(wrong, tmp_path, 60.0)
    page = campaign.report([late, wrong])
    assert "not begun: no time left" in page
    assert "exit code 2" in page and "no-such-model" in page
