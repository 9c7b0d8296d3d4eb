"""Parameters beyond the shipped models: laws that hold for any."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import library
from planner.counting import parameters
from planner.plan.model import Model
from planner.plan.shipped import model
from planner.plan.workload import Workload, of_model

PARTS = ("embedding", "attention", "feed_forward", "experts", "router", "norms", "head")


@st.composite
def models(draw: st.DrawFn) -> Model:
    kv = draw(st.integers(1, 8))
    experts = draw(st.sampled_from([0, 0, 4, 64]))
    layers = draw(st.integers(1, 100))
    whole = draw(st.booleans()) and not experts
    return Model(
        layers=layers, hidden=draw(st.integers(1, 20_000)), heads=kv * draw(st.integers(1, 8)), kv_heads=kv,
        head_dim=draw(st.integers(1, 256)), ffn=draw(st.integers(1, 60_000)), vocabulary=draw(st.integers(1, 300_000)),
        max_sequence=draw(st.integers(1, 10_000)), activation=draw(st.sampled_from(["swiglu", "gelu"])),
        tied_embeddings=draw(st.booleans()), norm_bias=draw(st.booleans()), qkv_bias=draw(st.booleans()),
        output_bias=draw(st.booleans()), ffn_bias=draw(st.booleans()), qk_norm=draw(st.booleans()),
        positions=draw(st.sampled_from(["rotary", "learned"])), experts=experts,
        experts_per_token=draw(st.integers(1, 4)) if experts else 0,
        dense_layers=draw(st.integers(0, layers)) if experts else 0,
        shared_experts=draw(st.integers(0, 2)) if experts else 0,
        architecture="encoder-decoder" if whole else "decoder", encoder_layers=draw(st.integers(1, 50)) if whole else 0,
    )  # fmt: skip


@given(models())
def test_the_parts_sum_to_the_total_which_is_a_whole_number_and_active_is_no_more(architecture: Model) -> None:
    counted = parameters.of_model(architecture)
    assert counted.total == sum(getattr(counted, part) for part in PARTS)
    assert float(counted.total).is_integer()
    assert 0 < counted.active <= counted.total
    assert (counted.active == counted.total) == (
        counted.experts == 0 or architecture.experts_per_token == architecture.experts
    )


@given(models(), st.integers(1, 50))
def test_another_layer_adds_the_same_wherever_it_stands(architecture: Model, more: int) -> None:
    def total(layers: int) -> float:
        return float(parameters.of_model(architecture.model_copy(update={"layers": layers})).total)

    first = total(architecture.layers + 1) - total(architecture.layers)
    assert total(architecture.layers + more) - total(architecture.layers) == first * more


@given(st.lists(models(), min_size=1, max_size=5))
def test_many_models_at_once_count_as_each_by_itself(several: list[Model]) -> None:
    ones = [of_model(one) for one in several]
    names = [field.name for field in fields(Workload)]
    together = parameters.count(Workload(**{name: np.array([getattr(one, name) for one in ones]) for name in names}))
    for i, one in enumerate(ones):
        alone = parameters.count(one)
        for part in (*PARTS, "total", "active"):
            assert np.broadcast_to(getattr(together, part), len(ones))[i] == getattr(alone, part)


def test_tying_the_head_saves_exactly_the_head() -> None:
    untied = parameters.of_model(model("llama-2-7b"))
    tied = parameters.of_model(model("llama-2-7b").model_copy(update={"tied_embeddings": True}))
    assert untied.total - tied.total == untied.head == 32_000 * 4096


def test_the_encoders_and_encoder_decoders_are_counted_as_published() -> None:
    """BERT-base cased without its pooler, T5 v1.0 11B, Vaswani's base and big (table 3: 65 M and 213 M)."""
    assert parameters.of_model(model("bert-base-cased")).total == 108_310_272 - 768 * 768 - 768
    assert parameters.of_model(model("t5-11b")).total == 11_307_321_344
    assert parameters.of_model(model("transformer-base")).total == pytest.approx(65e6, rel=0.04)
    assert parameters.of_model(model("transformer-big")).total == pytest.approx(213e6, rel=0.01)


def test_every_shipped_model_counts_to_its_name() -> None:
    millions = {
        "7b": 7e9,
        "13b": 13e9,
        "34b": 34e9,
        "33b": 33e9,
        "65b": 65e9,
        "70b": 70e9,
        "8b": 8e9,
        "405b": 405e9,
        "175b": 175e9,
        "11b": 11e9,
    }
    seen = 0
    for name in library.names("models"):
        size = millions.get(name.rpartition("-")[2])
        if size:
            seen += 1
            assert parameters.of_model(model(name)).total == pytest.approx(size, rel=0.05)
    assert seen >= 12
