"""Which file a run writes, and what there already belongs to it.

A run without `--out` goes on where one like it was killed, and a full suite in the last file of its like. Rows of
another device, of other software or another model never stand in one file.
"""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path
from typing import Any

from planner import library
from planner.errors import InputError
from planner.profiling import journal


def place(model: str, device: str, suite: str, head: dict[str, Any]) -> Path:
    """The file of a run without `--out`, in the user's profile folder. head: the profile's content without rows.
    Raises `InputError` where there can be none."""
    if why := library.why_not_kept():
        raise InputError(f"--out: name a file for the profile ({why})")
    folder = library.user_folder() / "measured"
    stem = f"{library.slug(model)[:60]}-{library.slug(device)[:60]}"
    for path in sorted(folder.glob(f"{stem}-*"), reverse=True):
        if path.name.endswith(journal.SUFFIX) and not journal.is_in_use(path):
            found, out = journal.head_of(path), path.with_name(path.name.removesuffix(journal.SUFFIX))
        elif path.suffix == ".json" and suite == "full":
            found, out = journal.content(path), path
        else:
            continue
        if found.get("suite") == suite and journal.identity(found) == journal.identity(head):
            return out
    return new(folder / f"{stem}-{datetime.now().strftime('%Y%m%d-%H%M%S')}.json")


def new(path: Path) -> Path:
    """A name that no file has: two runs have one time where they begin together, or the clock was set back."""
    numbers = (path.with_stem(f"{path.stem}-{number}") for number in itertools.count(2))
    return next(
        one for one in itertools.chain([path], numbers) if not (one.exists() or journal.partial_path(one).exists())
    )


def require_writable(out: Path) -> None:
    """Find out before an hour of measuring. The folder is tried by the partial file."""
    if out.is_dir():
        raise InputError(f"{out}: is a folder; give --out a file name")
    if out.exists():
        try:
            with out.open("r+b"):
                pass
        except OSError as error:
            raise InputError(f"{out}: cannot be written ({error.strerror or error}); choose another --out") from None
