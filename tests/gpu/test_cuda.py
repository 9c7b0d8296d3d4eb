"""What only a GPU can show: training in bf16, the allocator's peak, attention's kernels, the events' clock, NVML."""

from __future__ import annotations

import time

import pytest
import torch

from planner.estimate import estimate
from planner.plan.file import load
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.profiling import devices, training
from planner.profiling.allocator import Recorder
from planner.profiling.energy import Meter
from planner.profiling.timer import clock_for
from planner.profiling.trainable import Here, adapted
from planner.profiling.training import Spans, Training

pytestmark = [
    pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
]  # fmt: skip

LLAMA = Model(
    name="llama of 8 layers", layers=8, hidden=1024, heads=16, kv_heads=4, head_dim=64, ffn=2816, vocabulary=32_000,
    max_sequence=2048,
)  # fmt: skip
GPT = LLAMA.model_copy(update={
    "kv_heads": 16, "ffn": 4096, "activation": "gelu", "norm": "layernorm", "norm_bias": True, "positions": "learned",
    "qkv_bias": True, "output_bias": True, "ffn_bias": True, "tied_embeddings": True, "vocabulary": 50_257,
})  # fmt: skip


def plan_of(model: Model, micro_batches: int = 2) -> Plan:
    device = devices.describe("cuda")
    here = Here(device, devices.choose_dtype("cuda", devices.rates(device)))
    wanted = load("gpt2").replace(**{
        "model": model.model_dump(), "recipe.sequence_length": 1024, "recipe.framework": "pytorch",
        "layout.micro_batch": 4, "recipe.global_batch": 4 * micro_batches,
    })  # fmt: skip
    return adapted(wanted, here, whole_step=True).plan


def test_a_decoder_learns_in_mixed_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LEARNING_RATE", 3e-3)
    trained, spans = Training(plan_of(LLAMA, micro_batches=1), "cuda"), Spans(clock_for("cuda"))
    same = trained.tokens.next()
    monkeypatch.setattr(trained.tokens, "next", lambda: same)
    losses = [float(trained.step(spans)) for _ in range(20)]
    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("model", [LLAMA, GPT], ids=["llama", "gpt"])
@pytest.mark.parametrize("micro_batches", [1, 2])
def test_the_allocators_peak_is_the_predicted_one(model: Model, micro_batches: int) -> None:
    plan = plan_of(model, micro_batches)
    with Recorder("cuda") as record:
        trained, spans = Training(plan, "cuda"), Spans(clock_for("cuda"))
        for _ in range(3):
            trained.step(spans)
    predicted = estimate(plan).outcome.memory
    assert predicted.allocated == pytest.approx(record.peak.allocated_bytes, rel=0.05)
    assert record.peak.reserved_bytes is not None
    assert record.peak.reserved_bytes >= record.peak.allocated_bytes


def test_attentions_kernels_agree() -> None:
    from torch.nn.attention import SDPBackend, sdpa_kernel

    queries, keys, values = (torch.randn(2, 8, 512, 64, device="cuda", dtype=torch.bfloat16) for _ in range(3))

    def by(backend: SDPBackend) -> torch.Tensor:
        with sdpa_kernel(backend):
            return torch.nn.functional.scaled_dot_product_attention(queries, keys, values, is_causal=True)

    written_out = by(SDPBackend.MATH)
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION):
        assert torch.allclose(by(backend), written_out, atol=2e-2)


def test_the_events_clock_agrees_with_the_hosts() -> None:
    left = torch.randn(4096, 4096, device="cuda")
    clock = clock_for("cuda")
    torch.mm(left, left)
    torch.cuda.synchronize()
    start = time.perf_counter()
    clock.new_run()
    clock.mark()
    for _ in range(50):
        torch.mm(left, left)
    clock.mark()
    ((device_s,),) = clock.read()
    assert device_s == pytest.approx(time.perf_counter() - start, rel=0.1)


def test_nvml_counts_energy_while_the_gpu_works() -> None:
    meter = Meter("cuda")
    if meter.why_not:
        pytest.skip(meter.why_not)
    meter.start()
    left = torch.randn(4096, 4096, device="cuda")
    end = time.perf_counter() + 1.0
    while time.perf_counter() < end:
        torch.mm(left, left)
        torch.cuda.synchronize()
    joules = meter.joules()
    assert joules is not None and 10 < joules < 3000
