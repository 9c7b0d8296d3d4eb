"""The top bottlenecks, each with one concrete change and what it would do.

A change is a neighbouring plan: a layout near the own one (through the search's rules and `compute`), another network
or price of the shipped tables, or one of `profiles/advice.json`. What does not fit in memory, contradicts itself or
earns a warning that the plan has not is never proposed, and the effect told is the estimate's own.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from planner import library, units
from planner.costing.quote import quote
from planner.estimate import Estimate
from planner.plan import fields, offers, shipped
from planner.plan.check import check
from planner.plan.file import with_settings
from planner.plan.plan import Plan
from planner.plan.section import PlanError
from planner.plan.workload import workload
from planner.scenarios.bottlenecks import Bottleneck, bottlenecks, losses
from planner.scenarios.neighbours import Block, nearby
from planner.scenarios.variants import Variant, measures, variant
from planner.search.networks import FABRICS, price_without_network

MOST = 3
LEAST_GAIN = 0.005
"""Share of the cost (or time) below which a change is not worth a sentence."""
MAINLY = 0.5
"""Share of what a layout saves that must be saved at the bottleneck it answers."""
MANY_TIMES = 10.0
"""A layout that fits is worth a step of so many times the one that does not."""
NEAR_BEST = 0.8
"""Of the best layout's gain, what a simpler change must keep to be preferred."""
MOST_CHANGES = 3
FULL = 0.93
"""Share of the memory from which the upper end of its band (7 %) lies beyond what there is."""

Measured = dict[str, float]


@dataclass(frozen=True)
class Advice:
    """One bottleneck, one change of the plan, and the figures before and after."""

    bottleneck: Bottleneck
    changes: dict[str, Any]
    """By field path, as the plan would be set."""
    words: str
    plan: Plan
    before: Measured
    after: Measured
    caution: str = ""
    source: str = ""
    """Where a change that is no layout has its value from."""

    def change(self, measure: str) -> float:
        """A measure after over before, less 1; NaN where it is unknown."""
        before, after = self.before[measure], self.after[measure]
        return after / before - 1 if before else math.nan

    @property
    def gain(self) -> float:
        """Share of the cost that is saved; of the time where the price is unknown."""
        cost = -self.change("cost_usd")
        return -self.change("train_time_s") if math.isnan(cost) else cost

    @property
    def effect(self) -> str:
        """What it does, in words."""
        return ", ".join(filter(None, (
            _effect("cost", self.change("cost_usd")), _effect("time", self.change("train_time_s")),
            _effect("memory", self.change("memory_bytes")),
        )))  # fmt: skip

    @property
    def json(self) -> dict[str, Any]:
        """As `estimate --advice --json` has it."""
        one = self.bottleneck
        return {
            "bottleneck": one.key, "title": one.title, "seconds": one.seconds, "share": one.share, "why": one.why,
            "change": self.words, "settings": self.changes, "caution": self.caution, "source": self.source,
            "effect": self.effect,
            "before": _plain(self.before), "after": _plain(self.after),
        }  # fmt: skip


def advise(estimate: Estimate) -> list[Advice]:
    """At most three, the one that saves most first."""
    steps = advising(estimate)
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: list[Advice] = done.value
            return found


def advising(estimate: Estimate) -> Generator[None, None, list[Advice]]:
    """`advise` in short steps, for who must not be kept waiting."""
    known = bottlenecks(estimate)
    yield
    blocks: list[Block] = []
    for block in nearby(estimate.plan, estimate.machine, MOST_CHANGES):
        blocks.append(block)
        yield
    proposed = [*_of_layouts(estimate, known, blocks), *_of_tables(estimate, known)]
    yield
    base = Variant(estimate.plan, estimate.machine)
    possible = []
    for proposal in proposed:
        made = _changed(base, proposal.changes)
        if made is not None:
            possible.append((proposal, made))
        yield
    before, *after = measures([base, *(made for _, made in possible)])
    yield
    found = [
        Advice(one.bottleneck, one.changes, one.words, made.plan, before, measured, _cautions(one, made.plan, measured),
               one.source)
        for (one, made), measured in zip(possible, after, strict=True) if measured["fits"]
    ]  # fmt: skip
    return _best(found)


@dataclass(frozen=True)
class Proposal:
    """A change before it is estimated."""

    bottleneck: Bottleneck
    changes: dict[str, Any]
    words: str
    caution: str = ""
    source: str = ""


def _cautions(proposal: Proposal, plan: Plan, measured: Measured) -> str:
    filled = measured["memory_bytes"] / plan.cluster.accelerator.memory_bytes
    tight = f"fills {units.percent(filled, 0)} of the memory" if filled > FULL else ""
    return "; ".join(filter(None, (proposal.caution, tight)))


