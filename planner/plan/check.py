"""Everything that is wrong or doubtful with a plan: field path, severity, and a suggestion that can be applied."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from planner import library
from planner.errors import InputError, UnknownNameError, shorten
from planner.plan import offers
from planner.plan.plan import Plan

Severity = Literal["error", "warning"]
MOST_NODES = 1_000_000
"""Bound of `cluster.nodes`: no suggestion goes beyond it."""


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
    problems = [problem for rule in _rules() for problem in rule(plan)]
    return sorted(problems, key=lambda problem: problem.severity != "error")


def check_known(plan: Plan) -> list[Problem]:
    """The errors of a plan that lacks some of its fields: a rule ends where it meets one of these."""
    problems = []
    for rule in _rules():
        with contextlib.suppress(AttributeError):
            for problem in rule(plan):
                problems.append(problem)  # one by one: what was found before the rule ended is kept
    return [problem for problem in problems if problem.severity == "error"]


def _rules() -> tuple[Callable[[Plan], Iterator[Problem]], ...]:
    return (
        _model, _data_parallel, _tensor_parallel, _pipeline, _experts, _sharding, _batch, _sequence, _cluster,
        _software, _offer, _pue,
    )  # fmt: skip


def divisors(number: int) -> list[int]:
    """All divisors of a whole number, in order."""
    small = [i for i in range(1, int(number**0.5) + 1) if number % i == 0]
    return sorted({*small, *(number // i for i in small)})


def nearest_divisor(number: int, wanted: int) -> int:
    """The divisor of `number` nearest to `wanted` (in ratio), the smaller one in a tie."""
    return min(divisors(number), key=lambda d: (max(d, wanted) / min(d, wanted), d))


def _problem(path: str, message: str, value: Any, *, severity: Severity = "error", told: str = "") -> Problem:
    """A problem that one value of its own field mends."""
    return Problem(path, severity, message, told or f"use {value}", {path: value})


def _model(plan: Plan) -> Iterator[Problem]:
    model = plan.model
    if model.heads % model.kv_heads:
        message = f"{model.kv_heads} key/value heads do not divide {model.heads} query heads"
        yield _problem("model.kv_heads", message, nearest_divisor(model.heads, model.kv_heads))
    yield from _latent(plan)
    if model.heads * model.head_dim != model.hidden and model.architecture == "decoder" and not model.is_latent:
        yield _uneven_heads(plan)
    wanted = (model.encoder_layers or model.layers) if model.architecture == "encoder-decoder" else 0
    if model.encoder_layers != wanted:
        message = f"{model.encoder_layers} encoder layers in a model that is {model.architecture}"
        yield _problem("model.encoder_layers", message, wanted)
    if model.is_mixture and not 1 <= model.experts_per_token <= model.experts:
        message = f"{model.experts_per_token} active of {model.experts} experts"
        yield _problem("model.experts_per_token", message, min(2, model.experts))
    if not model.is_mixture and (model.experts_per_token or model.shared_experts or model.dense_layers):
        cleared = {"model.experts_per_token": 0, "model.shared_experts": 0, "model.dense_layers": 0}
        message = "expert fields are set in a model without experts"
        yield Problem("model.experts", "error", message, "set the number of experts, or clear them", cleared)
    elif model.dense_layers > model.layers:
        message = f"{model.dense_layers} dense layers of {model.layers}"
        yield _problem("model.dense_layers", message, model.layers, told=f"use {model.layers} or fewer")


def _latent(plan: Plan) -> Iterator[Problem]:
    model = plan.model
    if not model.is_latent:
        if model.query_rank or model.rotary_dim or model.value_dim:
            cleared = {"model.query_rank": 0, "model.rotary_dim": 0, "model.value_dim": 0}
            message = "fields of latent attention are set in a model without a latent"
            yield Problem("model.latent_rank", "error", message, "set the latent rank, or clear them", cleared)
        return
    if model.architecture != "decoder":
        yield _problem("model.latent_rank", f"latent attention in a model that is {model.architecture}", 0)
    if model.kv_heads != model.heads:
        message = f"{model.kv_heads} key/value heads: with a latent every one of {model.heads} heads has its own"
        yield _problem("model.kv_heads", message, model.heads)
    if model.rotary_dim >= model.head_dim:
        message = f"{model.rotary_dim} of a head of {model.head_dim} turn with the position: all of it"
        yield _problem("model.rotary_dim", message, model.head_dim // 3, told="use a part of it")
    if model.qkv_bias or model.output_bias or model.qk_norm:
        cleared = {"model.qkv_bias": False, "model.output_bias": False, "model.qk_norm": False}
        message = "biases and query/key norms are not counted beside a latent, which has norms of its own"
        yield Problem("model.latent_rank", "error", message, "clear them", cleared)


def _uneven_heads(plan: Plan) -> Problem:
    model = plan.model
    if model.hidden % model.heads == 0:
        width = f"{model.heads} heads × {model.head_dim} = {model.heads * model.head_dim}"
        message = f"{width}, not the width {model.hidden}; few models do so"
        return _problem("model.head_dim", message, model.hidden // model.heads, severity="warning")
    heads = nearest_divisor(model.hidden, model.heads)
    changes = {"model.heads": heads, "model.kv_heads": heads, "model.head_dim": model.hidden // heads}
    message = f"{model.heads} heads do not divide the width {model.hidden}"
    return Problem("model.heads", "warning", message, f"use {heads} heads of {model.hidden // heads}", changes)


def _data_parallel(plan: Plan) -> Iterator[Problem]:
    layout, cluster, gpus = plan.layout, plan.cluster, plan.cluster.gpus
    shards = layout.tp * layout.pp * layout.cp
    degrees = f"tp {layout.tp} × pp {layout.pp} × cp {layout.cp}"
    if layout.dp is not None and shards * layout.dp != gpus:
        message = f"{degrees} × dp {layout.dp} = {shards * layout.dp:,} GPUs, but the cluster has {gpus:,}"
        if gpus % shards == 0:
            yield _problem("layout.dp", message, None, told=f"leave it blank for {gpus // shards}")
        else:
            yield Problem("layout.dp", "error", message, "change a degree or the nodes")
    elif gpus % shards:
        message = f"{degrees} = {shards} does not divide {gpus:,} GPUs"
        whole = shards // math.gcd(shards, cluster.gpus_per_node)
        nodes = -(-cluster.nodes // whole) * whole
        told = f"use {nodes} nodes ({nodes * cluster.gpus_per_node} GPUs), or change a degree"
        yield Problem("layout.tp", "error", message, told, {"cluster.nodes": nodes} if nodes <= MOST_NODES else {})


def _tensor_parallel(plan: Plan) -> Iterator[Problem]:
    model, tp = plan.model, plan.layout.tp
    if model.heads % tp:
        message = f"tensor parallel {tp} does not divide {model.heads} heads"
        yield _problem("layout.tp", message, nearest_divisor(model.heads, tp))
    elif model.kv_heads % tp and tp % model.kv_heads:
        message = f"tensor parallel {tp} does not fit {model.kv_heads} key/value heads"
        yield _problem("layout.tp", message, nearest_divisor(model.kv_heads, tp))
    elif tp > (per_node := plan.cluster.gpus_per_node):
        message = f"tensor parallel {tp} spans nodes of {per_node}: its all-reduces run over the fabric"
        yield Problem("layout.tp", "warning", message, f"use {per_node} or fewer")


def _pipeline(plan: Plan) -> Iterator[Problem]:
    layout, layers = plan.layout, plan.model.layers + plan.model.encoder_layers
    path, chunks = "layout.virtual_stages", layout.pp * layout.virtual_stages
    if layout.pp > layers:
        yield _problem("layout.pp", f"{layout.pp} stages for {layers} layers", layers)
    elif chunks > layers:
        message = f"{layout.pp} × {layout.virtual_stages} = {chunks} chunks for {layers} layers"
        yield Problem("layout.pp", "error", message, "use 1 virtual stage", {path: 1})
    elif layout.virtual_stages > 1 and layers % chunks and (layers + 2) % chunks:
        message = f"{layers} layers do not divide into {layout.pp} × {layout.virtual_stages} equal chunks"
        yield _problem(path, f"{message} (nor with one less at each end)", 1)
    if layout.virtual_stages > 1 and layout.pp == 1:
        yield _problem(path, "virtual stages need a pipeline", 1)
    stage = -(-layers // layout.pp)
    if layout.recompute_layers is not None and layout.recompute_layers > stage:
        message = f"{layout.recompute_layers} recomputed layers, but a stage has {stage}"
        yield _problem("layout.recompute_layers", message, None, told="leave it blank for all")


def _experts(plan: Plan) -> Iterator[Problem]:
    model, layout = plan.model, plan.layout
    ranks = plan.dp * layout.cp * layout.tp
    if layout.ep > 1 and not model.is_mixture:
        yield _problem("layout.ep", "expert parallel in a model without experts", 1)
    elif model.is_mixture and model.experts % layout.ep:
        message = f"expert parallel {layout.ep} does not divide {model.experts} experts"
        yield _problem("layout.ep", message, nearest_divisor(model.experts, layout.ep))
    elif ranks % layout.ep:
        yield _problem("layout.ep", f"expert parallel {layout.ep} does not fit into dp × cp × tp = {ranks}", 1)


def _sharding(plan: Plan) -> Iterator[Problem]:
    group, ranks = plan.layout.zero_group, plan.dp * plan.layout.cp
    if group is not None and ranks % group:
        message = f"a sharding group of {group} does not divide {ranks} data-parallel ranks"
        yield _problem("layout.zero_group", message, None, told="leave it blank")


def _batch(plan: Plan) -> Iterator[Problem]:
    batch, micro, ranks = plan.recipe.global_batch, plan.layout.micro_batch, plan.dp
    if batch % (ranks * micro) == 0:
        micro_batches, stages = batch // (ranks * micro), plan.layout.pp
        if plan.layout.virtual_stages > 1 and micro_batches % stages:
            message = (
                f"the interleaved schedule needs the {micro_batches} micro-batches to be a multiple of {stages} stages"
            )
            yield _problem("layout.virtual_stages", message, 1)
    elif batch % ranks == 0:
        message = (
            f"the global batch of {batch} sequences does not divide into micro-batches of {micro} on {ranks} ranks"
        )
        yield _problem("layout.micro_batch", message, nearest_divisor(batch // ranks, micro))
    else:
        near = -(-batch // (ranks * micro)) * ranks * micro
        message = f"{batch} sequences cannot feed {ranks} data-parallel ranks of micro-batch {micro} evenly"
        yield _problem("recipe.global_batch", message, near, told=f"use {near}, or fewer ranks")


def _sequence(plan: Plan) -> Iterator[Problem]:
    recipe, layout = plan.recipe, plan.layout
    if recipe.sequence_length % layout.cp:
        message = f"context parallel {layout.cp} does not divide a sequence of {recipe.sequence_length}"
        yield _problem("layout.cp", message, nearest_divisor(recipe.sequence_length, layout.cp))
    elif layout.sequence_parallel and recipe.sequence_length // layout.cp % layout.tp:
        message = f"a sequence of {recipe.sequence_length // layout.cp} does not split over tensor parallel {layout.tp}"
        yield _problem("layout.sequence_parallel", message, False, told="switch it off")
    model = plan.model
    if recipe.sequence_length > model.max_sequence:
        fixed = model.positions in ("learned", "sinusoidal")
        why = "but the model has positions for" if fixed else "longer than what the model was made for:"
        message = f"{recipe.sequence_length} tokens, {why} {model.max_sequence}"
        severity: Severity = "error" if fixed else "warning"
        yield _problem("recipe.sequence_length", message, model.max_sequence, severity=severity)
    if recipe.batch_tokens > recipe.tokens:
        message = f"one global batch ({recipe.batch_tokens:,} tokens) is more than the whole training"
        yield Problem("recipe.tokens", "warning", message, "train on more tokens")


def _cluster(plan: Plan) -> Iterator[Problem]:
    accelerator = plan.cluster.accelerator
    if accelerator.peak(plan.recipe.precision) is None:
        able = [name for name in ("bf16", "fp16", "tf32", "fp32") if accelerator.peak(name)]
        message = f"{accelerator.name} has no {plan.recipe.precision} rate on its data sheet"
        if able:
            yield _problem("recipe.precision", message, able[0])
        else:
            yield Problem("recipe.precision", "error", message, "choose another accelerator")
    if accelerator.link_bytes_per_s is None and plan.cluster.gpus_per_node > 1:
        path = "cluster.accelerator.link_bytes_per_s"
        missing = f"the data sheet of {accelerator.name} gives no link bandwidth"
        yield Problem(
            path, "warning", f"{missing}; the network between nodes is taken for both", "fill in the bandwidth"
        )


def _software(plan: Plan) -> Iterator[Problem]:
    try:
        library.read("frameworks", plan.recipe.framework)
    except UnknownNameError as error:
        mends = {"recipe.framework": error.suggestions[0]} if error.suggestions else {}
        yield Problem("recipe.framework", "error", str(error), changes=mends)
    except InputError as error:
        yield Problem("recipe.framework", "error", str(error))


def _offer(plan: Plan) -> Iterator[Problem]:
    """An offer by name is one of the accelerator's, and of the way that the plan pays. A price list that cannot be read
    is left out, and named, where a price is looked up."""
    prices = plan.prices
    if prices.purchase == "owned":
        return
    if not prices.offer:
        broken = offers.left_out(kept=False) if prices.usd_per_gpu_hour is None else []
        for first in (shorten(one.splitlines()[0], 300) for one in broken):
            yield Problem("prices.offer", "warning", f"a price list is left out: {first}", "mend it, or remove it")
        return
    try:
        offer = offers.named(plan.cluster.accelerator.name, prices.offer)
    except UnknownNameError as error:
        mends = {"prices.offer": error.suggestions[0]} if error.suggestions else {}
        yield Problem("prices.offer", "error", str(error), "`trainplan prices` lists them", mends)
        return
    except InputError as error:
        yield Problem("prices.offer", "error", str(error))
        return
    if offer.purchase != prices.purchase:
        message = f"{offer.name} is {offer.purchase}, and the plan pays {prices.purchase}"
        yield Problem("prices.purchase", "error", message, f"use {offer.purchase}", {"prices.purchase": offer.purchase})


def _pue(plan: Plan) -> Iterator[Problem]:
    if plan.prices.pue is None and library.pue(plan.prices.grid_region) is None:
        message = f"blank, and the grid region {plan.prices.grid_region!r} names no provider whose PUE is known"
        yield _problem("prices.pue", message, 1.1)
