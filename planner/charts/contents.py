"""From an estimate, a frontier or rows to what a chart draws: one function a chart, named after it.

Each takes the chart's module, so that whoever imports this loads no matplotlib before something is drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.estimate import Estimate, Figure
    from planner.quality.frontier import Frontier
    from planner.quality.lifetime import Life
    from planner.quality.observed import Group
    from planner.quality.task import Comparison
    from planner.schedule.step import Schedule
    from planner.timing.peak_share import Answer
    from planner.timing.profile import Profile, Row
    from planner.timing.profile_comparison import ProfileComparison


def memory_breakdown(chart: Any, estimate: Estimate) -> Any:
    """What fills the fullest GPU, against what it has."""
    device = estimate.plan.cluster.accelerator
    return chart.Data.of(_rows(estimate.memory_parts), device.memory_bytes, device.name)


def step_time_breakdown(chart: Any, estimate: Estimate) -> Any:
    """What a step's time is spent on."""
    return chart.Data.of(_rows(estimate.time_parts))


def cost_breakdown(chart: Any, estimate: Estimate) -> Any:
    """What the money is spent on."""
    return chart.Data.of(_rows(estimate.money_parts))


@dataclass(frozen=True, eq=False)
class Quality:
    """A frontier with what else is wanted beside its curve."""

    frontier: Frontier
    observed: tuple[Group, ...] = ()
    with_family: bool = True
    with_lines: bool = True


def size_against_perplexity(chart: Any, source: Quality) -> Any:
    """The law's curve at the budget with the known family, published perplexities and other budgets on it."""
    from planner.quality.observed import family_under

    is_fresh = source.frontier.unique_tokens is None  # the family's data were not repeated
    family = family_under(source.frontier.law) if source.with_family and is_fresh else ()
    return chart.Data.of_frontier(source.frontier, family, source.observed, with_lines=source.with_lines)


def lifetime_cost(chart: Any, found: Life) -> Any:
    """Training and serving in dollars against the size."""
    return chart.Data.of_life(found)


def break_even(chart: Any, found: Comparison) -> Any:
    """General or specific: dollars against calls."""
    return chart.Data.of_comparison(found)


def network_compare(chart: Any, found: Mapping[str, Any]) -> Any:
    """The plan over other networks, as `network --json` prints them; empty before they are asked."""
    return chart.Data.of_networks(found) if found else chart.Data()


def pareto(chart: Any, source: Any) -> Any:
    """The layouts of a search, and where the plan stands among them."""
    plan, outcome = None, source.estimate.outcome if source.estimate else None
    if outcome is not None:
        figures = (outcome.train_time_s, outcome.total_usd, outcome.memory.total, outcome.energy_kwh)
        plan = chart.Mark("", "this plan", *map(float, figures))
    return chart.Data.of_rows(source.rows, source.against, plan)


def plans(chart: Any, rows: Sequence[Mapping[str, Any]]) -> Any:
    """The rows of a survey of plans."""
    return chart.Data.of_rows(rows)


def predicted_against_published(chart: Any, source: Any) -> Any:
    """Rows of a validation, of one metric."""
    return chart.Data.of_rows(source.sample.rows, source.metric, source.unit, source.sample.errors)


def measured_rates(chart: Any, rows: Sequence[Row]) -> Any:
    """The rows of a profile, as many as there are yet."""
    return chart.Data.of_rows(rows)


def roofline(chart: Any, profile: Profile | None) -> Any:
    """A profile's rows below its ceilings and, of a GPU, its data sheet."""
    if not profile:
        return chart.Data()
    from planner.timing import selection

    sheet = selection.data_sheet(profile.device) if profile.device.kind != "cpu" else None
    return chart.Data.of_profile(profile, sheet)


def efficiency_surface(chart: Any, source: Answer | None) -> Any:
    """The share of the peak over one axis and the tokens."""
    if not source:
        return chart.Data()
    return chart.Data(source.found, why=source.why, device=source.device)


def profile_comparison(chart: Any, found: ProfileComparison | None) -> Any:
    """What changed between two profiles, if two are chosen."""
    return chart.Data.of_comparison(found) if found else chart.Data()


def schedule(chart: Any, estimate: Estimate) -> Any:
    """What every pipeline stage does in a step."""
    from planner.schedule.derivation import event_figure

    simulated = _simulated(estimate)
    if isinstance(simulated, str):
        return chart.Data(why=simulated)
    return chart.Data.of(simulated, partial(event_figure, estimate, simulated))


def memory_timeline(chart: Any, estimate: Estimate) -> Any:
    """What every pipeline stage holds in memory over a step."""
    from planner.schedule.derivation import memory_figure
    from planner.schedule.memory import timelines

    simulated = _simulated(estimate)
    if isinstance(simulated, str):
        return chart.Data(why=simulated)
    capacity_bytes = estimate.plan.cluster.accelerator.memory_bytes
    return chart.Data.of(timelines(estimate, simulated), capacity_bytes, partial(memory_figure, estimate, simulated))


def tornado(chart: Any, source: Any) -> Any:
    """Every input's swing of one measure, once they are known."""
    return chart.Data.of(source.found, source.measure) if source.found else chart.Data()


def one_input_curve(chart: Any, source: Any) -> Any:
    """One measure against one input, if one is chosen."""
    return chart.Data.of(source.found, source.measure) if source.found else chart.Data()


def scenario_compare(chart: Any, source: Any) -> Any:
    """One figure of all scenarios, if one is chosen."""
    return chart.Data.of(source.found, source.row) if source.row else chart.Data()


def _simulated(estimate: Estimate) -> Schedule | str:
    """The step's schedule, or why there is none."""
    from planner.schedule.step import MOST_BLOCKS, blocks_of
    from planner.schedule.step import schedule as simulate

    count = blocks_of(estimate)
    return simulate(estimate) if count <= MOST_BLOCKS else f"A step has {count:,} blocks of work, too many to draw."


def predicted_against_measured(chart: Any, result: Mapping[str, Any]) -> Any:
    """A verification's result, if there is one."""
    return chart.Data.of_result(result) if result else chart.Data()


def _rows(figures: list[Figure]) -> list[tuple[str, float, str, str, str, str]]:
    """Parts whose value is known (a price may not be)."""
    return [
        (one.label, one.value, one.kind, one.key, one.band_text, one.source)
        for one in figures if one.value == one.value
    ]  # fmt: skip
