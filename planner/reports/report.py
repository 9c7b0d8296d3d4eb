"""What the written report says, section by section, before it becomes HTML or PDF.

Everything is text by now, made from an estimate's own figures; the writers only lay it out.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from planner import __version__
from planner.costing.purchase import HOURS_A_YEAR
from planner.costing.quote import hourly
from planner.errors import InputError
from planner.estimate import Estimate, Figure
from planner.quality.lifetime import Life, life_of
from planner.quality.task import compare
from planner.reports import derivation
from planner.reports.charts import Chart, charts_of, life_charts, network_chart, price_chart
from planner.reports.csv_report import assumptions
from planner.scenarios.price_levels import price_levels
from planner.search import networks
from planner.search.networks import Networks
from planner.units import percent, show

HEADLINES = (
    "memory.total", "time.training", "money.total", "time.gpu_hours", "energy.energy", "energy.co2e",
    "time.tokens_per_s", "time.mfu",
)  # fmt: skip
"""The cards at the top, and whose derivations the report opens."""
SECTIONS = {
    "work": "Work", "memory": "Memory of the fullest GPU", "time": "Time", "money": "Money",
    "energy": "Energy and carbon",
}  # fmt: skip
PACKAGES = ("numpy", "scipy", "pydantic", "matplotlib")
BAND_NOTE = (
    "Bands hold 80 % of published runs that the fit had not seen. Measured, estimated, published and assumed numbers "
    "are told apart in the column Kind."
)


@dataclass(frozen=True)
class Table:
    """Rows of text. `numbers`: columns that are set to the right."""

    header: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    numbers: frozenset[int] = frozenset()


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it."""

    title: str
    paragraphs: tuple[str, ...] = ()
    table: Table | None = None
    charts: tuple[Chart, ...] = ()
    derivations: tuple[derivation.Step, ...] = ()


@dataclass(frozen=True)
class Report:
    """The whole document."""

    title: str
    subtitle: str
    verdict: str
    fits: bool
    headlines: tuple[Figure, ...]
    sections: tuple[Section, ...]
    made: str  # when and with which versions


def report(estimate: Estimate, *, at: datetime | None = None) -> Report:
    """The document of an estimate. `at`: when it is made, now by default."""
    plan = estimate.plan
    return Report(
        title=plan.name,
        subtitle=f"{plan.model.name} on {plan.cluster.gpus:,} × {plan.cluster.accelerator.name}",
        verdict=estimate.verdict,
        fits=estimate.fits,
        headlines=tuple(estimate.figures[key] for key in HEADLINES),
        sections=tuple(_sections(estimate)),
        made=f"{(at or datetime.now(UTC)):%Y-%m-%d %H:%M} UTC with {versions()}",
    )


def versions() -> str:
    """The versions that the numbers depend on."""
    found = [f"Trainplan {__version__}", f"Python {platform.python_version()}"]
    for name in PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            continue
    return ", ".join(found)


def _sections(estimate: Estimate) -> Iterator[Section]:
    if known := tuple(_cautions(estimate)):
        yield Section("What to know before relying on this", known)
    yield Section("Charts", charts=tuple(charts_of(estimate)))
    for key, title in SECTIONS.items():
        included = (estimate.energy_basis,) if key == "energy" else ()
        yield Section(title, included, _figures(estimate, key))
    yield _price(estimate)
    yield _life(estimate)
    yield _networks(networks.compare(estimate.plan, keep_layout=True))
    basis = f"Kernel times: {estimate.kernel_source} ({estimate.machine.device.basis})."
    exchange = f"Collective times: {estimate.collective_source} ({estimate.collective_basis})."
    yield Section("Where the numbers come from", (basis, exchange, BAND_NOTE))
    steps = tuple(derivation.root(estimate.figures[key]) for key in HEADLINES)
    yield Section(
        "Derivations", ("Each opens into the formula, the numbers put in and their source.",), derivations=steps
    )
    rows = [(item, _plain(value), unit) for item, value, unit in assumptions(estimate.plan)]
    yield Section("Assumptions: the plan", table=Table(("Field", "Value", "Unit"), rows))


