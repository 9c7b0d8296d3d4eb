"""Two profiles of one device: what differs beside them, and what it did to the times at equal shapes."""

from __future__ import annotations

import math
from typing import Any

import pytest

from planner.timing.profile import Condition, Profile, Row
from planner.timing.profile_comparison import ProfileComparison, compare


def slowed(profile: Profile, factor: float, *operations: str, **software: str) -> Profile:
    """The same measurement, some operations slower by a factor, on other versions."""

    def other(row: Row) -> Row:
        if row.operation not in operations:
            return row
        times = ("median_s", "lower_quartile_s", "upper_quartile_s")
        return row.model_copy(update={name: factor * getattr(row, name) for name in times})

    changes: dict[str, Any] = {"name": "after", "rows": tuple(map(other, profile.rows))}
    return profile.model_copy(update={**changes, "software": profile.software.model_copy(update=software)})


def by_class(found: ProfileComparison) -> dict[tuple[str, str], Any]:
    return {(one.operation, one.direction): one for one in found.changes}


def test_a_profile_against_itself_has_not_changed(gpt2_profile: Profile) -> None:
    found = compare(gpt2_profile, gpt2_profile)
    assert found.changes and not found.differing and not found.only_before and not found.only_after
    assert {(one.time_ratio, one.verdict) for one in found.changes} == {(1.0, "within the spread")}
    assert sum(one.shapes for one in found.changes) == len(gpt2_profile.rows)


def test_an_upgrade_that_slows_one_operation_shows_there_and_nowhere_else(gpt2_profile: Profile) -> None:
    found = compare(gpt2_profile, slowed(gpt2_profile, 3.0, "feed_forward", torch="2.14.0"))
    classes = by_class(found)
    for direction in ("forward", "backward"):
        assert classes["feed_forward", direction].verdict == "slower"
        assert classes["feed_forward", direction].time_ratio == pytest.approx(3.0)
        assert classes["layer", direction].verdict == "within the spread"
    assert [one.name for one in found.differing] == ["torch"]
    assert found.versions[0].after == "2.14.0" and found.versions[0].before == gpt2_profile.software.torch


def test_after_against_before_is_the_inverse_of_before_against_after(gpt2_profile: Profile) -> None:
    other = slowed(gpt2_profile, 3.0, "feed_forward")
    there, back = by_class(compare(gpt2_profile, other)), by_class(compare(other, gpt2_profile))
    for key, one in there.items():
        assert back[key].time_ratio == pytest.approx(1 / one.time_ratio)
    assert back["feed_forward", "forward"].verdict == "faster"


def test_what_lies_within_the_rows_own_spread_is_no_change(gpt2_profile: Profile) -> None:
    widest = max(one.spread for one in compare(gpt2_profile, gpt2_profile).changes)
    nudged = compare(gpt2_profile, slowed(gpt2_profile, 1.005, "layer", "feed_forward"))
    assert widest > 0.014  # hypot of one per cent and one per cent is the least that is taken
    assert {one.verdict for one in nudged.changes} == {"within the spread"}


def test_rows_without_a_partner_are_counted_and_not_compared(gpt2_profile: Profile) -> None:
    fewer = gpt2_profile.model_copy(update={"rows": gpt2_profile.rows[:-4]})
    found = compare(gpt2_profile, fewer)
    assert (found.only_before, found.only_after) == (4, 0)
    assert sum(one.shapes for one in found.changes) == len(fewer.rows)


def test_profiles_without_a_common_shape_have_no_changes(gpt2_profile: Profile) -> None:
    rows = tuple(row.model_copy(update={"hidden": row.hidden + 1, "flops": row.flops + 1}) for row in gpt2_profile.rows)
    found = compare(gpt2_profile, gpt2_profile.model_copy(update={"rows": rows}))
    assert not found.changes and found.only_before == found.only_after == len(rows)


def test_memory_is_compared_where_both_were_told_by_the_same_means(gpt2_profile: Profile) -> None:
    def more(row: Row) -> Row:
        return row.model_copy(update={"peak_memory_bytes": 2 * (row.peak_memory_bytes or 0) or None})

    other = gpt2_profile.model_copy(update={"rows": tuple(map(more, gpt2_profile.rows))})
    assert by_class(compare(gpt2_profile, other))["layer", "forward"].memory_ratio == pytest.approx(2.0)
    by_other_means = tuple(row.model_copy(update={"peak_memory_from": "allocator"}) for row in other.rows)
    counted = compare(gpt2_profile, other.model_copy(update={"rows": by_other_means}))
    assert by_class(counted)["layer", "forward"].memory_ratio is None


def test_the_machines_own_drift_between_rows_is_part_of_the_stated_spread(gpt2_profile: Profile) -> None:
    def drifting(row: Row, number: int) -> Row:
        speed = (1.0, 1.3)[number % 2]
        return row.model_copy(update={"condition": row.condition.model_copy(update={"reference_s": 0.002 * speed})})

    unsteady = gpt2_profile.model_copy(
        update={"rows": tuple(drifting(row, number) for number, row in enumerate(gpt2_profile.rows))}
    )
    other = slowed(unsteady, 1.2, *{row.operation for row in unsteady.rows})
    found = compare(unsteady, other).agreement
    assert found is not None and found.difference == pytest.approx(math.log(1.2))
    assert found.spread > 0.26 and found.inside == 1.0  # hypot of 0.3 / 1.15 with itself is 0.37
    steady = [row.model_copy(update={"condition": Condition()}) for row in gpt2_profile.rows if row.spread < 0.05]
    quiet = gpt2_profile.model_copy(update={"rows": tuple(steady)})
    alone = compare(quiet, slowed(quiet, 1.2, *{row.operation for row in steady})).agreement
    assert alone is not None and alone.inside == 0.0
    nothing = quiet.model_copy(update={"rows": ()})
    assert compare(quiet, nothing).agreement is None
