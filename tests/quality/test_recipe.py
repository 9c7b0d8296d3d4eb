"""Advice for the recipe: the figures that the papers print, and that it speaks up only where it should."""

import math

import pytest

from planner.estimate import estimate
from planner.plan import file
from planner.quality import losses
from planner.quality.laws import law
from planner.quality.recipe import hints, without_embeddings


def advice(name: str, **changes: object) -> dict[str, object]:
    plan = file.with_settings(file.load(name), [(key.replace("__", "."), value) for key, value in changes.items()])
    return {hint.about: hint for hint in hints(estimate(plan))}


def test_kaplans_critical_batches_come_back() -> None:
    """Kaplan 2020: 1.07M tokens at a loss of 3, 2.55M at 2.5."""
    p = law("mccandlish-2018").parameters
    assert losses.critical_batch_tokens(3.0, p["B_star"], p["alpha_B"]) == pytest.approx(1.07e6, rel=0.01)
    assert losses.critical_batch_tokens(2.5, p["B_star"], p["alpha_B"]) == pytest.approx(2.55e6, rel=0.01)


def test_embeddings_are_left_out_as_step_law_counts() -> None:
    """4·h²·L + 3·h·f·L of Llama 2 7B, and its norms."""
    h, f, layers = 4096, 11008, 32
    assert without_embeddings(file.load("llama-2-7b").model) == 4 * h * h * layers + 3 * h * f * layers + h * (
        2 * layers + 1
    )
    h, layers = 768, 12  # tied, with learned positions: they stay
    lean = without_embeddings(file.load("gpt2").model)
    assert lean == pytest.approx(12 * h * h * layers + 1024 * h, rel=0.002)


def test_a_batch_far_from_the_critical_one_is_worth_a_word() -> None:
    usual = advice("llama-2-7b")["Critical batch"]
    assert not usual.is_notable and "2.5× the fewest steps, 1.7× the fewest tokens" in usual.words
    huge = advice("llama-2-7b", recipe__global_batch=16 * 1024)["Critical batch"]
    assert huge.is_notable and "smaller one would save compute" in huge.words
    tiny = advice("llama-2-7b", recipe__global_batch=128)["Critical batch"]
    assert tiny.is_notable and "larger one would save time" in tiny.words
    assert "1812.06162" in str(tiny)


def test_fewer_bits_are_worth_fewer_parameters() -> None:
    """Kumar 2024, by hand for 8-bit weights and activations: (1 − e^(−8/2.6745))·(1 − e^(−8/2.2102)) = 0.924."""
    share = (1 - math.exp(-8 / 2.6745)) * (1 - math.exp(-8 / 2.2102))
    half = (1 - math.exp(-16 / 2.6745)) * (1 - math.exp(-16 / 2.2102))
    hint = advice("llama-2-7b", recipe__precision="fp8", cluster__accelerator="H100-80GB-SXM")["Number format"]
    assert f"{100 * share / half:.1f}\N{NO-BREAK SPACE}%" in hint.words
    assert "recalled" in hint.source and "extrapolated" in hint.words
    assert "100.0\N{NO-BREAK SPACE}%" in advice("llama-2-7b")["Number format"].words


def test_rounding_after_training_costs_more_the_more_tokens_were_seen() -> None:
    few, many = (
        advice("llama-2-7b", lifetime__precision="fp8", recipe__tokens=tokens)["Serving format"].words
        for tokens in (2e11, 2e13)
    )
    assert float(few.split("to 4 bits ")[1].split(")")[0]) < float(many.split("to 4 bits ")[1].split(")")[0])


def test_a_batch_that_is_advised_fits_the_layout_and_tells_how_it_was_computed() -> None:
    plan = file.load("llama-2-7b")
    found = {one.about: one for one in hints(estimate(plan))}
    for about in ("Critical batch", "Batch by the data"):
        batch, figure = found[about].changes["recipe.global_batch"], found[about].figure
        assert batch % (plan.dp * plan.layout.micro_batch) == 0
        assert batch * plan.recipe.sequence_length == pytest.approx(figure.value, rel=0.05)
        assert figure.node.recombined() == figure.value and figure.node.children
        followed = file.with_settings(plan, list(found[about].changes.items()))
        assert about not in {one.about for one in hints(estimate(followed)) if one.changes}
    assert found["Learning rate"].figure.node.children and not found["Learning rate"].changes
