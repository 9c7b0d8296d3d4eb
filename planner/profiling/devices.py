"""The device under measurement: which one, what it is, how much memory it has left, how hot it runs."""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib.util
import math
import os
import platform
import shutil
import statistics
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any

import torch

import planner
from planner.errors import InputError, MissingError, shorten
from planner.profiling.points import Offers
from planner.timing.profile import Condition, Device, Software
from planner.timing.selection import data_sheet

DTYPES = {
    "fp32": torch.float32, "tf32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "fp8": torch.bfloat16,
}  # fmt: skip
"""Of weights and activations. tf32 is a way to multiply fp32 (`use_tf32`), fp8 that of the products' operands."""
LEAST_CAPABILITY = {"fp32": (0, 0), "fp16": (5, 3), "tf32": (8, 0), "bf16": (8, 0), "fp8": (8, 9)}
"""CUDA compute capability from which a GPU multiplies in a dtype (CUDA C++ Programming Guide, compute capabilities)."""
HALF_IS_WORTH_IT = 1.5
"""A CPU is measured in bf16 when that multiplies this much faster than fp32: when it has units for it."""
HAS_UNITS = 0.5
"""A CPU that multiplies a dtype at less than this share of its fastest only emulates it."""
REACHED_SHARE = {"cpu": 0.9, "cuda": 0.5}
"""Of a bare matrix product's speed (CPU) or the data sheet's peak (GPU), what a whole layer is expected to reach before
any was measured."""
MEMORY_SHARE, ROUGH_BANDWIDTH_BYTES_PER_S = 0.8, {"cpu": 8e9, "cuda": 1e12}
"""Of the data sheet's bandwidth what is expected to be reached; of a device without a sheet, a modest guess."""
FLUSHES = 2
"""How many times the last-level cache is overwritten to flush it, by its size."""
ROUGH_CACHE_BYTES = 2**26
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


_KEEP_ALL = {-8: 1, -4: 0, -1: -1, -2: 2**26}
"""glibc's M_ARENA_MAX, M_MMAP_MAX, M_TRIM_THRESHOLD (−1: never) and M_TOP_PAD in bytes."""


def torch_version() -> str:
    """PyTorch's own."""
    return str(torch.__version__)


def software(sensor: Sensor) -> Software:
    """Versions of everything that times depend on."""
    return Software(
        trainplan=planner.__version__, torch=torch.__version__, cuda=torch.version.cuda or "", driver=sensor.driver,
        python=platform.python_version(), keeps_memory=sensor.kind == "cpu" and keep_freed_memory(),
    )  # fmt: skip


@cache
def keep_freed_memory() -> bool:
    """Let this process's C library keep freed memory, as a GPU's caching allocator does; whether it will.

    Else a CPU maps every large tensor anew, page by page, which in a virtual machine takes up to half of a step and
    varies with what its host does. Only glibc can be told so (mallopt(3)): one arena, no blocks of their own, no trim.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return all(mallopt(option, value) == 1 for option, value in _KEEP_ALL.items())


def free_bytes(kind: str) -> float:
    """Memory that can be taken now: of the GPU, or of this machine within its container's limit."""
    if kind == "cuda":
        return float(torch.cuda.mem_get_info()[0])
    return min(_memory_available(), _container_room())


def limit_cuda_memory(limit_bytes: float) -> None:
    """Let torch's allocator itself refuse more than the limit on the GPU."""
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction(min(1.0, limit_bytes / total))


def rates(device: Device) -> dict[str, float]:
    """FLOP/s that a layer is expected to reach before any was measured, by the dtypes that the device has.

    Of a GPU whose data sheet is known by that, else by a moment's bare matrix products.
    """
    if device.kind == "cpu":
        found = {dtype: matmul_rate("cpu", dtype) for dtype in ("fp32", "bf16", "fp16")}
        slowest = HAS_UNITS * max(found.values())
        return {dtype: REACHED_SHARE["cpu"] * rate for dtype, rate in found.items() if rate >= slowest}
    capability = tuple(map(int, device.capability.split(".")))
    offered = [dtype for dtype, least in LEAST_CAPABILITY.items() if capability >= least]
    sheet = data_sheet(device)
    peaks = {dtype: sheet.peak(dtype) if sheet else None for dtype in offered}
    half = "bf16" if "bf16" in offered else "fp16"
    return {dtype: REACHED_SHARE["cuda"] * (peak or _probed(dtype, half)) for dtype, peak in peaks.items()}


