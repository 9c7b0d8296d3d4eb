"""A plan is saved, closed and opened again: the same plan, in a window that knows it is clean."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path


def test_a_saved_plan_opens_as_it_was(open_window: Callable[..., object], tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    first = open_window()
    first.document.try_set("recipe.tokens", "1.4T")
    first.document.try_set("layout.zero_stage", 3)
    assert first.isWindowModified()
    assert first.files.save_to(path)
    assert not first.isWindowModified()
    assert "mine" in first.windowTitle()

    second = open_window()
    second.files.open(path)
    assert second.document.plan == first.document.plan
    assert not second.isWindowModified()
    assert second.settings.recent == [path]


def test_a_folder_that_cannot_be_written_leaves_the_edits_and_says_so(window: object, tmp_path: Path) -> None:
    window.document.try_set("recipe.tokens", "1.4T")
    assert not window.files.save_to(tmp_path / "nowhere" / "plan.json")
    assert "nowhere" in window.notice.text
    assert window.isWindowModified()


def test_a_broken_file_is_refused_and_the_plan_stays(window: object, tmp_path: Path) -> None:
    plan, broken = window.document.plan, tmp_path / "broken.json"
    broken.write_text('{"format": "trainplan-plan", "model":')
    window.files.open(broken)
    assert "broken.json" in window.notice.text
    assert window.document.plan is plan
