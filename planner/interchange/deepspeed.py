"""DeepSpeed's JSON (0.19): batch, precision, ZeRO and offload. The model and the sequence are the training script's."""

from __future__ import annotations

import json
from typing import Any

from planner.errors import InputError, shorten
from planner.interchange.content import Content, Found, Written
from planner.plan.plan import Plan

TITLE = "DeepSpeed JSON"
NAMES = (".json",)
_OPTIMIZERS = {"adamw": "AdamW", "sgd": "SGD", "muon": "Muon", "adamw-8bit": "AdamW8bit"}
_READ_OPTIMIZERS = {
    "adam": "adamw", "adamw": "adamw", "fusedadam": "adamw", "deepspeedcpuadam": "adamw", "sgd": "sgd", "muon": "muon",
    "adamw8bit": "adamw-8bit",
}  # fmt: skip
_KEYS = {"train_batch_size", "train_micro_batch_size_per_gpu", "zero_optimization", "gradient_accumulation_steps"}
_NO_MATTER = (
    "steps_per_print", "wall_clock_breakdown", "gradient_clipping", "scheduler", "optimizer.params",
    "prescale_gradients",
    "fp16.loss_scale", "fp16.initial_scale_power", "fp16.loss_scale_window", "fp16.hysteresis", "fp16.min_loss_scale",
    "zero_optimization.overlap_comm", "zero_optimization.contiguous_gradients", "zero_optimization.reduce_bucket_size",
    "zero_optimization.allgather_bucket_size", "zero_optimization.reduce_scatter", "tensorboard", "wandb",
    "zero_optimization.stage3_prefetch_bucket_size", "zero_optimization.stage3_param_persistence_threshold",
    "zero_allow_untested_optimizer", "zero_optimization.sub_group_size", "zero_optimization.allgather_partitions",
    "zero_optimization.stage3_gather_16bit_weights_on_model_save", "zero_optimization.stage3_max_live_parameters",
    "zero_optimization.stage3_max_reuse_distance",
)  # fmt: skip


_UNSAID = (
    "pp", "sequence_parallel", "virtual_stages", "schedule", "ep", "recompute", "recompute_layers",
    "activation_offload", "context_exchange",
)  # fmt: skip
"""Fields of a layout that the training script decides."""


def matches(text: str) -> bool:
    """Whether a JSON text has DeepSpeed's keys."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(data, dict) and bool(_KEYS & set(data))


def write(plan: Plan) -> Written:
    """The plan's batch, precision and sharding. Raises `InputError` naming what DeepSpeed cannot do."""
    recipe, layout = plan.recipe, plan.layout
    _demand(plan)
    accumulation = recipe.global_batch // (layout.micro_batch * plan.dp)
    zero: dict[str, Any] = {"stage": layout.zero_stage, "overlap_comm": True, "contiguous_gradients": True}
    if layout.optimizer_offload:
        zero["offload_optimizer"] = {"device": "cpu", "pin_memory": True}
    if layout.zero_group is not None and layout.zero_stage == 3 and layout.zero_group < plan.dp * layout.cp:
        zero["mics_shard_size"] = layout.zero_group
    data: dict[str, Any] = {
        "train_batch_size": recipe.global_batch, "train_micro_batch_size_per_gpu": layout.micro_batch,
        "gradient_accumulation_steps": accumulation, "zero_optimization": zero,
        "bf16": {"enabled": recipe.precision == "bf16"}, "fp16": {"enabled": recipe.precision == "fp16"},
        "data_types": {"grad_accum_dtype": "fp32" if recipe.gradient_bytes >= 4 else recipe.precision},
        "optimizer": {"type": _OPTIMIZERS[recipe.optimizer], "params": {"lr": 3e-4}}, "gradient_clipping": 1.0,
    }  # fmt: skip
    if layout.tp > 1:
        data["tensor_parallel"] = {"autotp_size": layout.tp}
    if layout.cp > 1:
        data["sequence_parallel_size"] = layout.cp
    return Written(json.dumps(data, indent=2) + "\n", notes=_notes(plan))


def _demand(plan: Plan) -> None:
    recipe, layout, problems = plan.recipe, plan.layout, []
    if recipe.precision not in ("bf16", "fp16", "fp32"):
        problems.append(f"recipe.precision: DeepSpeed trains in bf16, fp16 or fp32, not {recipe.precision}")
    if recipe.optimizer not in _OPTIMIZERS:
        problems.append(f"recipe.optimizer: DeepSpeed has {', '.join(_OPTIMIZERS)}, not {recipe.optimizer}")
    if recipe.global_batch % (layout.micro_batch * plan.dp):
        problems.append(
            f"recipe.global_batch: {recipe.global_batch} does not divide into micro-batches of {layout.micro_batch} "
            f"on {plan.dp} ranks"
        )
    if problems:
        raise InputError("\n".join(problems))


