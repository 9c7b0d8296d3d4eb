"""Is commodity Ethernet enough? The same plan over other networks: time, money, energy, and what a faster one may cost.

Only the fabric between nodes, or the GPUs that one scale-up domain joins, are others. Each network gets the layout that
is fastest on it: a wider domain allows other layouts than a narrow one. Keeping the plan's layout everywhere is quicker
and tells less: then a faster network's gain is a lower bound.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from planner.costing.quote import quote
from planner.estimate import Estimate, estimate
from planner.formula import Number, formula
from planner.plan import shipped
from planner.plan.check import check
from planner.plan.plan import Plan
from planner.search.ranking import layout_words
from planner.search.run import search
from planner.units import percent

Told = Callable[[float, str], None]
"""Told before each network: the share that is done, and which one comes."""
FABRICS = ("roce-200", "roce-400", "infiniband-hdr-200", "infiniband-ndr-400", "infiniband-xdr-800")
DOMAINS = (8, 16, 32, 36, 64, 72)
"""GPUs of a scale-up domain that are tried, where they divide the plan's GPUs: HGX to NVL72."""
COMMODITY = ("ethernet", "roce")


@dataclass(frozen=True)
class Row:
    """The plan on one network."""

    label: str
    fabric: str
    domain: int
    ethernet: bool
    """Commodity Ethernet (RoCE or TCP), not InfiniBand or another maker's own."""
    is_plans: bool
    """The plan as it is: its own network and layout."""
    price_share: float
    """Premium of the fabric on the price of a GPU-hour without it."""
    estimate: Estimate
    break_even_share: float = 0.0
    """The price share at which it costs as much as the cheapest commodity network."""
    break_even_usd: float = math.nan
    """That price of a GPU-hour, all in."""

    @property
    def usd(self) -> float:
        """The whole training."""
        return float(self.estimate.outcome.total_usd)

    @property
    def seconds(self) -> float:
        """On the calendar."""
        return float(self.estimate.outcome.train_time_s)

    @property
    def source(self) -> str:
        """Where the network's figures and the price of a GPU-hour are from."""
        fabric = self.estimate.plan.cluster.fabric
        return f"{fabric.name}: {fabric.source} ({fabric.confidence}). Price: {quote(self.estimate.plan).told()}"

    def to_json(self) -> dict[str, Any]:
        """Plain SI numbers."""
        o, figures = self.estimate.outcome, self.estimate.figures
        time, cost = figures["time.training"], figures["money.total"]
        return {
            "label": self.label, "fabric": self.fabric, "domain": self.domain, "ethernet": self.ethernet,
            "is_plans": self.is_plans, "price_share": self.price_share, "break_even_share": self.break_even_share,
            "break_even_usd_per_gpu_hour": self.break_even_usd, "layout": layout_words(self.estimate.plan),
            "train_time_band_s": [time.low, time.high], "cost_band_usd": [cost.low, cost.high], "source": self.source,
            "step_time_s": float(o.step.total), "train_time_s": self.seconds, "gpu_hours": float(o.gpu_hours),
            "energy_kwh": float(o.energy_kwh), "co2e_kg": float(o.co2e_kg), "network_usd": float(o.network_usd),
            "cost_usd": self.usd, "mfu": float(o.mfu), "fits": self.estimate.fits,
        }  # fmt: skip


