"""FLOPs against the closed formulas of the papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.counting import flops, parameters
from planner.counting.flops import Flops
from planner.plan.model import Model
from planner.plan.shipped import model
from planner.plan.workload import of_model


def gpt(layers: int, hidden: int, heads: int, vocabulary: int) -> Model:
    return Model(
        layers=layers, hidden=hidden, heads=heads, kv_heads=heads, head_dim=hidden // heads, ffn=4 * hidden,
        activation="gelu", vocabulary=vocabulary, max_sequence=2048, norm="layernorm", positions="learned",
    )  # fmt: skip


def counted(architecture: Model, **layout: float) -> Flops:
    return flops.count(of_model(architecture).where(**layout))


@given(
    st.integers(1, 128), st.integers(1, 128), st.sampled_from([64, 128]), st.integers(1000, 300_000),
    st.integers(1, 3000), st.integers(1, 8192),
)  # fmt: skip
def test_gpts_agree_with_narayanans_equation_3(L: int, a: int, d: int, V: int, B: int, s: int) -> None:
    """96·B·s·L·h²·(1 + s/6h + V/16Lh) with every activation recomputed, 72·…(… + V/12Lh) without."""
    h = a * d
    without = counted(gpt(L, h, a, V), batch=B, sequence=s)
    full = counted(gpt(L, h, a, V), batch=B, sequence=s, recompute_full=1.0)
    assert without.step_full == pytest.approx(72 * B * s * L * h**2 * (1 + s / (6 * h) + V / (12 * L * h)), rel=1e-9)
    assert full.step_hardware == pytest.approx(96 * B * s * L * h**2 * (1 + s / (6 * h) + V / (16 * L * h)), rel=1e-9)
    assert full.step_full == without.step_full == without.step_hardware


@pytest.mark.parametrize("name", ["gpt3-175b", "llama-2-70b", "llama-3.1-8b", "mistral-7b"])
def test_attention_adds_palms_12_l_a_d_s_to_every_token(name: str) -> None:
    """PaLM (arXiv 2204.02311) appendix B: 6·N + 12·L·a·d·s a token, N without the embedding look-up."""
    m, s = model(name), 4096
    matrices = parameters.of_model(m)
    per_token = counted(m, sequence=s).step_full / s
    weights = matrices.attention + matrices.feed_forward + m.vocabulary * m.hidden
    biases_and_norms = 0.001 * weights
    assert per_token - 12 * m.layers * m.heads * m.head_dim * s == pytest.approx(6 * weights, abs=6 * biases_and_norms)


@pytest.mark.parametrize("s", [1, 2, 1000, 4096])
def test_a_causal_mask_leaves_s_plus_1_of_2_s_scores(s: int) -> None:
    work = counted(model("llama-2-7b"), sequence=s)
    assert work.core_forward / work.core_forward_full == pytest.approx((s + 1) / (2 * s), rel=1e-12)
    assert work.step_full - work.step_causal == pytest.approx(
        3 * (work.core_forward_full - work.core_forward), rel=1e-6, abs=1e-9 * work.step_full
    )


def test_without_a_mask_both_conventions_agree() -> None:
    work = counted(model("bert-base-cased"), sequence=512, causal=0.0)
    assert work.step_full == work.step_causal


def test_attention_flops_grow_with_the_square_of_sequence_length_and_the_rest_linearly() -> None:
    one, two = (counted(model("llama-2-7b"), sequence=s) for s in (2048, 4096))
    assert two.core_forward_full == 4 * one.core_forward_full
    assert two.matmul_forward == 2 * one.matmul_forward
    assert two.head_forward == 2 * one.head_forward


def test_selective_recompute_repeats_one_attention_core_and_none_under_flash_attention() -> None:
    m = model("gpt3-175b")
    unfused = counted(m, sequence=2048, batch=3.0, recompute_selective=1.0, flash=0.0)
    assert unfused.step_hardware - unfused.step_full == pytest.approx(3 * unfused.core_forward_full, rel=1e-9)
    fused = counted(m, sequence=2048, batch=3.0, recompute_selective=1.0, flash=1.0)
    assert fused.step_hardware == fused.step_full


def test_selective_recompute_of_a_latent_model_repeats_every_heads_queries_keys_and_values() -> None:
    """DeepSeek-V2-Lite makes its queries straight from the stream: 16 heads of 192 from 2,048, and keys and values of
    128 each from a latent of 512, in 27 layers."""
    work = counted(model("deepseek-v2-lite"), sequence=4096, recompute_selective=1.0, flash=1.0)
    once = 2 * 4096 * 27 * 16 * (192 * 2048 + 512 * (128 + 128))
    assert work.step_hardware - work.step_full == pytest.approx(once, rel=1e-9)


def test_recomputing_a_share_of_the_layers_repeats_that_share() -> None:
    m = model("llama-2-7b")
    half, whole = (counted(m, sequence=4096, recompute_full=1.0, recompute_share=share) for share in (0.5, 1.0))
    assert 2 * (half.step_hardware - half.step_full) == pytest.approx(whole.step_hardware - whole.step_full)


def test_a_mixture_computes_its_active_experts_only() -> None:
    """Mixtral's active 12.9 B parameters, less the embedding look-up, at 6 FLOPs each."""
    m = model("mixtral-8x7b")
    active = parameters.of_model(m).active - m.vocabulary * m.hidden
    work = counted(m, sequence=4096)
    assert (work.step_full - 3 * work.core_forward_full) / 4096 == pytest.approx(6 * active, rel=1e-3)


def test_an_encoder_decoder_attends_three_times_for_every_two_layers() -> None:
    m = model("transformer-base")
    work = counted(m, sequence=128)
    assert work.core_forward_full == 4 * 128**2 * m.hidden * (6 + 6 + 6)


def test_a_bare_encoder_has_no_head_to_compute() -> None:
    bert = model("bert-large-cased")
    assert counted(bert.model_copy(update={"head": False}), sequence=512).head_forward == 0
    assert counted(bert.model_copy(update={"head": True}), sequence=512).head_forward == 2 * 512 * 28_996 * 1024


def test_six_n_d_is_six_n_d() -> None:
    assert flops.rule_of_thumb_flops(70e9, 2e12) == 8.4e23


def test_arrays_and_floats_agree() -> None:
    m, sequences = model("llama-2-70b"), np.array([128.0, 2048.0, 4096.0])
    many = flops.count(of_model(m).where(sequence=sequences, recompute_full=np.array([0.0, 1.0, 1.0])))
    for i, s in enumerate(sequences):
        one = counted(m, sequence=float(s), recompute_full=float(i > 0))
        assert many.step_hardware[i] == one.step_hardware
        assert many.step_causal[i] == one.step_causal
