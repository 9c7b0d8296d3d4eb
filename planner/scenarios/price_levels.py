"""The plan's cost at each known offer of its accelerator: on demand, and spot with its interruptions."""

from __future__ import annotations

from dataclasses import dataclass

from planner.costing.quote import Quote, of_offer
from planner.estimate import Estimate
from planner.plan import offers
from planner.scenarios.variants import Variant, measures

MOST = 12


@dataclass(frozen=True)
class Level:
    """The plan at one price; `purchase` as the offer is rented."""

    price: Quote
    purchase: str
    cost_usd: float
    train_time_s: float


def price_levels(estimate: Estimate) -> list[Level]:
    """The cheapest offers first; none where none is known. A spot offer takes the plan's own interruptions and wait."""
    plan = estimate.plan
    known = [one for one in offers.known(plan.cluster.accelerator.name) if one.purchase != "reserved"][:MOST]
    made = []
    for offer in known:
        stated = {"purchase": offer.purchase, "usd_per_gpu_hour": offer.usd_per_gpu_hour, "offer": ""}
        made.append(
            Variant(plan.model_copy(update={"prices": plan.prices.model_copy(update=stated)}), estimate.machine)
        )
    return [
        Level(of_offer(offer), offer.purchase, found["cost_usd"], found["train_time_s"])
        for offer, found in zip(known, measures(made), strict=True)
    ]
