"""A plan written for an engine and read back is the same plan, in all that the engine's file says."""

from __future__ import annotations

from typing import Any

import pytest

from planner import library
from planner.errors import InputError
from planner.interchange import formats
from planner.interchange.adoption import adopt
from planner.plan.file import load
from planner.plan.plan import Plan

UNSAID: dict[str, dict[str, set[str]]] = {
    "torchtitan": {"recipe": {"framework"}, "layout": {"dp"}},
    "megatron": {"recipe": {"framework"}, "layout": {"dp"}},
    "nanotron": {"recipe": {"framework"}, "layout": {"dp"}},
    "deepspeed": {"recipe": {"framework"}, "layout": {"dp"}},
}
"""Fields that the file has no word for, or says in other words: dp is what the GPUs leave; tokens are whole steps."""


def told(plan: Plan, name: str) -> dict[str, Any]:
    """What a format says of a plan."""
    sections = ("recipe", "layout") if name == "deepspeed" else ("model", "recipe", "layout", "cluster")
    data = plan.model_dump(include=set(sections))
    data["layout"]["dp"] = plan.dp
    data["layout"]["sequence_parallel"] = plan.layout.sequence_parallel and plan.layout.tp > 1
    for section in data:
        for field in {"source", "as_of", *UNSAID[name].get(section, ())} - {"dp"}:
            data[section].pop(field, None)
    return data


def back(plan: Plan, name: str) -> tuple[Plan, list[str]]:
    return adopt(formats.READERS[name].read(formats.render(plan, name).text), plan, plan.name)


def writable() -> list[tuple[str, str]]:
    found = []
    for plan_name in library.paths("plans"):
        plan = load(plan_name)
        for name in formats.READERS:
            try:
                formats.render(plan, name)
            except InputError:
                continue
            found.append((plan_name, name))
    return found


@pytest.mark.parametrize(("plan_name", "name"), writable())
def test_a_shipped_plan_comes_back_as_it_was(plan_name: str, name: str) -> None:
    plan = load(plan_name)
    whole_steps = -(-plan.recipe.tokens // plan.recipe.batch_tokens) * plan.recipe.batch_tokens
    plan = plan.replace(**{"recipe.tokens": whole_steps})
    if name == "torchtitan" and plan.layout.zero_stage == 1:  # it has no such stage, and says so
        plan = plan.replace(**{"layout.zero_stage": 2})
    again, notes = back(plan, name)
    assert told(again, name) == told(plan, name)
    assert not [note for note in notes if note.startswith("ignored")]


def test_most_shipped_decoders_can_be_written_for_megatron_and_every_llama_for_torchtitan() -> None:
    pairs = set(writable())
    assert {(f"llama-2-{size}", "torchtitan") for size in ("7b", "13b", "34b", "70b")} <= pairs
    assert {(f"deepseek-{version}", "torchtitan") for version in ("v2-lite", "v2", "v3")} <= pairs
    assert {
        (name, "megatron") for name in ("gpt2", "gpt3-175b", "mixtral-8x7b", "llama-3.1-405b", "deepseek-v3")
    } <= pairs


LAYOUTS: list[dict[str, Any]] = [
    {"layout.zero_stage": 3, "layout.zero_group": 8},
    {"layout.zero_stage": 3, "layout.recompute": "full"},
    {"layout.tp": 1, "layout.zero_stage": 2, "layout.recompute": "selective"},
    {"layout.tp": 4, "layout.cp": 2, "layout.zero_stage": 3, "layout.context_exchange": "all-gather"},
    {"layout.pp": 4, "layout.virtual_stages": 2, "layout.zero_stage": 2, "recipe.global_batch": 512},
    {"layout.zero_stage": 0, "layout.tp": 8, "layout.pp": 2, "layout.schedule": "gpipe"},
    {"layout.recompute": "full", "layout.recompute_layers": 16, "layout.zero_stage": 3},
    {"recipe.precision": "fp8", "layout.zero_stage": 3, "cluster.accelerator": "H100-80GB-SXM"},
    {"recipe.precision": "fp32", "layout.zero_stage": 3, "layout.micro_batch": 2},
    {"recipe.master_weights": False, "recipe.gradient_bytes": 2, "layout.zero_stage": 3},
]


@pytest.mark.parametrize("name", formats.READERS)
@pytest.mark.parametrize("changes", LAYOUTS, ids=str)
def test_a_layout_comes_back_as_it_was_or_the_field_that_the_engine_lacks_is_named(
    name: str, changes: dict[str, Any]
) -> None:
    plan = load("llama-2-7b").replace(**{"recipe.tokens": 1024 * 4096 * 1000, **changes})
    try:
        written = formats.render(plan, name)
    except InputError as error:
        assert any(path in str(error) for path in changes)
        return
    again, _ = back(plan, name)
    unsaid = {note.partition(":")[0] for note in written.notes}
    first, second = told(plan, name), told(again, name)
    for section in first:
        for field, value in first[section].items():
            if f"{section}.{field}" not in unsaid:
                assert second[section][field] == value, (section, field)


def test_a_name_that_no_writer_was_made_for_comes_back_unharmed() -> None:
    odd = 'x"; rm -rf ~ #\n$(id) `id` \\ ] = [job]'
    plan = load("llama-2-7b").replace(**{"model.name": odd, "name": odd, "layout.zero_stage": 2})
    again, _ = back(plan, "torchtitan")
    assert again.model.name == odd
