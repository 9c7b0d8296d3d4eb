"""The plan on other networks: orders that must hold, prices, the break-even."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from planner import cli
from planner.errors import CancelledError
from planner.estimate import estimate
from planner.plan import file
from planner.search.networks import Networks, break_even_price_share, compare


@pytest.fixture(scope="module")
def found() -> Networks:
    return compare(file.load("llama-2-70b"), keep_layout=True)


@pytest.fixture(scope="module")
def searched() -> Networks:
    return compare(file.load("llama-2-70b"), ("infiniband-ndr-400",), (64,))


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


def test_a_searched_layout_is_never_slower_than_the_plans_own(found: Networks, searched: Networks) -> None:
    kept = {row.label: row for row in found.rows}
    for label in ("InfiniBand NDR 400", "64 GPUs a domain, RoCE 200"):
        (row,) = (one for one in searched.rows if one.label == label)
        assert row.seconds <= kept[label].seconds and row.estimate.fits
    own, again = searched.rows[0], searched.rows[1]
    assert own.is_plans and own.seconds == kept["RoCE 200"].seconds
    assert again.fabric == own.fabric and again.seconds < own.seconds


def test_which_layout_was_taken_is_said(found: Networks, searched: Networks) -> None:
    assert found.layout_words.startswith("The plan's own layout") and "tp 4" in found.layout_words
    assert "fastest" in searched.layout_words
    layouts = {row["layout"] for row in found.to_json()["rows"]}
    assert len(layouts) == 1 and len({row["layout"] for row in searched.to_json()["rows"]}) > 1


def test_a_comparison_can_be_cancelled() -> None:
    with pytest.raises(CancelledError):
        compare(file.load("llama-2-70b"), is_cancelled=lambda: True)


def test_break_even_by_hand() -> None:
    assert break_even_price_share(0.1, 120.0, 100.0) == pytest.approx(0.32)


def test_domains_that_do_not_divide_the_gpus_are_named(found: Networks) -> None:
    assert any("72 GPUs" in reason for reason in found.skipped)


def test_commodity_ethernet_is_enough_for_llama_2(found: Networks) -> None:
    """As its paper says of 200 Gb/s RoCE (arXiv 2307.09288, section 2.2)."""
    assert found.verdict.startswith("Commodity Ethernet is enough")


def test_the_command_prints_the_plan_once_and_writes_every_network(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "networks.csv"
    assert cli.run(["network", "llama-2-7b", "--keep-layout", "--json", "--csv", str(out)]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["verdict"] and len(data["rows"]) >= 5 and sum(row["is_plans"] for row in data["rows"]) == 1
    with out.open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["usd"]) for row in rows] == [row["cost_usd"] for row in data["rows"]]
    assert all("arXiv" in row["source"] or "recalled" in row["source"] for row in rows)
    assert cli.run(["network", "llama-2-70b", "--keep-layout"]) == 0
    assert "price share" in capsys.readouterr().out


def test_with_events_progress_comes_first_and_a_wrong_plan_is_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["network", "llama-2-7b", "--keep-layout", "--events"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    shares = [line["fraction"] for line in lines[:-1]]
    assert shares == sorted(shares) and lines[-1]["event"] == "finished" and lines[-1]["rows"]


def test_an_unknown_price_leaves_the_times(capsys: pytest.CaptureFixture[str]) -> None:
    plan = file.load("llama-2-70b")
    accelerator = plan.cluster.accelerator.model_copy(update={"name": "A100-80GB-SXM of nobody"})
    unpriced = plan.model_copy(update={"cluster": plan.cluster.model_copy(update={"accelerator": accelerator})})
    found = compare(unpriced, keep_layout=True)
    assert "no price is known" in found.verdict
