"""Post-training: a stage worked by hand, ranges, and Llama 2's account against the public reading of its paper."""

from __future__ import annotations

import numpy as np
import pytest

from planner.costing.post_training import Compute, account, drawn, draws, interval, pretraining_hours
from planner.plan import file
from planner.plan.post_training import PostTraining, Ranged

PAPER_HOURS = 1_720_320
"""Llama 2 70B, arXiv 2307.09288, table 2."""


def compute(hours: float = 0.0) -> Compute:
    return Compute(
        parameters=70e9, flops_per_s_per_gpu=140e12, gpu_s_per_input_token=1e-3, gpu_s_per_output_token=4e-3,
        usd_per_gpu_hour=2.0, pretraining_gpu_hours=pretraining_hours(hours),
    )  # fmt: skip


def one_stage(**stage: object) -> PostTraining:
    return PostTraining.model_validate(
        {"stages": [{"name": "s", "kind": "supervised", **stage}], "generation_gpu_share": 1}
    )


def test_a_stage_by_hand() -> None:
    post = one_stage(
        rounds=2, written_answers=100, comparisons=1000, expert_hours=10, trained_sequences=1000,
        sequence_tokens=1000, epochs=2, generated_answers=3600, prompt_tokens=1000, answer_tokens=250,
        safety_share=0.25,
    )  # fmt: skip
    found = account(post, compute())
    (stage,) = found.stages
    sampled = 3600 * (1000 * 1e-3 + 250 * 4e-3) / 3600
    trained = 6 * 70e9 * 1000 * 1000 * 2 / 140e12 / 3600
    assert stage.gpu_hours == pytest.approx(2 * (sampled + trained))
    assert stage.people_usd == pytest.approx(2 * (100 * 25 + 1000 * 5 + 10 * 50))
    assert stage.people_hours == pytest.approx(2 * (100 / 3 + 1000 / 10 + 10))
    assert found.weeks == pytest.approx(stage.people_hours / (100 * 35))
    assert found.safety_usd == pytest.approx(0.25 * stage.usd)


def test_ppo_trains_two_models_and_scores_with_four() -> None:
    plain = {
        "generated_answers": 1000,
        "prompt_tokens": 500,
        "answer_tokens": 500,
        "trained_sequences": 1000,
        "sequence_tokens": 1000,
    }
    supervised = account(one_stage(**plain), compute()).stages[0].gpu_hours
    ppo = account(one_stage(**plain, kind="ppo"), compute()).stages[0].gpu_hours
    assert ppo - supervised == pytest.approx((6 + 4 * 2) * 70e9 * 1e6 / 140e12 / 3600)


def test_draws_have_the_range_as_their_80_percent_interval() -> None:
    figure = Ranged(value=5, low=2, high=10)
    found = draws(figure, np.random.default_rng(0).standard_normal(100_000))
    assert np.quantile(found, [0.1, 0.5, 0.9]) == pytest.approx([2, 5, 10], rel=0.02)
    assert np.all(draws(Ranged(value=1, low=0, high=3), np.linspace(-4, 4, 99)) >= 0)


def test_llama_2_is_more_than_20_million_dollars_at_4_dollars_and_5_million_hours() -> None:
    """networkofthings.com, 2023-07: "more than $20M (~$4 per hour and 5M hours)"."""
    post = file.load("llama-2-70b").post_training
    assert post is not None
    found, many = account(post, compute(PAPER_HOURS)), drawn(post, compute(PAPER_HOURS))
    low, high = interval(many.gpu_hours)
    assert low < 5e6 < high and found.gpu_hours == pytest.approx(5e6, rel=0.1)
    assert found.pretraining.gpu_hours + found.related.gpu_hours == 3_311_616
    assert found.usd > 20e6
    assert interval(many.usd)[0] < found.usd < interval(many.usd)[1]
    assert found.usd == pytest.approx(sum(part.usd for part in found.parts))
    assert sum(float(np.sum(stage.people_usd)) for stage in found.stages) == pytest.approx(found.people_usd)


def test_safety_takes_a_share_that_is_shown() -> None:
    post = file.load("llama-2-70b").post_training
    assert post is not None
    found, many = account(post, compute(PAPER_HOURS)), drawn(post, compute(PAPER_HOURS))
    low, high = interval(many.safety_usd / many.usd)
    assert 0.02 < low < found.safety_usd / found.usd < high < 0.4
    assert 0.2 < found.safety_usd / found.stages_usd < 0.6
