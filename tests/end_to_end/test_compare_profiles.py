"""Two profiles of one device, before and after an upgrade, and a file that cannot be read among them."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtGui import QDesktopServices

from gui.pages.profile.charts_tab import VIEWS
from planner.timing import profile as profiles
from planner.timing.profile import Profile


def keep(folder: Path, profile: Profile, name: str, created: str, slower: float = 1.0, **software: str) -> Path:
    """A profile of the same rows, its feed-forward slower by a factor, in the user's folder."""
    times = ("median_s", "lower_quartile_s", "upper_quartile_s")
    rows = tuple(
        row.model_copy(update={key: slower * getattr(row, key) for key in times})
        if row.operation == "feed_forward" else row
        for row in profile.rows
    )  # fmt: skip
    changes = {"name": name, "created": f"{created}T00:00:00+00:00", "rows": rows,
               "software": profile.software.model_copy(update=software)}  # fmt: skip
    path = folder / "measured" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    profiles.save(profile.model_copy(update=changes), path)
    return path


@pytest.fixture
def page(window: object, user_folder: Path, gpt2_profile: Profile) -> object:
    """The page with an older, a newer and a broken profile."""
    keep(user_folder, gpt2_profile, "old", "2026-01-01")
    keep(user_folder, gpt2_profile, "new", "2026-06-01", slower=3.0, torch="2.99.0")
    (user_folder / "measured" / "torn.json").write_text('{"format": "trainplan-profile", "versi')
    window.show_page("profile")
    return window.page("profile")


def test_what_an_upgrade_changed_is_named(page: object) -> None:
    tab = page.history_tab
    page.tabs.setCurrentWidget(tab)
    tab.table.choose(0)
    assert tab.entry.name == "new", "the newest is on top"
    tab.compare_it.click()
    compared = page.compare_tab
    assert compared.isVisible()
    assert (compared.before.currentData(), compared.after.currentData()) == ("old", "new")
    first = compared.versions.rows.rows[0]
    assert (first["name"], first["after"], first["differs"]) == ("≠ torch", "2.99.0", True)
    assert not any(one["differs"] for one in compared.versions.rows.rows[1:])
    compared.chart.draw_now()
    said = compared.chart.accessibleDescription()
    assert "2.99.0" in said and "feed-forward" in said and "×3.00" in said
    assert "2 of" in said, "forward and backward of one operation, and nothing else"


def test_a_file_that_cannot_be_read_is_named_among_the_good_ones(page: object, user_folder: Path) -> None:
    tab = page.history_tab
    page.tabs.setCurrentWidget(tab)
    assert [one["name"] for one in tab.table.rows.rows] == ["new", "old", "torn"]
    tab.table.choose(2)
    assert str(user_folder / "measured" / "torn.json") in tab.about.text() and "not a whole JSON" in tab.about.text()
    assert not tab.take.isEnabled() and not tab.compare_it.isEnabled() and tab.delete.isEnabled()
    assert page.charts_tab.profile.findData("torn") < 0
    assert page.used.findText("torn (cannot be read)") >= 0


def test_a_profile_is_deleted_only_after_a_second_word(page: object, user_folder: Path) -> None:
    tab, path = page.history_tab, user_folder / "measured" / "old.json"
    page.tabs.setCurrentWidget(tab)
    tab.table.choose(1)
    tab.delete.click()
    assert "Delete old.json?" in tab.about.text() and path.exists()
    tab.keep.click()
    assert path.exists() and not tab.sure.isVisible() and "Delete" not in tab.about.text()
    tab.delete.click()
    tab.sure.click()
    assert not path.exists()
    assert [one["name"] for one in tab.table.rows.rows] == ["new", "torn"]
    assert page.used.findData("old") < 0 and page.charts_tab.profile.findData("old") < 0


def test_the_folder_of_a_profile_is_shown(page: object, user_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = []
    monkeypatch.setattr(QDesktopServices, "openUrl", lambda url: opened.append(url.toLocalFile()))
    page.history_tab.reveal.click()
    assert opened == [str(user_folder / "measured")]


def test_the_charts_of_a_profile_follow_its_choice(page: object) -> None:
    tab = page.charts_tab
    page.tabs.setCurrentWidget(tab)
    assert tab.profile.currentData() == "new"
    feed_forward = {}
    for profile in ("new", "old"):
        tab.choose(profile)
        for view, (_, name) in VIEWS.items():
            tab.kind.show_value(view)
            tab._show_chosen()
            tab.charts[name].draw_now()
            assert tab.charts[name].isVisible() and "layer" in tab.charts[name].accessibleDescription()
        shapes = tab.charts["measured_rates"]._data.of("feed_forward")
        feed_forward[profile] = [one.total_s for one in shapes]
    assert feed_forward["new"] == pytest.approx([3.0 * time_s for time_s in feed_forward["old"]])
    assert "2026-01-01" in tab.about.text()
