"""nanotron's YAML (0.5): general, model, parallelism, tokens, optimizer."""

from __future__ import annotations

import math
from typing import Any

import yaml

from planner.errors import InputError, shorten
from planner.interchange.content import Content, Found, Written
from planner.plan.plan import Plan

TITLE = "nanotron YAML"
NAMES = (".yaml", ".yml")
_ENGINES = {"1f1b": "1f1b", "afab": "gpipe"}
_MODES = {"REDUCE_SCATTER": True, "ALL_REDUCE": False}
_NO_MATTER = (
    "general", "checkpoints", "data", "data_stages", "logging", "lighteval", "profiler", "tokenizer",
    "model.init_method", "model.ddp_bucket_cap_mb", "optimizer.learning_rate_scheduler", "optimizer.clip_grad",
    "optimizer.weight_decay", "optimizer.optimizer_factory", "optimizer.adam_eps", "tokens.val_check_interval",
    "tokens.limit_val_batches", "tokens.limit_test_batches", "parallelism.tp_linear_async_communication",
    "model.model_config.bos_token_id", "model.model_config.eos_token_id", "model.model_config.pad_token_id",
    "model.model_config.initializer_range", "model.model_config.is_llama_config", "model.model_config.use_cache",
    "model.model_config.pretraining_tp", "model.model_config.rms_norm_eps", "model.model_config.rope_scaling",
    "model.model_config.rope_theta", "model.model_config.rope_interleaved", "optimizer.adam_beta1",
    "optimizer.adam_beta2", "optimizer.torch_adam_is_fused", "model.make_vocab_size_divisible_by",
    "optimizer.weight_decay_exclude_named_params",
)  # fmt: skip


def matches(text: str) -> bool:
    """Whether a YAML text has nanotron's sections."""
    return "parallelism:" in text and "model_config:" in text


def read(text: str) -> Found:
    """What the file says. Raises `InputError` naming the key."""
    content = Content(_loaded(text))
    content.known(*_NO_MATTER)
    model = _read_model(content)
    layout = _read_layout(content)
    micro, accumulation = (
        content.number(f"tokens.{key}", least=1) for key in ("micro_batch_size", "batch_accumulation_per_replica")
    )
    dtypes = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}
    precision = content.one_of("model.dtype", dtypes, "bfloat16")
    whole = content.flag("optimizer.accumulate_grad_in_fp32", True)
    recipe = {
        "sequence_length": content.number("tokens.sequence_length", least=1), "precision": precision,
        "global_batch": micro * accumulation * layout["dp"], "optimizer": "adamw", "master_weights": whole,
        "gradient_bytes": 4 if whole or precision == "fp32" else 2, "attention": "flash", "causal": True,
        "dropout": False, "framework": "nanotron",
    }  # fmt: skip
    return Found(
        model=model, layout={**layout, "micro_batch": micro}, recipe=recipe,
        steps=content.number("tokens.train_steps", least=1), ignored=content.ignored(),
    )  # fmt: skip


_LONGEST = 2**14
"""Characters: nanotron's own examples have some thousands. PyYAML takes about 70 µs for each on a busy machine;
libyaml's loader is no way round: 200,000 open brackets held it for more than 40 s too."""


_MOST_BRACKETS = 500


def _loaded(text: str) -> dict[str, Any]:
    """The YAML's mapping, by the safe loader. Aliases are refused: ten of them can stand for a billion values."""
    if len(text) > _LONGEST:
        raise InputError(f"longer than {_LONGEST:,} characters, which no nanotron config is")
    if text.count("[") + text.count("{") > _MOST_BRACKETS:  # the scanner's time grows with the square of their depth
        raise InputError(f"more than {_MOST_BRACKETS} opening brackets, which no nanotron config has")
    try:
        if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.SafeLoader)):
            raise InputError("YAML aliases (*name) are not read; write the values out")
        data = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError, ValueError, OverflowError) as error:
        raise InputError(f"not a YAML file ({shorten(error, 120)})") from None
    if not isinstance(data, dict):
        raise InputError("not a nanotron config: sections are needed")
    return data


