"""Software generations as data: each complete, sourced, and within physical bounds."""

from __future__ import annotations

import numpy as np
import pytest

from planner import library
from planner.errors import UnknownNameError
from planner.timing import software

GENERATIONS = list(library.paths("frameworks"))


@pytest.mark.parametrize("name", GENERATIONS)
def test_constants_are_within_physical_bounds_and_sourced(name: str) -> None:
    constants, data = software.software(name), library.read("frameworks", name)
    for share in ("data_overlap", "shard_overlap", "gather_overlap", "tensor_overlap", "pipeline_overlap"):
        assert 0 <= getattr(constants, share) <= 1
    assert 0.9 <= constants.matmul_slowdown <= 1.6
    assert 0 < constants.host_s_per_layer < 0.01
    assert data["source"] and data["description"] and data["kind"] in ("assumed", "estimated")


def test_an_unknown_generation_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="megatron-core"):
        software.software("megatron-cor")


def test_gathering_puts_each_row_with_its_own_constants() -> None:
    kinds = [software.software(name) for name in GENERATIONS[:2]]
    rows = software.gather(kinds, np.array([1, 0, 1]))
    expected = [kinds[1].matmul_slowdown, kinds[0].matmul_slowdown, kinds[1].matmul_slowdown]
    np.testing.assert_array_equal(rows.matmul_slowdown, expected)
