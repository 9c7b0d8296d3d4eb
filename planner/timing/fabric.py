"""Measured collectives: the rows of a profile, the α–β curve of each group layout, and the times that plans ask for.

A group layout is its ranks and how many of them share a node, as `planner.timing.collectives` counts them: within the
node all, across nodes some or one. Bytes are those of the formulas there and of NCCL's tests: an all-reduce's buffer,
the gathered or scattered buffer, what one rank holds before an all-to-all, one message. Nothing here needs torch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from planner import units
from planner.formula import Number, formula
from planner.plan.section import Plain
from planner.timing import alpha_beta
from planner.timing.alpha_beta import Regime, Vector

Operation = Literal["all-reduce", "all-gather", "reduce-scatter", "all-to-all", "send"]
Level = Literal["measured", "interpolated", "carried", "specification"]
"""How a collective's time is known, as kernels' times are: by groups of the same layout, between such, beyond the sizes
that were measured, or from the network's data alone."""
WIDE_SPREAD = 0.10
"""Interquartile range over median above which a row is called noisy."""
MODEL_ERROR = 0.03
"""Relative error of the law itself, below which a quiet row pulls no harder."""
QUARTILES_TO_DEVIATION = 1 / 1.349
"""Standard deviation over interquartile range of a normal distribution."""
ERROR_OF_FEW = 0.2
"""Relative error where too few sizes or group sizes were measured to leave one out (assumed)."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Collective(_Part):
    """One measurement: a collective over equal groups that all ranks form at the same time, at one size."""

    operation: Operation
    ranks: int = Field(ge=2)  # of one group
    ranks_per_node: int = Field(ge=1)  # of the group's ranks, in one node
    stride: int = Field(default=1, ge=1)  # neighbours in the group are so many ranks apart
    groups: int = Field(default=1, ge=1)  # that ran at the same time
    bytes: float = Field(gt=0)
    dtype: Plain = "fp32"
    median_s: float = Field(gt=0)  # of the slowest rank
    lower_quartile_s: float = Field(ge=0)
    upper_quartile_s: float = Field(ge=0)
    n: int = Field(ge=1)  # samples
    calls: int = Field(default=1, ge=1)  # back to back in each sample

    @property
    def spread(self) -> float:
        """Interquartile range over median."""
        return (self.upper_quartile_s - self.lower_quartile_s) / self.median_s

    @property
    def is_noisy(self) -> bool:
        """Measured too seldom or with a wide spread: to be marked."""
        return self.n < 3 or self.spread > WIDE_SPREAD

    @property
    def bus_bytes_per_s(self) -> float:
        """Bus bandwidth by NCCL's tests: see `bus_share`."""
        return self.bytes / self.median_s * float(bus_share(self.operation, self.ranks))


class Curve(_Part):
    """Time over size of one collective in one group layout, fitted to its rows."""

    operation: Operation
    ranks: int = Field(ge=2)
    ranks_per_node: int = Field(ge=1)
    regimes: tuple[Regime, ...] = Field(min_length=1)
    error: float = Field(ge=0)  # of the logarithm of the time; holds 80 % of the sizes left out one by one
    error_beyond: float = Field(ge=0)  # the same at the largest size when left out
    n: int = Field(ge=1)  # rows

    @property
    def crosses_nodes(self) -> bool:
        """Some of its ranks are in different nodes."""
        return self.ranks_per_node < self.ranks

    @property
    def largest_bytes(self) -> float:
        """The largest size that was measured."""
        return self.regimes[-1].largest_bytes

    @property
    def bus_bytes_per_s(self) -> float | None:
        """Bus bandwidth of endless messages, by the last regime; None where its time does not grow with the size."""
        return self.bus_of(self.regimes[-1])

    def bus_of(self, regime: Regime) -> float | None:
        """1/β of a regime as bus bandwidth."""
        return float(bus_share(self.operation, self.ranks)) / regime.s_per_byte if regime.s_per_byte else None

    def time_s(self, bytes_: Number) -> Number:
        """Seconds at a size, elementwise; beyond the measured sizes the last regime goes on."""
        return alpha_beta.time_s(self.regimes, bytes_)


