"""What a running validation reports: frozen events, and the JSON line of each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar


@dataclass(frozen=True)
class Validation:
    """The answer of `validate`: one row a run and metric, and summaries of the step times."""

    rows: list[dict[str, Any]]
    summary: dict[str, Any]
    by_source: dict[str, dict[str, Any]]
    by_gpu: dict[str, dict[str, Any]]
    by_metric: dict[str, dict[str, Any]]
    """Error statistics of every metric that has one: times, memory, GPU-hours, energy, carbon."""
    regret: dict[str, Any]
    fits: dict[str, Any]

    @property
    def json(self) -> dict[str, Any]:
        """The object that `validate --json` prints."""
        return {"rows": self.rows, **self.told}

    @property
    def told(self) -> dict[str, Any]:
        """It without the rows."""
        return {
            "summary": self.summary, "by_source": self.by_source, "by_gpu": self.by_gpu, "by_metric": self.by_metric,
            "regret": self.regret, "fits": self.fits,
        }  # fmt: skip


@dataclass(frozen=True)
class Progress:
    """How far it is, and the rows since the last event."""

    word: ClassVar[str] = "progress"
    doing: str
    fraction: float
    elapsed_s: float
    remaining_s: float | None
    """None until something is scored."""
    rows: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Finished:
    """The whole answer; the last event."""

    word: ClassVar[str] = "finished"
    result: Validation


Event = Progress | Finished
