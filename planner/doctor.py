"""What this installation has, what it lacks, and the command that mends it."""

from __future__ import annotations

import importlib.util
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from planner import __version__, library
from planner.errors import TORCH_COMMAND

Row = tuple[str, str, str]

_NEEDED = {
    "numpy": "numpy", "pydantic": "pydantic", "scipy": "scipy", "matplotlib": "matplotlib", "pandas": "pandas",
    "platformdirs": "platformdirs", "quantiphy": "quantiphy", "PySide6-Essentials": "PySide6",
}  # fmt: skip


def report() -> tuple[list[Row], bool]:
    """(rows of what, found, mend with; whether everything that planning needs is there). Measuring needs more."""
    rows: list[Row] = [
        ("trainplan", __version__, ""),
        ("python", platform.python_version(), "" if sys.version_info >= (3, 11) else "install Python 3.11 or newer"),
        ("system", f"{platform.system()} {platform.release()} {platform.machine()}, {os.cpu_count()} cores", ""),
    ]
    packages = [_package(name, module) for name, module in _NEEDED.items()]
    rows += packages
    rows.append(_torch())
    rows.append(_gpu())
    rows.append(_screen())
    rows.append(_folder())
    shipped = ", ".join(f"{len(library.paths(kind))} {kind}" for kind in ("accelerators", "models", "plans"))
    rows.append(("profiles", shipped, ""))
    rows += _measured()
    return rows, all(not row[2] for row in [*rows[:3], *packages])


def _measured() -> list[Row]:
    from planner.timing import selection

    found = selection.overview()
    if not found:
        return [("measured profiles", "none", "trainplan profile")]
    return [
        ("measured profile", f"{name}: {told}" if readable else told, "" if readable else "measure again, or remove it")
        for name, told, readable in found
    ]


def _package(name: str, module: str) -> Row:
    try:
        found = version(name)
    except PackageNotFoundError:
        found = ""
    if found and importlib.util.find_spec(module):
        return name, found, ""
    return name, "missing", f"pip install {name}"


def _torch() -> Row:
    try:
        return "torch (to measure)", version("torch"), ""
    except PackageNotFoundError:
        return "torch (to measure)", "missing; planning works without it", TORCH_COMMAND


def _gpu() -> Row:
    try:
        import pynvml

        pynvml.nvmlInit()
        names = [
            pynvml.nvmlDeviceGetName(pynvml.nvmlDeviceGetHandleByIndex(i)) for i in range(pynvml.nvmlDeviceGetCount())
        ]
        driver = pynvml.nvmlSystemGetDriverVersion()
        pynvml.nvmlShutdown()
    except Exception:  # NVML raises its own kinds, one a platform; any of them means no usable NVIDIA GPU
        return "NVIDIA GPU", "none found", "profile on the CPU, or plan with the shipped constants"
    return "NVIDIA GPU", f"{', '.join(map(str, names))}; driver {driver}", ""


def _screen() -> Row:
    if sys.platform.startswith("linux") and not any(
        os.environ.get(k) for k in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    ):
        return "screen", "none", "set DISPLAY, or use the command line"
    return (
        "screen",
        os.environ.get("QT_QPA_PLATFORM") or os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY", "yes"),
        "",
    )


def _folder() -> Row:
    folder = library.user_folder()
    nearest = next((p for p in (folder, *folder.parents) if p.exists()), Path("/"))
    writable = os.access(nearest, os.W_OK)
    return "your folder", str(folder), "" if writable else f"make {nearest} writable, or set TRAINPLAN_HOME"
