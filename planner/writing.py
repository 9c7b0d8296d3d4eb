"""Files are written whole or not at all."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from pathlib import Path

from planner.errors import InputError, shorten


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file whole or not at all: temporary file beside it, fsync, replace. A link is followed to its target.

    Raises `InputError` that names the path when it cannot be written; the old file is then untouched.
    """
    raw = content.encode("utf-8") if isinstance(content, str) else content
    temporary: Path | None = None
    try:
        target = Path(os.path.realpath(path))
        if target.exists() and not (target.is_file() or target.is_dir()):
            raise OSError(errno.EINVAL, "is a device or a pipe")  # a file in its place would take it from the machine
        handle, name = tempfile.mkstemp(prefix=f".{target.name[:40]}.", suffix=".tmp", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as stream:
            stream.write(raw)
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(target.stat().st_mode & 0o777 if target.exists() else 0o666 & ~_umask())
        _require_replaceable(target)
        temporary.replace(target)
    except (OSError, ValueError) as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()
        raise _cannot_be_written(path, error) from None


def require_writable(path: Path) -> None:
    """Raise before long work the `InputError` that `write_atomically` would raise after it."""
    try:
        target = Path(os.path.realpath(path))
        _require_replaceable(target)
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except (OSError, ValueError) as error:
        raise _cannot_be_written(path, error) from None


def _require_replaceable(target: Path) -> None:
    if target.is_dir():
        raise IsADirectoryError(21, "is a folder")
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(13, "is read-only")


def _cannot_be_written(path: Path, error: OSError | ValueError) -> InputError:
    reason = getattr(error, "strerror", None) or str(error)
    return InputError(f"{shorten(path, 200)}: cannot be written ({reason}); choose another place")


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
