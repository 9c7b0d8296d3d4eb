"""Counts against the real decoder: its own parameters, and what PyTorch's FLOP counter sees it compute."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from planner import library
from planner.counting import flops, parameters
from planner.counting.flops import Flops
from planner.plan.model import Model
from planner.plan.shipped import model
from planner.plan.workload import of_model
from planner.profiling.decoder import Decoder
from planner.profiling.decoder import parameters as parameters_of_module

DECODERS = [name for name in library.names("models") if model(name).architecture == "decoder"]

VARIANTS = {
    "everything on": {"qkv_bias": True, "output_bias": True, "ffn_bias": True, "norm": "layernorm",
                      "norm_bias": True,
                      "qk_norm": True, "embedding_norm": True, "positions": "learned", "token_types": 2,
                      "tied_embeddings": True},
    "narrow heads": {"heads": 6, "kv_heads": 2, "head_dim": 10, "hidden": 96},
    "one key/value head, sinusoidal": {"kv_heads": 1, "positions": "sinusoidal", "activation": "squared-relu"},
    "no final norm": {"final_norm": False, "positions": "none", "activation": "geglu"},
    "a latent": {"kv_heads": 4, "head_dim": 24, "latent_rank": 40, "query_rank": 56, "rotary_dim": 8, "value_dim": 12},
    "a latent of keys and values alone": {"kv_heads": 4, "head_dim": 24, "latent_rank": 40, "rotary_dim": 8},
    "shared experts after dense layers": {"experts": 4, "experts_per_token": 2, "shared_experts": 1,
                                          "dense_layers": 1, "expert_ffn": 48},
}  # fmt: skip


def small(**changes: object) -> Model:
    base = {
        "layers": 3,
        "hidden": 64,
        "heads": 4,
        "kv_heads": 2,
        "head_dim": 16,
        "ffn": 160,
        "vocabulary": 300,
        "max_sequence": 64,
    }
    return Model.model_validate(base | changes)


def counted_by_torch(architecture: Model, sequence: int) -> int:
    """FLOPs of forward and backward of one sequence, as PyTorch counts them (every score of the attention)."""
    with torch.device("meta"):
        decoder = Decoder(architecture)
        tokens = torch.zeros(1, sequence, dtype=torch.long)
        with FlopCounterMode(display=False) as counter:
            decoder(tokens, tokens).backward()
    return int(counter.get_total_flops())


def planned(architecture: Model, sequence: int) -> Flops:
    return flops.count(of_model(architecture).where(sequence=float(sequence)))


def test_there_are_decoders_to_compare() -> None:
    assert len(DECODERS) >= 14


@pytest.mark.parametrize("name", DECODERS)
def test_parameters_are_exactly_those_of_the_real_decoder(name: str) -> None:
    """Of a mixture with few experts: each is like the others, and thousands of modules take long to make."""
    whole = model(name)
    some = whole.model_copy(update={"experts": min(whole.experts, 2 * whole.experts_per_token)})
    with torch.device("meta"):
        decoder = Decoder(some)
    assert parameters.of_model(some).total == parameters_of_module(decoder)


@pytest.mark.parametrize("name", DECODERS)
def test_flops_are_those_that_torch_counts(name: str) -> None:
    """The layers of these models are alike but for dense ones before a mixture, so what one adds is counted on one and
    two of them."""
    whole, sequence = model(name), min(model(name).max_sequence, 4096)

    def counted(layers: int, dense: int) -> int:
        some = {"layers": layers, "dense_layers": dense, "experts": min(whole.experts, 2 * whole.experts_per_token)}
        routers = 6 * sequence * whole.hidden * (whole.experts - some["experts"]) * (layers - dense)
        return counted_by_torch(whole.model_copy(update=some), sequence) + routers

    one, two = counted(1, 0), counted(2, 0)
    real = one + (whole.layers - 1) * (two - one)
    if whole.dense_layers:
        real += whole.dense_layers * (counted(2, 1) - two)
    assert planned(whole, sequence).step_full == pytest.approx(real, rel=1e-3)


def test_a_whole_model_counts_as_its_layers_do() -> None:
    assert planned(model("gpt2"), 1024).step_full == pytest.approx(counted_by_torch(model("gpt2"), 1024), rel=1e-9)


def test_llama_2_70b_takes_1_82_exaflop_a_thousand_sequences() -> None:
    assert planned(model("llama-2-70b"), 4096).step_full == pytest.approx(1.82e15, rel=0.003)


@pytest.mark.parametrize("changes", VARIANTS.values(), ids=VARIANTS)
def test_unusual_architectures_count_exactly_too(changes: dict[str, object]) -> None:
    architecture = small(**changes)
    with torch.device("meta"):
        decoder = Decoder(architecture)
    assert parameters.of_model(architecture).total == parameters_of_module(decoder)
    assert planned(architecture, 48).step_full == pytest.approx(counted_by_torch(architecture, 48), rel=1e-9)


def test_parameters_by_part_are_those_of_the_modules() -> None:
    architecture = model("llama-2-7b")
    with torch.device("meta"):
        decoder = Decoder(architecture)
    counted = parameters.of_model(architecture)
    layer = decoder.layers[0]
    norms = 2 * architecture.hidden
    assert counted.embedding == parameters_of_module(decoder.embedding)
    assert counted.head == parameters_of_module(decoder.head.project)
    assert counted.attention + counted.feed_forward == architecture.layers * (parameters_of_module(layer) - norms)
    assert counted.attention_layer == parameters_of_module(layer.attention) - architecture.hidden
