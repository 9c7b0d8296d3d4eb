"""What follows pre-training: a list of stages, each with its people and its compute, and what people cost."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, ValidationInfo, field_validator, model_validator

from planner import units
from planner.errors import InputError
from planner.plan.cluster import Confidence
from planner.plan.section import Section, choice, quantity, unit_of, words

StageKind = Literal[
    "supervised",
    "reward-model",
    "rejection-sampling",
    "ppo",
    "dpo",
    "preferences",
    "distillation",
    "evaluation",
    "red-teaming",
]


class Ranged(Section):
    """A figure with its 80 % range and where it is from. A bare number is a figure without a range."""

    value: float = quantity("Value", "The figure", default=0.0, ge=0)
    low: float = quantity("Low", "Lower end of the 80 % range", default=0.0, ge=0)
    high: float = quantity("High", "Upper end of the 80 % range", default=0.0, ge=0)
    source: str = words("Source", "Where the figure is from, or why it is assumed")
    confidence: Confidence = choice("Confidence", "Seen in the source, recalled, or assumed", default="assumed")

    @model_validator(mode="before")
    @classmethod
    def _ends(cls, data: Any) -> Any:
        """An end that is not given is the value itself."""
        if isinstance(data, dict) and "value" in data:
            return {"low": data["value"], "high": data["value"], **data}
        return data

    @model_validator(mode="after")
    def _in_order(self) -> Ranged:
        if not self.low <= self.value <= self.high:
            raise ValueError(f"{self.low:g} ≤ {self.value:g} ≤ {self.high:g} does not hold: low, value, high")
        return self


def known(value: float, source: str = "") -> Ranged:
    """A figure without a range."""
    return Ranged(value=value, low=value, high=value, source=source)


def ranged(title: str, description: str, unit: str = "", *, default: float = 0.0) -> Any:
    """A field that is a figure with a range; a number or an engineer's text stands for one without."""
    return Field(
        known(default), title=title, description=description, json_schema_extra={"unit": unit, "advanced": False}
    )


class _WithRanges(Section):
    """A section whose `Ranged` fields also take a bare number."""

    @field_validator("*", mode="before")
    @classmethod
    def _read_ranged(cls, value: Any, info: ValidationInfo) -> Any:
        assert info.field_name
        annotation = cls.model_fields[info.field_name].annotation
        if annotation is not Ranged or isinstance(value, bool):
            return value
        unit = unit_of(cls, info.field_name)
        if isinstance(value, str | int | float):
            value = {"value": value}
        if isinstance(value, dict):
            return {
                key: _number(item, unit) if key in ("value", "low", "high") else item for key, item in value.items()
            }
        return value


def _number(value: Any, unit: str) -> Any:
    if not isinstance(value, str):
        return value
    try:
        return units.parse(value, unit)
    except InputError as error:
        raise ValueError(str(error)) from None


class Stage(_WithRanges):
    """One stage. Counts are of one round; what a stage does not do is 0."""

    name: str = words("Stage", "What it is called", max_length=100)
    kind: StageKind = choice("Kind", "Which passes over the tokens it makes")
    rounds: int = quantity("Rounds", "How often it is done", default=1, ge=1, le=10_000)
    written_answers: Ranged = ranged("Written answers", "Prompts with an answer, written by people")
    comparisons: Ranged = ranged("Comparisons", "Pairs of answers that people compare")
    expert_hours: Ranged = ranged("Expert hours", "Other hours of people: ratings, attacks, reviews")
    generated_answers: Ranged = ranged("Generated answers", "Answers that the model samples")
    prompt_tokens: Ranged = ranged("Prompt", "Tokens before an answer", "tokens")
    answer_tokens: Ranged = ranged("Answer", "Tokens of an answer", "tokens")
    trained_sequences: Ranged = ranged("Trained sequences", "Sequences trained on in one epoch")
    sequence_tokens: Ranged = ranged("Trained sequence", "Tokens of a trained sequence", "tokens")
    epochs: Ranged = ranged("Epochs", "Passes over the sequences", default=1.0)
    models: int = quantity("Models", "Models that are trained so (two reward models: 2)", default=1, ge=0, le=1000)
    safety_share: Ranged = ranged("Safety", "Share of the stage that is for safety", "fraction")
    source: str = words("Source", "Where the figures are from", advanced=True)


class PostTraining(_WithRanges):
    """The stages after pre-training, what people are paid, and what else the project computes."""

    name: str = words("Post-training", "Name of the account", default="custom", max_length=200)
    notes: str = words("Notes", "What the account assumes", max_length=4000, advanced=True)
    stages: tuple[Stage, ...] = choice("Stages", "In their order", default=())
    usd_per_written_answer: Ranged = ranged("Price a written answer", "Paid to the vendor", "USD", default=25.0)
    usd_per_comparison: Ranged = ranged("Price a comparison", "Paid to the vendor", "USD", default=5.0)
    usd_per_expert_hour: Ranged = ranged("Price an expert hour", "Raters, red team, reviewers", "USD/h", default=50.0)
    answers_per_hour: Ranged = ranged("Written answers an hour", "Of one annotator", default=3.0)
    comparisons_per_hour: Ranged = ranged("Comparisons an hour", "Of one annotator", default=10.0)
    annotators: int = quantity("Annotators", "People at work at the same time", default=100, ge=1, le=10**7)
    hours_per_week: float = quantity("Hours a week", "Of one annotator", default=35.0, gt=0, le=168)
    usd_per_gpu_hour: Ranged | None = choice("Price a GPU-hour", "Blank: the plan's", default=None)
    generation_gpu_share: Ranged = ranged(
        "Generation speed", "Speed of sampling inside the training software, over a server's", "fraction", default=0.5
    )
    trials: Ranged = ranged("Trials", "Compute of trials and failures, as a share of all other compute", "fraction")
    related_gpu_hours: Ranged = ranged(
        "Related GPU-hours", "Pre-training of the family's other models, where the account covers them", "GPU-hours"
    )
    source: str = words("Source", "Where the figures are from", advanced=True)

    @field_validator("usd_per_gpu_hour", mode="before")
    @classmethod
    def _price(cls, value: Any) -> Any:
        if isinstance(value, str) and value.strip().lower() in ("", "none", "auto"):
            return None
        return {"value": _number(value, "USD/h")} if isinstance(value, str | int | float) else value
