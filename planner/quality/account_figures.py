"""Each number of a post-training's account with its derivation and its 80 % range."""

from __future__ import annotations

from planner.costing.post_training import Account, Cost, interval
from planner.estimate import Figure
from planner.formula import recording
from planner.quality.lifetime import Life

TOLD = {
    "usd": ("All", "USD"), "people_usd": ("People", "USD"), "safety_usd": ("Of it safety", "USD"),
    "compute_usd": ("Compute", "USD"), "gpu_hours": ("GPU-hours", "GPU-hours"), "people_hours": ("Hours of people", ""),
}  # fmt: skip
"""Label and unit of what is told of a part."""
NONE = "does not occur in this part of the account"


def account_figure(found: Life, row: int, name: str) -> Figure | None:
    """A number of a part of the account (counted from 0, in its order; one further: all parts together), or its
    `share` of all dollars. None where the account does not say it, or there is none."""
    if found.account is None or found.drawn is None:
        return None
    one, many = _part(found.account, row), _part(found.drawn, row)
    title = one.name if isinstance(one, Cost) else "Together"
    key = f"account.{row}.{name}"
    if name == "share":
        with recording():
            share = one.usd / (found.account.usd or 1.0)
        return Figure.of(key, f"{title}, share of all", share, "fraction", kind="assumed", source=NONE * (not share))
    if not hasattr(one, name):
        return None
    with recording():
        value = getattr(one, name)
    label, unit = TOLD[name]
    low, high = interval(getattr(many, name))
    ends = (low, high) if low != high else (None, None)
    return Figure.of(key, f"{title}: {label}", value, unit, ends, "assumed", NONE * (not value))


def _part(account: Account, row: int) -> Cost | Account:
    return account.parts[row] if row < len(account.parts) else account
