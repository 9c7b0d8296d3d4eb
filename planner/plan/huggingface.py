"""A Hugging Face `config.json` as a model: read field by field, with what was ignored listed.

One reader a family of configs; a family that is not known, or a field that is missing, is an error that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.errors import InputError, UnknownNameError, shorten
from planner.plan.model import Model
from planner.plan.section import part

_WITHOUT_EFFECT = {
    "_name_or_path", "architectures", "attention_dropout", "attn_pdrop", "bos_token_id", "embd_pdrop", "eos_token_id",
    "initializer_range", "layer_norm_eps", "layer_norm_epsilon", "model_type", "pad_token_id", "pretraining_tp",
    "resid_pdrop", "rms_norm_eps", "rope_scaling", "rope_theta", "torch_dtype", "dtype", "transformers_version",
    "use_cache", "output_router_logits", "router_aux_loss_coef", "hidden_dropout_prob", "attention_probs_dropout_prob",
    "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "dropout",
    "partial_rotary_factor", "original_max_position_embeddings", "layerdrop", "prefix", "init_std", "dropout_rate",
    "initializer_factor", "decoder_start_token_id", "is_encoder_decoder",
    "hidden_dropout", "rope_local_base_freq", "norm_topk_prob", "aux_loss_alpha", "seq_aux", "scoring_func", "auto_map",
    "n_group", "topk_group", "topk_method", "routed_scaling_factor", "ep_size",
}  # fmt: skip
"""Fields that change neither sizes nor work: read, and not worth a word."""


class _Fields:
    """A config whose read fields are remembered."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data, self.read = data, {"model_type"}
        self.uncounted: list[str] = []
        """What the family has and a plan's model does not: told beside the fields that were ignored."""

    def number(self, *names: str, default: int | None = None) -> int:
        """A whole number by the first of its names that is there."""
        for name in names:
            value = self.data.get(name)
            self.read.add(name)
            if value is None:
                continue
            whole = isinstance(value, int) or (isinstance(value, float) and value.is_integer())
            if isinstance(value, bool) or not whole or value < 0:
                raise InputError(f"{name}: {shorten(value)!r} is not a whole number")
            return int(value)
        if default is None:
            raise InputError(f"{names[0]}: is missing from the config")
        return default

    def flag(self, name: str, default: bool) -> bool:
        """True or false."""
        self.read.add(name)
        value = self.data.get(name, default)
        if not isinstance(value, bool):
            raise InputError(f"{name}: {shorten(value)!r} is neither true nor false")
        return value

    def word(self, name: str, default: str) -> str:
        """A word, such as an activation's name."""
        self.read.add(name)
        return str(self.data.get(name) or default)


def model(data: dict[str, Any], name: str) -> tuple[Model, list[str]]:
    """(the model, the config's fields that were ignored). Raises `InputError` naming the family or the field."""
    family = data.get("model_type")
    if not isinstance(family, str):
        raise InputError("model_type: is missing from the config; it names the family of models")
    if family not in _FAMILIES:
        raise UnknownNameError("model_type", family, _FAMILIES)
    fields = _Fields(data)
    sizes = _FAMILIES[family](fields)
    read = part(Model, {"name": name or family, "source": f"config.json of {name or family}", **sizes}, "config")
    return read, [*sorted(set(data) - fields.read - _WITHOUT_EFFECT), *fields.uncounted]


