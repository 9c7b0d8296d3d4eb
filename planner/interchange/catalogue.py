"""Live offers of the clouds from gpuhunt's catalogue (dstack), turned into a price list of ours.

gpuhunt runs in a process of its own with a deadline: a catalogue that hangs holds nobody up.
"""

from __future__ import annotations

import contextlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import date
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from planner import library
from planner.errors import CancelledError, MissingError, shorten
from planner.plan.dates import last_day
from planner.plan.offers import Offer, PriceList, kept_path
from planner.writing import write_atomically

DEADLINE_S = 30.0
_LOOK_S = 0.1
"""How often it is looked whether the fetching is cancelled."""
_CHILD = Path(__file__).with_name("catalogue_child.py")
_WITHOUT = "gpuhunt, which fetches the offers, is not there"
_INSTALL = "install it: pip install 'trainplan[prices]'"
_OFFLINE = "the offers kept from before are unchanged; try again later, or with a longer --timeout"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, allow_inf_nan=False)


class Item(_Part):
    """One offer as gpuhunt tells it."""

    provider: str
    instance_name: str
    location: str
    price: float  # of the whole instance an hour, USD
    gpu_count: float = Field(gt=0)
    gpu_name: str
    gpu_memory: float | None
    spot: bool


class Fetched(_Part):
    """What the child process prints; its items are looked at one by one."""

    gpuhunt: str = Field(pattern=r"^[0-9A-Za-z.+!-]{1,100}$")  # its version, which the price list's source names
    versions: dict[str, str]
    items: list[Any]


def refresh(deadline_s: float = DEADLINE_S, is_cancelled: Callable[[], bool] = lambda: False) -> PriceList:
    """Fetch the catalogue and keep it in the user's folder. Raises `MissingError`, and the kept one stays, where
    gpuhunt is missing or the catalogue does not come within the deadline; `CancelledError` when cancelled."""
    found = price_list(read(_fetched(deadline_s, is_cancelled)), date.today())
    path = kept_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        path, json.dumps(found.model_dump(mode="json", exclude_defaults=True), separators=(",", ":")) + "\n"
    )
    return found


def read(text: str | bytes) -> Fetched:
    """What was fetched. Raises `MissingError` where it is no catalogue, or an empty one."""
    try:
        fetched = Fetched.model_validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        told = shorten(": ".join(filter(None, (".".join(map(str, first["loc"])), first["msg"]))), 200)
        raise MissingError(f"the catalogue cannot be read ({told}); {_OFFLINE}") from None
    if not fetched.items:
        raise MissingError(f"the catalogue is empty; {_OFFLINE}")
    return fetched


def price_list(fetched: Fetched, today: date) -> PriceList:
    """The fetched catalogue in our form; each offer is of the day on which its provider's prices were collected.

    An item that is no offer is left out, and the notes tell how many are. Raises `MissingError` where all are.
    """
    days = {name: _day(version, today) for name, version in fetched.versions.items()}
    rows = []
    for told in fetched.items:
        with contextlib.suppress(ValidationError):
            item = Item.model_validate(told)
            rows.append(_offer(item, days.get(item.provider, f"{today}")))
    lost = len(fetched.items) - len(rows)
    if not rows:
        raise MissingError(f"the catalogue holds no offer that can be read; {_OFFLINE}")
    return PriceList(
        name="gpuhunt", source=f"gpuhunt {fetched.gpuhunt}, fetched {today}", as_of=f"{today}", rows=tuple(rows),
        notes=f"{lost:,} that cannot be read left out" if lost else "",
    )  # fmt: skip


def missing() -> str:
    """What keeps a refresh from being tried, in one sentence; blank where nothing does. Connects to nothing."""
    return "" if find_spec("gpuhunt") else f"{_WITHOUT}; {_INSTALL}"


def accelerator_of(gpu: str, memory_gb: float | None, instance: str) -> str:
    """The known accelerator that a provider's GPU surely is, by `profiles/gpuhunt.json`; blank where it may be others
    too."""
    for row in _names():
        same = row["gpu"] == gpu and row["memory_gb"] in (None, memory_gb)
        if same and re.search(row["instance"], instance, re.IGNORECASE):
            return str(row["accelerator"])
    return ""


def _fetched(deadline_s: float, is_cancelled: Callable[[], bool]) -> str:
    done = _child(deadline_s, is_cancelled)
    last = shorten((done.stderr.strip().splitlines() or ["no reason given"])[-1], 200)
    if done.returncode == 4:
        raise MissingError(f"{_WITHOUT} ({last}); {_INSTALL}")
    if done.returncode != 0:
        raise MissingError(f"the catalogue cannot be fetched ({last}); {_OFFLINE}")
    return done.stdout


def _child(deadline_s: float, is_cancelled: Callable[[], bool]) -> subprocess.CompletedProcess[str]:
    """The process that fetches, to its end. It is ended with this one's work: at the deadline, and when cancelled."""
    command = [sys.executable, "-P", str(_CHILD)]
    end = time.monotonic() + deadline_s
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8") as child:
        out = told = None
        while out is None:
            try:
                out, told = child.communicate(timeout=_LOOK_S)
            except subprocess.TimeoutExpired:
                if time.monotonic() > end:
                    child.kill()
                    raise MissingError(f"the catalogue did not come within {deadline_s:g} s; {_OFFLINE}") from None
            except BaseException:
                child.kill()
                raise
            if is_cancelled():  # Ctrl+C ends the child as well, so that this is asked of one that has ended, too
                child.kill()
                raise CancelledError("cancelled; the offers kept from before are unchanged")
        return subprocess.CompletedProcess(command, child.returncode, out, told)


def _offer(item: Item, as_of: str) -> Offer:
    memory = item.gpu_memory
    return Offer(
        accelerator=accelerator_of(item.gpu_name, memory, item.instance_name),
        gpu=f"{item.gpu_name} {memory:g} GB" if memory else item.gpu_name,
        usd_per_gpu_hour=item.price / item.gpu_count, provider=item.provider, region=item.location,
        instance=item.instance_name, gpus=item.gpu_count, purchase="spot" if item.spot else "on-demand",
        as_of=as_of, confidence="seen",
    )  # fmt: skip


def _day(version: str, today: date) -> str:
    """The day in a catalogue's version (`20261120` or `20261120-…`); today's where it tells none."""
    found = re.match(r"(\d{4})-?(\d{2})-?(\d{2})", version, re.ASCII)
    day = "-".join(found.groups()) if found else ""
    return day if last_day(day) else f"{today}"


@cache
def _names() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = library.read_json(library.SHIPPED / "gpuhunt.json")["rows"]
    return rows
