"""Measured profiles as this process has read them: digests, fits, and what is shown of them, each worked out once.

Reading a large profile and fitting a device to it take seconds. A program that must go on answering says with
`read_elsewhere` who is to be told of what is wanted; until that is handed in (`adopt`), asking raises `NotReadError`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner import library
from planner.errors import InputError, NotReadError
from planner.plan.cluster import Accelerator

if TYPE_CHECKING:
    from planner.timing.digest import Digest
    from planner.timing.measured import Fit
    from planner.timing.peak_share import Answer, Axis
    from planner.timing.profile import Profile
    from planner.timing.profile_comparison import ProfileComparison

LIGHT_BYTES = 48 * 2**10
"""A file up to this size, some 80 rows, is read in milliseconds and fitted in a fifth of a second."""
_MOST = 128
"""Answers that are kept, the latest ones."""


@dataclass(frozen=True)
class File:
    """One version of a profile's file."""

    path: Path
    stamp: tuple[int, int]

    @classmethod
    def of(cls, path: Path) -> File:
        """As it is now. Raises `InputError` where there is none."""
        return cls(path, library.stamp(path))

    @property
    def is_light(self) -> bool:
        """It may be read while somebody waits."""
        return self.stamp[1] <= LIGHT_BYTES

    def told(self) -> dict[str, Any]:
        """What it says before its rows, with them where they are few. Raises `InputError`."""
        from planner.timing.digest import head

        return library.read_json(self.path) if self.is_light else head(self.path)


def has_light() -> bool:
    """There is a profile that is fitted where it is asked for."""
    return any(path.stat().st_size <= LIGHT_BYTES for path in library.paths("measured").values() if path.is_file())


@lru_cache(maxsize=2)
def whole(file: File) -> Profile:
    """A profile with all its rows; the last two are kept. Raises `InputError`."""
    from planner.timing import profile

    return profile.load(file.path)


class Wanted(ABC):
    """Something that follows from measured profiles."""

    @property
    @abstractmethod
    def files(self) -> tuple[File, ...]:
        """What has to be read for it."""

    @abstractmethod
    def work_out(self) -> Any:
        """The answer. Raises `InputError`."""

    @property
    def name(self) -> str:
        """Its files in a few words."""
        return " and ".join(repr(one.path.stem) for one in self.files)


class _OfOne(Wanted):
    file: File

    @property
    def files(self) -> tuple[File, ...]:
        return (self.file,)


@dataclass(frozen=True)
class DigestOf(_OfOne):
    """A profile without most of its rows."""

    file: File

    def work_out(self) -> Digest:
        from planner.timing.digest import Digest

        return Digest.of(whole(self.file))


@dataclass(frozen=True)
class FitOf(_OfOne):
    """The constants of a device, fitted to its profile in one precision."""

    file: File
    accelerator: Accelerator
    precision: str

    def work_out(self) -> Fit:
        from planner.timing import measured

        return measured.fit(whole(self.file), self.accelerator, self.precision)


@dataclass(frozen=True)
class SharesOf(_OfOne):
    """The share of the peak over one axis."""

    file: File
    axis: Axis

    def work_out(self) -> Answer:
        from planner.timing import peak_share, selection

        found = whole(self.file)
        return peak_share.answer(self.axis, found, selection.data_sheet(found.device))


@dataclass(frozen=True)
class ComparisonOf(Wanted):
    """Two profiles against each other."""

    before: File
    after: File

    @property
    def files(self) -> tuple[File, ...]:
        return self.before, self.after

    def work_out(self) -> ProfileComparison:
        from planner.timing.profile_comparison import compare

        return compare(whole(self.before), whole(self.after))


_answers: OrderedDict[Any, Any] = OrderedDict()
"""By what was wanted; an error for what cannot be had."""
_ask: Callable[[Any], None] | None = None


def read_elsewhere(ask: Callable[[Any], None] | None) -> None:
    """From now on `ask` is told what is wanted of a file that is not light; None: all is read here."""
    global _ask
    _ask = ask


def answer(wanted: Wanted) -> Any:
    """What is wanted, worked out once. Raises `InputError`, or `NotReadError` where another process is asked for it."""
    if wanted not in _answers:
        if _ask is not None and not all(one.is_light for one in wanted.files):
            _ask(wanted)
            raise NotReadError(f"The measured profile {wanted.name} is being read")
        adopt(wanted, worked_out(wanted))
    _answers.move_to_end(wanted)
    found = _answers[wanted]
    if isinstance(found, InputError):
        raise found.with_traceback(None)
    return found


def worked_out(wanted: Wanted) -> Any:
    """The answer, or the `InputError` that says why there is none."""
    try:
        return wanted.work_out()
    except InputError as error:
        return error


def adopt(wanted: Wanted, found: Any) -> None:
    """Keep an answer, or the `InputError` that says why there is none."""
    _answers[wanted] = found
    while len(_answers) > _MOST:
        _answers.popitem(last=False)


def forget(wanted: Wanted) -> None:
    """Ask anew the next time."""
    _answers.pop(wanted, None)
