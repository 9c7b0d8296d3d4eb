"""What a profile is asked, as it is typed: checked field by field, then told to the command line. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

from planner import units
from planner.errors import InputError

DEVICES = [("Automatic", "auto"), ("GPU (CUDA)", "cuda"), ("Processor", "cpu")]
SUITES = [("Quick", "quick"), ("Full", "full")]


@dataclass(frozen=True)
class Request:
    """The form. `model` is a name that the command line knows; a blank text is the suite's or the device's own."""

    model: str = ""
    device: str = "auto"
    suite: str = "quick"
    budget: str = ""
    memory_limit: str = ""

    def problems(self) -> dict[str, str]:
        """What is wrong, by field; empty where all is well."""
        found = {}
        for name, unit in (("budget", "s"), ("memory_limit", "B")):
            text = getattr(self, name).strip()
            try:
                if text and units.parse(_minutes(text) if unit == "s" else text, unit) <= 0:
                    found[name] = "must be more than nothing"
            except InputError as error:
                found[name] = str(error)
        return found

    def arguments(self) -> list[str]:
        """The command line that measures this."""
        said = ["profile", "--model", self.model, "--device", self.device, "--suite", self.suite, "--events"]
        for option, text in (("--budget", self.budget), ("--memory-limit", self.memory_limit)):
            if text.strip():
                said.append(f"{option}={text.strip()}")
        return said


def _minutes(text: str) -> str:
    """`5m` are minutes, as the command line has it."""
    return f"{text}in" if text.endswith("m") and not text.endswith("mm") else text
