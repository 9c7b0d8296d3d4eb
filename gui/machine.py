"""Which devices this computer has, asked without torch: a sentence for the Profile page."""

from __future__ import annotations

import os
import platform
from functools import cache
from pathlib import Path

from planner import units


@cache
def gpus() -> list[str]:
    """Names and memory of the NVIDIA GPUs; empty where there is none, or no driver."""
    try:
        import pynvml

        pynvml.nvmlInit()
    except Exception:
        return []
    try:
        return [_describe(pynvml, index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError:
        return []
    finally:
        pynvml.nvmlShutdown()


def _describe(nvml: object, index: int) -> str:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    name = nvml.nvmlDeviceGetName(handle)
    memory = nvml.nvmlDeviceGetMemoryInfo(handle).total
    return f"{name if isinstance(name, str) else name.decode()}, {units.show(memory, 'B')}"


@cache
def processor() -> str:
    """The processor's name and its cores."""
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass
    return f"{name}, {os.cpu_count()} cores"
