"""Published runs against predictions: the table's form, its conventions, and what cannot be scored."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from planner import cli, library
from planner.errors import CancelledError, InputError
from planner.validation import Validation, run_table, table, validate
from planner.validation.derivation import explained
from planner.validation.events import Finished
from planner.validation.run import validating
from planner.validation.statistics import summary

METRICS = {"step_time_s", "memory_bytes", "gpu_hours", "energy_kwh", "co2e_kg", "fits"}
RUN = {
    "id": "one", "source_key": "paper", "kind": "benchmark", "quality": "A", "model_name": "gpt",
    "n_layers": "24", "hidden": "2048",
    "ffn_hidden": "8192", "n_heads": "16", "n_kv_heads": "16", "vocab": "51200", "ffn_type": "gelu", "seq_len": "2048",
    "gpu": "A100-80GB-SXM", "n_gpus": "8", "gpus_per_node": "8", "precision": "bf16", "tp": "1", "pp": "1", "dp": "8",
    "micro_batch": "4", "global_batch": "64", "framework": "Megatron-LM", "outcome": "ran",
}  # fmt: skip


@pytest.fixture(scope="module")
def shipped() -> Validation:
    return validate()


@pytest.fixture
def of(tmp_path: Path) -> Callable[..., Validation]:
    """Validates a table of the given rows."""

    def run(*rows: dict[str, Any]) -> Validation:
        path = tmp_path / "runs.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, list(dict.fromkeys(key for row in rows for key in row)))
            writer.writeheader()
            writer.writerows(rows)
        return validate(path)

    return run


def step_of(result: Validation) -> dict[str, Any]:
    return next(row for row in result.rows if row["metric"] == "step_time_s")


def test_every_run_of_the_shipped_table_is_listed_with_a_known_metric(shipped: Validation) -> None:
    with (library.SHIPPED / "runs.csv").open(encoding="utf-8", newline="") as stream:
        ids = [row["id"] for row in csv.DictReader(stream)]
    assert {row["id"] for row in shipped.rows} == set(ids)
    assert {row["metric"] for row in shipped.rows} == METRICS
    assert len({(row["id"], row["metric"]) for row in shipped.rows}) == len(shipped.rows)
    for row in shipped.rows:
        if row["skipped"]:
            assert row["predicted"] is None and row["error"] is None
        elif row["metric"] == "fits":
            assert isinstance(row["predicted"], bool) and isinstance(row["published"], bool)
        else:
            assert row["error"] == pytest.approx(row["predicted"] / row["published"] - 1)


def test_the_json_has_the_keys_of_the_contract_and_no_nan(shipped: Validation) -> None:
    data = json.loads(json.dumps(shipped.json, allow_nan=False))
    assert set(data) >= {"rows", "summary", "by_source", "regret", "fits"}
    assert set(data["rows"][0]) >= {
        "id", "source", "metric", "published", "predicted", "error", "inside_band", "skipped",
    }  # fmt: skip
    assert set(data["summary"]) >= {"n", "mape", "median_abs_error", "p90_abs_error", "bias", "within_band"}
    assert sum(group["n"] for group in data["by_source"].values()) == data["summary"]["n"] > 100


def test_llama_2s_hours_are_met_within_a_quarter_and_its_carbon_within_10_kg(shipped: Validation) -> None:
    rows = [row for row in shipped.rows if row["source"] == "llama2"]
    hours = [row["error"] for row in rows if row["metric"] == "gpu_hours"]
    carbon = [row for row in rows if row["metric"] == "co2e_kg"]
    assert len(hours) == len(carbon) == 4
    assert all(abs(error) < 0.25 for error in hours)
    for row in carbon:
        assert math.floor(row["predicted"] / 10) * 10 == pytest.approx(row["published"], abs=10)


def test_the_same_speed_in_any_convention_is_the_same_step_time(of: Callable[..., Validation]) -> None:
    """64 sequences of 2,048 on 8 GPUs in 3 s: 5,461.3 tokens/s a GPU, and the FLOP/s that 72·B·s·L·h²(…) gives."""
    tokens = 64 * 2048
    flops = 72 * tokens * 24 * 2048**2 * (1 + 2048 / (6 * 2048) + 51200 / (12 * 24 * 2048))
    stated = [
        {"step_time_s": "3.0"}, {"tokens_per_s_per_gpu": repr(tokens / 8 / 3)},
        {"tflops_per_gpu": repr(flops / 8 / 3 / 1e12), "tflops_kind": "model"},
        {"mfu": repr(flops / 8 / 3 / 312e12 * 100)},
    ]  # fmt: skip
    published = [step_of(of(RUN | one))["published"] for one in stated]
    assert published == pytest.approx([3.0] * 4, rel=1e-6)


def test_the_row_says_what_it_assumed(of: Callable[..., Validation]) -> None:
    blank = {key: value for key, value in RUN.items() if key not in ("micro_batch", "dp")}
    row = step_of(of(blank | {"step_time_s": "3"}))
    assert "micro_batch" in row["assumed"]


def test_a_later_release_of_a_framework_is_a_generation_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(
        "gpu,framework,as_of\n" + "".join(f"B200-SXM,Megatron-Bridge,{d}\n" for d in ("2026-05", "2026-06"))
    )
    assert table.generations(run_table.read(path)).tolist() == ["nemo", "megatron-bridge-26.06"]


def test_a_whole_training_without_a_batch_has_gpt_3s_at_its_size(of: Callable[..., Validation]) -> None:
    """Not one sequence a rank: a pipeline would idle, and each sequence would pay for gradients and optimizer."""
    told = RUN | {"kind": "run", "params_b": "1.3", "total_tokens": "1e9", "total_gpu_hours": "50"}
    blank = told | {"micro_batch": "", "global_batch": ""}
    hours = [
        next(one for one in of(row).rows if one["metric"] == "gpu_hours")
        for row in (blank, told | {"micro_batch": "1", "global_batch": "488"}, told | {"micro_batch": "1"})
    ]
    assert hours[0]["predicted"] == pytest.approx(hours[1]["predicted"])
    assert any("GPT-3" in one for one in hours[0]["assumed"])


def test_a_machines_known_nodes_stand_for_what_a_table_says(of: Callable[..., Validation]) -> None:
    """Jean Zay's A100 nodes have eight GPUs: BLOOM, arXiv 2211.05100, §3.4."""
    place = {"gpu": "A100-80GB-SXM", "interconnect": "Jean Zay: 4x OmniPath", "step_time_s": "3"}
    place |= {"n_gpus": "16", "dp": "16"}
    nodes = ({"gpus_per_node": a, "nic_gbit_per_s_per_gpu": b} for a, b in (("4", "100"), ("8", "50")))
    told = [step_of(of(RUN | place | one)) for one in nodes]
    assert told[0]["predicted"] == told[1]["predicted"]
    assert any("GPUs a node" in one for one in told[0]["assumed"])


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"gpu": "H1000"}, "H1000"),
        ({"gpu": ""}, "gpu"),
        ({"hidden": ""}, "hidden"),
        ({"seq_len": ""}, "seq_len"),
        ({"gpu": "TPU v4"}, "not a GPU"),
    ],
    ids=str,
)
def test_a_run_that_cannot_be_expressed_is_listed_with_the_reason(
    of: Callable[..., Validation], change: dict[str, str], reason: str
) -> None:
    result = of(RUN | {"step_time_s": "3"} | change, RUN | {"id": "two", "step_time_s": "3"})
    first, second = (next(row for row in result.rows if row["id"] == name) for name in ("one", "two"))
    assert reason in first["skipped"] and first["predicted"] is None
    assert not second["skipped"] and second["predicted"] > 0
    assert result.summary["n"] == 1


