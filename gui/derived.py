"""What follows from a plan alone: values of fields left blank, the layout's product, data sheets. No Qt."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from typing import TYPE_CHECKING, Any

from planner import library, units
from planner.costing import quote
from planner.costing.quote import Quote
from planner.errors import TrainplanError
from planner.plan import offers
from planner.plan.cluster import Accelerator, Fabric
from planner.plan.plan import Plan

if TYPE_CHECKING:
    from planner.estimate import Figure

Fact = tuple[str, str]


def blanks(plan: Plan) -> dict[str, Fact]:
    """What a blank field stands for, by path: the value, and where it comes from."""
    price, grid = _price(plan, quote.hourly), _grid(plan)
    pue = library.pue(plan.prices.grid_region)
    known = not math.isnan(price.usd_per_gpu_hour)
    return {
        "layout.dp": (f"{plan.dp:,}", "the remaining GPUs"),
        "layout.zero_group": (f"{plan.dp * plan.layout.cp:,}", "all ranks"),
        "layout.recompute_layers": ("all", ""),
        "prices.usd_per_gpu_hour": (
            f"{price.usd_per_gpu_hour:.4g}",
            "USD/h, the offer's" if plan.prices.offer else "USD/h, shipped price",
        )
        if known
        else ("unknown", "fill it in"),
        "prices.reserved.discount": ("unknown", "or state the price"),
        "prices.spot.discount": ("unknown", "or state the price"),
        "prices.owned.purchase_usd": ("unknown", "fill it in"),
        "prices.owned.provisioned_w": (f"{quote.provisioned_w(plan):g}", "W, the board's limit"),
        "prices.pue": (f"{pue['pue']:g}", "the provider's") if pue else ("unknown", "fill it in"),
        "prices.network_premium": (f"{plan.cluster.fabric.price_share:g}", "the fabric's"),
        "prices.power_share": ("automatic", "from utilization"),
        "prices.grid_kg_per_kwh": (f"{grid['kg_per_kwh']:g}", "kg/kWh, the region's")
        if grid
        else ("unknown", "fill it in"),
    }


def layout_line(plan: Plan) -> tuple[str, bool]:
    """The product of the parallel degrees against the cluster, and whether they agree."""
    layout, gpus = plan.layout, plan.cluster.gpus
    used = layout.tp * layout.pp * layout.cp * plan.dp
    degrees = f"tp {layout.tp} × pp {layout.pp} × cp {layout.cp} × dp {plan.dp:,} = {used:,}"
    if used == gpus:
        return f"{degrees} GPUs, the whole cluster", True
    return f"{degrees} GPUs, but the cluster has {gpus:,}", False


def batch_facts(plan: Plan) -> list[Fact]:
    """The batch and the length of the run, told in tokens and steps."""
    recipe = plan.recipe
    return [
        ("Tokens a step", units.show(recipe.batch_tokens, "tokens")),
        ("Steps", f"{recipe.steps:,.0f}"),
        ("Sequences a step and rank", f"{recipe.global_batch / plan.dp:g}"),
    ]


def data_sheet(accelerator: Accelerator) -> list[Fact]:
    """An accelerator's figures as they are shipped, with source and date."""
    peaks = [
        (f"Peak {name}", units.show(value, "FLOP/s"))
        for name, value in accelerator.peak_flops.model_dump().items()
        if value
    ]
    from planner.timing.selection import known_by  # with numpy, which the first window need not wait for

    link = (
        f"{accelerator.link}, {units.show(accelerator.link_bytes_per_s, 'B/s')}"
        if accelerator.link_bytes_per_s
        else accelerator.link
    )
    return [
        *peaks,
        ("Memory", units.show(accelerator.memory_bytes, "B")),
        ("Memory bandwidth", units.show(accelerator.memory_bandwidth_bytes_per_s, "B/s")),
        ("Scale-up link", link or "none known"),
        ("Power limit", units.show(accelerator.tdp_w, "W") if accelerator.tdp_w else "unknown"),
        ("Known by", str(known_by(accelerator))),
        ("Source", ", ".join(filter(None, (accelerator.source, accelerator.as_of, accelerator.confidence)))),
    ]


