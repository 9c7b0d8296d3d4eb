"""The device under measurement: which one, what it is, how much memory it has left, how hot it runs."""

from __future__ import annotations

import contextlib
import math
import os
import platform
import statistics
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import torch

import planner
from planner.errors import InputError, MissingError, shorten
from planner.timing.profile import Condition, Device, Software

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
HALF_IS_WORTH_IT = 1.5
"""A CPU is measured in bf16 when that multiplies this much faster than fp32: when it has units for it."""
DISTURBING_LOAD = 0.1
"""Share of all cores in other programs' hands above which a CPU's row is marked as disturbed."""
SHORTEST_LOAD_S = 0.2
"""Over less time the kernel's ticks of 10 ms say nothing about load."""
REFERENCE_SIZE = 512
"""Side of the square fp32 product between two runs on a CPU: about two milliseconds on two cores."""
_REASONS_OF_THROTTLING = {
    0x4: "power cap", 0x8: "hardware slowdown", 0x20: "thermal (software)", 0x40: "thermal (hardware)",
    0x80: "power brake",
}  # fmt: skip
"""NVML's clock event bits that slow a busy GPU (nvml.h, nvmlClocksEventReasons)."""


def resolve(device: str) -> str:
    """`auto`, `cuda` or `cpu` → `cuda` or `cpu`. Raises `MissingError` for a GPU that is not there."""
    if device not in ("auto", "cuda", "cpu"):
        raise InputError(f"device: {shorten(device)!r} is not one of auto, cuda, cpu")
    if device == "cuda" and not torch.cuda.is_available():
        raise MissingError(
            f"--device cuda: torch {torch.__version__} sees no CUDA GPU here; check the driver with nvidia-smi and "
            "that torch is a CUDA build, or measure the processor with --device cpu"
        )
    return "cuda" if device != "cpu" and torch.cuda.is_available() else "cpu"


def describe(kind: str) -> Device:
    """Name, memory and capability of the device."""
    if kind == "cuda":
        found = torch.cuda.get_device_properties(0)
        return Device(
            kind="cuda", name=found.name, memory_bytes=found.total_memory, capability=f"{found.major}.{found.minor}",
            multiprocessors=found.multi_processor_count,
        )  # fmt: skip
    return Device(
        kind="cpu", name=_processor_name(), memory_bytes=_memory_of_machine(),
        capability=torch.backends.cpu.get_cpu_capability(), multiprocessors=os.cpu_count(),
        threads=torch.get_num_threads(),
    )  # fmt: skip


def software(sensor: Sensor) -> Software:
    """Versions of everything that times depend on."""
    return Software(
        trainplan=planner.__version__, torch=torch.__version__, cuda=torch.version.cuda or "", driver=sensor.driver,
        python=platform.python_version(),
    )  # fmt: skip


def free_bytes(kind: str) -> float:
    """Memory that can be taken now: of the GPU, or of this machine within its container's limit."""
    if kind == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    return min(_memory_available(), _container_room())


def limit_cuda_memory(limit_bytes: float) -> None:
    """Let torch's allocator itself refuse more than the limit on the GPU."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit_bytes / total))


def choose_dtype(kind: str) -> str:
    """bf16 on a GPU that has units for it, else fp16; on a CPU fp32 unless bf16 is clearly faster there."""
    if kind == "cuda":
        return "bf16" if torch.cuda.get_device_capability()[0] >= 8 else "fp16"
    return "bf16" if matmul_rate("cpu", "bf16") > HALF_IS_WORTH_IT * matmul_rate("cpu", "fp32") else "fp32"


def matmul_rate(kind: str, dtype: str, size: int = 512, time_s: float = 0.1) -> float:
    """A first idea of FLOP/s: the fastest square product in a moment's time."""
    left = torch.randn(size, size, device=kind, dtype=torch.float32).to(DTYPES[dtype])
    fastest, end = float("inf"), time.perf_counter() + time_s
    while time.perf_counter() < end or fastest == float("inf"):
        start = time.perf_counter()
        torch.mm(left, left)
        synchronize(kind)
        fastest = min(fastest, time.perf_counter() - start)
    return 2.0 * size**3 / fastest


def synchronize(kind: str) -> None:
    """Wait for the device."""
    if kind == "cuda":
        torch.cuda.synchronize()


def release(kind: str) -> None:
    """Give freed memory back, so that the next shape is not refused for crumbs."""
    if kind == "cuda":
        torch.cuda.empty_cache()


