"""The charts of an estimate as picture files."""

from __future__ import annotations

from pathlib import Path

from planner.estimate import Estimate


def write_charts(estimate: Estimate, folder: Path) -> list[Path]:
    """Draw memory, step time and size against perplexity as PNG into an existing folder; returns the files."""
    raise NotImplementedError
