"""Collectives: laws that any timing must keep, and published bandwidths."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.plan.cluster import Cluster
from planner.timing.collectives import (
    Network,
    all_gather_s,
    all_reduce_s,
    all_to_all_s,
    gather,
    network,
    reduce_scatter_s,
    send_s,
)

COLLECTIVES = (all_gather_s, reduce_scatter_s, all_reduce_s, all_to_all_s)
MIB = 2.0**20


def links(accelerator: str, fabric: str = "InfiniBand NDR 400") -> Network:
    return network(Cluster.model_validate({"accelerator": accelerator, "fabric": fabric, "nodes": 16}))


H100, A100 = links("H100-80GB-SXM"), links("A100-80GB-SXM", "InfiniBand HDR 200")
buffers = st.floats(1e3, 1e10)


@pytest.mark.parametrize(
    ("net", "bus_gb_per_s"),
    [(H100, 445), (A100, 222), (links("B200-SXM"), 704), (links("H200-SXM"), 460)],
)
def test_all_reduce_over_eight_gpus_reaches_the_measured_bus_bandwidth(net: Network, bus_gb_per_s: float) -> None:
    """aiconfigurator @095f58a, NCCL 2.27–2.29, 512 MiB; H100's and A100's are the well-known nccl-tests figures."""
    time = all_reduce_s(net, 512 * MIB, 8, 8)
    assert 2 * 7 / 8 * 512 * MIB / time / 1e9 == pytest.approx(bus_gb_per_s, rel=0.06)


@pytest.mark.parametrize(("ranks", "microseconds"), [(2, 6.2), (4, 9.5), (8, 15.6)])
def test_a_small_all_reduce_takes_its_steps(ranks: int, microseconds: float) -> None:
    """H100, NCCL 2.29.2, 1 KiB."""
    assert all_reduce_s(H100, 1024, ranks, ranks) * 1e6 == pytest.approx(microseconds, rel=0.15)


@pytest.mark.parametrize("collective", COLLECTIVES)
def test_one_rank_costs_nothing(collective: object) -> None:
    assert collective(H100, 1e9, 1, 1) == 0  # type: ignore[operator]
    np.testing.assert_array_equal(collective(H100, 1e9, np.array([1, 1]), np.array([1, 8])), 0)  # type: ignore[operator]


@given(buffers, st.sampled_from([2, 4, 8, 16, 64, 512]), st.sampled_from([1, 2, 8]))
@settings(max_examples=100)
def test_laws(bytes_: float, ranks: int, ranks_per_node: int) -> None:
    scatter = reduce_scatter_s(A100, bytes_, ranks, ranks_per_node)
    assert scatter == all_gather_s(A100, bytes_, ranks, ranks_per_node)
    for collective in COLLECTIVES:
        time = collective(A100, bytes_, ranks, ranks_per_node)
        assert collective(A100, 2 * bytes_, ranks, ranks_per_node) > time
        if bytes_ > ranks * 1e7:
            assert collective(A100, bytes_, ranks, ranks) <= time * 1.0001, "inside one domain is never slower"
    if ranks_per_node >= ranks or bytes_ > ranks * 1e7:
        assert all_reduce_s(A100, bytes_, ranks, ranks_per_node) > scatter


@given(buffers, st.sampled_from([16, 64, 512]))
@settings(max_examples=50)
def test_no_collective_outruns_its_links(bytes_: float, ranks: int) -> None:
    nodes = ranks / 8
    fabric = bytes_ / 8 * (nodes - 1) / nodes / 25e9  # eight ports of 200 Gb/s a node
    inside = bytes_ * (ranks - 1) / ranks / 300e9
    assert all_gather_s(A100, bytes_, ranks, 8) > max(fabric, inside)
    assert all_reduce_s(A100, bytes_, ranks, 8) > 2 * max(fabric, inside) * 0.8
    assert all_to_all_s(A100, bytes_, ranks, 8) > bytes_ * (ranks - 8) / ranks / 25e9


def test_a_ring_over_two_nodes_passes_on_nearly_everything_between_them() -> None:
    """NCCL's ring: 15 of 16 blocks go over each link, also that between the nodes (nccl-tests, doc/PERFORMANCE.md); a
    hierarchy would send half. Megatron's tensor-parallel all-reduces over two A100 nodes with four HDR ports (vTrain,
    MICRO 2024) reach 84 GB/s of bus bandwidth."""
    four_ports = links("A100-80GB-SXM", "InfiniBand EDR 100")
    time = all_reduce_s(four_ports, 400e6, 16, 8)
    assert 2 * 15 / 16 * 400e6 / time / 1e9 == pytest.approx(84, rel=0.1)


def test_one_rank_a_node_has_one_port() -> None:
    """The same buffer over the same nodes: eight ranks a node share it over eight ports."""
    assert all_gather_s(A100, 1e9, 16, 1) > 4 * all_gather_s(A100, 1e9, 128, 8)


def test_small_all_reduces_over_many_nodes_take_the_tree() -> None:
    assert all_reduce_s(A100, 1e3, 4096, 8) < 0.1 * 2 * all_gather_s(A100, 1e3, 4096, 8)


def test_a_send_crosses_nodes_at_the_fabrics_rate() -> None:
    assert 1e9 / send_s(A100, 1e9, True) / 1e9 == pytest.approx(25 * 0.85, rel=0.15)
    assert send_s(A100, 1e9, False) < send_s(A100, 1e9, True)
    both = send_s(A100, 1e9, np.array([False, True]))
    assert both.tolist() == [send_s(A100, 1e9, False), send_s(A100, 1e9, True)]


def test_pcie_is_carried_from_a_measured_pcie_host() -> None:
    """RTX PRO 6000 over PCIe 5: 25 of 64 GB/s; a PCIe 4 host half of that."""
    time = all_reduce_s(links("RTX 4090"), 512 * MIB, 8, 8)
    assert 2 * 7 / 8 * 512 * MIB / time / 1e9 == pytest.approx(12.5, rel=0.25)


def test_scalars_and_arrays_agree() -> None:
    bytes_, ranks, local = np.array([1e4, 1e7, 1e9]), np.array([2, 16, 512]), np.array([2, 8, 8])
    for collective in COLLECTIVES:
        single = [collective(H100, *each) for each in zip(bytes_, ranks, local, strict=True)]
        np.testing.assert_allclose(collective(H100, bytes_, ranks, local), single, rtol=1e-12)


def test_gathered_networks_are_the_networks_row_by_row() -> None:
    index = np.array([1, 0, 1])
    rows = gather([H100, A100], index)
    expected = [all_reduce_s((H100, A100)[one], 1e8, 64, 8) for one in index]
    np.testing.assert_allclose(all_reduce_s(rows, 1e8, 64, 8), expected)
