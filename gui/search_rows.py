"""What a search found as rows: one dict a layout, the ranked list first, then the rest of the front. No Qt."""

from __future__ import annotations

from typing import Any

from gui.search_request import Request
from planner.plan.plan import Plan

Row = dict[str, Any]


def rows_of(answer: dict[str, Any]) -> list[Row]:
    """The rows of what `search --events` answered."""
    front = {_identity(one) for one in answer["pareto"]}
    listed = [{**one, "rank": number} for number, one in enumerate(answer["best"], 1)]
    known = {_identity(one) for one in listed}
    rest = [{**one, "rank": None} for one in answer["pareto"] if _identity(one) not in known]
    found = [*listed, *rest]
    for one in found:
        one["on_front"] = _identity(one) in front
    return found


def is_plans(row: Row, plan: Plan) -> bool:
    """The plan has this layout on this cluster."""
    cluster = plan.cluster
    if (row["gpus"], row["accelerator"]) != (cluster.gpus, cluster.accelerator.name) or row["dp"] != plan.dp:
        return False
    return _plain(row["layout"]) == _plain(plan.layout.model_dump(mode="json"))


def changes(row: Row, plan: Plan) -> dict[str, Any]:
    """What makes the plan this row: the layout, and the cluster where it differs."""
    made: dict[str, Any] = {"layout": row["layout"]}
    if row["gpus"] != plan.cluster.gpus:
        made |= {"cluster.nodes": row["nodes"], "cluster.gpus_per_node": row["gpus"] // row["nodes"]}
    if row["accelerator"] != plan.cluster.accelerator.name:
        # The search took the shipped price of another kind; the plan's own is that of the old one.
        made |= {
            "cluster.accelerator": row["accelerator"], "prices.usd_per_gpu_hour": None, "prices.price_source": "",
            "prices.price_as_of": "", "prices.offer": "", "prices.owned.purchase_usd": None,
        }  # fmt: skip
    return made


def basis(plan: Plan, request: Request) -> dict[str, Any]:
    """What of a plan its search rests on: without the layout, and without what the search varies."""
    made = plan.model_dump()
    for name in ("name", "notes", "layout"):
        made.pop(name, None)
    if request.gpus.strip():
        made["cluster"] = {k: v for k, v in made["cluster"].items() if k not in ("nodes", "gpus_per_node")}
    if request.accelerators.strip():
        made["cluster"] = {k: v for k, v in made["cluster"].items() if k != "accelerator"}
        made["prices"] = {
            k: v
            for k, v in made["prices"].items()
            if k not in ("usd_per_gpu_hour", "price_source", "price_as_of", "offer")
        }
    return made


def _identity(row: Row) -> tuple[Any, ...]:
    return row["accelerator"], row["gpus"], *row["layout"].values()


def _plain(layout: dict[str, Any]) -> dict[str, Any]:
    """A layout without what makes no difference: dp follows, and one GPU or one stage has nothing to choose."""
    same = {**layout, "dp": None}
    if layout["tp"] == 1:
        same["sequence_parallel"] = False
    if layout["pp"] == 1:
        same["schedule"] = "1f1b"
    return same
