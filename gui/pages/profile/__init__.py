"""The Profile page, one tab a file."""

from __future__ import annotations

from gui.pages.profile.page import ProfilePage

__all__ = ["ProfilePage"]
