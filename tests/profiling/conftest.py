"""Models small enough to be measured in a moment."""

from __future__ import annotations

import pytest
import torch

from planner.plan.model import Model


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    """Threads that wait for each other on a busy machine turn a test of milliseconds into one of seconds."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny() -> Model:
    """A Llama in miniature: rotary, RMSNorm, SwiGLU, grouped heads."""
    return Model(
        name="tiny", layers=2, hidden=64, heads=4, kv_heads=2, head_dim=16, ffn=96, vocabulary=160, max_sequence=512
    )
