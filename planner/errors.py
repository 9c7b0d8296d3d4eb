"""The errors a user can meet. Each says what is wrong, where, and what to do; all are children of `TrainplanError`."""

from __future__ import annotations

import difflib
import json
import sys
from collections.abc import Iterable

TORCH_COMMAND = 'pip install "trainplan[profile]"' if hasattr(sys, "frozen") else "pip install torch==2.13.0"
"""What brings torch, which only measuring needs. The bundled folder takes no packages: a Python of one's own does."""


class TrainplanError(Exception):
    """Any failure that is shown to the user as one clear message."""

    exit_code = 2

    @property
    def event(self) -> str:
        """The line of JSON that ends `--events` where a command fails with this."""
        return json.dumps({"event": "failed", "message": str(self), "exit_code": self.exit_code})


class InputError(TrainplanError):
    """The user's input is wrong: a value, a file, a name or a path."""


class UnknownNameError(InputError):
    """A name that nothing shipped or supplied carries; quotes the nearest known ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        names = sorted(known)
        folded = {candidate.casefold(): candidate for candidate in names}
        asked = name.strip().casefold()[:100]
        longer = [one for one in folded if len(asked) >= 2 and one.startswith(asked)][:6]
        alike = [one for one in difflib.get_close_matches(asked, folded, n=3, cutoff=0.4) if one not in longer]
        near = [folded[match] for match in longer + alike[: 3 - len(longer) if len(longer) < 3 else 0]]
        more = f", and {len(names) - 12} more" if len(names) > 12 else ""
        hint = f"did you mean {', '.join(near)}?" if near else f"known: {', '.join(names[:12])}{more}"
        super().__init__(f"unknown {kind} {shorten(name)!r}; {hint}")
        self.suggestions = near


class MissingError(TrainplanError):
    """This machine lacks something (a GPU, torch, a screen); the message names what would mend it."""

    exit_code = 3


class NotReadError(TrainplanError):
    """What is asked for is being worked out by another process of the program, and will be there."""


def without_window(error: ImportError) -> MissingError:
    """What to do where Qt, or a system library that it needs, is missing. Raises any other error as it is."""
    if (error.name or "").startswith(("PySide6", "shiboken6")) and error.path is None:
        return MissingError("the window needs Qt, which is missing; install it with: pip install PySide6-Essentials")
    if "shared object" in str(error):
        return MissingError(
            f"Qt cannot be loaded ({error}); on Debian or Ubuntu: sudo apt-get install libegl1 libgl1 libfontconfig1 "
            "libdbus-1-3 libglib2.0-0 libxkbcommon-x11-0 libxcb-cursor0 libxcb-icccm4 libxcb-keysyms1 libxcb-shape0"
        )
    raise error


class CancelledError(TrainplanError):
    """The user stopped the work."""

    exit_code = 130


def shorten(text: object, limit: int = 60) -> str:
    """The user's own words, short enough to quote in a message."""
    try:
        words = str(text)
    except ValueError:  # Python prints no integer of more than 4,300 digits
        return "a number of thousands of digits"
    return words if len(words) <= limit else f"{words[: limit - 1]}…"
