"""How measured operations look in every chart: a name, a colour and a shape each, hollow where the row is noisy."""

from __future__ import annotations

from matplotlib.lines import Line2D

from planner.charts.style import Theme

NAMES = {
    "layer": "layer", "attention": "attention", "attention_core": "attention core", "feed_forward": "feed-forward",
    "head_loss": "head + loss", "embedding": "embedding", "optimizer": "optimizer", "matmul_peak": "matrix product",
    "copy_peak": "copy", "launch": "launch",
}  # fmt: skip
"""In the order of legends. An operation that is not among them goes by its own word."""
_PARTS = {"layer": 0, "attention": 1, "attention_core": 4, "feed_forward": 2, "head_loss": 3, "embedding": 6}
_OTHER = 7
_RATES = ((1e15, "PFLOP/s"), (1e12, "TFLOP/s"), (1e9, "GFLOP/s"), (1e6, "MFLOP/s"))
SHAPES = {"forward": "^", "backward": "v", "step": "s", "forward+backward": "o"}
"""Of a direction. Both together are a circle."""


def name(operation: str) -> str:
    """As the reader knows it."""
    return NAMES.get(operation, operation.replace("_", " "))


def colour(operation: str, theme: Theme) -> str:
    """The same in every chart."""
    return theme.parts[_PARTS.get(operation, _OTHER)]


def order(operation: str) -> int:
    """Place in a legend or table."""
    known = list(NAMES)
    return known.index(operation) if operation in known else len(known)


def direction_handle(direction: str, theme: Theme) -> Line2D:
    """A legend's line for the mark of a direction."""
    return Line2D(
        [], [], linestyle="none", marker=SHAPES[direction], color=theme.muted, markersize=5.5, label=direction
    )


def noisy_handle(theme: Theme) -> Line2D:
    """A legend's line for what hollow means."""
    return Line2D(
        [], [], linestyle="none", marker="o", color=theme.muted, markerfacecolor=theme.background, markersize=5.0,
        label="noisy",
    )  # fmt: skip


def rate_unit(largest_flops_per_s: float) -> tuple[float, str]:
    """(FLOP/s in one of the unit, its name) for an axis whose ticks are then short numbers."""
    return next((pair for pair in _RATES if largest_flops_per_s >= pair[0]), (1.0, "FLOP/s"))
