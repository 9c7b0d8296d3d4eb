"""Rows put together by shape: what a line of the table says of both directions."""

from __future__ import annotations

from typing import Any

import pytest

from planner.timing.profile import Row
from planner.timing.shapes import by_shape


def row(operation: str, direction: str, median_s: float, **changes: Any) -> Row:
    parts = {
        "dtype": "fp32", "batch": 1, "sequence": 128, "lower_quartile_s": median_s, "upper_quartile_s": median_s,
        "n": 9, "flops": 1e9, "bytes": 1e7,
    }  # fmt: skip
    return Row(operation=operation, direction=direction, median_s=median_s, **{**parts, **changes})  # type: ignore[arg-type]


def test_forward_and_backward_of_a_shape_are_one_and_their_rate_is_that_of_both() -> None:
    (layer,) = by_shape([row("layer", "forward", 0.01), row("layer", "backward", 0.03, flops=2e9, bytes=3e7)])
    assert layer.time_s("forward") == 0.01 and layer.time_s("backward") == 0.03 and layer.time_s("step") is None
    assert layer.flops_per_s == pytest.approx(3e9 / 0.04)
    assert layer.intensity == pytest.approx(3e9 / 4e7)


def test_what_only_moves_memory_has_a_rate_in_bytes_and_no_intensity() -> None:
    (embedding,) = by_shape([row("embedding", "forward", 0.01, flops=0.0)])
    assert embedding.flops_per_s is None and embedding.intensity is None
    assert embedding.bytes_per_s == pytest.approx(1e9)


def test_the_noisier_direction_and_the_larger_memory_are_told() -> None:
    wide = row("layer", "backward", 0.03, lower_quartile_s=0.02, upper_quartile_s=0.04, n=4, peak_memory_bytes=2e6)
    (layer,) = by_shape([row("layer", "forward", 0.01, peak_memory_bytes=1e6), wide])
    assert layer.is_noisy and layer.spread == pytest.approx(2 / 3) and layer.repeats == 4
    assert layer.peak_memory_bytes == 2e6


def test_shapes_stay_in_the_order_of_measuring_and_variants_apart() -> None:
    rows = [row("layer", "forward", 0.01), row("layer", "forward", 0.01, sequence=256),
            row("layer", "forward", 0.01, compiled=True), row("layer", "backward", 0.02)]  # fmt: skip
    found = by_shape(rows)
    assert [len(one.rows) for one in found] == [2, 1, 1]
    assert [one.first.manner for one in found] == ["", "", "compiled"]


def test_two_ceilings_of_one_kind_and_another_size_are_two_shapes() -> None:
    copies = [row("copy_peak", "forward", 0.01, batch=0, sequence=0, flops=0.0, bytes=size) for size in (1e8, 5e8)]
    assert len(by_shape(copies)) == 2
