"""Memory against the real decoder under fake tensors: what autograd saves, and the peak that PyTorch's tracker sees."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.distributed._tools.mem_tracker import MemTracker

from planner import library
from planner.counting import memory, parameters
from planner.counting.activations import layer_saved_bytes
from planner.counting.allocation import NAMES, Allocation, allocation, on_processor
from planner.counting.memory import Memory
from planner.plan.model import Model
from planner.plan.workload import Workload, of_model
from planner.profiling.decoder import Decoder, HeadLoss, Layer, rotary_like, rotary_width

BATCH, SEQUENCE = 2, 512
ON_THE_CPU = on_processor(allocation("pytorch"))
"""The decoder's own generation, without a GPU's workspaces and context."""

LLAMA = {"layers": 8, "hidden": 1024, "heads": 16, "kv_heads": 4, "head_dim": 64, "ffn": 2816, "vocabulary": 8000,
         "max_sequence": 2048}  # fmt: skip
GPT = LLAMA | {"kv_heads": 16, "ffn": 4096, "vocabulary": 50_257, "activation": "gelu", "norm": "layernorm",
               "norm_bias": True, "positions": "learned", "qkv_bias": True, "output_bias": True, "ffn_bias": True,
               "tied_embeddings": True}  # fmt: skip
MIXTURE = LLAMA | {"experts": 8, "experts_per_token": 2, "shared_experts": 1, "expert_ffn": 1408}
SHAPES = {
    "llama": LLAMA, "gpt": GPT, "one key/value head": LLAMA | {"kv_heads": 1},
    "wide heads": LLAMA | {"kv_heads": 16, "head_dim": 128},
    "a latent": LLAMA | {"kv_heads": 16, "head_dim": 96, "latent_rank": 256, "query_rank": 384, "rotary_dim": 32},
    "geglu with layernorm": LLAMA | {"activation": "geglu", "norm": "layernorm", "norm_bias": True},
}  # fmt: skip


def in_bf16(kind: Any, architecture: Model) -> Any:
    torch.set_default_dtype(torch.bfloat16)
    try:
        return kind(architecture)
    finally:
        torch.set_default_dtype(torch.float32)


def saved_bytes(block: Any, *inputs: Any) -> int:
    """Bytes of the storages that autograd saves in a forward pass, parameters left out."""
    own = {parameter.untyped_storage()._cdata for parameter in block.parameters()}
    seen: dict[int, int] = {}

    def keep(tensor: Any) -> Any:
        storage = tensor.untyped_storage()
        if storage._cdata not in own:
            seen[storage._cdata] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        held = block(*inputs)
        total = sum(seen.values())
    assert held is not None
    return total


def numbers(architecture: Model, **changes: float) -> Workload:
    one = {"sequence": float(SEQUENCE), "micro_batch": float(BATCH), "batch": float(BATCH)}
    return of_model(architecture).where(**one, **changes)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_a_layer_saves_what_autograd_saves_of_the_real_one(shape: dict[str, Any]) -> None:
    architecture = Model.model_validate(shape)
    with FakeTensorMode():
        x = torch.zeros(BATCH, SEQUENCE, architecture.hidden, dtype=torch.bfloat16, requires_grad=True)
        rotary = rotary_like(x, rotary_width(architecture)) if architecture.positions == "rotary" else None
        real = saved_bytes(in_bf16(Layer, architecture), x, rotary)
    whole, _, _ = layer_saved_bytes(numbers(architecture), ON_THE_CPU)
    assert whole == pytest.approx(real, rel=0.01)


def test_a_mixtures_layer_saves_what_autograd_saves_of_the_real_one() -> None:
    architecture = Model.model_validate(MIXTURE)
    block = in_bf16(Layer, architecture)
    x = torch.randn(BATCH, SEQUENCE, architecture.hidden, dtype=torch.bfloat16, requires_grad=True)
    real = saved_bytes(block, x, rotary_like(x, architecture.head_dim))
    whole, _, _ = layer_saved_bytes(numbers(architecture), ON_THE_CPU)
    assert whole == pytest.approx(real, rel=0.01)


def test_the_loss_saves_its_fp32_softmax() -> None:
    architecture = Model.model_validate(LLAMA)
    with FakeTensorMode():
        x = torch.zeros(BATCH, SEQUENCE, architecture.hidden, dtype=torch.bfloat16, requires_grad=True)
        real = saved_bytes(in_bf16(HeadLoss, architecture), x, torch.zeros(BATCH, SEQUENCE, dtype=torch.long))
    logits = BATCH * SEQUENCE * architecture.vocabulary
    stream = BATCH * SEQUENCE * architecture.hidden
    assert real == pytest.approx(4 * logits + 10 * stream, rel=0.01)
    assert ON_THE_CPU.logit_bytes == 4 + 4 + 4  # with its gradient and the logits' at the peak, all in fp32


class WholePeak(MemTracker):
    """Without each module's own peak, which it would look through at every operation: two thirds of the time."""

    def _update_peak_stats(self, peak_state: Any) -> None:
        modules, self.memory_tracking = self.memory_tracking, {}
        super()._update_peak_stats(peak_state)
        self.memory_tracking = modules


