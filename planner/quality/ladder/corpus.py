"""A text as a ladder sees it: windows of tokens to train on, windows held out, how many bytes a token stands for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.errors import InputError
from planner.quality import tokenizers
from planner.quality.ladder.text import Text, divide
from planner.quality.ladder.vocabulary import Tokens, Vocabulary, vocabulary


@dataclass(frozen=True)
class Corpus:
    """Windows [n, s + 1]: each token but a part's first is predicted once, the first of a window only read."""

    text: Text
    vocabulary: Vocabulary
    training: Tokens
    held_out: Tokens
    held_out_tokens_per_byte: float

    @property
    def training_tokens(self) -> int:
        """Tokens predicted in one pass over the training windows."""
        return int(self.training.shape[0] * (self.training.shape[1] - 1))

    @property
    def held_out_tokens(self) -> int:
        """Tokens whose loss is measured."""
        return int(self.held_out.shape[0] * (self.held_out.shape[1] - 1))

    def bits_per_byte(self, loss: float) -> float:
        """Of the held-out blocks; comparable between tokenizers, as the loss a token is not."""
        return float(tokenizers.bits_per_byte(loss, self.held_out_tokens_per_byte, 1.0))


def corpus(text: Text, tokenizer: str, size: int | None, sequence: int) -> Corpus:
    """Divide the text, turn each part into tokens and those into windows. Raises as `vocabulary` does, and
    `InputError` where there is too little."""
    trained, held_out = divide(text.content)
    by = vocabulary(tokenizer, size, trained)
    blocks = [by.encode(block) for block in held_out]
    training = windows([by.encode(part) for part in trained], sequence)
    held = windows(blocks, sequence)
    if not len(training) or not len(held):
        raise InputError(f"--text {text.name}: too short for windows of {sequence} tokens under {by.name}")
    tokens, bytes_ = sum(map(len, blocks)), sum(len(block.encode()) for block in held_out)
    return Corpus(text, by, training, held, tokens / bytes_)


def windows(parts: Sequence[Tokens], sequence: int) -> Tokens:
    """Windows [n, sequence + 1] of the parts, one token apart from each other's end; a part's rest is left out."""
    found = [np.empty((0, sequence + 1), np.int32)]
    for part in parts:
        count = max(0, (len(part) - 1) // sequence)
        found.append(part[np.arange(count)[:, None] * sequence + np.arange(sequence + 1)])
    return np.concatenate(found)
