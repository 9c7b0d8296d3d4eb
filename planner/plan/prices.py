"""What things cost, and how clean the electricity is."""

from __future__ import annotations

from typing import Literal

from pydantic import field_validator

from planner.plan.dates import checked
from planner.plan.purchase import Owned, Reserved, Spot
from planner.plan.section import Section, choice, quantity, words

Purchase = Literal["on-demand", "reserved", "spot", "owned"]


class Prices(Section):
    """Prices and energy. Blank prices follow the shipped table for the accelerator of the plan."""

    purchase: Purchase = choice(
        "Paid as", "Rented by the hour, reserved for a term, spot capacity that is taken back, or owned hardware",
        default="on-demand",
    )  # fmt: skip
    usd_per_gpu_hour: float | None = quantity(
        "Price a GPU-hour",
        "All-in rental price of one accelerator; blank: the offer's, else the shipped table's",
        "USD/h",
        default=None,
        ge=0,
        le=1e6,
    )
    price_source: str = words("Price source", "Provider and region", max_length=300, advanced=True)
    price_as_of: str = words(
        "Date of the price",
        "Of the price above, as 2026-11 or 2026-11-23; blank: undated",
        max_length=10,
        advanced=True,
    )
    offer: str = words(
        "Offer",
        "An offer by its name, as `trainplan prices` lists them; counts where no price is stated",
        max_length=300,
    )
    reserved: Reserved = choice("Reservation", "Where it is reserved", default=Reserved.model_construct())
    spot: Spot = choice("Spot", "Where it is spot", default=Spot.model_construct())
    owned: Owned = choice("Owned", "Where it is owned", default=Owned.model_construct())
    network_premium: float | None = quantity(
        "Network premium",
        "Share added for the fabric; blank: the fabric's own; 0 when the price already includes it",
        "fraction",
        default=0.0,
        ge=0,
        le=10,
        advanced=True,
    )
    exploration: float = quantity(
        "Exploration",
        "Compute for trials and failed runs, as a share of the final run",
        "fraction",
        default=0.0,
        ge=0,
        le=100,
    )
    storage_usd_per_tb_month: float = quantity(
        "Storage price", "Checkpoints and data, a TB and month", "USD", default=23.0, ge=0, le=1e6, advanced=True
    )
    checkpoints_kept: int = quantity(
        "Checkpoints kept", "Full checkpoints stored at a time", default=10, ge=0, le=10**6, advanced=True
    )
    data_bytes_per_token: float = quantity(
        "Data size", "Bytes of stored training data a token", "B", default=4.0, ge=0, le=1e6, advanced=True
    )
    staff_usd: float = quantity(
        "Staff", "People, as one sum for the project", "USD", default=0.0, ge=0, le=1e12, advanced=True
    )
    power_share: float | None = quantity(
        "Power draw",
        "Mean board power as a share of the limit; blank: from utilization",
        "fraction",
        default=None,
        gt=0,
        le=2,
        advanced=True,
    )
    server_overhead: float = quantity(
        "Server overhead",
        "Energy of hosts, network and storage on top of the accelerators'",
        "fraction",
        default=0.0,
        ge=0,
        le=10,
        advanced=True,
    )
    pue: float | None = quantity(
        "PUE",
        "Power usage effectiveness of the data centre; blank: the mean of the provider that the grid region names",
        default=1.1,
        ge=1,
        le=10,
    )
    grid_region: str = words(
        "Grid region", "Name of a shipped grid, for its carbon intensity", default="us-average", max_length=100
    )
    grid_kg_per_kwh: float | None = quantity(
        "Grid intensity", "CO2e of a kWh; blank: the region's", "kg/kWh", default=None, ge=0, le=10
    )

    @field_validator("price_as_of")
    @classmethod
    def _date(cls, value: str) -> str:
        return checked(value)

    def of_another_accelerator(self) -> Prices:
        """The same terms without the prices of the accelerator that they were stated for."""
        owned = self.owned.model_copy(update={"purchase_usd": None})
        stated = {"usd_per_gpu_hour": None, "price_source": "", "price_as_of": "", "offer": ""}
        return self.model_copy(update={**stated, "owned": owned})
