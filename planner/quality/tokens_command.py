"""The command `tokens`: a text under real tokenizers, what that does to a plan, and perplexities between them."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.estimate import Estimate
    from planner.plan.plan import Plan
    from planner.quality.tokenizers import Converted, Count

_FEW_WORDS = 2000
"""A shorter text says little about a whole training text."""


def add_parser(subparsers: Any) -> None:
    """Register the command; it sets `run`, a function from the parsed arguments to the exit code."""
    tokens = subparsers.add_parser("tokens", help="a text under real tokenizers, and what that does to a plan")
    tokens.add_argument("text", metavar="TEXT", help="a text, or the name of a text file")
    tokens.add_argument("--plan", metavar="PLAN", help="a plan whose tokens, hours and dollars follow")
    tokens.add_argument(
        "--base",
        metavar="NAME",
        help="tokenizer that counted the plan's tokens, and the perplexity's (default: mistral-v1, as Llama 2's)",
    )
    tokens.add_argument("--tokenizer", action="append", metavar="NAME", help="only this one (may be given again)")
    tokens.add_argument(
        "--perplexity",
        metavar="P",
        help="a perplexity a token of the base tokenizer on this text, told for the others through bits a byte",
    )
    tokens.add_argument("--json", action="store_true", help="print one JSON object")
    tokens.add_argument("--events", action="store_true", help="print JSON lines, one event a line")
    tokens.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """The table or the JSON object on stdout, warnings on stderr."""
    from planner.quality import tokenizers
    from planner.units import parse

    text = tokenizers.read_text(options.text)
    counts = tokenizers.count(text, names=options.tokenizer)
    base = _base(options, text, counts) if options.plan or options.perplexity else None
    perplexity = parse(options.perplexity, "") if options.perplexity else None
    converted = tokenizers.convert(perplexity, base, counts) if base and perplexity is not None else {}
    estimates = _estimates(options, base, counts) if base and options.plan else {}
    warnings = _warnings(counts, bool(estimates))
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if options.json or options.events:
        told = {**_answer(text, counts, estimates, converted), "base": base.name if base else "", "warnings": warnings}
        print(
            json.dumps({"event": "finished", **told} if options.events else told, allow_nan=False, ensure_ascii=False)
        )
    else:
        print(_table(counts, estimates, converted, base).replace("\N{NO-BREAK SPACE}", " "))
    return 0


def _base(options: argparse.Namespace, text: str, counts: list[Count]) -> Count:
    from planner.quality import tokenizers

    name = options.base or tokenizers.DEFAULT_BASE
    return next((one for one in counts if one.name == name), None) or tokenizers.count(text, names=[name])[0]


def _estimates(options: argparse.Namespace, base: Count, counts: list[Count]) -> dict[str, Estimate]:
    """The plan's estimate under each tokenizer."""
    from planner.plan.file import load
    from planner.quality import tokenizers

    plan: Plan = load(options.plan)
    return {one.name: tokenizers.under(plan, base, one) for one in counts}


def _warnings(counts: list[Count], with_plan: bool) -> list[str]:
    found = [f"{one.name} is estimated: {one.source}" for one in counts if one.kind != "measured"]
    if with_plan and counts[0].words < _FEW_WORDS:
        found.append(f"a text of {counts[0].words} words says little about a plan's training text; give a longer one")
    return found


def _answer(
    text: str, counts: list[Count], estimates: dict[str, Estimate], converted: dict[str, Converted]
) -> dict[str, Any]:
    size = {"bytes": len(text.encode()), "characters": len(text), "words": len(text.split())}
    told = []
    for one in counts:
        row = one.to_json()
        if one.name in estimates:
            row["plan"] = _plan_json(estimates[one.name])
        if one.name in converted:
            row |= {"perplexity": converted[one.name].perplexity, "bits_per_byte": converted[one.name].bits_per_byte}
        told.append(row)
    return {**size, "tokenizers": told}


def _plan_json(result: Estimate) -> dict[str, Any]:
    from planner.quality.lifetime import without_nan

    o = result.outcome
    data = {
        "tokens": float(result.plan.recipe.tokens), "gpu_hours": float(o.gpu_hours),
        "train_time_s": float(o.train_time_s), "cost_usd": float(o.total_usd),
    }  # fmt: skip
    return without_nan(data)  # type: ignore[no-any-return]


def _table(
    counts: list[Count], estimates: dict[str, Estimate], converted: dict[str, Converted], base: Count | None
) -> str:
    from planner.quality.lifetime_command import aligned
    from planner.units import show

    header = ["tokenizer", "vocabulary", "tokens", "bytes/token", "tokens/word", "how"]
    header += ["as good as"] if converted else []
    header += ["training", "time", "GPU-hours", "cost"] if estimates else []
    lines = []
    for one in counts:
        line = [one.name, f"{one.vocabulary:,}", show(round(one.tokens)), f"{one.bytes_per_token:.3f}"]
        line += [f"{one.tokens_per_word:.3f}", one.kind]
        if converted:
            line.append(f"{converted[one.name].perplexity:.4g}")
        if estimates:
            result = estimates[one.name]
            line.append(show(result.plan.recipe.tokens, "tokens"))
            line += [result.figures[key].text for key in ("time.training", "time.gpu_hours", "money.total")]
        lines.append(line)
    told = [aligned(header, lines)]
    if converted and base:
        any_of = next(iter(converted.values()))
        told.append(
            f"A perplexity of {any_of.given:.4g} a token of {base.name} is {any_of.bits_per_byte:.4f} bits a byte of "
            f"this text and {any_of.word_perplexity:.4g} a word."
        )
    pieces = [f"{one.name}: {' | '.join(one.pieces)}" for one in counts if one.pieces and one.name != "bytes"]
    return "\n".join([*told, *([""] if pieces else []), *pieces])
