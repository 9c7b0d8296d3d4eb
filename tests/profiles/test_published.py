"""The shipped tables of published runs and of observed perplexities."""

from __future__ import annotations

import csv
import math

import pytest

from planner import library


def rows(name: str) -> list[dict[str, str]]:
    with (library.SHIPPED / f"{name}.csv").open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_runs_span_many_sources_and_devices_and_each_names_its_own() -> None:
    runs = rows("runs")
    assert 150 <= len(runs) < 400
    assert len({run["source_key"] for run in runs}) >= 10
    assert len({run["gpu"] for run in runs}) >= 6
    assert len({run["id"] for run in runs}) == len(runs)
    known = set(library.names("accelerators"))
    for run in runs:
        assert run["source"] and run["url"].startswith("https://") and run["as_of"]
        assert run["confidence"] in ("seen", "recalled", "recalled+seen")
        assert run["gpu"] in known, run["id"]


def test_numbers_in_the_table_of_runs_are_finite_and_positive() -> None:
    columns = ("n_gpus", "step_time_s", "tokens_per_s_per_gpu", "mem_gb_per_gpu", "total_gpu_hours", "co2_t")
    for run in rows("runs"):
        for column in columns:
            assert not run[column] or 0 < float(run[column]) < math.inf, (run["id"], column)


@pytest.mark.parametrize(
    ("size", "hours", "tonnes", "watts"),
    [
        ("6.74", 184_320, 31.22, 400),
        ("13.02", 368_640, 62.44, 400),
        ("33.7", 1_038_336, 153.90, 350),
        ("68.98", 1_720_320, 291.42, 400),
    ],
)
def test_the_llama_2_rows_hold_metas_hours_and_emissions(size: str, hours: float, tonnes: float, watts: float) -> None:
    run = next(run for run in rows("runs") if run["source_key"] == "llama2" and run["params_b"] == size)
    assert float(run["total_tokens"]) == 2e12
    assert float(run["total_gpu_hours"]) == hours
    assert float(run["co2_t"]) == tonnes
    assert float(run["energy_mwh"]) == pytest.approx(hours * watts / 1e6, abs=0.06)
    assert hours * watts / 1e6 * 0.385 * 1.1 == pytest.approx(tonnes, abs=0.01)  # kWh/1000 · kg/kWh = t, cut off


def test_perplexities_state_context_source_and_confidence() -> None:
    seen = rows("perplexities")
    assert len(seen) > 200
    for row in seen:
        assert row["family"] and row["model"] and row["benchmark"] and row["metric"] and row["source"]
        assert row["confidence"] in ("seen", "recalled")
        assert math.isfinite(float(row["value"]))
        assert not row["parameters"] or float(row["parameters"]) > 1e6
        assert not row["context_length"] or float(row["context_length"]) > 0
        if row["metric"] == "perplexity":
            assert float(row["value"]) > 1


def test_gpt_2_xl_reads_wikitext_2_at_the_perplexity_its_paper_prints() -> None:
    found = [
        float(row["value"]) for row in rows("perplexities")
        if row["family"] == "GPT-2" and "1542M" in row["model"] and row["benchmark"] == "WikiText-2"
    ]  # fmt: skip
    assert 18.34 in found
