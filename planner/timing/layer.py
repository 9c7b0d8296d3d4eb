"""One layer's time on one rank for one micro-batch: products, attention, streaming kernels, collectives.

The sizes follow the layout: tokens T = b·s/c, widths over the tensor-parallel group, streams over it too with sequence
parallelism. Times are seconds; every function takes numbers or arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.counting.activations import layer_saved_bytes
from planner.counting.parameters import attention_block, feed_forward_parameters
from planner.formula import Number, formula
from planner.plan.workload import Workload
from planner.timing import collectives, kernels
from planner.timing.collectives import Network
from planner.timing.device import Device
from planner.timing.software import Software

BACKWARD_LAUNCHES = 1.5
"""Host time of a layer's backward over its forward's: twice the kernels, issued by autograd's C++ thread."""


@dataclass(frozen=True, slots=True)
class Pass:
    """Seconds of one layer in one direction, one micro-batch, one rank: the kernels, and what shows of the waits for
    others or for the host. What backward computes again, with its collectives, is part of backward."""

    kernels: Number
    recompute: Number
    tensor: Number
    context: Number
    experts: Number
    gather: Number
    offload: Number
    launch: Number

    @property
    def waits(self) -> Number:
        """Collectives, the way to the host's memory, and the host."""
        return self.tensor + self.context + self.experts + self.gather + self.offload + self.launch

    @property
    def total(self) -> Number:
        """All of it."""
        return self.kernels + self.recompute + self.waits


@dataclass(frozen=True, slots=True)
class LayerTime:
    """Seconds of one layer, one micro-batch, one rank; `forward` and `backward` leave the collectives out."""

    forward: Number
    backward: Number
    recompute: Number
    tensor: Number
    """Tensor-parallel collectives, forward, backward and recomputed, as far as they show."""
    context: Number
    experts: Number
    gather: Number
    """ZeRO-3: weights gathered and gradients scattered, as far as they show."""
    offload: Number
    """Activations to the host's memory and back, as far as they show."""
    launch: Number
    """What the GPU waits for the host, which launches the layer's kernels one after the other."""


@formula(
    "max(0, host − kernels)",
    unit="s",
    source="the host issues a layer's kernels one after the other; a GPU that is faster waits for it",
)
def waits_for_host(host_s: Number, kernels_s: Number) -> Number:
    """Time that the GPU idles because launching a layer takes longer than running it."""
    return np.maximum(0.0, host_s - kernels_s)


@formula(
    "T·bytes·passes·(((10 + 4·E_k)·h + 2·r)/t_s + (2·(a + k)·d + n·f)/t)",
    unit="B",
    source="reads and writes of two norms (4 h), two residuals (6 h), the experts' permutation there and back (4 h an "
    "expert) and of the latents' (2 r), rotary ((a + k)·d in and out), the activation (n·f)",
)
def streamed_bytes(
    tokens: Number, hidden: Number, heads: Number, kv_heads: Number, head_dim: Number, ffn: Number, matrices: Number,
    tp: Number, stream_shards: Number, element_bytes: Number, passes: Number, routed: Number = 0.0,
    latents: Number = 0.0,
) -> Number:  # fmt: skip
    """Bytes that a layer's streaming kernels move in forward; backward moves about twice that. `routed`: experts that a
    token is sent to; `latents`: width of the latents of keys, values and queries together."""
    stream = ((10 + 4 * routed) * hidden + 2 * latents) / stream_shards
    return tokens * element_bytes * passes * (stream + (2 * (heads + kv_heads) * head_dim + matrices * ffn) / tp)


@formula(
    "max(0, comm − overlap·compute)",
    unit="s",
    source="a collective on its own stream hides behind compute that does not need it",
)
def exposed(comm_s: Number, overlap: Number, compute_s: Number) -> Number:
    """What of a collective still shows behind the compute that runs beside it."""
    return np.maximum(0.0, comm_s - overlap * compute_s)


