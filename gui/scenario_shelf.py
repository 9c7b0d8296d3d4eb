"""The scenarios that the user keeps, and the file that keeps them between starts. No Qt."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, replace
from typing import Any

from planner.errors import TrainplanError
from planner.library import read_json, user_folder
from planner.plan import file
from planner.plan.plan import Plan
from planner.writing import write_atomically

MOST = 4


@dataclass(frozen=True)
class Kept:
    """A named plan."""

    name: str
    plan: Plan


class Shelf:
    """Up to four scenarios in order; the first is what the others are held against. Each change is written at once."""

    def __init__(self) -> None:
        self.kept: list[Kept] = _read()

    @property
    def is_full(self) -> bool:
        """No other one finds room."""
        return len(self.kept) >= MOST

    def add(self, plan: Plan, name: str = "") -> None:
        """Put a plan behind the others, under a name that none of them has."""
        names = {one.name for one in self.kept}
        wanted = name or plan.name
        number = next(i for i in range(1, MOST + 2) if (wanted if i == 1 else f"{wanted} {i}") not in names)
        self.kept.append(Kept(wanted if number == 1 else f"{wanted} {number}", plan))
        self._write()

    def rename(self, number: int, name: str) -> None:
        """Call one otherwise; a blank name changes nothing."""
        if one_line := " ".join(name.split()):
            self.kept[number] = replace(self.kept[number], name=one_line)
            self._write()

    def remove(self, number: int) -> None:
        """Take one away."""
        del self.kept[number]
        self._write()

    def put_first(self, number: int) -> None:
        """Hold the others against this one."""
        self.kept.insert(0, self.kept.pop(number))
        self._write()

    def _write(self) -> None:
        """A full disk must not stop the work."""
        told = [{"name": one.name, "plan": json.loads(file.to_text(one.plan))} for one in self.kept]
        with contextlib.suppress(OSError, TrainplanError):
            _path().parent.mkdir(parents=True, exist_ok=True)
            write_atomically(_path(), json.dumps({"scenarios": told}, ensure_ascii=False))


def _path() -> Any:
    return user_folder() / "scenarios.json"


def _read() -> list[Kept]:
    """What was kept; a scenario that cannot be read is left out, and the file stays until the next change."""
    found: list[Kept] = []
    with contextlib.suppress(TrainplanError, TypeError, AttributeError):
        for told in read_json(_path()).get("scenarios", []) if _path().is_file() else []:
            with contextlib.suppress(TrainplanError, KeyError, TypeError):
                found.append(Kept(str(told["name"]), file.from_data(told["plan"], "scenario")))
    return found[:MOST]