@dataclass(frozen=True)
class Networks:
    """The plan on every network, and the answer."""

    plan: str
    rows: tuple[Row, ...]
    skipped: tuple[str, ...]
    """Networks that the plan cannot take, and why."""
    keeps_layout: bool = False
    """The plan's own layout on every network, instead of the fastest on each."""

    @property
    def layout_words(self) -> str:
        """Which layout was taken."""
        if self.keeps_layout:
            return f"The plan's own layout on every network: {layout_words(self.rows[0].estimate.plan)}"
        return "On each network the layout that is fastest there"

    @property
    def ethernet(self) -> Row:
        """The cheapest commodity network."""
        return min((row for row in self.rows if row.ethernet and row.domain == self._own), key=lambda row: row.usd)

    @property
    def fastest(self) -> Row:
        """The fastest fabric between the plan's own nodes."""
        return min((row for row in self.rows if row.domain == self._own), key=lambda row: row.seconds)

    @property
    def verdict(self) -> str:
        """One sentence."""
        slow, fast = self.ethernet, self.fastest
        if fast.ethernet:
            return f"Commodity Ethernet is enough: no fabric is faster than {fast.label}"
        if math.isnan(slow.usd):
            longer = percent(slow.seconds / fast.seconds - 1)
            return f"{slow.label} takes {longer} longer than {fast.label}; no price is known"
        time, money = slow.seconds / fast.seconds - 1, slow.usd / fast.usd - 1
        enough = "is enough" if money <= 0 else "is not the cheapest"
        compared = f"{percent(abs(money))} {'less' if money <= 0 else 'more'} money"
        return (
            f"Commodity Ethernet {enough}: {slow.label} takes {percent(time)} longer than {fast.label} for {compared}; "
            f"{fast.label} pays up to a price share of {percent(fast.break_even_share)} "
            f"(it is {percent(fast.price_share, 0)})"
        )

    def to_json(self) -> dict[str, Any]:
        """As `network --json` prints it."""
        return {
            "plan": self.plan, "verdict": self.verdict, "keeps_layout": self.keeps_layout,
            "layout": self.layout_words, "rows": [row.to_json() for row in self.rows], "skipped": list(self.skipped),
        }  # fmt: skip

    @property
    def _own(self) -> int:
        return next(row.domain for row in self.rows if row.is_plans)


@formula(
    "(1 + s)·h_slow/h_fast − 1", unit="fraction", source="GPU-hours times (1 + price share) equal on both networks"
)
def break_even_price_share(slow_share: Number, slow_gpu_hours: Number, fast_gpu_hours: Number) -> Number:
    """Premium on a GPU-hour that a faster network may have before it costs more than the slower one."""
    return (1 + slow_share) * slow_gpu_hours / fast_gpu_hours - 1


@formula("price/(1 + s)", unit="USD/h", source="the premium taken out of an all-in price")
def price_without_network(usd_per_gpu_hour: Number, price_share: Number) -> Number:
    """Price of a GPU-hour without its fabric's premium."""
    return usd_per_gpu_hour / (1 + price_share)


def compare(
    plan: Plan, fabrics: tuple[str, ...] = FABRICS, domains: tuple[int, ...] = DOMAINS, *, keep_layout: bool = False,
    told: Told = lambda share, doing: None, is_cancelled: Callable[[], bool] = lambda: False,
) -> Networks:  # fmt: skip
    """The plan on every network; first as it is. Raises `InputError` as `estimate` does for the plan itself,
    `CancelledError` when cancelled."""
    bare, own = _bare_price(plan), plan.cluster.fabric
    known = [shipped.fabric(name) for name in fabrics]
    skipped: list[str] = []
    tried = [
        (fabric.name, _on(plan, bare, {"fabric": fabric}), fabric is own)
        for fabric in (own, *(one for one in known if one.name != own.name))
    ]
    tried += [
        (f"{domain} GPUs a domain, {own.name}", wider, True)
        for domain in domains if (wider := _wider(plan, bare, domain, skipped)) is not None
    ]  # fmt: skip
    rows = [_row(tried[0][1], own.name, is_plans=True, is_own_fabric=True)]
    for index, (label, on, is_own_fabric) in enumerate(tried):
        told(index / len(tried), label)
        laid = on if keep_layout else _laid_out(on, is_cancelled)
        reason = _reason_against(laid)
        if reason:
            skipped.append(f"{label}: {reason}")
        elif index or laid.layout != plan.layout:
            again = f"{label}, layout searched" if not index else label
            rows.append(_row(laid, again, is_plans=False, is_own_fabric=is_own_fabric))
    return Networks(plan.name, _with_break_even(rows), tuple(skipped), keep_layout)


