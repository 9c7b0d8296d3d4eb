"""What would change a figure, against estimates of plans that were changed by hand."""

from __future__ import annotations

import pytest

from planner.estimate import estimate
from planner.plan import file
from planner.reports.influence import SHARE, influences


@pytest.mark.parametrize(
    ("key", "name", "path"),
    [
        ("money.total", "usd_per_gpu_hour", "prices.usd_per_gpu_hour"),
        ("time.training", "tokens", "recipe.tokens"),
        ("memory.total", "hidden", ""),
        ("energy.co2e", "pue", "prices.pue"),
    ],
)
def test_a_tenth_more_of_an_input_does_what_the_changed_plan_says(key: str, name: str, path: str) -> None:
    plan = file.with_settings(file.load("llama-2-7b"), [("prices.usd_per_gpu_hour", 2.0)])
    figure = estimate(plan).figures[key]
    found = {one.name: one.ratio for one in influences(figure.node)}
    assert found[name] > 0
    if path:
        now = {"recipe.tokens": 2e12, "prices.usd_per_gpu_hour": 2.0, "prices.pue": plan.prices.pue}[path]
        other = estimate(file.with_settings(plan, [(path, now * (1 + SHARE))])).figures[key]
        assert found[name] == pytest.approx(other.value / figure.value - 1, rel=1e-9)


def test_the_strongest_comes_first_and_the_layouts_degrees_are_left_to_the_search() -> None:
    found = influences(estimate(file.load("llama-2-7b")).figures["time.training"].node)
    assert [abs(one.ratio) for one in found] == sorted((abs(one.ratio) for one in found), reverse=True)
    assert not {"dp", "tp", "gpus"} & {one.name for one in found}
    assert influences(None) == []
