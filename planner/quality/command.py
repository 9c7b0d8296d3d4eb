"""The commands `frontier` and `fit`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.quality.fit import Fit
    from planner.quality.frontier import Frontier

DEFAULT_SAMPLES = 1000
MOST_SAMPLES = 100_000
_TABLE_SIZES = 9


def add_parsers(subparsers: Any) -> None:
    """Register the commands; each sets `run`, a function from the parsed arguments to the exit code."""
    frontier = subparsers.add_parser("frontier", help="perplexity against size at a budget, and the best size")
    frontier.add_argument("plan", metavar="PLAN", help="a plan file or the name of a shipped plan")
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
    frontier.add_argument("--json", action="store_true", help="print one JSON object")
    frontier.set_defaults(run=run_frontier)
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
    fit.set_defaults(run=run_fit)


def run_frontier(args: argparse.Namespace) -> int:
    """`frontier PLAN`: the table or the JSON object on stdout, warnings on stderr."""
    from planner.estimate import estimate
    from planner.plan import file
    from planner.quality.frontier import Training, frontier, parse_budget
    from planner.quality.laws import DEFAULT, law
    from planner.units import parse

    chosen = law(args.law or ("muennighoff-2023" if args.unique_tokens else DEFAULT))
    unique = parse(args.unique_tokens, "tokens") if args.unique_tokens else None
    budget = parse_budget(args.budget) if args.budget else None
    plan = file.load(args.plan)
    training = Training.of_estimate(plan.name, plan.recipe.tokens, estimate(plan).json)
    found = frontier(budget, law=chosen, training=training, unique_tokens=unique)
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    print(json.dumps(found.to_json(), allow_nan=False) if args.json else frontier_table(found))
    return 0


def run_fit(args: argparse.Namespace) -> int:
    """`fit POINTS.csv`: parameters with errors and intervals on stdout, warnings on stderr."""
    from planner.errors import InputError
    from planner.plan.file import write_atomically
    from planner.quality.fit import fit
    from planner.quality.points import read

    if not 0 <= args.bootstrap <= MOST_SAMPLES:
        raise InputError(f"--bootstrap: {args.bootstrap} is not between 0 and {MOST_SAMPLES:,}")
    found = fit(read(Path(args.points)), bootstrap=args.bootstrap)
    for warning in found.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    if args.out:
        law = found.law(Path(args.out).stem, f"fitted to {args.points}")
        write_atomically(Path(args.out), json.dumps(law.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n")
    print(json.dumps(found.to_json(), allow_nan=False) if args.json else fit_table(found))
    return 0


def frontier_table(found: Frontier) -> str:
    """The frontier for a terminal: best size, the plan, and sizes along the curve with the price of each."""
    from planner.quality.frontier import compute_ratio, same_quality_sizes, show_budget
    from planner.units import show

    best, law = found.optimum, found.law
    lines = [f"Law     {law.title} ({law.name})", f"Budget  {_budget_words(found)}", ""]
    lines.append(
        f"{'':16}{'parameters':>12}{'tokens':>12}{'tokens/param':>14}{'loss':>9}{'perplexity':>12}"
        "   80 % band        compute for the best loss"
    )

    def row(name: str, point: Any, price: str) -> str:
        loss = "" if point.loss is None else f"{point.loss:.4f}"
        value = "" if point.perplexity is None else f"{point.perplexity:.3f}"
        band = "" if point.low is None else f"{point.low:.3f} to {point.high:.3f}"
        ratio = point.tokens / point.parameters
        cells = f"{name:16.16}{show(point.parameters):>12}{show(point.tokens):>12}{ratio:>14,.3g}{loss:>9}{value:>12}"
        return f"{cells}   {band:17}{price}".rstrip()

    lines.append(row("best", best, "1×" if found.curve else ""))
    step = max(1, (len(found.curve) - 1) // (_TABLE_SIZES - 1))
    for point in found.curve[::step]:
        ratio = compute_ratio(law, point.parameters, best.parameters, found.budget_flops)
        known = found.unique_tokens is None and ratio == ratio
        lines.append(row("", point, ("never" if ratio == float("inf") else f"{ratio:.3g}×") if known else ""))
    if found.plan:
        lines += ["", row(found.plan.name, found.plan.point, "")]
        if found.plan.compute_ratio is not None:
            spent = show_budget(found.plan.flops, "FLOP")
            lines.append(f"The plan spends {spent}, {found.plan.compute_ratio:.3g}× the least that reaches its loss.")
    flat = same_quality_sizes(law, found.budget_flops) if found.unique_tokens is None else None
    if flat:
        sizes = f"{show(flat[0])} to {show(flat[1])}"
        lines.append(f"Any size from {sizes} comes within 0.5 % of the best loss at this budget.")
    for name, (low, high) in found.bands.items():
        if name in ("parameters", "tokens"):
            lines.append(f"80 % band of the best {name}: {show(low)} to {show(high)}")
    return "\n".join([*lines, f"Source  {law.source}"]).replace("\N{NO-BREAK SPACE}", " ")


def _budget_words(found: Frontier) -> str:
    from planner.quality.frontier import show_budget

    flops = show_budget(found.budget_flops, "FLOP")
    if found.budget is None:
        return f"{flops}, the plan's own compute"
    return flops if found.budget.unit == "FLOP" else f"{found.budget} = {flops} on the plan's cluster"


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