def cluster_facts(plan: Plan) -> list[Fact]:
    """The cluster in numbers, and where price and grid come from."""
    cluster, fabric = plan.cluster, plan.cluster.fabric
    price, grid = _price(plan, quote.quote), _grid(plan)
    facts = [
        ("GPUs", f"{cluster.gpus:,}"),
        ("Network a GPU", f"{units.show(fabric.bits_per_s_per_gpu, 'bit/s')}, {units.show_duration(fabric.latency_s)}"),
    ]
    facts.append(("Price", f"{units.show(price.usd_per_gpu_hour, 'USD/h')}: {price.told()}"))
    if grid and plan.prices.grid_kg_per_kwh is None:
        facts.append(("Grid", f"{grid['kg_per_kwh']:g} kg/kWh: {grid['source']}"))
    return facts


def offer_names(plan: Plan) -> list[str]:
    """The offers of the plan's accelerator that go by a name, the cheapest first; a blank one for none of them."""
    try:
        return ["", *dict.fromkeys(one.name for one in offers.known(plan.cluster.accelerator.name) if one.name)]
    except TrainplanError:
        return [""]


def offer_rows(plan: Plan) -> list[dict[str, Any]]:
    """The offers of the plan's accelerator, the cheapest first, each with its date and age."""
    found = []
    for one in offers.known(plan.cluster.accelerator.name):
        price = quote.of_offer(one)
        found.append({
            "usd_per_gpu_hour": one.usd_per_gpu_hour, "told": one.told, "name": one.name, "as_of": one.as_of or None,
            "age": price.age_text() or None, "age_days": price.age_days(), "is_stale": price.is_stale(),
            "purchase": one.purchase,
        })  # fmt: skip
    return found


def offers_told(plan: Plan, rows: list[dict[str, Any]]) -> str:
    """How many offers there are and of when, and when the clouds' own were last fetched."""
    days = sorted(row["as_of"] for row in rows if row["as_of"])
    seen = f", seen {days[0]} to {days[-1]}" if days else ""
    count = f"{len(rows):,} offer{'' if len(rows) == 1 else 's'} of {plan.cluster.accelerator.name}{seen}."
    path = offers.kept_path()
    fetched = (
        f"The clouds' own were fetched on {date.fromtimestamp(library.stamp(path)[0] / 1e9)}."
        if path.is_file()
        else "The clouds' own were never fetched."
    )
    broken = [f"Left out: {one.splitlines()[0]}." for one in offers.left_out(kept=False)]
    return " ".join([count, fetched, *broken])


def hardware_figure(plan: Plan, name: str) -> Figure | None:
    """What a fact of `data_sheet` or `cluster_facts` is as a figure with its source; None of one that is none."""
    from planner.estimate import Figure
    from planner.formula import given, recording

    cluster, fabric, device = plan.cluster, plan.cluster.fabric, plan.cluster.accelerator
    sheet, links = _source(device), _source(fabric)
    if name == "GPUs":
        with recording():
            nodes = given("nodes", float(cluster.nodes), source="plan")
            gpus = nodes * given("gpus_per_node", float(cluster.gpus_per_node), source="plan")
        return Figure.of("hardware.gpus", name, gpus, "GPUs", kind="assumed")
    if name == "Price":
        with recording():
            price = _price(plan, quote.quote)
        return Figure.of("hardware.price", name, price.usd_per_gpu_hour, "USD/h", kind=price.kind, source=price.told())
    grid = _grid(plan) or {}
    known: dict[str, tuple[float | None, str, str]] = {
        "Memory": (device.memory_bytes, "B", sheet),
        "Memory bandwidth": (device.memory_bandwidth_bytes_per_s, "B/s", sheet),
        "Scale-up link": (device.link_bytes_per_s, "B/s", sheet), "Power limit": (device.tdp_w, "W", sheet),
        "Network a GPU": (fabric.bits_per_s_per_gpu, "bit/s", links),
        "Grid": (grid.get("kg_per_kwh"), "kg/kWh", f"{grid.get('source')} ({grid.get('as_of')})"),
        **{f"Peak {one}": (value, "FLOP/s", sheet) for one, value in device.peak_flops.model_dump().items()},
    }  # fmt: skip
    value, unit, source = known.get(name, (None, "", ""))
    return None if value is None else Figure.of("hardware", name, value, unit, kind="published", source=source)


def _source(part: Accelerator | Fabric) -> str:
    return f"{part.name}: " + ", ".join(filter(None, (part.source, part.as_of, part.confidence)))


def _price(plan: Plan, quoted: Callable[[Plan], Quote]) -> Quote:
    try:
        return quoted(plan)
    except TrainplanError as error:
        return Quote.unknown(str(error), "prices.offer")


def _grid(plan: Plan) -> dict[str, Any] | None:
    try:
        return library.grid(plan.prices.grid_region)
    except (TrainplanError, KeyError):
        return None