def _llama(fields: _Fields) -> dict[str, Any]:
    """Llama, Mistral, Mixtral, Qwen and their kin: RMSNorm, rotary positions, gated feed-forward."""
    family = fields.data["model_type"]
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    experts = fields.number("num_local_experts", "num_experts", default=0)
    qkv_bias = fields.flag("attention_bias", family == "qwen2")
    return {
        "layers": fields.number("num_hidden_layers"), "hidden": hidden, "heads": heads,
        "kv_heads": fields.number("num_key_value_heads", default=heads),
        "head_dim": fields.number("head_dim", default=hidden // max(1, heads)),
        "ffn": fields.number("intermediate_size"),
        "activation": _activation(fields.word("hidden_act", "silu"), gated=True),
        "vocabulary": fields.number("vocab_size"), "tied_embeddings": fields.flag("tie_word_embeddings", False),
        "max_sequence": fields.number("max_position_embeddings"), "qkv_bias": qkv_bias,
        "output_bias": qkv_bias and family == "llama", "ffn_bias": fields.flag("mlp_bias", False),
        "qk_norm": family in ("qwen3", "qwen3_moe"), "experts": experts,
        "experts_per_token": fields.number("num_experts_per_tok", default=0) if experts else 0,
        "expert_ffn": fields.number("moe_intermediate_size", default=0) if experts else 0,
    }  # fmt: skip


def _gpt2(fields: _Fields) -> dict[str, Any]:
    """GPT-2: LayerNorm with biases, learned positions, two matrices, a head that shares the embedding."""
    hidden, heads = fields.number("n_embd"), fields.number("n_head")
    return {
        "layers": fields.number("n_layer"), "hidden": hidden, "heads": heads, "kv_heads": heads,
        "head_dim": hidden // max(1, heads), "ffn": fields.number("n_inner", default=4 * hidden),
        "activation": _activation(fields.word("activation_function", "gelu_new"), gated=False),
        "vocabulary": fields.number("vocab_size"), "tied_embeddings": fields.flag("tie_word_embeddings", True),
        "max_sequence": fields.number("n_positions", "n_ctx"), "positions": "learned", "norm": "layernorm",
        "norm_bias": True, "qkv_bias": True, "output_bias": True, "ffn_bias": True,
    }  # fmt: skip


def _neox(fields: _Fields) -> dict[str, Any]:
    """GPT-NeoX and Pythia: LayerNorm, rotary positions, two matrices, an untied head."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    bias = fields.flag("attention_bias", True)
    return {
        "layers": fields.number("num_hidden_layers"), "hidden": hidden, "heads": heads, "kv_heads": heads,
        "head_dim": hidden // max(1, heads), "ffn": fields.number("intermediate_size"),
        "activation": _activation(fields.word("hidden_act", "gelu"), gated=False),
        "vocabulary": fields.number("vocab_size"), "tied_embeddings": fields.flag("tie_word_embeddings", False),
        "max_sequence": fields.number("max_position_embeddings"), "norm": "layernorm", "norm_bias": True,
        "qkv_bias": bias, "output_bias": bias, "ffn_bias": True,
    }  # fmt: skip


def _bert(fields: _Fields) -> dict[str, Any]:
    """BERT: a bare encoder, post-norm, without pooler or head."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    return {
        "architecture": "encoder", "layers": fields.number("num_hidden_layers"), "hidden": hidden, "heads": heads,
        "kv_heads": heads, "head_dim": hidden // max(1, heads), "ffn": fields.number("intermediate_size"),
        "activation": _activation(fields.word("hidden_act", "gelu"), gated=False),
        "vocabulary": fields.number("vocab_size"), "tied_embeddings": True, "head": False, "norm": "layernorm",
        "norm_bias": True, "final_norm": False, "embedding_norm": True, "positions": "learned",
        "max_sequence": fields.number("max_position_embeddings"),
        "token_types": fields.number("type_vocab_size", default=2),
        "qkv_bias": True, "output_bias": True, "ffn_bias": True,
    }  # fmt: skip


def _gemma(fields: _Fields) -> dict[str, Any]:
    """Gemma 1 to 3: GeGLU, a head of its own width, a tied head; from the second on a norm after each block too."""
    family = fields.data["model_type"]
    hidden, layers = fields.number("hidden_size"), fields.number("num_hidden_layers")
    activation = fields.word("hidden_activation", fields.word("hidden_act", "gelu_pytorch_tanh"))
    if family != "gemma":
        fields.uncounted.append(f"the norms after each block ({2 * layers * hidden:,} parameters)")
    heads = fields.number("num_attention_heads")
    return {
        "layers": layers, "hidden": hidden, "heads": heads,
        "kv_heads": fields.number("num_key_value_heads", default=heads),
        "head_dim": fields.number("head_dim", default=256),
        "ffn": fields.number("intermediate_size"), "activation": _activation(activation, gated=True),
        "vocabulary": fields.number("vocab_size"), "tied_embeddings": fields.flag("tie_word_embeddings", True),
        "max_sequence": fields.number("max_position_embeddings"), "qkv_bias": fields.flag("attention_bias", False),
        "qk_norm": family == "gemma3_text",
    }  # fmt: skip


