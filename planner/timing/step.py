"""One optimizer step: the pipeline of micro-batches, gradients over data-parallel ranks, the optimizer, the host.

The slowest stage works through its micro-batches; what the other stages need to fill and drain is the bubble. The
parts of `Step` are seconds of the critical path and add up to `total`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.counting.parameters import Parameters
from planner.formula import Number, formula
from planner.plan.workload import Workload
from planner.timing import collectives, kernels
from planner.timing.collectives import Network
from planner.timing.device import Device
from planner.timing.layer import LayerTime, exposed, ranks_per_node
from planner.timing.layer import count as layer_time
from planner.timing.software import Software

NARAYANAN = "Narayanan 2021 (arXiv 2104.04473) §2.2"


@dataclass(frozen=True, slots=True)
class Step:
    """Seconds of one step by part, on the critical path."""

    forward: Number
    backward: Number
    recompute: Number
    head: Number
    tensor: Number
    context: Number
    experts: Number
    sharding: Number
    pipeline: Number
    """Activations and their gradients sent between stages."""
    bubble: Number
    gradients: Number
    """Reduction of gradients over data-parallel ranks (and ZeRO's gather of weights), as far as it shows."""
    optimizer: Number
    host: Number
    stragglers: Number
    offload: Number
    """Activations and optimizer states kept in the host's memory: what their way there and back adds."""
    total: Number


@formula(
    "t_layer · passes", unit="s", source="one part of a layer, over the slowest stage's layers and all micro-batches"
)
def over_the_step(layer_s: Number, passes: Number) -> Number:
    """A part of a layer's time, summed over a stage's layers and a step's micro-batches."""
    return layer_s * passes


@formula(
    "max(⌈L/p⌉·t, ⌊L/p⌋·t + head), or ⌈(L·t + head)/(p·t)⌉·t when cut by cost",
    unit="s",
    source="the pipeline runs at the pace of its slowest stage; the head is on the last one",
)
def slowest_stage_s(layers: Number, pp: Number, layer_s: Number, head_s: Number, balances_head: Number) -> Number:
    """Time of one micro-batch through the slowest stage: equal shares of the layers with the head on the last stage, or
    shares of equal cost, in whole layers."""
    even = np.maximum(np.ceil(layers / pp) * layer_s, np.floor(layers / pp) * layer_s + head_s)
    if not np.any(balances_head):
        return even
    by_cost = np.maximum(np.ceil((layers + head_s / layer_s) / pp - 1e-9) * layer_s, head_s)
    return np.where((balances_head > 0) & (pp > 1), np.minimum(by_cost, even), even)[()]


@formula("(Σ stages − slowest)/v", unit="s", source=NARAYANAN)
def bubble_s(all_stages_s: Number, slowest_s: Number, virtual_stages: Number) -> Number:
    """Fill and drain of the pipeline: one micro-batch through the other stages, (p − 1)/v of a stage's time when the
    stages are equal."""
    return np.maximum(0.0, all_stages_s - slowest_s) / virtual_stages


@formula(
    "forward + backward + recompute + head + tensor + context + experts + sharding + pipeline + bubble + gradients "
    "+ optimizer + host + stragglers + offload",
    unit="s",
    source="sum of the critical path's parts",
)
def step_s(
    forward: Number, backward: Number, recompute: Number, head: Number, tensor: Number, context: Number,
    experts: Number, sharding: Number, pipeline: Number, bubble: Number, gradients: Number, optimizer: Number,
    host: Number, stragglers: Number, offload: Number,
) -> Number:  # fmt: skip
    """Time of one optimizer step."""
    compute = forward + backward + recompute + head
    waits = tensor + context + experts + sharding + pipeline + bubble + gradients + stragglers + offload
    return compute + waits + optimizer + host


def count(w: Workload, parameters: Parameters, device: Device, network: Network, software: Software) -> Step:
    """One step's time by part."""
    layer = layer_time(w, device, network, software)
    blocks, m = w.blocks, w.micro_batches
    head = head_s(w, device, software) * device.calibration
    each = layer.forward + layer.backward + layer.recompute + layer.tensor + layer.context + layer.experts
    each = each + layer.gather + layer.launch + layer.offload
    slowest = slowest_stage_s(blocks, w.pp, each, head, software.balances_head)
    head_shows = np.minimum(head, np.maximum(0.0, slowest - np.floor(blocks / w.pp) * each))
    stage_layers = (slowest - head_shows) / each
    passes = stage_layers * m
    parts = {
        name: over_the_step(getattr(layer, name), passes)
        for name in ("forward", "backward", "recompute", "tensor", "context", "experts")
    }
    parts["sharding"] = over_the_step(layer.gather, passes)
    parts["head"] = head_shows * m
    parts["pipeline"] = messages_s(w, network, software) * m
    parts["bubble"] = bubble_s(blocks * each + head, slowest, w.virtual_stages) * np.where(w.pp > 1, 1.0, 0.0)
    parts["gradients"] = _gradients(w, parameters, network, software, layer, stage_layers)
    parts["optimizer"] = optimizer_s(w, parameters, device) * (1 - w.optimizer_offload)
    parts["offload"] = over_the_step(layer.offload, passes) + offloaded_optimizer_s(w, parameters, network)
    parts["host"] = over_the_step(layer.launch, passes) + outside_layers_s(w, software)
    busy = parts["forward"] + parts["backward"] + parts["recompute"] + parts["head"]
    parts["stragglers"] = stragglers_s(busy, w.gpus, w.gpus_per_node, software.scale_loss)
    return Step(**parts, total=step_s(**parts))


def outside_layers_s(w: Workload, software: Software) -> Number:
    """The host's time of a step outside the layers: of each micro-batch, and once."""
    return software.host_s_per_micro_batch * w.micro_batches + software.host_s_per_step


@formula(
    "compute·share·log₂(nodes)",
    unit="s",
    source="every rank waits for the slowest; the slowest of n falls behind with log n (fitted on published scaling)",
)
def stragglers_s(compute_s: Number, gpus: Number, gpus_per_node: Number, share: Number) -> Number:
    """Time lost to the slowest rank: jitter of clocks, hosts and links, growing with the number of nodes."""
    return compute_s * share * np.log2(np.maximum(1.0, gpus / gpus_per_node))


def head_s(w: Workload, device: Device, software: Software) -> Number:
    """Embedding, head and loss, forward and backward, one micro-batch: three products and passes over the logits."""
    tokens = w.rank_tokens
    wide = w.vocabulary / w.tp
    time = sum(
        kernels.matmul_s(device, tokens, wide, w.hidden, direction=direction, cast_bytes=0.0, continuous=1.0)
        for direction in ("forward", "input_gradient", "weight_gradient")
    )
    passes = kernels.memory_bound_s(device, tokens * wide * software.loss_bytes) + kernels.memory_bound_s(
        device, tokens * w.hidden * w.activation_bytes * 6
    )
    total = w.has_head * time * software.matmul_slowdown + passes
    table = wide * w.hidden * device.element_bytes  # the embedding's gradient: a processor zeroes it first
    total = total + (1 - device.tiled) * (kernels.mapped_s(device, table) + kernels.memory_bound_s(device, table))
    return device.remainder.correct(("edge", "both"), total, w) if device.remainder else total


def messages_s(w: Workload, network: Network, software: Software) -> Number:
    """Messages of one stage for one micro-batch: it exchanges with its neighbours after each chunk, once forward and
    once backward. What every tensor-parallel rank has is sent in shares and gathered again, where the software does
    that (Narayanan 2021 §4.1)."""
    whole = w.rank_tokens * w.hidden * w.activation_bytes
    scatters = software.scatters_messages * (w.stream_shards == 1) * (w.tp > 1)
    crosses = w.tp * w.cp * w.dp >= w.gpus_per_node
    sent = whole / np.where(scatters > 0, w.tp, w.stream_shards)[()]
    again = collectives.all_gather_s(network, whole, w.tp, ranks_per_node(w, w.tp, 1.0)) * scatters
    once = collectives.send_s(network, sent, crosses) + again + software.host_s_per_collective
    shows = np.where(w.virtual_stages > 1, 1 - software.pipeline_overlap, 1.0)
    return np.where(w.pp > 1, 2 * once * w.virtual_stages * shows, 0.0)[()]


def _gradients(
    w: Workload, parameters: Parameters, network: Network, software: Software, layer: LayerTime, stage_layers: Number
) -> Number:
    """Data-parallel reduction: all-reduce, or reduce-scatter and all-gather of the same size under ZeRO-1 and 2;
    hidden behind the last micro-batch's backward and (the gather) the next step's first forward."""
    ranks = w.dp * w.cp
    inside = ranks_per_node(w, ranks, w.tp)
    local = rank_parameters(w, parameters)
    whole = collectives.all_reduce_s(network, local * software.reduce_bytes, ranks, inside)
    scatter = collectives.reduce_scatter_s(network, local * software.reduce_bytes, ranks, inside)
    gather = collectives.all_gather_s(network, local * w.weight_bytes, ranks, inside)
    backward, forward = layer.backward * stage_layers, layer.forward * stage_layers
    replicated = exposed(whole, software.data_overlap, backward)
    scatter, gather = scatter / software.gather_efficiency, gather / software.gather_efficiency
    sharded = exposed(scatter, software.shard_overlap, backward) + exposed(gather, software.shard_overlap, forward)
    return np.where(w.zero_stage >= 3, 0.0, np.where(w.zero_stage >= 1, sharded, replicated))[()]


@formula(
    "P/shards·(2·states + 2·gradient + weight)",
    unit="B",
    source="the optimizer reads gradient, states and master weights once and writes states and weights",
)
def touched_bytes(
    parameters: Number, shards: Number, state_bytes: Number, gradient_bytes: Number, weight_bytes: Number
) -> Number:
    """Memory traffic of one update on one rank; each argument in bytes is a parameter's."""
    return parameters / shards * (2 * state_bytes + 2 * gradient_bytes + weight_bytes)


def optimizer_s(w: Workload, parameters: Parameters, device: Device) -> Number:
    """The optimizer's update: bound by memory."""
    local, group = _optimized(w, parameters)
    touched = touched_bytes(local, group, w.optimizer_bytes, w.gradient_bytes, w.weight_bytes)
    time = kernels.memory_bound_s(device, touched)
    return device.remainder.correct(("optimizer", "step"), time, w) if device.remainder else time


HOST_UPDATE_BYTES_PER_S = 20e9
"""Memory traffic of a vectorized optimizer on a host's processors, a GPU's share of an eight-GPU node (assumed)."""


def offloaded_optimizer_s(w: Workload, parameters: Parameters, network: Network) -> Number:
    """An optimizer on the host (ZeRO-Offload, Ren 2021, arXiv 2101.06840): gradients down, weights up, and the update
    from the host's memory."""
    local, group = _optimized(w, parameters)
    moved = local / group * (w.gradient_bytes + w.weight_bytes) / network.host_bytes_per_s
    touched = touched_bytes(local, group, w.optimizer_bytes, w.gradient_bytes, w.weight_bytes)
    return w.optimizer_offload * (moved + touched / HOST_UPDATE_BYTES_PER_S)


def _optimized(w: Workload, parameters: Parameters) -> tuple[Number, Number]:
    """(parameters of a stage's rank, ranks that share their optimizer)."""
    return rank_parameters(w, parameters), np.where(w.zero_stage >= 1, w.zero_group, 1.0)


def rank_parameters(w: Workload, parameters: Parameters) -> Number:
    """Parameters of one rank of an average stage, experts split over their own group."""
    return (parameters.total - parameters.experts) / w.tp / w.pp + parameters.experts / (w.tp * w.pp * w.ep)
