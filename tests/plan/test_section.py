"""What every field of a plan refuses."""

from __future__ import annotations

import pytest

from planner.errors import InputError
from planner.plan import file


@pytest.mark.parametrize("mark", ["\x00", "\x1b[2J", "\x07", "\x7f", "\x9b1m"])
def test_a_control_character_is_refused_by_its_field(mark: str) -> None:
    with pytest.raises(InputError, match=r"model\.name: holds a control character \(U\+"):
        file.with_settings(file.load("gpt2"), [("model.name", f"a{mark}b")])


def test_tabs_line_ends_and_every_script_are_text() -> None:
    notes = "one\ttwo\r\n名前 עברית 😀"
    assert file.with_settings(file.load("gpt2"), [("notes", notes)]).notes == notes
