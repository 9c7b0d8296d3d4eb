"""Times of collectives: α by hops plus bytes over a bandwidth that large messages reach. Seconds, elementwise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from planner.formula import Number, formula
from planner.plan.cluster import Cluster


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """The links of a cluster as collectives see them; each number may be an array."""

    domain: Number
    """GPUs joined by the scale-up link."""
    inside_bytes_per_s: Number
    """Bus bandwidth a GPU reaches inside the domain with large messages."""
    inside_latency_s: Number
    between_bytes_per_s: Number
    """Bus bandwidth a GPU reaches between nodes with large messages."""
    between_latency_s: Number


def network(cluster: Cluster) -> Network:
    """The links of a cluster."""
    accelerator, fabric = cluster.accelerator, cluster.fabric
    return Network(
        domain=min(accelerator.link_domain, cluster.gpus) if accelerator.link_domain > 1 else 1,
        inside_bytes_per_s=(accelerator.link_bytes_per_s or fabric.bits_per_s_per_gpu / 8) * 0.78,
        inside_latency_s=3e-6,
        between_bytes_per_s=fabric.bits_per_s_per_gpu / 8 * fabric.efficiency,
        between_latency_s=fabric.latency_s,
    )


def gather(networks: Sequence[Network], index: Any) -> Network:
    """One network whose numbers are arrays: element i is that of `networks[index[i]]`."""
    if len(networks) == 1:
        return networks[0]
    return Network(**{f.name: np.asarray([getattr(one, f.name) for one in networks])[index] for f in fields(Network)})


def _once_around(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """All-gather (or reduce-scatter) of a whole buffer: inside the node first, then each GPU's share between nodes."""
    inside = np.minimum(np.maximum(ranks_per_node, 1.0), ranks)
    nodes = np.maximum(ranks / inside, 1.0)
    within = bytes_ * (inside - 1) / inside / network.inside_bytes_per_s
    across = bytes_ / inside * (nodes - 1) / nodes / network.between_bytes_per_s
    latency = np.log2(inside) * network.inside_latency_s + np.log2(nodes) * network.between_latency_s
    return np.where(ranks > 1, np.maximum(within, across) + latency, 0.0)[()]


@formula("(n − 1)/n·bytes/β + α·log n", unit="s", source="ring or tree, hierarchical over nodes")
def all_gather_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """All-gather; `bytes_` is the gathered buffer."""
    return _once_around(network, bytes_, ranks, ranks_per_node)


@formula("(n − 1)/n·bytes/β + α·log n", unit="s", source="ring or tree, hierarchical over nodes")
def reduce_scatter_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """Reduce-scatter; `bytes_` is the buffer before it."""
    return _once_around(network, bytes_, ranks, ranks_per_node)


@formula("2·(n − 1)/n·bytes/β + 2·α·log n", unit="s", source="ring or tree, hierarchical over nodes")
def all_reduce_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """All-reduce of a buffer."""
    return 2.0 * _once_around(network, bytes_, ranks, ranks_per_node)


@formula("bytes·(share inside/β_in + share outside/β_out) + α", unit="s", source="each rank sends 1/n to each other")
def all_to_all_s(network: Network, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
    """All-to-all; `bytes_` is what one rank holds."""
    inside = np.minimum(np.maximum(ranks_per_node, 1.0), ranks)
    within = bytes_ * (inside - 1) / ranks / network.inside_bytes_per_s
    across = bytes_ * (ranks - inside) / ranks / network.between_bytes_per_s
    latency = network.inside_latency_s + np.where(ranks > inside, network.between_latency_s, 0.0)
    return np.where(ranks > 1, np.maximum(within, across) + latency, 0.0)[()]


@formula("bytes/β + α", unit="s", source="one message between two ranks")
def send_s(network: Network, bytes_: Number, crosses_nodes: Number | bool) -> Number:
    """Point to point."""
    inside = bytes_ / network.inside_bytes_per_s + network.inside_latency_s
    between = bytes_ / network.between_bytes_per_s + network.between_latency_s
    return np.where(crosses_nodes, between, inside)[()]
