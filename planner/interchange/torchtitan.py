"""torchtitan's TOML: the last form that is a file (0.2.2, `--job.config_file`; from 0.3 on configs are Python).

torchtitan knows Llama 3 and DeepSeek with latent attention by size. Another decoder of Llama's form is written as
a table `[decoder]`, which `trainplan_decoder.py` beside the file adds to torchtitan's own config and builds.
"""

from __future__ import annotations

import math
import tomllib
from pathlib import Path
from typing import Any

import tomli_w

from planner.errors import InputError, UnknownNameError, shorten
from planner.interchange.content import Content, Found, Written
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.plan.shipped import model as shipped

TITLE = "torchtitan TOML"
NAMES = (".toml",)
DECODER = "trainplan_decoder"
FLAVOURS = {
    "llama3": {"8B": "llama-3.1-8b", "70B": "llama-3.1-70b", "405B": "llama-3.1-405b"},
    "deepseek_v3": {"16B": "deepseek-v2-lite", "236B": "deepseek-v2", "671B": "deepseek-v3"},
}
"""torchtitan's models and their flavours (torchtitan/models/*/__init__.py, 0.2.2), and the same models by our names."""
_DIMENSIONS = ("layers", "hidden", "heads", "kv_heads", "ffn", "vocabulary", "max_sequence")
_FLOAT8, _MX = "quantize.linear.float8", "quantize.linear.mx"
_EXPERTS = {"fp8": "float8", "mxfp8": "mx"}
"""Under `quantize.grouped_mm`: the converter of the experts' products by number format."""
_SINGLE, _LOOPED = {"1f1b": "1F1B", "gpipe": "GPipe"}, "Interleaved1F1B"
_NO_MATTER = (
    "job", "profiling", "metrics", "model.hf_assets_path", "model.tokenizer_path", "model.print_after_conversion",
    "optimizer", "lr_scheduler", "training.dataset", "training.dataset_path", "training.max_norm", "training.gc_freq",
    "training.gc_debug", "training.dataloader", "checkpoint", "comm", "validation", "debug", "memory_estimation",
    "compile.components", "compile.backend", "training.mixed_precision_reduce", "quantize.linear",
    "quantize.grouped_mm", "parallelism.expert_parallel_comm_backend",
    "parallelism.context_parallel_load_balancer", "parallelism.fsdp_reshard_after_forward",
)  # fmt: skip
"""What changes neither sizes nor work, or is read by another name."""


_MOST_DOTS = 2_000
"""Dots, and a config has some dozens: the parser's time grows with the square of the parts of one dotted key."""


def _tables(text: str) -> dict[str, Any]:
    if text.count(".") > _MOST_DOTS:
        raise InputError(f"more than {_MOST_DOTS:,} dots: not a training config")
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # no TOML, or a number of thousands of digits
        raise InputError(f"not a TOML file ({shorten(error, 120)})") from None


def matches(text: str) -> bool:
    """Whether a TOML text has torchtitan's tables."""
    try:
        return bool({"parallelism", "activation_checkpoint", "job"} & set(_tables(text)))
    except InputError:
        return False


def read(text: str) -> Found:
    """What the file says, torchtitan's defaults where it is silent. Raises `InputError` naming the key."""
    content = Content(_tables(text))
    content.known(*_NO_MATTER)
    model = _read_model(content)
    layout = _read_layout(content, _layers(model))
    return Found(
        model=model, layout=layout, recipe=_read_recipe(content, layout), replica_batch=_replica_batch(content, layout),
        steps=content.number("training.steps", 10_000, least=1), ignored=content.ignored(),
    )  # fmt: skip


def write(plan: Plan) -> Written:
    """The plan as torchtitan trains it. Raises `InputError` naming the field that torchtitan cannot do."""
    _demand(plan)
    model, beside = _model(plan.model)
    layout, recipe = plan.layout, plan.recipe
    local = layout.micro_batch if layout.pp == 1 else recipe.global_batch // plan.dp
    tables: dict[str, Any] = {
        "job": {"dump_folder": "./outputs", "description": f"Trainplan: {plan.name}"},
        "model": {**model.pop("model"), "hf_assets_path": "./assets/hf/tokenizer", "converters": _converters(plan)},
        "optimizer": {"name": "AdamW"},
        "training": {
            "dataset": "c4", "seq_len": recipe.sequence_length, "local_batch_size": local,
            "global_batch_size": recipe.global_batch, "steps": math.ceil(recipe.steps),
            "dtype": "float32" if recipe.master_weights or recipe.precision == "fp32" else "bfloat16",
            "mixed_precision_param": "float32" if recipe.precision == "fp32" else "bfloat16",
            "enable_cpu_offload": layout.optimizer_offload,
        },
        "parallelism": _parallelism(plan),
        "activation_checkpoint": _checkpointing(plan),
        "compile": {"enable": recipe.framework in ("torchtitan", "compiled")}, **_quantized_experts(plan), **model,
    }  # fmt: skip
    if beside:
        tables["job"]["custom_config_module"] = DECODER
    return Written(tomli_w.dumps(tables), beside, _notes(plan))