def _phi(fields: _Fields) -> dict[str, Any]:
    """Phi 1 to 2: attention and feed-forward side by side behind one LayerNorm, biases everywhere."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    layers, vocabulary = fields.number("num_hidden_layers"), fields.number("vocab_size")
    fields.uncounted.append(f"one norm a layer, where two are counted ({2 * layers * hidden:,} parameters too many)")
    fields.uncounted.append(f"the head's bias ({vocabulary:,} parameters)")
    return {
        "layers": layers, "hidden": hidden, "heads": heads,
        "kv_heads": fields.number("num_key_value_heads", default=heads), "head_dim": hidden // max(1, heads),
        "ffn": fields.number("intermediate_size"), "vocabulary": vocabulary,
        "activation": _activation(fields.word("hidden_act", "gelu_new"), gated=False),
        "tied_embeddings": fields.flag("tie_word_embeddings", False), "norm": "layernorm", "norm_bias": True,
        "max_sequence": fields.number("max_position_embeddings"), "qkv_bias": True, "output_bias": True,
        "ffn_bias": True,
    }  # fmt: skip


_OPT_OFFSET = 2
"""Rows before the first position in OPT's table (transformers, OPTLearnedPositionalEmbedding)."""


def _opt(fields: _Fields) -> dict[str, Any]:
    """OPT: LayerNorm with biases, learned positions, ReLU, a tied head."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    if fields.number("word_embed_proj_dim", default=hidden) != hidden:
        raise InputError("word_embed_proj_dim: embeddings narrower than the model are not counted (OPT-350M alone)")
    if not fields.flag("do_layer_norm_before", True):
        raise InputError("do_layer_norm_before: false is not counted (OPT-350M alone)")
    bias = fields.flag("enable_bias", True)
    return {
        "layers": fields.number("num_hidden_layers"), "hidden": hidden, "heads": heads, "kv_heads": heads,
        "head_dim": hidden // max(1, heads), "ffn": fields.number("ffn_dim"),
        "activation": _activation(fields.word("activation_function", "relu"), gated=False),
        "vocabulary": fields.number("vocab_size"), "tied_embeddings": fields.flag("tie_word_embeddings", True),
        "max_sequence": fields.number("max_position_embeddings") + _OPT_OFFSET, "positions": "learned",
        "norm": "layernorm", "norm_bias": True, "qkv_bias": bias, "output_bias": bias, "ffn_bias": bias,
    }  # fmt: skip


def _falcon(fields: _Fields) -> dict[str, Any]:
    """Falcon: attention and feed-forward side by side, LayerNorm, few key/value heads, a tied head."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads", "n_head")
    layers, bias = fields.number("num_hidden_layers", "n_layer"), fields.flag("bias", False)
    grouped, parallel = fields.flag("new_decoder_architecture", False), fields.flag("parallel_attn", True)
    multi = fields.flag("multi_query", True)
    kv_heads = fields.number("num_kv_heads", "n_head_kv", default=heads) if grouped else 1 if multi else heads
    one_norm = fields.number("num_ln_in_parallel_attn", default=2 if grouped else 1) == 1 and parallel
    if one_norm:
        fields.uncounted.append(
            f"one norm a layer, where two are counted ({2 * layers * hidden:,} parameters too many)"
        )
    return {
        "layers": layers, "hidden": hidden, "heads": heads, "kv_heads": kv_heads, "head_dim": hidden // max(1, heads),
        "ffn": fields.number("ffn_hidden_size", default=4 * hidden),
        "activation": _activation(fields.word("activation", "gelu"), gated=False),
        "vocabulary": fields.number("vocab_size"), "tied_embeddings": fields.flag("tie_word_embeddings", True),
        "max_sequence": fields.number("max_position_embeddings", default=2048), "norm": "layernorm", "norm_bias": True,
        "positions": "alibi" if fields.flag("alibi", False) else "rotary", "qkv_bias": bias, "output_bias": bias,
        "ffn_bias": bias,
    }  # fmt: skip


