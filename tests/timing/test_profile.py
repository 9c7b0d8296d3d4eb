"""The profile file: round trips, refusals, and constants recovered from rows whose constants are known."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.errors import InputError, UnknownNameError
from planner.plan.model import Model
from planner.timing import profile as profiles
from planner.timing.profile import Device, Profile, Row

MODEL = Model(name="m", layers=1, hidden=8, heads=1, kv_heads=1, head_dim=8, ffn=8, vocabulary=8, max_sequence=8)
RATE, HALF = 2e11, 60.0
CORE_RATE, CORE_HALF = 5e10, 200.0


def row(operation: str, direction: str, tokens: int, median_s: float, **changes: Any) -> Row:
    quartiles = {"lower_quartile_s": 0.99 * median_s, "upper_quartile_s": 1.01 * median_s}
    return Row(
        operation=operation, direction=direction, dtype="fp32", batch=1, sequence=tokens, median_s=median_s, n=9,
        **{**quartiles, **changes},
    )  # type: ignore[arg-type] # fmt: skip


def made_rows() -> list[Row]:
    """Rows of blocks that follow the classes' own formula: 1e9 FLOPs a token, a core of 1e6 FLOPs a token squared."""
    rows = []
    for tokens in (128, 256, 512):
        block_s = 1e9 * tokens / RATE * (1 + HALF / tokens)
        core_s = 1e6 * tokens**2 / CORE_RATE * (1 + CORE_HALF / tokens)
        rows += [
            row("attention_core", "forward", tokens, core_s, flops=1e6 * tokens**2),
            row("attention", "forward", tokens, block_s + core_s, flops=1e9 * tokens + 1e6 * tokens**2),
            row("feed_forward", "forward", tokens, block_s, flops=1e9 * tokens),
            row("layer", "forward", tokens, 2 * block_s + core_s, flops=2e9 * tokens + 1e6 * tokens**2),
        ]
    return [*rows, row("copy_peak", "forward", 1, 0.1, bytes=2e9), row("optimizer", "step", 1, 0.1, bytes=1e9)]


def made(**changes: Any) -> Profile:
    rows = tuple(changes.pop("rows", made_rows()))
    device = Device(kind="cpu", name="A CPU", memory_bytes=2**34)
    parts = {"created": "2026-01-01T00:00:00+00:00", "suite": "quick", "dtype": "fp32", "name": "made"}
    return Profile(device=device, model=MODEL, rows=rows, summary=profiles.summarize(rows), **{**parts, **changes})


def test_a_saved_profile_is_read_back_the_same(tmp_path: Path) -> None:
    profiles.save(made(), tmp_path / "p.json")
    assert profiles.load(tmp_path / "p.json") == made()


def test_a_profile_without_rows_is_still_a_file(tmp_path: Path) -> None:
    profiles.save(made(rows=[]), tmp_path / "p.json")
    assert profiles.load(tmp_path / "p.json").rows == ()