# Out.


def _demand(plan: Plan) -> None:
    """Raise what torchtitan cannot train, all at once."""
    model, recipe = plan.model, plan.recipe
    plain = (
        model.architecture == "decoder" and model.norm == "rmsnorm" and model.activation == "swiglu"
        and model.positions == "rotary" and not model.is_mixture and not model.tied_embeddings and model.final_norm
        and not any((model.qkv_bias, model.output_bias, model.ffn_bias, model.norm_bias, model.qk_norm))
        and model.heads * model.head_dim == model.hidden and not model.embedding_norm
    )  # fmt: skip
    problems = []
    if not plain and _flavour(model) is None:
        told = "torchtitan's decoder has RMSNorm, SwiGLU, rotary positions, an untied head, no biases and no experts"
        sizes = "DeepSeek-V2, V2-Lite and V3 it knows by size"
        problems.append(f"model: {told}; {sizes}; {model.name} differs: export it to megatron")
    if recipe.precision not in ("bf16", "fp32", "fp8", "mxfp8"):
        problems.append(f"recipe.precision: torchtitan trains in bf16, fp32, fp8 or mxfp8, not {recipe.precision}")
    if recipe.optimizer != "adamw":
        problems.append(f"recipe.optimizer: torchtitan's file names AdamW, not {recipe.optimizer}")
    if recipe.global_batch % plan.dp:
        problems.append(f"recipe.global_batch: {recipe.global_batch} does not divide over dp {plan.dp}")
    if problems:
        raise InputError("\n".join(problems))


def _model(model: Model) -> tuple[dict[str, Any], dict[str, str]]:
    """(tables of the model, files beside): a flavour of torchtitan's, or the dimensions in full."""
    if found := _flavour(model):
        return {"model": {"name": found[0], "flavor": found[1]}}, {}
    code = (Path(__file__).parent / f"{DECODER}.py.txt").read_text("utf-8")
    dimensions = {name: getattr(model, name) for name in _DIMENSIONS}
    tables = {"model": {"name": DECODER, "flavor": "custom"}, "decoder": {"title": model.name, **dimensions}}
    return tables, {f"{DECODER}.py": code}


def _flavour(model: Model) -> tuple[str, str] | None:
    """(torchtitan's model, its flavour) that this is, if any."""
    known = ((family, flavour, name) for family, sizes in FLAVOURS.items() for flavour, name in sizes.items())
    return next(((family, flavour) for family, flavour, name in known if _same(model, shipped(name))), None)


def _same(one: Model, other: Model) -> bool:
    words = {"name", "source", "as_of"}
    return one.model_dump(exclude=words) == other.model_dump(exclude=words)


def _converters(plan: Plan) -> list[str]:
    whole = {"fp8": [_FLOAT8], "mxfp8": [_MX]}.get(plan.recipe.precision, [])
    routed = [f"quantize.grouped_mm.{_EXPERTS[plan.recipe.precision]}"] if _quantized_experts(plan) else []
    return [*whole, *routed]


def _quantized_experts(plan: Plan) -> dict[str, Any]:
    """The table that names the experts' products as those of the plan's number format."""
    if not plan.model.is_mixture or plan.recipe.precision not in _EXPERTS:
        return {}
    return {"quantize": {"grouped_mm": {_EXPERTS[plan.recipe.precision]: {"fqns": ["experts"]}}}}


