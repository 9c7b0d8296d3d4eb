"""The cost report: what a spreadsheet, pandas and the csv module read back."""

from __future__ import annotations

import csv
import io
import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import InputError
from planner.estimate import Estimate, estimate
from planner.plan import file
from planner.reports import csv_report

KINDS = {"measured", "estimated", "published", "assumed"}


@pytest.fixture(scope="module")
def llama() -> Estimate:
    return estimate(file.load("llama-2-70b"))


@pytest.fixture(scope="module")
def gpt2() -> Estimate:
    return estimate(file.load("gpt2"))


@pytest.fixture
def report(llama: Estimate, tmp_path: Path) -> Path:
    path = tmp_path / "cost report.csv"
    csv_report.write(llama, path)
    return path


def test_columns_are_those_of_the_contract_and_every_row_is_labelled(report: Path) -> None:
    with report.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["section", "item", "value", "unit", "low", "high", "kind", "formula", "source"]
    for row in rows:
        assert row["section"] and row["item"] and row["kind"] in KINDS, row
        if row["section"] in ("work", "memory", "time", "money", "energy"):
            assert row["formula"] and row["source"], row
            assert (row["low"] == "") == (row["high"] == "")


def test_every_figure_reads_back_exactly_through_csv_and_pandas(report: Path, llama: Estimate) -> None:
    with report.open(encoding="utf-8", newline="") as stream:
        rows = {(row["section"], row["item"]): row for row in csv.DictReader(stream)}
    table = pd.read_csv(report).set_index(["section", "item"])
    assert len(table) == len(rows)
    for figure in llama.figures.values():
        row, cell = rows[figure.section, figure.label], table.loc[(figure.section, figure.label)]
        assert float(row["value"]) == figure.value == float(cell["value"])
        assert row["unit"] == figure.unit
        for end in ("low", "high"):
            exact = getattr(figure, end)
            assert (float(row[end]) if row[end] else None) == exact
            assert (None if math.isnan(cell[end]) else cell[end]) == exact


def test_the_plans_own_fields_come_first_with_their_units_as_assumptions(report: Path) -> None:
    table = pd.read_csv(report)
    plan = table[table.section == "plan"]
    assert list(plan.index) == list(range(len(plan)))
    assert set(plan.kind) == {"assumed"}
    cells = plan.set_index("item")
    assert cells.value["recipe.tokens"] == "2000000000000" and cells.unit["recipe.tokens"] == "tokens"
    assert cells.unit["cluster.accelerator.memory_bytes"] == "B"
    assert cells.value["layout.recompute"] == "none"


def test_the_wide_form_has_one_row_a_scenario_and_the_unit_in_the_header(
    llama: Estimate, gpt2: Estimate, tmp_path: Path
) -> None:
    path = tmp_path / "wide.csv"
    csv_report.write([llama, gpt2], path, wide=True)
    table = pd.read_csv(path).set_index("plan")
    assert list(table.index) == ["llama-2-70b", "gpt2"]
    for one in (llama, gpt2):
        for key, figure in one.figures.items():
            column = f"{key} [{figure.unit}]" if figure.unit else key
            assert table.loc[one.plan.name, column] == figure.value


def test_several_scenarios_in_long_form_are_one_table_named_by_plan(
    llama: Estimate, gpt2: Estimate, tmp_path: Path
) -> None:
    path = tmp_path / "long.csv"
    csv_report.write([llama, gpt2], path)
    table = pd.read_csv(path)
    assert list(table.columns) == ["plan", *csv_report.COLUMNS]
    hours = table[(table.item == "GPU-hours")].set_index("plan").value.astype(float)
    assert hours["gpt2"] == gpt2.outcome.gpu_hours and hours["llama-2-70b"] == llama.outcome.gpu_hours


def test_a_text_that_a_spreadsheet_would_run_is_only_text() -> None:
    hostile = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", '=HYPERLINK("http://x","y")']
    named = estimate(file.load("gpt2").replace(name=hostile[0], notes=hostile[7], **{"prices.price_source": "@cmd"}))
    cells = list(csv.reader(io.StringIO(csv_report.table_text(["=a"], [[text] for text in hostile]), newline="")))
    cells += list(csv.reader(io.StringIO(csv_report.long_text([named]), newline="")))
    cells += list(csv.reader(io.StringIO(csv_report.wide_text([named]), newline="")))
    for row in cells:
        for cell in row:
            assert cell[:1] not in ("=", "+", "@", "\t", "\r", "\n")
            assert not cell.startswith("-") or float(cell) < 0
    assert ["'=1+1"] in cells


def test_numbers_below_zero_stay_numbers_and_unknown_ones_are_empty() -> None:
    text = csv_report.table_text(["a", "b", "c", "d"], [[-1.5, math.nan, None, True]])
    assert list(csv.reader(io.StringIO(text)))[1] == ["-1.5", "", "", "True"]


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=40), st.floats(allow_nan=False, allow_infinity=False))
def test_any_text_and_number_survive_the_table(text: str, number: float) -> None:
    written = csv_report.table_text(["text", "number"], [[text, number]])
    read = list(csv.reader(io.StringIO(written, newline="")))
    assert len(read) == 2
    assert read[1][0] in (text, f"'{text}")
    assert float(read[1][1]) == number


def test_a_path_that_cannot_be_written_is_named_and_the_old_report_stays(llama: Estimate, tmp_path: Path) -> None:
    old = tmp_path / "old.csv"
    old.write_text("old")
    with pytest.raises(InputError, match=r"old\.csv/report\.csv: cannot be written"):
        csv_report.write(llama, old / "report.csv")
    assert old.read_text() == "old"
