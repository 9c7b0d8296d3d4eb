"""The profile: what was measured on one device, as a versioned file, and the constants fitted to it.

Read by the timing formulas and the app, written by `planner.profiling`; nothing here needs torch. All quantities are
SI base units. A profile made on a CPU says so in `device.kind`: see `require_same_kind`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner import library
from planner.errors import InputError, UnknownNameError, shorten
from planner.plan.file import write_atomically
from planner.plan.model import Model
from planner.timing.fabric import Collectives

FORMAT = "trainplan-profile"
VERSION = 1
MIGRATIONS: dict[int, Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""For each old version, the function that turns its content into the next version's."""

Operation = Literal[
    "attention", "attention_core", "feed_forward", "layer", "embedding", "head_loss", "optimizer",
    "matmul_peak", "copy_peak", "launch",
]  # fmt: skip
Direction = Literal["forward", "backward", "forward+backward", "step"]
WIDE_SPREAD = 0.10
"""Interquartile range over median above which a row is called noisy."""
SMALLEST_SPREAD = 0.01
"""Floor of a row's spread as a weight, so that one quiet row cannot silence the others."""

PEAK_ALLOWANCE = 1.05
"""No class is fitted faster than the best measured matrix product times this, however few its rows are."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Device(_Part):
    """The device that was measured."""

    kind: Literal["cpu", "cuda"]
    name: str
    memory_bytes: float = Field(gt=0)
    capability: str = ""  # CUDA compute capability ("9.0"), or the CPU's vector units ("AVX2")
    multiprocessors: int | None = None  # streaming multiprocessors, or CPU cores
    threads: int | None = None  # threads torch used, on a CPU

    @property
    def fingerprint(self) -> str:
        """The same for the same kind of device, whatever the driver and the machine's name."""
        words = f"{self.kind}|{self.name}|{self.capability}|{self.multiprocessors}|{round(self.memory_bytes / 2**30)}"
        return hashlib.sha256(words.encode()).hexdigest()[:16]


class Software(_Part):
    """Versions that times depend on; empty where there is none."""

    trainplan: str = ""
    torch: str = ""
    cuda: str = ""
    driver: str = ""
    python: str = ""


class Condition(_Part):
    """The device's state while a row was measured, as far as it can be read."""

    clock_hz: float | None = None
    memory_clock_hz: float | None = None
    power_w: float | None = None
    temperature_c: float | None = None
    throttle_reasons: tuple[str, ...] = ()
    other_load: float | None = None  # share of all CPU cores that other programs took meanwhile


class Row(_Part):
    """One measurement: an operation in one direction at one shape.

    The widths are those of one tensor-parallel rank, and of the whole model's layer in every row, so that rows of one
    point differ in `operation` and `direction` alone.
    """

    operation: Operation
    direction: Direction
    dtype: str  # of the matrix products: bf16, fp16, fp32, tf32, fp8
    batch: int = 0  # sequences
    sequence: int = 0  # tokens a sequence
    hidden: int = 0
    heads: int = 0
    kv_heads: int = 0
    head_dim: int = 0
    ffn: int = 0
    vocabulary: int = 0
    shards: int = 1  # tensor-parallel width that the shape was cut by
    sdpa: str = ""  # attention kernel; empty: torch's own choice
    compiled: bool = False
    variant: str = ""  # what else differs from the model's own layer trained plainly: chunked, foreach, multi-head …
    recompute: bool = False  # activations are made again in the backward pass
    l2: Literal["", "warm", "flushed"] = ""  # last-level cache before a run: as the run before left it, or overwritten
    flops: float = Field(default=0.0, ge=0)  # with full attention: 4·s·a·d a token forward
    bytes: float = Field(default=0.0, ge=0)  # least memory traffic: weights, saved activations, inputs and outputs once
    parameters: int = 0
    median_s: float = Field(gt=0)
    lower_quartile_s: float = Field(ge=0)
    upper_quartile_s: float = Field(ge=0)
    n: int = Field(ge=1)
    visits: int = Field(default=1, ge=1)  # how often the shape was come back to, its runs pooled
    samples_s: tuple[float, ...] = ()  # times of single runs, ascending, thinned: what quartiles are pooled from
    peak_memory_bytes: float | None = None
    peak_memory_from: Literal["allocator", "counted", ""] = ""  # the device's allocator, or weights + gradients + saved
    activation_bytes: float | None = None  # saved for the backward pass, by saved-tensor hooks, weights left out
    condition: Condition = Condition()
    throttled: bool | None = None  # slowed by heat, a brake or (CPU) other programs; None where it cannot be known
    notes: tuple[str, ...] = ()

    @property
    def tokens(self) -> int:
        return self.batch * self.sequence

    @property
    def is_plain(self) -> bool:
        """The model's own operation, eager, by torch's own choice of kernels: what the fits read. The rest are variants
        beside it, to be compared with it at the same shape."""
        return not (self.variant or self.sdpa or self.compiled or self.recompute or self.l2 == "flushed")

    @property
    def spread(self) -> float:
        """Interquartile range over median."""
        return (self.upper_quartile_s - self.lower_quartile_s) / self.median_s

    @property
    def is_noisy(self) -> bool:
        """Measured too seldom, with a wide spread, or under throttling: to be marked and weighed less."""
        return self.n < 3 or self.spread > WIDE_SPREAD or bool(self.throttled)

    @property
    def flops_per_s(self) -> float:
        return self.flops / self.median_s

    @property
    def bytes_per_s(self) -> float:
        return self.bytes / self.median_s

    @property
    def shape(self) -> tuple[Any, ...]:
        """What makes two rows measurements of the same thing."""
        widths = (self.hidden, self.heads, self.kv_heads, self.head_dim, self.ffn, self.vocabulary, self.shards)
        return (
            self.operation,
            self.direction,
            self.dtype,
            self.batch,
            self.sequence,
            *widths,
            self.sdpa,
            self.compiled,
            self.variant,
            self.recompute,
            self.l2 == "flushed",
        )


