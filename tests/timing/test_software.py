"""Software generations as data: each complete, sourced, and within physical bounds."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner import library
from planner.counting import allocation
from planner.errors import InputError, UnknownNameError
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


@pytest.mark.parametrize("name", GENERATIONS)
def test_what_is_documented_or_comes_later_exists(name: str) -> None:
    data = library.read("frameworks", name)
    assert set(data.get("documented", {})) <= set(software.NAMES)
    assert set(data.get("later", {}).values()) <= set(GENERATIONS)


def test_an_unknown_generation_names_the_nearest() -> None:
    with pytest.raises(UnknownNameError, match="megatron-core"):
        software.software("megatron-cor")


def test_gathering_puts_each_row_with_its_own_constants() -> None:
    kinds = [software.software(name) for name in GENERATIONS[:2]]
    rows = software.gather(kinds, np.array([1, 0, 1]))
    expected = [kinds[1].matmul_slowdown, kinds[0].matmul_slowdown, kinds[1].matmul_slowdown]
    np.testing.assert_array_equal(rows.matmul_slowdown, expected)


@pytest.mark.parametrize(
    ("changes", "said"),
    [({"gather_efficiency": 0}, "from 0.001"), ({"data_overlap": 1.5}, "from 0 to 1"),
     ({"loss_bytes": True}, "number"),
     ({"loss_bytes": float("nan")}, "number"), ({"memory": 7}, "a section"),
     ({"memory": {"logit_bytes": -1}}, "logit")],
)  # fmt: skip
def test_a_file_of_ones_own_with_what_is_no_constant_names_it(
    user_folder: Path, changes: dict[str, Any], said: str
) -> None:
    (user_folder / "frameworks").mkdir()
    data = {**library.read("frameworks", "fsdp"), **changes}
    (user_folder / "frameworks" / "mine.json").write_text(json.dumps(data))
    with pytest.raises(InputError, match=said):
        software.software("mine"), allocation.allocation("mine")
