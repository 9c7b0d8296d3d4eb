"""What a scored table comes to: errors, by group, regret, which configurations fit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from planner.estimate import Figure
from planner.formula import Array, Node
from planner.validation.score import Job


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Error statistics of rows with `error` and `inside_band`."""
    errors = np.array([row["error"] for row in rows], dtype=float)
    if not len(errors):
        return {"n": 0, **dict.fromkeys(("mape", "median_abs_error", "p90_abs_error", "bias", "within_band"))}
    size = np.abs(errors)
    banded = [row["inside_band"] for row in rows if row["inside_band"] is not None]
    return {
        "n": len(rows), "mape": float(size.mean()), "median_abs_error": float(np.median(size)),
        "p90_abs_error": float(np.quantile(size, 0.9)), "bias": float(errors.mean()),
        "within_band": float(np.mean(banded)) if banded else None,
    }  # fmt: skip


@dataclass(frozen=True)
class Sample:
    """Rows that stand for all of a table in a chart, and the errors of all."""

    rows: list[dict[str, Any]]
    errors: Array


def sample(rows: list[dict[str, Any]], most: int = 2000) -> Sample:
    """All rows with a prediction, or `most` of them: the ten that miss by most, the others evenly spaced over the
    published figures. More points than that hide one another, and take seconds to draw."""
    usable = [row for row in rows if row["error"] is not None and row["published"] and row["predicted"]]
    errors = np.array([row["error"] for row in usable], dtype=float)
    if len(usable) <= most:
        return Sample(usable, errors)
    worst = np.argsort(-np.abs(np.log1p(errors)))[:10]
    order = np.argsort([row["published"] for row in usable], kind="stable")
    spaced = order[np.linspace(0, len(order) - 1, most - len(worst)).round().astype(int)]
    return Sample([usable[i] for i in np.union1d(worst, spaced)], errors)


SCORES = {
    "n": ("Step times scored", "", "count of the rows with both figures"),
    "median_abs_error": ("Median error", "fraction", "median |predicted ÷ published − 1|"),
    "mape": ("Mean error", "fraction", "mean |predicted ÷ published − 1|"),
    "p90_abs_error": ("90th percentile of the error", "fraction", "90th percentile of |predicted ÷ published − 1|"),
    "bias": ("Bias", "fraction", "mean (predicted ÷ published − 1)"),
    "within_band": ("Inside the band", "fraction", "rows whose published figure lies in the 80 % band ÷ rows with one"),
    "rank_correlation": ("Rank correlation", "", "correlation of the ranks of predicted and published (Spearman)"),
}  # fmt: skip
"""Of each figure of a summary: its label, unit and formula."""


def score_figure(name: str, scored: dict[str, Any], where: str) -> Figure | None:
    """A figure of a `summary` with its formula; `where`: over which rows. None where there is none."""
    label, unit, told = SCORES[name]
    value = scored.get(name)
    if value is None:
        return None
    source = f"over {scored['n']:,} step times of {where}: each opens on the tab Runs"
    node = Node(label, told, source, unit, float(value), kind="measured")
    return Figure(f"score.{name}", label, float(value), unit, None, None, "measured", told, source, node)


def grouped(rows: list[dict[str, Any]], key: str) -> dict[str, dict[str, Any]]:
    """A summary, and the correlation of the ranks, of each group of rows."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(row[key], []).append(row)
    result = {}
    for name, members in sorted(groups.items()):
        result[name] = summary(members)
        result[name]["rank_correlation"] = _rank_correlation(members)
    return result


def _rank_correlation(rows: list[dict[str, Any]]) -> float | None:
    if len(rows) < 3:
        return None
    a = np.argsort(np.argsort([row["published"] for row in rows]))
    b = np.argsort(np.argsort([row["predicted"] for row in rows]))
    return float(np.corrcoef(a, b)[0, 1])


def regret(jobs: Mapping[Job, Sequence[tuple[float, float]]]) -> dict[str, Any]:
    """Where a source measured several layouts of one job: how much slower the layout that the planner would pick is
    than the best measured. `jobs`: (published, predicted) of each layout."""
    regrets, ranks = [], []
    for layouts in jobs.values():
        if len(layouts) < 3:
            continue
        published, predicted = np.array(layouts).T
        regrets.append(float(published[np.argmin(predicted)] / published.min() - 1))
        a, b = np.argsort(np.argsort(published)), np.argsort(np.argsort(predicted))
        ranks.append(float(np.corrcoef(a, b)[0, 1]))
    if not regrets:
        return {"jobs": 0, "median": None, "mean": None, "p90": None, "rank_correlation": None}
    return {
        "jobs": len(regrets), "median": float(np.median(regrets)), "mean": float(np.mean(regrets)),
        "p90": float(np.quantile(regrets, 0.9)), "rank_correlation": float(np.median(ranks)),
    }  # fmt: skip


def confusion(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Which configurations were said to fit, and which of them ran."""
    scored = [row for row in rows if row["metric"] == "fits" and not row["skipped"]]
    ran = [row for row in scored if row["published"]]
    failed = [row for row in scored if not row["published"]]
    return {
        "true_fits": sum(row["predicted"] for row in ran), "false_not_fits": sum(not row["predicted"] for row in ran),
        "false_fits": sum(row["predicted"] for row in failed),
        "true_not_fits": sum(not row["predicted"] for row in failed),
        "ran": len(ran), "failed": len(failed),
    }  # fmt: skip
