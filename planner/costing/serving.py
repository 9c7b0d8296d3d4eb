"""What answering costs, from first principles: reading a prompt is bound by compute, writing an answer by bandwidth.

A copy of the model lies on n GPUs in tensor parallel. Prompts are read (prefill) and a batch of answers is written
token by token (decode); the two share the machine, as one server that batches continuously does. Every function is
elementwise: floats or arrays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.counting import parameters
from planner.errors import InputError
from planner.formula import Number, formula, given
from planner.plan.cluster import Accelerator, Cluster
from planner.plan.lifetime import Lifetime
from planner.plan.model import Model
from planner.plan.shipped import fabric
from planner.timing.collectives import Network, all_reduce_s, network

TOKENS = 1e6
"""Prices are quoted for a million tokens."""
LAUNCH_S = 60e-6
"""What a decoding step spends on each layer beside its bytes and FLOPs: starts of kernels, and the sampler's share.
Fitted with the two efficiencies on the 48 dense rows of `profiles/throughputs.csv` (mean error 13 %), by
`benchmarks/fit_serving.py`."""
COMPUTE_EFFICIENCY = {"fp32": 0.70, "bf16": 0.70, "fp16": 0.70, "fp8": 0.45}
"""Share of the dense peak that serving's products reach, attention and casts beside them counted in. Same fit; the
rows of a mixture are left out: its grouped products reach a half to a whole less in fp8."""
MOST_SEQUENCES = 4096.0
"""Servers cap the sequences of a batch (assumed)."""
_HALVINGS = 13
WEIGHT_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "fp8": 1.0}
FITTED = "plan; where blank fitted on published throughputs (profiles/throughputs.csv)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """The model as a server sees it. Symbols in brackets."""

    parameters: Number  # [N] held in memory
    active: Number  # [N_a] used by one token
    experts: Number  # parameters of the routed experts, 0 in a dense model
    expert_count: Number  # [E]
    experts_per_token: Number  # [E_k]
    layers: Number  # [L]
    hidden: Number  # [h]
    heads: Number  # [a]
    kv_heads: Number  # [k]
    head_dim: Number  # [d]
    value_dim: Number  # [d_v]
    latent_rank: Number = 0.0  # [r]; 0: keys and values are kept themselves
    rotary_dim: Number = 0.0  # [d_r]
    weight_bytes: Number
    cache_bytes: Number
    has_cache: Number = 1.0
    """0 for an encoder, which keeps no keys and values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """n GPUs that hold one copy, and what they reach."""

    gpus: Number  # [n]
    peak_flops: Number
    bandwidth_bytes_per_s: Number
    memory_bytes: Number
    compute_efficiency: Number
    bandwidth_efficiency: Number
    memory_share: Number
    launch_s: Number = LAUNCH_S
    network: Network | None = None
    """None: collectives cost nothing (one GPU)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A full server's speed and price. Tokens/s are of the n GPUs together, prices in dollars."""

    batch: Number
    prefill_s: Number
    decode_step_s: Number
    answers_per_s: Number
    output_tokens_per_s: Number
    tokens_per_s_per_answer: Number
    input_usd_per_million: Number
    output_usd_per_million: Number
    usd_per_answer: Number
    gpu_s_per_input_token: Number
    gpu_s_per_output_token: Number
    memory_bytes: Number


@formula("N·bytes", unit="B", source="every weight is held once")
def weights_bytes(parameters: Number, weight_bytes: Number) -> Number:
    """Memory of the weights of one copy."""
    return parameters * weight_bytes


@formula("2·L·k·d·bytes", unit="B", source="one key and one value a layer and head (Pope 2022, arXiv 2211.05102, §2)")
def cache_bytes_per_token(layers: Number, kv_heads: Number, head_dim: Number, element_bytes: Number) -> Number:
    """Memory of one token's keys and values."""
    return 2 * layers * kv_heads * head_dim * element_bytes


@formula("L·(r + d_r)·bytes", unit="B", source="DeepSeek-V2 (arXiv 2405.04434) §2.1.4, table 1")
def latent_cache_bytes_per_token(
    layers: Number, latent_rank: Number, rotary_dim: Number, element_bytes: Number
) -> Number:
    """Memory of one token's latent and its one rotary key, from which multi-head latent attention makes the rest."""
    return layers * (latent_rank + rotary_dim) * element_bytes


