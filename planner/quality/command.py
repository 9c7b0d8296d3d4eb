"""The commands `frontier` and `fit`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.plan.plan import Plan
    from planner.quality.fit import Fit
    from planner.quality.frontier import Frontier

DEFAULT_SAMPLES = 1000
MOST_SAMPLES = 100_000


def add_parsers(
    subparsers: Any,
    add_plan_arguments: Callable[[argparse.ArgumentParser], None],
    plan_of: Callable[[argparse.Namespace], Plan],
) -> None:
    """Register the commands. PLAN, `--model` and `--set` are the command line's own, as for every command of a plan."""
    frontier = subparsers.add_parser("frontier", help="perplexity against size at a budget, and the best size")
    add_plan_arguments(frontier)
    frontier.add_argument(
        "--budget",
        help='such as "1e24 FLOP", "$2M", "3M GPU-hours", "30 days", "500 MWh", "31 t"; blank: the plan\'s own compute',
    )
    frontier.add_argument("--law", help="a law's name or file (default: besiroglu-2024)")
    frontier.add_argument(
        "--unique-tokens",
        metavar="TOKENS",
        help="different tokens there are, such as 300B; beyond them data repeat (muennighoff-2023)",
    )
    frontier.add_argument("--csv", metavar="FILE", help="write curve, marks and other budgets as a table")
    frontier.add_argument("--json", action="store_true", help="print one JSON object")
    frontier.set_defaults(run=lambda options: run_frontier(options, plan_of(options)))
    fit = subparsers.add_parser("fit", help="fit your own scaling law to measured points")
    fit.add_argument("points", metavar="POINTS.csv", help="columns parameters, tokens, loss, and optionally run")
    fit.add_argument(
        "--bootstrap",
        type=int,
        default=DEFAULT_SAMPLES,
        metavar="N",
        help=f"resamples for errors and intervals (default {DEFAULT_SAMPLES}; 0: the delta method)",
    )
    fit.add_argument("--out", metavar="FILE.json", help="save the law, to use it with frontier --law")
    fit.add_argument("--json", action="store_true", help="print one JSON object")
    fit.add_argument("--events", action="store_true", help="print JSON lines, one event a line")
    fit.set_defaults(run=run_fit)


def run_frontier(args: argparse.Namespace, plan: Plan) -> int:
    """`frontier PLAN`: the table or the JSON object on stdout, warnings on stderr."""
    from planner.estimate import estimate
    from planner.quality import frontier_text
    from planner.quality.budget import Training, parse_budget
    from planner.quality.frontier import frontier
    from planner.quality.laws import DEFAULT, law
    from planner.quality.lifetime import demand
    from planner.quality.recipe import hints
    from planner.units import parse

    chosen = law(args.law or ("muennighoff-2023" if args.unique_tokens else DEFAULT))
    unique = parse(args.unique_tokens, "tokens") if args.unique_tokens else None
    budget = parse_budget(args.budget) if args.budget else None
    result = estimate(plan)
    found = frontier(budget, law=chosen, training=Training.of(result), unique_tokens=unique, demand=demand(result))
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if args.csv:
        _write_csv(found, Path(args.csv))
    best, advice = frontier_text.optimum_as_plan(plan, found), hints(result, chosen)
    if args.json:
        as_plan = {"optimum_as_plan": best.json if best else {}, "advice": [hint.to_json() for hint in advice]}
        print(json.dumps({**found.to_json(), **as_plan}, allow_nan=False))
    else:
        print(frontier_text.text(found, best, advice))
    return 0


def _write_csv(found: Frontier, path: Path) -> None:
    from planner.charts import contents, size_against_perplexity
    from planner.charts.export import csv_text
    from planner.writing import write_atomically

    data = contents.size_against_perplexity(size_against_perplexity, contents.Quality(found))
    write_atomically(path, csv_text(size_against_perplexity.table(data)))
    print(f"wrote {path}", file=sys.stderr)


def run_fit(args: argparse.Namespace) -> int:
    """`fit POINTS.csv`: parameters with errors and intervals on stdout, warnings on stderr."""
    from planner.errors import InputError
    from planner.quality.fit import fit
    from planner.quality.points import read
    from planner.writing import write_atomically

    if not 0 <= args.bootstrap <= MOST_SAMPLES:
        raise InputError(f"--bootstrap: {args.bootstrap} is not between 0 and {MOST_SAMPLES:,}")
    found = fit(read(Path(args.points)), bootstrap=args.bootstrap)
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if args.out:
        law = found.law(Path(args.out).stem, f"fitted to {args.points}")
        write_atomically(Path(args.out), json.dumps(law.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")
    if args.events:
        print(json.dumps({"event": "finished", "law": args.out or "", **found.to_json()}, allow_nan=False))
    else:
        print(json.dumps(found.to_json(), allow_nan=False) if args.json else fit_table(found))
    return 0


def fit_table(found: Fit) -> str:
    """The fitted parameters for a terminal."""
    lines = [f"{'':8}{'value':>14}{'standard error':>18}   80 % interval"]
    for name, value in found.to_json()["parameters"].items():
        low, high = found.intervals[name]
        lines.append(f"{name:8}{value:>14.6g}{found.standard_errors[name]:>18.3g}   {low:.6g} to {high:.6g}")
    a = found.parameters.beta / (found.parameters.alpha + found.parameters.beta)
    how = f"{len(found.samples):,} bootstrap samples" if len(found.samples) else "errors by the delta method"
    lines.append(f"\nBest size grows as C^{a:.4f}. Objective {found.objective:.9g} over {len(found.points)} points.")
    lines.append(f"{how[0].upper()}{how[1:]}; {found.seconds:.2f} s.")
    lines.append("Neither kind of interval covers a wrong form of the law or extrapolation beyond the points.")
    return "\n".join(lines)
