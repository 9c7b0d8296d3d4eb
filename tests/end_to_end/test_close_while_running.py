"""The window is closed while a job runs: it asks once, stays on No, and on Yes ends the job's process."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from PySide6.QtWidgets import QMessageBox

Answer = QMessageBox.StandardButton


class Asked:
    """Answers questions in turn, and keeps their words."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *answers: Answer) -> None:
        self.words: list[str] = []
        self._answers = list(answers)
        monkeypatch.setattr(QMessageBox, "exec", lambda box: self._answer(box))

    def _answer(self, box: QMessageBox) -> Answer:
        self.words.append(f"{box.text()} {box.informativeText()}")
        return self._answers.pop(0)


@pytest.fixture
def worker(window: object, qtbot: object, tmp_path: Path) -> int:
    """A report is being drawn by a process of its own: its number."""
    assert window.files.export(tmp_path / "report.pdf")
    qtbot.waitUntil(lambda: window.job is not None and window.job.pid > 0)
    return window.job.pid


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_closing_asks_once_and_ends_the_worker(
    window: object, worker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Asked(monkeypatch, Answer.No, Answer.Yes)
    assert not window.close() and window.isVisible() and is_alive(worker)
    assert asked.words == ["Close this window? The report that is running is stopped."]
    assert window.close() and len(asked.words) == 2
    assert not is_alive(worker)
    assert not (tmp_path / "report.pdf").exists(), "no half-written file"


def test_unsaved_edits_and_a_running_job_are_one_question(
    window: object, worker: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.document.try_set("recipe.tokens", "1.4T")
    asked = Asked(monkeypatch, Answer.Cancel, Answer.Discard)
    assert not window.close() and is_alive(worker)
    assert window.close() and not is_alive(worker)
    (first, second) = asked.words
    assert first == second and "Save the changes to llama-2-7b?" in first and "report that is running" in first


def test_what_the_app_began_by_itself_is_ended_without_a_question(window: object, qtbot: object) -> None:
    window.show_page("validate")
    qtbot.waitUntil(lambda: window.job is not None and window.job.pid > 0)
    pid = window.job.pid
    assert window.close()
    assert not is_alive(pid)