class Comparison(_Part):
    """Attention block + feed-forward block against the whole layer, at one shape and direction."""

    direction: Direction
    batch: int
    sequence: int
    shards: int
    sub_layer_sum_s: float
    layer_s: float
    disturbed: bool = False  # one of the three was measured under throttling or beside other programs
    n: int = 0  # runs of the one that was measured least often

    @property
    def ratio(self) -> float:
        return self.sub_layer_sum_s / self.layer_s


class Summary(_Part):
    """How well the parts add up to the whole, and how quiet the measuring was."""

    comparisons: tuple[Comparison, ...] = ()
    ratio: float | None = None  # median of sub-layer sum over whole layer; None where all are disturbed or of one run
    ratio_in_turns: float | None = None  # the same with all three measured in turns at one shape: free of drift
    median_spread: float | None = None
    noisy_rows: int = 0


class Profile(_Part):
    """Everything measured in one run on one device."""

    name: str = ""
    kind: Literal["measured"] = "measured"
    created: str  # ISO 8601, UTC
    complete: bool = True
    incomplete_because: str = ""
    host: str = ""
    device: Device
    software: Software = Software()
    model: Model
    suite: str
    dtype: str  # the one that most rows have
    elapsed_s: float = 0.0
    rows: tuple[Row, ...] = ()
    notes: tuple[str, ...] = ()
    summary: Summary = Summary()
    collectives: Collectives | None = None  # measured with `profile --collectives`, maybe at another time

    @property
    def fingerprint(self) -> str:
        return self.device.fingerprint


def load(name_or_path: str | Path) -> Profile:
    """A profile from a file, or a shipped (or the user's own) one by name. Raises `InputError`."""
    path = find(name_or_path)
    return from_data(library.read_json(path), str(path))


def find(name_or_path: str | Path) -> Path:
    """The file of a profile: the path itself, or the shipped (or the user's own) one of a name."""
    path = Path(name_or_path)
    if isinstance(name_or_path, Path) or path.suffix == ".json" or path.parent != Path():
        return path
    known = library.paths("measured")
    if not known:
        raise InputError(
            f"there is no measured profile yet, so none named {shorten(name_or_path)!r}: run profile first"
        )
    if library.slug(name_or_path) not in known:
        raise UnknownNameError("measured profile", name_or_path, known)
    return known[library.slug(name_or_path)]


def from_data(data: dict[str, Any], where: str = "profile") -> Profile:
    """A profile from a file's content, migrated to today's version. Raises `InputError` with every mistake."""
    data = dict(data)
    kind, version = data.pop("format", None), data.pop("version", None)
    if kind != FORMAT:
        raise InputError(f"{where}: not a profile (its format says {shorten(kind)!r}, a profile's {FORMAT!r})")
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise InputError(f"{where}: version {shorten(version)!r} is not a whole number from 1 to {VERSION}")
    if version > VERSION:
        raise InputError(
            f"{where}: written by a newer Trainplan (version {version}, this one reads {VERSION}); update it"
        )
    while version < VERSION:
        data, version = MIGRATIONS[version](data), version + 1
    try:
        return Profile.model_validate(data)
    except ValidationError as error:
        lines = [f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors(include_url=False)]
        raise InputError(f"{where}: not a whole profile\n" + "\n".join(lines[:20])) from None