def _best(found: list[Advice]) -> list[Advice]:
    """What saves most; what makes the plan fit stands first where it does not, whatever it costs."""
    worth = [one for one in found if one.gain >= LEAST_GAIN or one.bottleneck.key == MEMORY]
    # A network that is cheaper but no faster is no answer to a slow network.
    worth = [one for one in worth if one.bottleneck.key != "network" or one.change("train_time_s") <= -LEAST_GAIN]
    ranked = sorted(worth, key=lambda one: (one.bottleneck.key != MEMORY, -one.gain))
    best = {one.bottleneck.key: one for one in reversed(ranked)}  # of each bottleneck the one that saves most
    kept: list[Advice] = []
    for one in ranked:
        if best[one.bottleneck.key] is one and all(one.changes != other.changes for other in kept):
            kept.append(one)
    return kept[:MOST]


MEMORY = "memory"
"""Key of the bottleneck of a plan that does not fit."""


def _of_layouts(estimate: Estimate, known: list[Bottleneck], blocks: list[Block]) -> Iterator[Proposal]:
    """For each bottleneck that a layout can relieve, the neighbour that does so best: most of what it saves must be
    saved there, so that the change is an answer to that bottleneck."""
    layouts = [layout for block in blocks for layout in block.layouts]
    if not layouts:
        return
    time, step, changes = (
        np.concatenate([getattr(block, name) for block in blocks]) for name in ("time_s", "step_s", "changes")
    )
    own, own_step = float(estimate.outcome.train_time_s), float(estimate.outcome.step.total)
    if not estimate.fits:
        yield _layout_proposal(estimate, _no_room(estimate), layouts[_simplest(time, changes, MANY_TIMES * own)])
    before = losses(estimate.outcome.step, workload(estimate.plan), estimate.machine.software)
    saved = {
        name: float(lost) - np.concatenate([block.losses[name] for block in blocks]) for name, lost in before.items()
    }
    most = np.max(list(saved.values()), axis=0)
    for one in known:
        if one.key not in saved:
            continue
        relieves = (saved[one.key] >= most) & (saved[one.key] >= MAINLY * (own_step - step))
        index = np.flatnonzero(relieves & (time < own * (1 - LEAST_GAIN)))
        if len(index):
            best = index[_simplest(time[index], changes[index], own)]
            yield _layout_proposal(estimate, one, layouts[best])


def _simplest(time: Any, changes: Any, own: float) -> int:
    """Of the layouts that save nearly as much as the best, one with the fewest changes, and of those the fastest."""
    saved = own - time
    near = np.flatnonzero(saved >= NEAR_BEST * saved.max())
    return int(near[np.lexsort([time[near], changes[near]])[0]])


def _no_room(estimate: Estimate) -> Bottleneck:
    needed, there = estimate.figures["memory.total"], estimate.plan.cluster.accelerator.memory_bytes
    why = f"needs {needed.text} of {units.show(there, 'B')} a GPU"
    return Bottleneck(MEMORY, "Does not fit in memory", 0.0, needed.value / there, why, "memory.total")


def _layout_proposal(estimate: Estimate, bottleneck: Bottleneck, layout: dict[str, Any]) -> Proposal:
    changes = {f"layout.{name}": value for name, value in layout.items()}
    return Proposal(bottleneck, changes, _words(estimate.plan, changes))


def _words(plan: Plan, changes: dict[str, Any]) -> str:
    told = []
    for path, value in changes.items():
        before, after = (fields.text(path, one) for one in (fields.value(plan, path), value))
        told.append(f"{_inside(fields.title(path))} {before} → {after}")
    said = ", ".join(told).replace("\N{NO-BREAK SPACE}sequences", "")
    return f"{said[0].upper()}{said[1:]}"


def _inside(title: str) -> str:
    """A field's title inside a sentence: `Micro-batch` → `micro-batch`, but `ZeRO stage` as it is."""
    return title if any(letter.isupper() for letter in title[1:]) else title.lower()


def _of_tables(estimate: Estimate, known: list[Bottleneck]) -> Iterator[Proposal]:
    """Changes outside the layout: prices, networks, and the rows of `profiles/advice.json`."""
    plan, by_key = estimate.plan, {one.key: one for one in known}
    yield from _cheaper(estimate)
    if "network" in by_key:
        yield from _networks(plan, by_key["network"])
    for row in _rows():
        path, now = row["path"], fields.value(plan, row["path"])
        if now == row["value"] or (isinstance(now, float) and now <= row["value"]):
            continue
        if now not in row.get("from", [now]) or (path == "recipe.precision" and not _can(plan, row["value"])):
            continue
        bottleneck = _goodput(estimate) if path.startswith("cluster.") else by_key.get(_RELIEVES[path])
        if bottleneck is not None:
            changes = {path: row["value"]}
            words = f"{_words(plan, changes)}: {row['words']}"
            yield Proposal(bottleneck, changes, words, row["caution"], f"{row['source']} ({row['as_of']})")


