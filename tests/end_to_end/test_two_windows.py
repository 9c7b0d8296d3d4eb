"""Two windows beside each other: each has its own plan, its own history, and signs of what was run in it."""

from __future__ import annotations

from collections.abc import Callable

from gui.sidebar import SIGN

PATIENCE_MS = 60_000


def sign(window: object, page: str) -> str:
    return window.sidebar._items[page].data(SIGN)


def test_what_is_done_in_one_leaves_the_other_as_it_was(open_window: Callable[..., object], qtbot: object) -> None:
    first, second = open_window(), open_window(whole=True)
    first.show_page("search")
    qtbot.waitUntil(lambda: sign(first, "search") == "✓" and first.job is None, timeout=PATIENCE_MS)
    first.document.try_set("cluster.nodes", "64")
    second.estimator.update_now()
    assert sign(second, "search") == "–"
    assert second.document.plan.cluster.nodes == 32 and not second.isWindowModified()
    assert second.document.stack.count() == 0 and first.document.stack.count() == 1


def test_jobs_of_two_windows_run_one_after_the_other(open_window: Callable[..., object], qtbot: object) -> None:
    first, second = open_window(), open_window()
    ended: list[str] = []
    for window, name in ((first, "first"), (second, "second")):
        window.jobs.ended.connect(lambda order, outcome, name=name: ended.append(f"{name} {outcome.status}"))
        window.start_job(["validate", "--events"], "validate")
    assert first.job.was_started and not second.job.was_started
    assert second.jobs.waits_for == first.jobs.running.name
    first.cancel_job()
    qtbot.waitUntil(lambda: second.job is None or second.job.was_started, timeout=PATIENCE_MS)
    second.cancel_job()
    qtbot.waitUntil(lambda: len(ended) == 2, timeout=PATIENCE_MS)
    assert ended[0] == "first cancelled" and ended[1].startswith("second ")
