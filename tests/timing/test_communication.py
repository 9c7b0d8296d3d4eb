"""Measured collectives in an estimate: when they are used, what they change, and how the figures say so."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

from planner import library
from planner.costing.rates import rates
from planner.estimate import Estimate, compute, estimate, machine
from planner.plan import file, shipped
from planner.plan.plan import Plan
from planner.plan.workload import workload
from planner.search import networks
from planner.timing import profile as profiles
from planner.timing.fabric import Collective, Collectives, bus_share, curves
from planner.timing.profile import Device, Profile
from planner.timing.software import software

H100 = Device(kind="cuda", name="NVIDIA H100 80GB HBM3", memory_bytes=85.0e9, capability="9.0", multiprocessors=132)
OPERATIONS = ("all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send")
INSIDE, ACROSS = [(2, 2), (4, 4), (8, 8)], [(2, 1), (8, 4), (16, 8)]
FABRIC = "InfiniBand NDR 400"


START_S, BYTES_PER_S = 1e-4, 20e9


def rows(layout: tuple[int, int]) -> list[Collective]:
    ranks, local = layout
    return [
        Collective.model_validate(
            {
                "operation": operation, "ranks": ranks, "ranks_per_node": local, "bytes": size, "n": 9,
                "median_s": time, "lower_quartile_s": 0.97 * time, "upper_quartile_s": 1.03 * time,
            }
        )
        for operation in OPERATIONS
        if operation != "send" or ranks == 2
        for size in 4.0 ** np.arange(5, 18)
        if (time := START_S + size * float(bus_share(operation, ranks)) / BYTES_PER_S)
    ]  # fmt: skip


@cache
def measured(layouts: tuple[tuple[int, int], ...]) -> Collectives:
    found = tuple(row for layout in layouts for row in rows(layout))
    return Collectives(
        created="2026-11-01T00:00:00+00:00", backend="nccl", nodes=2, ranks_per_node=8, rows=found, curves=curves(found)
    )


def keep(
    name: str, layouts: list[tuple[int, int]], *, fabric: str = "", device: Device = H100,
) -> None:  # fmt: skip
    """A profile of collectives alone, slower than any H100's, in the user's folder."""
    section = measured(tuple(layouts)).model_copy(update={"fabric": fabric})
    folder = library.user_folder() / "measured"
    folder.mkdir(exist_ok=True)
    made = Profile(
        name=name, created=section.created, device=device, model=shipped.model("llama-2-7b"), suite="collectives",
        dtype="fp32", collectives=section,
    )  # fmt: skip
    profiles.save(made, folder / f"{name}.json")


def plan(profile: str = "", **layout: Any) -> Plan:
    """Llama-2-7B on two nodes of eight H100."""
    base = file.load("llama-2-7b")
    cluster = base.cluster.model_validate(
        {**base.cluster.model_dump(), "accelerator": "H100-80GB-SXM", "fabric": FABRIC, "nodes": 2, "gpus_per_node": 8}
    )
    sizes = {"tp": 8, "pp": 1, "cp": 1, "zero_stage": 0, "micro_batch": 1, "sequence_parallel": False, **layout}
    return base.model_copy(
        update={"cluster": cluster, "layout": base.layout.model_copy(update=sizes), "profile": profile}
    )


def part(result: Estimate, name: str) -> float:
    return float(getattr(result.outcome.step, name))


def test_a_plan_that_names_the_profile_takes_its_times() -> None:
    without = estimate(plan())
    keep("lab", INSIDE + ACROSS)
    result = estimate(plan("lab"))
    assert without.collective_source == "specification" and result.collective_source == "measured"
    assert part(result, "tensor") > 3 * part(without, "tensor")
    assert part(result, "gradients") > 3 * part(without, "gradients")
    assert part(result, "forward") == part(without, "forward")


def test_the_time_is_that_of_the_fitted_line() -> None:
    """Two all-reduces a layer, direction and micro-batch of b·s·h bf16 numbers over eight ranks; h = 4,096."""
    keep("lab", INSIDE)
    shown = plan("lab")
    result = estimate(shown)
    buffer = shown.recipe.sequence_length * 4096 * 2
    once = START_S + 2 * 7 / 8 * buffer / BYTES_PER_S
    shows = 4 * 32 * shown.recipe.global_batch // shown.dp * (1 - software(shown.recipe.framework).tensor_overlap)
    assert part(result, "tensor") == pytest.approx(shows * once, rel=1e-3)


def test_the_figure_says_that_it_is_measured_within_which_band_and_by_which_profile() -> None:
    keep("lab", INSIDE)
    figure = estimate(plan("lab")).figures["time.part.tensor"]
    assert figure.kind == "measured" and "profile lab" in figure.source and "all-reduce over 8 ranks" in figure.source
    assert figure.low is not None and figure.high is not None and figure.low < figure.value < figure.high
    assert estimate(plan()).figures["time.part.gradients"].kind == "estimated"


def test_what_hides_behind_compute_stays_an_estimate_but_names_its_source() -> None:
    keep("lab", INSIDE + ACROSS)
    figure = estimate(plan("lab")).figures["time.part.gradients"]
    assert figure.kind == "estimated" and "all-reduce over 2 ranks, 1 a node: measured" in figure.source


def test_a_group_size_between_two_measured_ones_is_interpolated() -> None:
    keep("lab", [(2, 2), (8, 8)])
    result = estimate(plan("lab", tp=4))
    assert "all-reduce over 4 ranks, 4 a node: between 2 and 8 ranks" in result.collective_basis
    assert result.figures["time.part.tensor"].kind == "estimated"
    assert part(estimate(plan("lab", tp=2)), "tensor") < part(result, "tensor") < part(estimate(plan("lab")), "tensor")


def test_what_was_not_measured_keeps_the_networks_data() -> None:
    without = estimate(plan())
    keep("lab", [(2, 2)])
    result = estimate(plan("lab"))
    assert result.outcome.step == without.outcome.step and result.collective_source == "specification"


def test_a_profile_of_the_same_device_counts_within_the_node_by_itself() -> None:
    """Across nodes only for the fabric that it was measured on."""
    keep("lab", INSIDE + ACROSS)
    assert estimate(plan()).collective_source == "specification"
    assert "all-reduce over 8 ranks, 8 a node: measured" in estimate(plan()).collective_basis
    keep("lab", INSIDE + ACROSS, fabric=FABRIC)
    assert estimate(plan()).collective_source == "measured"


def test_another_fabric_is_warned_of_and_not_used() -> None:
    keep("lab", INSIDE + ACROSS, fabric="Ethernet 10")
    result = estimate(plan("lab"))
    assert any("over Ethernet 10" in problem.message for problem in result.problems)
    assert "all-reduce over 2 ranks, 1 a node: from the network's data" in result.collective_basis


def test_another_accelerators_collectives_are_not_used() -> None:
    keep("lab", INSIDE, device=H100.model_copy(update={"name": "NVIDIA H200", "memory_bytes": 150e9}))
    assert "measured" not in estimate(plan()).collective_basis


def test_other_networks_are_not_given_the_measured_ones_times() -> None:
    without = networks.compare(plan(), keep_layout=True)
    keep("lab", INSIDE + ACROSS)
    found = networks.compare(plan("lab"), keep_layout=True)
    for before, after in zip(without.rows, found.rows, strict=True):
        across = "1 a node: measured" in after.estimate.collective_basis
        assert across == after.is_plans, after.label
        if after.fabric != FABRIC:
            assert part(before.estimate, "gradients") == part(after.estimate, "gradients")


def test_a_profile_of_collectives_alone_leaves_the_kernels_as_they_were() -> None:
    without = estimate(plan())
    keep("lab", INSIDE)
    for shown in (estimate(plan()), estimate(plan("lab"))):
        assert shown.kernel_source == without.kernel_source and shown.machine.profile == ""
        assert shown.provenance == without.provenance


def test_the_step_is_no_surer_than_its_collectives() -> None:
    """The same times measured with and without noise: the noisy one's step has the wider band."""
    keep("lab", INSIDE + ACROSS)
    quiet = estimate(plan("lab")).figures["time.step"]
    name = library.user_folder() / "measured" / "lab.json"
    content = profiles.load(name)
    assert content.collectives
    worse = tuple(curve.model_copy(update={"error": 3.0, "error_beyond": 3.0}) for curve in content.collectives.curves)
    section = content.collectives.model_copy(update={"curves": worse})
    profiles.save(content.model_copy(update={"collectives": section}), name)
    noisy = estimate(plan("lab")).figures["time.step"]
    assert noisy.low and quiet.low and noisy.value == quiet.value and noisy.low < 0.5 * quiet.low


def test_search_and_estimate_agree_on_measured_collectives() -> None:
    keep("lab", INSIDE + ACROSS)
    plans = [plan("lab", tp=tp) for tp in (1, 2, 4, 8)]
    parts, terms = machine(plans[0]), rates(plans[0])
    single = [workload(one) for one in plans]
    together = single[0].where(
        **{name: np.array([float(getattr(one, name)) for one in single]) for name in ("tp", "dp", "zero_group")}
    )
    alone = [float(compute(one, parts, terms).step.total) for one in single]
    np.testing.assert_allclose(compute(together, parts, terms).step.total, alone, rtol=1e-12)


def test_every_step_of_the_derivation_computes_again() -> None:
    keep("lab", INSIDE + ACROSS)
    seen, left = set(), [estimate(plan("lab")).figures["time.part.tensor"].node]
    names = set()
    while left:
        node = left.pop()
        if node is None or id(node) in seen:
            continue
        seen.add(id(node))
        names.add(node.name)
        assert node.recombined() == node.value
        left += node.children.values()
    assert "measured_collective_s" in names