def _laid_out(plan: Plan, is_cancelled: Callable[[], bool]) -> Plan:
    """The plan in the layout that is fastest on its network; in its own where no other is faster or none fits."""
    found = search(plan, objective="time", top=1, is_cancelled=is_cancelled).best
    if not found or _reason_against(plan):
        return found[0].plan if found else plan
    own = estimate(plan)
    is_faster = found[0].figures["train_time_s"] < float(own.outcome.train_time_s)
    return found[0].plan if is_faster or not own.fits else plan


def _reason_against(plan: Plan) -> str:
    return "; ".join(problem.message for problem in check(plan) if problem.severity == "error")


def _bare_price(plan: Plan) -> float:
    """A premium of 0 in the plan means that its price is all-in, its own fabric's premium included."""
    price = float(quote(plan).usd_per_gpu_hour)
    return (
        float(price_without_network(price, plan.cluster.fabric.price_share))
        if plan.prices.network_premium == 0
        else price
    )


def _on(plan: Plan, bare: float, cluster: dict[str, Any]) -> Plan:
    """The plan on another cluster, its price without and its premium with the fabric. Where the price follows from a
    reservation's, spot's or the owner's terms, the premium is told relative to the plan's own fabric instead."""
    changed: dict[str, Any] = {"network_premium": None}
    if plan.prices.purchase == "on-demand":
        changed["usd_per_gpu_hour"] = None if math.isnan(bare) else bare
    elif plan.prices.network_premium == 0:
        share = cluster.get("fabric", plan.cluster.fabric).price_share
        changed["network_premium"] = (1 + share) / (1 + plan.cluster.fabric.price_share) - 1
    prices = plan.prices.model_copy(update=changed)
    return plan.model_copy(update={"cluster": plan.cluster.model_copy(update=cluster), "prices": prices})


def _wider(plan: Plan, bare: float, domain: int, skipped: list[str]) -> Plan | None:
    """The plan with so many GPUs in each scale-up domain and node; None (and why) where its GPUs do not divide so."""
    cluster = plan.cluster
    if domain <= max(cluster.accelerator.link_domain, cluster.gpus_per_node):
        return None
    if cluster.gpus % domain:
        skipped.append(f"{domain} GPUs a domain do not divide {cluster.gpus:,} GPUs")
        return None
    accelerator = cluster.accelerator.model_copy(update={"link_domain": domain})
    changed: dict[str, Any] = {"accelerator": accelerator, "gpus_per_node": domain, "nodes": cluster.gpus // domain}
    changed["failures_per_node_day"] = cluster.failures_per_node_day * domain / cluster.gpus_per_node
    return _on(plan, bare, changed)


def _row(plan: Plan, label: str, *, is_plans: bool, is_own_fabric: bool) -> Row:
    fabric = plan.cluster.fabric
    ethernet = fabric.name.casefold().startswith(COMMODITY)
    domain = max(plan.cluster.gpus_per_node, plan.cluster.accelerator.link_domain)
    return Row(
        label, fabric.name, domain, ethernet, is_plans, fabric.price_share, estimate(plan, is_own_fabric=is_own_fabric)
    )


def _with_break_even(rows: list[Row]) -> tuple[Row, ...]:
    """Each against the cheapest commodity network between the plan's own nodes."""
    slow = min((row for row in rows if row.ethernet and row.domain == rows[0].domain), key=lambda row: row.usd)
    bare = _bare_price(rows[0].estimate.plan)
    hours = float(slow.estimate.outcome.gpu_hours)
    shares = [
        float(break_even_price_share(slow.price_share, hours, float(row.estimate.outcome.gpu_hours))) for row in rows
    ]
    return tuple(
        replace(row, break_even_share=share, break_even_usd=bare * (1 + share))
        for row, share in zip(rows, shares, strict=True)
    )