class Collectives(_Part):
    """What one run of `profile --collectives` measured: a section of the profile file."""

    kind: Literal["measured"] = "measured"
    created: Plain  # ISO 8601, UTC
    complete: bool = True
    incomplete_because: Plain = ""
    backend: Literal["gloo", "nccl"]
    library: Plain = ""  # the backend's version, as torch tells it
    torch: Plain = ""
    nodes: int = Field(ge=1)
    ranks_per_node: int = Field(ge=1)
    hosts: tuple[Plain, ...] = ()  # by node
    fabric: Plain = ""  # the network between the nodes by its name in a plan; empty where the user gave none
    environment: dict[Plain, Plain] = {}  # variables that steer the backend: GLOO_…, NCCL_…
    elapsed_s: float = 0.0
    rows: tuple[Collective, ...] = ()
    curves: tuple[Curve, ...] = ()
    notes: tuple[Plain, ...] = ()


@formula(
    "2·(n − 1)/n all-reduce; (n − 1)/n all-gather, reduce-scatter, all-to-all; 1 send",
    unit="fraction",
    source="NVIDIA nccl-tests, doc/PERFORMANCE.md: bus bandwidth = size/time × this share",
)
def bus_share(operation: str, ranks: Number) -> Number:
    """Bytes over a rank's link for each byte of the buffer: the bus bandwidth over the algorithm's."""
    if operation == "send":
        return np.ones_like(ranks, dtype=float)[()]
    passes = 2.0 if operation == "all-reduce" else 1.0
    return passes * (ranks - 1) / ranks


def curves(rows: Iterable[Collective]) -> tuple[Curve, ...]:
    """The curve of each collective and group layout; groups of another stride over as many nodes count as one."""
    grouped: dict[tuple[Operation, int, int], list[Collective]] = {}
    for row in rows:
        grouped.setdefault((row.operation, row.ranks, row.ranks_per_node), []).append(row)
    return tuple(_curve(group) for _, group in sorted(grouped.items()))


def _curve(rows: list[Collective]) -> Curve:
    errors = [float(np.hypot(row.spread * QUARTILES_TO_DEVIATION, MODEL_ERROR)) for row in rows]
    fit = alpha_beta.fit([row.bytes for row in rows], [row.median_s for row in rows], errors)
    least = float(np.median([row.spread for row in rows]))
    first = rows[0]
    return Curve(
        operation=first.operation, ranks=first.ranks, ranks_per_node=first.ranks_per_node, regimes=fit.regimes,
        error=max(least, ERROR_OF_FEW if fit.error is None else fit.error),
        error_beyond=max(least, ERROR_OF_FEW if fit.error_beyond is None else fit.error_beyond), n=len(rows),
    )  # fmt: skip


@dataclass(frozen=True)
class Knowledge:
    """How a collective's time is known, in a word and in words."""

    level: Level
    error: float | None
    """Half-width of the 80 % band of the time's logarithm; None without a measurement."""
    text: str


