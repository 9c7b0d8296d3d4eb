"""Offers of accelerators: the shipped table, the user's own price lists, and what `prices --refresh` keeps.

All three have one form. A user's row marked `default` wins over the shipped one; a catalogue's row is used only where a
plan names it.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pydantic import field_validator

from planner import library
from planner.errors import InputError, UnknownNameError, shorten
from planner.plan.dates import checked
from planner.plan.section import Section, choice, part, quantity, words

Confidence = Literal["", "seen", "recalled", "recalled+seen", "assumed"]


class Offer(Section):
    """What somebody asks for an hour of one accelerator."""

    accelerator: str = words("Accelerator", "Name of a known accelerator; blank where it is told too loosely for one")
    usd_per_gpu_hour: float = quantity("Price a GPU-hour", "Of one accelerator, with its host", "USD/h", ge=0, le=1e6)
    provider: str = words("Provider", "Who offers it", max_length=60)
    region: str = words("Region", "Where, as the provider calls it", max_length=60)
    instance: str = words("Instance", "What it is sold as", max_length=100)
    gpu: str = words("GPU", "The accelerator as the provider calls it", max_length=100)
    gpus: float = quantity("GPUs", "Accelerators of one instance", default=1, gt=0)
    purchase: Literal["on-demand", "spot", "reserved"] = choice("Paid as", "How it is rented", default="on-demand")
    low: float | None = quantity("Lowest", "Lowest offer seen", "USD/h", default=None, ge=0, le=1e6)
    high: float | None = quantity("Highest", "Highest offer seen", "USD/h", default=None, ge=0, le=1e6)
    source: str = words("Source", "Where it was seen", max_length=500)
    as_of: str = words("Date", "When it was seen: 2026, 2026-11 or 2026-11-23", max_length=10)
    confidence: Confidence = choice("Confidence", "How sure it is", default="")
    default: bool = choice("Default", "The price of a plan that names none", default=False)

    @field_validator("as_of")
    @classmethod
    def _date(cls, value: str) -> str:
        return checked(value)

    @property
    def name(self) -> str:
        """By which a plan names it: `aws/us-east-1/p5.48xlarge`, its spot offer `aws/us-east-1/p5.48xlarge/spot`; blank
        where nobody in particular offers it."""
        way = "" if self.purchase == "on-demand" else self.purchase
        return "/".join(filter(None, (self.provider, self.region, self.instance, way))) if self.provider else ""

    @property
    def told(self) -> str:
        """Who offers it, or where it was seen."""
        return self.name or self.source


class PriceList(Section):
    """A file of offers; `source` and `as_of` are those of rows that give none."""

    name: str = words("Name", "Of the list", max_length=200)
    notes: str = words("Notes", "What the prices are", max_length=4000)
    source: str = words("Source", "Where they were seen", max_length=500)
    as_of: str = words("Date", "When they were seen", max_length=10)
    rows: tuple[Offer, ...] = choice("Offers", "One a line")

    def offers(self) -> Iterator[Offer]:
        """The rows, each with source and date."""
        for row in self.rows:
            yield row.model_copy(
                update={"source": row.source or self.source or self.name, "as_of": row.as_of or self.as_of}
            )


KEPT = "offers.json"
"""The catalogue in the user's folder."""


def kept_path() -> Path:
    """Where `prices --refresh` keeps the catalogue."""
    return library.user_folder() / KEPT


def default(accelerator: str) -> Offer | None:
    """The price of an accelerator in a plan that names none; None where nobody knows one."""
    for offers in (own(), shipped()):
        mine = [one for one in offers if one.accelerator == accelerator]
        chosen = next((one for one in mine if one.default), None)
        if chosen:
            return chosen
    return next((one for one in shipped() if one.accelerator == accelerator), None)


def known(accelerator: str) -> list[Offer]:
    """Every offer of an accelerator, the cheapest first."""
    listed = (one for one in (*shipped(), *own()) if one.accelerator == accelerator)
    return sorted((*listed, *_kept_of(accelerator)), key=lambda one: one.usd_per_gpu_hour)


def named(accelerator: str, name: str) -> Offer:
    """The newest offer of a name. Raises `UnknownNameError`, which quotes the nearest ones; where a list that cannot be
    read may hold it, `InputError` with that list's mistakes."""
    mine = {one.name: one for one in sorted(known(accelerator), key=lambda one: one.as_of) if one.name}
    if name in mine:
        return mine[name]
    if broken := left_out():
        told = f"the offer {shorten(name)!r} of {accelerator} is in no price list that can be read"
        raise InputError("\n".join([told, *broken]))
    raise UnknownNameError(f"offer of {accelerator}", name, mine)


def every() -> list[Offer]:
    """Shipped, own and kept offers."""
    return [*shipped(), *own(), *kept()]


def shipped() -> tuple[Offer, ...]:
    """The shipped table."""
    return _readable(library.SHIPPED / "prices.json")


def own() -> tuple[Offer, ...]:
    """The user's own lists, `prices/*.json` in the user's folder; `left_out` tells which of them cannot be read."""
    return tuple(offer for path in library.paths("prices").values() for offer in _readable(path))


def kept() -> tuple[Offer, ...]:
    """The catalogue of the last refresh; nothing where there was none, or where it cannot be read."""
    return _readable(kept_path()) if kept_path().is_file() else ()


def left_out(*, kept: bool = True) -> list[str]:
    """Of each list that cannot be read, what is wrong with it: one that no plan asks for spoils no estimate. kept: the
    catalogue, too, which takes a moment to read and holds only what is asked for by name."""
    lists = [*library.paths("prices").values(), *([kept_path()] if kept and kept_path().is_file() else [])]
    return [found for found in map(_read, lists) if isinstance(found, str)]


def read_list(path: Path) -> PriceList:
    """A price list from its file. Raises `InputError` with every mistake."""
    with library.naming(path):
        return part(PriceList, library.read_json(path), str(path))


def _kept_of(accelerator: str) -> tuple[Offer, ...]:
    """The catalogue's offers of one accelerator: of its tens of thousands only these are worked through."""
    path = kept_path()
    return _catalogued(path, library.stamp(path), accelerator) if path.is_file() else ()


@lru_cache(maxsize=16)
def _catalogued(path: Path, stamp: tuple[int, int], accelerator: str) -> tuple[Offer, ...]:
    try:
        data = library.read_json(path)
        if isinstance(rows := data.get("rows"), list):
            data["rows"] = [row for row in rows if isinstance(row, dict) and row.get("accelerator") == accelerator]
        return tuple(part(PriceList, data, str(path)).offers())
    except InputError:
        return ()


def _readable(path: Path) -> tuple[Offer, ...]:
    found = _read(path)
    return () if isinstance(found, str) else found


def _read(path: Path) -> tuple[Offer, ...] | str:
    """A file's offers, or what is wrong with it."""
    try:
        return _offers(path, library.stamp(path))
    except InputError as error:
        return str(error)


@lru_cache(maxsize=64)
def _offers(path: Path, stamp: tuple[int, int]) -> tuple[Offer, ...] | str:
    """Kept for a broken file, too: it is not read anew for every estimate."""
    try:
        return tuple(read_list(path).offers())
    except InputError as error:
        return str(error)
