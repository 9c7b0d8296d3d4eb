"""Where a process stands among the ranks, by what torchrun and Slurm say in the environment."""

from __future__ import annotations

import pytest

from planner.errors import InputError
from planner.profiling.rendezvous import first_host, place

TORCHRUN = {
    "RANK": "5", "WORLD_SIZE": "8", "LOCAL_RANK": "1", "GROUP_RANK": "1", "LOCAL_WORLD_SIZE": "4",
    "MASTER_ADDR": "gpu07", "MASTER_PORT": "29501", "TORCHELASTIC_RUN_ID": "none",
}  # fmt: skip
SLURM = {
    "SLURM_PROCID": "5", "SLURM_STEP_NUM_TASKS": "8", "SLURM_LOCALID": "1", "SLURM_NODEID": "1",
    "SLURM_STEP_NODELIST": "gpu[07-08]", "SLURM_JOB_ID": "1234567",
}  # fmt: skip


@pytest.mark.parametrize("environment", [TORCHRUN, SLURM])
def test_torchrun_and_slurm_give_the_same_place(environment: dict[str, str]) -> None:
    found = place(environment)
    assert found and (found.rank, found.ranks, found.local_rank, found.node) == (5, 8, 1, "1")
    assert found.address == "gpu07" and not found.speaks_for_node


def test_torchrun_inside_a_slurm_job_wins() -> None:
    found = place({**SLURM, **TORCHRUN})
    assert found and found.launcher == "torchrun" and found.port == 29501


def test_all_ranks_of_a_job_meet_at_one_port_and_two_jobs_at_two() -> None:
    ports = {place({**SLURM, "SLURM_PROCID": str(rank), "SLURM_JOB_ID": job}).port for rank in range(8) for job in "12"}  # type: ignore[union-attr]
    assert len(ports) == 2
    named = place({**SLURM, "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "4000"})
    assert named and (named.address, named.port) == ("10.0.0.1", 4000)


@pytest.mark.parametrize(
    "environment",
    [{}, {"SLURM_PROCID": "0", "SLURM_NTASKS": "8"}, {**SLURM, "SLURM_STEP_NUM_TASKS": "1"}, {"RANK": "0"}],
)
def test_a_process_that_nobody_started_beside_others_has_no_place(environment: dict[str, str]) -> None:
    """A batch script is itself task 0 of its job, and no rank."""
    assert place(environment) is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [({"RANK": "first"}, "RANK"), ({"WORLD_SIZE": ""}, "WORLD_SIZE"), ({"WORLD_SIZE": "1", "RANK": "0"}, "one rank")],
)
def test_a_torn_environment_is_named(changes: dict[str, str], named: str) -> None:
    with pytest.raises(InputError, match=named):
        place({**TORCHRUN, **changes})


@pytest.mark.parametrize(
    ("nodes", "first"),
    [
        ("node1", "node1"), ("a1,b2", "a1"), ("gpu[07-09,12]", "gpu07"), ("gpu[3]", "gpu3"), ("x[1,2],y4", "x1"),
        ("rack1-n[01-03]", "rack1-n01"),
    ],
)  # fmt: skip
def test_the_first_host_of_slurms_list(nodes: str, first: str) -> None:
    """As `scontrol show hostnames` would list them."""
    assert first_host(nodes) == first
