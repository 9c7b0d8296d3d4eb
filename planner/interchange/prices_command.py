"""`prices`: offers of accelerators with their dates; `--refresh` fetches them, and nothing else does."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner import library
from planner.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from planner.plan.offers import Offer, PriceList

MOST_SHOWN = 30
COLUMNS = (
    "accelerator", "gpu", "provider", "region", "instance", "gpus", "purchase", "usd_per_gpu_hour", "low", "high",
    "as_of", "age_days", "confidence", "source", "offer",
)  # fmt: skip


def add_parser(subparsers: Any, print_table: Callable[..., None], print_json: Callable[[Any], None]) -> None:
    """Register `prices`."""
    parser: argparse.ArgumentParser = subparsers.add_parser(
        "prices",
        help="offers of accelerators with date and age; --refresh fetches today's",
        description="Lists the shipped prices, your own lists (prices/*.json in your folder) and the catalogue of the "
        "last --refresh, the cheapest first. A plan takes one by its name: --set prices.offer=NAME.",
    )
    parser.add_argument("--gpu", metavar="NAME", help="of this accelerator, or of all whose name begins so")
    parser.add_argument("--provider", metavar="NAME", help="of this cloud")
    parser.add_argument("--region", metavar="NAME", help="in regions whose name begins so")
    way = parser.add_mutually_exclusive_group()
    way.add_argument("--spot", action="store_const", const="spot", dest="purchase", help="spot capacity only")
    way.add_argument("--on-demand", action="store_const", const="on-demand", dest="purchase", help="on demand only")
    parser.add_argument("--refresh", action="store_true", help="fetch the catalogue (gpuhunt) and keep it first")
    parser.add_argument(
        "--timeout", type=float, default=30.0, metavar="S", help="for --refresh (default: %(default)g s)"
    )
    parser.add_argument(
        "--top", type=int, default=MOST_SHOWN, metavar="K", help="so many on screen (default: %(default)s)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object with all of them")
    parser.add_argument("--csv", metavar="FILE", help="write all of them as a table")
    parser.add_argument("--events", action="store_true", help="of --refresh print JSON lines, and list nothing")
    parser.set_defaults(run=lambda options: run(options, print_table, print_json))


def run(options: argparse.Namespace, print_table: Callable[..., None], print_json: Callable[[Any], None]) -> int:
    """List them; the exit code. Raises `InputError`, `MissingError`."""
    if options.csv == "":
        raise InputError("--csv takes the name of a file; the one given is blank")
    if not 0 < options.timeout < 1e6 or options.top < 1:
        raise InputError("--timeout and --top take a number above 0")
    if options.events:
        return _told(options)
    if options.refresh:
        fetched = _refreshed(options)
        lost = f"; {fetched.notes}" if fetched.notes else ""
        print(f"kept {len(fetched.rows):,} offers of {_clouds(fetched)} ({fetched.source}{lost})", file=sys.stderr)
    found = chosen(options)
    if options.csv:
        from planner.reports import csv_report

        csv_report.write_table(
            COLUMNS, ([row[name] for name in COLUMNS] for row in map(plain, found)), Path(options.csv)
        )
        print(f"wrote {options.csv}", file=sys.stderr)
    if options.json:
        print_json({"offers": [plain(offer) for offer in found]})
        return 0
    print_table(*shown(found[: options.top]))
    if not found:
        print("no offers match", file=sys.stderr)
    if len(found) > options.top:
        more = len(found) - options.top
        print(f"and {more:,} dearer ones (--top {len(found)} shows all)", file=sys.stderr)
    return 0


def _told(options: argparse.Namespace) -> int:
    """`--refresh` for a program that watches: `progress`, and last `finished` or `failed`."""
    if not options.refresh:
        raise InputError("--events tells of --refresh only; --json lists the offers")
    print(json.dumps({"event": "progress", "doing": "fetching the catalogue"}), flush=True)
    found = _refreshed(options)
    said = {"offers": len(found.rows), "clouds": _clouds(found), "source": found.source, "as_of": found.as_of}
    print(json.dumps({"event": "finished", **said}, ensure_ascii=False), flush=True)
    return 0


def _refreshed(options: argparse.Namespace) -> PriceList:
    from planner.interchange import catalogue
    from planner.stopping import stop_signals

    with stop_signals() as is_stopped:
        return catalogue.refresh(options.timeout, is_stopped)


def _clouds(found: PriceList) -> str:
    return ", ".join(sorted({row.provider for row in found.rows}))


def chosen(options: argparse.Namespace) -> list[Offer]:
    """The offers that the options leave, the cheapest first; a list that cannot be read is named on stderr. Raises
    `UnknownNameError` for a GPU, provider or region that no offer has."""
    from planner.plan import offers

    for broken in offers.left_out():
        print(f"warning: a price list is left out: {broken}", file=sys.stderr)
    found = offers.every()
    found = _kept(found, "accelerator", options.gpu, lambda one: (one.accelerator, one.gpu), whole=False)
    found = _kept(found, "provider", options.provider, lambda one: (one.provider,), whole=True)
    found = _kept(found, "region", options.region, lambda one: (one.region,), whole=False)
    found = [one for one in found if options.purchase in (None, one.purchase)]
    return sorted(found, key=lambda one: one.usd_per_gpu_hour)


def plain(offer: Offer) -> dict[str, Any]:
    """An offer as `--json` and `--csv` have it."""
    from planner.costing.quote import of_offer

    data = {name: getattr(offer, name) for name in COLUMNS if name not in ("age_days", "offer")}
    return {**data, "age_days": of_offer(offer).age_days(), "offer": offer.name}


def _kept(
    found: list[Offer], what: str, asked: str | None, names: Callable[[Offer], tuple[str, ...]], *, whole: bool
) -> list[Offer]:
    if not asked:
        return found
    wanted = library.slug(asked)

    def fits(name: str) -> bool:
        return library.slug(name) == wanted if whole else library.slug(name).startswith(wanted)

    exact = [one for one in found if any(library.slug(name) == wanted for name in names(one))]
    left = exact or [one for one in found if any(name and fits(name) for name in names(one))]
    if not left:
        known = {name for one in found for name in names(one) if name}
        raise UnknownNameError(f"{what} among the offers", asked, known)
    return left


def shown(found: list[Offer]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """Header and rows of the table on screen."""
    from planner import units
    from planner.costing.quote import of_offer

    rows: list[tuple[str, ...]] = []
    for one in found:
        price = of_offer(one)
        age = f"{price.age_text() or 'unknown'}{', stale' if price.is_stale() else ''}"
        told = one.name or one.source[:60]
        named = one.accelerator or f"{one.gpu} (?)"
        dollars = units.show(one.usd_per_gpu_hour, "USD/h")
        rows.append((named, dollars, one.as_of or "unknown", age, one.purchase, f"{one.gpus:g}", told))
    return ("accelerator", "price", "as of", "age", "paid as", "GPUs", "offer"), rows
