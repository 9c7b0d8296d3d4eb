"""The Hardware page lists offers with their ages and fetches the clouds' own, once it was told to connect."""

from __future__ import annotations

import json
import socket
from pathlib import Path

import pytest

from planner.interchange import catalogue
from planner.plan import offers
from tests.interchange import test_catalogue

PATIENCE_MS = 60_000
served = test_catalogue.server
"""A catalogue on this machine."""


@pytest.fixture
def card(window: object) -> object:
    window.show_page("hardware")
    window.document.try_set("cluster.accelerator", "H100-80GB-SXM")
    window.estimator.update_now()
    return window.page("hardware").offers


def shown(card: object) -> list[str]:
    return [row["name"] for row in card.table.rows.rows]


def test_a_refresh_asks_before_it_connects_and_the_new_offers_are_there_to_take(
    served: Path,
    card: object,
    window: object,
    qtbot: object,
) -> None:
    assert "never fetched" in card.told.text() and "runpod/lowest" in shown(card)
    assert all(row["as_of"] for row in card.table.rows.rows) and "months" in card.table.rows.rows[0]["age"]
    card.refresh.click()
    assert window.job is None and card.asked.isVisible() and "connects to the network" in card.asked.text()
    card.not_now.click()
    assert window.job is None and not card.asked.isVisible() and card.refresh.isVisible()
    card.refresh.click()
    card.connect_now.click()
    assert card.stop.isVisible()
    qtbot.waitUntil(lambda: window.job is None, timeout=PATIENCE_MS)
    assert card.status.text().startswith("✓ 4 offers of aws, lambdalabs")
    name = "aws/us-east-1/p5.48xlarge"
    assert name in shown(card) and "were fetched on" in card.told.text()
    card.table.opened.emit(shown(card).index(name))
    assert window.document.plan.prices.offer == name
    assert window.estimator.update_now().estimate.price.usd_per_gpu_hour == pytest.approx(12.29)


def test_a_refresh_that_hangs_is_cancelled_and_the_kept_offers_stay(
    card: object, window: object, qtbot: object, user_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = json.dumps({"name": "gpuhunt", "as_of": "2026-01-01", "rows": []})
    (user_folder / offers.KEPT).write_text(kept)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        monkeypatch.setenv("GPUHUNT_CATALOG_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        card.begin()
        qtbot.waitUntil(lambda: "Fetching" in card.status.text(), timeout=PATIENCE_MS)
        card.stop.click()
        qtbot.waitUntil(lambda: window.job is None, timeout=PATIENCE_MS)
    assert "Cancelled" in card.status.text() and card.refresh.isVisible()
    assert (user_folder / offers.KEPT).read_text() == kept


def test_without_gpuhunt_the_one_sentence_says_what_to_install_and_nothing_connects(
    card: object, window: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "find_spec", lambda name: None)
    card.refresh.click()
    assert "pip install 'trainplan[prices]'" in card.status.text()
    assert window.job is None and not card.asked.isVisible()