def is_out_of_memory(error: BaseException) -> bool:
    """torch says it in several ways, the CPU's allocator in a plain RuntimeError."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    words = str(error).lower()
    signs = ("out of memory", "not enough memory", "can't allocate memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(sign in words for sign in signs)


class Sensor:
    """The device's state: of a GPU clocks, power and temperature through NVML, of a CPU how busy others keep it and
    how long one same small product takes between the runs.

    A virtual machine's cores slow down by half and more when its neighbours are busy, which no counter inside tells;
    the product does. Where something cannot be read (no NVML, no /proc) it is None.
    """

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._nvml: Any = None
        self._start: tuple[float, float] | None = None
        self._references_s: list[float] = []
        self.driver = ""
        with contextlib.suppress(Exception):  # no driver, no library, no permission: all mean "cannot be read"
            if kind == "cuda":
                self._open()

    def _open(self) -> None:
        import pynvml

        pynvml.nvmlInit()
        bus = torch.cuda.get_device_properties(0)
        address = f"{bus.pci_domain_id:08x}:{bus.pci_bus_id:02x}:{bus.pci_device_id:02x}.0"
        self._handle = pynvml.nvmlDeviceGetHandleByPciBusId(address)
        self.driver = str(pynvml.nvmlSystemGetDriverVersion())
        self._nvml = pynvml

    def start(self) -> None:
        """A row begins: what others take of the CPU is counted from here."""
        self._references_s = []
        self._start = (time.perf_counter(), _work_of_others_s()) if self._kind == "cpu" else None

    def read(self) -> Condition:
        """The state at this moment, on a CPU since `start`."""
        if self._start is not None:
            elapsed_s = time.perf_counter() - self._start[0]
            load = (_work_of_others_s() - self._start[1]) / elapsed_s / (os.cpu_count() or 1)
            is_known = elapsed_s >= SHORTEST_LOAD_S and math.isfinite(load)
            self._references_s.append(_reference_s())
            return Condition(
                other_load=max(0.0, round(load, 3)) if is_known else None,
                reference_s=float(f"{statistics.median(self._references_s):.4g}"),
            )
        if self._nvml is None:
            return Condition()
        nvml, handle = self._nvml, self._handle
        bits = self._ask(nvml.nvmlDeviceGetCurrentClocksThrottleReasons, handle) or 0
        return Condition(
            clock_hz=self._ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_SM, scale=1e6),
            memory_clock_hz=self._ask(nvml.nvmlDeviceGetClockInfo, handle, nvml.NVML_CLOCK_MEM, scale=1e6),
            power_w=self._ask(nvml.nvmlDeviceGetPowerUsage, handle, scale=1e-3),
            temperature_c=self._ask(nvml.nvmlDeviceGetTemperature, handle, nvml.NVML_TEMPERATURE_GPU),
            throttle_reasons=tuple(words for bit, words in _REASONS_OF_THROTTLING.items() if int(bits) & bit),
        )

    def is_throttled(self, condition: Condition) -> bool | None:
        """Slowed by heat or a brake, or a CPU by other programs. A power cap is a GPU's ordinary state at full load."""
        if condition.other_load is not None:
            return condition.other_load > DISTURBING_LOAD
        if self._nvml is None:
            return None
        return any(reason != "power cap" for reason in condition.throttle_reasons)

    def _ask(self, function: Any, *arguments: Any, scale: float = 1.0) -> float | None:
        try:
            return float(function(*arguments)) * scale
        except self._nvml.NVMLError:
            return None


@cache
def _reference_operands() -> tuple[Any, Any, Any]:
    left, right = (torch.randn(REFERENCE_SIZE, REFERENCE_SIZE) for _ in range(2))
    return left, right, torch.empty_like(left)


def _reference_s() -> float:
    left, right, product = _reference_operands()
    start = time.perf_counter()
    torch.mm(left, right, out=product)
    return time.perf_counter() - start


def _work_of_others_s() -> float:
    """CPU seconds since the machine's start that other processes (and the hypervisor) took; NaN where unknown."""
    try:
        user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9])
    except (OSError, ValueError):
        return math.nan
    mine = os.times()
    return (user + nice + system + sum(rest)) / os.sysconf("SC_CLK_TCK") - mine.user - mine.system


def _processor_name() -> str:
    with contextlib.suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine() or "CPU"


def _memory_of_machine() -> float:
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return float(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"))
    return _memory_of_windows("ullTotalPhys")


def _memory_available() -> float:
    with contextlib.suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return float(line.split()[1]) * 1024
    if sys.platform == "win32":
        return _memory_of_windows("ullAvailPhys")
    return 0.5 * _memory_of_machine()  # macOS: half of it, as nothing cheap says more


def _memory_of_windows(field: str) -> float:
    import ctypes

    names = ("ullTotalPhys", "ullAvailPhys", "ullTotalPageFile", "ullAvailPageFile", "ullTotalVirtual",
             "ullAvailVirtual", "ullAvailExtendedVirtual")  # fmt: skip

    class Status(ctypes.Structure):
        _fields_ = [("dwLength", ctypes.c_ulong), ("dwMemoryLoad", ctypes.c_ulong)]
        _fields_ += [(name, ctypes.c_ulonglong) for name in names]

    status = Status(dwLength=ctypes.sizeof(Status))
    ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status))  # type: ignore[attr-defined, unused-ignore]
    return float(getattr(status, field))


def _container_room() -> float:
    """What the control group leaves, version 2 and then 1; infinite without a limit."""
    for folder, limit, used in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError):
            return float(Path(folder, limit).read_text()) - float(Path(folder, used).read_text())
    return float("inf")
