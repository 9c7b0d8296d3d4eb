"""Models with LayerNorm: GPT-2 and its kin with two matrices a feed-forward block, and encoders.

A reader takes the config's fields and gives those of `Model`. What the family has and a plan's model does not is told.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planner.errors import InputError
from planner.plan.huggingface.config import Fields, activation

_OPT_OFFSET = 2
"""Rows before the first position in OPT's table (transformers, OPTLearnedPositionalEmbedding)."""


def _layernorm(fields: Fields, hidden: int, heads: int, *, bias: bool = True) -> dict[str, Any]:
    """What these families share: a head for each key, LayerNorm with its bias; `bias`: on every matrix."""
    return {
        "hidden": hidden, "heads": heads, "kv_heads": heads, "head_dim": hidden // max(1, heads),
        "vocabulary": fields.number("vocab_size"), "norm": "layernorm", "norm_bias": True, "qkv_bias": bias,
        "output_bias": bias, "ffn_bias": bias,
    }  # fmt: skip


def _one_norm(fields: Fields, sizes: dict[str, Any], vectors: int = 2) -> None:
    """Attention and feed-forward stand side by side behind one norm, of one or two vectors."""
    surplus = vectors * sizes["layers"] * sizes["hidden"]
    fields.uncounted.append(f"one norm a layer, where two are counted ({surplus:,} parameters too many)")


def _gpt2(fields: Fields) -> dict[str, Any]:
    """GPT-2: learned positions, a head that shares the embedding. StarCoder is one with a single key/value head."""
    hidden, heads = fields.number("n_embd"), fields.number("n_head")
    single = fields.data["model_type"] == "gpt_bigcode" and fields.flag("multi_query", True)
    return {
        **_layernorm(fields, hidden, heads), "kv_heads": 1 if single else heads, "layers": fields.number("n_layer"),
        "ffn": fields.number("n_inner", default=4 * hidden),
        "activation": activation(fields.word("activation_function", "gelu_new"), gated=False),
        "tied_embeddings": fields.flag("tie_word_embeddings", True),
        "max_sequence": fields.number("n_positions", "n_ctx"), "positions": "learned",
    }  # fmt: skip


def _gpt_neo(fields: Fields) -> dict[str, Any]:
    """GPT-Neo: GPT-2 without biases on queries, keys and values."""
    hidden = fields.number("hidden_size")
    return {
        **_layernorm(fields, hidden, fields.number("num_heads", "num_attention_heads")), "qkv_bias": False,
        "layers": fields.number("num_layers", "num_hidden_layers"),
        "ffn": fields.number("intermediate_size", default=4 * hidden),
        "activation": activation(fields.word("activation_function", "gelu_new"), gated=False),
        "tied_embeddings": fields.flag("tie_word_embeddings", True),
        "max_sequence": fields.number("max_position_embeddings"), "positions": "learned",
    }  # fmt: skip


def _gptj(fields: Fields) -> dict[str, Any]:
    """GPT-J: attention without biases and feed-forward side by side behind one norm, a head with a bias."""
    hidden = fields.number("n_embd")
    sizes = {
        **_layernorm(fields, hidden, fields.number("n_head")), "qkv_bias": False, "output_bias": False,
        "layers": fields.number("n_layer"), "ffn": fields.number("n_inner", default=4 * hidden),
        "activation": activation(fields.word("activation_function", "gelu_new"), gated=False),
        "tied_embeddings": fields.flag("tie_word_embeddings", False), "max_sequence": fields.number("n_positions"),
    }  # fmt: skip
    _one_norm(fields, sizes)
    fields.leave_out("the head's bias", sizes["vocabulary"])
    return sizes


def _neox(fields: Fields) -> dict[str, Any]:
    """GPT-NeoX and Pythia: rotary positions, an untied head."""
    bias = fields.flag("attention_bias", True)
    return {
        **_modern(fields, bias=bias), "ffn_bias": True,
        "activation": activation(fields.word("hidden_act", "gelu"), gated=False),
    }  # fmt: skip


