"""Memory that is free in this process, given back to the machine.

A closed window frees tens of megabytes in small pieces. glibc gives back only what is free at the very end of its heap,
so without being asked it would keep the most that the app ever held.
"""

from __future__ import annotations

import ctypes
import sys
from functools import cache
from typing import Any

from PySide6.QtCore import QTimer

SOON_MS = 300


def give_back_soon() -> None:
    """When what is being closed or ended has been let go of."""
    QTimer.singleShot(SOON_MS, give_back)


def give_back() -> None:
    """Milliseconds on Linux with glibc; elsewhere nothing is asked."""
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Any:
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