def _product_s(w: Workload, device: Device, software: Software, direction: str) -> Callable[..., Number]:
    """Time of a product of m tokens (a rank's, where nothing is said), n wide over k, in one direction."""
    output = software.weight_gradient_bytes if direction == "weight_gradient" else None
    cast = 0.0 if direction == "weight_gradient" else software.cast_bytes

    def time(n: Number, k: Number, m: Number | None = None, groups: Number = 1.0) -> Number:
        return kernels.matmul_s(
            device, w.rank_tokens if m is None else m, n, k, direction=direction, groups=groups, output_bytes=output,
            cast_bytes=cast, continuous=1.0,
        )  # fmt: skip

    return time


def products(w: Workload, device: Device, software: Software, direction: str) -> Number:
    """The layer's matrix products in one direction: query/key/value, output, feed-forward in and out, experts."""
    tokens = w.rank_tokens
    attention_blocks = 1 + (w.encoder_layers > 0) * w.layers / w.blocks
    mixture = w.mixture_share
    time = _product_s(w, device, software, direction)
    kv_wide = 2 * np.maximum(w.kv_heads, w.tp) * w.head_dim
    attention = time((w.heads * w.head_dim + kv_wide) / w.tp, w.hidden) + time(w.hidden, w.heads * w.head_dim / w.tp)
    if w.has_latent:
        attention = np.where(w.latent_rank > 0, latent_products(w, time), attention)[()]
    dense = time((w.ffn_matrices - 1) * w.ffn / w.tp, w.hidden) + time(w.hidden, w.ffn / w.tp)
    total = attention * attention_blocks + dense * (1 - mixture)
    if np.any(np.asarray(w.experts) > 0):
        local = np.maximum(1.0, w.experts / w.ep)
        routed = tokens * w.experts_per_token * busiest_expert(w, software) / local
        width = w.expert_ffn / w.tp
        routed_time = time((w.ffn_matrices - 1) * width, w.hidden, routed, local) + time(w.hidden, width, routed, local)
        shared = w.shared_experts * w.expert_ffn / w.tp
        shared_time = time((w.ffn_matrices - 1) * shared, w.hidden) + time(w.hidden, np.maximum(shared, 1.0))
        total = total + mixture * (routed_time + np.where(w.shared_experts > 0, shared_time, 0.0))
    return total * software.matmul_slowdown


def latent_products(w: Workload, time: Callable[..., Number]) -> Number:
    """Multi-head latent attention's products: down to the latents, which every tensor-parallel rank has (for its share
    of the tokens, with sequence parallelism), up to the heads, and out."""
    tokens = w.rank_tokens / w.stream_shards
    down = time(w.latent_rank + w.rotary_dim, w.hidden, tokens)
    query_down = np.where(w.query_rank > 0, time(np.maximum(1.0, w.query_rank), w.hidden, tokens), 0.0)
    return query_down + down + latent_up(w, time) + time(w.hidden, w.heads * w.value_dim / w.tp)


def latent_up(w: Workload, time: Callable[..., Number]) -> Number:
    """The products that make every head's queries, keys and values: what selective recomputation does again."""
    heads = w.heads / w.tp
    queries = time(heads * w.head_dim, np.where(w.query_rank > 0, w.query_rank, w.hidden))
    keys_values = time(heads * (w.head_dim - w.rotary_dim + w.value_dim), np.maximum(1.0, w.latent_rank))
    return queries + keys_values


def attention(w: Workload, device: Device, software: Software, direction: str) -> Number:
    """The layer's attention cores in one direction, by the kernels that the recipe and the software have."""
    sizes = (
        w.micro_batch, w.heads / w.tp, np.maximum(1.0, w.kv_heads / w.tp), w.sequence / w.cp, w.sequence, w.core_dim
    )  # fmt: skip
    generation = np.where(
        software.flash_generation < 2, device.flash1, np.where(software.flash_generation < 3, device.flash2, 1.0)
    )
    time = kernels.attention_s(device, *sizes, causal=w.causal, direction=direction) / generation
    for eager, kernel in ((0, "unfused"), (1, "eager")):
        chosen = (w.flash <= 0) & (software.eager_attention == eager)
        if np.any(chosen):
            other = kernels.attention_s(device, *sizes, causal=w.causal, kernel=kernel, direction=direction)
            time = np.where(chosen, other, time)[()]
    blocks = 1 + (w.encoder_layers > 0) * w.layers / w.blocks
    return time * blocks * software.attention_slowdown


