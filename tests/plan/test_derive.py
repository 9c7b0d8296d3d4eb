"""A plan carried to another model."""

from __future__ import annotations

from pathlib import Path

import pytest

from planner import library
from planner.errors import InputError, UnknownNameError
from planner.plan import file
from planner.plan.check import check
from planner.plan.derive import first_layout, with_model

MODELS = sorted(path.stem for path in (library.SHIPPED / "models").glob("*.json"))


@pytest.mark.parametrize("name", MODELS)
def test_any_shipped_model_in_the_70b_plan_gives_a_plan_without_errors(name: str) -> None:
    plan, notes = with_model(file.load("llama-2-70b"), name)
    assert plan.model.name == name
    assert not [problem for problem in check(plan) if problem.severity == "error"]
    assert plan.recipe.sequence_length <= plan.model.max_sequence
    assert plan.recipe.batch_tokens == pytest.approx(2**22, rel=0.01)
    assert all(name in note for note in notes)


def test_a_model_that_fits_the_layout_changes_nothing_else() -> None:
    before = file.load("llama-2-7b")
    after, notes = with_model(before, "llama-7b")
    assert (after.layout, after.cluster, after.prices) == (before.layout, before.cluster, before.prices)
    assert [note.partition(":")[0] for note in notes] == ["recipe.sequence_length", "recipe.global_batch"]


def test_every_changed_field_is_noted_with_old_and_new_value() -> None:
    before = file.load("gpt2")
    after, notes = with_model(before, "gpt2-xl")
    for section in ("recipe", "layout"):
        for field in type(getattr(before, section)).model_fields:
            old, new = getattr(getattr(before, section), field), getattr(getattr(after, section), field)
            assert (f"{section}.{field}: {old} → {new} for gpt2-xl" in notes) == (old != new)


def test_a_first_layout_shards_more_for_a_larger_model() -> None:
    plan = file.load("llama-2-70b")
    small = first_layout(plan.replace(model="llama-2-7b"))
    large = first_layout(plan.replace(model="llama-3.1-405b"))
    assert small.tp * small.pp < large.tp * large.pp


def test_an_unknown_model_and_a_file_of_another_form_are_told(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="mistral-7b"):
        with_model(file.load("gpt2"), "mistral-7")
    path = tmp_path / "config.json"
    path.write_text('{"colour": "red"}')
    with pytest.raises(InputError, match="not a model"):
        with_model(file.load("gpt2"), str(path))


def test_a_broken_model_file_is_an_input_error_that_names_the_field(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    path.write_text('{"hidden": -4, "layers": "many"}')
    with pytest.raises(InputError, match="layers"):
        with_model(file.load("gpt2"), str(path))
