"""Models small enough to be measured in a moment."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from planner.plan.model import Model
from planner.profiling import demand, design, operations, points, timer


@pytest.fixture(scope="session")
def tiny() -> Model:
    """A Llama in miniature: rotary, RMSNorm, SwiGLU, grouped heads."""
    return Model(
        name="tiny", layers=2, hidden=64, heads=4, kv_heads=2, head_dim=16, ffn=96, vocabulary=160, max_sequence=512
    )


@pytest.fixture(scope="module")
def small() -> Iterator[None]:
    """Three runs of few and short shapes: the tests are about what is written, not how quiet it is."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(timer.PATIENCE, "cpu", timer.Patience(spread=0.05, warm_up=1, least=3, most=3))
        patch.setitem(demand.MATMUL_SIZE, "cpu", 128)
        patch.setitem(demand.COPY_BYTES, "cpu", 2**20)
        patch.setattr(demand, "LAUNCHES", 10)
        patch.setattr(operations, "COMPILER", "aot_eager")  # the same road through torch.compile, no C++ at its end
        patch.setitem(design.COMPILE_S, "cpu", 1.0)
        patch.setitem(points._LAYER_SHAPES, ("quick", "cpu"), ((1, 32), (1, 128), (2, 64)))
        patch.setitem(points._LAYER_SHAPES, ("full", "cpu"), ((1, 32), (1, 64)))
        patch.setitem(points._GRID, "cpu", ((1, 2), (32, 64), 64))
        patch.setitem(points._FEW, "cpu", ((1, 32),))
        yield
