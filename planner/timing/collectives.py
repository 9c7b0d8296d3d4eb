"""Times of collectives: start-up, steps, and bytes over the bandwidth of the slowest links. Seconds, elementwise.

Inside a node the constants are fitted to NCCL's own measurements (`profiles/devices/`, by `benchmarks/fit_kernels.py`);
between nodes they are the fabric's line rate, achievable share and latency. Where the user's own collectives were
measured in groups of the wanted layout (`planner.timing.fabric`), each function gives that time in their place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from planner.formula import Number, formula
from planner.plan.cluster import Accelerator, Cluster
from planner.timing import device
from planner.timing.fabric import Links, measured_collective_s


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The links of a cluster as collectives see them; each number may be an array."""

    domain: Number
    """GPUs joined by the scale-up link."""
    inside_bytes_per_s: Number
    """Bus bandwidth a GPU reaches inside the domain, many ranks, endless messages."""
    inside_pair: Number
    """Share of it that two ranks lack; n ranks lack 1/(n − 1) of that."""
    all_reduce_gain: Number
    """Bus bandwidth of an all-reduce over that of an all-gather."""
    all_reduce_full_gain: Number
    """The same from eight ranks in a domain, where NCCL lets the switch reduce."""
    all_to_all_share: Number
    """Bus bandwidth of an all-to-all over that of an all-gather."""
    start_s: Number
    """Start of a collective: launch and the ranks' first meeting."""
    inside_step_s: Number
    """One step of a ring inside the domain."""
    all_to_all_start_s: Number
    """What an all-to-all or a send adds to the start."""
    ramp: Number
    """Cost of filling a pipeline of chunks, in units of √(start-up · transfer)."""
    between_bytes_per_s: Number
    """Bytes/s a GPU and direction between nodes, large messages: line rate times achievable share."""
    between_step_s: Number
    """One message's start-up across the network."""
    host_bytes_per_s: Number
    """Between a GPU and its host's memory, each way."""
    measured: Links | None = None
    """Collectives as the user measured them, for the group layouts that they cover."""


HOST_BYTES_PER_S = 25e9
"""PCIe 4.0 x16 as copies between pinned host memory and a GPU reach it (of 31.5 GB/s), where a data sheet names no
other link."""


def network(cluster: Cluster) -> Network:
    """The links of a cluster."""
    accelerator, fabric = cluster.accelerator, cluster.fabric
    line = fabric.bits_per_s_per_gpu / 8
    link = inside(accelerator)
    return Network(
        domain=float(accelerator.link_domain),
        host_bytes_per_s=accelerator.host_bytes_per_s or HOST_BYTES_PER_S,
        inside_bytes_per_s=(accelerator.link_bytes_per_s or line) * link["share"],
        inside_pair=link["pair"],
        all_reduce_gain=link["all_reduce_gain"],
        all_reduce_full_gain=link["all_reduce_full_gain"],
        all_to_all_share=link["all_to_all_share"],
        start_s=link["start_s"],
        inside_step_s=link["step_s"],
        all_to_all_start_s=link["all_to_all_start_s"],
        ramp=link["ramp"],
        between_bytes_per_s=line * fabric.efficiency,
        between_step_s=fabric.latency_s,
    )


def inside(accelerator: Accelerator) -> Mapping[str, float]:
    """Constants of the scale-up link: the device's own, else those of a measured link of its kind and speed (any speed
    on PCIe), else the default's, fitted to all switched links together."""
    known = {name: file["collectives"] for name, file in device.files().items() if "collectives" in file}
    kind, speed = link_kind(accelerator.link), accelerator.link_bytes_per_s or 0.0
    alike = [one for one in known.values() if one["link"] == kind and (kind == "pcie" or one["bytes_per_s"] == speed)]
    found = known.get(accelerator.name) or (alike[0] if alike else device.default()["collectives"])
    constants: Mapping[str, float] = found["constants"]
    return constants


