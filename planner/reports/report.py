"""What the written report says, section by section, before it becomes HTML or PDF.

Everything is text by now, made from an estimate's own figures; the writers only lay it out.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version

from planner import __version__
from planner.estimate import Estimate, Figure
from planner.reports import derivation
from planner.reports.charts import Chart, charts_of
from planner.reports.csv_report import assumptions

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
    if estimate.problems:
        yield Section("What to know before relying on this", tuple(str(problem) for problem in estimate.problems))
    yield Section("Charts", charts=tuple(charts_of(estimate)))
    for key, title in SECTIONS.items():
        yield Section(title, table=_figures(estimate, key))
    basis = f"Kernel times: {estimate.kernel_source} ({estimate.machine.device.basis})."
    exchange = f"Collective times: {estimate.collective_source} ({estimate.collective_basis})."
    yield Section("Where the numbers come from", (basis, exchange, BAND_NOTE))
    steps = tuple(derivation.root(estimate.figures[key]) for key in HEADLINES)
    yield Section(
        "Derivations", ("Each opens into the formula, the numbers put in and their source.",), derivations=steps
    )
    rows = [(item, derivation.plain(value), unit) for item, value, unit in assumptions(estimate.plan)]
    yield Section("Assumptions: the plan", table=Table(("Field", "Value", "Unit"), rows))


def _figures(estimate: Estimate, section: str) -> Table:
    rows = [
        (figure.label, figure.text, figure.band_text, figure.kind, figure.formula, figure.source)
        for figure in estimate.figures.values()
        if figure.section == section and (figure.value or "part" not in figure.key)
    ]
    return Table(("Figure", "Value", "80 % band", "Kind", "Formula", "Source"), rows, frozenset({1, 2}))