def test_missing_columns_and_blank_lines_are_no_obstacle(of: Callable[..., Validation]) -> None:
    few = {key: RUN[key] for key in ("gpu", "n_layers", "hidden", "n_heads", "seq_len", "n_gpus", "global_batch")}
    result = of(few | {"step_time_s": "3"}, dict.fromkeys(few, ""), few | {"step_time_s": "4"})
    assert [row["published"] for row in result.rows if row["metric"] == "step_time_s"] == [3, 4]
    assert result.summary["n"] == 2


def test_a_table_without_a_step_time_has_an_empty_summary(of: Callable[..., Validation]) -> None:
    result = of(RUN)
    assert result.summary["n"] == 0 and result.summary["mape"] is None


def test_a_prediction_does_not_depend_on_the_other_rows(of: Callable[..., Validation]) -> None:
    runs = [
        RUN | {"id": f"run {i}", "step_time_s": "3", "tp": str(tp), "dp": str(8 // tp), "micro_batch": b, "gpu": gpu}
        for i, (tp, b, gpu) in enumerate([(1, 4, "A100-80GB-SXM"), (2, 2, "H100-80GB-SXM"), (8, 8, "V100-32GB-SXM")])
    ]  # fmt: skip
    together = {row["id"]: row["predicted"] for row in of(*runs).rows if row["metric"] == "step_time_s"}
    for run in runs:
        assert step_of(of(run))["predicted"] == pytest.approx(together[run["id"]], rel=1e-12)


def test_a_large_table_is_one_pass_with_one_row_a_run(of: Callable[..., Validation]) -> None:
    result = of(*(RUN | {"id": f"run {i}", "step_time_s": "3", "micro_batch": str(1 + i % 4)} for i in range(5000)))
    assert result.summary["n"] == 5000
    assert len({row["predicted"] for row in result.rows if row["metric"] == "step_time_s"}) <= 4


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "not a table of runs"),
        (b"a,b\n1,2\n", "not a table of runs"),
        (b"gpu,n_layers\nA100,twelve\n", "line 2: n_layers: 'twelve' is not a number"),
        (b"gpu,n_layers\n\xff\xfe,1\n", "not a text file in UTF-8"),
    ],
)
def test_a_file_that_is_no_table_of_runs_is_named_with_the_line(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=said) as caught:
        validate(path)
    assert str(path) in str(caught.value)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.csv: cannot be read"):
        validate(tmp_path / "nothing.csv")


