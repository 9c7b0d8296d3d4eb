"""Perplexities as published, and where known models stand under a law.

Published numbers are only comparable when benchmark, metric, context length, tokenizer (with what the loss is averaged
over) and setting are all the same; `groups` keeps everything else apart. What a law says of a model (its training loss
at N and D) is another kind of number again and is labelled so.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from planner import library
from planner.errors import InputError
from planner.estimate import Figure
from planner.quality.laws import Law

COLUMNS = (
    "family", "model", "parameters", "tokens", "benchmark", "context_length", "tokenizer", "metric", "value", "setting",
    "source", "confidence",
)  # fmt: skip
FAMILY = ("llama-2-7b", "llama-2-13b", "llama-2-34b", "llama-2-70b")
"""The shipped plans of the family that every chart of sizes shows."""

_NATS = ("loss_nats_per_token", "train_loss_nats_per_token")


@dataclass(frozen=True)
class Observation:
    """One published number. Unknown sizes, tokens and lengths are None; `value` is NaN where it is not a number."""

    family: str
    model: str
    parameters: float | None
    tokens: float | None
    benchmark: str
    context_length: float | None
    tokenizer: str
    metric: str
    value: float
    setting: str
    source: str
    confidence: str

    @property
    def perplexity(self) -> float | None:
        """The number as a perplexity, None where it is of another kind (a score, bits a byte)."""
        if self.metric in ("perplexity", "word_perplexity"):
            return self.value
        return math.exp(self.value) if self.metric in _NATS else None

    @property
    def figure(self) -> Figure:
        """The number with its source."""
        source = f"{self.source} ({self.confidence}); {Group((self,)).title}"
        label = f"{self.metric.replace('_', ' ').capitalize()} of {self.model}"
        return Figure.of("quality.published", label, self.value, "", kind="published", source=source)

    @property
    def protocol(self) -> tuple[str, str, float | None, str, str]:
        """What must agree before two numbers may share an axis."""
        return self.benchmark, self.metric, self.context_length, self.tokenizer, self.setting


@dataclass(frozen=True)
class Group:
    """Comparable observations, smallest model first."""

    rows: tuple[Observation, ...]

    @property
    def title(self) -> str:
        """The protocol in words: `WikiText-2, zero-shot, context 4,096, Llama SentencePiece 32k`."""
        first = self.rows[0]
        context = f"context {first.context_length:,.0f}" if first.context_length else ""
        metric = "" if first.metric == "perplexity" else first.metric.replace("_", " ")
        return ", ".join(part for part in (first.benchmark, metric, first.setting, context, first.tokenizer) if part)

    @property
    def has_perplexities(self) -> bool:
        """They can stand on an axis of perplexity; scores cannot."""
        return all(row.perplexity is not None for row in self.rows)


@dataclass(frozen=True)
class Placed:
    """A known model where a law puts it: the perplexity follows from N and D and was not measured."""

    name: str
    parameters: float
    tokens: float
    perplexity: float
    kind: str = "estimated"


def read(path: Path | None = None) -> tuple[Observation, ...]:
    """The shipped observations, or those of a file of the same columns. Raises `InputError`."""
    return _shipped() if path is None else _read(path)


def select(
    rows: Iterable[Observation],
    *,
    family: str | None = None,
    benchmark: str | None = None,
    metric: str | None = None,
    setting: str | None = None,
    context_length: float | None = None,
) -> tuple[Observation, ...]:
    """The observations that agree with every filter given."""
    wanted = {
        "family": family, "benchmark": benchmark, "metric": metric, "setting": setting,
        "context_length": context_length,
    }  # fmt: skip
    asked = {name: value for name, value in wanted.items() if value is not None}
    return tuple(row for row in rows if all(getattr(row, name) == value for name, value in asked.items()))


def groups(rows: Iterable[Observation]) -> tuple[Group, ...]:
    """Observations with a size and a number, apart by protocol, one a model (seen before recalled); largest first."""
    by_protocol: dict[object, dict[str, Observation]] = {}
    for row in sorted(rows, key=lambda row: row.confidence != "seen"):
        if row.parameters and math.isfinite(row.value):
            by_protocol.setdefault(row.protocol, {}).setdefault(row.model, row)
    found = [
        Group(tuple(sorted(models.values(), key=lambda row: row.parameters or 0.0))) for models in by_protocol.values()
    ]
    return tuple(sorted(found, key=lambda group: -len(group.rows)))


def family_under(law: Law, names: tuple[str, ...] = FAMILY) -> tuple[Placed, ...]:
    """Shipped plans where a law puts them; empty for a law without a loss."""
    if not law.gives_loss:
        return ()
    return tuple(
        Placed(name, N, D, float(law.perplexity(N, D))) for name, N, D in (_size_and_tokens(name) for name in names)
    )


@cache
def _size_and_tokens(name: str) -> tuple[str, float, float]:
    from planner.counting.parameters import count
    from planner.plan import file
    from planner.plan.workload import workload

    plan = file.load(name)
    return plan.model.name, float(count(workload(plan)).total), float(plan.recipe.tokens)


@cache
def _shipped() -> tuple[Observation, ...]:
    return _read(library.SHIPPED / "perplexities.csv")


def _read(path: Path) -> tuple[Observation, ...]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise InputError(f"{path}: no column {', '.join(missing)}")
            return tuple(_observation(row) for row in reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read ({error})") from None


def _observation(row: dict[str, str]) -> Observation:
    text = {name: (row[name] or "").strip() for name in COLUMNS}
    number = {name: _number(text[name]) for name in ("parameters", "tokens", "context_length", "value")}
    return Observation(
        text["family"], text["model"], number["parameters"], number["tokens"], text["benchmark"],
        number["context_length"], text["tokenizer"], text["metric"],
        math.nan if number["value"] is None else number["value"], text["setting"], text["source"], text["confidence"],
    )  # fmt: skip


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
