"""What the app remembers, from a file that somebody else wrote."""

from __future__ import annotations

from pathlib import Path

import pytest

from gui.recovery import leftovers
from gui.scenario_shelf import Shelf
from gui.settings import Settings


def test_a_recent_file_that_no_file_can_be_called_is_left_out(user_folder: Path, tmp_path: Path) -> None:
    plan = tmp_path / "plan.json"
    plan.write_text("{}")
    (user_folder / "settings.ini").write_text(f"[General]\nrecent={'x' * 5000}, {plan}, a\\0b\n")
    assert Settings().recent == [plan]


@pytest.mark.parametrize("plan", ["null", "1", '"ab"', '["x"]'])
def test_a_kept_plan_that_is_no_object_is_left_out(user_folder: Path, plan: str) -> None:
    (user_folder / "recovery").mkdir()
    (user_folder / "recovery" / "a.json").write_text(f'{{"path": null, "plan": {plan}}}')
    (user_folder / "scenarios.json").write_text(f'{{"scenarios": [{{"name": "a", "plan": {plan}}}]}}')
    assert leftovers() == [] and Shelf().kept == []
