"""Where a process stands among the ranks that torchrun or Slurm started, and how they meet: PyTorch's own rendezvous.

Reading the environment needs no torch; joining does. Whatever goes wrong while ranks meet or after one is lost becomes
one `MissingError` that names what to check, within a timeout.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from planner.errors import InputError, MissingError, shorten

TIMEOUT_S = 120.0
"""How long ranks wait for one another: long enough for torch to load from a slow file system on every node."""
DEFAULT_PORT = 29500
SLURM_PORTS = 15000
"""Slurm gives jobs no port; from here on one of 10,000 by the job's number, as PyTorch Lightning chooses it."""
GRACE_S = 2.0
"""How long the ranks left after a failure may take to say that they are there."""


@dataclass(frozen=True)
class Place:
    """One process among all."""

    rank: int
    ranks: int
    local_rank: int
    node: str
    """The same for the ranks of one node; a node is one torchrun agent, one Slurm node, else one host name."""
    address: str
    port: int
    launcher: str

    @property
    def speaks_for_node(self) -> bool:
        """One rank a node tells of what all of them meet."""
        return self.local_rank == 0


def place(environment: Mapping[str, str] = os.environ) -> Place | None:
    """This process's place by torchrun's variables (or the same set by hand), else Slurm's; None without either.

    Raises `InputError` where they are torn or there is but one rank.
    """
    if "RANK" in environment and "WORLD_SIZE" in environment:
        found = _of_torchrun(environment)
    elif "SLURM_PROCID" in environment and environment.get("SLURM_STEP_NUM_TASKS", "1") != "1":
        found = _of_slurm(environment)
    else:
        return None
    if found.ranks < 2:
        raise InputError("one rank alone has nobody to meet: start more processes (--nproc-per-node 2)")
    return found


def _of_torchrun(environment: Mapping[str, str]) -> Place:
    host = socket.gethostname()
    return Place(
        rank=_number(environment, "RANK"), ranks=_number(environment, "WORLD_SIZE"),
        local_rank=_number(environment, "LOCAL_RANK", 0), node=environment.get("GROUP_RANK", host),
        address=environment.get("MASTER_ADDR", "127.0.0.1"), port=_number(environment, "MASTER_PORT", DEFAULT_PORT),
        launcher="torchrun" if "TORCHELASTIC_RUN_ID" in environment else "the environment",
    )  # fmt: skip


def _of_slurm(environment: Mapping[str, str]) -> Place:
    """srun sets no MASTER_ADDR: the step's first node is the meeting place, unless the user names one."""
    nodes = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST", "127.0.0.1")
    job = environment.get("SLURM_JOB_ID", "0")
    port = SLURM_PORTS + int(job[-4:]) if job.isdigit() else DEFAULT_PORT
    return Place(
        rank=_number(environment, "SLURM_PROCID"), ranks=_number(environment, "SLURM_STEP_NUM_TASKS"),
        local_rank=_number(environment, "SLURM_LOCALID", 0), node=environment.get("SLURM_NODEID", "0"),
        address=environment.get("MASTER_ADDR") or first_host(nodes), port=_number(environment, "MASTER_PORT", port),
        launcher="Slurm",
    )  # fmt: skip


def first_host(nodes: str) -> str:
    """The first name of Slurm's list: `gpu[07-09,12]` → `gpu07`, `a1,b2` → `a1`."""
    return re.sub(r"\[([^],-]*)[^]]*\]", r"\1", re.split(r",(?![^[]*\])", nodes)[0])


def _number(environment: Mapping[str, str], name: str, default: int | None = None) -> int:
    text = environment.get(name, "" if default is None else str(default))
    if not re.fullmatch(r"\d{1,9}", text):
        raise InputError(f"{name}: {shorten(text)!r} is not a whole number; start the ranks with torchrun or srun")
    return int(text)


