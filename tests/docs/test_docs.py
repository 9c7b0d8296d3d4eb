"""The docs show what the program prints, every command in them is one, and every formula has its entry."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs import examples, licences, reference
from planner import cli

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("page", examples.with_examples(), ids=lambda path: path.stem)
def test_a_page_shows_what_the_program_prints(page: Path) -> None:
    told = list(examples.differences(page.read_text("utf-8"), examples.written_anew(page)))
    assert not told, "write them anew with: make examples\n" + "\n".join(told)


@pytest.mark.parametrize(
    ("shown", "today", "alike"),
    [
        ("82.3 days, $373k", "82.9 days, $375k", True),
        ("82.3 days, $373k", "82.3 days, $399k", False),
        ("82.3 days, $373k", "82.3 weeks, $373k", False),
        ("tp 2 · dp 64", "tp 1 · dp 64", False),
    ],
)
def test_a_number_may_move_a_little_and_a_word_may_not(shown: str, today: str, alike: bool) -> None:
    assert (not list(examples.differences(shown, today))) is alike


@pytest.mark.parametrize("page", examples.pages(), ids=lambda path: path.stem)
def test_every_command_of_a_page_is_one(page: Path) -> None:
    for words in examples.shell_commands(page):
        if words:
            assert cli.command_parser(words).parse_args(words).run


def test_every_formula_of_the_code_has_its_entry_with_expression_and_source() -> None:
    written = "".join(path.read_text("utf-8") for path in (ROOT / "planner").rglob("*.py"))
    marked = re.findall(r"^@formula\((?:.*\n)+?def (\w+)\(", written, re.MULTILINE)
    entries = [entry for page in reference.formulas().values() for entry in page.split("\n### ")[1:]]
    whole = [entry.split("\n")[0] for entry in entries if re.search(r"\A\w+\n\n```text\n.+\n```\n", entry)]
    assert len(marked) > 100 and sorted(whole) == sorted(marked), (
        "a room with formulas needs its line in TOPICS of docs/reference.py"
    )
    assert sum("\n*Source:* " in entry for entry in entries) == len(marked)


def test_the_reference_tells_of_every_command_that_the_help_lists() -> None:
    told = reference.commands()
    listed = re.findall(r"^    ([a-z-]+)  ", cli.command_parser([]).format_help(), re.MULTILINE)
    assert len(listed) > 10 and all(f"\n## {name}\n" in told for name in listed)


def test_every_pinned_package_has_a_licence_that_goes_with_ours_and_is_listed() -> None:
    listed = licences.page((ROOT / "requirements.lock").read_text("utf-8"))
    assert listed == licences.PAGE.read_text("utf-8"), "write it anew with: make audit"


@pytest.mark.parametrize(
    ("expression", "goes"),
    [("MIT", True), ("Apache-2.0 OR GPL-3.0-only", True), ("MIT AND GPL-3.0-only", False), ("AGPL-3.0-only", False)],
)
def test_a_licence_that_does_not_go_with_ours_is_told(expression: str, goes: bool) -> None:
    assert (licences.problem("some-package", expression) == "") is goes
