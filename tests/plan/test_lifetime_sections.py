"""The optional sections: a plan may lack them, take them by name, and set their fields one by one."""

from __future__ import annotations

import json

import pytest

from planner.errors import InputError
from planner.plan import file
from planner.plan.post_training import PostTraining, Ranged


def test_a_plan_without_the_sections_is_as_before() -> None:
    plan = file.load("llama-2-7b")
    assert plan.lifetime is None and plan.post_training is None
    text = json.loads(file.to_text(plan))
    del text["lifetime"], text["post_training"]
    assert file.from_data(text) == plan


def test_the_shipped_example_survives_saving_and_loading() -> None:
    plan = file.load("llama-2-70b")
    assert plan.post_training is not None and plan.lifetime is not None
    assert file.from_data(json.loads(file.to_text(plan))) == plan


def test_every_figure_of_the_shipped_example_has_a_source_and_a_range() -> None:
    post = file.load("llama-2-70b").post_training
    assert post is not None
    figures = [value for part in (post, *post.stages) for _, value in part if isinstance(value, Ranged)]
    stated = [figure for figure in figures if figure.value and figure != Ranged(value=1.0, low=1.0, high=1.0)]
    assert len(stated) > 40
    assert all(figure.source for figure in stated)
    assert all(figure.low <= figure.value <= figure.high for figure in stated)
    assert all(figure.low < figure.high for figure in stated if figure.confidence == "assumed")


def test_setting_a_field_begins_the_section_with_its_defaults() -> None:
    plan = file.with_settings(
        file.load("llama-2-7b"), [("lifetime.task.calls", "1B"), ("post_training.usd_per_comparison", "$3")]
    )
    assert plan.lifetime is not None and plan.lifetime.task.calls == 1e9
    assert plan.post_training is not None and plan.post_training.usd_per_comparison.high == 3


def test_an_unknown_field_of_a_section_is_named() -> None:
    with pytest.raises(InputError, match="serve"):
        file.with_settings(file.load("llama-2-7b"), [("lifetime.serve_tokens", "1T")])


def test_a_range_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="does not hold"):
        PostTraining.model_validate({"usd_per_comparison": {"value": 5, "low": 6, "high": 7}})


def test_ranged_figures_take_engineers_text() -> None:
    post = PostTraining.model_validate(
        {"usd_per_gpu_hour": "$4/h", "related_gpu_hours": {"value": "1.5M", "high": "2M"}}
    )
    assert post.usd_per_gpu_hour == Ranged(value=4, low=4, high=4)
    assert (post.related_gpu_hours.low, post.related_gpu_hours.high) == (1.5e6, 2e6)
