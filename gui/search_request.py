"""What a search is asked, as it is typed: checked field by field, then told to the command line. No Qt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from planner import library, units
from planner.errors import InputError, UnknownNameError

LISTED = 2000
"""Layouts in the ranked list."""


@dataclass(frozen=True)
class Request:
    """Texts of the form; a blank one is no limit, or the plan's own."""

    objective: str = "cost"
    gpus: str = ""
    accelerators: str = ""
    budget: str = ""
    deadline: str = ""
    memory_margin: str = ""
    max_nodes: str = ""
    is_exhaustive: bool = False

    def problems(self) -> dict[str, str]:
        """What is wrong, by field; empty where all is well."""
        found = {}
        for name, check in _CHECKS.items():
            text = getattr(self, name).strip()
            try:
                if text:
                    check(text)
            except InputError as error:
                found[name] = str(error)
        return found

    def arguments(self, plan: Path) -> list[str]:
        """The command line of this search on a plan file."""
        said = ["search", str(plan), "--events", "--objective", self.objective, "--top", str(LISTED)]
        for name in _CHECKS:
            if text := getattr(self, name).strip():
                said += [f"--{name.replace('_', '-')}={_plain(name, text)}"]
        return [*said, "--exhaustive"] if self.is_exhaustive else said


def several(text: str) -> list[str]:
    """The words of a list with commas between them."""
    return [word.strip() for word in text.split(",") if word.strip()]


def _plain(name: str, text: str) -> str:
    """Whole numbers as the command line takes them."""
    return str(int(_whole(text))) if name == "max_nodes" else text


def _whole(text: str, what: str = "") -> float:
    value = units.parse(text, what)
    if value < 1 or value != int(value) or value > 10**7:
        raise InputError(f"{text!r} is no number of {what or 'nodes'}; write it like 64")
    return value


def _counts(text: str) -> None:
    # `1,024` would be read as two numbers: blanks or nothing between thousands.
    words = several(text)
    if not words:
        raise InputError(f"{text!r} names no number of GPUs; write it like 256, 512")
    for word in words:
        _whole(word, "GPUs")


def _names(text: str) -> None:
    known = library.names("accelerators")
    for word in several(text):
        if library.slug(word) not in {library.slug(name) for name in known}:
            raise UnknownNameError("accelerator", word, known)


def _above_zero(unit: str) -> Callable[[str], None]:
    def check(text: str) -> None:
        if units.parse(text, unit) <= 0:
            raise InputError(f"{text!r} is not above zero")

    return check


def _share(text: str) -> None:
    if not 0 <= units.parse(text, "fraction") < 1:
        raise InputError(f"{text!r} is no share below 1; write it like 10%")


_CHECKS: dict[str, Callable[[str], object]] = {
    "gpus": _counts, "accelerators": _names, "budget": _above_zero("USD"), "deadline": _above_zero("s"),
    "memory_margin": _share, "max_nodes": _whole,
}  # fmt: skip
