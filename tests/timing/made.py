"""A profile whose rows follow the kernel classes' own formula."""

from __future__ import annotations

from typing import Any

from planner.plan.model import Model
from planner.timing import profile as profiles
from planner.timing.profile import Device, Profile, Row

MODEL = Model(name="m", layers=1, hidden=8, heads=1, kv_heads=1, head_dim=8, ffn=8, vocabulary=8, max_sequence=8)
RATE, HALF = 2e11, 60.0
CORE_RATE, CORE_HALF = 5e10, 200.0


def row(operation: str, direction: str, tokens: int, median_s: float, **changes: Any) -> Row:
    quartiles = {"lower_quartile_s": 0.99 * median_s, "upper_quartile_s": 1.01 * median_s}
    return Row(
        operation=operation, direction=direction, dtype="fp32", batch=1, sequence=tokens, median_s=median_s, n=9,
        **{**quartiles, **changes},
    )  # type: ignore[arg-type] # fmt: skip


def made_rows() -> list[Row]:
    """Rows of blocks that follow the classes' own formula: 1e9 FLOPs a token, a core of 1e6 FLOPs a token squared."""
    rows = []
    for tokens in (128, 256, 512):
        block_s = 1e9 * tokens / RATE * (1 + HALF / tokens)
        core_s = 1e6 * tokens**2 / CORE_RATE * (1 + CORE_HALF / tokens)
        rows += [
            row("attention_core", "forward", tokens, core_s, flops=1e6 * tokens**2),
            row("attention", "forward", tokens, block_s + core_s, flops=1e9 * tokens + 1e6 * tokens**2),
            row("feed_forward", "forward", tokens, block_s, flops=1e9 * tokens),
            row("layer", "forward", tokens, 2 * block_s + core_s, flops=2e9 * tokens + 1e6 * tokens**2),
        ]
    return [*rows, row("copy_peak", "forward", 1, 0.1, bytes=2e9), row("optimizer", "step", 1, 0.1, bytes=1e9)]


def made(**changes: Any) -> Profile:
    rows = tuple(changes.pop("rows", made_rows()))
    device = Device(kind="cpu", name="A CPU", memory_bytes=2**34)
    parts = {"created": "2026-01-01T00:00:00+00:00", "suite": "quick", "dtype": "fp32", "name": "made"}
    return Profile(device=device, model=MODEL, rows=rows, summary=profiles.summarize(rows), **{**parts, **changes})
