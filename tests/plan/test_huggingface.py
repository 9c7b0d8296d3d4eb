"""Hugging Face configs: as published, the parameter counts they must give, and what is wrong with broken ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from planner.counting import parameters
from planner.errors import InputError
from planner.plan import huggingface
from planner.plan.derive import with_model
from planner.plan.file import load

LLAMA = {
    "architectures": ["LlamaForCausalLM"], "model_type": "llama", "hidden_size": 4096, "intermediate_size": 11008,
    "num_hidden_layers": 32, "num_attention_heads": 32, "num_key_value_heads": 32, "vocab_size": 32000,
    "max_position_embeddings": 4096, "hidden_act": "silu", "tie_word_embeddings": False, "rms_norm_eps": 1e-5,
}  # fmt: skip
MIXTRAL = {
    "model_type": "mixtral", "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
    "num_attention_heads": 32, "num_key_value_heads": 8, "vocab_size": 32000, "max_position_embeddings": 32768,
    "hidden_act": "silu", "num_local_experts": 8, "num_experts_per_tok": 2, "sliding_window": None,
}  # fmt: skip
QWEN = {
    "model_type": "qwen2", "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
    "num_attention_heads": 28, "num_key_value_heads": 4, "vocab_size": 152064, "max_position_embeddings": 131072,
    "hidden_act": "silu", "tie_word_embeddings": False, "use_sliding_window": False,
}  # fmt: skip
GPT2 = {
    "model_type": "gpt2", "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257,
    "activation_function": "gelu_new",
}  # fmt: skip
PYTHIA = {
    "model_type": "gpt_neox", "hidden_size": 2048, "intermediate_size": 8192, "num_hidden_layers": 16,
    "num_attention_heads": 8, "vocab_size": 50304, "max_position_embeddings": 2048, "hidden_act": "gelu",
}  # fmt: skip
BERT = {
    "model_type": "bert", "hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12,
    "num_attention_heads": 12, "vocab_size": 28996, "max_position_embeddings": 512, "type_vocab_size": 2,
    "hidden_act": "gelu",
}  # fmt: skip


@pytest.mark.parametrize(
    ("config", "published"),
    [
        (LLAMA, 6_738_415_616), (MIXTRAL, 46_702_792_704), (QWEN, 7_615_616_512), (GPT2, 124_439_808),
        (PYTHIA, 1_011_781_632), (BERT, 107_719_680),
    ],
)  # fmt: skip
def test_a_config_gives_the_published_number_of_parameters(config: dict[str, Any], published: int) -> None:
    model, _ = huggingface.model(config, "as published")
    assert parameters.of_model(model).total == published


def test_what_was_ignored_is_listed() -> None:
    _, ignored = huggingface.model(MIXTRAL, "mixtral")
    assert ignored == ["sliding_window"]


def test_an_unknown_family_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="llama"):
        huggingface.model({"model_type": "llamo"}, "x")


@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "vocab_size"])
def test_a_missing_field_is_named(field: str) -> None:
    with pytest.raises(InputError, match=field):
        huggingface.model({key: value for key, value in LLAMA.items() if key != field}, "x")


@pytest.mark.parametrize("value", ["many", True, -1, 1.5, float("nan"), [], 10**400])
def test_a_field_that_is_no_size_is_an_error(value: Any) -> None:
    with pytest.raises(InputError):
        huggingface.model({**LLAMA, "hidden_size": value}, "x")


def test_a_plan_takes_a_config_file(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA), "utf-8")
    plan, _ = with_model(load("llama-2-13b"), str(path))
    assert plan.model.layers == 32 and plan.model.name == tmp_path.name


def test_a_file_that_is_no_model_says_so(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text("{}", "utf-8")
    with pytest.raises(InputError, match="model_type"):
        with_model(load("llama-2-13b"), str(path))
