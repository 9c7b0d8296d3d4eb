"""The price of a plan's GPU-hour: how it is paid, what it comes to, where it is from and how old it is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal, cast

from planner.costing import purchase
from planner.formula import Number, given
from planner.plan import offers
from planner.plan.dates import last_day
from planner.plan.offers import Offer
from planner.plan.plan import Plan
from planner.units import percent

STALE_AFTER_DAYS = 90
"""From this age on a price is told to be stale (assumed; AWS alone cut its H100 by 44 % within a day in June 2025)."""


@dataclass(frozen=True, slots=True)
class Quote:
    """A price of a GPU-hour; NaN where it is unknown, and then `source` says what to fill in."""

    usd_per_gpu_hour: float
    source: str
    as_of: str = ""
    """Year, month or day; blank where undated."""
    kind: Literal["published", "assumed", "estimated"] = "published"
    path: str = "prices.usd_per_gpu_hour"
    """The field of the plan that states it, or would."""

    @classmethod
    def unknown(cls, why: str, path: str) -> Quote:
        """No price, and why; `path` is the field to fill in."""
        return cls(math.nan, why, kind="assumed", path=path)

    def age_days(self, today: date | None = None) -> int | None:
        """Days since it was seen; None where it is undated, or of the year or month that is not over."""
        seen, now = last_day(self.as_of), today or date.today()
        return (now - seen).days if seen and seen <= now else None

    def is_stale(self, today: date | None = None) -> bool:
        """Old enough to have changed meanwhile."""
        return (self.age_days(today) or 0) > STALE_AFTER_DAYS

    def age_text(self, today: date | None = None) -> str:
        """The age in the largest unit of which there are two: `12 days`, `6 months`, `2 years`; blank where unknown."""
        days = self.age_days(today)
        if days is None or days < 60:
            return "" if days is None else f"{days} days"
        return f"{days / 30.4375:.0f} months" if days < 730 else f"{days / 365.25:.0f} years"

    def told(self, today: date | None = None) -> str:
        """Source and date, with the age where it is stale: `AWS, us-east-1 (2026-05, 6 months old)`."""
        if not self.as_of:
            return self.source
        age = f", {self.age_text(today)} old" if self.is_stale(today) else ""
        return f"{self.source} ({self.as_of}{age})"


def quote(plan: Plan) -> Quote:
    """The price that a plan's accelerator-hours are paid at: rented, reserved, spot or owned."""
    return {"reserved": _reserved, "owned": _owned}.get(plan.prices.purchase, hourly)(plan)


def hourly(plan: Plan) -> Quote:
    """What an hour is rented at: the plan's own price, else the table's on-demand one, less the discount where it is
    reserved or spot."""
    prices = plan.prices
    if prices.usd_per_gpu_hour is not None:
        return Quote(prices.usd_per_gpu_hour, prices.price_source or "plan", prices.price_as_of, "assumed")
    if prices.offer:
        return of_offer(offers.named(plan.cluster.accelerator.name, prices.offer))
    found = listed(plan.cluster.accelerator.name)
    if prices.purchase not in ("reserved", "spot") or math.isnan(found.usd_per_gpu_hour):
        return found
    return _discounted(plan, found, (prices.spot if prices.purchase == "spot" else prices.reserved).discount)


def listed(accelerator: str, path: str = "prices.usd_per_gpu_hour") -> Quote:
    """The table's on-demand price of an accelerator. path: the field to fill in where there is none."""
    row = offers.default(accelerator)
    if row is None:
        return Quote.unknown(f"no price is known for {accelerator}; fill in {path}", path)
    return of_offer(row)


def of_offer(offer: Offer) -> Quote:
    """What an offer asks, by its name, its source and its date."""
    return Quote(offer.usd_per_gpu_hour, ": ".join(filter(None, (offer.name, offer.source))), offer.as_of)