def passes(w: Workload, device: Device, network: Network, software: Software) -> tuple[Pass, Pass]:
    """One layer forward, and backward with what it recomputes."""
    ffn = np.where(w.experts > 0, w.expert_ffn * (w.experts_per_token + w.shared_experts), w.ffn)[()]
    moved = streamed_bytes(
        w.rank_tokens, w.hidden, w.heads, w.kv_heads, w.head_dim, ffn, w.ffn_matrices, w.tp, w.stream_shards,
        w.activation_bytes, software.elementwise_passes, w.experts_per_token, w.latent_rank + w.query_rank,
    )  # fmt: skip
    core_forward = attention(w, device, software, "forward")
    forward = products(w, device, software, "forward") + core_forward + kernels.memory_bound_s(device, moved)
    backward = (
        products(w, device, software, "input_gradient") + products(w, device, software, "weight_gradient")
        + attention(w, device, software, "backward") + kernels.memory_bound_s(device, 2 * moved)
    )  # fmt: skip
    if device.remainder:
        core_forward = device.remainder.correct(("attention_core", "forward"), core_forward, w)
        forward = device.remainder.correct(("layer", "forward"), forward, w)
        backward = device.remainder.correct(("layer", "backward"), backward, w)
    full = w.recompute_full * w.recompute_share
    forward, backward = forward * device.calibration, backward * device.calibration
    core_forward = core_forward * device.calibration
    again = (1 - w.flash) * core_forward
    if w.has_latent:
        up = latent_up(w, _product_s(w, device, software, "forward")) * device.calibration
        again = again + np.where(w.latent_rank > 0, up, 0.0)
    recompute = full * forward + w.recompute_share * w.recompute_selective * again
    tensor_forward, tensor_backward = _tensor(w, network, software)
    context_forward, context_backward = _context(w, network, core_forward)
    gather_forward, gather_backward = _gather(w, network, software, forward, backward)
    offload_forward, offload_backward = _offload(w, network, forward, backward)
    experts = _experts(w, network, software)
    peers = np.where((w.tp > 1) & (w.pp > 1), w.tp, 0.0)[()]
    host = (
        software.host_s_per_layer + _collectives_each_way(w) * software.host_s_per_collective
        + software.host_s_per_peer * peers
    )  # fmt: skip
    launch = waits_for_host(host, forward + tensor_forward + experts)
    launch_backward = waits_for_host(BACKWARD_LAUNCHES * host, backward + tensor_backward + experts)
    return (
        Pass(forward, 0.0, tensor_forward, context_forward, experts, gather_forward, offload_forward, launch),
        Pass(
            backward, recompute, full * tensor_forward + tensor_backward, context_backward, (1 + full) * experts,
            gather_backward, offload_backward, full * launch + launch_backward,
        ),
    )  # fmt: skip


def count(w: Workload, device: Device, network: Network, software: Software) -> LayerTime:
    """One layer's time by part, both directions together."""
    there, back = passes(w, device, network, software)
    return LayerTime(
        forward=there.kernels, backward=back.kernels, recompute=back.recompute, tensor=there.tensor + back.tensor,
        context=there.context + back.context, experts=there.experts + back.experts, gather=there.gather + back.gather,
        offload=there.offload + back.offload, launch=there.launch + back.launch,
    )  # fmt: skip


def _collectives_each_way(w: Workload) -> Number:
    """Collectives that a layer launches in one direction: two all-reduces, or two pairs with sequence parallelism; two
    all-to-alls; ZeRO-3's gather."""
    return 2 * (1 + w.sequence_parallel) * (w.tp > 1) + 2 * (w.ep > 1) + (w.zero_stage >= 3)


def ranks_per_node(w: Workload, ranks: Number, stride: Number) -> Number:
    """Ranks of a group that share a node, the group's neighbours `stride` GPUs apart."""
    return np.clip(w.gpus_per_node / stride, 1.0, ranks)