def _probed(dtype: str, half: str) -> float:
    """FLOP/s of a bare product; of fp8, which `torch.mm` does not take, of the half precision."""
    use_tf32(dtype == "tf32")
    return matmul_rate("cuda", half if dtype == "fp8" else dtype, 4096)


def choose_dtype(kind: str, rates: dict[str, float]) -> str:
    """bf16 on a GPU that has units for it, else fp16; on a CPU fp32 unless bf16 is clearly faster there."""
    if kind == "cuda":
        return "bf16" if "bf16" in rates else "fp16"
    return "bf16" if rates.get("bf16", 0.0) > HALF_IS_WORTH_IT * rates.get("fp32", 0.0) else "fp32"


def bandwidth_bytes_per_s(device: Device) -> float:
    """Of its memory, by the data sheet where there is one."""
    sheet = data_sheet(device) if device.kind == "cuda" else None
    return MEMORY_SHARE * sheet.memory_bandwidth_bytes_per_s if sheet else ROUGH_BANDWIDTH_BYTES_PER_S[device.kind]


def offers(kind: str, dtypes: list[str]) -> Offers:
    """What can be measured beside the plain way: `dtypes`, and what torch has kernels, optimizers, a compiler for."""
    optimizers = ["foreach", "for-loop"]
    if importlib.util.find_spec("bitsandbytes"):
        optimizers.append("8-bit")
    if kind == "cuda":
        compiler = importlib.util.find_spec("triton") is not None
        return Offers(tuple(dtypes), ("flash", "efficient", "cudnn", "math"), tuple(optimizers), compiler)
    compiler = any(map(shutil.which, (os.environ.get("CXX") or "g++", "clang++", "cl")))
    return Offers(tuple(dtypes), ("flash", "math"), tuple(optimizers), compiler)


def use_tf32(on: bool) -> None:
    """Whether a GPU multiplies fp32 in tf32 from here on. (A CPU takes no notice: it has no such units.)"""
    if torch.cuda.is_available():
        torch.set_float32_matmul_precision("high" if on else "highest")


def flush_bytes(kind: str) -> int:
    """Bytes to overwrite so that nothing else is left in the last-level cache."""
    if kind == "cuda":
        size = getattr(torch.cuda.get_device_properties(0), "L2_cache_size", 0) or ROUGH_CACHE_BYTES
        return FLUSHES * int(size)
    with contextlib.suppress(OSError, ValueError):
        text = Path("/sys/devices/system/cpu/cpu0/cache/index3/size").read_text().strip()  # such as 32768K
        return FLUSHES * int(text.removesuffix("K")) * 1024
    return FLUSHES * ROUGH_CACHE_BYTES


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
    gc.collect(2 if kind == "cuda" else 1)  # what a failed call left in a circle is young
    if kind == "cuda":
        torch.cuda.empty_cache()


def answers(kind: str) -> bool:
    """Whether the device still computes. After a fault of its own a GPU refuses everything until the process ends."""
    try:
        torch.ones(1, device=kind).add_(1.0)
        synchronize(kind)
    except Exception as error:
        return is_out_of_memory(error)
    return True


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
        self.kind = kind
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
        self.driver = str(pynvml.nvmlSystemGetDriverVersion())
        found = torch.cuda.get_device_properties(0)
        try:
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{found.uuid}")
        except pynvml.NVMLError:
            address = f"{found.pci_domain_id:08x}:{found.pci_bus_id:02x}:{found.pci_device_id:02x}.0"
            self._handle = pynvml.nvmlDeviceGetHandleByPciBusId(address)
        self._nvml = pynvml

    def start(self) -> None:
        """A row begins: what others take of the CPU is counted from here."""
        self._references_s = []
        self._start = (time.perf_counter(), _work_of_others_s()) if self.kind == "cpu" else None

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

    def energy_joules(self) -> float | None:
        """Energy since the driver was loaded, by the GPU's own counter; None where it has none."""
        if self._nvml is None:
            return None
        return self._ask(self._nvml.nvmlDeviceGetTotalEnergyConsumption, self._handle, scale=1e-3)

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
    """Of the second of two: the first one brings the operands back into the cache."""
    left, right, product = _reference_operands()
    torch.mm(left, right, out=product)
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