def peak_bytes(architecture: Model, batch: int = BATCH, *, accumulating: bool = True) -> int:
    """Peak of one micro-batch's forward and backward while Adam's states are there, and where they are added up the
    gradients of the one before."""
    with FakeTensorMode():
        decoder = in_bf16(Decoder, architecture)
        optimizer = torch.optim.AdamW(decoder.parameters(), foreach=False)
        tokens = torch.zeros(batch, SEQUENCE, dtype=torch.long)
        for parameter in decoder.parameters():
            parameter.grad = torch.zeros_like(parameter)
        optimizer.step()
        if not accumulating:
            optimizer.zero_grad(set_to_none=True)
        tracker = WholePeak()
        tracker.track_external(decoder, optimizer)
        with tracker:
            decoder(tokens, tokens).backward()
        (snapshot,) = tracker.get_tracker_snapshot("peak").values()
    return int(snapshot["Total"])


DEEP = LLAMA | {"layers": 14}
WIDE_TABLE = LLAMA | {"layers": 2, "vocabulary": 64_000}


@pytest.mark.parametrize(
    ("shape", "batch", "micro_batches"),
    [
        *itertools.product([LLAMA, GPT, WIDE_TABLE, WIDE_TABLE | {"tied_embeddings": True}], [1, BATCH], [1, 2]),
        (DEEP, BATCH, 2),  # the slowest by far; one will do
    ],
)
def test_the_peak_is_what_torchs_tracker_sees(shape: dict[str, Any], batch: int, micro_batches: int) -> None:
    """At the loss where activations and logits are large, at the end of the backward pass where they are not."""
    architecture = Model.model_validate(shape)
    w = numbers(architecture, gradient_bytes=2.0, optimizer_bytes=4.0)
    w = w.where(micro_batch=float(batch), batch=float(batch * micro_batches))
    planned = memory.count(w, parameters.count(w), ON_THE_CPU)
    real = peak_bytes(architecture, batch, accumulating=micro_batches > 1)
    assert planned.allocated == pytest.approx(real, rel=0.03)


def held(w: Workload, software: Allocation, device_bytes: float = float("inf")) -> Memory:
    return memory.count(w, parameters.count(w), software, device_bytes)


@pytest.mark.parametrize("name", library.paths("frameworks"))
def test_every_generation_states_only_constants_that_exist_and_counts(name: str) -> None:
    assert set(library.read("frameworks", name).get("memory", {})) <= set(NAMES)
    w = of_model(Model.model_validate(LLAMA)).where(sequence=2048.0, batch=8.0)
    counted = held(w, allocation(name))
    assert 0 < counted.allocated <= counted.reserved <= counted.total


def test_the_allocators_reserve_gives_way_on_a_full_device() -> None:
    w = of_model(Model.model_validate(LLAMA)).where(sequence=2048.0, batch=8.0)
    free = held(w, allocation("nanotron"))
    tight = held(w, allocation("nanotron"), float(free.total - free.reserve / 2))
    assert tight.reserve == pytest.approx(free.reserve / 2)
    assert held(w, allocation("nanotron"), 1e6).reserve == 0


def test_nanotron_deals_the_head_out_as_layers() -> None:
    """Its `build_model` puts 11 of 16 layers of 2,048 on the first of two stages when the vocabulary is 131,072."""
    architecture = Model(
        name="1B", layers=16, hidden=2048, heads=32, kv_heads=32, head_dim=64, ffn=8192, vocabulary=131_072,
        tied_embeddings=True, max_sequence=4096,
    )  # fmt: skip
    w = of_model(architecture).where(pp=2.0, gpus=2.0, batch=8.0, sequence=4096.0)
    counted = parameters.count(w)
    layer = (counted.total - counted.embedding) / 16
    first, last = (stage(w, counted, allocation("nanotron")) for stage in (memory.first_stage, memory.last_stage))
    assert first.weights == pytest.approx(2 * (11 * layer + counted.embedding), rel=1e-4)
    assert last.weights == pytest.approx(2 * (5 * layer + counted.embedding), rel=1e-4)


def test_a_log_that_divides_by_1024_cubed_reads_smaller() -> None:
    w = of_model(Model.model_validate(LLAMA)).where(sequence=2048.0, batch=8.0)
    software = allocation("nanotron")
    printed = memory.as_printed(w, parameters.count(w), software, "unknown")  # type: ignore[arg-type]
    assert printed * 2**30 / 1e9 == pytest.approx(held(w, software).reserved)
