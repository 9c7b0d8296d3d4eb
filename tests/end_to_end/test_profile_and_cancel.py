"""A tiny model is profiled on the processor: rows appear, Cancel ends it, nothing is left running."""

from __future__ import annotations

import os

import pytest

from planner.plan import file

SMALL = {
    "model.name": "tiny", "model.layers": 2, "model.hidden": 64, "model.heads": 4, "model.kv_heads": 4,
    "model.head_dim": 16, "model.ffn": 128, "model.vocabulary": 512, "model.max_sequence": 64,
    "recipe.sequence_length": 64,
}  # fmt: skip


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_rows_appear_and_cancel_ends_the_process(window: object, qtbot: object) -> None:
    pytest.importorskip("torch")
    window.document.apply(SMALL, "tiny model")
    page = window.page("profile")
    page.plan_tab.device.show_value("cpu")
    page.plan_tab.memory_limit.setText("30MB")  # so the product that shows the peak is small and quick
    window.run_profile()
    tab = page.run_tab
    assert tab.isVisible() and tab.stop.isVisible() and window.strip.stop.isVisible()
    assert not page.plan_tab.start.isEnabled()

    qtbot.waitUntil(lambda: bool(tab.rows) or window.job is None, timeout=90_000)
    assert tab.rows, tab.status.text()
    pid = window.job.pid
    count = tab.table.rows.rowCount()
    assert tab.table.rows.text(0, 2), "the time stands in the first line"
    window.escape()
    qtbot.waitUntil(lambda: window.job is None, timeout=15_000)
    assert "Cancelled after" in tab.status.text()
    assert tab.table.rows.rowCount() >= count
    assert not is_running(pid)
    assert page.plan_tab.start.isEnabled() and not tab.stop.isVisible()
    assert not window.strip.stop.isVisible()


def test_a_run_that_cannot_start_says_why_and_offers_another_try(window: object, qtbot: object) -> None:
    pytest.importorskip("torch")
    window.show_page("profile")
    window.page("profile").plan_tab.model.show_value("no-such-model")
    window.run_profile()
    qtbot.waitUntil(lambda: window.job is None, timeout=30_000)
    assert "no-such-model" in window.notice.text
    assert "no-such-model" in window.page("profile").run_tab.status.text()
    assert window.findChild(object, "notice.try_again") is not None


def test_a_plan_with_a_broken_model_cannot_be_profiled_and_says_why(window: object, qtbot: object) -> None:
    window.document.try_set("model.heads", "33")
    window.show_page("profile")
    qtbot.waitUntil(lambda: not window.page("profile").plan_tab.start.isEnabled())
    assert "33" in window.findChild(object, "profile.why").text()
    assert file.load("llama-2-7b").model.heads == 32
