"""Live offers of the clouds from gpuhunt's catalogue (dstack), turned into a price list of ours.

gpuhunt runs in a process of its own with a deadline: a catalogue that hangs holds nobody up.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from planner import library
from planner.errors import MissingError, shorten
from planner.plan.offers import Offer, PriceList, kept_path
from planner.writing import write_atomically

DEADLINE_S = 30.0
_CHILD = Path(__file__).with_name("catalogue_child.py")
_INSTALL = "install it: pip install 'trainplan[prices]'"
_OFFLINE = "the offers kept from before are unchanged; try again later, or with a longer --timeout"


def refresh(deadline_s: float = DEADLINE_S) -> PriceList:
    """Fetch the catalogue and keep it in the user's folder. Raises `MissingError`, and the kept one stays, where
    gpuhunt is missing or the catalogue does not come within the deadline."""
    found = price_list(_fetched(deadline_s), date.today())
    path = kept_path()
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(
        path, json.dumps(found.model_dump(mode="json", exclude_defaults=True), separators=(",", ":")) + "\n"
    )
    return found


def price_list(fetched: dict[str, Any], today: date) -> PriceList:
    """The fetched catalogue in our form; each offer is of the day on which its provider's prices were collected."""
    days = {name: _day(text, today) for name, text in fetched["versions"].items()}
    rows = [_offer(item, days.get(item["provider"], f"{today}")) for item in fetched["items"]]
    source = f"gpuhunt {fetched['gpuhunt']}, fetched {today}"
    return PriceList(name="gpuhunt", source=source, as_of=f"{today}", rows=tuple(rows))


def accelerator_of(gpu: str, memory_gb: float | None, instance: str) -> str:
    """The known accelerator that a provider's GPU surely is, by `profiles/gpuhunt.json`; blank where it may be others
    too."""
    for row in _names():
        same = row["gpu"] == gpu and row["memory_gb"] in (None, memory_gb)
        if same and re.search(row["instance"], instance, re.IGNORECASE):
            return str(row["accelerator"])
    return ""


def _fetched(deadline_s: float) -> dict[str, Any]:
    command = [sys.executable, "-P", str(_CHILD)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=deadline_s, env={**os.environ}, check=False
        )
    except subprocess.TimeoutExpired:
        raise MissingError(f"the catalogue did not come within {deadline_s:g} s; {_OFFLINE}") from None
    last = shorten((done.stderr.strip().splitlines() or ["no reason given"])[-1], 200)
    if done.returncode == 4:
        raise MissingError(f"gpuhunt, which fetches the offers, is not there ({last}); {_INSTALL}")
    if done.returncode != 0:
        raise MissingError(f"the catalogue cannot be fetched ({last}); {_OFFLINE}")
    fetched: dict[str, Any] = json.loads(done.stdout)
    if not fetched["items"]:
        raise MissingError(f"the catalogue is empty; {_OFFLINE}")
    return fetched


def _offer(item: dict[str, Any], as_of: str) -> Offer:
    memory = item["gpu_memory"]
    gpu = f"{item['gpu_name']} {memory:g} GB" if memory else str(item["gpu_name"])
    return Offer(
        accelerator=accelerator_of(item["gpu_name"], memory, item["instance_name"]), gpu=gpu,
        usd_per_gpu_hour=item["price"] / item["gpu_count"], provider=item["provider"], region=item["location"],
        instance=item["instance_name"], gpus=item["gpu_count"], purchase="spot" if item["spot"] else "on-demand",
        as_of=as_of, confidence="seen",
    )  # fmt: skip


def _day(version: str, today: date) -> str:
    """The day in a catalogue's version (`20261120` or `20261120-…`); today's where it tells none."""
    found = re.match(r"(\d{4})-?(\d{2})-?(\d{2})", version, re.ASCII)
    return "-".join(found.groups()) if found else f"{today}"


@cache
def _names() -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = library.read_json(library.SHIPPED / "gpuhunt.json")["rows"]
    return rows
