"""Training in a test uses one thread."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="package")
def one_thread() -> None:
    """Threads that wait for each other on a busy machine turn a test of milliseconds into one of seconds."""
    torch.set_num_threads(1)
