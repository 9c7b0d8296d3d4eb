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
ALONG = "y"


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
    scale, unit = _scale(data)
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


def points(data: Data) -> list[tuple[float, float]]:
    """The end of each bar."""
    scale = _scale(data)[0]
    return [(bar.usd / scale, float(row)) for row, bar in enumerate(data.bars)]


def readout(data: Data, index: int) -> str:
    """One network in words."""
    bar = data.bars[index]
    told = [
        f"{_named(bar)}: {show(bar.usd, 'USD')} in {show(bar.seconds, 's')}, {show(bar.energy_kwh, 'kWh')}, estimated",
        f"{show(bar.network_usd, 'USD')} of it for the network, which adds {bar.price_share:.1%} to a GPU-hour",
    ]
    if bar.break_even_share > 0 and math.isfinite(bar.break_even_share):
        told.append(f"it pays up to {bar.break_even_share:.1%}")
    return "\n".join(told)


def explained(data: Data, index: int) -> str:
    """The key of the figure that a bar is: the plan's own cost."""
    return "money.total" if data.bars[index].is_plans else ""


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


def _scale(data: Data) -> tuple[float, str]:
    most = max((bar.usd for bar in data.bars), default=1.0)
    return next((pair for pair in ((1e6, "Million USD"), (1e3, "Thousand USD")) if most >= pair[0]), (1.0, "USD"))


def _named(bar: Bar) -> str:
    return f"{bar.label} (the plan)" if bar.is_plans else bar.label
