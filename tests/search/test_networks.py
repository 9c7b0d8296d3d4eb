"""The plan on other networks: orders that must hold, prices, the break-even."""

from __future__ import annotations

import json

import pytest

from planner import cli
from planner.estimate import estimate
from planner.plan import file
from planner.search.networks import Networks, break_even_price_share, compare


@pytest.fixture(scope="module")
def found() -> Networks:
    return compare(file.load("llama-2-70b"))


def test_the_plans_own_network_costs_what_the_estimate_says(found: Networks) -> None:
    (own,) = (row for row in found.rows if row.is_plans)
    outcome = estimate(file.load("llama-2-70b")).outcome
    assert own.fabric == "RoCE 200"
    assert own.usd == pytest.approx(float(outcome.total_usd))
    assert own.seconds == pytest.approx(float(outcome.train_time_s))


def test_a_faster_fabric_is_never_slower_and_a_wider_domain_neither(found: Networks) -> None:
    by_label = {row.label: row.seconds for row in found.rows}
    assert by_label["RoCE 400"] <= by_label["RoCE 200"]
    assert by_label["InfiniBand XDR 800"] <= by_label["InfiniBand NDR 400"] <= by_label["InfiniBand HDR 200"]
    domains = [row.seconds for row in found.rows if "domain" in row.label]
    assert domains == sorted(domains, reverse=True)


def test_at_its_break_even_share_a_network_costs_what_ethernet_costs(found: Networks) -> None:
    plan, slow, fast = file.load("llama-2-70b"), found.ethernet, found.fastest
    settings = {"cluster.fabric": "infiniband-xdr-800", "prices.network_premium": fast.break_even_share,
                "prices.usd_per_gpu_hour": 2.45 / 1.07}  # fmt: skip
    same = estimate(plan.replace(**settings)).outcome
    assert fast.label == "InfiniBand XDR 800"
    assert float(same.accelerators_usd + same.network_usd) == pytest.approx(
        float(slow.estimate.outcome.accelerators_usd + slow.estimate.outcome.network_usd), rel=0.01
    )


def test_break_even_by_hand() -> None:
    assert break_even_price_share(0.1, 120.0, 100.0) == pytest.approx(0.32)


def test_domains_that_do_not_divide_the_gpus_are_named(found: Networks) -> None:
    assert any("72 GPUs" in reason for reason in found.skipped)


def test_commodity_ethernet_is_enough_for_llama_2(found: Networks) -> None:
    """As its paper says of 200 Gb/s RoCE (arXiv 2307.09288, section 2.2)."""
    assert found.verdict.startswith("Commodity Ethernet is enough")


def test_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["network", "llama-2-7b", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] and len(data["rows"]) >= 5 and sum(row["is_plans"] for row in data["rows"]) == 1
    assert cli.run(["network", "llama-2-70b"]) == 0
    assert "price share" in capsys.readouterr().out


def test_an_unknown_price_leaves_the_times(capsys: pytest.CaptureFixture[str]) -> None:
    plan = file.load("llama-2-70b")
    accelerator = plan.cluster.accelerator.model_copy(update={"name": "A100-80GB-SXM of nobody"})
    found = compare(plan.model_copy(update={"cluster": plan.cluster.model_copy(update={"accelerator": accelerator})}))
    assert "no price is known" in found.verdict
