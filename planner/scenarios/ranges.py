"""Over which values the inputs of a plan are varied, and why: the rows of `profiles/sensitivity.json` for one plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from planner import library, units
from planner.costing.quote import hourly
from planner.costing.rates import rates
from planner.estimate import Machine
from planner.plan import fields, offers
from planner.plan.plan import Plan
from planner.scenarios.variants import Variant, variant


@dataclass(frozen=True)
class Range:
    """One input with the values that it is given. `key`: the path of a plan's field, or a constant of the machine."""

    key: str
    title: str
    unit: str
    now: Any
    """The plan's value; where that is blank, what the planner takes."""
    values: tuple[Any, ...]
    reason: str
    source: str
    is_constant: bool = False
    is_choice: bool = False

    def text(self, value: Any) -> str:
        """A value of this input as it reads."""
        return units.show(value, self.unit) if self.is_constant else fields.text(self.key, value)

    def applied(self, base: Variant, value: Any) -> Variant:
        """The plan with this value. Raises `PlanError` where a field cannot have it."""
        if not self.is_constant:
            return variant(fields.with_value(base.plan, self.key, value), like=base)
        part, _, name = self.key.partition(".")
        changed = replace(getattr(base.machine, part), **{name: value})
        return Variant(base.plan, replace(base.machine, **{part: changed}))


def ranges(plan: Plan, machine: Machine) -> list[Range]:
    """Every range that says something about this plan: of choices those that its accelerator can take."""
    found = []
    for row in _rows():
        if plan.prices.purchase not in row.get("purchase", [plan.prices.purchase]):
            continue
        made = _of_constant(row, machine) if "constant" in row else _of_field(row, plan)
        if any(value != made.now for value in made.values):
            found.append(made)
    return found


def between(chosen: Range, count: int) -> list[Any]:
    """Values from one end of a range to the other with the plan's own among them, whole numbers whole; of choices all
    of them."""
    if chosen.is_choice or not isinstance(chosen.now, int | float):
        return list(dict.fromkeys([*chosen.values, chosen.now]))
    low, high = min(chosen.now, *chosen.values), max(chosen.now, *chosen.values)
    if low > 0 and high / low >= 3:
        steps = [low * (high / low) ** (number / (count - 1)) for number in range(count)]
    else:
        steps = [low + (high - low) * number / (count - 1) for number in range(count)]
    if isinstance(chosen.now, int):  # eighths of the plan's own divide evenly more often than other numbers
        steps = [round(step) for step in steps] + [chosen.now * eighths // 8 for eighths in range(1, 33)]
    return sorted({step for step in steps if low <= step <= high} | {*chosen.values, chosen.now})


@cache
def _rows() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = library.read_json(library.SHIPPED / "sensitivity.json")["rows"]
    return rows


def _of_field(row: dict[str, Any], plan: Plan) -> Range:
    path = row["path"]
    now = _now(plan, path)
    values = _choices(row, plan) if "choices" in row else _ends(row, plan, now)
    return Range(
        path, fields.title(path), fields.unit(path), now, tuple(values), row["reason"], row["source"],
        is_choice="choices" in row,
    )  # fmt: skip


def _of_constant(row: dict[str, Any], machine: Machine) -> Range:
    part, _, name = row["constant"].partition(".")
    now = float(getattr(getattr(machine, part), name))
    if "band" in row:
        other, _, width = row["band"].partition(".")
        half = float(getattr(getattr(machine, other), width))
        values: Sequence[float] = (now * (1 - half), now * (1 + half))
    else:
        values = row["values"] if "values" in row else [now * factor for factor in row["factors"]]
    source = machine.device.basis if part == "device" else row["source"]
    return Range(row["constant"], row["title"], "", now, tuple(values), row["reason"], source, is_constant=True)


def _now(plan: Plan, path: str) -> Any:
    """What the planner takes where a field is blank."""
    value = fields.value(plan, path)
    if value is not None:
        return value
    return {
        "prices.usd_per_gpu_hour": lambda: hourly(plan).usd_per_gpu_hour,
        "prices.pue": lambda: rates(plan).pue, "prices.grid_kg_per_kwh": lambda: rates(plan).kg_per_kwh,
    }.get(path, lambda: None)()  # fmt: skip


def _choices(row: dict[str, Any], plan: Plan) -> list[Any]:
    if row["path"] != "recipe.precision":
        return list(row["choices"])
    able = [name for name in row["choices"] if plan.cluster.accelerator.peak(name)]
    return able if plan.recipe.precision in able else []


def _ends(row: dict[str, Any], plan: Plan, now: Any) -> list[Any]:
    if row.get("table") == "grids":
        known = [float(one["kg_per_kwh"]) for one in library.table("grids")]
        return [min(known), max(known)]
    seen = _offers(plan) if row.get("table") == "prices" else []
    if len(seen) > 1:
        return [min(seen), max(seen)]
    if "values" in row:
        return list(row["values"])
    if now is None or now != now:
        return []
    ends = [now * factor for factor in row["factors"]]
    return [max(1, round(end)) for end in ends] if isinstance(now, int) else ends


def _offers(plan: Plan) -> list[float]:
    """Lowest and highest price of today's offers for the plan's accelerator, as far as they are known."""
    row = offers.default(plan.cluster.accelerator.name)
    return [price for price in (row.low, row.high) if price is not None] if row else []
