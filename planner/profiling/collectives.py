"""Measures collectives between the ranks that torchrun or Slurm started, as a generator of events.

Every rank runs the same generator; what decides how it goes on is agreed first (`planner.profiling.agreement`). Only
rank 0 is meant to print, and writes.
"""

from __future__ import annotations

import math
import os
import platform
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch

from planner import library, units
from planner.errors import CancelledError, InputError, MissingError, TrainplanError
from planner.plan.model import Model
from planner.profiling import devices, events, exchanges, store, timer
from planner.profiling.agreement import LostError, Ranks, lost_if_it_fails
from planner.profiling.exchanges import Exchange
from planner.profiling.groups import Layout, layouts
from planner.profiling.rendezvous import Place, tell_lost
from planner.timing import profile as profiles
from planner.timing.fabric import Collective, Collectives, curves
from planner.timing.profile import Profile

BUDGET_S = {"quick": 60.0, "full": 300.0}
SMALLEST_BYTES = 2**10
LARGEST_BYTES = {"cpu": 2**26, "cuda": 2**30}
STEP = {"quick": 4, "full": 2}
"""Ratio of neighbouring sizes."""
MEMORY_SHARE = 0.5
"""Of the memory that is free, how much the buffers of a node's ranks take at most."""
SAMPLE_S, MOST_CALLS = 5e-3, 100
"""Calls are repeated back to back until a sample takes so long: beside it reading the clock is nothing."""
LEAST_SAMPLES, MOST_SAMPLES = 3, 15
LEAST_CALLS = 2 + 1 + LEAST_SAMPLES
"""Of a size too large to be repeated: to see how long one takes, and each time one that brings the group into step."""
QUIET = 0.05
"""Interquartile range over median at which no further samples are taken."""
ROW_SHARE = 0.3
"""Of a curve's share of the time left, how much one size may take for more than the least samples."""
POLL_S = 1e-5
DTYPE = "fp32"


@dataclass(frozen=True)
class Request:
    """What rank 0 was asked for; the other ranks follow it, whatever their own command line says."""

    model: Model
    suite: str
    budget_s: float
    limit_bytes: float
    fabric: str
    timeout_s: float
    out: Path


def measure(where: Place, kind: str, request: Request, cancel: Callable[[], bool]) -> Iterator[events.Event]:
    """Measure every layout and collective and write the profile; the last event is `Finished` or `Failed`.

    The ranks have joined already. kind: cpu or cuda. Cancelled on any rank, all stop, and what was measured is written,
    marked incomplete, unless a whole measurement is there already. A lost rank's failure is told by one of the others,
    whichever it is: the message of their `Failed` is empty.
    """
    run = _Run(where, kind, request, cancel)
    try:
        yield from run.work()
    except TrainplanError as error:
        yield events.Failed(str(error) if where.rank == 0 else "", error.exit_code)
    except LostError as error:
        yield events.Failed(tell_lost(where, run.doing, error), MissingError.exit_code)


