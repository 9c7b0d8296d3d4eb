"""The document: edits, history, invalid inputs, files."""

from __future__ import annotations

from pathlib import Path

import pytest

from gui.document import Document
from planner.errors import InputError
from planner.plan import file


@pytest.fixture
def document(application: object) -> Document:
    return Document(file.load("llama-2-7b"))


def test_twenty_edits_and_twenty_undos_give_the_first_plan_again(document: Document) -> None:
    first = document.plan
    for number in range(20):
        assert document.try_set("cluster.nodes", str(number + 100), visit=number) == ""
        assert document.is_dirty
    last = document.plan
    for _ in range(20):
        document.undo()
    assert document.plan == first
    assert not document.is_dirty
    for _ in range(20):
        document.redo()
    assert document.plan == last


def test_edits_of_one_visit_to_a_field_are_one_step(document: Document) -> None:
    first = document.plan
    for text in ("1", "12", "128"):
        document.try_set("cluster.nodes", text, visit=7)
    assert document.plan.cluster.nodes == 128
    document.undo()
    assert document.plan == first


def test_a_visit_that_ends_where_it_began_leaves_no_step(document: Document) -> None:
    document.try_set("cluster.nodes", "3", visit=1)
    document.try_set("cluster.nodes", "32", visit=1)
    assert not document.stack.canUndo()
    assert not document.is_dirty


def test_a_bad_value_changes_nothing_and_says_why(document: Document) -> None:
    first = document.plan
    assert "abc" in document.try_set("cluster.nodes", "abc")
    assert document.try_set("recipe.tokens", "-5")
    assert document.plan is first


def test_undo_first_discards_what_is_typed_but_invalid(document: Document) -> None:
    document.try_set("cluster.nodes", "64")
    document.mark_invalid("recipe.tokens", "'abc' is not a number")
    document.undo()
    assert not document.invalid
    assert document.plan.cluster.nodes == 64


def test_saving_and_opening_gives_an_equal_plan(document: Document, tmp_path: Path) -> None:
    document.try_set("recipe.tokens", "1.4T")
    document.save(tmp_path / "plan.json")
    assert not document.is_dirty
    other = Document(file.load("gpt2"))
    other.open(tmp_path / "plan.json")
    assert other.plan == document.plan


def test_what_cannot_be_saved_stays_dirty(document: Document, tmp_path: Path) -> None:
    document.try_set("recipe.tokens", "1.4T")
    with pytest.raises(InputError, match="nowhere"):
        document.save(tmp_path / "nowhere" / "plan.json")
    assert document.is_dirty
    assert document.path is None


def test_a_broken_file_changes_nothing(document: Document, tmp_path: Path) -> None:
    first, broken = document.plan, tmp_path / "broken.json"
    broken.write_text('{"format": "trainplan-plan", "vers')
    with pytest.raises(InputError, match="broken"):
        document.open(broken)
    assert document.plan is first