def to_text(profile: Profile) -> str:
    """The file's text: format, version and name first, one row a line."""
    data = {"format": FORMAT, "version": VERSION, **profile.model_dump(mode="json", exclude_defaults=True)}
    data |= {"kind": profile.kind, "complete": profile.complete}
    parts = {"rows": _lines(data.pop("rows", []))}
    if collectives := data.pop("collectives", None):
        lists = {name: _lines(collectives.pop(name, [])) for name in ("curves", "rows")}
        parts["collectives"] = _object(collectives, lists).replace("\n", "\n ")
    return _object(data, parts) + "\n"


def _lines(items: list[Any]) -> str:
    """A JSON list, one item a line."""
    return "[\n  " + ",\n  ".join(json.dumps(item, ensure_ascii=False) for item in items) + "\n ]"


def _object(head: dict[str, Any], parts: dict[str, str]) -> str:
    """A JSON object of a head and of parts that are text already."""
    text = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
    return text + "".join(f',\n "{name}": {part}' for name, part in parts.items()) + "\n}"


def save(profile: Profile, path: Path) -> None:
    """Write the profile atomically; `InputError` names the path when that fails."""
    write_atomically(path, to_text(profile))


def summarize(rows: Iterable[Row]) -> Summary:
    """The sub-layer sum against the whole layer, wherever all three were measured at one shape, and the spread."""
    rows = list(rows)
    at = {(row.operation, *row.shape[1:]): row for row in rows}
    found = []
    for row in rows:
        parts = [part for name in ("attention", "feed_forward") if (part := at.get((name, *row.shape[1:])))]
        if row.operation == "layer" and len(parts) == 2:
            found.append(Comparison(
                direction=row.direction, batch=row.batch, sequence=row.sequence, shards=row.shards,
                sub_layer_sum_s=sum(part.median_s for part in parts), layer_s=row.median_s,
                disturbed=any(part.throttled for part in (row, *parts)), n=min(part.n for part in (row, *parts)),
            ))  # fmt: skip
    ratios = [one.ratio for one in found if not one.disturbed and one.n > 1]
    return Summary(
        comparisons=tuple(found),
        ratio=_median(ratios),
        median_spread=_median(row.spread for row in rows),
        noisy_rows=sum(row.is_noisy for row in rows),
    )


def require_same_kind(profile: Profile, accelerator_kind: str) -> None:
    """Refuse to carry a CPU's times to a GPU or back: `accelerator_kind` is the plan's `cluster.accelerator.kind`."""
    if (profile.device.kind == "cpu") != (accelerator_kind == "cpu"):
        raise InputError(
            f"the profile {profile.name or profile.device.name!r} was measured on a {profile.device.kind.upper()} "
            f"({profile.device.name}) and says nothing about a {accelerator_kind.upper()}; profile that device instead"
        )


@dataclass(frozen=True)
class KernelClass:
    """Time of one operation in one direction on one device: time = work / rate · (1 + half_size / size).

    The second term is work-independent time: reading the weights, launching, filling the device. At `half_size` half
    of the rate is reached. Elementwise in its arguments.
    """

    operation: str
    direction: str
    dtype: str
    work: Literal["FLOP", "B"]  # what `rate_per_s` is counted in
    rate_per_s: float  # asymptotic rate, FLOP/s or B/s
    half_size: float  # tokens (attention core: tokens of one sequence)
    spread: float  # root mean square of relative residuals, or of the row's own quartiles where those are wider
    n: int  # rows that it was fitted on
    smallest_size: float  # range of sizes measured: outside of it this is extrapolation
    largest_size: float

    def time_s(self, work: Any, size: Any) -> Any:
        """Seconds for `work` (FLOPs or bytes) at `size` (tokens, or tokens of one sequence)."""
        return work / self.rate_per_s * (1.0 + self.half_size / size)

    def rate_at(self, size: Any) -> Any:
        """Achieved FLOP/s or B/s at a size."""
        return self.rate_per_s / (1.0 + self.half_size / size)


@dataclass(frozen=True)
class Efficiencies:
    """What the timing formulas need from a profile.

    `classes` by (operation, direction). "attention" there is the attention block *without* its core (projections, norm,
    rotary, residual; FLOPs of the four projections), "attention_core" the core alone (full-attention FLOPs, size is the
    sequence); "feed_forward" and "head_loss" are whole; "embedding" counts bytes. Absent classes were not measured.
    """

    fingerprint: str
    device_kind: str
    device_name: str
    dtype: str
    classes: dict[tuple[str, str], KernelClass]
    matmul_flops_per_s: float | None  # best large square product
    copy_bytes_per_s: float | None  # read + written
    optimizer_bytes_per_s: float | None  # AdamW, 28 bytes a parameter in fp32
    launch_s: float | None  # host time of one small kernel
    sub_layer_ratio: float | None  # attention + feed-forward over whole layer: multiply no time by it, show it

    def block(self, operation: str, direction: str) -> KernelClass | None:
        return self.classes.get((operation, direction))


