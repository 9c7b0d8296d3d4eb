"""What is typed into the Profile page's form, and the command line that it becomes."""

from __future__ import annotations

import pytest

from gui.profile_request import Request


def test_a_blank_form_leaves_time_and_memory_to_the_suite() -> None:
    said = Request("gpt2").arguments()
    assert said == ["profile", "--model", "gpt2", "--device", "auto", "--suite", "quick", "--events"]


def test_typed_limits_reach_the_command_line_as_they_are() -> None:
    said = Request("gpt2", "cpu", "full", " 5m ", "4 GiB").arguments()
    assert said[-2:] == ["--budget=5m", "--memory-limit=4 GiB"]


@pytest.mark.parametrize("text", ["5m", "90 s", "1h", "2 min"])
def test_times_of_the_shell_are_read(text: str) -> None:
    assert not Request("gpt2", budget=text).problems()


@pytest.mark.parametrize(
    ("changes", "field"),
    [({"budget": "soon"}, "budget"), ({"budget": "0s"}, "budget"), ({"memory_limit": "-1 GiB"}, "memory_limit"),
     ({"memory_limit": "4 GHz"}, "memory_limit")],
)  # fmt: skip
def test_what_cannot_be_read_is_said_of_its_field(changes: dict[str, str], field: str) -> None:
    assert list(Request("gpt2", **changes).problems()) == [field]
