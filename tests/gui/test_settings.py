"""What the app remembers, from a file that somebody else wrote."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gui.document import Document
from gui.recovery import Autosave, leftovers
from gui.scenario_shelf import Shelf
from gui.settings import Settings
from planner.plan import file


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


def test_edits_of_a_crash_are_found_among_torn_files_and_those_stay(user_folder: Path) -> None:
    folder = user_folder / "recovery"
    folder.mkdir()
    good = json.dumps({"path": None, "saved_at": "now", "plan": json.loads(file.to_text(file.load("gpt2")))})
    torn = {"a": good[: len(good) // 2], "b": "", "c": "\0" * 100, "d": "[" * 100_000, "e": "[1]", "f": '{"plan": 7}'}
    for name, text in {**torn, "good": good}.items():
        (folder / f"{name}.json").write_text(text)
    assert [one.file.stem for one in leftovers()] == ["good"]
    assert {path.stem for path in folder.glob("*.json")} == {*torn, "good"}


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 1000, b"[General\ntheme", b"geometry=@Variant(\xff" * 9, b"\xff\xfe="]
)
def test_torn_settings_are_those_of_a_first_start(user_folder: Path, content: bytes) -> None:
    (user_folder / "settings.ini").write_bytes(content)
    made = Settings()
    assert (made.theme, made.page, made.geometry.isEmpty(), made.recent) == ("system", "results", True, [])
    made.theme = "dark"
    made.flush()
    assert Settings().theme == "dark"


@pytest.mark.usefixtures("application")
def test_edits_that_cannot_be_kept_aside_are_told_once(user_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    document, told = Document(file.load("gpt2")), []
    kept = Autosave(document)
    kept.failed.connect(told.append)
    (user_folder / "file").touch()
    monkeypatch.setattr(kept, "_file", user_folder / "file" / "a.json")
    for tokens in ("1B", "2B"):
        document.try_set("recipe.tokens", tokens)
        kept.write_now()
    assert len(told) == 1 and "cannot be kept aside" in told[0] and "Save the plan" in told[0]