def test_a_profile_is_found_by_name_in_the_users_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINPLAN_HOME", str(tmp_path))
    (tmp_path / "measured").mkdir()
    profiles.save(made(), tmp_path / "measured" / "my-cpu.json")
    assert profiles.load("my-cpu").name == "made"
    with pytest.raises(UnknownNameError, match="my-cpu"):
        profiles.load("my-gpu")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": "trainplan-plan"}, "not a profile"),
        ({"version": 99}, "newer Trainplan"),
        ({"version": True}, "version"),
        ({"dtype": None}, "dtype"),
        ({"rows": [{"operation": "dance"}]}, r"rows\.0\.operation"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_file_is_refused_with_its_name_and_field(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps({**json.loads(profiles.to_text(made())), **change}))
    with pytest.raises(InputError, match=message) as caught:
        profiles.load(path)
    assert "p.json" in str(caught.value)


def test_a_torn_or_missing_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(profiles.to_text(made())[:-30])
    with pytest.raises(InputError, match="not a whole JSON file"):
        profiles.load(path)
    with pytest.raises(InputError, match="cannot be read"):
        profiles.load(tmp_path / "none.json")


def test_the_constants_of_made_rows_are_recovered() -> None:
    found = profiles.efficiencies(made())
    feed_forward, core = found.block("feed_forward", "forward"), found.block("attention_core", "forward")
    attention = found.block("attention", "forward")
    assert feed_forward and core and attention
    for block in (feed_forward, attention):  # the attention block without its core is the same product
        assert block.rate_per_s == pytest.approx(RATE) and block.half_size == pytest.approx(HALF)
    assert core.rate_per_s == pytest.approx(CORE_RATE) and core.half_size == pytest.approx(CORE_HALF)
    assert found.copy_bytes_per_s == pytest.approx(2e10) and found.optimizer_bytes_per_s == pytest.approx(1e10)
    assert found.sub_layer_ratio == pytest.approx(1.0)


def test_a_class_takes_arrays_and_reaches_half_its_rate_at_its_half_size() -> None:
    block = profiles.efficiencies(made()).block("feed_forward", "forward")
    assert block
    sizes = np.array([HALF, 1e9])
    assert block.rate_at(sizes) == pytest.approx([RATE / 2, RATE])
    assert block.time_s(1e9 * sizes, sizes) == pytest.approx(1e9 * sizes / block.rate_at(sizes))


def test_a_class_of_one_shape_has_a_rate_and_no_curve() -> None:
    only = [row("feed_forward", "forward", 128, 0.5, flops=1e11)]
    block = profiles.efficiencies(made(rows=only)).block("feed_forward", "forward")
    assert block and block.rate_per_s == pytest.approx(2e11) and block.half_size == 0.0


def test_noise_shows_in_the_spread_of_a_class() -> None:
    noisy = [
        row("feed_forward", "forward", tokens, factor * 1e9 * tokens / RATE, flops=1e9 * tokens)
        for tokens, factor in ((128, 0.8), (256, 1.2), (512, 0.8), (1024, 1.2))
    ]
    block = profiles.efficiencies(made(rows=noisy)).block("feed_forward", "forward")
    assert block and 0.1 < block.spread < 0.3


def test_a_noisy_row_weighs_less() -> None:
    rows = [row("feed_forward", "forward", 128, 1.0, flops=1e11)]
    rows += [row("feed_forward", "forward", 128, 2.0, flops=1e11, lower_quartile_s=1.0, upper_quartile_s=3.0)]
    block = profiles.efficiencies(made(rows=rows)).block("feed_forward", "forward")
    assert rows[1].is_noisy and block and block.rate_per_s == pytest.approx(1e11, rel=0.02)


VARIANTS = [{"variant": "foreach"}, {"compiled": True}, {"sdpa": "flash"}, {"recompute": True}, {"l2": "flushed"}]


@pytest.mark.parametrize("change", VARIANTS)
def test_a_variant_is_another_shape_and_no_fit_reads_it(change: dict[str, Any]) -> None:
    plain = made_rows()
    beside = [one.model_copy(update={"median_s": 9 * one.median_s, **change}) for one in plain]
    assert not {one.shape for one in plain} & {one.shape for one in beside}
    assert profiles.efficiencies(made(rows=[*plain, *beside])) == profiles.efficiencies(made(rows=plain))


@pytest.mark.parametrize("change", [{"n": 1}, {"throttled": True}])
def test_the_sum_of_the_parts_is_told_from_shapes_measured_well_or_not_at_all(change: dict[str, Any]) -> None:
    rows = made_rows()
    at_128 = [one.model_copy(update=change) if one.tokens == 128 else one for one in rows]
    assert len(profiles.summarize(at_128).comparisons) == 3 and profiles.summarize(at_128).ratio is not None
    one_part_each = [one.model_copy(update=change) if one.operation == "attention" else one for one in rows]
    assert profiles.summarize(one_part_each).ratio is None


def test_a_dtype_that_was_not_measured_is_an_error() -> None:
    with pytest.raises(InputError, match="no measurement in bf16"):
        profiles.efficiencies(made(), dtype="bf16")


def test_a_cpus_profile_is_refused_for_a_gpu() -> None:
    profiles.require_same_kind(made(), "cpu")
    with pytest.raises(InputError, match="measured on a CPU"):
        profiles.require_same_kind(made(), "gpu")


def test_the_fingerprint_knows_the_device_and_not_the_run() -> None:
    assert made().fingerprint == made(created="2027-01-01", name="other").fingerprint
    other = Device(kind="cpu", name="Another CPU", memory_bytes=2**34)
    assert other.fingerprint != made().fingerprint