def join(where: Place, kind: str, timeout_s: float) -> None:
    """Meet the other ranks: Gloo for what ranks agree on, and NCCL beside it on GPUs. Raises `MissingError`."""
    import torch.distributed as dist

    try:
        socket.getaddrinfo(where.address, where.port)
    except OSError as error:
        raise MissingError(f"the host {where.address!r} is not known here ({error}); check MASTER_ADDR") from None
    backend = "cpu:gloo,cuda:nccl" if kind == "cuda" else "gloo"
    wait = timedelta(seconds=timeout_s)
    try:
        if where.launcher == "Slurm":
            method = f"tcp://{where.address}:{where.port}"
            dist.init_process_group(backend, method, timeout=wait, rank=where.rank, world_size=where.ranks)
        else:
            os.environ.setdefault("MASTER_ADDR", where.address)
            os.environ.setdefault("MASTER_PORT", str(where.port))
            dist.init_process_group(backend, timeout=wait)
        dist.barrier()  # Gloo connects at once, but a rank may have died since
    except (RuntimeError, ValueError, OSError) as error:
        raise MissingError(_why_not_met(where, timeout_s, str(error))) from None


def _why_not_met(where: Place, timeout_s: float, words: str) -> str:
    """What to check, by what torch said."""
    meeting = f"{where.address}:{where.port}"
    said = shorten(" ".join(words.split()), 200)
    if "EADDRINUSE" in words or "address already in use" in words.casefold():
        return (
            f"port {where.port} of {where.address} is taken by another program; set another MASTER_PORT (torch: {said})"
        )
    if "clients joined" in words or "timed out" in words.casefold() or "timeout" in words.casefold():
        return (
            f"rank {where.rank} of {where.ranks} waited {timeout_s:.0f} s at {meeting} in vain; check that every rank "
            f"was started, that MASTER_ADDR is rank 0's address, that port {where.port} is free there and let through, "
            f"and, with several networks, GLOO_SOCKET_IFNAME and NCCL_SOCKET_IFNAME (torch: {said})"
        )
    return (
        f"rank {where.rank} of {where.ranks} could not join the others at {meeting}; check MASTER_ADDR, MASTER_PORT, "
        f"GLOO_SOCKET_IFNAME and, on GPUs, NCCL_SOCKET_IFNAME and NCCL_DEBUG=INFO (torch: {said})"
    )


def tell_lost(where: Place, doing: str, error: Exception) -> str:
    """What this rank has to say once another is lost; empty on all but one of those that are left.

    Each signs in the store that they met in (under torchrun its agent keeps it, so it outlives rank 0); the first
    waits a moment and names those that did not sign. Without the store the first on each node speaks.
    """
    lost: list[int] = []
    try:
        store = _store()
        speaks = store.add("trainplan/told", 1) == 1
        store.set(f"trainplan/left/{where.rank}", "1")
        time.sleep(GRACE_S if speaks else 2 * GRACE_S)  # a rank that keeps the store outstays the one that speaks
        if speaks:
            lost = [rank for rank in range(where.ranks) if not store.check([f"trainplan/left/{rank}"])]
    except Exception:  # the store died with its rank
        speaks = _is_first_on_node(where)
    if not speaks:
        return ""
    names = f"rank{'s' * (len(lost) > 1)} {', '.join(map(str, lost))} of {where.ranks}" if lost else "a rank"
    said = shorten(" ".join(str(error).split()), 160)
    return (
        f"{names} no longer answered during {doing}; nothing was written. Look for its own last words, for the "
        f"kernel's out-of-memory killer (dmesg), and at the network between the nodes (said here: {said})"
    )


def _is_first_on_node(where: Place) -> bool:
    """Whether no other rank of this node has asked yet: by a name that Linux frees when its holder ends."""
    try:
        _claims.append(claim := socket.socket(socket.AF_UNIX))
        claim.bind(f"\0trainplan-{where.address}-{where.port}")
    except (AttributeError, OSError):
        return False
    time.sleep(GRACE_S)
    return True


_claims: list[socket.socket] = []


def _store() -> Any:
    """The store that the ranks met in, with a short patience."""
    from torch.distributed import distributed_c10d

    store = distributed_c10d._get_default_store()
    store.set_timeout(timedelta(seconds=GRACE_S))
    return store


def leave() -> None:
    """Part from the others in order, so that no backend's thread outlives the interpreter."""
    import torch.distributed as dist

    with contextlib.suppress(Exception):
        dist.destroy_process_group()