def link_kind(link: str) -> str:
    """pcie for GPUs that meet on the host's bus, else switched."""
    return "pcie" if "pcie" in link.casefold() else "switched"


def gather(networks: Sequence[Network], index: Any) -> Network:
    """One network whose numbers are arrays, element i that of `networks[index[i]]`; what all share stays a scalar."""
    columns: dict[str, Any] = {}
    for field in fields(Network):
        values = [getattr(one, field.name) for one in networks]
        same = all(value == values[0] for value in values)
        columns[field.name] = values[0] if same else np.asarray(values, dtype=float)[index]
    return Network(**columns)


@formula(
    "start + transfer + ramp·√(start·transfer)",
    unit="s",
    source="Chunks in a pipeline: the best chunk size leaves a term in the geometric mean of start-up and transfer",
)
def pipelined_s(start_s: Number, transfer_s: Number, ramp: Number) -> Number:
    """A transfer cut into chunks that follow one another through the steps."""
    return start_s + transfer_s + ramp * np.sqrt(start_s * transfer_s)


@formula(
    "(n − 1)/n·bytes/min(β_inside, L·β_between)",
    unit="s",
    source="ring over n = N·L ranks, L of a node: every link of the ring, also one between nodes, passes on all blocks "
    "but one (NVIDIA nccl-tests, doc/PERFORMANCE.md); L rings share the node's L ports",
)
def ring_transfer_s(
    network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number, gain: Number = 1.0
) -> Number:
    """Time of an all-gather's bytes on the slowest link. A hierarchy would send (N − 1)/N of them between nodes: over
    two, NCCL's ring takes nearly twice that."""
    local = np.clip(ranks_per_node, 1.0, ranks)
    passed = bytes_ * (ranks - 1) / ranks
    beta = network.inside_bytes_per_s * gain * (1 - network.inside_pair / np.maximum(local - 1, 1.0))
    within = np.where(local > 1, passed / beta, 0.0)
    across = np.where(ranks > local, passed / local / network.between_bytes_per_s, 0.0)
    return np.maximum(within, across)[()]


def _steps_s(network: Network, ranks: Number, ranks_per_node: Number) -> Number:
    """Start-up of the n − 1 steps of a ring, those between nodes dearer."""
    nodes = ranks / np.clip(ranks_per_node, 1.0, ranks)
    return (ranks - nodes) * network.inside_step_s + (nodes - 1) * network.between_step_s


def _measured_or(
    modelled: Callable[..., Number], network: Network, operation: str, bytes_: Number, ranks: Number, local: Number
) -> Number:
    """A collective's time as measured in such a group, else by the formula on the network's data."""
    if network.measured is None:
        return modelled(network, bytes_, ranks, local)
    time = measured_collective_s(network.measured, operation, bytes_, ranks, local)
    return np.where(np.isnan(time), modelled(network, bytes_, ranks, local), time)[()]


def all_gather_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """All-gather; `bytes_` is the gathered buffer. `ranks_per_node` counts the group's ranks in one scale-up domain."""
    return _measured_or(ring_all_gather_s, network, "all-gather", bytes_, ranks, ranks_per_node)


def reduce_scatter_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """Reduce-scatter; `bytes_` is the buffer before it. Without a measurement as an all-gather run backwards."""
    return _measured_or(ring_reduce_scatter_s, network, "reduce-scatter", bytes_, ranks, ranks_per_node)


def all_reduce_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """All-reduce of a buffer."""
    return _measured_or(ring_or_tree_all_reduce_s, network, "all-reduce", bytes_, ranks, ranks_per_node)


def all_to_all_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """All-to-all; `bytes_` is what one rank holds before it (and after)."""
    return _measured_or(direct_all_to_all_s, network, "all-to-all", bytes_, ranks, ranks_per_node)


