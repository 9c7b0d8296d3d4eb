"""Is there a screen? Asked before Qt is loaded, because Qt aborts the process where there is none."""

from __future__ import annotations

import os
import sys

NO_SCREEN = "No screen: neither DISPLAY nor WAYLAND_DISPLAY is set."


def has_screen() -> bool:
    """Whether Qt can show (or was told how to do without showing) a window."""
    if sys.platform in ("win32", "darwin"):
        return True
    return any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"))
