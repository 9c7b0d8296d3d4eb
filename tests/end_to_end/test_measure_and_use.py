"""One layer of GPT-2 is measured on the processor within a few seconds and used by the plan's estimates."""

from __future__ import annotations

import pytest

from planner.plan import file

ON_THIS_COMPUTER = {"cluster.accelerator": "CPU", "cluster.nodes": 1, "cluster.gpus_per_node": 1,
                    "recipe.precision": "fp32"}  # fmt: skip


def test_a_small_profile_is_measured_shown_and_used(open_window: object, qtbot: object) -> None:
    pytest.importorskip("torch")
    window = open_window(file.load("gpt2"))
    window.document.apply(ON_THIS_COMPUTER, "this computer")
    window.show_page("profile")
    page = window.page("profile")
    page.plan_tab.device.show_value("cpu")
    page.plan_tab.budget.setText("3s")
    page.plan_tab.memory_limit.setText("400MB")
    lefts = []
    window.run_profile()
    window.job.progress.connect(lambda share, job=window.job: lefts.append((job.rows, job.left_s)))
    qtbot.waitUntil(lambda: window.job is None, timeout=200_000)

    tab = page.run_tab
    assert tab.status.text().startswith("✓"), tab.status.text()
    assert window.strip.text.text() == "Profile done"
    assert any(row.operation == "layer" for row in tab.rows)
    assert all(left is None for rows, left in lefts if rows < 3)
    shown = [tab.table.rows.text(line, 0) for line in range(tab.table.rows.rowCount())]
    assert "Layer" in shown and len(shown) < len(tab.rows), "forward and backward share a line"
    assert tab.table.as_tsv().startswith("Operation\tShape\tForward\tBackward\tRate")
    assert "layer" in tab.chart.toolTip() or not tab.chart.isVisible()

    name = tab.measured_name
    assert (window.document.plan.profile, page.history_tab.entry.name) == ("", name)
    tab.use_new.click()
    assert window.document.plan.profile == name
    qtbot.waitUntil(lambda: f"In use: {name}" in page.used_line.text())
    assert "measured by this program" in page.kind.text()
    qtbot.waitUntil(lambda: not tab.use_new.isEnabled())