def send_s(network: Network, bytes_: Number, crosses_nodes: Number | bool) -> Number:
    """Point to point, over the network or inside the scale-up domain."""
    local = np.where(crosses_nodes, 1.0, 2.0)[()]
    return _measured_or(single_send_s, network, "send", bytes_, 2.0, local)


@formula("start + steps + (n − 1)/n·bytes/β", unit="s", source="NCCL's ring")
def ring_all_gather_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """An all-gather around a ring."""
    start = network.start_s + _steps_s(network, ranks, ranks_per_node)
    time = pipelined_s(start, ring_transfer_s(network, bytes_, ranks, ranks_per_node), network.ramp)
    return np.where(ranks > 1, time, 0.0)[()]


@formula("start + steps + (n − 1)/n·bytes/β", unit="s", source="NCCL's ring")
def ring_reduce_scatter_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """A reduce-scatter around a ring: an all-gather run backwards."""
    return ring_all_gather_s(network, bytes_, ranks, ranks_per_node)


SWITCH_RANKS = 8
"""Ranks in a domain from which NCCL reduces in the NVLink switch (H100: 350 GB/s over four, 445 over eight); from
there on their number costs no more steps."""
TREE_SHARE = 0.9
"""Bandwidth of NCCL's double binary tree between nodes over a ring's (assumed)."""


@formula(
    "min(ring, tree): start + steps + 2·(n − 1)/n·bytes/β",
    unit="s",
    source="NCCL: ring of 2(n − 1) steps, or tree over nodes of 2·log₂ N",
)
def ring_or_tree_all_reduce_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """The faster all-reduce. The tree's few steps can undercut even a ring's reduce-scatter of a small buffer."""
    local = np.clip(ranks_per_node, 1.0, ranks)
    gain = np.where(local >= SWITCH_RANKS, network.all_reduce_full_gain, network.all_reduce_gain)
    transfer = 2 * ring_transfer_s(network, bytes_, ranks, ranks_per_node, gain)
    ring = pipelined_s(network.start_s + 2 * _steps_s(network, ranks, ranks_per_node), transfer, network.ramp)
    hops = (
        np.minimum(local - 1, SWITCH_RANKS) * network.inside_step_s
        + np.ceil(np.log2(ranks / local)) * network.between_step_s
    )
    tree_transfer = transfer / np.where(ranks > local, TREE_SHARE, 1.0)
    tree = pipelined_s(network.start_s + 2 * hops, tree_transfer, network.ramp)
    return np.where(ranks > 1, np.minimum(ring, tree), 0.0)[()]


@formula(
    "start + max(bytes·(L − 1)/n/β_inside, bytes·(n − L)/n/β_between)",
    unit="s",
    source="each rank sends an n-th to every other; links inside and between nodes work side by side",
)
def direct_all_to_all_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """An all-to-all: every rank to every other at once."""
    local = np.clip(ranks_per_node, 1.0, ranks)
    beta = network.inside_bytes_per_s * network.all_to_all_share
    beta = beta * (1 - network.inside_pair / np.maximum(local - 1, 1.0))
    transfer = np.maximum(
        bytes_ * (local - 1) / ranks / beta, bytes_ * (1 - local / ranks) / network.between_bytes_per_s
    )
    start = network.start_s + network.all_to_all_start_s + np.where(ranks > local, network.between_step_s, 0.0)
    return np.where(ranks > 1, pipelined_s(start, transfer, network.ramp), 0.0)[()]


@formula("start + bytes/β", unit="s", source="one message between two ranks")
def single_send_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """A message between two ranks, in one scale-up domain or across the network."""
    start = network.start_s + network.all_to_all_start_s
    pair = network.inside_bytes_per_s * network.all_to_all_share * (1 - network.inside_pair)
    within = pipelined_s(start, bytes_ / pair, network.ramp)
    between = pipelined_s(start + network.between_step_s, bytes_ / network.between_bytes_per_s, network.ramp)
    return np.where(ranks_per_node < ranks, between, within)[()]
