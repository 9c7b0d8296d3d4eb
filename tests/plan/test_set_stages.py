"""Stages of the post-training are set by number or by name."""

import pytest

from planner.errors import InputError
from planner.plan import file

SETTINGS = [("post_training.stages.7.expert_hours", "500"), ("post_training.stages.red-teaming.expert_hours", 500),
            ("post_training.stages.Red teaming.expert_hours", 500.0)]  # fmt: skip


@pytest.mark.parametrize(("path", "value"), SETTINGS)
def test_a_stage_is_named_by_its_number_or_its_name(path: str, value: object) -> None:
    stage = file.with_settings(file.load("llama-2-70b"), [(path, value)]).post_training.stages[7]
    assert stage.name == "Red teaming" and stage.expert_hours.value == 500
    assert stage.expert_hours.low == stage.expert_hours.high == 500  # a bare number has no range


def test_an_account_is_named_and_changed_in_one_go() -> None:
    settings = [("post_training", "llama-2"), ("post_training.stages.ppo.rounds", 9)]
    plan = file.with_settings(file.load("llama-2-7b"), settings)
    assert {stage.name: stage.rounds for stage in plan.post_training.stages}["PPO"] == 9


@pytest.mark.parametrize("path", ["post_training.stages.99.rounds", "post_training.stages.nosuch.rounds",
                                  "post_training.stages.0.nosuch", "post_training.stages.0.rounds.nosuch",
                                  "model.name.nosuch", "nosuch.stages"])  # fmt: skip
def test_what_is_not_there_is_named(path: str) -> None:
    with pytest.raises(InputError, match="unknown"):
        file.with_settings(file.load("llama-2-70b"), [(path, 1)])
