"""Sizes and budgets of the rungs."""

from __future__ import annotations

import itertools

import pytest
import torch

from planner.errors import InputError, UnknownNameError
from planner.profiling.decoder import Decoder
from planner.profiling.decoder import parameters as real_parameters
from planner.quality.ladder import rungs


@pytest.mark.parametrize("name", rungs.SIZES)
def test_n_is_the_real_decoders_count_of_all_parameters(name: str) -> None:
    for width, layers in rungs.size(name).shapes:
        model = rungs.decoder(width, layers, 1000)
        with torch.device("meta"):
            assert real_parameters(Decoder(model)) == rungs.Rung(model, ()).parameters


def test_budgets_grow_with_size_and_the_first_rungs_have_multiples_of_theirs() -> None:
    size = rungs.size("useful")
    found, note = rungs.rungs(size.shapes, size.tokens, 256, 10**9)
    assert not note and [len(rung.budgets) for rung in found] == [3, 2, 1, 1, 1, 1]
    assert found[-1].budgets[0].tokens == pytest.approx(size.tokens, rel=0.01)
    for below, above in itertools.pairwise(found):
        grown = above.budgets[0].tokens / below.budgets[0].tokens
        assert 1 < grown < above.parameters / below.parameters
    for rung in found:
        multiples = [one.tokens / rung.budgets[0].tokens for one in rung.budgets]
        assert multiples == pytest.approx([1, 2, 4][: len(rung.budgets)], rel=0.02)


@pytest.mark.parametrize("name", rungs.SIZES)
def test_only_the_width_tells_the_rungs_of_a_shipped_ladder_apart(name: str) -> None:
    models = [rungs.decoder(width, layers, 256) for width, layers in rungs.size(name).shapes]
    assert len({model.layers for model in models}) == 1
    assert all(model.heads * model.head_dim == model.hidden for model in models)
    ratios = [model.ffn / model.hidden for model in models]
    assert max(ratios) / min(ratios) <= 1.1


def test_no_token_is_used_twice() -> None:
    size = rungs.size("useful")
    found, note = rungs.rungs(size.shapes, size.tokens, 256, 1_000_000)
    assert "one pass" in note
    assert max(one.tokens for rung in found for one in rung.budgets) <= 1_000_000


def test_what_is_no_ladder_is_refused() -> None:
    with pytest.raises(InputError, match="5 rungs"):
        rungs.rungs(((32, 2), (48, 2), (64, 2)), 1e6, 256, 10**9)
    with pytest.raises(InputError, match="larger than the one before"):
        rungs.rungs(((64, 2), (48, 2), (40, 2), (32, 2), (24, 2)), 1e6, 256, 10**9)
    with pytest.raises(InputError, match="steps"):
        rungs.rungs(rungs.size("useful").shapes, 1e6, 256, 20_000)
    with pytest.raises(UnknownNameError, match="useful"):
        rungs.size("usefull")