class _Run:
    """One rank's part of a measurement."""

    def __init__(self, where: Place, kind: str, request: Request, cancel: Callable[[], bool]) -> None:
        self.where, self.kind, self.request = where, kind, request
        self.ranks = Ranks(where, cancel)
        self.clock = timer.clock_for(kind)
        self.doing = "the first meeting"
        self.rows: list[Collective] = []
        self.notes: list[str] = []
        self.left_out: dict[str, list[str]] = {}

    def work(self) -> Iterator[events.Event]:
        """The whole run."""
        self.request = self.ranks.gathered(self.request)[0]
        self.ranks.refuse(self._other_kind())
        self.hosts, self.ranks_per_node = self._nodes()
        self.torch_device = self._own_device()
        self.device = self._same_device()
        self.ranks.refuse(cannot_write(self.request.out, self.device) if self.where.rank == 0 else None)
        chosen = layouts(len(self.hosts), self.ranks_per_node, self.request.suite)
        yield self._started(chosen)
        yield from map(events.Note, self.notes)
        reason = ""
        try:
            yield from self._measure_all(chosen)
        except CancelledError:
            reason = "cancelled"
        yield from self._write(reason)

    def _other_kind(self) -> TrainplanError | None:
        """What is wrong where rank 0 has GPUs and this rank has none, or the other way round."""
        kinds = self.ranks.gathered(self.kind)
        if self.kind == kinds[0]:
            return None
        seen = "no CUDA GPU" if self.kind == "cpu" else "a CUDA GPU"
        return MissingError(
            f"rank {self.where.rank} sees {seen} and rank 0 differs; mend that node or measure all with --device cpu"
        )

    def _nodes(self) -> tuple[tuple[str, ...], int]:
        """(host of each node, ranks a node). Ranks must be numbered node by node, equally many on each."""
        told = self.ranks.gathered((self.where.node, socket.gethostname()))
        labels = [label for label, _ in told]
        names = list(dict.fromkeys(labels))
        each = len(labels) // len(names)
        if labels != [name for name in names for _ in range(each)]:
            raise InputError(
                "the ranks are not numbered node by node, equally many on each; start as many on every node "
                "(srun: --ntasks-per-node and --distribution=block)"
            )
        return tuple(told[labels.index(name)][1] for name in names), each

    def _own_device(self) -> torch.device:
        """This rank's device: on GPUs one that no other rank has."""
        if self.kind == "cpu":
            return torch.device("cpu")
        count, local = torch.cuda.device_count(), self.where.local_rank
        found = torch.device("cuda", local if local < count else 0)  # Slurm may show each task its own GPU alone
        torch.cuda.set_device(found)
        everybodys = self.ranks.gathered(str(torch.cuda.get_device_properties(found).uuid))
        shared = [rank for rank, one in enumerate(everybodys) if one == everybodys[self.where.rank]]
        told = f"ranks {', '.join(map(str, shared))} share a GPU; start one rank a GPU"
        self.ranks.refuse(MissingError(told) if len(shared) > 1 else None)
        return found

    def _same_device(self) -> profiles.Device:
        """Rank 0's device, with a note where others are of another kind."""
        told = self.ranks.gathered(devices.describe(self.kind))
        others = sorted({one.name for one in told if one.fingerprint != told[0].fingerprint})
        if others:
            self.notes.append(f"some ranks run on {', '.join(others)}; the profile is {told[0].name}'s, as rank 0's")
        return told[0]

    def _measure_all(self, chosen: list[Layout]) -> Iterator[events.Event]:
        tasks = [(one, name) for one in chosen for name in exchanges.OPERATIONS if exchanges.applies(name, one)]
        groups: dict[Layout, Any] = {}
        sizes = self._sizes()
        for done, (layout, operation) in enumerate(tasks):
            self.doing = f"{operation} over {layout}"
            self.ranks.largest()
            yield self._progress(done, len(tasks))
            if layout not in groups:
                with lost_if_it_fails():
                    groups[layout] = exchanges.group(layout, self.kind, self.where.ranks, self.request.timeout_s)
            share_s = max(0.0, self.request.budget_s - self.ranks.elapsed_s) / (len(tasks) - done)
            yield from self._curve(Exchange(operation, layout, groups[layout], self.torch_device), sizes, share_s)
        yield self._progress(len(tasks), len(tasks))
        for reason, some in self.left_out.items():
            yield from self._note(f"left out {reason}, from the size on: {'; '.join(some)}")

    def _sizes(self) -> list[int]:
        """Sizes that memory has room for: two buffers on each of a node's ranks, on a GPU for one rank alone."""
        buffers = 2 * (self.ranks_per_node if self.kind == "cpu" else 1)
        room = min(self.request.limit_bytes, MEMORY_SHARE * devices.free_bytes(self.kind)) / buffers
        (least_room,) = (-value for value in self.ranks.largest(-room))
        step, most = STEP[self.request.suite], min(LARGEST_BYTES[self.kind], least_room)
        return [SMALLEST_BYTES * step**power for power in range(1 + int(math.log(most / SMALLEST_BYTES, step)))]

    def _curve(self, exchange: Exchange, sizes: list[int], share_s: float) -> Iterator[events.Event]:
        """Rows of one collective in one layout, from the smallest size up, as far as time and memory go."""
        end_s = self.ranks.elapsed_s + share_s
        row: Collective | None = None
        for size in sizes:
            self.doing = f"{exchange.operation} over {exchange.layout}, {units.show_bytes(size)}"
            least_s = row.median_s * exchange.messages * size / row.bytes * LEAST_CALLS if row else 0.0
            if row and self.ranks.elapsed_s + least_s > end_s:
                self.left_out.setdefault("for want of time", []).append(self.doing)
                return
            row = self._row(exchange, size, ROW_SHARE * (end_s - self.ranks.elapsed_s))
            if row is None:
                self.left_out.setdefault("for want of memory", []).append(self.doing)
                return
            self.rows.append(row)
            yield events.MeasuredCollective(row)

    def _row(self, exchange: Exchange, size: int, cap_s: float) -> Collective | None:
        """One size: warm up, see how long a call takes, then samples until they agree or the time is up. None where a
        rank has no memory for it."""
        call, bytes_ = self._prepared(exchange, size)
        if self.ranks.largest(float(call is None)) == [1.0] or call is None:
            return None
        end_s = self.ranks.elapsed_s + cap_s
        (once_s,) = self.ranks.largest(*self._samples(call, 1, 1))
        calls = int(np.clip(math.ceil(SAMPLE_S / once_s), 1, MOST_CALLS))
        samples: list[float] = []
        while len(samples) < LEAST_SAMPLES or not self._is_enough(samples, end_s):
            samples += self.ranks.largest(*self._samples(call, calls, LEAST_SAMPLES))
        layout, is_pair = exchange.layout, exchange.operation == "send"
        low, middle, high = (float(value) / exchange.messages for value in np.percentile(samples, (25, 50, 75)))
        return Collective(
            operation=exchange.operation, ranks=2 if is_pair else layout.ranks,
            ranks_per_node=min(2, layout.ranks_per_node) if is_pair else layout.ranks_per_node, stride=layout.stride,
            groups=self.where.ranks // layout.ranks * (layout.ranks // 2 if is_pair else 1), bytes=bytes_, dtype=DTYPE,
            median_s=middle, lower_quartile_s=low, upper_quartile_s=high, n=len(samples), calls=calls,
        )  # fmt: skip

    def _prepared(self, exchange: Exchange, size: int) -> tuple[Callable[[], object] | None, float]:
        try:
            return exchange.call(size)
        except (MemoryError, RuntimeError) as error:
            if not devices.is_out_of_memory(error):
                raise
            return None, 0.0

    def _is_enough(self, samples: list[float], end_s: float) -> bool:
        low, middle, high = np.percentile(samples, (25, 50, 75))
        return len(samples) >= MOST_SAMPLES or high - low <= QUIET * middle or self.ranks.elapsed_s > end_s

    def _samples(self, call: Callable[[], object], calls: int, count: int) -> list[float]:
        """Seconds of one call on this rank, so many samples of so many calls back to back.

        All ranks meet, so that every group works at once; as they leave that meeting a message apart, a first call that
        is not timed brings each group into step.
        """
        self.ranks.meet()
        with lost_if_it_fails():
            self.clock.read()
            self.clock.new_run()
            call()
            self.clock.mark()
            for _ in range(count):
                for _ in range(calls):
                    call()
                self.clock.mark()
            if self.kind == "cuda":
                self._wait_for_gpu()
            (times,) = self.clock.read()
            return [float(time_s) / calls for time_s in times]

    def _wait_for_gpu(self) -> None:
        """Until the stream is empty. NCCL itself would wait for a lost rank for ten minutes, and then abort."""
        latest_s = time.monotonic() + self.request.timeout_s
        while not torch.cuda.current_stream().query():
            if time.monotonic() > latest_s:
                raise LostError(f"the GPU waited {self.request.timeout_s:.0f} s for the others")
            time.sleep(POLL_S)

    def _write(self, reason: str) -> Iterator[events.Event]:
        """Rank 0 writes; the others wait for how that went."""
        self.doing = "writing the profile"
        section, problem, is_kept = self._section(reason), None, True
        if self.where.rank == 0:
            try:
                is_kept = _save(self.request, self.device, section)
            except TrainplanError as error:
                problem = error
        self.ranks.refuse(problem)
        yield from map(events.Fitted, section.curves)
        if not is_kept:
            yield from self._note(f"{self.request.out} is left as it was")
        yield events.Finished(
            str(self.request.out), not reason, len(self.rows), time.perf_counter() - self.ranks.start_s,
            profiles.Summary(),
        )  # fmt: skip

    def _section(self, reason: str) -> Collectives:
        is_nccl = self.kind == "cuda"
        steering = {name: value for name, value in sorted(os.environ.items()) if name.startswith(("NCCL_", "GLOO_"))}
        return Collectives(
            created=datetime.now(UTC).isoformat(timespec="seconds"), complete=not reason, incomplete_because=reason,
            backend="nccl" if is_nccl else "gloo", torch=torch.__version__,
            library=".".join(map(str, torch.cuda.nccl.version())) if is_nccl else "",
            nodes=len(self.hosts), ranks_per_node=self.ranks_per_node, hosts=self.hosts, fabric=self.request.fabric,
            environment=steering, elapsed_s=time.perf_counter() - self.ranks.start_s, rows=tuple(self.rows),
            curves=curves(self.rows), notes=tuple(self.notes),
        )  # fmt: skip

    def _started(self, chosen: list[Layout]) -> events.CollectivesStarted:
        request, device = self.request, self.device
        return events.CollectivesStarted(
            request.suite, device.name, self.kind, device.fingerprint, DTYPE, request.budget_s, str(request.out),
            "nccl" if self.kind == "cuda" else "gloo", len(self.hosts), self.ranks_per_node,
            tuple(map(str, chosen)),
        )  # fmt: skip

    def _progress(self, done: int, total: int) -> events.Progress:
        elapsed_s = self.ranks.elapsed_s
        left_s = max(0.0, self.request.budget_s - elapsed_s) if done < total else 0.0
        fraction = elapsed_s / (elapsed_s + left_s) if done < total else 1.0
        return events.Progress(done, total, fraction, elapsed_s, left_s, self.doing)

    def _note(self, text: str) -> Iterator[events.Event]:
        self.notes.append(text)
        yield events.Note(text)


