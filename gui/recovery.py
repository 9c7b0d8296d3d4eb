"""Autosave of unsaved edits, and finding what a crashed run left behind.

Each window keeps one file in the user's `recovery` folder and holds a lock beside it; a file whose lock can be taken
belongs to a run that is no more.
"""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from PySide6.QtCore import QLockFile, QObject, QTimer, Signal

from gui.bars import NoticeBar
from gui.document import Document
from planner.errors import TrainplanError
from planner.library import read_json, user_folder, why_not_kept
from planner.plan import file
from planner.plan.plan import Plan
from planner.writing import write_atomically

EVERY_MS = 3000
NOT_KEPT = "Unsaved changes cannot be kept aside for the case of a crash"


@dataclass(frozen=True)
class Leftover:
    """Unsaved edits of a run that ended without a goodbye."""

    plan: Plan
    path: Path | None
    saved_at: str
    file: Path


class Autosave(QObject):
    """Writes the document's plan aside while it has unsaved edits."""

    failed = Signal(str)
    """They cannot be kept, told once until they can be again."""

    def __init__(self, document: Document) -> None:
        super().__init__(document)
        self._document = document
        self._written: Plan | None = None
        self._has_failed = bool(why_not_kept())  # which `offer` tells when the window opens
        folder = _folder()
        self._file = folder / f"{uuid.uuid4().hex}.json"
        self._lock: QLockFile | None = None
        self._timer = QTimer(self, singleShot=True, interval=EVERY_MS)
        self._timer.timeout.connect(self.write_now)
        document.changed.connect(self._wait)
        document.dirty_changed.connect(self._wait)

    def _wait(self) -> None:
        if not self._timer.isActive():
            self._timer.start()

    def write_now(self) -> None:
        """Write unsaved edits, or remove the file when there are none. A full disk must not stop the work."""
        if not self._document.is_dirty:
            self.remove()
        elif self._document.plan is not self._written:
            try:
                self._write()
                self._has_failed = False
            except (OSError, TrainplanError) as error:
                if not self._has_failed:
                    self._has_failed = True
                    self.failed.emit(f"{NOT_KEPT}: {getattr(error, 'strerror', None) or error}. Save the plan instead")

    def _write(self) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        if self._lock is None:
            self._lock = _lock_of(self._file)
            self._lock.tryLock(0)
        document = self._document
        told = {
            "path": str(document.path) if document.path else None,
            "saved_at": datetime.now().strftime("%Y-%m-%d %H:%M"),
            "plan": json.loads(file.to_text(document.plan)),
        }
        write_atomically(self._file, json.dumps(told, ensure_ascii=False))
        self._written = document.plan

    def remove(self) -> None:
        """Nothing is unsaved any more."""
        self._written = None
        with contextlib.suppress(OSError):
            self._file.unlink(missing_ok=True)

    def close(self) -> None:
        """The window closes in good order."""
        self._timer.stop()
        self.remove()
        if self._lock is not None:
            self._lock.unlock()
            self._lock = None


def leftovers() -> list[Leftover]:
    """What crashed runs left, newest first. Files that cannot be read are left where they are."""
    found = []
    folder = _folder()
    paths = (
        sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True) if folder.is_dir() else []
    )
    for path in paths:
        lock = _lock_of(path)
        if not lock.tryLock(0):
            continue
        lock.unlock()
        with contextlib.suppress(TrainplanError, KeyError, TypeError):
            told = read_json(path)
            place = told.get("path")
            found.append(
                Leftover(
                    file.from_data(told["plan"], str(path)),
                    Path(place) if place else None,
                    str(told.get("saved_at")),
                    path,
                )
            )
    return found


def offer(bar: NoticeBar, recover: Callable[[Leftover], bool]) -> None:
    """Where a crashed run left edits, ask in a bar what to do with them; where this one could leave none, say so.
    `recover` takes them, or says no."""
    found = leftovers()
    if not found:
        if why := why_not_kept():
            bar.say(f"Settings and scenarios are not kept, and a crash would lose unsaved changes: {why}.")
        return
    newest = found[0]
    name = newest.path.name if newest.path else newest.plan.name
    bar.say(
        f"Trainplan ended unexpectedly. Unsaved changes to {name} from {newest.saved_at} are kept.",
        "information",
        {
            "Recover": lambda: recover(newest) and discard(newest),
            "Discard": lambda: [discard(leftover) for leftover in found],
        },
    )


def discard(leftover: Leftover) -> None:
    """Delete what a crashed run left."""
    with contextlib.suppress(OSError):
        leftover.file.unlink(missing_ok=True)


def _folder() -> Path:
    return user_folder() / "recovery"


def _lock_of(path: Path) -> QLockFile:
    lock = QLockFile(str(path.with_suffix(".lock")))
    lock.setStaleLockTime(0)
    return lock
