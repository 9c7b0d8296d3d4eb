"""The command `lifetime`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from planner.units import percent

if TYPE_CHECKING:
    from planner.costing.post_training import Account, Cost
    from planner.plan.plan import Plan
    from planner.quality.lifetime import Life
    from planner.quality.task import Comparison

PlanOf = Callable[[argparse.Namespace], "Plan"]
_TABLE_SIZES = 9


def add_parser(subparsers: Any, add_plan_arguments: Callable[[argparse.ArgumentParser], None], plan_of: PlanOf) -> None:
    """Register the command. PLAN, `--model` and `--set` are the command line's own, as for every command of a plan."""
    life = subparsers.add_parser(
        "lifetime", help="training, post-training and serving over a model's life; general or specific; the best size"
    )
    add_plan_arguments(life)
    life.add_argument("--law", help="a law's name or file (default: besiroglu-2024)")
    life.add_argument("--json", action="store_true", help="print one JSON object")
    life.set_defaults(run=lambda options: run(options, plan_of(options)))


def run(options: argparse.Namespace, plan: Plan) -> int:
    """`lifetime PLAN`: the tables or the JSON object on stdout, warnings on stderr."""
    from planner.quality.laws import DEFAULT
    from planner.quality.lifetime import life_of
    from planner.quality.task import compare

    found = life_of(plan, options.law or DEFAULT)
    task = compare(plan, found.estimate)
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if options.json:
        print(json.dumps({**found.to_json(), "task": task.to_json()}, allow_nan=False))
        return 0
    print(
        "\n\n".join([_life_table(found), _account_table(found), _task_table(task)]).replace("\N{NO-BREAK SPACE}", " ")
    )
    return 0


def _life_table(found: Life) -> str:
    from planner.units import show

    lines = [f"{found.estimate.plan.name} over its life, {show(found.life.served_tokens, 'tokens')} served"]
    figures = [one for key, one in found.figures.items() if not key.startswith(("post_training", "optimum"))]
    lines.append(aligned(["figure", "value", "80 % band"], [[one.label, one.text, one.band_text] for one in figures]))
    step = max(1, len(found.curve) // _TABLE_SIZES)
    choices = [found.plan, found.best, found.compute_optimal, *found.curve[step // 2 :: step]]
    rows = [
        [one.name, show(one.parameters), show(one.tokens)]
        + [show(usd, "USD") for usd in (one.training_usd, one.serving_usd, one.total_usd)]
        for one in sorted(choices, key=lambda choice: choice.parameters)
    ]
    lines += ["", f"The same loss ({found.loss:.4f}, {found.law.title}) at other sizes:"]
    lines.append(aligned(["size", "parameters", "tokens", "training", "serving", "both"], rows))
    for name, (low, high) in found.bands.items():
        lines.append(f"80 % band of the lifetime-optimal {name}: {show(low)} to {show(high)}")
    return "\n".join(lines)


def _account_table(found: Life) -> str:
    from planner.costing.post_training import interval

    account, drawn = found.account, found.drawn
    if account is None or drawn is None:
        return "No post-training in the plan (post_training: llama-2 is a shipped example)."
    rows = [_cost_row(one.name, one, many) for one, many in zip(account.parts, drawn.parts, strict=True)]
    rows.append(_cost_row("Together", account, drawn))
    table = aligned(["part", "GPU-hours", "all", "people", "of it safety", "80 % range of all"], rows)
    low, high = interval(drawn.safety_usd / drawn.usd)
    of_all, of_stages = account.safety_usd / account.usd, account.safety_usd / account.stages_usd
    whole, least, most, stages = (percent(float(share), 0) for share in (of_all, low, high, of_stages))
    told = f"{table}\nSafety takes {whole} ({least} to {most}) of all, {stages} of the post-training."
    return f"{told}\n{found.price_words}." if found.price_words else told


def _cost_row(name: str, one: Cost | Account, many: Cost | Account) -> list[str]:
    from planner.costing.post_training import interval
    from planner.units import show

    low, high = interval(many.usd)
    spent = [show(float(usd), "USD") for usd in (one.usd, one.people_usd, one.safety_usd)]
    return [name, show(float(one.gpu_hours), "GPU-hours"), *spent, f"{show(low, 'USD')} – {show(high, 'USD')}"]


def _task_table(found: Comparison) -> str:
    from planner.units import show

    rows = []
    for way in found.ways:
        scores = "; ".join(f"{s.model} {s.score:g}" + (f" ({s.shots} shots)" if s.shots else "") for s in way.scores)
        spent = show(float(way.cost(found.task.calls)), "USD")
        thousand = f"${float(way.usd_per_call) * 1000:.4g}"
        rows.append([way.label, show(float(way.fixed_usd), "USD"), thousand, spent, scores])
    calls = f"{show(found.task.calls)} calls"
    table = aligned(["way", "once", "1,000 calls", calls, f"published, {found.task.quality_task}"], rows)
    even = "\n".join(f"{pair}: {_break_even(calls)}" for pair, calls in found.break_evens.items())
    return f"General or specific\n{table}\n{even}"


def _break_even(calls: float) -> str:
    from planner.units import show

    if calls == 0:
        return "the second is always cheaper"
    return "never cheaper" if calls == float("inf") else f"the second is cheaper from {show(calls)} calls"


def aligned(header: list[str], rows: list[list[str]]) -> str:
    """Columns for reading, the first to the left, the others to the right."""
    lines = [header, *rows]
    widths = [max(len(line[i]) for line in lines) for i in range(len(header))]
    told = []
    for line in lines:
        numbers = [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        told.append("  ".join([line[0].ljust(widths[0]), *numbers]).rstrip())
    return "\n".join(told)