@dataclass(frozen=True, eq=False)
class Links:
    """The measured collectives that a plan's times may rest on."""

    profile: str
    curves: tuple[Curve, ...]
    edge: int = 0
    """0 for the times themselves, −1 and 1 for the lower and upper edge of their bands (one plan, no arrays)."""

    def __str__(self) -> str:
        return f"collectives of the profile {self.profile}"

    def time_s(self, operation: str, bytes_: Number, ranks: Number, ranks_per_node: Number) -> Number:
        """Seconds, NaN where the group's layout was neither measured nor lies between measured ones. Elementwise.

        Across nodes only groups with as many ranks a node are compared; between two group sizes the logarithm of the
        time over the bus share goes linearly with the logarithm of the ranks.
        """
        size, group, local = np.broadcast_arrays(*np.atleast_1d(bytes_, ranks, ranks_per_node))
        local = np.clip(local, 1.0, group)
        found = np.full(size.shape, np.nan)
        for place, family in self._families.get(operation, {}).items():
            here = (local >= group) if place is None else (local == place) & (local < group)
            here &= (group >= family[0].ranks) & (group <= family[-1].ranks)
            if here.any():
                found[here] = _between(family, size[here], group[here])
        shape = np.broadcast_shapes(*map(np.shape, (bytes_, ranks, ranks_per_node)))
        return found.reshape(shape)[()]

    def knowledge(self, operation: str, bytes_: float, ranks: float, ranks_per_node: float) -> Knowledge | None:
        """How the time of one collective is known; None where it is not."""
        family = self._families.get(operation, {}).get(None if ranks_per_node >= ranks else int(ranks_per_node), ())
        if not family or not family[0].ranks <= ranks <= family[-1].ranks:
            return None
        where = f"{operation} over {ranks:.0f} ranks, {min(ranks, ranks_per_node):.0f} a node"
        exact = next((curve for curve in family if curve.ranks == ranks), None)
        near = [exact] if exact else _neighbours(family, ranks)
        error = max(curve.error for curve in near)
        level: Level = "measured" if exact else "interpolated"
        told = "measured" if exact else f"between {near[0].ranks} and {near[-1].ranks} ranks, which were measured"
        if not exact:
            error = float(np.hypot(error, _error_between(family)))
        if bytes_ > (largest := max(curve.largest_bytes for curve in near)):
            level, error = "carried", max([error, *(curve.error_beyond for curve in near)])
            told += f" up to {units.show_bytes(largest)}, carried on at that bandwidth"
        return Knowledge(
            level, error, f"{where}: {told}, within {units.percent(error, 0)} (80 %; profile {self.profile})"
        )

    @cached_property
    def _families(self) -> Mapping[str, Mapping[int | None, tuple[Curve, ...]]]:
        """By collective, then by ranks a node (None: within a node): its curves by ranks."""
        found: dict[str, dict[int | None, list[Curve]]] = {}
        for curve in sorted(self.curves, key=lambda curve: curve.ranks):
            place = curve.ranks_per_node if curve.crosses_nodes else None
            found.setdefault(curve.operation, {}).setdefault(place, []).append(curve)
        return {name: {place: tuple(some) for place, some in places.items()} for name, places in found.items()}


@formula(
    "α + bytes/β of the size's regime",
    unit="s",
    source="α–β law fitted to this machine's own collectives (`profile --collectives`)",
)
def measured_collective_s(
    links: Links, operation: str, bytes_: Number, ranks: Number, ranks_per_node: Number
) -> Number:
    """Time of a collective as measured in groups of this layout; NaN where there are none. Elementwise."""
    time = links.time_s(operation, bytes_, ranks, ranks_per_node)
    if not links.edge or np.isnan(time):
        return time
    known = links.knowledge(operation, float(bytes_), float(ranks), float(ranks_per_node))
    return time * np.exp(links.edge * known.error) if known and known.error else time


def _between(family: tuple[Curve, ...], bytes_: Vector, ranks: Vector) -> Vector:
    """Seconds at group sizes of, or between, a family's."""
    groups = np.array([float(curve.ranks) for curve in family])
    logs = np.stack([np.log(curve.time_s(bytes_) / bus_share(curve.operation, curve.ranks)) for curve in family])
    upper = np.clip(np.searchsorted(groups, ranks), 1 if len(family) > 1 else 0, len(family) - 1)
    lower = np.maximum(upper - 1, 0)
    width = np.log(groups[upper] / groups[lower])
    share = np.where(width > 0, np.log(ranks / groups[lower]) / np.where(width > 0, width, 1.0), 0.0)
    column = np.arange(len(bytes_))
    mixed = (1 - share) * logs[lower, column] + share * logs[upper, column]
    return np.asarray(np.exp(mixed) * bus_share(family[0].operation, ranks))


def _neighbours(family: tuple[Curve, ...], ranks: float) -> list[Curve]:
    """The two measured group sizes that a third lies between."""
    above = next(index for index, curve in enumerate(family) if curve.ranks > ranks)
    return [family[above - 1], family[above]]


def _error_between(family: tuple[Curve, ...]) -> float:
    """How far group sizes of a family are off when left out and interpolated: 80 % of the sizes are nearer."""
    misses: list[Any] = []
    for index in range(1, len(family) - 1):
        own = family[index]
        sizes = np.array([edge for one in own.regimes for edge in (one.smallest_bytes, one.largest_bytes)])
        guess = _between(family[:index] + family[index + 1 :], sizes, np.full(len(sizes), float(own.ranks)))
        misses.extend(np.abs(np.log(guess / own.time_s(sizes))))
    return float(np.quantile(misses, alpha_beta.HELD_SHARE)) if misses else ERROR_OF_FEW
