"""The partial file beside a profile being measured: one JSON line a row, on the disk before the next row begins.

A run that is killed leaves it behind; the next run into the same file takes its rows over, and `recover` turns it into
a profile marked incomplete.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import IO, Any, Generic, TypeVar

from pydantic import BaseModel

from planner import library
from planner.errors import InputError
from planner.profiling.pooling import folded
from planner.timing.profile import Profile, Row, from_data, summarize
from planner.writing import write_atomically

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None


SUFFIX = ".partial.jsonl"
RowType = TypeVar("RowType", bound=BaseModel)


def identity(head: dict[str, Any]) -> str:
    """What must agree for rows to stand in one profile: device, software, model and dtype."""
    kept = {key: head.get(key) for key in ("format", "version", "device", "software", "model", "dtype")}
    return json.dumps(kept, sort_keys=True)


def partial_path(out: Path) -> Path:
    """Where the rows are kept until the profile `out` is whole."""
    return out.with_name(f"{out.name}{SUFFIX}")


class Journal(Generic[RowType]):
    """An append-only partial file of visits, in order. `rows` are those that an earlier, killed run left."""

    def __init__(
        self,
        path: Path,
        head: dict[str, Any],
        kind: type[RowType],
        same: Callable[[dict[str, Any]], str] = identity,
    ) -> None:
        """head: what is measured, without its rows, which are of a `kind`; rows are taken over under the `same` head.

        Raises `InputError` when the place cannot be written, or another run is writing there.
        """
        self.path = path
        self.rows: list[RowType] = []
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if is_in_use(path):
                raise InputError(f"{path}: another run is writing it; wait for it, or choose another --out")
            old_head, old_rows = _read(path, kind)
            if old_head is not None and same(old_head) == same(head):
                self.rows = old_rows
            elif path.exists():  # another device's or model's: not ours to lose
                path.replace(path.with_name(f"{path.name}.old"))
            rows = [row.model_dump(mode="json", exclude_defaults=True) for row in self.rows]
            write_atomically(path, "".join(_line(data) for data in (head, *rows)))
            self._file = path.open("a", encoding="utf-8")
            _lock(self._file)
        except OSError as error:
            raise InputError(
                f"{path.parent}: cannot be written ({error.strerror or error}); choose another --out"
            ) from None

    def add(self, row: RowType) -> None:
        """Make a row durable. Raises `InputError` when the disk refuses."""
        try:
            self._file.write(_line(row.model_dump(mode="json", exclude_defaults=True)))
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise InputError(
                f"{self.path}: cannot be written ({error.strerror or error}); choose another --out"
            ) from None

    def close(self, *, remove: bool) -> None:
        """End it; `remove` once its rows are in the profile file."""
        with contextlib.suppress(OSError):
            self._file.close()
            if remove:
                self.path.unlink(missing_ok=True)


def recover(path: Path) -> Profile:
    """The profile, marked incomplete, in a killed run's partial file, with the rows of the one that it was refining.

    Raises `InputError` when it holds none.
    """
    try:
        head, visits = _read(path, Row)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    if head is None:
        raise InputError(f"{path}: not a partial profile")
    before = like(path.with_name(path.name.removesuffix(SUFFIX)), head)
    rows = folded([*(before.rows if before else ()), *visits])
    changes = {"rows": rows, "summary": summarize(rows), "complete": False, "incomplete_because": "interrupted"}
    return (before or from_data(head, str(path))).model_copy(update=changes)


def like(out: Path, head: dict[str, Any]) -> Profile | None:
    """The profile in a file, if its rows may stand beside those of a run with this head."""
    data = content(out)
    return from_data(data, str(out)) if identity(data) == identity(head) else None


def content(path: Path) -> dict[str, Any]:
    """A profile file's content; nothing where there is no such file, or it holds something else."""
    try:
        return library.read_json(path)
    except InputError:
        return {}


def _read(path: Path, kind: type[RowType]) -> tuple[dict[str, Any] | None, list[RowType]]:
    """Head and whole rows; a line torn by the kill is left out."""
    if not path.exists():
        return None, []
    head: dict[str, Any] | None = None
    rows = []
    for line in path.read_text("utf-8", "replace").splitlines():
        try:
            data = json.loads(line)
            if head is None:
                head = data if isinstance(data, dict) else {}
            else:
                rows.append(kind.model_validate(data))
        except (ValueError, RecursionError):  # a validation error is a `ValueError`
            continue
    return head or None, rows


def _line(data: dict[str, Any]) -> str:
    return json.dumps(data, ensure_ascii=False) + "\n"


def head_of(path: Path) -> dict[str, Any]:
    """The first line of a partial file; empty where there is none."""
    head, _ = _read(path, Row)
    return head or {}


def is_in_use(path: Path) -> bool:
    """Whether a run that is still alive is writing here (told on POSIX alone)."""
    if fcntl is None or not path.exists():
        return False
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _lock(file: IO[str]) -> None:
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