@formula(
    "(n·memory·share − weights)/(cache a token·(prompt + answer))",
    unit="sequences",
    source="what weights leave is cache; a sequence is charged its full length",
)
def largest_batch(
    gpus: Number, memory_bytes: Number, memory_share: Number, weights: Number, cache_per_token: Number, length: Number
) -> Number:
    """Sequences whose keys and values fit beside the weights; 0 where the weights do not fit."""
    room = np.maximum(0.0, gpus * memory_bytes * memory_share - weights)
    return np.floor(room / np.maximum(cache_per_token * length, 1.0))


@formula(
    "2·N_a + L·a·(d + d_v)·s",
    unit="FLOP",
    source="2 a multiply-add; scores and values of (s + 1)/2 ≈ s/2 earlier tokens on average",
)
def prefill_flops_per_token(
    active: Number, layers: Number, heads: Number, head_dim: Number, value_dim: Number, prompt: Number
) -> Number:
    """FLOPs to read one token of a prompt of s tokens with a causal mask."""
    return 2 * active + layers * heads * (head_dim + value_dim) * prompt


@formula(
    "max(FLOPs/(n·peak·η_c), weights/(n·bandwidth·η_b)) + reductions",
    unit="s",
    source="Pope 2022 (arXiv 2211.05102) §2: bound by compute but for the shortest prompts",
)
def prefill_s(
    flops: Number, weights: Number, gpus: Number, peak_flops: Number, compute_efficiency: Number,
    bandwidth_bytes_per_s: Number, bandwidth_efficiency: Number, reductions_s: Number = 0.0,
) -> Number:  # fmt: skip
    """Time to read prompts of `flops` in all."""
    compute = flops / (gpus * peak_flops * compute_efficiency)
    return np.maximum(compute, weights / (gpus * bandwidth_bytes_per_s * bandwidth_efficiency)) + reductions_s


@formula(
    "held − experts·(1 − E_k/E)^batch",
    unit="B",
    source="a batch of independent tokens misses an expert with probability (1 − E_k/E)^batch",
)
def touched_weights_bytes(
    weights: Number, expert_weights: Number, expert_count: Number, experts_per_token: Number, batch: Number
) -> Number:
    """Bytes of weights that one decoding step reads: all of a dense model's."""
    missed = (1 - experts_per_token / np.maximum(expert_count, 1.0)) ** batch
    return weights - expert_weights * np.where(expert_count > 0, missed, 0.0)[()]


@formula(
    "2·L·a·(d + d_v)·s", unit="FLOP", source="2 a multiply-add: a score and a weighted value of each earlier token"
)
def decode_attention_flops(
    layers: Number, heads: Number, head_dim: Number, value_dim: Number, length: Number
) -> Number:
    """FLOPs of attention to write one token after s others."""
    return 2 * layers * heads * (head_dim + value_dim) * length


@formula(
    "2·L·a·(2·r + d_r)·s",
    unit="FLOP",
    source="DeepSeek-V2 (arXiv 2405.04434) §2.1.2: the ways up are absorbed into queries and outputs, so that every "
    "head's score and value are of the latent itself",
)
def latent_decode_attention_flops(
    layers: Number, heads: Number, latent_rank: Number, rotary_dim: Number, length: Number
) -> Number:
    """FLOPs of attention to write one token after s others from their latents. What is absorbed is done once a token
    either way and counted with the parameters."""
    return 2 * layers * heads * (2 * latent_rank + rotary_dim) * length


@formula(
    "max(2·N_a·batch/(n·peak·η_c), weights/(n·bandwidth·η_b)) + max(attention/(n·peak·η_c), cache/(n·bandwidth·η_b)) "
    "+ reductions + launches",
    unit="s",
    source="Pope 2022 (arXiv 2211.05102) §2: each step reads the weights once for the batch, and each sequence's cache",
)
def decode_step_s(
    active: Number, batch: Number, weights: Number, cache: Number, gpus: Number, peak_flops: Number,
    compute_efficiency: Number, bandwidth_bytes_per_s: Number, bandwidth_efficiency: Number,
    reductions_s: Number = 0.0, launches_s: Number = 0.0, attention: Number = 0.0,
) -> Number:  # fmt: skip
    """Time to write one token of each sequence of the batch. `attention`: FLOPs of the batch's attention, which bind
    where all heads read one latent; they are taken at the products' rate."""
    bandwidth, rate = gpus * bandwidth_bytes_per_s * bandwidth_efficiency, gpus * peak_flops * compute_efficiency
    products = np.maximum(2 * active * batch / rate, weights / bandwidth)
    return products + np.maximum(attention / rate, cache / bandwidth) + reductions_s + launches_s


