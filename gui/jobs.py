"""Long work: the program's own command line in a process of its own, told by JSON lines.

A crash, a segmentation fault or a lack of memory in the work then costs one run, not the app.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PySide6.QtCore import QObject, QProcess, QProcessEnvironment, QTimer, Signal

MAIN = Path(__file__).resolve().parent.parent / "main.py"
PROGRAM = [sys.executable] if hasattr(sys, "frozen") else [sys.executable, str(MAIN)]
"""This program: the bundled executable itself, else this Python with `main.py`."""
KILL_AFTER_MS = 3000
ROWS_BEFORE_ETA = 3
_SIGNALS = {
    4: "an illegal instruction", 6: "an abort", 7: "a bus error", 8: "an arithmetic error",
    9: "a kill, most likely for lack of memory", 11: "a segmentation fault", 15: "a termination from outside",
}  # fmt: skip
_LOG_KEPT = 20_000


@dataclass(frozen=True)
class Outcome:
    """How a job ended, in one sentence."""

    status: Literal["done", "cancelled", "failed", "crashed"]
    message: str
    result: dict[str, Any]


class Job(QObject):
    """One run of `main.py …`. Signals come in the order of the lines; `ended` comes once and last."""

    started = Signal()
    phase = Signal(str)
    progress = Signal(float)
    row = Signal(object)
    event = Signal(object)
    """Dicts as they were read: as `dict` Qt would copy them, a tenth of a second for the answer of a search."""
    ended = Signal(object)

    def __init__(
        self, arguments: list[str], command: list[str] | None = None, parent: QObject | None = None, *,
        rows_before_eta: int = ROWS_BEFORE_ETA,
    ) -> None:  # fmt: skip
        super().__init__(parent)
        self._rows_before_eta = rows_before_eta
        self._command = [*(command or PROGRAM), *arguments]
        self._process = QProcess(self)
        environment = QProcessEnvironment.systemEnvironment()
        environment.insert("PYTHONUNBUFFERED", "1")
        environment.remove("QT_QPA_PLATFORM")
        self._process.setProcessEnvironment(environment)
        self._process.readyReadStandardOutput.connect(self._read_lines)
        self._process.readyReadStandardError.connect(self._read_log)
        self._process.finished.connect(self._finished)
        self._process.errorOccurred.connect(self._not_started)
        self._kill = QTimer(self, singleShot=True, interval=KILL_AFTER_MS)
        self._kill.timeout.connect(self._process.kill)
        self._rest, self.log, self.result = b"", "", {}
        self.was_cancelled = self.has_ended = self.was_started = False
        self.share: float | None = None
        self.rows = 0
        self.doing = ""
        self._told_left_s: float | None = None

    def start(self) -> None:
        """Begin; returns at once."""
        self.was_started = True
        self.started.emit()
        self._process.start(self._command[0], self._command[1:])

    @property
    def is_running(self) -> bool:
        """It has begun and not ended."""
        return self._process.state() != QProcess.ProcessState.NotRunning

    @property
    def pid(self) -> int:
        """The process's number, 0 when there is none."""
        return int(self._process.processId())

    @property
    def left_s(self) -> float | None:
        """Seconds left as the process tells them, once the first rows are in."""
        return self._told_left_s if self.rows >= self._rows_before_eta else None

    def cancel(self) -> None:
        """Ask the process to stop, and kill it if it has not after three seconds. One that has not begun never will."""
        if not self.was_started and not self.has_ended:
            self.was_cancelled = True
            self._end(Outcome("cancelled", "cancelled before it began", {}))
        elif self.is_running and not self.was_cancelled:
            self.was_cancelled = True
            self._process.terminate()
            self._kill.start()

    def stop_now(self) -> None:
        """End the process and wait for it: the window is closing."""
        if self.is_running:
            self.was_cancelled = True
            self._process.terminate()
            if not self._process.waitForFinished(500):
                self._process.kill()
                self._process.waitForFinished(KILL_AFTER_MS)  # it dies at once, but a busy machine may tell late

    def _read_lines(self) -> None:
        *lines, self._rest = (self._rest + self._process.readAllStandardOutput().data()).split(b"\n")
        for line in lines:
            try:
                told = json.loads(line)
            except ValueError:
                self.log += line.decode("utf-8", "replace") + "\n"
                continue
            if isinstance(told, dict):
                self._take(told)

    def _take(self, told: dict[str, Any]) -> None:
        kind = told.get("event")
        if kind == "progress":
            self.share = _number(told.get("fraction"))
            self._told_left_s = _number(told.get("remaining_s"))
            self.doing = str(told.get("doing") or "")
            self.phase.emit(self.doing)
            self.progress.emit(self.share or 0.0)
        elif kind == "row" and isinstance(told.get("row"), dict):
            self.rows += 1
            self.row.emit(told["row"])
        elif kind in ("finished", "failed"):
            self.result = told
        self.event.emit(told)

    def _read_log(self) -> None:
        self.log = (self.log + self._process.readAllStandardError().data().decode("utf-8", "replace"))[-_LOG_KEPT:]

    def _not_started(self, error: QProcess.ProcessError) -> None:
        if error == QProcess.ProcessError.FailedToStart:
            self._end(Outcome("failed", f"could not be started: {self._process.errorString()}", {}))

    def _finished(self, code: int, status: QProcess.ExitStatus) -> None:
        self._kill.stop()
        self._read_lines()
        self._read_log()
        self._end(self._outcome(code, status))

    def _outcome(self, code: int, status: QProcess.ExitStatus) -> Outcome:
        last = next((line for line in reversed(self.log.splitlines()) if line.strip()), "")
        if self.was_cancelled:
            return Outcome("cancelled", "cancelled; the rows measured so far are kept on screen", self.result)
        if status == QProcess.ExitStatus.CrashExit:
            cause = _SIGNALS.get(code, f"signal {code}")
            return Outcome(
                "crashed", f"the process was ended by {cause}; the app is unharmed, try a smaller run", self.result
            )
        if code == 0:
            return Outcome("done", "done", self.result)
        if code == 130:
            return Outcome("cancelled", "cancelled", self.result)
        reason = str(self.result.get("message") or last or f"it ended with code {code}")
        if "out of memory" in self.log.lower():
            reason = f"out of memory: {reason}"
        return Outcome("failed", reason, self.result)

    def _end(self, outcome: Outcome) -> None:
        if not self.has_ended:
            self.has_ended = True
            self.ended.emit(outcome)


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