def _modern(fields: Fields, *, bias: bool, tied: bool = False) -> dict[str, Any]:
    """The sizes by the names of today's configs."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    return {
        **_layernorm(fields, hidden, heads, bias=bias), "layers": fields.number("num_hidden_layers"),
        "kv_heads": fields.number("num_key_value_heads", default=heads),
        "head_dim": fields.number("head_dim", default=hidden // max(1, heads)),
        "ffn": fields.number("intermediate_size"), "tied_embeddings": fields.flag("tie_word_embeddings", tied),
        "max_sequence": fields.number("max_position_embeddings"),
    }  # fmt: skip


def _phi(fields: Fields) -> dict[str, Any]:
    """Phi 1 to 2: attention and feed-forward side by side behind one LayerNorm, biases everywhere."""
    sizes = _modern(fields, bias=True)
    _one_norm(fields, sizes)
    fields.leave_out("the head's bias", sizes["vocabulary"])
    return {**sizes, "activation": activation(fields.word("hidden_act", "gelu_new"), gated=False)}


def _starcoder2(fields: Fields) -> dict[str, Any]:
    """StarCoder 2: rotary positions, few key/value heads, biases everywhere, a tied head."""
    act = activation(fields.word("hidden_act", "gelu_pytorch_tanh"), gated=False)
    return {**_modern(fields, bias=fields.flag("use_bias", True), tied=True), "activation": act}


def _stablelm(fields: Fields) -> dict[str, Any]:
    """StableLM: LayerNorm and rotary positions with gates."""
    sizes = _modern(fields, bias=False)
    if fields.flag("use_parallel_residual", False):
        _one_norm(fields, sizes)
    if fields.flag("qk_layernorm", False):
        fields.uncounted.append("the norms of each head's queries and keys")
    qkv_bias = fields.flag("use_qkv_bias", False)
    return {**sizes, "qkv_bias": qkv_bias, "activation": activation(fields.word("hidden_act", "silu"), gated=True)}


def _cohere(fields: Fields) -> dict[str, Any]:
    """Command R: gated, side by side behind one LayerNorm without bias, a tied head."""
    bias = fields.flag("attention_bias", False)
    sizes = {**_modern(fields, bias=bias, tied=True), "norm_bias": False, "ffn_bias": False}
    _one_norm(fields, sizes, vectors=1)
    if fields.flag("use_qk_norm", False):
        fields.uncounted.append("the norms of each head's queries and keys")
    return {**sizes, "activation": activation(fields.word("hidden_act", "silu"), gated=True)}


def _olmo(fields: Fields) -> dict[str, Any]:
    """OLMo (the first): gates, and a LayerNorm without weights."""
    sizes = {**_modern(fields, bias=fields.flag("attention_bias", False)), "norm_bias": False, "ffn_bias": False}
    surplus = (2 * sizes["layers"] + 1) * sizes["hidden"]
    fields.uncounted.append(f"norms without weights, where weights are counted ({surplus:,} parameters too many)")
    return {**sizes, "activation": activation(fields.word("hidden_act", "silu"), gated=True)}


def _nemotron(fields: Fields) -> dict[str, Any]:
    """Nemotron-4 and Minitron: LayerNorm, squared ReLU, no biases on matrices."""
    sizes = _modern(fields, bias=fields.flag("attention_bias", False))
    act = activation(fields.word("hidden_act", "relu2"), gated=False)
    return {**sizes, "ffn_bias": fields.flag("mlp_bias", False), "activation": act}


def _arcee(fields: Fields) -> dict[str, Any]:
    """AFM: Llama's attention and RMSNorm with Nemotron's feed-forward."""
    return {**_nemotron(fields), "norm": "rmsnorm", "norm_bias": False}


def _opt(fields: Fields) -> dict[str, Any]:
    """OPT: learned positions, ReLU, a tied head."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    if fields.number("word_embed_proj_dim", default=hidden) != hidden:
        raise InputError("word_embed_proj_dim: embeddings narrower than the model are not counted (OPT-350M alone)")
    if not fields.flag("do_layer_norm_before", True):
        raise InputError("do_layer_norm_before: false is not counted (OPT-350M alone)")
    return {
        **_layernorm(fields, hidden, heads, bias=fields.flag("enable_bias", True)),
        "layers": fields.number("num_hidden_layers"), "ffn": fields.number("ffn_dim"),
        "activation": activation(fields.word("activation_function", "relu"), gated=False),
        "tied_embeddings": fields.flag("tie_word_embeddings", True),
        "max_sequence": fields.number("max_position_embeddings") + _OPT_OFFSET, "positions": "learned",
    }  # fmt: skip


def _bloom(fields: Fields) -> dict[str, Any]:
    """BLOOM: ALiBi, a norm after the embedding, a tied head; the config does not say how long a sequence may be."""
    hidden = fields.number("hidden_size", "n_embed")
    return {
        **_layernorm(fields, hidden, fields.number("n_head", "num_attention_heads")),
        "layers": fields.number("n_layer", "num_hidden_layers"), "ffn": 4 * hidden, "activation": "gelu",
        "tied_embeddings": fields.flag("tie_word_embeddings", True), "embedding_norm": True, "positions": "alibi",
        "max_sequence": fields.number("seq_length", default=2048),
    }  # fmt: skip


