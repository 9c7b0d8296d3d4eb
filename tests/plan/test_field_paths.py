"""Fields by path: titles, units, texts, and one field changed without reading the rest of the plan anew."""

from __future__ import annotations

from typing import Any

import pytest

from planner.errors import InputError
from planner.plan import fields
from planner.plan.file import load
from planner.plan.section import PlanError


@pytest.mark.parametrize(("path", "title", "unit"), [
    ("cluster.nodes", "Nodes", ""), ("cluster.fabric.bits_per_s_per_gpu", "Bandwidth a GPU", "bit/s"),
    ("cluster.accelerator.peak_flops.bf16", "bf16", "FLOP/s"), ("layout.zero_stage", "ZeRO stage", ""),
    ("lifetime.served_tokens", "Tokens served", "tokens"), ("model", "Model", ""),
])  # fmt: skip
def test_titles_and_units(path: str, title: str, unit: str) -> None:
    assert fields.title(path) == title and fields.unit(path) == unit


@pytest.mark.parametrize(("path", "value", "text"), [
    ("recipe.tokens", 2 * 10**12, "2.00T tokens"), ("prices.usd_per_gpu_hour", None, "blank"),
    ("recipe.dropout", True, "on"), ("recipe.precision", "bf16", "bf16"), ("prices.pue", 1.1, "1.10"),
])  # fmt: skip
def test_values_read_as_on_screen(path: str, value: Any, text: str) -> None:
    assert fields.text(path, value).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize("path", ["cluster.nodes", "cluster.fabric.efficiency", "layout.tp", "name"])
def test_one_changed_field_gives_the_plan_that_reading_it_anew_gives(path: str) -> None:
    plan = load("llama-2-70b")
    value: Any = {"cluster.fabric.efficiency": 0.5, "name": "other"}.get(path, 2)
    assert fields.with_value(plan, path, value) == plan.replace(**{path: value})
    assert fields.value(fields.with_value(plan, path, value), path) == value


def test_what_a_field_cannot_be_is_refused() -> None:
    with pytest.raises(PlanError):
        fields.with_value(load("gpt2"), "prices.pue", 0.5)
    with pytest.raises(InputError, match="nodes"):
        fields.title("cluster.node")
    assert fields.value(load("gpt2").model_copy(update={"lifetime": None}), "lifetime.load") is None