_RELIEVES = {"recipe.precision": "compute", "recipe.attention": "memory traffic"}


def _can(plan: Plan, precision: str) -> bool:
    return plan.cluster.accelerator.peak(precision) is not None


def _goodput(estimate: Estimate) -> Bottleneck:
    lost = 1 - float(estimate.outcome.goodput) / (1 - estimate.plan.cluster.other_losses)
    why = f"checkpoints and failures take {units.percent(lost)} of the wall time"
    return Bottleneck("goodput", "Checkpoints and failures", 0.0, lost, why, "time.goodput")


def _cheaper(estimate: Estimate) -> Iterator[Proposal]:
    """The lowest offer of the same year as the table's default price."""
    plan, name = estimate.plan, estimate.plan.cluster.accelerator.name
    own, default = float(quote(plan).usd_per_gpu_hour), offers.default(name)
    if default is None or math.isnan(own) or plan.prices.purchase != "on-demand":
        return
    cheaper = [
        one for one in offers.known(name)
        if one.purchase == "on-demand" and one.as_of[:4] == default.as_of[:4] and one.usd_per_gpu_hour < own
    ]  # fmt: skip
    if not cheaper:
        return
    row = cheaper[0]
    rent = float(estimate.outcome.accelerators_usd / estimate.outcome.total_usd)
    source = f"{row.told} ({row.as_of})"
    price = Bottleneck(
        "price", "Price of a GPU-hour", 0.0, rent, f"{units.percent(rent, 0)} of the cost is rent", "money.total"
    )
    changes = {
        "prices.usd_per_gpu_hour": row.usd_per_gpu_hour, "prices.price_source": row.told,
        "prices.price_as_of": row.as_of,
    }  # fmt: skip
    words = f"Price {units.show(own, 'USD/h')} → {units.show(row.usd_per_gpu_hour, 'USD/h')}"
    caution = f"an offer of {row.as_of}"
    if plan.cluster.nodes > 1:
        caution += f": ask whether it has {plan.cluster.gpus:,} GPUs on {plan.cluster.fabric.name}"
    yield Proposal(price, changes, words, caution, source)


def _networks(plan: Plan, bottleneck: Bottleneck) -> Iterator[Proposal]:
    """Faster shipped fabrics, with what they add to the price."""
    own = plan.cluster.fabric
    all_in = plan.prices.network_premium == 0
    price = float(quote(plan).usd_per_gpu_hour)
    bare = float(price_without_network(price, own.price_share)) if all_in else price
    for name in FABRICS:
        fabric = shipped.fabric(name)
        if fabric.bits_per_s_per_gpu <= own.bits_per_s_per_gpu:
            continue
        changes: dict[str, Any] = {"cluster.fabric": name}
        if all_in and plan.prices.purchase != "on-demand":
            more = (1 + fabric.price_share) / (1 + own.price_share) - 1
            changes["prices.network_premium"] = max(0.0, round(more, 4))
        elif all_in and not math.isnan(bare):
            changes["prices.usd_per_gpu_hour"] = round(bare * (1 + fabric.price_share), 4)
        words = f"Fabric {own.name} → {fabric.name}"
        new, old = units.percent(fabric.price_share, 0), units.percent(own.price_share, 0)
        caution = f"its share of the price is assumed: {new} instead of {old}"
        yield Proposal(bottleneck, changes, words, caution, fabric.source)


@cache
def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = library.read_json(library.SHIPPED / "advice.json")["rows"]
    return rows


def _changed(base: Variant, changes: dict[str, Any]) -> Variant | None:
    """The changed plan; None where it contradicts itself, or earns a warning that the plan has not."""
    try:
        plan = with_settings(base.plan, list(changes.items()))
    except PlanError:
        return None
    known = {problem.path for problem in check(base.plan)}
    if any(problem.severity == "error" or problem.path not in known for problem in check(plan)):
        return None
    return variant(plan, like=base)


def _effect(name: str, change: float) -> str:
    if math.isnan(change) or abs(change) < 0.0005:
        return ""
    return f"{name} {units.percent(change, sign=True)}"


def _plain(measured: Measured) -> dict[str, Any]:
    return {key: value if math.isfinite(value) else None for key, value in measured.items()}
