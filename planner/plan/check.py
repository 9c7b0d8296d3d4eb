"""Everything that is wrong or doubtful with a plan, each with field path, severity and a suggestion that can be applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from planner.plan.plan import Plan

Severity = Literal["error", "warning"]


@dataclass(frozen=True)
class Problem:
    """One problem. `changes` maps field paths to values that would mend it; empty where the user must decide."""

    path: str
    severity: Severity
    message: str
    suggestion: str = ""
    changes: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" + (f"; {self.suggestion}" if self.suggestion else "")


def check(plan: Plan) -> list[Problem]:
    """All problems of a plan whose fields are each valid: errors first. An empty list: nothing to say."""
    problems = [*_model(plan), *_layout(plan), *_recipe(plan), *_cluster(plan)]
    return sorted(problems, key=lambda problem: problem.severity != "error")


def divisors(number: int) -> list[int]:
    """All divisors of a whole number, in order."""
    small = [i for i in range(1, int(number**0.5) + 1) if number % i == 0]
    return sorted({*small, *(number // i for i in small)})


def nearest_divisor(number: int, wanted: int) -> int:
    """The divisor of `number` nearest to `wanted` (in ratio), the smaller one in a tie."""
    return min(divisors(number), key=lambda d: (max(d, wanted) / min(d, wanted), d))


def _model(plan: Plan) -> list[Problem]:
    model, found = plan.model, []
    if model.heads % model.kv_heads:
        near = nearest_divisor(model.heads, model.kv_heads)
        found.append(Problem("model.kv_heads", "error", f"{model.kv_heads} key/value heads do not divide {model.heads} query heads", f"use {near}", {"model.kv_heads": near}))  # fmt: skip
    if model.heads * model.head_dim != model.hidden and model.architecture == "decoder":
        if model.hidden % model.heads == 0:
            near = model.hidden // model.heads
            found.append(Problem("model.head_dim", "warning", f"{model.heads} heads × {model.head_dim} = {model.heads * model.head_dim}, not the width {model.hidden}; few models do so", f"use {near}", {"model.head_dim": near}))  # fmt: skip
        else:
            near = nearest_divisor(model.hidden, model.heads)
            found.append(Problem("model.heads", "warning", f"{model.heads} heads do not divide the width {model.hidden}", f"use {near} heads of {model.hidden // near}", {"model.heads": near, "model.kv_heads": near, "model.head_dim": model.hidden // near}))  # fmt: skip
    if (model.architecture == "encoder-decoder") != (model.encoder_layers > 0):
        found.append(Problem("model.encoder_layers", "error", f"{model.encoder_layers} encoder layers in a model that is {model.architecture}", f"use {model.layers if model.architecture == 'encoder-decoder' else 0}", {"model.encoder_layers": model.layers if model.architecture == "encoder-decoder" else 0}))  # fmt: skip
    if model.is_mixture and not 1 <= model.experts_per_token <= model.experts:
        found.append(Problem("model.experts_per_token", "error", f"{model.experts_per_token} active of {model.experts} experts", "use 2", {"model.experts_per_token": min(2, model.experts)}))  # fmt: skip
    if not model.is_mixture and (model.experts_per_token or model.shared_experts or model.dense_layers):
        found.append(Problem("model.experts", "error", "expert fields are set in a model without experts", "set the number of experts, or clear them", {"model.experts_per_token": 0, "model.shared_experts": 0, "model.dense_layers": 0}))  # fmt: skip
    if model.dense_layers > model.layers:
        found.append(Problem("model.dense_layers", "error", f"{model.dense_layers} dense layers of {model.layers}", f"use {model.layers} or fewer", {"model.dense_layers": model.layers}))  # fmt: skip
    return found


def _layout(plan: Plan) -> list[Problem]:
    model, layout, gpus, found = plan.model, plan.layout, plan.cluster.gpus, []
    shards = layout.tp * layout.pp * layout.cp
    if layout.dp is not None and shards * layout.dp != gpus:
        found.append(Problem("layout.dp", "error", f"tp {layout.tp} × pp {layout.pp} × cp {layout.cp} × dp {layout.dp} = {shards * layout.dp:,} GPUs, but the cluster has {gpus:,}", f"leave it blank for {gpus // shards}" if gpus % shards == 0 else "change a degree or the nodes", {"layout.dp": None} if gpus % shards == 0 else {}))  # fmt: skip
    elif gpus % shards:
        found.append(_indivisible_gpus(plan, shards))
    if model.heads % layout.tp:
        near = nearest_divisor(model.heads, layout.tp)
        found.append(Problem("layout.tp", "error", f"tensor parallel {layout.tp} does not divide {model.heads} heads", f"use {near}", {"layout.tp": near}))  # fmt: skip
    elif model.kv_heads % layout.tp and layout.tp % model.kv_heads:
        near = nearest_divisor(model.kv_heads, layout.tp)
        found.append(Problem("layout.tp", "error", f"tensor parallel {layout.tp} does not fit {model.kv_heads} key/value heads", f"use {near}", {"layout.tp": near}))  # fmt: skip
    elif layout.tp > plan.cluster.gpus_per_node:
        found.append(Problem("layout.tp", "warning", f"tensor parallel {layout.tp} spans nodes of {plan.cluster.gpus_per_node}: its all-reduces run over the fabric", f"use {plan.cluster.gpus_per_node} or fewer"))  # fmt: skip
    stages = layout.pp * layout.virtual_stages
    total_layers = model.layers + model.encoder_layers
    if stages > total_layers:
        near = max(1, total_layers // layout.virtual_stages)
        found.append(Problem("layout.pp", "error", f"{stages} stages for {total_layers} layers", f"use {near}", {"layout.pp": nearest_divisor(total_layers, near)}))  # fmt: skip
    elif layout.virtual_stages > 1 and total_layers % stages and (total_layers + 2) % stages:
        found.append(Problem("layout.virtual_stages", "error", f"{total_layers} layers do not divide into {layout.pp} × {layout.virtual_stages} equal chunks (nor with one less at each end)", "use 1", {"layout.virtual_stages": 1}))  # fmt: skip
    if layout.virtual_stages > 1 and layout.pp == 1:
        found.append(Problem("layout.virtual_stages", "error", "virtual stages need a pipeline", "use 1", {"layout.virtual_stages": 1}))  # fmt: skip
    if model.is_mixture and model.experts % layout.ep:
        near = nearest_divisor(model.experts, layout.ep)
        found.append(Problem("layout.ep", "error", f"expert parallel {layout.ep} does not divide {model.experts} experts", f"use {near}", {"layout.ep": near}))  # fmt: skip
    if not model.is_mixture and layout.ep > 1:
        found.append(Problem("layout.ep", "error", "expert parallel in a model without experts", "use 1", {"layout.ep": 1}))
    elif layout.ep > 1 and (plan.dp * layout.cp * layout.tp) % layout.ep:
        found.append(Problem("layout.ep", "error", f"expert parallel {layout.ep} does not fit into dp × cp × tp = {plan.dp * layout.cp * layout.tp}", "use 1", {"layout.ep": 1}))  # fmt: skip
    if layout.zero_group is not None and plan.dp * layout.cp % layout.zero_group:
        found.append(Problem("layout.zero_group", "error", f"a sharding group of {layout.zero_group} does not divide {plan.dp * layout.cp} data-parallel ranks", "leave it blank", {"layout.zero_group": None}))  # fmt: skip
    if layout.recompute_layers is not None and layout.recompute_layers > -(-total_layers // layout.pp):
        found.append(Problem("layout.recompute_layers", "error", f"{layout.recompute_layers} recomputed layers, but a stage has {-(-total_layers // layout.pp)}", "leave it blank for all", {"layout.recompute_layers": None}))  # fmt: skip
    return found


def _indivisible_gpus(plan: Plan, shards: int) -> Problem:
    cluster, gpus = plan.cluster, plan.cluster.gpus
    message = f"tp {plan.layout.tp} × pp {plan.layout.pp} × cp {plan.layout.cp} = {shards} does not divide {gpus:,} GPUs"
    nodes = next((n for n in range(cluster.nodes, cluster.nodes + shards + 1) if n * cluster.gpus_per_node % shards == 0), None)
    if nodes is None:
        return Problem("layout.tp", "error", message, "change a degree")
    return Problem("layout.tp", "error", message, f"use {nodes} nodes ({nodes * cluster.gpus_per_node} GPUs), or change a degree", {"cluster.nodes": nodes})  # fmt: skip


def _recipe(plan: Plan) -> list[Problem]:
    recipe, layout, model, found = plan.recipe, plan.layout, plan.model, []
    per_pass = plan.dp * layout.micro_batch
    if recipe.global_batch % per_pass:
        fitting = [b for b in divisors(recipe.global_batch) if recipe.global_batch % (b * plan.dp) == 0]
        if fitting:
            near = min(fitting, key=lambda b: max(b, layout.micro_batch) / min(b, layout.micro_batch))
            found.append(Problem("layout.micro_batch", "error", f"the global batch of {recipe.global_batch} sequences does not divide into micro-batches of {layout.micro_batch} on {plan.dp} ranks", f"use {near}", {"layout.micro_batch": near}))  # fmt: skip
        else:
            near = -(-recipe.global_batch // per_pass) * per_pass
            found.append(Problem("recipe.global_batch", "error", f"{recipe.global_batch} sequences cannot feed {plan.dp} data-parallel ranks of micro-batch {layout.micro_batch} evenly", f"use {near}, or fewer ranks", {"recipe.global_batch": near}))  # fmt: skip
    elif layout.virtual_stages > 1 and recipe.global_batch // per_pass % layout.pp:
        found.append(Problem("layout.virtual_stages", "error", f"the interleaved schedule needs the {recipe.global_batch // per_pass} micro-batches to be a multiple of {layout.pp} stages", "use 1", {"layout.virtual_stages": 1}))  # fmt: skip
    if recipe.sequence_length % layout.cp:
        near = nearest_divisor(recipe.sequence_length, layout.cp)
        found.append(Problem("layout.cp", "error", f"context parallel {layout.cp} does not divide a sequence of {recipe.sequence_length}", f"use {near}", {"layout.cp": near}))  # fmt: skip
    elif layout.sequence_parallel and recipe.sequence_length // layout.cp % layout.tp:
        found.append(Problem("layout.sequence_parallel", "error", f"a sequence of {recipe.sequence_length // layout.cp} does not split over tensor parallel {layout.tp}", "switch it off", {"layout.sequence_parallel": False}))  # fmt: skip
    if recipe.sequence_length > model.max_sequence and model.positions in ("learned", "sinusoidal"):
        found.append(Problem("recipe.sequence_length", "error", f"{recipe.sequence_length} tokens, but the model has positions for {model.max_sequence}", f"use {model.max_sequence}", {"recipe.sequence_length": model.max_sequence}))  # fmt: skip
    elif recipe.sequence_length > model.max_sequence:
        found.append(Problem("recipe.sequence_length", "warning", f"{recipe.sequence_length} tokens, longer than the {model.max_sequence} the model was made for", f"use {model.max_sequence}", {"recipe.sequence_length": model.max_sequence}))  # fmt: skip
    if recipe.batch_tokens > recipe.tokens:
        found.append(Problem("recipe.tokens", "warning", f"one global batch ({recipe.batch_tokens:,} tokens) is more than the whole training", "train on more tokens"))  # fmt: skip
    return found


def _cluster(plan: Plan) -> list[Problem]:
    cluster, found = plan.cluster, []
    if cluster.accelerator.peak(plan.recipe.precision) is None:
        able = [p for p in ("bf16", "fp16", "tf32", "fp32") if cluster.accelerator.peak(p)]
        found.append(Problem("recipe.precision", "error", f"{cluster.accelerator.name} has no {plan.recipe.precision} rate on its data sheet", f"use {able[0]}" if able else "choose another accelerator", {"recipe.precision": able[0]} if able else {}))  # fmt: skip
    if cluster.accelerator.link_bytes_per_s is None and cluster.gpus_per_node > 1:
        found.append(Problem("cluster.accelerator.link_bytes_per_s", "warning", f"the data sheet of {cluster.accelerator.name} gives no link bandwidth; the network between nodes is taken for both", "fill in the bandwidth"))  # fmt: skip
    return found
