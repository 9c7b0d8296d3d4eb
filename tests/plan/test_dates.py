"""Dates as sources give them."""

from __future__ import annotations

from datetime import date

import pytest

from planner.plan.dates import last_day


@pytest.mark.parametrize(("as_of", "day"), [
    ("2026", date(2026, 12, 31)), ("2024-02", date(2024, 2, 29)), ("2026-05-17", date(2026, 5, 17)),
    ("", None), ("2026-13", None), ("2026-02-30", None), ("May 2026", None), ("2022-2024", None), ("٢٠٢٦", None),
])  # fmt: skip
def test_a_date_is_taken_at_its_last_day_and_nothing_else_is_one(as_of: str, day: date | None) -> None:
    assert last_day(as_of) == day
