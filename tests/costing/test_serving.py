"""Serving: hand-worked bytes and FLOPs, laws, and the throughputs that NVIDIA publishes."""

from __future__ import annotations

import csv
from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from planner import library
from planner.costing import serving
from planner.formula import Traced, recording
from planner.plan import shipped
from planner.plan.lifetime import Lifetime
from planner.quality.lifetime import SERVING_SPREAD, host

LLAMA = shipped.model("llama-2-70b")


@cache
def published() -> list[dict[str, str]]:
    with (library.SHIPPED / "throughputs.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def predicted(row: dict[str, str]) -> float:
    cache_bytes, gpus = float(row["cache_bytes"]), float(row["gpus"])
    life = Lifetime(precision=row["precision"], cache_bytes=cache_bytes)
    model = serving.served(shipped.model(row["model"]), row["precision"], cache_bytes)
    server = serving.server(shipped.accelerator(row["accelerator"]), life, gpus)
    found = serving.serve(
        model, server, prompt=float(row["prompt_tokens"]), answer=float(row["answer_tokens"]),
        batch=float(row["batch"]), usd_per_gpu_hour=1.0, load=1.0,
    )  # fmt: skip
    return float(found.output_tokens_per_s) / gpus


def errors(mixtures: bool = False, accelerator: str = "") -> np.ndarray:
    rows = [row for row in published() if ("mixtral" in row["model"]) == mixtures and accelerator in row["accelerator"]]
    return np.array([predicted(row) / float(row["output_tokens_per_s_per_gpu"]) - 1 for row in rows])


def test_every_published_throughput_has_its_source() -> None:
    assert len(published()) == 60
    assert all(row["source"] and row["as_of"] and row["confidence"] == "seen" for row in published())


def test_published_throughputs_of_dense_models_are_predicted_within_the_band() -> None:
    found = np.abs(errors())
    assert len(found) == 48
    assert found.mean() < 0.17
    assert np.quantile(found, 0.8) < SERVING_SPREAD
    assert np.abs(errors(accelerator="A100")).mean() < 0.17


def test_mixtures_are_predicted_too_fast_and_known_to_be() -> None:
    assert 0 < errors(mixtures=True).mean() < 0.6


def test_llama_2_70b_keeps_320_kib_a_token() -> None:
    assert serving.cache_bytes_per_token(80, 8, 128, 2.0) == 327_680


def test_llama_2_70b_needs_two_a100_in_16_bits_and_one_h200_in_8() -> None:
    for name, precision, gpus in (("A100-80GB-SXM", "bf16", 2), ("H200-SXM", "fp8", 1), ("H100-80GB-SXM", "bf16", 2)):
        life = Lifetime(precision=precision)
        server = serving.server(shipped.accelerator(name), life)
        assert serving.gpus_to_hold(serving.served(LLAMA, precision, 2.0), server, 512.0, 256.0) == gpus


def test_reading_is_bound_by_compute_and_writing_by_bandwidth() -> None:
    life = Lifetime()
    server = replace(serving.server(shipped.accelerator("A100-80GB-SXM"), life, 4.0), network=None, launch_s=0.0)
    model = serving.served(LLAMA, "bf16", 2.0)
    twice = replace(server, peak_flops=2 * float(server.peak_flops))
    assert serving.read_s(model, twice, 8.0, 512.0) == pytest.approx(serving.read_s(model, server, 8.0, 512.0) / 2)
    assert serving.step_s(model, twice, 8.0, 512.0) == serving.step_s(model, server, 8.0, 512.0)
    weights = 2 * 68_976_648_192 / (4 * shipped.accelerator("A100-80GB-SXM").memory_bandwidth_bytes_per_s * 0.8)
    assert serving.step_s(model, server, 1.0, 1.0) == pytest.approx(weights, rel=0.01)


def test_attention_over_a_latent_is_bound_by_compute_once_its_cache_has_8_bits() -> None:
    """All 128 heads of DeepSeek-V3 read one latent of 512 and 64: 2·128·1,088 FLOPs for 1,152 bytes in 16 bits, 242 a
    byte; a model whose eight query heads share a key and value has 8."""
    v3, llama = 2 * 128 * (2 * 512 + 64) / (2 * (512 + 64)), 2 * 64 * 256 / (2 * 2 * 8 * 128)
    assert (round(v3), round(llama)) == (242, 8)
    assert serving.latent_decode_attention_flops(61, 128, 512, 64, 1000) == 61 * 1000 * v3 * 1152
    step = {"active": 0.0, "batch": 1.0, "weights": 0.0, "cache": 0.5e9, "gpus": 1.0, "peak_flops": 1e15}
    step |= {"compute_efficiency": 0.7, "bandwidth_bytes_per_s": 3.35e12, "bandwidth_efficiency": 0.8}
    assert serving.decode_step_s(**step, attention=1e9 * v3) == pytest.approx(1e9 * v3 / 0.7e15)
    assert serving.decode_step_s(**step, attention=1e9 * llama) == pytest.approx(0.5e9 / (3.35e12 * 0.8))


def test_a_batch_of_answers_is_cheaper_than_one_at_a_time() -> None:
    model, server = (
        serving.served(LLAMA, "bf16", 2.0),
        serving.server(shipped.accelerator("A100-80GB-SXM"), Lifetime(), 4.0),
    )
    batches = np.array([1.0, 4.0, 16.0, 64.0])
    found = serving.serve(model, server, prompt=512.0, answer=256.0, batch=batches, usd_per_gpu_hour=2.0, load=0.5)
    assert np.all(np.diff(found.output_usd_per_million) < 0)
    one = serving.serve(model, server, prompt=512.0, answer=256.0, batch=16.0, usd_per_gpu_hour=2.0, load=0.5)
    assert found.output_usd_per_million[2] == pytest.approx(one.output_usd_per_million)


def test_the_batch_keeps_the_readers_speed_and_the_memory() -> None:
    found = host(LLAMA, Lifetime(tokens_per_s=25), shipped.accelerator("A100-80GB-SXM"))
    assert found.serving.tokens_per_s_per_answer >= 25
    assert found.serving.memory_bytes <= found.server.gpus * found.server.memory_bytes * found.server.memory_share


def test_a_lone_token_of_a_mixture_reads_its_own_experts_only() -> None:
    read = serving.touched_weights_bytes(100.0, 80.0, 8.0, 2.0, np.array([1.0, 1000.0]))
    assert read == pytest.approx([100 - 80 * 0.75, 100.0])


def test_prices_explain_themselves_down_to_the_data_sheet() -> None:
    with recording():
        price = host(LLAMA, Lifetime(), shipped.accelerator("A100-80GB-SXM")).serving.output_usd_per_million
    assert isinstance(price, Traced)
    assert price.node.recombined() == pytest.approx(float(price))
    assert "price" in price.node.expression
