"""The charts of a profile, drawn from real rows: empty, one row and full, nothing cut, points where the rows are."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from matplotlib.figure import Figure

from planner.charts import (
    efficiency_surface,
    measured_rates,
    predicted_against_measured,
    profile_comparison,
    roofline,
    style,
)
from planner.charts.export import csv_text
from planner.charts.predicted_against_measured import Pair
from planner.library import read
from planner.plan.cluster import Accelerator
from planner.timing.peak_share import Axis, over
from planner.timing.profile import Profile
from planner.timing.profile_comparison import compare

GIB = 2.0**30


def rows_of(profile: Profile, *operations: str) -> Profile:
    return profile.model_copy(update={"rows": tuple(row for row in profile.rows if row.operation in operations)})


def upgraded(profile: Profile) -> Profile:
    """Backward passes a third faster under another torch."""
    rows = tuple(
        row.model_copy(update={"median_s": row.median_s * (0.5 if row.direction == "backward" else 1.0)})
        for row in profile.rows
    )
    software = profile.software.model_copy(update={"torch": "2.14.0"})
    return profile.model_copy(update={"rows": rows, "software": software, "name": "after"})


def comparison(before: Profile, after: Profile) -> profile_comparison.Data:
    return profile_comparison.Data.of_comparison(compare(before, after))


STEP = Pair("Step", 2.35, 2.61, (2.0, 2.7), (2.55, 2.7), is_whole=True)
PEAK = Pair("Peak", 1.2 * GIB, 1.31 * GIB, (1.0 * GIB, 1.25 * GIB), is_whole=True)
VERIFIED = predicted_against_measured.Data(
    (STEP, Pair("Forward", 0.7, 0.81), Pair("Backward", 1.4, 1.5), Pair("Optimizer", 0.25, 0.3)),
    (PEAK, Pair("Weights", 0.5 * GIB, 0.5 * GIB)), "gpt2, 8 steps",
)  # fmt: skip

Maker = Callable[[Profile], Any]
CASES: dict[str, tuple[ModuleType, Maker]] = {
    "roofline": (roofline, roofline.Data.of_profile),
    "roofline-sheet": (roofline, lambda one: roofline.Data.of_profile(one, sheet())),
    "roofline-one": (roofline, lambda one: roofline.Data.of_profile(one.model_copy(update={"rows": one.rows[-1:]}))),
    "roofline-empty": (roofline, lambda one: roofline.Data()),
    "rates": (measured_rates, lambda one: measured_rates.Data.of_rows(one.rows)),
    "rates-one": (measured_rates, lambda one: measured_rates.Data.of_rows(one.rows[3:5])),
    "rates-empty": (measured_rates, lambda one: measured_rates.Data.of_rows(one.rows[:3])),
    "comparison": (profile_comparison, lambda one: comparison(one, upgraded(one))),
    "comparison-same": (profile_comparison, lambda one: comparison(one, one)),
    "comparison-one": (profile_comparison, lambda one: comparison(one, rows_of(upgraded(one), "optimizer"))),
    "comparison-empty": (profile_comparison, lambda one: comparison(one, rows_of(one))),
    "surface-batch": (efficiency_surface, lambda one: surface("micro-batch", one)),
    "surface-width": (efficiency_surface, lambda one: surface("width", one)),
    "surface-one": (efficiency_surface, lambda one: surface("micro-batch", at_tokens(one, 256))),
    "surface-empty": (efficiency_surface, lambda one: efficiency_surface.Data()),
    "verify": (predicted_against_measured, lambda one: VERIFIED),
    "verify-one": (predicted_against_measured, lambda one: predicted_against_measured.Data((STEP,))),
    "verify-empty": (predicted_against_measured, lambda one: predicted_against_measured.Data()),
}


def at_tokens(profile: Profile, tokens: int) -> Profile:
    """One sequence of so many tokens alone, and the ceilings."""
    rows = [row for row in profile.rows if not row.tokens or (row.batch, row.sequence) == (1, tokens)]
    return profile.model_copy(update={"rows": tuple(rows)})


def surface(axis: Axis, profile: Profile) -> efficiency_surface.Data:
    return efficiency_surface.Data(over(axis, profile, sheet(), sheet=False), device=profile.device.name)


def sheet() -> Accelerator:
    return Accelerator.model_validate(read("accelerators", "cpu"))


@pytest.mark.parametrize(
    ("size", "theme"), [((3.4, 3.2), style.LIGHT), ((8.0, 4.4), style.DARK)], ids=["small", "large"]
)
@pytest.mark.parametrize("case", CASES)
def test_every_chart_draws_and_nothing_is_cut(
    case: str, size: tuple[float, float], theme: style.Theme, gpt2_profile: Profile
) -> None:
    chart, make = CASES[case]
    data = make(gpt2_profile)
    figure = Figure(figsize=size, dpi=100)
    chart.draw(figure, data, theme)
    figure.draw_without_rendering()
    assert figure.axes and figure.texts
    assert chart.describe(data).endswith(".") and "\n" not in chart.describe(data)
    header, rows = chart.table(data)
    assert all(len(row) == len(header) for row in rows)
    csv_text((header, rows))
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        texts += axes.texts
        if axes.axison:
            texts += [axes.xaxis.label, axes.yaxis.label, *axes.get_yticklabels()]
    for text in texts:
        box = text.get_window_extent()
        inside = box.x0 >= -1 and box.x1 <= figure.bbox.width + 1 and box.y0 >= -1 and box.y1 <= figure.bbox.height + 1
        assert inside or not text.get_text().strip(), text.get_text()


def test_a_row_stands_at_its_intensity_and_its_rate_below_the_measured_roof(gpt2_profile: Profile) -> None:
    data = roofline.Data.of_profile(gpt2_profile)
    assert {row.operation for row in data.rows} == {"layer", "attention", "attention_core", "feed_forward", "head_loss"}
    for (x, y), row in zip(roofline.points(data), data.rows, strict=True):
        assert (x, y) == (row.flops / row.bytes, row.flops / row.median_s)
    peak = next(row for row in gpt2_profile.rows if row.operation == "matmul_peak")
    copy = next(row for row in gpt2_profile.rows if row.operation == "copy_peak")
    assert data.matmul_flops_per_s == peak.flops_per_s and data.copy_bytes_per_s == copy.bytes_per_s
    assert roofline.roof_at(1e-3, data.matmul_flops_per_s, data.copy_bytes_per_s) == 1e-3 * copy.bytes_per_s
    assert roofline.roof_at(1e6, data.matmul_flops_per_s, data.copy_bytes_per_s) == peak.flops_per_s
    assert roofline.roof_at(1.0, None, None) is None


def test_noisy_rows_are_hollow_and_quiet_ones_filled(gpt2_profile: Profile) -> None:
    quiet, noisy = [
        row.model_copy(update={"throttled": throttled, "n": 9, "lower_quartile_s": row.median_s,
                               "upper_quartile_s": row.median_s})
        for row in gpt2_profile.rows if (row.operation, row.direction, row.sequence) == ("layer", "forward", 128)
        for throttled in (False, True)
    ]  # fmt: skip
    for row, face in ((quiet, None), (noisy, style.LIGHT.background)):
        figure = Figure(figsize=(6, 4), dpi=100)
        roofline.draw(figure, roofline.Data.of_profile(gpt2_profile.model_copy(update={"rows": (row,)})), style.LIGHT)
        faces = [line.get_markerfacecolor() for line in figure.axes[0].lines if line.get_marker() == "^"]
        assert faces == [face or faces[0]] and (faces[0] == style.LIGHT.background) == (face is not None)


def test_the_curve_has_one_point_a_shape_both_directions_together(gpt2_profile: Profile) -> None:
    data = measured_rates.Data.of_rows(gpt2_profile.rows)
    layers = data.of("layer")
    assert [one.first.tokens for one in layers] == sorted(one.first.tokens for one in layers) and len(layers) > 1
    assert all(len(one.rows) == 2 for one in data.shapes)
    assert len(measured_rates.points(data)) == len(data.shapes)
    tokens, rates = data.curve("layer")
    assert tokens == sorted(set(tokens)) and len(tokens) < len(layers)
    low, high = sorted(one.flops_per_s for one in layers if one.first.tokens == 512)
    assert low < rates[tokens.index(512.0)] < high
    assert "layer" in measured_rates.readout(data, 0)


def test_a_comparison_names_the_upgrade_and_the_largest_change_first(gpt2_profile: Profile) -> None:
    data = comparison(gpt2_profile, upgraded(gpt2_profile))
    said = profile_comparison.describe(data)
    assert f"torch {gpt2_profile.software.torch} → 2.14.0" in said and "backward" in said and "×0.50" in said
    assert len(profile_comparison.table(data)[1]) == len(data.changes) >= len(data.drawn)
    assert "faster" in profile_comparison.readout(data, [one.direction for one in data.drawn].index("backward"))


def test_a_verify_run_says_by_how_much_it_missed_and_whether_the_band_holds() -> None:
    assert STEP.error == pytest.approx(2.35 / 2.61 - 1) and STEP.is_inside is True
    assert PEAK.is_inside is False
    said = predicted_against_measured.describe(VERIFIED)
    assert "Step −10.0 %, inside the band" in said
    assert "Peak −8.4 %, outside the band" in said