def _read_model(content: Content) -> dict[str, Any]:
    def size(name: str, default: int | None = None) -> int:
        return content.number(f"model.model_config.{name}", default, least=1)

    hidden, heads = size("hidden_size"), size("num_attention_heads")
    act = content.word("model.model_config.hidden_act", "silu")
    if act not in ("silu", "swish"):
        raise InputError(f"model.model_config.hidden_act: {shorten(act)!r} is not silu, nanotron's Llama")
    return {
        "layers": size("num_hidden_layers"), "hidden": hidden, "heads": heads,
        "kv_heads": size("num_key_value_heads", heads), "head_dim": max(1, hidden // heads),
        "ffn": size("intermediate_size"), "activation": "swiglu", "vocabulary": size("vocab_size"),
        "tied_embeddings": content.flag("model.model_config.tie_word_embeddings"),
        "max_sequence": size("max_position_embeddings", 2048), "source": TITLE,
    }  # fmt: skip


def _read_layout(content: Content) -> dict[str, Any]:
    def degree(name: str, default: int | None = 1) -> int:
        return content.number(f"parallelism.{name}", default, least=1)

    tp, mode = degree("tp", None), content.word("parallelism.tp_mode", "ALL_REDUCE").upper()
    if mode not in _MODES:
        raise InputError(f"parallelism.tp_mode: {shorten(mode)!r} is not one of {', '.join(_MODES)}")
    stage = content.number("optimizer.zero_stage", 0)
    if stage > 3:
        raise InputError(f"optimizer.zero_stage: {stage} is not one of 0, 1, 2, 3")
    return {
        "dp": degree("dp", None), "pp": degree("pp", None), "tp": tp, "cp": degree("context_parallel_size"),
        "ep": degree("expert_parallel_size"), "zero_stage": stage, "sequence_parallel": _MODES[mode] and tp > 1,
        "schedule": content.one_of("parallelism.pp_engine", _ENGINES, "afab"),
        "recompute": "full" if content.flag("parallelism.recompute_layer") else "none",
    }  # fmt: skip


def write(plan: Plan) -> Written:
    """The plan as nanotron trains it. Raises `InputError` naming the field that nanotron cannot do."""
    _demand(plan)
    model, recipe, layout = plan.model, plan.recipe, plan.layout
    data = {
        "general": {"project": "trainplan", "run": plan.name, "seed": 42},
        "model": {
            "dtype": {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}[recipe.precision],
            "init_method": {"std": 0.02}, "make_vocab_size_divisible_by": 1,
            "model_config": {
                "is_llama_config": True, "hidden_act": "silu", "hidden_size": model.hidden,
                "intermediate_size": model.ffn, "max_position_embeddings": model.max_sequence,
                "num_attention_heads": model.heads, "num_hidden_layers": model.layers,
                "num_key_value_heads": model.kv_heads, "tie_word_embeddings": model.tied_embeddings,
                "vocab_size": model.vocabulary,
            },
        },
        "parallelism": {
            "dp": plan.dp, "pp": layout.pp, "tp": layout.tp, "expert_parallel_size": 1,
            "pp_engine": "1f1b" if layout.schedule == "1f1b" else "afab",
            "tp_mode": "REDUCE_SCATTER" if layout.sequence_parallel and layout.tp > 1 else "ALL_REDUCE",
            "tp_linear_async_communication": False, "recompute_layer": layout.recompute == "full",
        },
        "tokenizer": {"tokenizer_name_or_path": "gpt2"},
        "checkpoints": {"checkpoints_path": "checkpoints", "checkpoint_interval": 1000},
        "data_stages": [{
            "name": "training", "start_training_step": 1,
            "data": {"dataset": None, "num_loading_workers": 1, "seed": 42},
        }],
        "tokens": {
            "sequence_length": recipe.sequence_length, "train_steps": math.ceil(recipe.steps),
            "micro_batch_size": layout.micro_batch,
            "batch_accumulation_per_replica": recipe.global_batch // (layout.micro_batch * plan.dp),
        },
        "optimizer": {
            "zero_stage": layout.zero_stage, "weight_decay": 0.1, "clip_grad": 1.0,
            "accumulate_grad_in_fp32": recipe.gradient_bytes >= 4,
            "optimizer_factory": {
                "name": "adamW", "adam_beta1": 0.9, "adam_beta2": 0.95, "adam_eps": 1e-8, "torch_adam_is_fused": True
            },
            "learning_rate_scheduler": {
                "learning_rate": 3e-4, "lr_warmup_steps": min(2000, math.ceil(recipe.steps) // 10),
                "lr_warmup_style": "linear", "lr_decay_style": "cosine", "min_decay_lr": 3e-5,
            },
        },
    }  # fmt: skip
    return Written(yaml.safe_dump(data, sort_keys=False, allow_unicode=False))


def _demand(plan: Plan) -> None:
    model, recipe, layout = plan.model, plan.recipe, plan.layout
    plain = (
        model.architecture == "decoder" and model.norm == "rmsnorm" and model.activation == "swiglu"
        and model.positions == "rotary" and not model.is_mixture and model.heads * model.head_dim == model.hidden
        and not any((model.qkv_bias, model.output_bias, model.ffn_bias, model.norm_bias, model.qk_norm))
    )  # fmt: skip
    problems = {
        f"model: nanotron's Llama has RMSNorm, SwiGLU, rotary positions and no biases; {model.name} differs": not plain,
        f"recipe.precision: nanotron trains in bf16, fp16 or fp32, not {recipe.precision}":
            recipe.precision not in ("bf16", "fp16", "fp32"),
        f"recipe.optimizer: nanotron's file is for AdamW, not {recipe.optimizer}": recipe.optimizer != "adamw",
        f"layout.zero_stage: nanotron has stages 0 and 1, not {layout.zero_stage}": layout.zero_stage > 1,
        f"layout.virtual_stages: nanotron has none, not {layout.virtual_stages}": layout.virtual_stages > 1,
        f"layout.cp: nanotron has no context parallelism, not {layout.cp}": layout.cp > 1,
        "layout.recompute: nanotron recomputes whole layers or none": layout.recompute == "selective",
        f"recipe.global_batch: {recipe.global_batch} does not divide over dp {plan.dp}":
            recipe.global_batch % (layout.micro_batch * plan.dp) > 0,
    }  # fmt: skip
    if any(problems.values()):
        raise InputError("\n".join(message for message, here in problems.items() if here))
