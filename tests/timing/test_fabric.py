"""Measured collectives: what rows, curves and layouts say, and how they are kept in a profile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from planner.errors import InputError
from planner.plan import shipped
from planner.timing import profile as profiles
from planner.timing.fabric import Collective, Collectives, Links, bus_share, curves
from planner.timing.profile import Device, Profile

SIZES = [4.0**power for power in range(5, 14)]


def rows(operation: str, ranks: int, local: int, start_s: float, bytes_per_s: float) -> list[Collective]:
    """A collective whose bus bandwidth is known, free of noise."""
    return [
        Collective.model_validate(
            {
                "operation": operation, "ranks": ranks, "ranks_per_node": local, "bytes": size, "n": 5,
                **dict.fromkeys(
                    ("median_s", "lower_quartile_s", "upper_quartile_s"),
                    start_s + size * float(bus_share(operation, ranks)) / bytes_per_s,
                ),
            }
        )
        for size in SIZES
    ]  # fmt: skip


MEASURED = [
    *rows("all-reduce", 2, 2, 10e-6, 100e9), *rows("all-reduce", 8, 8, 40e-6, 100e9),
    *rows("all-reduce", 16, 8, 90e-6, 20e9), *rows("all-reduce", 64, 8, 200e-6, 20e9),
    *rows("send", 2, 1, 20e-6, 25e9),
]  # fmt: skip
LINKS = Links("made", curves(MEASURED))


@pytest.mark.parametrize(
    ("operation", "share"),
    [("all-reduce", 1.75), ("all-gather", 0.875), ("reduce-scatter", 0.875), ("all-to-all", 0.875), ("send", 1.0)],
)
def test_bus_bandwidth_is_that_of_nccl_tests(operation: str, share: float) -> None:
    """doc/PERFORMANCE.md: all-reduce 2(n − 1)/n of size over time, the others (n − 1)/n, over eight ranks."""
    assert bus_share(operation, 8) == share
    (row, *_) = rows(operation, 8, 8, 0.0, 1e9)
    assert row.bus_bytes_per_s == pytest.approx(1e9)


def test_a_measured_layout_gives_its_own_times() -> None:
    assert LINKS.time_s("all-reduce", 3e5, 8, 8) == pytest.approx(40e-6 + 1.75 * 3e5 / 100e9)
    assert LINKS.time_s("send", 3e5, 2, 1) == pytest.approx(20e-6 + 3e5 / 25e9)
    known = LINKS.knowledge("all-reduce", 3e5, 8, 8)
    assert known and known.level == "measured" and "8 ranks, 8 a node" in known.text and "made" in known.text


def test_between_two_group_sizes_the_bus_bandwidth_holds() -> None:
    large = 4.0**13
    assert LINKS.time_s("all-reduce", large, 32, 8) == pytest.approx(2 * 31 / 32 * large / 20e9, rel=0.1)
    between = [float(LINKS.time_s("all-reduce", 2e3, ranks, ranks)) for ranks in (2, 3, 4, 6, 8)]
    assert between == sorted(between)
    known = LINKS.knowledge("all-reduce", large, 32, 8)
    assert known and known.level == "interpolated" and "between 16 and 64 ranks" in known.text


def test_what_was_not_measured_is_not_known() -> None:
    """More ranks than measured, another number a node, another collective: NaN, never a guess."""
    for layout in ((16, 16), (128, 8), (16, 4), (4, 1)):
        assert np.isnan(LINKS.time_s("all-reduce", 1e6, *layout)) and not LINKS.knowledge("all-reduce", 1e6, *layout)
    assert np.isnan(LINKS.time_s("all-to-all", 1e6, 8, 8))
    assert np.isnan(LINKS.time_s("send", 1e6, 2, 2))


def test_beyond_the_measured_sizes_it_says_so() -> None:
    known = LINKS.knowledge("all-reduce", 1e10, 8, 8)
    assert known and known.level == "carried" and "carried on" in known.text
    assert LINKS.time_s("all-reduce", 1e10, 8, 8) == pytest.approx(40e-6 + 1.75 * 1e10 / 100e9, rel=1e-3)


def test_scalars_and_arrays_agree() -> None:
    sizes, ranks, local = np.array([1e3, 1e6, 1e8, 1e6]), np.array([8, 3, 32, 128]), np.array([8, 3, 8, 8])
    single = [LINKS.time_s("all-reduce", *each) for each in zip(sizes, ranks, local, strict=True)]
    np.testing.assert_allclose(LINKS.time_s("all-reduce", sizes, ranks, local), single, rtol=1e-12)


def test_groups_of_different_stride_over_as_many_nodes_make_one_curve() -> None:
    near, far = rows("send", 2, 2, 1e-5, 10e9), rows("send", 2, 2, 1e-5, 5e9)
    (curve,) = curves([*near, *(row.model_copy(update={"stride": 4}) for row in far)])
    assert curve.n == 2 * len(SIZES) and 5e9 < curve.bus_bytes_per_s < 10e9
    assert curve.error > 0.1, "links that differ are not known better than they differ"


def made(collectives: Collectives | None) -> Profile:
    return Profile(
        created="2026-11-01T00:00:00+00:00", device=Device(kind="cpu", name="A CPU", memory_bytes=16e9),
        model=shipped.model("llama-2-7b"), suite="quick", dtype="fp32", collectives=collectives,
    )  # fmt: skip


SECTION = Collectives(
    created="2026-11-01T00:00:00+00:00", backend="gloo", nodes=2, ranks_per_node=1, rows=tuple(MEASURED),
    curves=curves(MEASURED),
)  # fmt: skip


def test_a_profile_keeps_its_collectives_one_row_a_line(tmp_path: Path) -> None:
    path = tmp_path / "made.json"
    profiles.save(made(SECTION), path)
    assert profiles.load(path) == made(SECTION)
    assert sum('"operation"' in line for line in path.read_text().splitlines()) == len(MEASURED) + len(SECTION.curves)


def test_a_profile_without_collectives_still_loads(tmp_path: Path) -> None:
    path = tmp_path / "old.json"
    profiles.save(made(None), path)
    assert "collectives" not in json.loads(path.read_text())
    assert profiles.load(path).collectives is None


def test_a_broken_row_is_named(tmp_path: Path) -> None:
    data = json.loads(profiles.to_text(made(SECTION)))
    data["collectives"]["rows"][3]["ranks"] = 1
    with pytest.raises(InputError, match=r"collectives\.rows\.3\.ranks"):
        profiles.from_data(data, "made.json")
