"""The same plan over other networks: dollars as bars, the time beside each."""

from __future__ import annotations

import math
from dataclasses import dataclass

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from planner.charts import style
from planner.charts.style import Table, Theme
from planner.search.networks import Networks
from planner.units import show

TITLE = "Is commodity Ethernet enough?"


@dataclass(frozen=True)
class Bar:
    """One network: dollars without and of the network's premium, seconds, kWh, shares."""

    label: str
    usd: float
    network_usd: float
    seconds: float
    energy_kwh: float
    price_share: float
    break_even_share: float
    ethernet: bool
    is_plans: bool


@dataclass(frozen=True)
class Data:
    """The networks in order, and the verdict."""

    verdict: str = ""
    bars: tuple[Bar, ...] = ()

    @classmethod
    def of_networks(cls, found: Networks) -> Data:
        """From a comparison. Empty where the price is unknown."""
        rows = [row.to_json() for row in found.rows]
        if any(not math.isfinite(row["cost_usd"]) for row in rows):
            return cls(found.verdict)
        return cls(found.verdict, tuple(
            Bar(row["label"], row["cost_usd"], row["network_usd"], row["train_time_s"], row["energy_kwh"],
                row["price_share"], row["break_even_share"], row["ethernet"], row["is_plans"])
            for row in rows
        ))  # fmt: skip


def draw(figure: Figure, data: Data, theme: Theme) -> None:
    """Draw on the figure, at the size that it has now."""
    if not data.bars:
        style.message(figure, theme, TITLE, "Nothing to show: the price of the accelerator is unknown.")
        return
    axes = style.start(figure, theme)
    most = max(bar.usd for bar in data.bars)
    scale, unit = next(
        (pair for pair in ((1e6, "Million USD"), (1e3, "Thousand USD")) if most >= pair[0]), (1.0, "USD")
    )
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
    style.ticks(axes.yaxis, [float(row) for row in range(len(data.bars))], [_named(bar) for bar in data.bars])
    axes.tick_params(axis="y", length=0)
    axes.grid(False, axis="y")
    axes.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    style.label_axes(axes, theme, f"{unit}; at the end of each bar the network's premium")
    style.finish(figure, theme, TITLE, data.verdict.partition(";")[0])


def describe(data: Data) -> str:
    """The verdict."""
    return f"{data.verdict}.".replace("\N{NO-BREAK SPACE}", " ") if data.verdict else "No networks to show yet."


def table(data: Data) -> Table:
    """Every network."""
    header = ("network", "usd", "network_usd", "train_time_s", "energy_kwh", "price_share", "break_even_price_share")
    rows: list[tuple[object, ...]] = [
        (bar.label, bar.usd, bar.network_usd, bar.seconds, bar.energy_kwh, bar.price_share, bar.break_even_share)
        for bar in data.bars
    ]
    return header, rows


def _named(bar: Bar) -> str:
    return f"{bar.label} (the plan)" if bar.is_plans else bar.label
