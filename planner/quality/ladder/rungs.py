"""Which decoders a ladder trains, and on how many tokens each: sizes, budgets, batch.

N counts all parameters, embedding and head included, as the published laws do. Budgets grow as a fixed power of N: the
ladder's path, on which the last rung lies too. The first rungs, which are cheap, are trained on multiples of their
budget as well, which tells the law's α from its β. The path begins where losses already follow a power law: of half a
million tokens or less, models of bytes have learned letters and no words yet, and gain little from size. All rungs of a
ladder have the same depth, heads of the same dimension and the same shape of a layer: only the width grows, which is
what μP corrects for, so that nothing but size tells two rungs apart.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from planner.counting import parameters
from planner.errors import InputError, UnknownNameError
from planner.plan.model import Model
from planner.quality import losses
from planner.quality.laws import law

SEQUENCE = 128
"""Tokens of a window: at these sizes a longer context costs more than it lowers the loss."""
HEAD_DIMENSION = 16
"""The same at every width, as μP asks; widths that it divides have attention of the same shape."""
WIDTH_STEP = 8
FFN_RATIO = 8 / 3
"""Of the width: three matrices of it have as many parameters as two of four times the width (Shazeer 2020)."""
FFN_STEP = 8
BUDGET_EXPONENT = 0.6
"""Tokens grow as N to this power, more slowly than N: the small rungs get enough, the large one ends in time."""
MULTIPLES = ((1, 2, 4), (1, 2))
"""Budgets of the first rungs, in those of the path; all others have one."""
FEWEST_STEPS = 60
FEWEST_RUNGS = 5
"""Three to begin with, one to choose the form of the law on, one to be forecast."""
WARMUP_SHARE = 0.05


@dataclass(frozen=True)
class Size:
    """A ladder as shipped: width and layers of its rungs, and the tokens of the last one."""

    shapes: tuple[tuple[int, int], ...]
    tokens: int


SIZES = {
    "tiny": Size(((16, 2), (32, 2), (48, 2), (64, 2), (80, 2)), 200_000),
    "useful": Size(((32, 3), (48, 3), (64, 3), (80, 3), (96, 3), (128, 3)), 2_200_000),
    "large": Size(((64, 6), (128, 6), (192, 6), (256, 6), (384, 6), (512, 6)), 600_000_000),
}
"""Under a minute and under ten of two CPU cores; and one for a GPU and a text of half a gigabyte."""


@dataclass(frozen=True)
class Budget:
    """Optimizer steps of `batch` sequences each."""

    steps: int
    batch: int

    @property
    def tokens(self) -> int:
        """Tokens trained on."""
        return self.steps * self.batch * SEQUENCE

    @property
    def warmup(self) -> int:
        """Steps of the learning rate's rise."""
        return max(1, round(WARMUP_SHARE * self.steps))


@dataclass(frozen=True)
class Rung:
    """A decoder and the budgets that it is trained for, each from new weights."""

    model: Model
    budgets: tuple[Budget, ...]

    @property
    def parameters(self) -> int:
        """N: all of them."""
        return int(parameters.of_model(self.model).total)


def decoder(width: int, layers: int, vocabulary: int) -> Model:
    """A Llama in miniature: rotary, RMSNorm, SwiGLU, no biases, an untied head; with queries and keys normed, which
    makes the loss depend less on the learning rate (Wortsman 2023, arXiv 2309.14322)."""
    heads = math.ceil(width / HEAD_DIMENSION)
    ffn = FFN_STEP * round(FFN_RATIO * width / FFN_STEP)
    return Model(
        name=f"ladder-{width}x{layers}", layers=layers, hidden=width, heads=heads, kv_heads=heads,
        head_dim=HEAD_DIMENSION, ffn=ffn, vocabulary=vocabulary, max_sequence=SEQUENCE,
        qk_norm=True,
    )  # fmt: skip


def budget(tokens: float) -> Budget:
    """Steps and batch for so many tokens. The batch is Step Law's (2025, arXiv 2503.04715): a power of the tokens, as
    the critical batch is one (Zhang 2024, arXiv 2410.21676)."""
    step = law("step-law-2025").parameters
    best = float(losses.power_of_size_and_data(1.0, tokens, step["batch"], 0.0, step["batch_D"]))
    batch = max(1, round(best / SEQUENCE))
    return Budget(int(tokens / (batch * SEQUENCE)), batch)


def rungs(
    shapes: tuple[tuple[int, int], ...], tokens: float, vocabulary: int, available: int
) -> tuple[tuple[Rung, ...], str]:
    """The rungs from the smallest, the last with one budget of `tokens`; and a note where the text sets the budget.

    available: tokens of one pass over the training part; more are never used. Raises `InputError` for shapes that are
    no ladder and for a text too short for it.
    """
    models = [decoder(width, layers, vocabulary) for width, layers in shapes]
    sizes = [float(parameters.of_model(model).total) for model in models]
    if len(models) < FEWEST_RUNGS or sizes != sorted(set(sizes)):
        raise InputError(f"--shapes: a ladder has {FEWEST_RUNGS} rungs or more, each larger than the one before")
    note = ""
    if tokens > available:
        note = f"one pass over the text is {available:,} tokens: the last rung's {tokens:,.0f} are cut to that"
        tokens = available
    found = []
    for place, (model, size) in enumerate(zip(models, sizes, strict=True)):
        multiples = MULTIPLES[place] if place < len(MULTIPLES) else (1,)
        path = tokens * (size / sizes[-1]) ** BUDGET_EXPONENT
        found.append(Rung(model, tuple(budget(many * path) for many in multiples)))
    fewest = min(one.steps for rung in found for one in rung.budgets)
    if fewest < FEWEST_STEPS:
        shortest = math.ceil(tokens * FEWEST_STEPS / max(fewest, 1))
        raise InputError(
            f"ladder: the smallest run would have {fewest} steps, fewer than {FEWEST_STEPS}; give a text and --tokens "
            f"of about {shortest:,} or more, or a smaller --size"
        )
    return tuple(found), note


def size(name: str) -> Size:
    """A shipped ladder by name. Raises `UnknownNameError`."""
    if name not in SIZES:
        raise UnknownNameError("ladder size", name, SIZES)
    return SIZES[name]
