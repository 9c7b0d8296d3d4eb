"""A measured profile is chosen for the estimates, seen in what they rest on, and taken back."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from gui.jobs import Outcome
from planner.plan import shipped
from planner.timing import profile as profiles
from planner.timing.profile import Device, Profile, Row

A100 = Device(kind="cuda", name="NVIDIA A100-SXM4-80GB", memory_bytes=85.1e9, capability="8.0", multiprocessors=108)
CPU = Device(kind="cpu", name="A processor", memory_bytes=2**34)
WIDTHS = {"hidden": 4096, "heads": 32, "kv_heads": 32, "head_dim": 128, "ffn": 11008, "vocabulary": 32000}
TIMES_S = {"attention": (2.6e-3, 5.6e-3), "feed_forward": (4.8e-3, 9.6e-3), "layer": (7.4e-3, 15.2e-3)}


def keep(folder: Path, name: str, device: Device, dtype: str) -> Path:
    """A small profile of Llama-2-7B's layer in the user's folder."""
    rows = [
        Row(
            operation=operation, direction=direction, dtype=dtype, batch=1, sequence=4096, median_s=time_s, n=9,
            lower_quartile_s=time_s, upper_quartile_s=time_s, flops=1e12, **WIDTHS,
        )
        for operation, both in TIMES_S.items()
        for direction, time_s in zip(("forward", "backward"), both, strict=True)
    ]  # fmt: skip
    path = folder / "measured" / f"{name}.json"
    path.parent.mkdir(exist_ok=True)
    profiles.save(
        Profile(
            name=name, created="2026-05-01T00:00:00+00:00", device=device, model=shipped.model("llama-2-7b"),
            suite="quick", dtype=dtype, rows=tuple(rows),
        ),
        path,
    )  # fmt: skip
    return path


def used_line(window: object) -> str:
    return window.findChild(object, "profile.used_line").text()


def test_a_profile_is_chosen_shown_and_taken_back(window: object, qtbot: object, user_folder: Path) -> None:
    keep(user_folder, "my-a100", A100, "bf16")
    keep(user_folder, "my-cpu", CPU, "fp32")
    window.show_page("profile")
    page = window.page("profile")
    assert [page.used.itemData(i) for i in range(page.used.count())] == ["", "my-a100", "my-cpu"]
    page.used.chosen.emit("my-a100")
    assert window.document.plan.profile == "my-a100"
    qtbot.waitUntil(lambda: "In use: my-a100" in used_line(window))
    assert "fitted to the profile my-a100 of 2026-05-01" in used_line(window)
    window.actions_by_name["undo"].trigger()
    assert window.document.plan.profile == ""
    qtbot.waitUntil(lambda: page.used.currentData() == "")


def test_a_profile_that_says_nothing_about_the_plans_device_is_not_taken_and_says_why(
    window: object, user_folder: Path
) -> None:
    keep(user_folder, "my-cpu", CPU, "fp32")
    window.show_page("profile")
    page = window.page("profile")
    page.used.chosen.emit("my-cpu")
    assert window.document.plan.profile == "" and page.used.currentData() == ""
    assert "Not used: 'my-cpu' was measured on a CPU (A processor)" in used_line(window)


def test_the_profile_just_measured_is_offered_for_estimates(window: object, qtbot: object, user_folder: Path) -> None:
    window.show_page("profile")
    page = window.page("profile")
    tab = page.run_tab
    page.tabs.setCurrentWidget(tab)
    assert not tab.use_new.isVisible()
    path = keep(user_folder, "new-a100", A100, "bf16")
    tab._end(Outcome("done", "", result={"event": "finished", "out": str(path)}))
    window.estimator.ask_again()
    qtbot.waitUntil(tab.use_new.isVisible)
    tab.use_new.click()
    assert window.document.plan.profile == "new-a100"
    qtbot.waitUntil(lambda: not tab.use_new.isEnabled())
    assert "In use: new-a100" in used_line(window)


def test_without_torch_the_page_names_what_is_missing_and_still_offers_profiles(
    window: object, user_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep(user_folder, "my-a100", A100, "bf16")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "torch" else find(name, *more))
    window.show_page("profile")
    page = window.page("profile")
    assert not page.plan_tab.start.isEnabled() and not page.verify_tab.start.isEnabled()
    assert "pip install torch==2.13.0" in window.findChild(object, "profile.why").text()
    assert page.used.count() == 2
    for tab in (page.charts_tab, page.history_tab, page.compare_tab):
        page.tabs.setCurrentWidget(tab)
    assert page.history_tab.entry.name == "my-a100" and page.charts_tab.profile.currentData() == "my-a100"
