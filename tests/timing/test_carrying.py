"""The bands of efficiencies carried from one GPU to another are those found between measured devices."""

from __future__ import annotations

import numpy as np
import pytest

from planner.plan import shipped
from planner.timing import carrying
from planner.timing.device import family, files


@pytest.mark.parametrize("precision", ["bf16", "fp8"])
def test_between_families_efficiencies_carry_less_surely_than_within_one(precision: str) -> None:
    h100, h200, b200 = (shipped.accelerator(name) for name in ("H100-80GB-SXM", "H200-SXM", "B200-SXM"))
    near, far = carrying.carrying(h100, h200, precision), carrying.carrying(h100, b200, precision)
    assert 0 < near.products < far.products and 0 < near.attention < far.attention


def test_every_pair_is_of_two_measured_devices_and_told_in_its_relation() -> None:
    table = carrying.table()
    assert table["source"] and table["as_of"] >= "2026"
    for pair in table["pairs"]:
        families = {family(shipped.accelerator(pair[end])) for end in ("from", "to")}
        assert {pair["from"], pair["to"]} <= set(files()) and pair["from"] != pair["to"]
        assert pair["relation"] == ("within a family" if len(families) == 1 else "between families")


def test_the_constants_carry_better_than_the_ratio_of_peaks_and_than_wave_scaling() -> None:
    """Across families, where the sheet has to speak for the device, over products matched shape by shape."""
    pairs = [one for one in carrying.table()["pairs"] if one["kind"] == "matmul" and "peaks_median" in one]
    own, waves, peaks = (
        np.mean([one[f"{name}_median"] for one in pairs]) for name in ("constants", "wave_scaling", "peaks")
    )
    assert own < waves < peaks