def _plain(value: Any) -> str:
    """A field's value; of a list (the stages of a post-training, whose figures stand with the life) the names alone."""
    if isinstance(value, list):
        return ", ".join(str(one.get("name", one)) if isinstance(one, dict) else str(one) for one in value)
    return derivation.plain(value)


def _cautions(estimate: Estimate) -> Iterator[str]:
    yield from map(str, estimate.problems)
    if estimate.price.is_stale():
        yield f"{estimate.price.path}: the price is {estimate.price.age_text()} old; state today's and its date"


def _figures(estimate: Estimate, section: str) -> Table:
    rows = [
        (figure.label, figure.text, figure.band_text, figure.kind, figure.formula, figure.source)
        for figure in estimate.figures.values()
        if figure.section == section and (figure.value or "part" not in figure.key)
    ]
    return Table(("Figure", "Value", "80 % band", "Kind", "Formula", "Source"), rows, frozenset({1, 2}))


def _price(estimate: Estimate) -> Section:
    """The cost against the price: over its range, at each known offer, and where owning begins to pay."""
    price, total = estimate.price, float(estimate.outcome.total_usd)
    told = [f"The plan pays {show(price.usd_per_gpu_hour, 'USD/h')} a GPU-hour: {price.told()}."]
    owning, owned = estimate.figures.get("money.break_even"), estimate.plan.prices.owned
    if owning is None:
        told.append("Owned or rented: the purchase price is unknown (prices.owned.purchase_usd).")
    else:
        life = owned.years * HOURS_A_YEAR * owned.utilization
        rent = show(hourly(estimate.plan).usd_per_gpu_hour, "USD/h")
        told.append(
            f"Owning pays from {owning.value:,.0f} hours in use of a GPU, of {life:,.0f} in its life, against renting "
            f"at {rent}."
        )
    rows = [
        (one.price.source, one.purchase, show(one.price.usd_per_gpu_hour, "USD/h"), show(one.cost_usd, "USD"),
         percent(one.cost_usd / total - 1, 0, sign=True) if total > 0 else "", one.price.as_of or "unknown",
         one.price.age_text() or "unknown")
        for one in price_levels(estimate)
    ]  # fmt: skip
    header = ("Offer", "Paid as", "A GPU-hour", "Cost", "Against the plan", "Date", "Age")
    return Section("Price", tuple(told), Table(header, rows, frozenset({2, 3, 4})), price_chart(estimate))


def _life(estimate: Estimate) -> Section:
    """Training, post-training and serving, the size that would have been cheapest, and one task in several ways."""
    try:
        life = life_of(estimate.plan, result=estimate)
        task = compare(estimate.plan, estimate)
    except InputError as error:
        return Section("Over the life", (f"Not worked out: {error}",))
    told = (life.verdict, life.price_words, *life.warnings)
    paragraphs = tuple(f"{one[0].upper()}{one[1:]}." for one in told if one)
    return Section("Over the life", (*paragraphs, life.sources), _life_table(life), life_charts(life, task))


def _life_table(life: Life) -> Table:
    rows = [
        (one.label, one.text, one.band_text, one.kind)
        for key, one in life.figures.items()
        if key != "post_training.stages_usd"  # stands there as `lifetime.post_training`
    ]
    return Table(("Figure", "Value", "80 % band", "Kind"), rows, frozenset({1, 2}))


def _networks(found: Networks) -> Section:
    """The plan over other networks, in its own layout."""
    rows = [
        (f"{row.label} (the plan)" if row.is_plans else row.label, show(row.seconds, "s"), show(row.usd, "USD"),
         show(float(row.estimate.outcome.energy_kwh), "kWh"),
         f"{percent(row.break_even_share)} ({percent(row.price_share, 0)})")
        for row in found.rows
    ]  # fmt: skip
    header = ("Network", "Time", "Cost", "Energy", "Pays up to a price share of (has)")
    paragraphs = (f"{found.verdict}.", f"{found.layout_words}.", *(f"Left out: {one}." for one in found.skipped))
    table = Table(header, rows, frozenset({1, 2, 3, 4}))
    return Section("Other networks", paragraphs, table, (network_chart(found),))
