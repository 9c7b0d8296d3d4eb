"""What comes after training: how much the model is asked, on which machines it answers, and the one task it may do."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import field_validator

from planner.plan.cluster import Accelerator
from planner.plan.model import Model
from planner.plan.section import Section, choice, quantity, read_by_name, words

DAYS_A_YEAR = 365.25
ServingPrecision = Literal["fp32", "bf16", "fp16", "fp8"]


class Task(Section):
    """One task that a general model can be prompted for, or a special one be made for."""

    calls: float = quantity("Calls", "Questions in the whole life of the task", default=1e7, ge=1)
    question_tokens: int = quantity("Question", "Tokens of one question without examples", "tokens", default=128, ge=1)
    answer_tokens: int = quantity(
        "Answer", "Tokens of one answer of a decoder; an encoder classifies in one pass", "tokens", default=8, ge=1
    )
    examples: int = quantity("Examples in the prompt", "Shots that every call pays for", default=32, ge=0, le=10**6)
    example_tokens: int = quantity("Example", "Tokens of one example", "tokens", default=128, ge=1)
    cached_share: float = quantity(
        "Cached prompt", "Share of the examples' prefill that a prefix cache saves", "fraction", default=0.0, ge=0, le=1
    )
    labels: int = quantity(
        "Labelled examples",
        "Examples to fine-tune on; 200 to 500 suffice BERT-like models for classification (Bucher & Martini 2024, "
        "arXiv 2406.08660)",
        default=5000, ge=0, le=10**9,
    )  # fmt: skip
    usd_per_label: float = quantity("Price a label", "One labelled example", "USD", default=0.5, ge=0, le=1e5)
    epochs: float = quantity("Epochs", "Passes over the labelled examples", default=3.0, ge=0, le=1000)
    trials: int = quantity("Trials", "Fine-tunings until one is kept", default=5, ge=1, le=10**6)
    scratch_labels: int = quantity(
        "Labels from scratch",
        "Labelled examples to train the small model on without any pre-training (assumed: as many as IMDb has reviews "
        "to train on)",
        default=25_000, ge=0, le=10**9,
    )  # fmt: skip
    scratch_epochs: float = quantity("Epochs from scratch", "Passes over them (assumed)", default=10.0, ge=0, le=10_000)
    small_model: Model | None = choice(
        "Small model", "Made for the task: an encoder or a small decoder, by name; blank: BERT-Large", default=None
    )
    quality_task: str = words("Quality", "Task of the shipped table whose scores stand beside", default="SuperGLUE")

    @field_validator("small_model", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return read_by_name("models", value)


class Lifetime(Section):
    """Serving over the model's life."""

    served_tokens: float = quantity(
        "Tokens served", "Prompts and answers in the model's whole life", "tokens", default=1e12, ge=0
    )
    years: float = quantity("Years", "Over which the tokens are served", "years", default=2.0, gt=0, le=100)
    prompt_tokens: int = quantity("Prompt", "Tokens of one request's prompt", "tokens", default=512, ge=1, le=10**8)
    answer_tokens: int = quantity("Answer", "Tokens of one request's answer", "tokens", default=256, ge=1, le=10**8)
    precision: ServingPrecision | None = choice(
        "Precision",
        "Number format of weights and products; blank: 16 bits where the accelerator has them",
        default=None,
    )
    cache_bytes: float = quantity("Cache element", "Bytes of a stored key or value", "B", default=2.0, gt=0, le=8)
    accelerator: Accelerator | None = choice("Accelerator", "Serves the model; blank: the plan's own", default=None)
    usd_per_gpu_hour: float | None = quantity(
        "Price a GPU-hour", "Of a serving accelerator; blank: the shipped table's", "USD/h", default=None, ge=0, le=1e6
    )
    gpus: int | None = quantity(
        "GPUs a copy", "Tensor-parallel GPUs that hold one copy; blank: the cheapest", default=None, ge=1, le=4096
    )
    batch: int | None = quantity(
        "Batch", "Sequences decoded at once; blank: what memory and speed allow", default=None, ge=1, le=10**6
    )
    tokens_per_s: float = quantity(
        "Reading speed", "A reader's answer comes at least this fast; limits the batch", "tokens/s", default=20, ge=0
    )
    load: float = quantity(
        "Load", "Share of paid hours in which the batch is full", "fraction", default=0.5, gt=0, le=1
    )
    compute_efficiency: float | None = quantity(
        "Compute efficiency", "Share of the dense peak that products reach; blank: fitted on published throughputs",
        "fraction", default=None, gt=0, le=1, advanced=True,
    )  # fmt: skip
    bandwidth_efficiency: float = quantity(
        "Bandwidth efficiency", "Share of the memory bandwidth that decoding reaches", "fraction",
        default=0.8, gt=0, le=1, advanced=True,
    )  # fmt: skip
    memory_share: float = quantity(
        "Usable memory", "Share of device memory for weights and cache", "fraction",
        default=0.9, gt=0, le=1, advanced=True,
    )  # fmt: skip
    task: Task = choice("Task", "One task: prompted, fine-tuned, or done by a small model", default=Task())

    @property
    def tokens_per_day(self) -> float:
        """On a mean day of the life."""
        return self.served_tokens / (self.years * DAYS_A_YEAR)

    def tokens_served(self, daily: float) -> float:
        """In the whole life, with so many on a mean day; to three digits, as one would write it."""
        return float(f"{daily * self.years * DAYS_A_YEAR:.3g}")

    @field_validator("accelerator", mode="before")
    @classmethod
    def _by_name(cls, value: Any) -> Any:
        return read_by_name("accelerators", value)
