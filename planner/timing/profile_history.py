"""Every profile that this computer has, the user's and the shipped ones: read once, those that cannot be read named."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from planner import library
from planner.errors import InputError, NotReadError
from planner.timing import profile as profiles
from planner.timing import reading
from planner.timing.digest import Digest
from planner.timing.profile import Profile
from planner.timing.reading import DigestOf, File


@dataclass(frozen=True)
class Entry:
    """One file. `profile` is None where it cannot be read, and `problem` says why."""

    name: str
    path: Path
    profile: Profile | None
    """Of a long one some rows only (`planner.timing.digest`); none until it is read."""
    problem: str = ""
    rows: int | None = None
    """In the file; None until it is read."""

    @property
    def file(self) -> File:
        """Its file as it is now. Raises `InputError`."""
        return File.of(self.path)

    @property
    def is_shipped(self) -> bool:
        return self.path.is_relative_to(library.SHIPPED)


def entries() -> list[Entry]:
    """The newest first, those that cannot be read last."""
    found = [_entry(name, path) for name, path in library.paths("measured").items()]
    return sorted(found, key=lambda one: one.profile.created if one.profile else "", reverse=True)


def before(entry: Entry, others: list[Entry]) -> Entry | None:
    """The profile that one would compare this one with: the last one before it of the same device and model."""
    mine = entry.profile
    if mine is None:
        return None
    like = [
        one for one in others
        if one.profile and one.profile.created < mine.created and one.profile.fingerprint == mine.fingerprint
        and one.profile.model.name == mine.model.name
    ]  # fmt: skip
    return max(like, key=lambda one: one.profile.created if one.profile else "", default=None)


def _entry(name: str, path: Path) -> Entry:
    try:
        file = File.of(path)
        try:
            found: Digest = reading.answer(DigestOf(file))
        except NotReadError:
            return Entry(name, path, _without_rows(file))
        return Entry(name, path, found.content, rows=found.rows)
    except InputError as error:
        first = str(error).splitlines()[0].removeprefix(f"{path}: ")
        return Entry(name, path, None, first)


@lru_cache(maxsize=256)
def _without_rows(file: File) -> Profile:
    told = {name: part for name, part in file.told().items() if name not in ("rows", "collectives")}
    return profiles.from_data(told, str(file.path))
