"""Live offers: gpuhunt's own catalogue from a server on this machine, one that hangs, and one that is not there."""

from __future__ import annotations

import functools
import http.server
import json
import socket
import threading
import zipfile
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import jsonschema
import pytest

from planner import cli, schemas
from planner.costing.quote import quote
from planner.errors import MissingError
from planner.interchange import catalogue
from planner.plan import file, offers

gpuhunt = pytest.importorskip("gpuhunt")

ITEMS = [
    ("aws", "p5.48xlarge", "us-east-1", 98.32, 8, "H100", 80.0, False),
    ("aws", "p5.48xlarge", "us-east-1", 32.0, 8, "H100", 80.0, True),
    ("lambdalabs", "gpu_1x_h100_pcie", "us-west-1", 2.49, 1, "H100", 80.0, False),
    ("lambdalabs", "gpu_8x_h100", "us-west-1", 24.0, 8, "H100", 80.0, False),
]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A catalogue written by gpuhunt itself, of two clouds; the others cannot be fetched."""
    from gpuhunt._internal import storage

    root = tmp_path / "served"
    for provider in ("aws", "lambdalabs"):
        folder = root / provider / "20261120"
        folder.mkdir(parents=True)
        (root / provider / "version").write_text("20261120")
        items = [
            gpuhunt.CatalogItem(
                provider=cloud, instance_name=instance, location=place, price=price, cpu=8, memory=64.0,
                gpu_count=count, gpu_name=gpu, gpu_memory=memory, spot=spot, disk_size=None,
                gpu_vendor=gpuhunt.AcceleratorVendor.NVIDIA,
            )
            for cloud, instance, place, price, count, gpu, memory, spot in ITEMS if cloud == provider
        ]  # fmt: skip
        storage.dump(items, str(folder / f"{provider}.csv"))
        with zipfile.ZipFile(folder / "catalog.zip", "w") as archive:
            archive.write(folder / f"{provider}.csv", f"{provider}.csv")
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(root))
    served = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=served.serve_forever, daemon=True).start()
    monkeypatch.setenv("GPUHUNT_CATALOG_URL", f"http://127.0.0.1:{served.server_port}")
    yield root
    served.shutdown()
    served.server_close()


def test_a_refresh_keeps_dated_offers_that_a_plan_takes_by_name(
    server: Path, user_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(["prices", "--refresh", "--gpu", "H100", "--provider", "aws", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["offers"]
    live = {one["purchase"]: one for one in told if one["region"] == "us-east-1"}
    assert live["on-demand"]["usd_per_gpu_hour"] == pytest.approx(12.29) and live["spot"]["usd_per_gpu_hour"] == 4.0
    assert live["spot"]["as_of"] == "2026-11-20" and "gpuhunt" in live["spot"]["source"]
    kept = json.loads((user_folder / offers.KEPT).read_text())
    jsonschema.Draft202012Validator(schemas.schemas()["prices"]).validate(kept)
    name = "aws/us-east-1/p5.48xlarge/spot"
    assert live["spot"]["offer"] == name and live["spot"]["accelerator"] == "H100-80GB-SXM"
    settings = {"cluster.accelerator": "H100-80GB-SXM", "prices.offer": name, "prices.purchase": "spot"}
    found = quote(file.load("llama-2-7b").replace(**settings))
    assert (found.usd_per_gpu_hour, found.as_of) == (4.0, "2026-11-20") and name in found.source
    assert cli.run(["estimate", "llama-2-7b", *[f"--set={k}={v}" for k, v in settings.items()][:2]]) == 2
    assert "use spot" in capsys.readouterr().err


def test_a_catalogue_that_never_answers_ends_at_the_deadline_and_the_kept_one_stays(
    user_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = user_folder / offers.KEPT
    kept.write_text('{"name": "gpuhunt", "as_of": "2026-01-01", "rows": []}')
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(16)
        monkeypatch.setenv("GPUHUNT_CATALOG_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        assert cli.run(["prices", "--refresh", "--timeout", "3"]) == 3
    said = capsys.readouterr()
    assert "did not come within 3 s" in said.err and "--timeout" in said.err and said.out == ""
    assert kept.read_text().startswith('{"name": "gpuhunt", "as_of": "2026-01-01"')
    assert list(user_folder.iterdir()) == [kept]


def test_a_catalogue_that_is_not_there_is_one_clear_line(
    user_folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("GPUHUNT_CATALOG_URL", f"http://127.0.0.1:{nobody.getsockname()[1]}")
        assert cli.run(["prices", "--refresh"]) == 3
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and "cannot be fetched" in lines[0] and not (user_folder / offers.KEPT).exists()


@pytest.mark.parametrize(("gpu", "memory", "instance", "accelerator"), [
    ("H100", 80, "Standard_ND96isr_H100_v5", "H100-80GB-SXM"), ("H100", 80, "NVIDIA H100 PCIe", "H100-80GB-PCIe"),
    ("H100", 80, "a-new-instance", ""), ("A100", 40, "p4d.24xlarge", "A100-40GB-SXM"),
    ("A100", 80, "Standard_NC24ads_A100_v4", "A100-80GB-PCIe"), ("L4", 24, "g6.xlarge", "L4"), ("P100", 16, "x", ""),
])  # fmt: skip
def test_an_offer_belongs_to_an_accelerator_only_where_it_is_surely_that_one(
    gpu: str, memory: float, instance: str, accelerator: str
) -> None:
    assert catalogue.accelerator_of(gpu, memory, instance) == accelerator


def test_an_offer_without_a_dated_catalogue_is_of_the_day_on_which_it_was_fetched() -> None:
    item = {"provider": "aws", "instance_name": "g6.xlarge", "location": "x", "price": 0.8, "gpu_count": 1,
            "gpu_name": "L4", "gpu_memory": 24.0, "spot": False}  # fmt: skip
    found = catalogue.price_list(fetched(item), date(2026, 11, 23))
    assert next(found.offers()).as_of == "2026-11-23"


def test_an_item_that_is_no_offer_is_left_out_and_counted() -> None:
    item = {"provider": "aws", "instance_name": "g6.xlarge", "location": "x", "price": 0.8, "gpu_count": 1,
            "gpu_name": "L4", "gpu_memory": 24.0, "spot": False}  # fmt: skip
    for wrong in ({"price": None}, {"gpu_count": 0}, {"instance_name": "x" * 101}, {"price": float("inf")}):
        found = catalogue.price_list(fetched(item, {**item, **wrong}), date(2026, 11, 23))
        assert len(found.rows) == 1 and found.notes.startswith("1 that cannot be read")
    with pytest.raises(MissingError, match="no offer that can be read"):
        catalogue.price_list(fetched(7), date(2026, 11, 23))


@pytest.mark.parametrize(
    "text",
    [
        "", "[1]", "[" * 10_000, '{"gpuhunt": "1", "versions": {}, "items": []}', "{}",
        '{"gpuhunt": "\\u001b[2J", "versions": {}, "items": [1]}',
    ],
)  # fmt: skip
def test_what_is_no_catalogue_is_told_in_one_sentence(text: str) -> None:
    with pytest.raises(MissingError, match="the catalogue") as told:
        catalogue.read(text)
    assert "unchanged" in str(told.value) and "\n" not in str(told.value)


def fetched(*items: object) -> catalogue.Fetched:
    return catalogue.read(json.dumps({"gpuhunt": "1", "versions": {"aws": "latest"}, "items": items}))
