"""The most memory that a stretch of work takes, as the allocator records it.

On a GPU PyTorch's caching allocator keeps the record itself. A CPU's keeps none, but tells `torch.profiler` of every
block that it hands out and takes back: their running sum is the same figure. What the process holds beyond that (blocks
that the C library keeps) is read from the kernel's own record of resident memory.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from planner.profiling import devices

_STATUS = Path("/proc/self/status")
_CLEAR = Path("/proc/self/clear_refs")
_RESET_PEAK = "5"
"""Written to `clear_refs` it resets the peak of resident memory (proc(5))."""


@dataclass(frozen=True)
class Peak:
    """Bytes at the peak, beyond what was there before. `reserved_bytes` is None where nothing tells it."""

    allocated_bytes: float
    reserved_bytes: float | None
    allocated_from: str
    reserved_from: str


class Recorder:
    """`with Recorder(kind) as record: …`; then `record.peak`."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.peak = Peak(0.0, None, "", "")
        self._profiler: Any = None
        self._before = 0.0

    def __enter__(self) -> Recorder:
        gc.collect()  # garbage of before, freed while it records, would be taken off the peak
        if self._kind == "cuda":
            devices.synchronize("cuda")
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            self._before = float(torch.cuda.memory_allocated())
            self._held = float(torch.cuda.memory_reserved())
            return self
        _give_back()
        with contextlib.suppress(OSError):
            _CLEAR.write_text(_RESET_PEAK)
        self._before = _status_bytes("VmRSS")
        self._highest = _status_bytes("VmHWM")
        activities = [torch.profiler.ProfilerActivity.CPU]
        self._profiler = torch.profiler.profile(activities=activities, profile_memory=True)
        self._profiler.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._kind == "cuda":
            devices.synchronize("cuda")
            allocated = float(torch.cuda.max_memory_allocated()) - self._before
            reserved = float(torch.cuda.max_memory_reserved()) - self._held
            self.peak = Peak(allocated, reserved, "torch.cuda.max_memory_allocated", "torch.cuda.max_memory_reserved")
            return
        highest = _status_bytes("VmHWM")
        self._profiler.__exit__(kind, error, trace)
        resident = highest - self._before if self._before and highest > self._highest else None
        counted = running_peak_bytes(self._profiler) if error is None else 0.0
        self.peak = Peak(counted, resident, "the CPU allocator's record (torch.profiler)", "peak resident memory")


def running_peak_bytes(profiler: Any) -> float:
    """Highest sum of the blocks handed out and taken back while a `torch.profiler` with `profile_memory` ran."""
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    total = highest = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        total += event.nbytes()
        highest = max(highest, total)
    return float(highest)


def _status_bytes(field: str) -> float:
    """A size from the kernel's account of this process; 0 where there is none."""
    with contextlib.suppress(OSError):
        for line in _STATUS.read_text().splitlines():
            if line.startswith(f"{field}:"):
                return float(line.split()[1]) * 1024
    return 0.0


def _give_back() -> None:
    """Let the C library return what it keeps of freed blocks (glibc only), so that it does not hide new ones."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
