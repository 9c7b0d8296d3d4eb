"""What things cost, and how clean the electricity is."""

from __future__ import annotations

from planner.plan.section import Section, quantity, words


class Prices(Section):
    """Prices and energy. Blank prices follow the shipped table for the accelerator of the plan."""

    usd_per_gpu_hour: float | None = quantity(
        "Price a GPU-hour",
        "All-in rental price of one accelerator; blank: the shipped table's",
        "USD/h",
        default=None,
        ge=0,
        le=1e6,
    )
    price_source: str = words("Price source", "Provider, region, date", max_length=300, advanced=True)
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
    pue: float = quantity("PUE", "Power usage effectiveness of the data centre", default=1.1, ge=1, le=10)
    grid_region: str = words(
        "Grid region", "Name of a shipped grid, for its carbon intensity", default="us-average", max_length=100
    )
    grid_kg_per_kwh: float | None = quantity(
        "Grid intensity", "CO2e of a kWh; blank: the region's", "kg/kWh", default=None, ge=0, le=10
    )
