"""A plan rests on a profile that is too long to be read while somebody waits: it is read beside the window."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner.plan import file
from planner.timing import profile, reading


def test_the_estimate_follows_when_the_profile_is_read(
    open_window: object, qtbot: object, user_folder: Path, gpt2_profile: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = user_folder / "measured"
    folder.mkdir()
    profile.save(gpt2_profile.model_copy(update={"name": "long"}), folder / "long.json")
    monkeypatch.setattr(reading, "LIGHT_BYTES", 0)
    on_processor = [("cluster.accelerator", "CPU"), ("recipe.precision", "fp32"), ("profile", "long")]
    window = open_window(file.with_settings(file.load("gpt2"), on_processor))
    assert window.state.estimate is None and "'long' is being read" in window.verdict.sentence.text()
    qtbot.waitUntil(lambda: window.strip.stop.isVisible())
    window.strip.stop.click()
    qtbot.waitUntil(lambda: "cancelled" in window.state.failure)
    page = window.page("profile")
    window.show_page("profile")
    page.use("long")
    qtbot.waitUntil(lambda: window.state.estimate is not None and not window.state.reading)
    assert window.state.estimate.machine.profile == "long" and "long" in page.used_line.text()
    assert page.charts_tab.about.text().endswith(f"{len(gpt2_profile.rows)} rows")
    assert not window.reader.doing
