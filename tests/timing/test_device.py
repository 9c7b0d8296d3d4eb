"""Where a device's constants come from: its own measurements, a like device's, or the general ones."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from planner import library
from planner.errors import InputError
from planner.plan.cluster import Accelerator
from planner.timing import device as devices
from planner.timing.device import Device, device, gather

MEASURED = [
    "A100-80GB-SXM", "B200-SXM", "B300-SXM", "GB200-NVL72", "GB300-NVL72", "H100-80GB-SXM", "H200-SXM", "L40S",
    "RTX PRO 6000 Blackwell",
]  # fmt: skip


def accelerator(name: str) -> Accelerator:
    return Accelerator.model_validate(library.read("accelerators", name))


@pytest.mark.parametrize("name", library.names("accelerators"))
def test_every_accelerator_has_constants_in_every_precision_that_it_runs(name: str) -> None:
    unit = accelerator(name)
    for precision in ("fp32", "tf32", "bf16", "fp16", "fp8", "mxfp8", "nvfp4"):
        if unit.peak(precision) is None:
            continue
        found = device(unit, precision)
        for field in dataclasses.fields(Device):
            value = getattr(found, field.name)
            is_unknown = value is None or (field.name == "power_w" and np.isnan(value))  # no data sheet states it
            assert is_unknown or isinstance(value, str) or np.isfinite(value), field.name
        assert 0 < found.band < 1
        assert found.source in ("measured", "interpolated", "carried", "specification")
        assert found.basis


@pytest.mark.parametrize("name", MEASURED)
def test_a_fitted_file_names_source_date_and_errors_within_the_goal(name: str) -> None:
    file = library.read("devices", name)
    assert file["source"] and file["as_of"]
    sections = [*file["matmul"].values(), *file["attention"].values()]
    sections += [file["collectives"]] if "collectives" in file else []
    for section in sections:
        assert section["rows"] > 90
        assert section["cross_validated"]["median"] < 0.08
    for section in [*file["matmul"].values(), *file["attention"].values()]:
        assert section["device_left_out"]["median"] < 0.15


@pytest.mark.parametrize("name", MEASURED)
def test_constants_keep_their_physical_bounds(name: str) -> None:
    found = device(accelerator(name), "bf16")
    assert found.source == "interpolated"
    assert 0.3 < found.matmul_efficiency <= 1
    assert 0 <= found.matmul_tail <= 1
    assert 0.2 < found.attention_efficiency <= 1
    assert 0 <= found.matmul_sustained <= 0.5
    assert found.launch_s < 1e-5


@pytest.mark.parametrize(
    ("name", "like"),
    [
        ("H800-80GB-SXM", "H100-80GB-SXM"), ("GH200-96GB", "H"), ("A100-40GB-SXM", "A100"), ("RTX 6000 Ada", ""),
        ("H100-80GB-PCIe", "H100"),
    ],
)  # fmt: skip
def test_an_unmeasured_device_takes_the_constants_of_its_family(name: str, like: str) -> None:
    found = device(accelerator(name), "bf16")
    assert found.source == "carried"
    assert f"carried over from {like}" in found.basis
    assert found.band > device(accelerator("H100-80GB-SXM"), "bf16").band


def test_a_device_without_a_measured_relative_says_that_only_its_data_sheet_is_known() -> None:
    assert device(accelerator("V100-32GB-SXM"), "fp16").source == "specification"
    assert device(accelerator("MI250X"), "bf16").source == "specification"


def test_less_power_slows_only_what_lasts() -> None:
    full = device(accelerator("H100-80GB-SXM"), "bf16")
    weaker = accelerator("H100-80GB-SXM").model_copy(update={"name": "H100 at 500 W", "tdp_w": 500.0})
    capped = device(weaker, "bf16")
    assert capped.matmul_sustained > full.matmul_sustained
    assert capped.matmul_efficiency == full.matmul_efficiency


def test_graphics_chips_are_told_from_the_data_centres() -> None:
    graphics = {name for name in library.names("accelerators") if devices.graphics(accelerator(name))}
    assert {"L40S", "L4", "RTX 4090", "RTX 3090", "RTX PRO 6000 Blackwell", "A10G"} <= graphics
    assert not graphics & {"A100-80GB-SXM", "H100-80GB-PCIe", "B200-SXM", "V100-32GB-SXM", "T4", "MI300X"}


def test_a_precision_without_units_is_refused() -> None:
    with pytest.raises(InputError, match="no fp8 units"):
        device(accelerator("A100-80GB-SXM"), "fp8")


def test_gathered_devices_are_the_devices_row_by_row() -> None:
    every = [device(accelerator(name), "bf16") for name in ("A100-80GB-SXM", "H100-80GB-SXM", "L40S")]
    index = np.array([2, 0, 0, 1])
    rows = gather(every, index)
    assert rows.peak_flops.tolist() == [every[one].peak_flops for one in index]
    assert rows.element_bytes == 2.0, "what all share stays a scalar"
    assert rows.source == "interpolated"