def _tensor(w: Workload, network: Network, software: Software) -> tuple[Number, Number]:
    """(forward, backward): two all-reduces each, or an all-gather and a reduce-scatter in each one's place; backward
    with sequence parallelism gathers each product's input again (Korthikanti 2022 §4.2.2). They hide behind products
    inside a scale-up domain only: Transformer Engine's overlapped products write into their peers' memory over NVLink
    (NVIDIA/TransformerEngine issue 1071)."""
    buffer = w.rank_tokens * w.hidden * w.activation_bytes
    inside = ranks_per_node(w, w.tp, 1.0)
    gather = collectives.all_gather_s(network, buffer, w.tp, inside)
    pair = gather + collectives.reduce_scatter_s(network, buffer, w.tp, inside)
    reduce_all = collectives.all_reduce_s(network, buffer, w.tp, inside)
    shows = np.where(inside < w.tp, 1.0, 1 - software.tensor_overlap)[()]
    one_way = 2 * shows * np.where(w.sequence_parallel > 0, pair, reduce_all)
    return one_way, one_way + 2 * shows * w.sequence_parallel * gather


def _context(w: Workload, network: Network, core_forward: Number) -> tuple[Number, Number]:
    """(forward, backward): keys and values of all ranks, once forward and twice backward: passed around a ring behind
    the attention cores, or gathered before them, where nothing hides it (Llama 3, arXiv 2407.21783, §3.3.2)."""
    wide = np.maximum(1.0, w.kv_heads / w.tp) * 2 * w.core_dim
    keys_values = w.micro_batch * w.sequence * wide * w.activation_bytes
    ring = collectives.all_gather_s(network, keys_values, w.cp, ranks_per_node(w, w.cp, w.tp))
    hides = np.where(w.context_gather > 0, 0.0, 1.0)[()]
    return exposed(ring, hides, core_forward), exposed(2 * ring, hides, 2 * core_forward)


def busiest_expert(w: Workload, software: Software) -> Number:
    """Tokens of the busiest expert's rank over the mean: the capacity where tokens are dropped beyond it."""
    return np.where(w.expert_capacity > 0, w.expert_capacity, software.expert_imbalance)[()]


def _offload(w: Workload, network: Network, forward: Number, backward: Number) -> tuple[Number, Number]:
    """Saved activations sent to the host behind forward and fetched behind backward, as far as they show."""
    if not np.any(w.activation_offload):
        return 0.0, 0.0
    whole, freed, stream = layer_saved_bytes(w)
    kept = whole - w.recompute_selective * freed
    full = w.recompute_full * w.recompute_share
    transfer = (kept * (1 - full) + stream * full) / network.host_bytes_per_s
    return (
        w.activation_offload * exposed(transfer, 1.0, forward), w.activation_offload * exposed(transfer, 1.0, backward)
    )  # fmt: skip


def _experts(w: Workload, network: Network, software: Software) -> Number:
    """Two all-to-alls in one direction (dispatch and combine) over the expert-parallel group."""
    buffer = w.rank_tokens * w.experts_per_token * w.hidden * w.activation_bytes
    buffer = buffer / w.stream_shards
    once = collectives.all_to_all_s(network, buffer, w.ep, ranks_per_node(w, w.ep, w.tp))
    return 2 * once * w.mixture_share * (1 - software.expert_overlap)


def _gather(
    w: Workload, network: Network, software: Software, forward: Number, backward: Number
) -> tuple[Number, Number]:
    """ZeRO-3: weights all-gathered for forward and again for backward, gradients reduce-scattered, each hidden behind
    a neighbouring layer's compute."""
    layer = attention_block(w, vectors=False) + np.where(
        w.experts > 0,
        feed_forward_parameters(w.hidden, w.expert_ffn, w.ffn_matrices) * (w.experts / w.ep + w.shared_experts),
        feed_forward_parameters(w.hidden, w.ffn, w.ffn_matrices),
    )
    inside = ranks_per_node(w, w.zero_group, w.tp)
    weights = collectives.all_gather_s(network, layer / w.tp * w.weight_bytes, w.zero_group, inside)
    gradients = collectives.reduce_scatter_s(network, layer / w.tp * w.weight_bytes, w.zero_group, inside)
    weights, gradients = weights / software.gather_efficiency, gradients / software.gather_efficiency
    again = exposed(weights + gradients, software.gather_overlap, backward + w.recompute_full * forward)
    shards = w.zero_stage >= 3
    return shards * exposed(weights, software.gather_overlap, forward), shards * again