def _discounted(plan: Plan, found: Quote, discount: float | None) -> Quote:
    way, name = plan.prices.purchase, plan.cluster.accelerator.name
    path = f"prices.{way}.discount"
    if discount is None:
        return Quote.unknown(f"no {way} price is known for {name}; state it, or its discount", path)
    hour = _leaf("usd_per_gpu_hour", found.usd_per_gpu_hour, "USD/h", found.told())
    price = cast(float, purchase.discounted_usd(hour, _leaf("discount", discount, "fraction")))
    return Quote(price, f"{percent(discount, 0)} off {found.source}", found.as_of, "estimated", path)


def _reserved(plan: Plan) -> Quote:
    """The hour's price with its share of what is paid upfront."""
    found, terms = hourly(plan), plan.prices.reserved
    if not terms.upfront_usd_per_gpu:
        return found
    hour = _leaf("usd_per_gpu_hour", found.usd_per_gpu_hour, "USD/h", found.told())
    upfront = _leaf("upfront_usd_per_gpu", terms.upfront_usd_per_gpu, "USD")
    price = purchase.reserved_usd(hour, upfront, _leaf("term_days", terms.term_days, "days"))
    return Quote(cast(float, price), f"{found.source}, with its upfront share", found.as_of, "estimated", found.path)


def _owned(plan: Plan) -> Quote:
    """What an hour in use takes off the hardware's value, and its place in a data centre; electricity is apart."""
    owned, path = plan.prices.owned, "prices.owned.purchase_usd"
    if owned.purchase_usd is None:
        return Quote.unknown(f"the purchase price is unknown; fill in {path}", path)
    if plan.cluster.accelerator.tdp_w is None:
        told = f"the power limit of {plan.cluster.accelerator.name} is unknown; fill in cluster.accelerator.tdp_w"
        return Quote.unknown(told, "cluster.accelerator.tdp_w")
    years, used = _leaf("years", owned.years, "years"), _leaf("utilization", owned.utilization, "fraction")
    worth = purchase.depreciation_usd(_paid(plan), _leaf("residual", owned.residual, "fraction"), years, used)
    told = f"owned: ${owned.purchase_usd:,.0f} a {owned.purchase_of} over {owned.years:g} years, hosting included"
    return Quote(cast(float, worth + _hosting(plan)), told, kind="estimated", path=path)


def break_even_hours(plan: Plan, kwh_per_gpu_hour: Number) -> Number | None:
    """Hours in use from which a bought GPU is cheaper than the plan's rented hour; None where no purchase price is
    stated. kwh_per_gpu_hour: at the data centre's meter."""
    owned, tdp_w = plan.prices.owned, plan.cluster.accelerator.tdp_w
    if owned.purchase_usd is None or tdp_w is None:
        return None
    rented = hourly(plan)
    rent = _leaf("rent_usd_per_gpu_hour", rented.usd_per_gpu_hour, "USD/h", rented.told())
    current = kwh_per_gpu_hour * _leaf("usd_per_kwh", owned.usd_per_kwh, "USD")
    return purchase.break_even_hours(
        _paid(plan), _leaf("residual", owned.residual, "fraction"), rent, _hosting(plan) + current
    )


def _paid(plan: Plan) -> Any:
    """Purchase price of one GPU."""
    owned = plan.prices.owned
    paid = _leaf("purchase_usd", owned.purchase_usd, "USD")
    return paid / _leaf("gpus_per_node", plan.cluster.gpus_per_node, "GPUs") if owned.purchase_of == "node" else paid


def _hosting(plan: Plan) -> Number:
    owned = plan.prices.owned
    return purchase.hosting_usd(
        _leaf("provisioned_w", provisioned_w(plan), "W"),
        _leaf("hosting_usd_per_kw_month", owned.hosting_usd_per_kw_month, "USD"),
        _leaf("utilization", owned.utilization, "fraction"),
    )


def provisioned_w(plan: Plan) -> float:
    """Power that an owner's GPU takes of the data centre; NaN where the board's limit is unknown."""
    if plan.prices.owned.provisioned_w is not None:
        return plan.prices.owned.provisioned_w
    return float(plan.cluster.accelerator.tdp_w or math.nan) * (1 + plan.prices.server_overhead)


def _leaf(name: str, value: Any, unit: str, source: str = "plan") -> Any:
    return given(name, value, unit=unit, source=source)