def test_the_summary_worked_by_hand() -> None:
    errors = [-0.1, 0.2, -0.3, 0.4]
    rows = [{"error": error, "inside_band": abs(error) < 0.25} for error in errors]
    assert summary(rows) == pytest.approx(
        {"n": 4, "mape": 0.25, "median_abs_error": 0.25, "p90_abs_error": 0.37, "bias": 0.05, "within_band": 0.5}
    )


@pytest.mark.parametrize("metric", ["step_time_s", "memory_bytes", "gpu_hours", "energy_kwh", "co2e_kg"])
def test_a_row_explained_by_itself_is_the_row_of_the_table(shipped: Validation, metric: str) -> None:
    """Some rows of each metric, of as many sources: one at a time and recorded, or all at once as arrays."""
    rows = [row for row in shipped.rows if row["metric"] == metric and not row["skipped"]]
    for row in {row["source"]: row for row in rows}.values():
        predicted, published = explained(row["id"], metric)
        assert predicted.value == pytest.approx(row["predicted"], rel=1e-12), row["id"]
        assert published.value == pytest.approx(row["published"], rel=1e-12), row["id"]
        assert predicted.node is not None and published.node is not None and published.source
        if metric == "step_time_s":
            assert row["inside_band"] == (predicted.low <= row["published"] <= predicted.high)


def many(path: Path, count: int, **change: str) -> Path:
    """A table of so many runs, alike but for their names and one's change."""
    rows = [RUN | {"id": f"run {i}", "step_time_s": "3", "tp": "1"} for i in range(count)]
    rows[-1] |= change
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_table_is_told_block_by_block_and_its_answer_does_not_depend_on_the_blocks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = many(tmp_path / "many.csv", 23, tp="2")
    whole = validate(path)
    monkeypatch.setattr(run_table, "BLOCK_ROWS", 10)
    *told, last = validating(path)
    assert isinstance(last, Finished) and last.result.json == whole.json
    shares = [event.fraction for event in told]
    assert shares == sorted(shares) and shares[-1] == 1.0
    assert [row for event in told for row in event.rows] == whole.rows
    assert [len(event.rows) for event in told if event.rows] == [20, 20, 6], "two figures a run"


def test_a_validation_stops_between_two_blocks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_table, "BLOCK_ROWS", 10)
    seen: list[Any] = []
    with pytest.raises(CancelledError):
        for event in validating(many(tmp_path / "many.csv", 40), lambda: len(seen) >= 5):
            seen.append(event)
    assert len(seen) == 5 and seen[-1].rows


def test_wrong_cells_are_named_by_line_in_whichever_block_they_stand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_table, "BLOCK_ROWS", 10)
    path = many(tmp_path / "many.csv", 25, hidden="wide", source_key="x" * 5000)
    with pytest.raises(InputError) as raised:
        run_table.read(path)
    lines = str(raised.value).splitlines()
    assert [line.removeprefix(f"{path}: ") for line in lines] == [
        "line 26: hidden: 'wide' is not a number", "line 26: source_key: longer than 4,000 characters"
    ]  # fmt: skip


def test_the_events_carry_the_rows_that_json_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = many(tmp_path / "many.csv", 3)
    assert cli.run(["validate", "--runs", str(path), "--json"]) == 0
    whole = json.loads(capsys.readouterr().out)
    assert cli.run(["validate", "--runs", str(path), "--events"]) == 0
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row for event in told if event["event"] == "rows" for row in event["rows"]] == whole.pop("rows")
    assert told[-1] == {"event": "finished", **whole}
    assert all(0 <= event["fraction"] <= 1 for event in told if event["event"] == "progress")


@pytest.mark.parametrize("gpus", ["0", "0.5", "1e9"])
def test_a_node_of_no_gpus_or_of_a_billion_is_skipped_with_its_column(tmp_path: Path, gpus: str) -> None:
    path = tmp_path / "runs.csv"
    path.write_text(
        "id,source_key,gpu,n_layers,hidden,seq_len,gpus_per_node,n_gpus,step_time_s\n"
        f"a,x,A100-80GB-SXM,32,4096,2048,{gpus},8,1\n"
    )
    assert {row["skipped"] for row in validate(path).rows} == {"gpus_per_node is not from 1 to 100,000"}


def test_a_table_without_a_run_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "none.csv").write_text("id,source_key,gpu,n_layers,hidden,seq_len,step_time_s\n")
    with pytest.raises(InputError, match=r"none\.csv: holds no run"):
        validate(tmp_path / "none.csv")