def default_out(device_name: str) -> Path:
    """A new file in the user's profile folder: collectives, device, time."""
    stamp = datetime.now().strftime("%Y%m%d-%H%M%S")
    folder = library.user_folder() / "measured"
    return store.new(folder / f"collectives-{library.slug(device_name)[:60]}-{stamp}.json")


def cannot_write(out: Path, device: profiles.Device) -> InputError | None:
    """Why the file cannot take the collectives, found out before measuring."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out.parent):
            pass
        if out.exists():
            _there(out, device)
    except InputError as error:
        return error
    except OSError as error:
        return InputError(f"{out.parent}: cannot be written ({error.strerror or error}); choose another --out")
    return None


def _there(out: Path, device: profiles.Device) -> Profile:
    """The profile that is there already, which must be of the same device. Raises `InputError`."""
    found = profiles.load(out)
    if found.fingerprint != device.fingerprint:
        raise InputError(
            f"{out}: holds a profile of {found.device.name}, but these ranks run on {device.name}; choose another --out"
        )
    return found


def _save(request: Request, device: profiles.Device, section: Collectives) -> bool:
    """Write the section into the profile at `out`, or into a new one; whether it did.

    A measurement that was cancelled does not take the place of a whole one, and one without rows is none.
    """
    out = request.out
    there = _there(out, device) if out.exists() else None
    if not section.complete and (not section.rows or (there and there.collectives and there.collectives.complete)):
        return False
    new = there or Profile(
        name=out.stem, created=section.created, host=platform.node(), device=device,
        software=devices.software(devices.Sensor(device.kind)), model=request.model, suite="collectives", dtype=DTYPE,
        elapsed_s=section.elapsed_s,
    )  # fmt: skip
    profiles.save(new.model_copy(update={"collectives": section}), out)
    return True
