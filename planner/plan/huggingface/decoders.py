"""Decoders with RMSNorm, rotary positions and gates: Llama and its kin, dense, with experts, with latent attention.

A reader takes the config's fields and gives those of `Model`. What the family has and a plan's model does not is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.errors import InputError
from planner.plan.huggingface.config import Fields, activation

_QKV_BIASED = {"qwen2", "qwen2_moe"}
_OUTPUT_BIASED = {"llama", "gpt_oss", "phimoe", "granite", "granitemoe", "smollm3", "ministral3", "hunyuan_v1_dense"}
"""Families whose `attention_bias` counts for the output projection too."""
_NORMED_HEADS = {"qwen3", "qwen3_moe", "dots1", "exaone4", "hunyuan_v1_dense"}
_NORMED_WIDTHS = {"olmo2", "olmo3", "olmoe", "minimax_m2"}
"""Families with one norm over all heads' queries and one over all keys, not one a head."""
_TIED = {"smollm3", "ernie4_5", "ernie4_5_moe"}
"""Families whose head is tied unless the config says otherwise."""


def _llama(fields: Fields) -> dict[str, Any]:
    """Llama, Mistral, Mixtral, Qwen and their kin: RMSNorm, rotary positions, gated feed-forward."""
    family = fields.data["model_type"]
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    layers, kv_heads = fields.number("num_hidden_layers"), fields.number("num_key_value_heads", default=heads)
    head_dim = fields.number("head_dim", default=hidden // max(1, heads))
    experts = fields.number("num_local_experts", "num_experts", default=0)
    qkv_bias = fields.flag("attention_bias", fields.flag("use_bias", family in _QKV_BIASED))
    if family in _NORMED_WIDTHS:
        fields.leave_out("the norms over all heads' queries and keys", layers * (heads + kv_heads - 2) * head_dim)
    return {
        "layers": layers, "hidden": hidden, "heads": heads, "kv_heads": kv_heads, "head_dim": head_dim,
        "ffn": fields.number("intermediate_size"),
        "activation": activation(fields.word("hidden_act", "silu"), gated=True),
        "vocabulary": fields.number("vocab_size"),
        "tied_embeddings": fields.flag("tie_word_embeddings", family in _TIED),
        "max_sequence": fields.number("max_position_embeddings"), "qkv_bias": qkv_bias,
        "output_bias": fields.flag("attention_out_bias", qkv_bias and family in _OUTPUT_BIASED),
        "ffn_bias": fields.flag("mlp_bias", False), "qk_norm": family in _NORMED_HEADS | _NORMED_WIDTHS,
        "experts": experts, "experts_per_token": fields.number("num_experts_per_tok", default=0) if experts else 0,
        "expert_ffn": fields.number("moe_intermediate_size", default=0) if experts else 0,
    }  # fmt: skip


def _every_layer_routes(fields: Fields) -> None:
    """Refuse a mixture that alternates with dense layers."""
    for name in ("moe_layer_freq", "decoder_sparse_step", "interleave_moe_layer_step", "moe_layer_interval"):
        if fields.number(name, default=1) != 1:
            raise InputError(f"{name}: only a mixture in every layer after the dense ones is counted")
    fields.read.add("mlp_only_layers")
    if fields.data.get("mlp_only_layers"):
        raise InputError("mlp_only_layers: only a mixture in every layer after the dense ones is counted")


def _qwen_moe(fields: Fields) -> dict[str, Any]:
    """Qwen's mixtures; those of the second generation with a shared expert as wide as several."""
    _every_layer_routes(fields)
    sizes, shared = _llama(fields), fields.number("shared_expert_intermediate_size", default=0)
    if shared:
        expert = max(1, sizes["expert_ffn"] or sizes["ffn"])
        if shared % expert:
            raise InputError(f"shared_expert_intermediate_size: {shared} is no multiple of an expert's width, {expert}")
        sizes["shared_experts"] = shared // expert
        fields.leave_out("the shared expert's gate", sizes["layers"] * sizes["hidden"])
    return sizes


def _gpt_oss(fields: Fields) -> dict[str, Any]:
    """gpt-oss: biases on attention and experts, a sink a head, every other layer with a window."""
    sizes = _llama(fields)
    fields.leave_out(
        "the attention sinks and the router's biases", sizes["layers"] * (sizes["heads"] + sizes["experts"])
    )
    return {**sizes, "ffn_bias": True}


def _phimoe(fields: Fields) -> dict[str, Any]:
    """Phi-3.5-MoE: a mixture with LayerNorm and a biased head."""
    sizes = _llama(fields)
    if fields.flag("lm_head_bias", False):
        fields.leave_out("the head's bias", sizes["vocabulary"])
    return {**sizes, "norm": "layernorm", "norm_bias": True}


def _llama4(fields: Fields) -> dict[str, Any]:
    """Llama 4's language model, where every layer routes (Scout): one shared expert beside the routed ones."""
    _every_layer_routes(fields)
    sizes = _llama(fields)
    return {
        **sizes, "expert_ffn": sizes["ffn"], "shared_experts": 1,
        "ffn": fields.number("intermediate_size_mlp", default=sizes["ffn"]),
    }  # fmt: skip


def _ernie_moe(fields: Fields) -> dict[str, Any]:
    """ERNIE 4.5's mixtures: shared experts, dense layers first."""
    _every_layer_routes(fields)
    sizes = {
        **_llama(fields), "experts": fields.number("moe_num_experts"), "experts_per_token": fields.number("moe_k"),
        "expert_ffn": fields.number("moe_intermediate_size"),
        "shared_experts": fields.number("moe_num_shared_experts", default=0),
        "dense_layers": fields.number("moe_layer_start_index", default=0),
    }  # fmt: skip
    fields.leave_out("the router's biases", (sizes["layers"] - sizes["dense_layers"]) * sizes["experts"])
    return sizes


def _glm(fields: Fields) -> dict[str, Any]:
    """GLM-4: biases on the three projections; the one of April 2025 with a norm after each block too."""
    sizes = _llama(fields)
    if fields.data["model_type"] == "glm4":
        _leave_out_later_norms(fields, sizes)
    return sizes


def _gemma(fields: Fields) -> dict[str, Any]:
    """Gemma 1 to 3: GeGLU, a head of its own width, a tied head; from the second on a norm after each block too.

    What a config of Gemma 3 does not say is as transformers' `Gemma3TextConfig` has it."""
    family = fields.data["model_type"]
    third = family == "gemma3_text"
    act = fields.word("hidden_activation", fields.word("hidden_act", "gelu_pytorch_tanh"))
    heads = fields.number("num_attention_heads", default=8 if third else None)
    sizes = {
        "layers": fields.number("num_hidden_layers"), "hidden": fields.number("hidden_size"), "heads": heads,
        "kv_heads": fields.number("num_key_value_heads", default=4 if third else heads),
        "head_dim": fields.number("head_dim", default=256),
        "ffn": fields.number("intermediate_size"), "activation": activation(act, gated=True),
        "vocabulary": fields.number("vocab_size", default=262_208 if third else None),
        "tied_embeddings": fields.flag("tie_word_embeddings", True),
        "max_sequence": fields.number("max_position_embeddings", default=131_072 if third else None),
        "qkv_bias": fields.flag("attention_bias", False), "qk_norm": third,
    }  # fmt: skip
    if family != "gemma":
        _leave_out_later_norms(fields, sizes)
    return sizes


def _leave_out_later_norms(fields: Fields, sizes: dict[str, Any]) -> None:
    fields.leave_out("the norms after each block", 2 * sizes["layers"] * sizes["hidden"])


def _deepseek(fields: Fields) -> dict[str, Any]:
    """DeepSeekMoE (the first), GLM-4.5, dots: many small experts, shared ones for every token, dense layers first."""
    _every_layer_routes(fields)
    _leave_out_prediction(fields)
    return {
        **_llama(fields), "experts": fields.number("n_routed_experts", default=0),
        "experts_per_token": fields.number("num_experts_per_tok", default=0),
        "expert_ffn": fields.number("moe_intermediate_size"),
        "shared_experts": fields.number("n_shared_experts", default=0),
        "dense_layers": fields.number("first_k_dense_replace", default=0),
        "qk_norm": fields.flag("use_qk_norm", fields.data["model_type"] in _NORMED_HEADS),
    }  # fmt: skip


def _leave_out_prediction(fields: Fields) -> None:
    predicted = fields.number("num_nextn_predict_layers", default=0)
    if predicted:
        fields.uncounted.append(f"the module that predicts {predicted + 1} tokens (num_nextn_predict_layers)")


def _latent(fields: Fields) -> dict[str, Any]:
    """DeepSeek-V2 and V3 and their kin: multi-head latent attention, a mixture as before."""
    rotary, sizes = fields.number("qk_rope_head_dim"), _deepseek(fields)
    return {
        **sizes, "kv_heads": sizes["heads"], "head_dim": fields.number("qk_nope_head_dim") + rotary,
        "latent_rank": fields.number("kv_lora_rank"), "query_rank": fields.number("q_lora_rank", default=0),
        "rotary_dim": rotary, "value_dim": fields.number("v_head_dim"),
    }  # fmt: skip


FAMILIES: dict[str, Callable[[Fields], dict[str, Any]]] = {
    **dict.fromkeys(
        ("llama", "mistral", "ministral3", "mixtral", "qwen2", "qwen3", "phi3", "granite", "granitemoe", "olmo2",
         "olmo3", "olmoe", "smollm3", "seed_oss", "minimax_m2", "ernie4_5", "exaone4", "helium", "hunyuan_v1_dense"),
        _llama,
    ),
    **dict.fromkeys(("qwen2_moe", "qwen3_moe"), _qwen_moe), **dict.fromkeys(("glm", "glm4"), _glm),
    **dict.fromkeys(("gemma", "gemma2", "gemma3_text"), _gemma), "llama4_text": _llama4, "gpt_oss": _gpt_oss,
    "phimoe": _phimoe, "ernie4_5_moe": _ernie_moe, **dict.fromkeys(("deepseek", "glm4_moe", "dots1"), _deepseek),
    **dict.fromkeys(("deepseek_v2", "deepseek_v3", "kimi_k2"), _latent),
}  # fmt: skip
"""Readers by `model_type`."""
