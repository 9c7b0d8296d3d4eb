"""The surface of peak shares: the measured layers where they were measured, the fit around them."""

from __future__ import annotations

import pytest

from planner.errors import InputError
from planner.library import read
from planner.plan.cluster import Accelerator
from planner.timing.peak_share import over
from planner.timing.profile import Profile


@pytest.fixture(scope="module")
def cpu() -> Accelerator:
    return Accelerator.model_validate(read("accelerators", "cpu"))


def test_measured_layers_stand_at_their_flops_over_time_and_peak(gpt2_profile: Profile, cpu: Accelerator) -> None:
    found = over("micro-batch", gpt2_profile, cpu, sheet=False)
    rows = [row for row in gpt2_profile.rows if row.operation == "layer"]
    peak = max(row.flops_per_s for row in gpt2_profile.rows if row.operation == "matmul_peak")
    assert len(found.places) == len(rows) // 2
    for place in found.places:
        here = [row for row in rows if (row.sequence, row.batch) == (place.x, place.y)]
        share = sum(row.flops for row in here) / sum(row.median_s for row in here) / peak
        assert place.share == pytest.approx(share, rel=1e-6)
        assert place.predicted == pytest.approx(place.share, rel=0.5), "the fit went by these very rows"
    assert found.x[0] < min(place.x for place in found.places) < max(place.x for place in found.places) < found.x[-1]
    assert found.share.shape == (len(found.y), len(found.x)) and (found.share > 0).all()


def test_the_surface_passes_through_what_the_fit_says_of_a_measured_shape(
    gpt2_profile: Profile, cpu: Accelerator
) -> None:
    found = over("micro-batch", gpt2_profile, cpu, sheet=False)
    line = list(found.y).index(1.0)
    for place in found.places:
        if place.y == 1.0:
            nearest = abs(found.x - place.x).argmin()
            assert found.share[line, nearest] == pytest.approx(place.predicted, rel=0.1)


def test_a_width_that_heads_cannot_be_cut_to_is_not_drawn(gpt2_profile: Profile, cpu: Accelerator) -> None:
    found = over("width", gpt2_profile, cpu, sheet=False)
    assert list(found.y) == [0.5, 1.0], "twelve heads: one half more than was measured"
    whole, half = found.share[1], found.share[0]
    assert (half <= whole * 1.001).all(), "a narrower layer does not use the device better"


def test_a_data_sheets_peak_is_the_whole_where_there_is_one(gpt2_profile: Profile, cpu: Accelerator) -> None:
    measured = over("micro-batch", gpt2_profile, cpu, sheet=False)
    sheet = over("micro-batch", gpt2_profile, cpu, sheet=True)
    assert sheet.peak_flops == cpu.peak("fp32") and sheet.peak_of != measured.peak_of
    assert sheet.share == pytest.approx(measured.share * measured.peak_flops / sheet.peak_flops)


def test_a_profile_without_layers_has_no_surface(gpt2_profile: Profile, cpu: Accelerator) -> None:
    rows = tuple(row for row in gpt2_profile.rows if row.operation != "layer")
    with pytest.raises(InputError, match="no layer"):
        over("micro-batch", gpt2_profile.model_copy(update={"rows": rows}), cpu, sheet=False)