def _parallelism(plan: Plan) -> dict[str, Any]:
    layout, layers = plan.layout, plan.model.layers
    group = plan.dp if layout.zero_group is None else max(1, layout.zero_group // layout.cp)
    shard = group if layout.zero_stage else 1
    chunks = layout.pp * layout.virtual_stages
    ends = 0 if layers % chunks == 0 else 1
    tables: dict[str, Any] = {
        "data_parallel_replicate_degree": plan.dp // shard, "data_parallel_shard_degree": shard,
        "fsdp_reshard_after_forward": "always" if layout.zero_stage == 3 else "never",
        "tensor_parallel_degree": layout.tp, "pipeline_parallel_degree": layout.pp,
        "context_parallel_degree": layout.cp,
        "context_parallel_rotate_method": "allgather" if layout.context_exchange == "all-gather" else "alltoall",
    }  # fmt: skip
    if plan.model.is_mixture:
        is_apart = layout.ep > plan.dp * layout.cp
        tables |= {
            "expert_parallel_degree": layout.ep, "expert_tensor_parallel_degree": 1 if is_apart else layout.tp
        }  # fmt: skip
    if layout.pp > 1:
        looped = layout.virtual_stages > 1
        tables |= {
            "pipeline_parallel_schedule": _LOOPED if looped else _SINGLE[layout.schedule],
            "pipeline_parallel_microbatch_size": layout.micro_batch,
            "pipeline_parallel_first_stage_less_layers": ends, "pipeline_parallel_last_stage_less_layers": ends,
            **({"pipeline_parallel_layers_per_stage": -(-(layers + 2 * ends) // chunks)} if looped else {}),
        }  # fmt: skip
    return tables


def _checkpointing(plan: Plan) -> dict[str, Any]:
    """Full recomputation of n of a stage's layers is torchtitan's 'every k-th layer'."""
    layout = plan.layout
    stage = -(-plan.model.layers // layout.pp)
    if layout.recompute == "full" and layout.recompute_layers not in (None, 0, stage):
        return {"mode": "selective", "selective_ac_option": str(round(stage / int(layout.recompute_layers or 1)))}
    if layout.recompute == "selective":
        return {"mode": "selective", "selective_ac_option": "op"}
    return {"mode": "none" if layout.recompute_layers == 0 else layout.recompute}


def _notes(plan: Plan) -> list[str]:
    layout, notes = plan.layout, []
    if layout.zero_stage == 1:
        notes.append("layout.zero_stage: torchtitan has no stage 1; the file shards the gradients too (stage 2)")
    if layout.tp > 1 and not layout.sequence_parallel:
        notes.append("layout.sequence_parallel: torchtitan always splits the sequence with tensor parallelism")
    if layout.recompute == "selective":
        notes.append("layout.recompute: torchtitan's selective keeps other operations than the plan counts")
    stage = -(-plan.model.layers // layout.pp)
    if layout.recompute == "full" and layout.recompute_layers and stage % layout.recompute_layers:
        notes.append("layout.recompute_layers: torchtitan recomputes every k-th layer; the nearest k is written")
    if layout.optimizer_offload:
        notes.append("layout.optimizer_offload: torchtitan keeps parameters and gradients in host memory too")
    if layout.activation_offload:
        notes.append("layout.activation_offload: torchtitan's file has no such setting")
    if plan.recipe.dropout:
        notes.append("recipe.dropout: torchtitan trains without dropout")
    return notes


# In.


def _read_model(content: Content) -> dict[str, Any] | str:
    name, flavour = content.word("model.name", "llama3"), content.word("model.flavor", "debugmodel")
    if name == DECODER or content.has("decoder"):
        content.known("decoder.title")
        fields = {one: content.number(f"decoder.{one}", least=1) for one in _DIMENSIONS}
        return {
            **fields, "name": content.word("decoder.title", "decoder")[:100] or "decoder", "source": TITLE,
            "head_dim": max(1, fields["hidden"] // fields["heads"]),
        }  # fmt: skip
    if name not in FLAVOURS:
        raise UnknownNameError("model.name", name, (*FLAVOURS, DECODER))
    base = flavour.removesuffix("_flex").removesuffix("_varlen")
    if base not in FLAVOURS[name]:
        raise UnknownNameError("model.flavor", flavour, FLAVOURS[name])
    return FLAVOURS[name][base]


def _layers(model: dict[str, Any] | str) -> int:
    return shipped(model).layers if isinstance(model, str) else int(model["layers"])


def _read_layout(content: Content, layers: int) -> dict[str, Any]:
    """The layout's fields; `dp` is None where it is left to the launcher."""

    def degree(name: str) -> int:
        return content.number(f"parallelism.{name}", 1, least=1)

    tp, pp, cp = (degree(f"{one}_parallel_degree") for one in ("tensor", "pipeline", "context"))
    if (of_experts := degree("expert_tensor_parallel_degree")) not in (1, tp):
        raise InputError(f"parallelism.expert_tensor_parallel_degree: {of_experts} is neither 1 nor {tp}, the others'")
    replicas = degree("data_parallel_replicate_degree")
    shard = content.value("parallelism.data_parallel_shard_degree", -1)
    shard = None if shard == -1 else degree("data_parallel_shard_degree")
    dp = None if shard is None else shard * replicas
    reshard = {"default": pp == 1, "always": True, "never": False}
    stage = 3 if content.one_of("parallelism.fsdp_reshard_after_forward", reshard, "default") else 2
    layout: dict[str, Any] = {
        "tp": tp, "pp": pp, "cp": cp, "dp": dp, "ep": degree("expert_parallel_degree"),
        "zero_stage": 0 if shard == 1 else stage, "sequence_parallel": tp > 1,
        "zero_group": shard * cp if shard and shard > 1 and replicas > 1 else None,
        "context_exchange": content.one_of(
            "parallelism.context_parallel_rotate_method", {"allgather": "all-gather", "alltoall": "ring"}, "allgather"
        ),
        "optimizer_offload": content.flag("training.enable_cpu_offload"),
        "micro_batch": content.number("training.local_batch_size", 8, least=1),
    }  # fmt: skip
    if pp > 1:
        layout["micro_batch"] = degree("pipeline_parallel_microbatch_size")
        layout |= _read_schedule(content, layers, pp)
    layout |= _read_checkpointing(content, -(-layers // pp))
    return layout


def _read_schedule(content: Content, layers: int, pp: int) -> dict[str, Any]:
    words = {**{word.casefold(): name for name, word in _SINGLE.items()}, _LOOPED.casefold(): "1f1b"}
    said = content.word("parallelism.pipeline_parallel_schedule", "1F1B")
    if said.casefold() not in words:
        raise UnknownNameError("parallelism.pipeline_parallel_schedule", said, [*_SINGLE.values(), _LOOPED])
    first, last = (
        content.number(f"parallelism.pipeline_parallel_{end}_stage_less_layers", 1) for end in ("first", "last")
    )
    stages = 1 if said.casefold() != _LOOPED.casefold() else 2
    if content.has("parallelism.pipeline_parallel_layers_per_stage"):
        each = content.number("parallelism.pipeline_parallel_layers_per_stage", least=1)
        stages = max(1, math.ceil((layers + first + last) / each) // pp)
    return {"schedule": words[said.casefold()], "virtual_stages": stages}


def _read_checkpointing(content: Content, stage: int) -> dict[str, Any]:
    mode = content.word("activation_checkpoint.mode", "selective")
    option = content.word("activation_checkpoint.selective_ac_option", "2")
    if mode in ("none", "full"):
        return {"recompute": mode}
    if mode != "selective":
        raise UnknownNameError("activation_checkpoint.mode", mode, ("none", "selective", "full"))
    if option == "op":
        return {"recompute": "selective"}
    if not option.isdecimal() or len(option) > 6 or int(option) == 0:
        raise InputError(f"activation_checkpoint.selective_ac_option: {shorten(option)!r} is neither 'op' nor a number")
    return {"recompute": "full", "recompute_layers": stage // int(option)}


def _replica_batch(content: Content, layout: dict[str, Any]) -> int | None:
    """A rank's batch, where the file leaves both the ranks and the global batch to the launch."""
    is_left = content.value("training.global_batch_size", -1) == -1 and layout["dp"] is None
    return content.number("training.local_batch_size", 8, least=1) if is_left else None


def _read_recipe(content: Content, layout: dict[str, Any]) -> dict[str, Any]:
    precision = content.one_of("training.mixed_precision_param", {"bfloat16": "bf16", "float32": "fp32"}, "bfloat16")
    whole = content.one_of("training.dtype", {"float32": True, "bfloat16": False}, "float32")
    recipe = {
        "sequence_length": content.number("training.seq_len", 2048, least=1),
        "precision": _converted(content) or precision, "master_weights": whole, "gradient_bytes": 4 if whole else 2,
        "optimizer": "adamw", "attention": "flash", "causal": True, "dropout": False,
        "framework": "torchtitan" if content.flag("compile.enable") else "fsdp",
    }  # fmt: skip
    if content.value("training.global_batch_size", -1) != -1:
        return {**recipe, "global_batch": content.number("training.global_batch_size", least=1)}
    local = content.number("training.local_batch_size", 8, least=1)
    return recipe if layout["dp"] is None else {**recipe, "global_batch": local * layout["dp"]}


def _converted(content: Content) -> str | None:
    """The number format that the model's converters make of its products, by their names of 0.2 and before."""
    converters = content.value("model.converters", [])
    if not isinstance(converters, list):
        raise InputError(f"model.converters: {shorten(converters)!r} is not a list")
    formats = {_FLOAT8: "fp8", "float8": "fp8", _MX: "mxfp8", "mx": "mxfp8"}
    known = {*formats, *(f"quantize.grouped_mm.{one}" for one in _EXPERTS.values())}
    if strange := [one for one in converters if not isinstance(one, str) or one not in known]:
        raise InputError(f"model.converters: {shorten(strange[0])!r} is not one of {', '.join(sorted(known))}")
    return next((formats[one] for one in converters if one in formats), None)
