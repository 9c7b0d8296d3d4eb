"""What a ladder leaves behind."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from planner.errors import InputError
from planner.quality import frontier, laws, losses
from planner.quality.ladder import result
from planner.quality.ladder.corpus import corpus
from planner.quality.ladder.text import Text

CORPUS = corpus(Text("mine", "to be or not to be\n" * 8_000, "typed"), "byte", None, 128)


def rows(E: float) -> list[result.Trained]:
    made = []
    for size, ratio in itertools.product((3e4, 6e4, 1.2e5, 2.4e5, 4.8e5), (5, 20, 80)):
        loss = float(losses.chinchilla_loss(size, size * ratio, E, 60.0, 300.0, 0.4, 0.45))
        made.append(
            result.Trained(
                purpose="point", width=32, layers=2, parameters=int(size), non_embedding_parameters=int(size / 2),
                steps=100, batch_tokens=128, tokens=int(size * ratio), learning_rate=0.01, seed=0, loss=loss,
                seconds=1.0,
            )
        )  # fmt: skip
    return made


def test_an_identified_law_is_kept_with_its_provenance_and_serves_the_frontier(user_folder: Path) -> None:
    found = result.fitted(rows(0.9))
    assert tuple(found.parameters) == pytest.approx((0.9, 60.0, 300.0, 0.4, 0.45), rel=1e-2)
    result.save_law(found, "ladder-mine", CORPUS, "some CPU", 128)
    law = laws.law("ladder-mine")
    assert CORPUS.text.sha256[:16] in law.source and "some CPU" in law.source
    assert law.tokenizer == "byte, 256" and law.context_length == 128 and law.counts == "total" and law.as_of
    best = frontier.frontier(1e14, law=law).optimum
    assert best.loss is not None and best.loss > 0.9


def test_points_without_an_irreducible_loss_give_no_law() -> None:
    with pytest.raises(InputError, match="no irreducible loss"):
        result.fitted(rows(1e-9))


def test_luck_is_the_spread_between_seeds_of_the_same_run() -> None:
    one = rows(0.9)[0]
    again = [
        one.model_copy(update={"seed": seed, "loss": one.loss * factor}) for seed, factor in ((1, 1.02), (2, 0.98))
    ]
    assert result.seed_noise([one, *again]) == pytest.approx(0.02, rel=0.01)
    assert result.seed_noise([one]) == 0.0
