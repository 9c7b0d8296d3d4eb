"""The most memory that work takes: known blocks, and a whole training step against PyTorch's own tracker."""

from __future__ import annotations

import pytest
import torch
from torch.distributed._tools.mem_tracker import MemTracker

from planner.plan.model import Model
from planner.profiling.allocator import Recorder
from planner.profiling.decoder import Decoder

MIB = 2**20


def test_the_peak_is_that_of_the_blocks_alive_at_once() -> None:
    with Recorder("cpu") as record:
        kept = torch.ones(4 * MIB, dtype=torch.uint8)
        torch.ones(16 * MIB, dtype=torch.uint8)  # gone at once
        also = torch.ones(8 * MIB, dtype=torch.uint8)
    assert kept.numel() + also.numel() == 12 * MIB
    assert record.peak.allocated_bytes == pytest.approx(20 * MIB, rel=1e-3)


def test_a_training_steps_peak_is_what_torchs_tracker_sees(tiny: Model) -> None:
    """The tracker sees tensors, the allocator's record blocks: they agree where tensors are most of it."""
    wide = tiny.model_copy(update={"hidden": 128, "layers": 4, "vocabulary": 2000})
    tokens = torch.zeros(2, 128, dtype=torch.long)

    def step(decoder: Decoder, optimizer: torch.optim.Optimizer) -> None:
        decoder(tokens, tokens).backward()
        optimizer.step()
        optimizer.zero_grad()

    with Recorder("cpu") as record:
        decoder = Decoder(wide)
        optimizer = torch.optim.AdamW(decoder.parameters(), fused=True)
        step(decoder, optimizer)
        step(decoder, optimizer)
    tracker = MemTracker()
    tracker.track_external(decoder, optimizer)
    with tracker:
        step(decoder, optimizer)
    (snapshot,) = tracker.get_tracker_snapshot("peak").values()
    assert record.peak.allocated_bytes == pytest.approx(snapshot["Total"], rel=0.03)
