"""Work that libraries do when they are imported, for uses that the window has none of, is left out.

PySide6 reads the source of every module that is imported after it, to see whether its optional spellings
(`from __feature__ import snake_case`) may concern it, and the text stays in memory: 28 MB with matplotlib. Nothing here
uses such spellings. matplotlib writes the documentation of every artist's `set` anew from that of its setters.

Neither changes what anything does. Where a later release has no such step under its name, it is done as before.
"""

from __future__ import annotations

import sys

import PySide6.QtCore  # noqa: F401  brings the module below


def leave_sources_unread() -> None:
    """No module imported from now on is read a second time. Before what is large is imported."""
    features = sys.modules.get("shibokensupport.feature")
    if hasattr(features, "_mod_uses_pyside"):
        features._mod_uses_pyside = lambda module: False


def leave_artists_undocumented() -> None:
    """Loads matplotlib's base, and spares the artists that come after it their documentation."""
    import matplotlib.artist

    matplotlib.artist.kwdoc = lambda artist: ""


leave_sources_unread()
