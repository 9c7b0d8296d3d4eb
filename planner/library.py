"""Reads what is shipped in `profiles/` and what the user keeps in the folder of the same form.

One file a thing: `profiles/<kind>/<name>.json`. The user's file of a name wins over the shipped one. Nothing is read
until it is asked for.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, lru_cache, wraps
from pathlib import Path
from typing import Any, TypeVar

from planner.errors import InputError, UnknownNameError, shorten

SHIPPED = Path(__file__).resolve().parent.parent / "profiles"
LARGEST_FILE = 64 * 2**20
"""Bytes of the largest file that is read whole, unless its reader says otherwise."""

Made = TypeVar("Made")


def user_folder() -> Path:
    """Where the user's own files live: `$TRAINPLAN_HOME`, else the platform's data folder. One that is not there for a
    user who has no home, as in a container that runs under a number, or who may not look into it (`why_not_read`)."""
    folder = _asked_folder()
    return NOWHERE if folder is None or _is_closed(folder) else folder


NOWHERE = Path(os.devnull) / "trainplan"
"""A folder that is not there, and that nobody can make."""


def _asked_folder() -> Path | None:
    if home := os.environ.get("TRAINPLAN_HOME"):
        return Path(home)
    import platformdirs

    try:
        return Path(platformdirs.user_data_dir("trainplan", appauthor=False))
    except RuntimeError:
        return None


def _is_closed(folder: Path) -> bool:
    try:
        os.stat(f"{folder}/.")  # noqa: PTH116 - whether one may look into it: a path drops the point
    except PermissionError:
        return True
    except (OSError, ValueError):
        pass
    return False


def why_not_read() -> str:
    """Why the user's own files are not read, in a sentence; blank where they are."""
    folder = _asked_folder()
    return f"your own files in {folder} are not read: permission denied" if folder and _is_closed(folder) else ""


def why_not_kept() -> str:
    """Why nothing can be written into the user's folder, in a sentence that says what to do; blank where it can."""
    folder = _asked_folder()
    if folder is None:
        return "there is no home folder; set HOME, or TRAINPLAN_HOME to a folder, and start again"
    there = next((one for one in (folder, *folder.parents) if os.path.lexists(one)), folder)
    if os.access(f"{there}/", os.W_OK | os.X_OK):  # the stroke: a folder, not a file
        return ""
    return f"{there} cannot be written; mend that, or set TRAINPLAN_HOME to a folder that can, and start again"


def slug(name: str) -> str:
    """A name as its file is called: `RTX 4090` → `rtx-4090`."""
    return re.sub(r"[^a-z0-9.]+", "-", name.casefold()).strip("-.")


def paths(kind: str) -> dict[str, Path]:
    """Files of a kind by slug, the user's over the shipped, in alphabetical order."""
    found: dict[str, Path] = {}
    for root in (SHIPPED, user_folder()):
        folder = root / kind
        if folder.is_dir():
            found |= {slug(path.stem): path for path in folder.glob("*.json")}
    return dict(sorted(found.items()))


def read(kind: str, name: str) -> dict[str, Any]:
    """The JSON object of one thing. Raises `UnknownNameError` with the nearest known names, or `InputError`."""
    return read_json(_path(kind, name))


def by_name(kind: str) -> Callable[[Callable[[str, dict[str, Any]], Made]], Callable[[str], Made]]:
    """Turn `make(name, data)` into `get(name)`: made of the file of that name, and again only when the file changes."""

    def decorate(make: Callable[[str, dict[str, Any]], Made]) -> Callable[[str], Made]:
        @lru_cache(maxsize=512)
        def made(name: str, path: Path, version: tuple[int, int]) -> Made:
            with naming(path):
                return make(name, read_json(path))

        @wraps(make)
        def get(name: str) -> Made:
            path = _path(kind, name)
            return made(name, path, stamp(path))

        return get

    return decorate


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Each mistake in a file, told with the file's name before it."""
    try:
        yield
    except InputError as error:
        lines = (line if line.startswith(str(path)) else f"{path}: {line}" for line in str(error).splitlines())
        raise InputError("\n".join(lines)) from None


def _path(kind: str, name: str) -> Path:
    """The file of a name, the user's before the shipped one: the file is called so, or says so inside. Folders are not
    listed where it lies under its slug."""
    stem = slug(name) if len(name) <= 200 else ""
    for folder in (user_folder() / kind, SHIPPED / kind) if stem else ():
        path = folder / f"{stem}.json"
        if path.is_file():
            return path
        others = sorted(folder.glob("*.json"))
        called = [other for other in others if slug(other.stem) == stem]
        if found := called or [other for other in others if slug(_called(other)) == stem]:
            return found[-1]
    raise UnknownNameError(_SINGULAR.get(kind, kind), name, names(kind))


