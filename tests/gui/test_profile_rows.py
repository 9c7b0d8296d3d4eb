"""Lines of the Profile page's tables from events and real rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gui import profile_rows
from planner.timing.profile import Profile
from planner.timing.profile_history import Entry
from planner.timing.shapes import by_shape


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


def test_a_measured_number_tells_what_was_run_how_often_on_what_and_when(gpt2_profile: Profile) -> None:
    shapes, run = by_shape(gpt2_profile.rows), f"{gpt2_profile.device.name}, {gpt2_profile.created}"
    keys = {"rate": "rate_per_s", "spread_text": "spread"}
    for shape, line in zip(shapes, profile_rows.measured(gpt2_profile.rows), strict=True):
        for column in profile_rows.EXPLAINED:
            found = profile_rows.figure(shape, column, run)
            if line[column] is None:
                assert found is None, column
                continue
            assert found is not None and found.kind == "measured" and found.node is not None
            assert found.value == pytest.approx(line[keys.get(column, column)], rel=1e-12)
            assert found.node.recombined() == pytest.approx(found.value, rel=1e-12)
    layer = next(one for one in shapes if one.first.operation == "layer" and one.first.tokens == 128)
    told = profile_rows.figure(layer, "backward_s", run)
    assert told is not None
    assert "measured: layer, backward" in told.source and " runs in " in told.source and told.source.endswith(run)


def test_a_profile_that_cannot_be_read_says_why_in_its_line() -> None:
    entry = Entry("torn", Path("/somewhere/torn.json"), None, "not a whole JSON file")
    (line,) = profile_rows.history([entry], "")
    assert line["sign"] == "✕" and line["created"] == "not a whole JSON file"
    assert profile_rows.about(entry) == "✕ /somewhere/torn.json: not a whole JSON file"


def test_a_point_of_a_profiles_chart_opens_into_the_rate_that_it_shows(gpt2_profile: Profile) -> None:
    from planner.charts import measured_rates, roofline

    for chart, data in (
        (measured_rates, measured_rates.Data.of_rows(gpt2_profile.rows)),
        (roofline, roofline.Data.of_profile(gpt2_profile)),
    ):
        for index, (_, rate) in enumerate(chart.points(data)):
            found = profile_rows.figure_of_point(data, index, "gpt2")
            assert found is not None and found.unit == "FLOP/s"
            assert found.value == pytest.approx(rate, rel=1e-12)
            assert found.node is not None and found.node.recombined() == pytest.approx(rate, rel=1e-12)
