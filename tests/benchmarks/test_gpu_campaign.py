"""The GPU campaign without a GPU: its commands are the program's own, its time is kept, its failures are told."""

from __future__ import annotations

import json
import time
from pathlib import Path
from types import ModuleType

import pytest

from planner import cli

SCRIPT = "gpu_campaign"


@pytest.fixture(scope="module")
def campaign(script: ModuleType) -> ModuleType:
    return script


def part(campaign: ModuleType, name: str, code: str, seconds: float = 30.0) -> object:
    return campaign.Part(name, ["-c", code], seconds)


@pytest.mark.parametrize("parts", ["campaign", "smoke"])
def test_every_part_is_a_command_of_the_program(campaign: ModuleType, tmp_path: Path, parts: str) -> None:
    made = getattr(campaign, parts)(tmp_path, "cpu")
    commands = [one.arguments[1:] for one in made if one.arguments[0].endswith("main.py")]
    assert commands
    for words in commands:
        assert cli.command_parser(words).parse_args(words).run


def test_the_whole_campaign_fits_nine_minutes_in_order_of_worth(campaign: ModuleType, tmp_path: Path) -> None:
    made = campaign.campaign(tmp_path, "cuda")
    assert [one.name for one in made[:4]] == [
        "profile llama-2-7b",
        "verify gpt2",
        "verify 7b-width",
        "tests marked gpu",
    ]
    assert sum(one.seconds for one in made[:5]) <= 9 * 60


def test_a_failure_is_told_and_the_rest_goes_on(
    campaign: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = [part(campaign, "broken", "print('no such kernel'); raise SystemExit(3)"), part(campaign, "whole", "pass")]
    for one in parts:
        campaign.run(one, tmp_path, time.monotonic() + 100)
    campaign.report(parts, tmp_path)
    assert [one.status for one in parts] == ["failed with code 3", "done"]
    text = (tmp_path / "report.md").read_text()
    assert "no such kernel" in text and "| whole | done |" in text
    assert [one["status"] for one in json.loads((tmp_path / "report.json").read_text())["parts"]] == [
        "failed with code 3", "done"
    ]  # fmt: skip


def test_time_is_kept(campaign: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(campaign, "GRACE_S", 1.0)
    monkeypatch.setattr(campaign, "FEWEST_S", 0.1)
    endless, late = part(campaign, "endless", "import time; time.sleep(600)", 1.0), part(campaign, "late", "pass")
    campaign.run(endless, tmp_path, time.monotonic() + 100)
    campaign.run(late, tmp_path, time.monotonic())
    assert endless.status == "stopped: out of time"
    assert late.status == "left out: no time"