def _mpt(fields: Fields) -> dict[str, Any]:
    """MPT: ALiBi, no biases, a tied head."""
    hidden, bias = fields.number("d_model"), not fields.flag("no_bias", True)
    fields.read.add("attn_config")
    attention = fields.data.get("attn_config")
    kv_heads = attention.get("kv_n_heads") if isinstance(attention, dict) else None
    sizes = _layernorm(fields, hidden, fields.number("n_heads"), bias=bias)
    return {
        **sizes, "norm_bias": bias, "kv_heads": kv_heads or sizes["kv_heads"], "layers": fields.number("n_layers"),
        "ffn": fields.number("expansion_ratio", default=4) * hidden, "activation": "gelu", "positions": "alibi",
        "tied_embeddings": fields.flag("tie_word_embeddings", True), "max_sequence": fields.number("max_seq_len"),
    }  # fmt: skip


def _falcon(fields: Fields) -> dict[str, Any]:
    """Falcon: attention and feed-forward side by side, few key/value heads, a tied head."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads", "n_head")
    grouped, parallel = fields.flag("new_decoder_architecture", False), fields.flag("parallel_attn", True)
    multi = fields.flag("multi_query", True)
    sizes = {
        **_layernorm(fields, hidden, heads, bias=fields.flag("bias", False)),
        "layers": fields.number("num_hidden_layers", "n_layer"),
        "kv_heads": fields.number("num_kv_heads", "n_head_kv", default=heads) if grouped else 1 if multi else heads,
        "ffn": fields.number("ffn_hidden_size", default=4 * hidden),
        "activation": activation(fields.word("activation", "gelu"), gated=False),
        "tied_embeddings": fields.flag("tie_word_embeddings", True),
        "max_sequence": fields.number("max_position_embeddings", default=2048),
        "positions": "alibi" if fields.flag("alibi", False) else "rotary",
    }  # fmt: skip
    if fields.number("num_ln_in_parallel_attn", default=2 if grouped else 1) == 1 and parallel:
        _one_norm(fields, sizes)
    return sizes


def _bert(fields: Fields) -> dict[str, Any]:
    """BERT and RoBERTa: a bare encoder, post-norm, without pooler or head."""
    hidden, heads = fields.number("hidden_size"), fields.number("num_attention_heads")
    return {
        **_layernorm(fields, hidden, heads), "architecture": "encoder", "layers": fields.number("num_hidden_layers"),
        "ffn": fields.number("intermediate_size"),
        "activation": activation(fields.word("hidden_act", "gelu"), gated=False), "tied_embeddings": True,
        "head": False, "final_norm": False, "embedding_norm": True, "positions": "learned",
        "max_sequence": fields.number("max_position_embeddings"),
        "token_types": fields.number("type_vocab_size", default=2),
    }  # fmt: skip


def _t5(fields: Fields) -> dict[str, Any]:
    """T5 and its gated successors: an encoder and a decoder, RMSNorm, a relative bias a stack."""
    layers = fields.number("num_layers")
    heads, form = fields.number("num_heads"), fields.word("feed_forward_proj", "relu")
    gated = form.startswith("gated-")
    return {
        "architecture": "encoder-decoder", "layers": fields.number("num_decoder_layers", default=layers),
        "encoder_layers": layers, "hidden": fields.number("d_model"), "heads": heads, "kv_heads": heads,
        "head_dim": fields.number("d_kv"), "ffn": fields.number("d_ff"),
        "activation": activation(form.removeprefix("gated-"), gated=gated), "vocabulary": fields.number("vocab_size"),
        "tied_embeddings": fields.flag("tie_word_embeddings", True), "positions": "relative",
        "max_sequence": fields.number("n_positions", default=512),
        "relative_buckets": fields.number("relative_attention_num_buckets", default=32),
    }  # fmt: skip


FAMILIES: dict[str, Callable[[Fields], dict[str, Any]]] = {
    **dict.fromkeys(("gpt2", "gpt_bigcode"), _gpt2), "gpt_neo": _gpt_neo, "gptj": _gptj, "gpt_neox": _neox,
    "phi": _phi, "starcoder2": _starcoder2, "stablelm": _stablelm, **dict.fromkeys(("cohere", "cohere2"), _cohere),
    "olmo": _olmo, "nemotron": _nemotron, "arcee": _arcee, "opt": _opt, "bloom": _bloom, "mpt": _mpt,
    "falcon": _falcon, **dict.fromkeys(("bert", "roberta"), _bert), "t5": _t5,
}  # fmt: skip
"""Readers by `model_type`."""
