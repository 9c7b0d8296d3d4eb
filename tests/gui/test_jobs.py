"""Long work in a process of its own: rows, cancel, crashes."""

from __future__ import annotations

import sys

import pytest

from gui.jobs import Job, Outcome

ROW = '{"event": "row", "row": {"operation": "attention", "direction": "forward", "median_s": 0.01}}'
PROGRESS = '{"event": "progress", "fraction": 0.5, "remaining_s": 12.0, "doing": "attention", "done": 1, "total": 2}'


def job(code: str) -> Job:
    """A job that runs some Python instead of the command line."""
    return Job([], command=[sys.executable, "-c", code])


def outcome_of(qtbot: object, made: Job, timeout: int = 10_000) -> Outcome:
    with qtbot.waitSignal(made.ended, timeout=timeout) as blocker:
        made.start()
    return blocker.args[0]


@pytest.mark.usefixtures("application")
class TestJob:
    def test_rows_and_progress_arrive(self, qtbot: object) -> None:
        made, rows, phases = job(f"print('''{ROW}\n{PROGRESS}''')"), [], []
        made.row.connect(rows.append)
        made.phase.connect(phases.append)
        assert outcome_of(qtbot, made).status == "done"
        assert rows[0]["operation"] == "attention"
        assert phases == ["attention"]
        assert made.share == 0.5

    def test_an_answer_is_handed_on_and_not_copied(self, qtbot: object) -> None:
        made, told = job("""print('{"event": "finished", "best": [1, 2, 3]}')"""), []
        made.event.connect(told.append)
        outcome = outcome_of(qtbot, made)
        assert told[0] is outcome.result and outcome.result["best"] == [1, 2, 3]

    def test_the_time_left_is_told_after_three_rows(self, qtbot: object) -> None:
        made = job(f"print('''{ROW}\n{PROGRESS}''')")
        outcome_of(qtbot, made)
        assert made.left_s is None
        made = job(f"print('''{ROW}\n{ROW}\n{ROW}\n{PROGRESS}''')")
        outcome_of(qtbot, made)
        assert made.left_s == 12.0

    def test_cancel_ends_the_process_and_is_not_called_a_crash(self, qtbot: object) -> None:
        made = job(f"import time; print('''{ROW}''', flush=True); time.sleep(600)")
        with qtbot.waitSignal(made.row, timeout=10_000):
            made.start()
        with qtbot.waitSignal(made.ended, timeout=3000) as blocker:
            made.cancel()
        assert blocker.args[0].status == "cancelled"
        assert not made.is_running

    def test_a_process_that_ignores_cancel_is_killed(self, qtbot: object) -> None:
        made = job(
            f"import signal, time; signal.signal(15, signal.SIG_IGN); print('''{ROW}''', flush=True); time.sleep(600)"
        )
        with qtbot.waitSignal(made.row, timeout=10_000):
            made.start()
        with qtbot.waitSignal(made.ended, timeout=15_000) as blocker:
            made.cancel()
        assert blocker.args[0].status == "cancelled"

    def test_a_segmentation_fault_is_named(self, qtbot: object) -> None:
        outcome = outcome_of(qtbot, job("import os; os.kill(os.getpid(), 11)"))
        assert outcome.status == "crashed"
        assert "segmentation fault" in outcome.message

    def test_a_kill_for_memory_is_named(self, qtbot: object) -> None:
        assert "memory" in outcome_of(qtbot, job("import os; os.kill(os.getpid(), 9)")).message

    def test_the_processes_own_message_is_shown(self, qtbot: object) -> None:
        line = '{"event": "failed", "message": "no GPU here", "exit_code": 3}'
        outcome = outcome_of(qtbot, job(f"print('''{line}'''); raise SystemExit(3)"))
        assert (outcome.status, outcome.message) == ("failed", "no GPU here")

    def test_a_command_that_is_not_there_fails_without_a_crash(self, qtbot: object) -> None:
        assert outcome_of(qtbot, Job([], command=["/nowhere/python"])).status == "failed"
