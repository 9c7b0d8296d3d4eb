"""What a verification is asked, as it is typed. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

MOST = {"steps": 10_000, "micro_batch": 1_000_000, "sequence": 1_000_000_000}
"""The command's own bounds."""


@dataclass(frozen=True)
class Request:
    """The form; a blank text is what the command takes by itself."""

    model: str
    device: str = "auto"
    steps: str = ""
    micro_batch: str = ""
    sequence: str = ""

    def problems(self) -> dict[str, str]:
        """What is wrong, by field; empty where all is well."""
        found = {}
        for name, most in MOST.items():
            text = getattr(self, name).strip()
            if text and not (text.isascii() and text.isdigit() and len(text) < 12 and 1 <= int(text) <= most):
                found[name] = f"{text[:20]!r} is not a whole number from 1 to {most:,}"
        return found

    def arguments(self) -> list[str]:
        """The command line of this."""
        said = ["verify", "--model", self.model, "--device", self.device, "--events"]
        for name in MOST:
            if text := getattr(self, name).strip():
                said += [f"--{name.replace('_', '-')}", text]
        return said
