"""The points of a suite with time and memory, before anything is measured; asked anew when the form says otherwise."""

from __future__ import annotations

import pytest

from planner.plan import file


def test_the_points_follow_the_form_and_give_way_to_a_run(open_window: object, qtbot: object) -> None:
    pytest.importorskip("torch")
    window = open_window(file.load("gpt2"))
    window.show_page("profile")
    page = window.page("profile")
    tab = page.plan_tab

    def lines() -> list[dict[str, object]]:
        qtbot.waitUntil(lambda: window.job is not None or not tab.wants_listing(tab.request("gpt2")), timeout=10_000)
        qtbot.waitUntil(lambda: window.job is None, timeout=90_000)
        return tab.table.rows.rows

    *points, total = lines()
    assert {"Ceilings", "Layer", "Optimizer"} <= {one["what"] for one in points}
    assert total["what"] == f"All {len(points)} points" and total["seconds"] > 0
    assert "on" in tab.status.text() and "allowed" in tab.status.text()
    assert window.strip.text.text() == "", "nobody asked, so nothing is announced"

    tab.memory_limit.setText("250MB")
    tab.memory_limit.typed.emit("250MB")
    smaller = lines()[-1]
    assert smaller["memory_bytes"] <= 250e6 < total["memory_bytes"]

    tab.budget.setText("soon")
    tab.budget.typed.emit("soon")
    qtbot.waitUntil(lambda: not tab.start.isEnabled())
    assert "soon" in tab.why.text() and tab.budget.property("invalid") == "true" and window.job is None
    tab.budget.setText("")
    tab.suite.show_value("full")
    tab.suite.chosen.emit("full")
    assert window.job is not None and tab.start.isEnabled(), "points are being asked for, and a run may begin at once"
    window.run_profile()
    assert page.run_tab.isVisible() and not tab.start.isEnabled()
    qtbot.waitUntil(lambda: window.jobs.waiting == 0, timeout=30_000)
    assert window.jobs.running.name == "Profile"
    window.escape()
    qtbot.waitUntil(lambda: window.job is None, timeout=30_000)
    assert "Cancelled" in page.run_tab.status.text()
