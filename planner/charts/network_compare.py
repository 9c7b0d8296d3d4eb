"""The same plan over other networks: dollars as bars, the time beside each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from planner.charts import style
from planner.charts.style import Table, Theme
from planner.units import percent, show

TITLE = "Is commodity Ethernet enough?"
ALONG = "y"
"""Any place of a row means its bar."""


@dataclass(frozen=True)
class Bar:
    """One network: dollars without and of the network's premium, seconds, kWh, shares, the layout taken on it."""

    label: str
    usd: float
    network_usd: float
    seconds: float
    gpu_hours: float
    energy_kwh: float
    price_share: float
    break_even_share: float
    break_even_usd: float
    ethernet: bool
    is_plans: bool
    layout: str
    source: str

    @property
    def name(self) -> str:
        """As it is called on the chart."""
        return f"{self.label} (the plan)" if self.is_plans else self.label


@dataclass(frozen=True)
class Data:
    """The networks in order, the verdict, and which layout was taken on each."""

    verdict: str = ""
    layout: str = ""
    bars: tuple[Bar, ...] = ()

    @classmethod
    def of_networks(cls, found: Mapping[str, Any]) -> Data:
        """From a comparison as `network --json` prints it. Empty where the price is unknown."""
        rows = found["rows"]
        if any(row["cost_usd"] is None or not math.isfinite(row["cost_usd"]) for row in rows):
            return cls(found["verdict"], found["layout"])
        return cls(found["verdict"], found["layout"], tuple(
            Bar(row["label"], row["cost_usd"], row["network_usd"], row["train_time_s"], row["gpu_hours"],
                row["energy_kwh"], row["price_share"], row["break_even_share"], row["break_even_usd_per_gpu_hour"],
                row["ethernet"], row["is_plans"], row["layout"], row["source"])
            for row in rows
        ))  # fmt: skip


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.bars:
        why = "the price of the accelerator is unknown" if data.verdict else "not compared yet"
        style.message(figure, theme, TITLE, f"Nothing to show: {why}.")
        return
    axes = style.start(figure, theme)
    scale, unit = _scale(data)
    most = max(bar.usd for bar in data.bars)
    for row, bar in enumerate(data.bars):
        rest = (bar.usd - bar.network_usd) / scale
        axes.barh(row, rest, height=0.6, color=theme.parts[0 if bar.ethernet else 3])
        axes.barh(row, bar.network_usd / scale, left=rest, height=0.6, color=theme.parts[1])
        axes.annotate(
            f"{show(bar.usd, 'USD')}, {show(bar.seconds, 's')}", (bar.usd / scale, row), xytext=(5, 0),
            textcoords="offset points", va="center", ha="left", color=theme.text, fontsize=style.SMALL_SIZE,
            family=style.FAMILY, fontweight="bold" if bar.is_plans else "normal",
        )  # fmt: skip
    axes.set_xlim(0, most / scale * 1.42)
    axes.set_ylim(len(data.bars) - 0.5, -0.5)
    style.ticks(axes.yaxis, [float(row) for row in range(len(data.bars))], [bar.name for bar in data.bars])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    style.label_axes(axes, theme, f"{unit}; at the end of each bar the network's premium")
    style.finish(figure, theme, TITLE, data.verdict.partition(";")[0])


def describe(data: Data) -> str:
    """The verdict."""
    return f"{data.verdict}.".replace("\N{NO-BREAK SPACE}", " ") if data.verdict else "No networks to show yet."


def points(data: Data) -> list[tuple[float, float]]:
    """The end of each bar."""
    scale = _scale(data)[0]
    return [(bar.usd / scale, float(row)) for row, bar in enumerate(data.bars)]


def readout(data: Data, index: int) -> str:
    """One network: time, money, energy, what it may cost, the layout, and where its figures are from."""
    bar = data.bars[index]
    spent = f"{show(bar.usd, 'USD')}, of it the network {show(bar.network_usd, 'USD')}"
    told = [
        f"{bar.name}: {show(bar.seconds, 's')}, {spent}, {show(bar.energy_kwh, 'kWh')}, estimated",
        f"price share {percent(bar.price_share, 0)}; as dear as Ethernet at {percent(bar.break_even_share)}, "
        f"${bar.break_even_usd:.2f} a GPU-hour",
        bar.layout, bar.source,
    ]  # fmt: skip
    return "\n".join(told).replace("\N{NO-BREAK SPACE}", " ")


def explained(data: Data, index: int) -> str:
    """The key of the figure that a bar is: the plan's own cost."""
    return "money.total" if data.bars[index].is_plans else ""


def table(data: Data) -> Table:
    """Every network."""
    header = (
        "network", "is_plan", "usd", "network_usd", "train_time_s", "gpu_hours", "energy_kwh", "price_share",
        "break_even_price_share", "break_even_usd_per_gpu_hour", "layout", "source",
    )  # fmt: skip
    rows: list[tuple[object, ...]] = [
        (bar.label, "yes" if bar.is_plans else "", bar.usd, bar.network_usd, bar.seconds, bar.gpu_hours,
         bar.energy_kwh, bar.price_share, bar.break_even_share, bar.break_even_usd, bar.layout, bar.source)
        for bar in data.bars
    ]  # fmt: skip
    return header, rows


def _scale(data: Data) -> tuple[float, str]:
    most = max((bar.usd for bar in data.bars), default=1.0)
    return next((pair for pair in ((1e6, "Million USD"), (1e3, "Thousand USD")) if most >= pair[0]), (1.0, "USD"))
