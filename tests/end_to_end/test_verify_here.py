"""The planner's prediction is put beside real training on this machine, and the measured step is kept."""

from __future__ import annotations

import pytest

from gui.verify_request import Request
from planner.validation import own

SMALL = {
    "model.name": "tiny", "model.layers": 2, "model.hidden": 64, "model.heads": 4, "model.kv_heads": 4,
    "model.head_dim": 16, "model.ffn": 128, "model.vocabulary": 512, "model.max_sequence": 64,
    "recipe.sequence_length": 64, "layout.recompute": "full",
}  # fmt: skip


def test_a_verification_shows_predicted_beside_measured_and_can_be_kept(
    window: object, qtbot: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("torch")
    window.document.apply(SMALL, "tiny model")
    window.show_page("profile")
    page = window.page("profile")
    page.tabs.setCurrentWidget(page.verify_tab)
    tab = page.verify_tab
    tab.device.show_value("cpu")
    tab.texts["steps"].setText("2")
    tab.texts["sequence"].setText("64")
    asked = Request.arguments
    quickly = ["--budget", "2s", "--memory-limit", "64MiB"]
    monkeypatch.setattr(Request, "arguments", lambda request: [*asked(request), *quickly])
    tab.start.click()
    assert not tab.start.isEnabled()
    qtbot.waitUntil(lambda: bool(tab.result) or window.job is None, timeout=200_000)
    assert tab.result, tab.status.text()

    measured, predicted = (tab.result[side] for side in ("measured", "predicted"))
    assert measured["step_time_s"] > 0 and predicted["step_time_s"] > 0
    assert tab.result["model"] == "tiny" and tab.result["layers"] == 2
    assert tab.result["recompute"] == "full"  # the plan's own way of training
    table = tab.table.rows
    assert table.text(0, 0) == "Step time" and table.text(0, 1) and table.text(0, 2)
    tab.keep_row.click()
    assert own.path().is_file()
    assert "Validate" in tab.notes.text()
