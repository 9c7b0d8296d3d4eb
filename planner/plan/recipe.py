"""How the model is trained: data, batch, numerics, optimizer, software."""

from __future__ import annotations

from typing import Literal

from planner.plan.section import Section, choice, quantity, words

Precision = Literal["fp32", "tf32", "bf16", "fp16", "fp8", "mxfp8", "nvfp4"]
Optimizer = Literal["adamw", "adamw-8bit", "adafactor", "muon", "sgd"]
Attention = Literal["flash", "unfused"]


class Recipe(Section):
    """The training recipe. Batches are counted in sequences; tokens where the name says so."""

    tokens: int = quantity("Training tokens", "Tokens the model sees in the whole run [D]", "tokens", ge=1)
    sequence_length: int = quantity("Sequence length", "Tokens in one sequence [s]", "tokens", ge=1, le=10**9)
    global_batch: int = quantity("Global batch", "Sequences in one optimizer step [B]", "sequences", ge=1, le=10**9)
    precision: Precision = choice("Precision", "Number format of the matrix products", default="bf16")
    optimizer: Optimizer = choice("Optimizer", "Decides the states kept for each parameter", default="adamw")
    master_weights: bool = choice(
        "fp32 master weights", "Keep a 4-byte copy of the weights (mixed precision)", default=True, advanced=True
    )
    gradient_bytes: int = quantity(
        "Gradient bytes", "Bytes a gradient is accumulated in: 4, or 2", "B", default=4, ge=1, le=8, advanced=True
    )
    attention: Attention = choice(
        "Attention kernel", "Fused (FlashAttention) or written out as separate kernels", default="flash", advanced=True
    )
    causal: bool = choice("Causal mask", "Each token attends to the earlier ones only", default=True, advanced=True)
    dropout: bool = choice("Dropout", "Dropout is on (its masks are kept for backward)", default=False, advanced=True)
    expert_capacity: float | None = quantity(
        "Expert capacity",
        "Most tokens an expert takes, over the mean; the rest are dropped. Blank: none is dropped",
        default=None,
        ge=0.1,
        le=100,
        advanced=True,
    )
    framework: str = words(
        "Software",
        "Software generation, a name of the shipped table",
        default="megatron-core",
        max_length=60,
        advanced=True,
    )

    @property
    def batch_tokens(self) -> int:
        """Tokens in one optimizer step."""
        return self.global_batch * self.sequence_length

    @property
    def steps(self) -> float:
        """Optimizer steps of the whole run; the last may be partial."""
        return self.tokens / self.batch_tokens