@formula(
    "batch/(t_prefill + answer·t_step)",
    unit="1/s",
    source="a full batch is read and written, then the next; continuous batching interleaves the same work",
)
def answers_per_second(batch: Number, prefill_s: Number, answer: Number, step_s: Number) -> Number:
    """Requests that a full server finishes in a second."""
    return batch / (prefill_s + answer * step_s)


@formula("n·price/3600·t/tokens/load·10⁶", unit="USD", source="GPUs are paid by the hour, busy or idle")
def usd_per_million_tokens(
    gpus: Number, usd_per_gpu_hour: Number, seconds: Number, tokens: Number, load: Number
) -> Number:
    """Price of a million tokens, `tokens` of which take `seconds` of the whole server."""
    return gpus * usd_per_gpu_hour / 3600 * seconds / tokens / load * TOKENS


@formula("(prompt·input + answer·output)/10⁶", unit="USD", source="sum of reading and writing")
def usd_per_request(prompt: Number, answer: Number, input_usd: Number, output_usd: Number) -> Number:
    """Price of one request from the prices of a million tokens in and out."""
    return (prompt * input_usd + answer * output_usd) / TOKENS


def served(model: Model, precision: str, cache_bytes: float) -> Served:
    """A model as a server holds it, its weights in the precision of the products."""
    counted = parameters.of_model(model)
    return Served(
        parameters=counted.total, active=counted.active, experts=counted.experts, expert_count=model.experts,
        experts_per_token=model.experts_per_token, layers=model.layers + model.encoder_layers, hidden=model.hidden,
        heads=model.heads, kv_heads=model.kv_heads, head_dim=model.head_dim,
        value_dim=model.value_width, latent_rank=model.latent_rank, rotary_dim=model.rotary_dim,
        weight_bytes=WEIGHT_BYTES[precision], cache_bytes=cache_bytes,
        has_cache=float(model.architecture != "encoder"),
    )  # fmt: skip


def precision_of(accelerator: Accelerator, life: Lifetime) -> str:
    """The lifetime's precision; where blank the first of bf16, fp16, fp32 that the accelerator has units for."""
    if life.precision is not None:
        return life.precision
    return next((name for name in ("bf16", "fp16") if accelerator.peak(name)), "fp32")


def server(accelerator: Accelerator, life: Lifetime, gpus: Number = 1.0) -> Server:
    """So many of an accelerator, with the efficiencies of a plan's lifetime. Raises `InputError` for a precision that
    the device has no units for."""
    precision = precision_of(accelerator, life)
    peak = accelerator.peak(precision)
    if peak is None:
        raise InputError(
            f"lifetime.precision: {accelerator.name} has no {precision} units; leave it blank, or take another one"
        )
    reached = life.compute_efficiency or COMPUTE_EFFICIENCY[precision]
    sheet = f"{accelerator.name}: {accelerator.source} ({accelerator.as_of})"
    links = network(Cluster(accelerator=accelerator, gpus_per_node=8, nodes=1, fabric=fabric("infiniband-ndr-400")))
    return Server(
        gpus=gpus, peak_flops=given("peak_flops", peak, unit="FLOP/s", source=sheet),
        bandwidth_bytes_per_s=given("bandwidth", accelerator.memory_bandwidth_bytes_per_s, unit="B/s", source=sheet),
        memory_bytes=given("memory_bytes", accelerator.memory_bytes, unit="B", source=sheet),
        compute_efficiency=given("compute_efficiency", reached, unit="fraction", source=FITTED),
        bandwidth_efficiency=given("bandwidth_efficiency", life.bandwidth_efficiency, unit="fraction", source=FITTED),
        memory_share=life.memory_share, network=links,
    )  # fmt: skip


def gpus_to_hold(model: Served, server: Server, prompt: Number, answer: Number) -> Number:
    """The smallest power of two of GPUs that holds the weights and one sequence."""
    weights = weights_bytes(model.parameters, model.weight_bytes)
    needed = weights + _cache_per_token(model) * (prompt + answer)
    return least_power_of_two(needed, server.memory_bytes * server.memory_share)


@formula("2^⌈log₂(needed/usable)⌉", unit="GPUs", source="tensor-parallel degrees divide the heads")
def least_power_of_two(needed_bytes: Number, usable_bytes: Number) -> Number:
    """GPUs of a tensor-parallel group that together have the room."""
    return 2.0 ** np.ceil(np.log2(np.maximum(1.0, needed_bytes / usable_bytes)))


def reductions_s(model: Served, server: Server, tokens: Number) -> Number:
    """Two all-reduces a layer of `tokens` vectors over the tensor-parallel group, inside one scale-up domain."""
    if server.network is None:
        return 0.0
    buffer = tokens * model.hidden * 2.0
    domain = server.network.domain
    return 2 * model.layers * all_reduce_s(server.network, buffer, server.gpus, np.minimum(server.gpus, domain))