def efficiencies(profile: Profile, *, dtype: str | None = None) -> Efficiencies:
    """Fit the kernel classes to a profile's plain rows of one dtype (the profile's own by default).

    Least squares of relative errors, each row weighed by its spread, over the non-negative constants of
    `KernelClass`. Raises `InputError` when the profile holds no row of that dtype.
    """
    dtype = dtype or profile.dtype
    rows = [row for row in profile.rows if row.dtype == dtype and row.is_plain]
    if not rows:
        raise InputError(f"the profile {profile.name!r} holds no measurement in {dtype}")
    any_dtype = [row for row in profile.rows if row.is_plain]
    classes: dict[tuple[str, str], KernelClass] = {}
    for operation in ("attention_core", "attention", "feed_forward", "head_loss", "embedding", "layer"):
        for direction in ("forward", "backward"):
            chosen = [row for row in rows if row.operation == operation and row.direction == direction]
            if chosen:
                classes[operation, direction] = _fit_class(chosen, rows)
    return Efficiencies(
        fingerprint=profile.fingerprint, device_kind=profile.device.kind, device_name=profile.device.name, dtype=dtype,
        classes=classes,
        matmul_flops_per_s=max((row.flops_per_s for row in rows if row.operation == "matmul_peak"), default=None),
        copy_bytes_per_s=max((row.bytes_per_s for row in any_dtype if row.operation == "copy_peak"), default=None),
        optimizer_bytes_per_s=_median(row.bytes_per_s for row in any_dtype if row.operation == "optimizer"),
        launch_s=_median(row.median_s for row in any_dtype if row.operation == "launch"),
        sub_layer_ratio=profile.summary.ratio_in_turns or profile.summary.ratio,
    )  # fmt: skip


def _fit_class(chosen: list[Row], rows: list[Row]) -> KernelClass:
    """One class from its rows; the attention block's are first relieved of their core."""
    first = chosen[0]
    cores = {row.shape[1:]: row for row in rows if row.operation == "attention_core"}
    work, times = [], []
    for row in chosen:
        core = cores.get(row.shape[1:]) if row.operation == "attention" else None
        amount = row.bytes if row.operation == "embedding" else row.flops
        work.append(amount - (core.flops if core else 0.0))
        times.append(max(row.median_s - core.median_s, 0.1 * row.median_s) if core else row.median_s)
    sizes = [float(row.sequence if row.operation == "attention_core" else row.tokens) for row in chosen]
    weights = [1.0 / max(row.spread, SMALLEST_SPREAD) / (3.0 if row.is_noisy else 1.0) for row in chosen]
    peaks = [row.flops_per_s for row in rows if row.operation == "matmul_peak"]
    fastest = PEAK_ALLOWANCE * max(peaks) if peaks and first.operation != "embedding" else math.inf
    fit = fit_saturating(np.array(work), np.array(sizes), np.array(times), np.array(weights), fastest=fastest)
    rate, half, residual = fit
    return KernelClass(
        operation=first.operation, direction=first.direction, dtype=first.dtype,
        work="B" if first.operation == "embedding" else "FLOP", rate_per_s=rate, half_size=half,
        spread=max(residual, float(np.median([row.spread for row in chosen])) / 1.349), n=len(chosen),
        smallest_size=min(sizes), largest_size=max(sizes),
    )  # fmt: skip


def fit_saturating(
    work: NDArray[np.float64],
    size: NDArray[np.float64],
    time_s: NDArray[np.float64],
    weight: NDArray[np.float64],
    *,
    fastest: float = math.inf,
) -> tuple[float, float, float]:
    """(rate, half size, root mean square relative residual) of time = work/rate · (1 + half/size).

    0 < rate ≤ `fastest`, half ≥ 0. Linear in 1/rate and half/rate; solved on relative errors. With one distinct size
    half is 0.
    """
    columns = np.stack([work / time_s, work / size / time_s], axis=1)
    target, scaled = weight, columns * weight[:, None]
    slope, offset = _coefficient(scaled[:, 0], target), 0.0
    if len(np.unique(size)) > 1:
        both = np.linalg.lstsq(scaled, target, rcond=None)[0]
        if both[1] > 0 and both[0] >= 1 / fastest and both[0] > 0:
            slope, offset = float(both[0]), float(both[1])
        elif both[1] > 0 and fastest < math.inf:  # the rows alone would have it faster than the device is
            slope = 1 / fastest
            offset = max(0.0, _coefficient(scaled[:, 1], target - slope * scaled[:, 0]))
    residual = columns @ np.array([slope, offset]) - 1.0
    return 1.0 / slope, offset / slope, float(np.sqrt(np.average(residual**2, weights=weight**2)))


def _coefficient(column: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """Least squares of one unknown."""
    return float(column @ target / (column @ column))


def _median(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return float(np.median(numbers)) if numbers else None
