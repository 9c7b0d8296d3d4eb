"""Group layouts against their groups, counted rank by rank."""

from __future__ import annotations

import itertools

import pytest
import torch

from planner.profiling.groups import Layout, layouts

MACHINES = [(1, 2), (1, 4), (1, 8), (2, 1), (2, 2), (2, 4), (3, 3), (4, 8), (6, 4)]


def groups(layout: Layout, world: int) -> list[list[int]]:
    """As DeviceMesh numbers them: ranks in order over (outer, group, inner), groups along the middle."""
    mesh = torch.arange(world).reshape(layout.mesh_shape(world))
    return mesh.movedim(1, 2).reshape(-1, layout.ranks).tolist()


@pytest.mark.parametrize(("nodes", "each"), MACHINES)
@pytest.mark.parametrize("suite", ["quick", "full"])
def test_every_rank_is_in_one_group_and_every_group_as_its_layout_says(nodes: int, each: int, suite: str) -> None:
    world = nodes * each
    for layout in layouts(nodes, each, suite):
        found = groups(layout, world)
        assert sorted(rank for group in found for rank in group) == list(range(world))
        for group in found:
            assert {b - a for a, b in itertools.pairwise(group)} == {layout.stride}
            there = [rank // each for rank in group]
            assert {there.count(node) for node in there} == {layout.ranks_per_node}


@pytest.mark.parametrize(("nodes", "each"), MACHINES)
def test_layouts_are_told_apart_and_the_quick_ones_are_among_the_full(nodes: int, each: int) -> None:
    quick, full = (layouts(nodes, each, suite) for suite in ("quick", "full"))
    assert len(set(full)) == len(full) and set(quick) <= set(full)
    assert Layout(nodes * each, 1, each) in quick, "all ranks together are always one"


def test_the_groups_of_parallel_training_are_there() -> None:
    """Two nodes of eight: tensor parallel over two, four and eight neighbours, data parallel over what is left."""
    found = layouts(2, 8, "full")
    for tp in (1, 2, 4, 8):
        assert tp == 1 or Layout(tp, 1, tp) in found
        assert Layout(16 // tp, tp, 8 // tp) in found
