"""The shipped accelerators and fabrics, and the prices that name them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from planner import library
from planner.plan import offers, shipped

CONFIDENCES = {"seen", "recalled", "recalled+seen", "assumed"}


def files(kind: str) -> list[Path]:
    return sorted((library.SHIPPED / kind).glob("*.json"))


@pytest.mark.parametrize("path", [*files("accelerators"), *files("fabrics"), *files("models")], ids=lambda p: p.stem)
def test_a_file_is_called_after_the_name_it_begins_with_and_states_source_and_date(path: Path) -> None:
    data = json.loads(path.read_text("utf-8"))
    assert next(iter(data)) == "name"
    assert library.slug(data["name"]) == path.stem
    assert data["source"] and data["as_of"]
    assert data.get("confidence", "seen") in CONFIDENCES


@pytest.mark.parametrize("path", files("accelerators"), ids=lambda p: p.stem)
def test_an_accelerator_is_valid_and_its_peaks_are_ordered(path: Path) -> None:
    device = shipped.accelerator(path.stem)
    rates = device.peak_flops
    assert max(filter(None, rates.model_dump().values())) < 2e16
    assert rates.fp8 is None or rates.bf16 is None or rates.fp8 >= rates.bf16
    assert rates.tf32 is None or rates.bf16 is None or rates.tf32 <= rates.bf16
    assert 1e9 < device.memory_bytes < 400e9
    assert device.notes


def test_memory_is_never_more_than_the_binary_reading_of_what_was_sold() -> None:
    sold_gib = {"A100-80GB-SXM": 80, "H100-80GB-SXM": 80, "H200-SXM": 141, "V100-16GB-SXM": 16, "RTX 4090": 24}
    for name, gib in sold_gib.items():
        assert 0.9 * gib * 1e9 < shipped.accelerator(name).memory_bytes <= gib * 2**30


def test_dense_peaks_agree_with_the_data_sheets() -> None:
    assert shipped.accelerator("A100-80GB-SXM").peak("bf16") == 312e12
    assert shipped.accelerator("V100-32GB-SXM").peak("bf16") is None
    assert shipped.accelerator("H100-80GB-SXM").peak("fp8") == pytest.approx(1978.9e12)
    assert shipped.accelerator("L4").peak("bf16") == 121e12  # 242 is with sparsity


def test_the_processor_of_this_machine_is_an_assumed_accelerator() -> None:
    processor = shipped.accelerator("CPU")
    assert processor.kind == "cpu"
    assert processor.confidence == "assumed"


def test_fabrics_are_valid_and_infiniband_costs_more_than_roce_of_the_same_rate() -> None:
    fabrics = {path.stem: shipped.fabric(path.stem) for path in files("fabrics")}
    for roce, infiniband in (("roce-200", "infiniband-hdr-200"), ("roce-400", "infiniband-ndr-400")):
        assert fabrics[roce].bits_per_s_per_gpu == fabrics[infiniband].bits_per_s_per_gpu
        assert fabrics[roce].price_share < fabrics[infiniband].price_share
    assert all(fabric.efficiency <= 0.95 for fabric in fabrics.values())


def test_prices_name_shipped_accelerators_and_mark_one_default_each() -> None:
    known = set(library.names("accelerators"))
    rows = library.table("prices")
    for name in {row["accelerator"] for row in rows}:
        assert name in known
        own = [row for row in rows if row["accelerator"] == name]
        assert sum(row["default"] for row in own) == 1
        assert offers.default(name).usd_per_gpu_hour == next(row["usd_per_gpu_hour"] for row in own if row["default"])
    for row in rows:
        assert row["source"] and row["as_of"] and row["confidence"] in CONFIDENCES
        assert 0.1 < row["usd_per_gpu_hour"] < 20
        assert row["low"] is None or row["low"] <= row["usd_per_gpu_hour"]
        assert row["high"] is None or row["high"] >= row["usd_per_gpu_hour"]


def test_grids_have_source_and_date_and_lie_in_the_range_of_real_ones() -> None:
    rows = library.table("grids")
    assert len({row["region"] for row in rows}) == len(rows)
    for row in rows:
        assert row["source"] and row["as_of"] and row["confidence"] in CONFIDENCES
        assert 0.001 < row["kg_per_kwh"] < 1.5
    assert len(rows) > 300 and library.grid("aws us-east-1")["kg_per_kwh"] == library.grid("us-virginia")["kg_per_kwh"]
    assert library.grid("gcp us-central1")["kg_per_kwh"] == 0.43
    assert library.grid("us-average")["kg_per_kwh"] == 0.385
    assert library.grid("france-jean-zay")["kg_per_kwh"] == 0.057
