"""Energy of a stretch of work from the device's own counter: NVML's on a GPU, RAPL's of an Intel or AMD processor.

Where no counter can be read the energy is unknown and the reason is told; it is never made from a power limit here.
"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from planner.profiling import devices

RAPL = Path("/sys/class/powercap")
"""The kernel's counters of a processor package's energy; codecarbon reads the same ones."""


class Meter:
    """`start()`, then `joules()`: energy since, None where it cannot be measured (`why_not` says why)."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self.source, self.why_not = "", ""
        self._counters: list[tuple[Any, float]] = []
        self._sensor = devices.Sensor(kind) if kind == "cuda" else None
        if kind == "cuda":
            self._open_nvml()
        else:
            self._open_rapl()
        self._begin: list[float] = []

    def start(self) -> None:
        """Energy is counted from here."""
        self._begin = self._read()

    def joules(self) -> float | None:
        """Energy since `start`, of all packages together."""
        now = self._read()
        if not now or len(now) != len(self._begin):
            return None
        spent = 0.0
        for before, after, (_, wraps_at) in zip(self._begin, now, self._counters, strict=True):
            spent += after - before if after >= before else after - before + wraps_at
        return spent

    def _open_nvml(self) -> None:
        assert self._sensor is not None
        if self._sensor.energy_joules() is None:
            self.why_not = "NVML tells no energy of this GPU (none before Volta; or the driver's library is missing)"
            return
        self.source = "NVML"
        self._counters = [(self._sensor.energy_joules, 0.0)]

    def _open_rapl(self) -> None:
        for package in sorted(RAPL.glob("*-rapl:?")):
            with contextlib.suppress(OSError, ValueError):
                wraps_at = float((package / "max_energy_range_uj").read_text()) * 1e-6
                float((package / "energy_uj").read_text())
                self._counters.append((package / "energy_uj", wraps_at))
        self.source = "RAPL" if self._counters else ""
        if not self._counters:
            self.why_not = f"not measurable here: no readable energy counter under {RAPL} (a virtual machine has none)"

    def _read(self) -> list[float]:
        found = []
        for counter, _ in self._counters:
            try:
                value = counter() if callable(counter) else float(counter.read_text()) * 1e-6
            except (OSError, ValueError):
                return []
            if value is None:
                return []
            found.append(float(value))
        return found
