"""Kernel classes recovered from rows whose constants are known."""

from __future__ import annotations

import numpy as np
import pytest

from planner.errors import InputError
from planner.timing.efficiencies import efficiencies
from tests.timing.made import CORE_HALF, CORE_RATE, HALF, RATE, made, row


def test_the_constants_of_made_rows_are_recovered() -> None:
    found = efficiencies(made())
    feed_forward, core = found.block("feed_forward", "forward"), found.block("attention_core", "forward")
    attention = found.block("attention", "forward")
    assert feed_forward and core and attention
    for block in (feed_forward, attention):  # the attention block without its core is the same product
        assert block.rate_per_s == pytest.approx(RATE) and block.half_size == pytest.approx(HALF)
    assert core.rate_per_s == pytest.approx(CORE_RATE) and core.half_size == pytest.approx(CORE_HALF)
    assert found.copy_bytes_per_s == pytest.approx(2e10) and found.optimizer_bytes_per_s == pytest.approx(1e10)
    assert found.sub_layer_ratio == pytest.approx(1.0)


def test_a_class_takes_arrays_and_reaches_half_its_rate_at_its_half_size() -> None:
    block = efficiencies(made()).block("feed_forward", "forward")
    assert block
    sizes = np.array([HALF, 1e9])
    assert block.rate_at(sizes) == pytest.approx([RATE / 2, RATE])
    assert block.time_s(1e9 * sizes, sizes) == pytest.approx(1e9 * sizes / block.rate_at(sizes))


def test_a_class_of_one_shape_has_a_rate_and_no_curve() -> None:
    only = [row("feed_forward", "forward", 128, 0.5, flops=1e11)]
    block = efficiencies(made(rows=only)).block("feed_forward", "forward")
    assert block and block.rate_per_s == pytest.approx(2e11) and block.half_size == 0.0


def test_noise_shows_in_the_spread_of_a_class() -> None:
    noisy = [
        row("feed_forward", "forward", tokens, factor * 1e9 * tokens / RATE, flops=1e9 * tokens)
        for tokens, factor in ((128, 0.8), (256, 1.2), (512, 0.8), (1024, 1.2))
    ]
    block = efficiencies(made(rows=noisy)).block("feed_forward", "forward")
    assert block and 0.1 < block.spread < 0.3


def test_a_noisy_row_weighs_less() -> None:
    rows = [row("feed_forward", "forward", 128, 1.0, flops=1e11)]
    rows += [row("feed_forward", "forward", 128, 2.0, flops=1e11, lower_quartile_s=1.0, upper_quartile_s=3.0)]
    block = efficiencies(made(rows=rows)).block("feed_forward", "forward")
    assert rows[1].is_noisy and block and block.rate_per_s == pytest.approx(1e11, rel=0.02)


def test_a_dtype_that_was_not_measured_is_an_error() -> None:
    with pytest.raises(InputError, match="no measurement in bf16"):
        efficiencies(made(), dtype="bf16")
