"""The measuring process is killed: the cause is named, the rows are kept as a profile, another try works."""

from __future__ import annotations

import os
import signal

import pytest

from planner.timing import profile as profiles

PATIENCE_MS = 120_000


def test_a_killed_run_names_the_cause_and_its_rows_can_be_kept(window: object, qtbot: object) -> None:
    pytest.importorskip("torch")
    window.show_page("profile")
    page = window.page("profile")
    page.plan_tab.model.show_value("gpt2")
    page.plan_tab.device.show_value("cpu")
    page.plan_tab.memory_limit.setText("150MB")
    window.run_profile()
    tab = page.run_tab
    qtbot.waitUntil(lambda: len(tab.rows) >= 4 or window.job is None, timeout=PATIENCE_MS)
    assert window.job is not None, tab.status.text()
    os.kill(window.job.pid, signal.SIGKILL)
    qtbot.waitUntil(lambda: window.job is None, timeout=15_000)
    assert "lack of memory" in tab.status.text() and "lack of memory" in window.notice.text
    assert page.plan_tab.start.isEnabled()
    assert tab.keep_rows.isVisible()

    tab.keep_rows.click()
    kept = profiles.load(tab.measured_name)
    assert kept.rows == tab.rows and not kept.complete and kept.incomplete_because == "interrupted"
    assert "marked incomplete" in tab.status.text() and not tab.keep_rows.isVisible()
    assert page.history_tab.table.rows.rows[0]["sign"] == "!"

    window.findChild(object, "notice.try_again").click()
    assert window.job is not None and not tab.rows
    window.escape()
    qtbot.waitUntil(lambda: window.job is None, timeout=15_000)
    assert "Cancelled" in tab.status.text()