def step_s(model: Served, server: Server, batch: Number, length: Number) -> Number:
    """One decoding step of a batch whose sequences are `length` tokens long by now."""
    weights = weights_bytes(model.parameters, model.weight_bytes)
    experts = weights_bytes(model.experts, model.weight_bytes)
    touched = touched_weights_bytes(weights, experts, model.expert_count, model.experts_per_token, batch)
    return decode_step_s(
        model.active, batch, touched, batch * length * _cache_per_token(model), server.gpus, server.peak_flops,
        server.compute_efficiency, server.bandwidth_bytes_per_s, server.bandwidth_efficiency,
        reductions_s(model, server, batch), model.layers * server.launch_s,
        batch * _attention_flops_per_token(model, length),
    )  # fmt: skip


def read_s(model: Served, server: Server, batch: Number, prompt: Number) -> Number:
    """Reading the prompts of a batch."""
    per_token = prefill_flops_per_token(
        model.active, model.layers, model.heads, model.head_dim, model.value_dim, prompt
    )
    weights = weights_bytes(model.parameters, model.weight_bytes)
    return prefill_s(
        batch * prompt * per_token, weights, server.gpus, server.peak_flops, server.compute_efficiency,
        server.bandwidth_bytes_per_s, server.bandwidth_efficiency, reductions_s(model, server, batch * prompt),
    )  # fmt: skip


@formula(
    "largest batch with batch·cache ≤ room and t_step ≤ 1/speed",
    unit="sequences",
    source="memory and the reader's speed; halved, for the step's time grows with the batch",
)
def batch_for(model: Served, server: Server, prompt: Number, answer: Number, tokens_per_s: Number) -> Number:
    """The largest batch that memory holds and that still writes `tokens_per_s` for each reader; at least 1.

    The step time grows with the batch, so the speed's limit is found by halving an interval of batches.
    """
    weights = weights_bytes(model.parameters, model.weight_bytes)
    most = largest_batch(
        server.gpus, server.memory_bytes, server.memory_share, weights, _cache_per_token(model), prompt + answer
    )
    most = np.clip(most, 1.0, MOST_SEQUENCES)
    low, high = most * 0 + 1.0, most
    for _ in range(_HALVINGS):
        middle = np.ceil((low + high) / 2)
        quick = step_s(model, server, middle, prompt + answer / 2) * tokens_per_s <= 1.0
        low, high = np.where(quick, middle, low), np.where(quick, high, np.maximum(middle - 1, low))
    return low[()] if isinstance(low, np.ndarray) else low


def serve(
    model: Served, server: Server, *, prompt: Number, answer: Number, batch: Number, usd_per_gpu_hour: Number,
    load: Number,
) -> Serving:  # fmt: skip
    """Speed and price of a full server with requests of `prompt` and `answer` tokens."""
    read, step = read_s(model, server, batch, prompt), step_s(model, server, batch, prompt + answer / 2)
    rate = answers_per_second(batch, read, answer, step)
    inputs = usd_per_million_tokens(server.gpus, usd_per_gpu_hour, read, batch * prompt, load)
    outputs = usd_per_million_tokens(server.gpus, usd_per_gpu_hour, step, batch, load)
    held = weights_bytes(model.parameters, model.weight_bytes) + batch * (prompt + answer) * _cache_per_token(model)
    return Serving(
        batch=batch, prefill_s=read, decode_step_s=step, answers_per_s=rate, output_tokens_per_s=rate * answer,
        tokens_per_s_per_answer=1 / step, input_usd_per_million=inputs, output_usd_per_million=outputs,
        usd_per_answer=usd_per_request(prompt, answer, inputs, outputs),
        gpu_s_per_input_token=server.gpus * read / (batch * prompt), gpu_s_per_output_token=server.gpus * step / batch,
        memory_bytes=held,
    )  # fmt: skip


def _cache_per_token(model: Served) -> Number:
    if model.latent_rank:
        return latent_cache_bytes_per_token(model.layers, model.latent_rank, model.rotary_dim, model.cache_bytes)
    return model.has_cache * cache_bytes_per_token(model.layers, model.kv_heads, model.head_dim, model.cache_bytes)


def _attention_flops_per_token(model: Served, length: Number) -> Number:
    if model.latent_rank:
        return latent_decode_attention_flops(model.layers, model.heads, model.latent_rank, model.rotary_dim, length)
    return decode_attention_flops(model.layers, model.heads, model.head_dim, model.value_dim, length)