def _deepseek(fields: _Fields) -> dict[str, Any]:
    """DeepSeekMoE (the first): many small experts, shared ones that every token passes, dense layers first."""
    if fields.number("moe_layer_freq", default=1) != 1:
        raise InputError("moe_layer_freq: only a mixture in every layer after the dense ones is counted")
    experts = fields.number("n_routed_experts", default=0)
    return {
        **_llama(fields), "experts": experts, "experts_per_token": fields.number("num_experts_per_tok", default=0),
        "expert_ffn": fields.number("moe_intermediate_size"),
        "shared_experts": fields.number("n_shared_experts", default=0),
        "dense_layers": fields.number("first_k_dense_replace", default=0),
    }  # fmt: skip


def _latent(fields: _Fields) -> dict[str, Any]:
    """DeepSeek-V2 and V3 and their kin: multi-head latent attention, a mixture as before."""
    rotary, predicted = fields.number("qk_rope_head_dim"), fields.number("num_nextn_predict_layers", default=0)
    sizes = _deepseek(fields)
    if predicted:
        fields.uncounted.append(f"the module that predicts {predicted + 1} tokens (num_nextn_predict_layers)")
    return {
        **sizes, "kv_heads": sizes["heads"], "head_dim": fields.number("qk_nope_head_dim") + rotary,
        "latent_rank": fields.number("kv_lora_rank"), "query_rank": fields.number("q_lora_rank", default=0),
        "rotary_dim": rotary, "value_dim": fields.number("v_head_dim"),
    }  # fmt: skip


def _t5(fields: _Fields) -> dict[str, Any]:
    """T5 and its gated successors: an encoder and a decoder, RMSNorm, a relative bias a stack."""
    layers = fields.number("num_layers")
    heads, form = fields.number("num_heads"), fields.word("feed_forward_proj", "relu")
    gated = form.startswith("gated-")
    return {
        "architecture": "encoder-decoder", "layers": fields.number("num_decoder_layers", default=layers),
        "encoder_layers": layers, "hidden": fields.number("d_model"), "heads": heads, "kv_heads": heads,
        "head_dim": fields.number("d_kv"), "ffn": fields.number("d_ff"),
        "activation": _activation(form.removeprefix("gated-"), gated=gated), "vocabulary": fields.number("vocab_size"),
        "tied_embeddings": fields.flag("tie_word_embeddings", True), "positions": "relative",
        "max_sequence": fields.number("n_positions", default=512),
        "relative_buckets": fields.number("relative_attention_num_buckets", default=32),
    }  # fmt: skip


_FAMILIES: dict[str, Callable[[_Fields], dict[str, Any]]] = {
    **dict.fromkeys(("llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe", "phi3"), _llama),
    **dict.fromkeys(("gemma", "gemma2", "gemma3_text"), _gemma), "phi": _phi, "opt": _opt, "falcon": _falcon,
    "deepseek": _deepseek, **dict.fromkeys(("deepseek_v2", "deepseek_v3", "kimi_k2"), _latent), "t5": _t5,
    "gpt2": _gpt2, "gpt_neox": _neox, "bert": _bert,
}  # fmt: skip
_ACTIVATIONS = {
    "silu": ("swiglu", ""), "swish": ("swiglu", ""), "gelu": ("geglu", "gelu"), "gelu_new": ("geglu", "gelu"),
    "gelu_pytorch_tanh": ("geglu", "gelu"), "gelu_fast": ("geglu", "gelu"), "relu": ("", "relu"),
    "relu2": ("", "squared-relu"),
}  # fmt: skip


def _activation(name: str, *, gated: bool) -> str:
    found = _ACTIVATIONS.get(name, ("", ""))[0 if gated else 1]
    if not found:
        raise InputError(f"hidden_act: {shorten(name)!r} is not an activation that this family is counted with")
    return found
