"""The real decoder against published totals, hand-worked FLOPs and the mathematics of its parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from planner.errors import InputError
from planner.plan import shipped
from planner.plan.model import Model
from planner.profiling import decoder

PUBLISHED = {
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-70b": 68_976_648_192,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
}
"""Parameters of the published checkpoints (their safetensors' own totals, buffers left out)."""

VARIANTS: dict[str, dict[str, Any]] = {
    "llama": {},
    "gpt": {
        "activation": "gelu", "norm": "layernorm", "norm_bias": True, "positions": "learned", "tied_embeddings": True,
        "qkv_bias": True, "output_bias": True, "ffn_bias": True, "kv_heads": 4,
    },
    "transformer": {"activation": "relu", "positions": "sinusoidal", "norm": "layernorm", "kv_heads": 4},
    "qwen": {"qk_norm": True, "qkv_bias": True},
    "mixture": {"experts": 4, "experts_per_token": 2, "expert_ffn": 32, "shared_experts": 1, "dense_layers": 1},
    "geglu": {"activation": "geglu", "kv_heads": 1, "embedding_norm": True, "final_norm": False},
}  # fmt: skip


def on_meta(model: Model, shards: int = 1) -> decoder.Decoder:
    with torch.device("meta"):
        return decoder.Decoder(model, shards)


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_equal_the_published_totals(name: str) -> None:
    assert decoder.parameters(on_meta(shipped.model(name))) == PUBLISHED[name]


def test_a_llama_layers_flops_equal_the_hand_count(tiny: Model) -> None:
    b, s, h, a, k, d, f, V = 2, 8, 64, 4, 2, 16, 96, 160
    projections = h * a * d + 2 * h * k * d + a * d * h
    core = 2 * s * a * d  # scores and values, in full
    per_token = tiny.layers * (2 * (projections + 3 * h * f) + 2 * core) + 2 * h * V
    tokens = torch.zeros(b, s, dtype=torch.long, device="meta")
    counter = FlopCounterMode(display=False)
    with counter:
        loss = on_meta(tiny)(tokens, tokens)
        forward = counter.get_total_flops()
        loss.backward()
    assert forward == b * s * per_token
    assert counter.get_total_flops() == 3 * forward


def test_a_mixture_multiplies_only_by_the_chosen_and_shared_experts(tiny: Model) -> None:
    model = tiny.model_copy(update=VARIANTS["mixture"])
    with torch.device("meta"):
        block = decoder.FeedForwardBlock(model)
        x = torch.zeros(2, 8, 64)
    counter = FlopCounterMode(display=False)
    with counter:
        block(x)
    assert counter.get_total_flops() == 16 * 2 * (64 * 4 + (2 + 1) * 3 * 64 * 32)


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_trains(tiny: Model, variant: str) -> None:
    model = tiny.model_copy(update=VARIANTS[variant])
    torch.manual_seed(0)
    built = decoder.build(decoder.Decoder, model, device="cpu", dtype=torch.float32)
    tokens = torch.randint(model.vocabulary, (2, 12))
    loss = built(tokens, tokens)
    loss.backward()
    assert abs(loss.item() - torch.tensor(float(model.vocabulary)).log().item()) < 1.0
    # an expert that no token chose has no gradient
    assert all(p.grad is not None for name, p in built.named_parameters() if "experts" not in name)


def test_the_layer_is_its_attention_block_and_then_its_feed_forward_block(tiny: Model) -> None:
    layer = decoder.build(decoder.Layer, tiny, device="cpu", dtype=torch.float32)
    x = torch.randn(2, 8, 64)
    assert torch.equal(layer(x), layer.feed_forward(layer.attention(x)))


def test_rotary_scores_depend_on_the_distance_alone() -> None:
    cosines, sines = decoder.rotary_angles(32, 16)
    query, key = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)
    queries = decoder.rotate(query.expand(1, 1, 32, 16), cosines, sines)[0, 0]
    keys = decoder.rotate(key.expand(1, 1, 32, 16), cosines, sines)[0, 0]
    scores = queries @ keys.T
    for distance in (-3, 0, 5):
        diagonal = scores.diagonal(distance)
        assert torch.allclose(diagonal, diagonal[0].expand_as(diagonal), atol=1e-4)
    assert not torch.allclose(scores[0, 0], scores[0, 5])


def test_no_position_sees_a_later_token(tiny: Model) -> None:
    built = decoder.build(decoder.Decoder, tiny, device="cpu", dtype=torch.float32)
    tokens = torch.randint(160, (1, 10))
    changed = tokens.clone()
    changed[0, 6] = (changed[0, 6] + 1) % 160
    before, after = built(tokens), built(changed)
    assert torch.allclose(before[:, :6], after[:, :6], atol=1e-6)
    assert not torch.allclose(before[:, 6:], after[:, 6:], atol=1e-6)


def test_a_tied_head_is_the_embedding_itself(tiny: Model) -> None:
    model = tiny.model_copy(update={"tied_embeddings": True})
    built = decoder.build(decoder.Decoder, model, device="cpu", dtype=torch.float32)
    assert built.head.project.weight is built.embedding.tokens.weight
    assert decoder.parameters(built) == decoder.parameters(on_meta(tiny)) - 160 * 64


def test_grouped_heads_equal_the_same_heads_written_out(tiny: Model) -> None:
    queries, keys, values = torch.randn(1, 4, 8, 16), torch.randn(1, 2, 8, 16), torch.randn(1, 2, 8, 16)
    grouped = decoder.attention_core(queries, keys, values)
    written_out = decoder.attention_core(queries, *(x.repeat_interleave(2, dim=1) for x in (keys, values)))
    assert torch.allclose(grouped, written_out, atol=1e-5)


def test_the_shards_of_a_layer_hold_its_matrices_once(tiny: Model) -> None:
    model = tiny.model_copy(update={"kv_heads": 4})
    with torch.device("meta"):
        whole, half = decoder.Layer(model), decoder.Layer(model, 2)
    norms = 2 * 64
    assert 2 * (decoder.parameters(half) - norms) == decoder.parameters(whole) - norms


def test_key_value_heads_fewer_than_the_shards_are_copied(tiny: Model) -> None:
    assert decoder.usable_shards(tiny) == [1, 2, 4]
    with torch.device("meta"):
        assert decoder.AttentionBlock(tiny, 4).key.weight.shape == (16, 64)


@pytest.mark.parametrize("name", ["bert-base-cased", "t5-11b"])
def test_encoders_are_refused_with_a_reason(name: str) -> None:
    with pytest.raises(InputError, match="architecture: encoder"):
        decoder.Decoder(shipped.model(name))


def test_every_reason_is_told_at_once(tiny: Model) -> None:
    model = tiny.model_copy(update={"positions": "alibi", "kv_heads": 3})
    with pytest.raises(InputError, match=r"(?s)positions: .*kv_heads: "):
        decoder.require_decoder(model)
