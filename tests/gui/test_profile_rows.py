"""Lines of the Profile page's tables from events and real rows."""

from __future__ import annotations

from pathlib import Path

from gui import profile_rows
from planner.timing.profile import Profile
from planner.timing.profile_history import Entry


def test_planned_points_end_with_their_sum() -> None:
    shapes = [
        {"operation": "ceilings", "batch": 0, "sequence": 0, "shards": 1, "seconds": 1.5, "memory_bytes": 2e8},
        {"operation": "layer", "batch": 2, "sequence": 256, "shards": 4, "seconds": 2.5, "memory_bytes": 1e8,
         "manner": "compiled"},
    ]  # fmt: skip
    *points, total = profile_rows.planned(shapes)
    assert [one["what"] for one in points] == ["Ceilings", "Layer"]
    assert (points[1]["width"], points[1]["manner"], points[0]["batch"]) == ("1/4", "compiled", None)
    assert (total["what"], total["seconds"], total["memory_bytes"]) == ("All 2 points", 4.0, 2e8)
    assert profile_rows.planned([]) == []


def test_measured_rows_share_a_line_for_both_directions(gpt2_profile: Profile) -> None:
    lines = profile_rows.measured(gpt2_profile.rows)
    layer = next(one for one in lines if one["what"] == "Layer" and one["tokens"] == 128)
    there = [row for row in gpt2_profile.rows if row.operation == "layer" and row.tokens == 128]
    assert {layer["forward_s"], layer["backward_s"]} == {row.median_s for row in there}
    assert "FLOP/s" in layer["rate"]
    optimizer, launch = (next(one for one in lines if one["what"] == what) for what in ("Optimizer", "Launch"))
    assert optimizer["forward_s"] and optimizer["backward_s"] is None and "B/s" in optimizer["rate"]
    assert launch["rate"] is None and launch["shape"] is None
    noisy = [one for one in lines if one["is_noisy"]]
    assert noisy and all(one["spread_text"].startswith("! ") for one in noisy)


def test_a_profile_that_cannot_be_read_says_why_in_its_line() -> None:
    entry = Entry("torn", Path("/somewhere/torn.json"), None, "not a whole JSON file")
    (line,) = profile_rows.history([entry], "")
    assert line["sign"] == "✕" and line["created"] == "not a whole JSON file"
    assert profile_rows.about(entry) == "✕ /somewhere/torn.json: not a whole JSON file"
