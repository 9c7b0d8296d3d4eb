"""What only a GPU can tell: its clock, its sensors, its allocator, and a prediction beside real training on it."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.gpu
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def has_a_gpu() -> None:
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


def test_the_device_is_described_and_its_sensors_are_read() -> None:
    from planner.profiling import devices

    device = devices.describe("cuda")
    assert device.kind == "cuda" and device.memory_bytes > 2**30 and device.multiprocessors
    sensor = devices.Sensor("cuda")
    sensor.start()
    condition = sensor.read()
    assert condition.temperature_c is None or 0 < condition.temperature_c < 120
    assert condition.clock_hz is None or condition.clock_hz > 1e8


def test_the_clock_of_the_device_agrees_with_the_host_s() -> None:
    import torch

    from planner.profiling.timer import CudaClock

    square = torch.randn(4096, 4096, device="cuda")
    for _ in range(3):
        square @ square
    torch.cuda.synchronize()
    clock, start = CudaClock(), time.perf_counter()
    for _ in range(10):
        clock.new_run()
        clock.mark()
        for _ in range(20):
            square @ square
        clock.mark()
    told = sum(map(sum, clock.read()))
    assert told == pytest.approx(time.perf_counter() - start, rel=0.25)


def test_a_quick_profile_is_whole_and_no_row_beats_the_ceiling_by_far(tmp_path: Path) -> None:
    from planner.timing.profile import load

    out = tmp_path / "gpt2.json"
    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "profile", "--model", "gpt2", "--device", "cuda", "--budget", "20s",
         "--out", str(out)],
        capture_output=True, text=True, check=False, timeout=110,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = load(out)
    ceiling = max(row.flops_per_s for row in found.rows if row.operation == "matmul_peak")
    assert all(row.flops_per_s < 1.3 * ceiling for row in found.rows if row.dtype == found.dtype)
    assert all(row.peak_memory_bytes for row in found.rows if row.operation == "layer")


def test_the_allocator_s_peak_is_predicted(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "main.py"), "verify", "--model", "gpt2", "--device", "cuda", "--steps", "5",
         "--micro-batch", "4", "--budget", "30s", "--json"],
        capture_output=True, text=True, check=False, timeout=170,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    rows = {row["what"]: row for row in json.loads(done.stdout)["rows"]}
    assert abs(rows["memory allocated"]["error"]) < 0.10
    assert rows["step time"]["measured"] > 0
