"""Each device is known in one of three kinds, told in the same words everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest

from planner import cli, library
from planner.estimate import estimate
from planner.plan import file, shipped
from planner.plan.cluster import Accelerator
from planner.reports import csv_report
from planner.timing import device, provenance, selection
from planner.timing import profile as profiles
from planner.timing.device import files
from tests.timing.made import made


@pytest.mark.parametrize("name", library.names("accelerators"))
def test_every_shipped_accelerator_is_labelled_with_a_source(name: str) -> None:
    found = selection.known_by(shipped.accelerator(name))
    assert found.kind == (provenance.PUBLISHED if name in files() else provenance.DATA_SHEET)
    assert found.source and str(found).startswith(f"{found.kind} ({found.source}")


@pytest.mark.parametrize("name", files())
def test_every_shipped_table_of_kernels_has_a_source_and_a_date(name: str) -> None:
    found = device.known_by(shipped.accelerator(name))
    assert found.kind == provenance.PUBLISHED and found.source and found.as_of.startswith("20")
    assert files()[name]["matmul"], "a device without a measured kernel is known by its data sheet only"


def test_one_that_the_user_measured_is_known_by_that(user_folder: Path) -> None:
    cpu = shipped.accelerator("CPU")
    assert selection.known_by(cpu).kind == provenance.DATA_SHEET
    (user_folder / "measured").mkdir()
    profiles.save(made(), user_folder / "measured" / "mine.json")
    assert str(selection.known_by(cpu)) == "measured by this program (profile made, 2026-01-01)"


@pytest.mark.parametrize("name", ["H100-80GB-SXM", "RTX 4090"])
def test_listing_estimate_and_report_use_the_same_words(
    name: str, user_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    accelerator: Accelerator = shipped.accelerator(name)
    words = str(selection.known_by(accelerator))
    assert words.partition(" (")[0] in get_args(provenance.Kind)
    assert cli.run(["accelerators"]) == 0
    (line,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith(f"{name} ")]
    assert line.endswith(words)
    result = estimate(file.load("llama-2-7b").replace(**{"cluster.accelerator": name}))
    assert result.provenance == result.json["device_known_by"] == words
    assert [row["value"] for row in csv_report.rows_of(result) if row["item"] == "Device known by"] == [words]
    cli.print_estimate(result)
    assert capsys.readouterr().out.splitlines()[-1] == f"device: {words}"
