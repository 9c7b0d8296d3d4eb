"""`profile --collectives` as a user starts it: torchrun or Slurm, one node or two, a slow network, and what goes wrong.

Every rank is a process of its own with Gloo on the CPU.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner.errors import MissingError
from planner.plan.model import Model
from planner.profiling import collectives, devices, rendezvous
from planner.profiling.rendezvous import Place
from planner.timing import profile as profiles
from planner.timing.fabric import Links, bus_share
from planner.timing.profile import Profile
from tests.profiling.slow_link import ADDRESSES, UnavailableError, slow_link

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [str(ROOT / "main.py"), "profile", "--collectives", "--device", "cpu"]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
PATIENCE_S = 280


def start(*words: str, **more: str) -> subprocess.Popen[bytes]:
    """Unbuffered, so that `communicate` finds what `readline` left."""
    environment = {**os.environ, **more}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "bufsize": 0}
    return subprocess.Popen(words, env=environment, **pipes)  # type: ignore[call-overload, no-any-return]


def ends(*processes: subprocess.Popen[bytes]) -> list[tuple[int, str, str]]:
    """(exit code, stdout, stderr) of each."""
    try:
        found = [process.communicate(timeout=PATIENCE_S) for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [(one.returncode, *(text.decode() for text in texts)) for one, texts in zip(processes, found, strict=True)]


def free_port() -> str:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return str(one.getsockname()[1])


def two_agents(per_node: int, *words: str) -> Any:
    """torchrun twice, as on two nodes."""
    meeting = ("--nnodes", "2", "--master-addr", "127.0.0.1", "--master-port", free_port())
    ranks = ("--nproc-per-node", str(per_node))
    return ends(*(start(*TORCHRUN, *meeting, *ranks, "--node-rank", str(node), *COMMAND, *words) for node in (0, 1)))


def alone_on_a_node(node: int) -> dict[str, str]:
    """What torchrun would tell the one rank of each of two nodes: an agent of its own takes longer than its rank."""
    return {"RANK": str(node), "WORLD_SIZE": "2", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "1", "GROUP_RANK": str(node)}


def test_four_ranks_on_two_nodes_measure_every_layout_into_the_profile_that_is_there(
    tiny: Model, tmp_path: Path
) -> None:
    out = tmp_path / "box.json"
    there = Profile(
        name="box", created="2026-01-01T00:00:00+00:00", device=devices.describe("cpu"), model=tiny, suite="quick",
        dtype="fp32", notes=("kept",),
    )  # fmt: skip
    profiles.save(there, out)
    (code, printed, _), (other, silent, _) = two_agents(2, "--budget", "3s", "--events", "--out", str(out))
    assert (code, other, silent) == (0, 0, "")
    told = [json.loads(line) for line in printed.splitlines()]
    assert told[0]["event"] == "started" and (told[0]["nodes"], told[0]["ranks_per_node"]) == (2, 2)
    assert told[-1]["event"] == "finished" and told[-1]["complete"]
    whole = profiles.load(out)
    assert whole.model_copy(update={"collectives": None}) == there and whole.collectives
    rows, curves = whole.collectives.rows, whole.collectives.curves
    measured = [line["row"] for line in told if line["event"] == "collective"]
    assert [(row["operation"], row["bytes"]) for row in measured] == [(row.operation, row.bytes) for row in rows]
    layouts = {(row.ranks, row.ranks_per_node, row.stride, row.groups) for row in rows if row.operation != "send"}
    assert layouts == {(2, 2, 1, 2), (2, 1, 2, 2), (4, 2, 1, 1)}
    assert {row.operation for row in rows} == {"all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send"}
    assert len(curves) == len({(row.operation, row.ranks, row.ranks_per_node) for row in rows}) == 14
    links = Links("box", curves)
    assert all(links.time_s(row.operation, row.bytes, row.ranks, row.ranks_per_node) > 0 for row in rows)


def test_two_ranks_of_torchrun_print_a_table(tmp_path: Path) -> None:
    words = ("--standalone", "--nproc-per-node", "2", *COMMAND, "--budget", "1s", "--out", str(tmp_path / "new.json"))
    ((code, printed, told),) = ends(start(*TORCHRUN, *words))
    assert code == 0, told
    assert printed.count("rows in") == 1, "one rank prints"
    assert re.search(r"all-reduce +2 +2 +1 +1.00\sKiB", printed) and "nccl-tests" in printed
    found = profiles.load(tmp_path / "new.json")
    assert found.collectives and found.collectives.backend == "gloo" and not found.rows


def test_of_slurms_tasks_a_killed_one_is_named_once_and_nothing_is_written(tmp_path: Path) -> None:
    """No agent is beside them, so nothing but the ranks themselves can end them."""
    slurm = {"SLURM_STEP_NUM_TASKS": "3", "SLURM_NODEID": "0", "SLURM_STEP_NODELIST": "localhost"}
    words = (sys.executable, *COMMAND, "--budget", "60s", "--events", "--out", str(tmp_path / "x.json"))
    first, second, third = [
        start(*words, SLURM_PROCID=rank, SLURM_LOCALID=rank, MASTER_PORT=port, **slurm)
        for rank, port in zip("012", [free_port()] * 3, strict=True)
    ]
    lines = told_until(first, "collective")
    third.kill()
    (code, printed, _), (other, said, _), _ = ends(first, second, third)
    assert lines[0]["event"] == "started" and lines[0]["ranks_per_node"] == 3
    assert code == other == 3
    failed = [json.loads(line) for line in (printed + said).splitlines() if '"failed"' in line]
    assert len(failed) == 1
    # On a busy machine a rank that has ended for want of the third can be gone before it is asked, too.
    assert re.search(r"ranks? (?:[01], )?2 of 3 no longer answered", failed[0]["message"])
    assert not (tmp_path / "x.json").exists()


def told_until(process: subprocess.Popen[bytes], word: str) -> list[dict[str, Any]]:
    """Events up to the first of a kind; what comes after stays in the pipe."""
    assert process.stdout
    found: list[dict[str, Any]] = []
    while not found or found[-1]["event"] != word:
        line = process.stdout.readline()
        assert line, f"ended without {word!r}"
        found.append(json.loads(line))
    return found


def test_stopped_by_a_signal_all_ranks_end_and_keep_what_they_have(tmp_path: Path) -> None:
    meeting = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": free_port()}
    words = (sys.executable, *COMMAND, "--budget", "60s", "--events", "--out", str(tmp_path / "x.json"))
    ranks = [start(*words, RANK=rank, LOCAL_RANK=rank, **meeting) for rank in ("0", "1")]
    told_until(ranks[0], "collective")
    ranks[1].send_signal(signal.SIGTERM)
    assert [code for code, _, _ in ends(*ranks)] == [130, 130]
    found = profiles.load(tmp_path / "x.json").collectives
    assert found and not found.complete and found.incomplete_because == "cancelled" and found.rows


def test_a_profile_of_another_device_is_refused(tmp_path: Path, tiny: Model) -> None:
    here = devices.describe("cpu")
    there = Profile(
        created="2026-01-01T00:00:00+00:00", device=here.model_copy(update={"name": "Abacus"}), model=tiny,
        suite="quick", dtype="fp32",
    )  # fmt: skip
    profiles.save(there, tmp_path / "other.json")
    assert "holds a profile of Abacus" in str(collectives.cannot_write(tmp_path / "other.json", here))
    assert "cannot be written" in str(collectives.cannot_write(Path("/proc/x.json"), here))
    assert collectives.cannot_write(tmp_path / "new" / "x.json", here) is None


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({}, ["waited 1 s at 127.0.0.1", "MASTER_ADDR", "GLOO_SOCKET_IFNAME"]),
        ({"address": "no-such-host.invalid"}, ["'no-such-host.invalid' is not known", "MASTER_ADDR"]),
        ({"rank": 0, "port": "taken"}, ["is taken by another program", "MASTER_PORT"]),
    ],
)
def test_ranks_that_cannot_meet_say_what_to_check(changes: dict[str, Any], named: list[str]) -> None:
    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1] if changes.pop("port", "") else int(free_port())
        alone = {"rank": 1, "ranks": 2, "local_rank": 0, "node": "0", "address": "127.0.0.1", "launcher": "Slurm"}
        with pytest.raises(MissingError) as raised:
            rendezvous.join(Place(**{**alone, **changes}, port=port), "cpu", 1.0)
    assert all(words in str(raised.value) for words in named)


def test_a_slow_network_is_found_as_slow_as_it_is(tmp_path: Path) -> None:
    """5 ms each way at 200 Mbit/s: no message is faster than the delay and the rate allow, and on a busy machine none
    takes ten times as long."""
    delay_s, bits_per_s = 5e-3, 200e6
    out = tmp_path / "slow.json"
    try:
        with slow_link(delay_s, bits_per_s) as link:
            words = (sys.executable, *COMMAND, "--budget", "5s", "--out", str(out), "--fabric", "Ethernet 10")
            meeting = {"MASTER_ADDR": ADDRESSES[0], "MASTER_PORT": free_port(), "GLOO_SOCKET_IFNAME": link.device}
            found = ends(*(start(*link.command(node, *words), **meeting, **alone_on_a_node(node)) for node in (0, 1)))
    except UnavailableError as missing:
        pytest.skip(str(missing))
    assert [code for code, _, _ in found] == [0, 0], found[0][2]
    section = profiles.load(out).collectives
    assert section and section.fabric == "Ethernet 10" and section.nodes == 2
    for row in section.rows:
        fastest_s = delay_s + row.bytes * bus_share(row.operation, 2) * 8 / bits_per_s
        assert fastest_s < row.median_s < 10 * fastest_s
    for curve in section.curves:
        assert curve.regimes[0].start_s > delay_s
