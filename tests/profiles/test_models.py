"""The shipped models against parameter counts worked by hand from their published dimensions."""

from __future__ import annotations

import pytest

from planner import library
from planner.counting import parameters
from planner.plan import shipped
from planner.plan.plan import Plan
from planner.plan.workload import workload


def llama(layers: int, h: int, kv: int, f: int, vocabulary: int) -> int:
    """Queries and output h·h, keys and values h·kv, three feed-forward matrices, two norms; embedding, head, norm."""
    return layers * (2 * h * h + 2 * h * kv + 3 * h * f + 2 * h) + 2 * vocabulary * h + h


def gpt2(layers: int, h: int, positions: int) -> int:
    """12·h² of matrices, 9·h of their biases, 4·h of norms; tied embedding, learned positions, final norm."""
    return layers * (12 * h * h + 13 * h) + (50257 + positions) * h + 2 * h


def bert(layers: int, h: int) -> int:
    """As GPT-2's layers; three embeddings with a norm, no pooler, no head."""
    return layers * (12 * h * h + 13 * h) + (28996 + 512 + 2) * h + 2 * h


def transformer(h: int, f: int) -> int:
    """Six layers a stack without attention biases; the decoder attends twice; norms with biases; one embedding."""
    ffn = 2 * h * f + f + h
    return 6 * (4 * h * h + ffn + 2 * 2 * h) + 6 * (8 * h * h + ffn + 3 * 2 * h) + 37000 * h


EXPECTED = {
    "llama-7b": llama(32, 4096, 4096, 11008, 32000),
    "llama-13b": llama(40, 5120, 5120, 13824, 32000),
    "llama-33b": llama(60, 6656, 6656, 17920, 32000),
    "llama-65b": llama(80, 8192, 8192, 22016, 32000),
    "llama-2-7b": 6_738_415_616,
    "llama-2-13b": 13_015_864_320,
    "llama-2-34b": llama(48, 8192, 8 * 128, 22016, 32000),
    "llama-2-70b": 68_976_648_192,
    "llama-3.1-8b": 8_030_261_248,
    "llama-3.1-70b": 70_553_706_496,
    "llama-3.1-405b": 405_853_388_800,
    "mistral-7b": 7_241_732_096,
    "mixtral-8x7b": 46_702_792_704,
    "deepseek-v2-lite": 15_706_484_224,
    "deepseek-v2": 235_741_434_880,
    "deepseek-v3": 671_026_404_352,
    "kimi-k2": 1_026_408_209_408,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
    "gpt3-175b": gpt2(96, 12288, 2048),
    "bert-base-cased": 107_719_680,
    "bert-large-cased": bert(24, 1024),
    "t5-11b": 11_307_321_344,
    "transformer-base": transformer(512, 2048),
    "transformer-big": transformer(1024, 4096),
}
"""Totals as the released weights have them, written out; where none were released, worked from the dimensions."""


def test_the_hand_worked_counts_agree_with_the_released_weights() -> None:
    assert llama(32, 4096, 4096, 11008, 32000) == EXPECTED["llama-2-7b"]
    assert llama(80, 8192, 8 * 128, 28672, 32000) == EXPECTED["llama-2-70b"]
    assert llama(126, 16384, 8 * 128, 53248, 128256) == EXPECTED["llama-3.1-405b"]
    mixture = llama(32, 4096, 8 * 128, 8 * 14336, 32000) + 32 * 8 * 4096  # eight experts and their router
    assert mixture == EXPECTED["mixtral-8x7b"]
    assert gpt2(48, 1600, 1024) == EXPECTED["gpt2-xl"]
    assert bert(12, 768) == EXPECTED["bert-base-cased"]
    assert transformer(1024, 4096) == pytest.approx(213e6, rel=0.01)  # Vaswani 2017, table 3


@pytest.mark.parametrize("name", list(EXPECTED))
def test_a_shipped_model_counts_exactly_its_published_parameters(name: str) -> None:
    plan = Plan.model_validate({
        "model": name, "recipe": {"tokens": 1e9, "sequence_length": 128, "global_batch": 8},
        "cluster": {"accelerator": "A100-80GB-SXM", "fabric": "roce-200"},
    })  # fmt: skip
    assert parameters.count(workload(plan)).total == EXPECTED[name]


def test_every_shipped_model_has_a_count_to_answer_to() -> None:
    names = [path.stem for path in (library.SHIPPED / "models").glob("*.json")]
    assert set(EXPECTED) == set(names)
    assert all(shipped.model(name).name == name for name in names)


def test_mixtral_has_12_9_billion_active_parameters() -> None:
    plan = Plan.model_validate({
        "model": "mixtral-8x7b", "recipe": {"tokens": 1e9, "sequence_length": 128, "global_batch": 8},
        "cluster": {"accelerator": "A100-80GB-SXM", "fabric": "roce-200"},
    })  # fmt: skip
    assert parameters.count(workload(plan)).active == pytest.approx(12.88e9, rel=1e-3)