def _notes(plan: Plan) -> list[str]:
    layout = plan.layout
    notes = [
        "model, recipe.sequence_length, recipe.tokens: DeepSpeed takes them from the training script, not its JSON"
    ]
    untold = {
        "layout.pp": layout.pp > 1, "layout.recompute": layout.recompute != "none",
        "layout.activation_offload": layout.activation_offload,
        "layout.zero_group": layout.zero_group is not None and layout.zero_stage != 3,
    }  # fmt: skip
    return notes + [f"{path}: is set in the training script, not in the JSON" for path, here in untold.items() if here]


def read(text: str) -> Found:
    """What the file says. Raises `InputError` naming the key."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not a JSON file ({shorten(error, 120)})") from None
    if not isinstance(data, dict):
        raise InputError("not a DeepSpeed config: an object {…} is needed")
    content = Content(_without_auto(data))
    content.known(*_NO_MATTER)
    micro, accumulation, batch = (
        content.number(key, 0)
        for key in ("train_micro_batch_size_per_gpu", "gradient_accumulation_steps", "train_batch_size")
    )
    tp = content.number("tensor_parallel.autotp_size", 1) or 1
    cp = content.number("sequence_parallel_size", 1) or 1
    micro, accumulation, dp, batch = _batches(micro, accumulation, batch)
    stage = content.number("zero_optimization.stage", 0)
    if stage > 3:
        raise InputError(f"zero_optimization.stage: {stage} is not one of 0, 1, 2, 3")
    group = content.number("zero_optimization.mics_shard_size", 0)
    offload = content.value("zero_optimization.offload_optimizer", {})
    layout = {
        "tp": tp, "cp": cp, "dp": dp, "zero_stage": stage, "micro_batch": micro,
        "zero_group": group or None,
        "optimizer_offload": isinstance(offload, dict) and offload.get("device", "none") in ("cpu", "nvme"),
    }  # fmt: skip
    return Found(
        layout=layout, recipe=_read_recipe(content, batch), unsaid=_UNSAID,
        ignored=[*content.ignored(), *_auto(data)],
    )  # fmt: skip


def _batches(micro: int, accumulation: int, batch: int) -> tuple[int, int, int | None, int]:
    """(micro-batch, accumulation, data-parallel ranks, global batch): DeepSpeed's rule, batch = product of the three.
    One of a run's micro-batch and batch must be there."""
    if not micro and not batch:
        raise InputError("train_batch_size: is missing, and train_micro_batch_size_per_gpu too; set both")
    if not batch:
        raise InputError("train_batch_size: is missing; without it the file does not say how many GPUs share a batch")
    if not micro:
        raise InputError("train_micro_batch_size_per_gpu: is missing")
    if not accumulation:
        return micro, 1, None, batch
    if batch % (micro * accumulation):
        raise InputError(
            f"train_batch_size: {batch} is no multiple of {micro} (micro-batch) × {accumulation} (accumulation)"
        )
    return micro, accumulation, batch // (micro * accumulation), batch


def _read_recipe(content: Content, batch: int) -> dict[str, Any]:
    half, bf16 = content.flag("fp16.enabled"), content.flag("bf16.enabled") or content.flag("bfloat16.enabled")
    precision = "fp16" if half else "bf16" if bf16 else "fp32"
    kept = content.word("data_types.grad_accum_dtype", "fp32" if precision != "fp16" else "fp16")
    optimizer = content.word("optimizer.type", "AdamW").casefold()
    if optimizer not in _READ_OPTIMIZERS:
        raise InputError(f"optimizer.type: {shorten(optimizer)!r} is not one of {', '.join(_READ_OPTIMIZERS)}")
    return {
        "global_batch": batch, "precision": precision, "optimizer": _READ_OPTIMIZERS[optimizer],
        "gradient_bytes": 4 if kept == "fp32" else 2, "framework": "deepspeed-zero-3",
    }  # fmt: skip


def _without_auto(data: dict[str, Any]) -> dict[str, Any]:
    """Hugging Face's "auto" is filled in by its trainer: here it is as if the key were not there."""
    return {
        key: {k: v for k, v in value.items() if v != "auto"} if isinstance(value, dict) else value
        for key, value in data.items()
        if value != "auto"
    }


def _auto(data: dict[str, Any]) -> list[str]:
    return [f'{key} ("auto")' for key, value in data.items() if value == "auto"]
