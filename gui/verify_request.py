"""What a verification is asked, as it is typed. No Qt."""

from __future__ import annotations

from dataclasses import dataclass

MOST = {"steps": 10_000, "micro_batch": 1_000_000, "sequence": 1_000_000_000}
"""The command's own bounds."""


ON_A_PROCESSOR = {"micro_batch": "1", "sequence": "256"}
"""What a blank text is without a GPU, where a plan's own thousands of tokens a step would take hours."""


@dataclass(frozen=True)
class Request:
    """The form: the plan's file, another model in its place, and texts. A blank text is the plan's own, or the usual on
    a processor."""

    plan: str
    model: str = ""
    device: str = "auto"
    has_gpu: bool = False
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
        said = ["verify", self.plan, "--device", self.device, "--events"]
        if self.model:
            said += ["--model", self.model]
        for name in MOST:
            if text := getattr(self, name).strip() or self.usual(name):
                said += [f"--{name.replace('_', '-')}", text]
        return said

    def usual(self, name: str) -> str:
        """What a blank text stands for; empty: what the plan or the command says."""
        return "" if self.device == "cuda" or (self.device == "auto" and self.has_gpu) else ON_A_PROCESSOR.get(name, "")
