"""The profile: what was measured on one device, as a versioned file.

Read by the timing formulas and the app, written by `planner.profiling`; nothing here needs torch. All quantities are
SI base units. A profile made on a CPU says so in `device.kind`: see `require_same_kind`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner import library
from planner.errors import InputError, UnknownNameError, shorten
from planner.plan.model import Model
from planner.plan.section import LARGEST_COUNT, Plain
from planner.timing.fabric import Collectives
from planner.writing import write_atomically

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
FEWEST_REFERENCES = 8
"""Rows with a reference product below which no drift is told from them."""


_LONGEST_S, _SHORTEST_S = 1e7, 1e-12
"""Bounds of a measured time: four months, and far less than any clock's tick. What says otherwise is no measurement."""
Count = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Seconds = Annotated[float, Field(ge=0, le=_LONGEST_S)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


class Device(_Part):
    """The device that was measured."""

    kind: Literal["cpu", "cuda"]
    name: Plain
    memory_bytes: float = Field(ge=1, le=1e16)
    capability: Plain = ""  # CUDA compute capability ("9.0"), or the CPU's vector units ("AVX2")
    multiprocessors: int | None = None  # streaming multiprocessors, or CPU cores
    threads: int | None = None  # threads torch used, on a CPU

    @property
    def fingerprint(self) -> str:
        """The same for the same kind of device, whatever the driver and the machine's name."""
        words = f"{self.kind}|{self.name}|{self.capability}|{self.multiprocessors}|{round(self.memory_bytes / 2**30)}"
        return hashlib.sha256(words.encode("utf-8", "backslashreplace")).hexdigest()[:16]


class Software(_Part):
    """Versions that times depend on; empty where there is none."""

    trainplan: Plain = ""
    torch: Plain = ""
    cuda: Plain = ""
    driver: Plain = ""
    python: Plain = ""
    keeps_memory: bool = False
    """The process kept what was freed, as a GPU's caching allocator does, so that no run mapped memory anew."""


class Condition(_Part):
    """The device's state while a row was measured, as far as it can be read."""

    clock_hz: float | None = Field(default=None, ge=0, le=1e15)
    memory_clock_hz: float | None = Field(default=None, ge=0, le=1e15)
    power_w: float | None = Field(default=None, ge=0, le=1e9)
    temperature_c: float | None = None
    throttle_reasons: tuple[Plain, ...] = ()
    other_load: float | None = None  # share of all CPU cores that other programs took meanwhile
    reference_s: float | None = Field(default=None, ge=_SHORTEST_S, le=_LONGEST_S)
    """Median time of one same small product between the runs: how fast a CPU then was."""


class Row(_Part):
    """One measurement: an operation in one direction at one shape.

    The widths are those of one tensor-parallel rank, and of the whole model's layer in every row, so that rows of one
    point differ in `operation` and `direction` alone.
    """

    operation: Operation
    direction: Direction
    dtype: Plain  # of the matrix products: bf16, fp16, fp32, tf32, fp8
    batch: Count = 0  # sequences
    sequence: Count = 0  # tokens a sequence
    hidden: Count = 0
    heads: Count = 0
    kv_heads: Count = 0
    head_dim: Count = 0
    ffn: Count = 0
    vocabulary: Count = 0
    shards: int = Field(default=1, ge=1, le=LARGEST_COUNT)  # tensor-parallel width that the shape was cut by
    sdpa: Plain = ""  # attention kernel; empty: torch's own choice
    compiled: bool = False
    variant: Plain = ""  # what else differs from the model's own layer trained plainly: chunked, foreach, multi-head …
    recompute: bool = False  # activations are made again in the backward pass
    l2: Literal["", "warm", "flushed"] = ""  # last-level cache before a run: as the run before left it, or overwritten
    flops: float = Field(default=0.0, ge=0, le=1e30)  # with full attention: 4·s·a·d a token forward
    bytes: float = Field(default=0.0, ge=0, le=1e24)
    """Least memory traffic: weights, saved activations, inputs and outputs once."""
    parameters: Count = 0
    median_s: float = Field(ge=_SHORTEST_S, le=_LONGEST_S)
    lower_quartile_s: Seconds
    upper_quartile_s: Seconds
    n: int = Field(ge=1, le=LARGEST_COUNT)
    visits: int = Field(default=1, ge=1, le=LARGEST_COUNT)  # how often the shape was come back to, its runs pooled
    samples_s: tuple[Seconds, ...] = ()  # times of single runs, ascending, thinned: what quartiles are pooled from
    peak_memory_bytes: float | None = None
    peak_memory_from: Literal["allocator", "counted", ""] = ""  # the device's allocator, or weights + gradients + saved
    activation_bytes: float | None = None  # saved for the backward pass, by saved-tensor hooks, weights left out
    condition: Condition = Condition()
    throttled: bool | None = None  # slowed by heat, a brake or (CPU) other programs; None where it cannot be known
    notes: tuple[Plain, ...] = ()

    @property
    def tokens(self) -> int:
        return self.batch * self.sequence

    @property
    def is_plain(self) -> bool:
        """The model's own operation, eager, by torch's own choice of kernels: what the fits read. The rest are variants
        beside it, to be compared with it at the same shape."""
        return not (self.variant or self.sdpa or self.compiled or self.recompute or self.l2 == "flushed")

    @property
    def manner(self) -> str:
        """What sets a variant apart, in words; empty for a plain row. The dtype is told beside it."""
        return manner("", self.variant, self.sdpa, self.compiled, self.recompute, self.l2 == "flushed")

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


def manner(dtype: str, variant: str, sdpa: str, compiled: bool, recompute: bool, flushed: bool) -> str:
    """A variant in words: `fp8, tensorwise, compiled`."""
    words = [dtype, variant, f"{sdpa} kernel" if sdpa else "", "compiled" * compiled, "recomputed" * recompute]
    return ", ".join(filter(None, [*words, "cache flushed" * flushed]))


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


class LeftOut(_Part):
    """How far predictions of one kernel class are off at shapes that were left out of the fit to the profile."""

    operation: Plain  # the "edge" is embedding, head and loss
    direction: Plain
    rows: int
    median: float  # of the absolute relative errors
    p80: float
    bias: float  # median of predicted over measured, less one


class Summary(_Part):
    """How well the parts add up to the whole, and how quiet the measuring was."""

    comparisons: tuple[Comparison, ...] = ()
    ratio: float | None = None  # median of sub-layer sum over whole layer; None where all are disturbed or of one run
    ratio_in_turns: float | None = None  # the same with all three measured in turns at one shape: free of drift
    median_spread: float | None = None
    noisy_rows: int = 0
    drift: float | None = None  # of the machine's own speed between rows; None where no reference ran
    left_out: tuple[LeftOut, ...] = ()  # by kernel class; empty where the device has no data sheet to start from


class Profile(_Part):
    """Everything measured in one run on one device."""

    name: Plain = ""
    kind: Literal["measured"] = "measured"
    created: Plain  # ISO 8601, UTC
    complete: bool = True
    incomplete_because: Plain = ""
    host: Plain = ""
    device: Device
    software: Software = Software()
    model: Model
    suite: Plain
    dtype: Plain  # the one that most rows have
    elapsed_s: float = 0.0
    rows: tuple[Row, ...] = ()
    notes: tuple[Plain, ...] = ()
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
        drift=drift(rows),
    )


def drift(rows: Iterable[Row]) -> float | None:
    """How much the machine's own speed moved from row to row: interquartile range over median of the one same small
    product timed between a row's runs. A row's quartiles cannot know it; None where no such product was timed (a GPU).
    """
    references_s = [row.condition.reference_s for row in rows if row.condition.reference_s]
    if len(references_s) < FEWEST_REFERENCES:
        return None
    lower_s, median_s, upper_s = np.percentile(references_s, (25, 50, 75))
    return float((upper_s - lower_s) / median_s)


def require_same_kind(profile: Profile, accelerator_kind: str) -> None:
    """Refuse to carry a CPU's times to a GPU or back: `accelerator_kind` is the plan's `cluster.accelerator.kind`."""
    if (profile.device.kind == "cpu") != (accelerator_kind == "cpu"):
        raise InputError(
            f"the profile {profile.name or profile.device.name!r} was measured on a {profile.device.kind.upper()} "
            f"({profile.device.name}) and says nothing about a {accelerator_kind.upper()}; profile that device instead"
        )


def _median(values: Iterable[float]) -> float | None:
    numbers = list(values)
    return float(np.median(numbers)) if numbers else None
