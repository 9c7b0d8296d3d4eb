"""What another program's file says: read key by key, so that what nobody read can be listed; and what was found."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from planner.errors import InputError, shorten

_MISSING = object()
MOST_VALUES = 100_000
"""A config holds some hundred values; more is no config, and listing them would take the memory of one."""


class Content:
    """A nested mapping whose keys are asked for by dotted path (`parallelism.tensor_parallel_degree`)."""

    def __init__(self, data: Mapping[str, Any], untold: Mapping[str, str] | None = None) -> None:
        """`untold`: why a key that the file has comes without its value."""
        self._data = data
        self._untold = untold or {}
        self._read: set[str] = set()

    def value(self, path: str, default: Any = None) -> Any:
        """What stands under a path, as it is; the default where nothing does."""
        self._read.add(path)
        inside: Any = self._data
        for key in path.split("."):
            inside = inside.get(key, _MISSING) if isinstance(inside, Mapping) else _MISSING
        return default if inside is _MISSING or inside is None else inside

    def has(self, path: str) -> bool:
        """Something stands under the path."""
        return self.value(path) is not None

    def number(self, path: str, default: int | None = None, *, least: int = 0) -> int:
        """A whole number of at least `least`. Raises `InputError` naming the path."""
        found = self.value(path, default)
        if found is None:
            raise InputError(f"{path}: {self._untold.get(path, 'is missing')}")
        whole = isinstance(found, int) or (isinstance(found, float) and found.is_integer())
        if isinstance(found, bool) or not whole or found < least:
            raise InputError(f"{path}: {shorten(found)!r} is not a whole number of {least} or more")
        return int(found)

    def flag(self, path: str, default: bool = False) -> bool:
        """True or false. Raises `InputError` naming the path."""
        found = self.value(path, default)
        if not isinstance(found, bool):
            raise InputError(f"{path}: {shorten(found)!r} is neither true nor false")
        return found

    def word(self, path: str, default: str = "") -> str:
        """A text. Raises `InputError` naming the path."""
        found = self.value(path, default)
        if not isinstance(found, str):
            raise InputError(f"{path}: {shorten(found)!r} is not a text")
        return found

    def one_of(self, path: str, known: Mapping[str, Any], default: str) -> Any:
        """What a word stands for. Raises `InputError` naming the path and the known words."""
        found = self.value(path, default)
        if not isinstance(found, str) or found not in known:
            raise InputError(f"{path}: {shorten(found)!r} is not one of {', '.join(known)}")
        return known[found]

    def known(self, *paths: str) -> None:
        """Keys that change neither sizes nor work: read, and not worth a word."""
        self._read.update(paths)

    def ignored(self) -> list[str]:
        """Paths of values that nobody asked for, nor for anything above them."""
        return [path for path in _leaves(self._data) if not self._was_read(path)]

    def _was_read(self, path: str) -> bool:
        keys = path.split(".")
        return any(".".join(keys[: depth + 1]) in self._read for depth in range(len(keys)))


def _leaves(data: Mapping[str, Any]) -> Iterator[str]:
    """Dotted paths of all values, without recursion: a file may nest deeply."""
    waiting: list[tuple[str, Any]] = [(str(key), value) for key, value in reversed(list(data.items()))]
    for _ in range(MOST_VALUES):
        if not waiting:
            return
        path, value = waiting.pop()
        if isinstance(value, Mapping) and value:
            waiting += [(f"{path}.{key}", inner) for key, inner in reversed(list(value.items()))]
        else:
            yield path
    raise InputError(f"more than {MOST_VALUES:,} values: not a training config")


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a file says of a plan, in the plan's own terms. A section holds only the fields that the format knows."""

    layout: Mapping[str, Any]
    recipe: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] | str | None = None
    """Fields of a model (its vocabulary may be the tokenizer's to say), the name of a shipped one, or None where the
    file does not say."""
    replica_batch: int | None = None
    """Sequences of one data-parallel rank in a step, where the batch follows from the ranks of the launch."""
    steps: int | None = None
    """Optimizer steps of the whole run; with the batch it gives the tokens."""
    unsaid: Sequence[str] = ()
    """Fields of a layout that the format has no word for: the engine's script decides them."""
    gpus: int | None = None
    """GPUs of the whole run where the file says them outright; else they follow from a layout with its `dp`."""
    gpus_per_node: int | None = None
    ignored: Sequence[str] = ()
    notes: Sequence[str] = ()
    """What the format says that a plan does not, one sentence each."""


@dataclass(frozen=True)
class Written:
    """A launch file, what goes beside it, and what of the plan it could not say."""

    text: str
    beside: Mapping[str, str] = field(default_factory=dict)
    """Further files by name; they belong into the same folder."""
    notes: Sequence[str] = ()
