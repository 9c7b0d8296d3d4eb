"""What comes with each way to pay for accelerators: a reservation's term, spot's interruptions, owned hardware."""

from __future__ import annotations

from typing import Literal

from planner.plan.section import Section, choice, quantity


class Reserved(Section):
    """GPUs that are paid for over a whole term, used or not. The plan's price a GPU-hour is the reservation's."""

    discount: float | None = quantity(
        "Discount", "Off the shipped on-demand price; counts where no price a GPU-hour is stated", "fraction",
        default=None, ge=0, lt=1,
    )  # fmt: skip
    term_days: float = quantity("Term", "For so many days every GPU is paid for", "days", default=365.0, gt=0, le=36525)
    upfront_usd_per_gpu: float = quantity(
        "Paid upfront", "Once, for each GPU, on top of its hours", "USD", default=0.0, ge=0, le=1e7
    )
    other_use: float = quantity(
        "Other use", "Share of the hours left over that other work pays for", "fraction", default=0.0, ge=0, le=1
    )


class Spot(Section):
    """Spare capacity at a discount that its provider takes back. The plan's price a GPU-hour is the spot price."""

    discount: float | None = quantity(
        "Discount", "Off the shipped on-demand price; counts where no price a GPU-hour is stated", "fraction",
        default=None, ge=0, lt=1,
    )  # fmt: skip
    interruptions_per_node_day: float = quantity(
        "Interruptions a node and day",
        "How often a node is taken back; the default is 15 % a month, amid AWS Spot Instance Advisor's band of its "
        "H100 nodes (2025-05)",
        "1/day",
        default=0.005,
        ge=0,
        le=1000,
    )
    replacement_s: float = quantity(
        "Wait for a node", "Until another one stands in for it, before the restart (assumed)", "s", default=600.0, ge=0,
        le=1e7,
    )  # fmt: skip


class Owned(Section):
    """One's own hardware: what it loses in value, where it stands and what it draws. Interest, repairs and people are
    not in it."""

    purchase_usd: float | None = quantity(
        "Purchase price", "With its share of the network; blank: unknown", "USD", default=None, ge=0, le=1e9
    )
    purchase_of: Literal["node", "GPU"] = choice("Purchase price of", "A whole node, or one GPU", default="node")
    residual: float = quantity(
        "Residual value", "Share of the purchase price that it is sold for in the end", "fraction", default=0.0, ge=0,
        le=1,
    )  # fmt: skip
    years: float = quantity(
        "Depreciated over", "Years of use; Amazon writes AI servers off in 5 (10-K of 2024)", "years", default=5.0,
        gt=0, le=50,
    )  # fmt: skip
    utilization: float = quantity(
        "Hours in use", "Share of all hours in which the hardware works for somebody (assumed)", "fraction",
        default=0.8, gt=0, le=1,
    )  # fmt: skip
    usd_per_kwh: float = quantity(
        "Electricity a kWh", "At the meter; the default is the mean of US industry (EIA, 2023)", "USD", default=0.08,
        ge=0, le=100,
    )  # fmt: skip
    hosting_usd_per_kw_month: float = quantity(
        "Hosting a kW-month",
        "Space and cooling; the default is the mean asking rate of US colocation (CBRE, 2024); 0 in one's own building",
        "USD",
        default=184.0,
        ge=0,
        le=1e6,
    )
    provisioned_w: float | None = quantity(
        "Provisioned power", "For a GPU with its share of the host; blank: the board's limit with the server overhead",
        "W", default=None, gt=0, le=1e6,
    )  # fmt: skip
