"""Kernels: laws that any timing must keep, published measurements, and the table that the constants were fitted to."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner import library
from planner.plan.cluster import Accelerator
from planner.timing.device import Device, device
from planner.timing.kernels import attention_flops, attention_s, matmul_s, memory_bound_s

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT.parent / "shared" / "data" / "kernels_open.csv"
DIRECTIONS = ("forward", "input_gradient", "weight_gradient")


def unit(name: str, precision: str = "bf16") -> Device:
    return device(Accelerator.model_validate(library.read("accelerators", name)), precision)


A100, H100 = unit("A100-80GB-SXM"), unit("H100-80GB-SXM")
sizes = st.integers(64, 20_000)


# Published measurements, copied by hand.


@pytest.mark.parametrize(
    ("name", "shape", "tflops", "tolerance"),
    [
        ("A100-80GB-SXM", (8192, 8192, 8192), 260, 0.06),  # 250–270 of 312 on random data (MODEL, Time)
        ("H200-SXM", (8192, 8192, 8192), 790, 0.06),  # NVIDIA H200, bf16, random data
        ("A100-80GB-SXM", (1024, 10240, 5120), 271.2, 0.08),  # best of a sweep, stas00/ml-engineering @744d01e
        ("H100-80GB-SXM", (2048, 2048, 13312), 794.5, 0.08),  # likewise
        ("A100-80GB-PCIe", (2048, 5120, 6144), 252.9, 0.10),
        ("GH200-96GB", (1024, 15360, 4096), 828.6, 0.15),  # carried over from H100 or H200
        ("H100-80GB-SXM", (8192, 8192, 8192), 782.7, 0.05),  # aiconfigurator @095f58a, trtllm 1.3.0rc20
        ("RTX PRO 6000 Blackwell", (8192, 8192, 8192), 400, 0.08),  # its median of .79 of 503.8 on large shapes
    ],
)
def test_products_take_what_was_published(
    name: str, shape: tuple[int, int, int], tflops: float, tolerance: float
) -> None:
    m, n, k = shape
    assert 2 * m * n * k / matmul_s(unit(name), m, n, k) / 1e12 == pytest.approx(tflops, rel=tolerance)


@pytest.mark.parametrize(
    ("name", "direction", "sequence", "tflops", "tolerance"),
    [
        ("H100-80GB-SXM", "forward", 16384, 648, 0.08),  # FlashAttention 3 (arXiv 2407.08608) fig. 5, d 128; recalled
        ("H100-80GB-SXM", "forward", 4096, 580, 0.08),
        ("A100-80GB-SXM", "forward", 16384, 197, 0.08),  # FlashAttention 2 (arXiv 2307.08691) fig. 5, d 128; recalled
        ("A100-80GB-SXM", "backward", 16384, 170, 0.15),
    ],
)
def test_fused_attention_takes_what_its_papers_measured(
    name: str, direction: str, sequence: int, tflops: float, tolerance: float
) -> None:
    batch = 16384 // sequence  # the papers keep 16k tokens and 2,048 channels
    shape = (batch, 16, 16, sequence, sequence, 128)
    flops = attention_flops(batch, 16, sequence, sequence, 128, True, direction)
    time = attention_s(unit(name), *shape, causal=True, direction=direction)
    assert flops / time / 1e12 == pytest.approx(tflops, rel=tolerance)


# Laws.


@given(sizes, sizes, sizes, st.sampled_from(DIRECTIONS))
@settings(max_examples=100)
def test_no_product_is_faster_than_the_roofline(m: int, n: int, k: int, direction: str) -> None:
    moved = 2 * (m * n + n * k + m * k)
    roofline = max(2 * m * n * k / H100.peak_flops, moved / H100.bandwidth_bytes_per_s)
    assert matmul_s(H100, m, n, k, direction=direction) > roofline


@given(sizes, sizes, sizes)
@settings(max_examples=100)
def test_a_larger_product_takes_longer_up_to_quantization(m: int, n: int, k: int) -> None:
    time = matmul_s(A100, m, n, k)
    for larger in ((2 * m, n, k), (m, 2 * n, k), (m, n, 2 * k)):
        assert matmul_s(A100, *larger) > time * 0.999
    assert matmul_s(A100, m, n, k + 64) > time * 0.999


def test_a_product_of_one_tile_more_than_a_wave_pays_for_most_of_a_second() -> None:
    """108 tiles of 256 × 128 fill an A100; 109 start a second wave."""
    full, over = matmul_s(A100, 256 * 9, 128 * 12, 4096), matmul_s(A100, 256 * 9, 128 * 13, 4096)
    assert over / full > 1.15


def test_small_inner_dimensions_run_below_the_rate_of_large_ones() -> None:
    rates = [2 * 8192 * 8192 * k / matmul_s(H100, 8192, 8192, k) for k in (128, 512, 2048)]
    assert rates[0] < rates[1] < rates[2]


def test_twice_the_peak_halves_a_product_bound_by_compute() -> None:
    import dataclasses

    twice = dataclasses.replace(H100, peak_flops=2 * H100.peak_flops, launch_s=0.0, matmul_sustained=0.0)
    once = dataclasses.replace(H100, launch_s=0.0, matmul_sustained=0.0)
    assert matmul_s(once, 8192, 8192, 8192) / matmul_s(twice, 8192, 8192, 8192) == pytest.approx(2)


def test_a_thin_product_is_bound_by_memory() -> None:
    time = matmul_s(H100, 1, 8192, 8192)
    assert time > 2 * 8192 * 8192 / H100.bandwidth_bytes_per_s
    assert time < 2 * matmul_s(H100, 1, 4096, 8192)


def test_the_weights_gradient_pays_for_its_fp32_sum() -> None:
    forward, fp32 = matmul_s(A100, 4096, 8192, 8192), matmul_s(A100, 4096, 8192, 8192, direction="weight_gradient")
    plain = matmul_s(A100, 4096, 8192, 8192, direction="weight_gradient", output_bytes=2)
    assert plain < fp32
    assert fp32 / forward == pytest.approx(1.06, abs=0.06)  # SimuMax, A100-PCIe: 0.742 against 0.714 of the peak


def test_fp8_is_faster_only_where_the_cast_is_paid_for() -> None:
    fp8 = unit("H100-80GB-SXM", "fp8")
    assert matmul_s(fp8, 8192, 8192, 8192) < matmul_s(H100, 8192, 8192, 8192)
    assert matmul_s(fp8, 8192, 8192, 8192, cast_bytes=0) < matmul_s(fp8, 8192, 8192, 8192)
    assert matmul_s(fp8, 1024, 768, 768) > matmul_s(H100, 1024, 768, 768)


def test_many_experts_of_few_tokens_take_longer_than_one_product_of_as_many() -> None:
    whole, parts = matmul_s(H100, 8192, 4096, 4096), matmul_s(H100, 128, 4096, 4096, groups=64)
    assert parts > 1.2 * whole


def test_a_stream_of_products_is_slower_than_one_alone() -> None:
    alone, stream = matmul_s(H100, 4096, 4096, 4096), matmul_s(H100, 4096, 4096, 4096, continuous=1.0)
    assert alone < stream < 1.2 * alone


@given(st.integers(1, 8), st.sampled_from([8, 16, 32]), st.sampled_from([512, 2048, 8192]), st.sampled_from([64, 128]))
@settings(max_examples=50)
def test_attention_laws(batch: int, heads: int, sequence: int, head_dim: int) -> None:
    shape = (batch, heads, heads, sequence, sequence, head_dim)
    forward = attention_s(H100, *shape, causal=True)
    flops = attention_flops(batch, heads, sequence, sequence, head_dim, True)
    assert forward > flops / H100.attention_peak_flops
    assert attention_s(H100, *shape, causal=False) > forward
    assert attention_s(H100, *shape, causal=True, direction="backward") > forward
    assert attention_s(H100, *shape, causal=True, kernel="flash2") > forward
    assert attention_s(H100, *shape, causal=True, serving=True) > forward
    unfused = attention_s(H100, *shape, causal=True, kernel="unfused")
    assert attention_s(H100, *shape, causal=True, kernel="eager") > unfused


def test_fused_attention_beats_unfused_by_several_times_on_long_sequences() -> None:
    shape = (1, 32, 32, 8192, 8192, 128)
    fused, unfused = (attention_s(A100, *shape, causal=True, kernel=kernel) for kernel in ("flash", "unfused"))
    assert 3 < unfused / fused < 12


def test_a_context_parallel_rank_does_its_share_of_the_causal_work() -> None:
    assert attention_flops(1, 32, 2048, 8192, 128, True) == pytest.approx(
        attention_flops(1, 32, 8192, 8192, 128, True) / 4
    )


def test_streaming_is_bound_by_launch_when_small_and_by_bandwidth_when_large() -> None:
    assert memory_bound_s(H100, 1e3) == pytest.approx(H100.launch_s, rel=0.01)
    assert 0.8 < 1e9 / memory_bound_s(H100, 1e9) / H100.bandwidth_bytes_per_s < 0.95


def test_scalars_and_arrays_agree() -> None:
    m, n, k = np.array([1024.0, 4096.0, 333.0]), np.array([768.0, 8192.0, 100.0]), np.array([512.0, 4096.0, 8000.0])
    for direction in DIRECTIONS:
        rows = matmul_s(H100, m, n, k, direction=direction)
        single = [matmul_s(H100, *each, direction=direction) for each in zip(m, n, k, strict=True)]
        np.testing.assert_allclose(rows, single, rtol=1e-12)
    s = np.array([512.0, 2048.0, 8192.0])
    for kernel in ("flash", "flash1", "flash2", "unfused", "eager"):
        rows = attention_s(H100, 2, 16, 4, s, s, 128, causal=True, kernel=kernel)
        single = [attention_s(H100, 2, 16, 4, each, each, 128, causal=True, kernel=kernel) for each in s]
        np.testing.assert_allclose(rows, single, rtol=1e-12)


# The whole table, where it is at hand.


@pytest.mark.skipif(not TABLE.exists(), reason="the table of measured kernels is not at hand")
def test_the_open_table_is_met_within_eight_per_cent() -> None:
    sys.path.insert(0, str(ROOT / "benchmarks"))
    import fit_kernels as fit

    rows = fit.read(TABLE)
    for kind, precision in (("matmul", "bf16"), ("matmul", "fp8"), ("attention", "bf16")):
        for name, group in fit.part(rows, kind, precision).items():
            model = fit.matmul_model if kind == "matmul" else fit.attention_model
            errors = np.abs(fit.error(model, unit(name, precision), group, {}))
            assert np.median(errors) < 0.08, (kind, precision, name)
            assert np.quantile(errors, 0.9) < 0.25, (kind, precision, name)
