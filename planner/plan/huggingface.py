"""A Hugging Face `config.json` as a model: read field by field, with what was ignored listed.

One reader a family of configs; a family that is not known, or a field that is missing, is an error that names it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.errors import InputError, UnknownNameError, shorten
from planner.plan.file import part
from planner.plan.model import Model

_WITHOUT_EFFECT = {
    "_name_or_path", "architectures", "attention_dropout", "attn_pdrop", "bos_token_id", "embd_pdrop", "eos_token_id",
    "initializer_range", "layer_norm_eps", "layer_norm_epsilon", "model_type", "pad_token_id", "pretraining_tp",
    "resid_pdrop", "rms_norm_eps", "rope_scaling", "rope_theta", "torch_dtype", "dtype", "transformers_version",
    "use_cache", "output_router_logits", "router_aux_loss_coef", "hidden_dropout_prob", "attention_probs_dropout_prob",
}  # fmt: skip
"""Fields that change neither sizes nor work: read, and not worth a word."""


class _Fields:
    """A config whose read fields are remembered."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.data, self.read = data, {"model_type"}

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
    return read, sorted(set(data) - fields.read - _WITHOUT_EFFECT)


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


_FAMILIES: dict[str, Callable[[_Fields], dict[str, Any]]] = {
    **dict.fromkeys(("llama", "mistral", "mixtral", "qwen2", "qwen3", "qwen3_moe"), _llama),
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
