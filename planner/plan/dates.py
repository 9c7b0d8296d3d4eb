"""Dates as sources give them: a year, a month or a day."""

from __future__ import annotations

import calendar
import re
from datetime import date


def last_day(as_of: str) -> date | None:
    """The last day of what a source calls 2026, 2026-05 or 2026-05-17; None where it is no such date. A price of May is
    taken to be of its last day, so that no price is said to be older than it is."""
    found = re.fullmatch(r"(\d{4})(?:-(\d{2}))?(?:-(\d{2}))?", as_of, re.ASCII)
    if not found:
        return None
    year, month, day = int(found[1]), int(found[2] or 12), int(found[3] or 0)
    try:
        return date(year, month, day or calendar.monthrange(year, month)[1])
    except ValueError:
        return None


def checked(as_of: str) -> str:
    """A field's date as it is, blank where unknown. Raises `ValueError`, as a validator does, for what is none."""
    if as_of and last_day(as_of) is None:
        raise ValueError("write the date as 2026, 2026-11 or 2026-11-23")
    return as_of
