"""A `config.json` read field by field: what was read is remembered, so that the rest can be told as ignored."""

from __future__ import annotations

from typing import Any

from planner.errors import InputError, shorten

WITHOUT_EFFECT = {
    "_name_or_path", "architectures", "attention_dropout", "attn_pdrop", "bos_token_id", "embd_pdrop", "eos_token_id",
    "initializer_range", "layer_norm_eps", "layer_norm_epsilon", "model_type", "pad_token_id", "pretraining_tp",
    "resid_pdrop", "rms_norm_eps", "rope_scaling", "rope_theta", "torch_dtype", "dtype", "transformers_version",
    "use_cache", "output_router_logits", "router_aux_loss_coef", "hidden_dropout_prob", "attention_probs_dropout_prob",
    "attn_logit_softcapping", "final_logit_softcapping", "query_pre_attn_scalar", "dropout",
    "partial_rotary_factor", "original_max_position_embeddings", "layerdrop", "prefix", "init_std", "dropout_rate",
    "initializer_factor", "decoder_start_token_id", "is_encoder_decoder",
    "hidden_dropout", "rope_local_base_freq", "norm_topk_prob", "aux_loss_alpha", "seq_aux", "scoring_func", "auto_map",
    "n_group", "topk_group", "topk_method", "routed_scaling_factor", "ep_size", "embedding_multiplier",
    "logits_scaling", "residual_multiplier", "attention_multiplier", "logit_scale", "clip_qkv", "router_jitter_noise",
    "input_jitter_noise", "rope_parameters", "swiglu_limit", "tie_encoder_decoder", "gradient_checkpointing",
    "rotary_dim", "rotary_pct",
}  # fmt: skip
"""Fields that change neither sizes nor work: read, and not worth a word."""


class Fields:
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

    def leave_out(self, what: str, parameters: int) -> None:
        """Tell what the family has and a plan's model does not, with its parameters."""
        self.uncounted.append(f"{what} ({parameters:,} parameters)")

    def word(self, name: str, default: str) -> str:
        """A word, such as an activation's name."""
        self.read.add(name)
        return str(self.data.get(name) or default)


_ACTIVATIONS = {
    "silu": ("swiglu", ""), "swish": ("swiglu", ""), "gelu": ("geglu", "gelu"), "gelu_new": ("geglu", "gelu"),
    "gelu_pytorch_tanh": ("geglu", "gelu"), "gelu_fast": ("geglu", "gelu"), "relu": ("", "relu"),
    "relu2": ("", "squared-relu"),
}  # fmt: skip


def activation(name: str, *, gated: bool) -> str:
    """The plan's name of an activation. Raises `InputError` where none is counted so."""
    found = _ACTIVATIONS.get(name, ("", ""))[0 if gated else 1]
    if not found:
        raise InputError(f"hidden_act: {shorten(name)!r} is not an activation that this family is counted with")
    return found