def stamp(path: Path) -> tuple[int, int]:
    """When a file was last written, in ns, and its size in bytes: another stamp, another content.

    Raises `InputError` where there is none.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from None
    return state.st_mtime_ns, state.st_size


def read_bytes(path: Path, largest: int = LARGEST_FILE) -> bytes:
    """The content of a file, of so many bytes at most.

    Raises `InputError` that names the path. A device or a pipe is refused before it is opened: it may have no end, or
    none that comes.
    """
    try:
        state = path.stat()
        if not stat.S_ISREG(state.st_mode) and not stat.S_ISDIR(state.st_mode):
            raise InputError(f"{path}: is a device or a pipe; save what it gives as a file first")
        with path.open("rb") as stream:
            content = stream.read(largest + 1) if state.st_size <= largest else None
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from None
    if content is None or len(content) > largest:
        size = f"{largest // 2**20} MiB" if largest >= 2**20 else f"{largest // 2**10} KiB"
        raise InputError(f"{path}: larger than {size}, which no file of this kind is")
    return content


def read_text(path: Path, largest: int = LARGEST_FILE) -> str:
    """A text file's content in UTF-8, with or without its mark. Raises `InputError` as `read_bytes` does."""
    try:
        return read_bytes(path, largest).decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file in UTF-8") from None


def read_json(path: Path, watch: Callable[[], None] | None = None) -> dict[str, Any]:
    """A JSON object from a file, or an `InputError` that names the file and says what is wrong with it. `watch` is
    called whenever an object inside it has been read: what it raises ends the reading of a large file."""

    def seen(found: dict[str, Any]) -> dict[str, Any]:
        assert watch
        watch()
        return found

    try:
        data = json.loads(read_bytes(path).decode("utf-8"), object_hook=seen if watch else None)
    except RecursionError:
        raise InputError(f"{path}: nested too deeply to be a file of this kind") from None
    except ValueError as error:
        why = "a number of thousands of digits" if "int_max_str_digits" in str(error) else error
        raise InputError(f"{path}: not a whole JSON file ({why})") from None
    if not isinstance(data, dict):
        held = {list: "a list", str: "a text", int: "a number", float: "a number"}.get(type(data), shorten(data))
        raise InputError(f"{path}: holds {held} where an object {{…}} is needed")
    return data


def names(kind: str) -> list[str]:
    """Display names of a kind: the `name` inside each file."""
    return [_called(path) for path in paths(kind).values()]


def _called(path: Path) -> str:
    """What a file says that it is called; of one that cannot be read its own name, by which one is told why."""
    try:
        return _display_name(path, stamp(path))
    except (InputError, OSError):
        return path.stem


@lru_cache(maxsize=4096)
def _display_name(path: Path, version: tuple[int, int]) -> str:
    with path.open("rb") as stream:
        head = stream.read(800).decode("utf-8", "replace")[:400]
    match = re.search(r'"name":\s*("(?:[^"\\]|\\.)*")', head)
    try:
        return str(json.loads(match[1])) if match else path.stem
    except ValueError:
        return path.stem


@cache
def table(name: str) -> list[dict[str, Any]]:
    """A shipped table: `profiles/<name>.json`, an object with `rows`."""
    rows: list[dict[str, Any]] = read_json(SHIPPED / f"{name}.json")["rows"]
    return rows


def pue(region: str) -> dict[str, Any] | None:
    """The row (`pue`, `source`, `as_of`) of the provider that a region names (`aws us-east-1`); None for others."""
    provider = region.partition(" ")[0]
    return next((row for row in table("pues") if row["provider"] == provider), None)


def grid(region: str) -> dict[str, Any]:
    """A grid's row (`region`, `kg_per_kwh`, `source`, `as_of`)."""
    rows = {row["region"]: row for row in table("grids")}
    if region not in rows:
        raise UnknownNameError("grid region", region, rows)
    return rows[region]


_SINGULAR = {
    "accelerators": "accelerator", "fabrics": "fabric", "models": "model", "plans": "plan", "laws": "law",
    "frameworks": "software", "devices": "device constants", "measured": "measured profile",
    "post_training": "post-training",
}  # fmt: skip
