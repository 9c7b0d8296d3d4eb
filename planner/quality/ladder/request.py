"""What a ladder is asked to train. (No torch here: a request is made before it is known to be installed.)"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from planner.quality.ladder.corpus import Corpus


@dataclass(frozen=True)
class Request:
    """A text, the rungs (width, layers) from the smallest, and the tokens of the last one."""

    corpus: Corpus
    shapes: tuple[tuple[int, int], ...]
    tokens: int
    out: Path
    name: str
    """Of the law, where the points identify one."""
    device: str = "auto"
    seed: int = 0
    learning_rate: float | None = None
    """That of the smallest rung; None: it is searched for."""
