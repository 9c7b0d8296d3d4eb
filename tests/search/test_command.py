"""`search` on the command line."""

import csv
import json

import pytest

from planner import cli


def run(capsys, *arguments):
    code = cli.run(["search", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


SMALL = ("llama-2-7b", "--set", "cluster.nodes=2", "--set", "recipe.global_batch=64")


def test_json_has_what_scripts_depend_on(capsys):
    code, out, _ = run(capsys, *SMALL, "--json", "--top", "3")
    data = json.loads(out)
    assert code == 0
    assert {"evaluated", "seconds", "fits", "best", "rejected", "pareto"} <= set(data)
    assert data["evaluated"] >= data["fits"] > 0 and len(data["best"]) == 3
    best = data["best"][0]
    assert best["tp"] * best["pp"] * best["cp"] * best["dp"] == best["gpus"] == 16
    assert best["estimate"]["step_time_s"] == pytest.approx(best["step_time_s"], rel=1e-9)
    assert best["estimate"]["cost_usd"]["total"] == pytest.approx(best["cost_usd"], rel=1e-9)
    assert best["estimate"]["memory_bytes"]["total"] == pytest.approx(best["memory_bytes"], rel=1e-9)
    assert best["layout"]["micro_batch"] == best["micro_batch"]


def test_the_table_names_the_layouts_the_front_and_the_reasons(capsys):
    code, out, _ = run(capsys, *SMALL)
    assert code == 0
    assert "Pareto front" in out and "Why the others fall out" in out and "batch does not divide" in out


def test_events_are_json_lines_that_end_with_the_answer(capsys):
    code, out, _ = run(capsys, *SMALL, "--events")
    lines = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert lines[-1]["event"] == "finished" and lines[-1]["best"]
    assert all(line["event"] == "progress" for line in lines[:-1])


def test_csv_lists_the_ranked_and_the_front(capsys, tmp_path):
    target = tmp_path / "layouts.csv"
    assert run(capsys, *SMALL, "--csv", str(target), "--top", "4")[0] == 0
    with target.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["rank"] for row in rows if row["list"] == "best"] == ["1", "2", "3", "4"]
    assert any(row["list"] == "pareto" for row in rows)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--gpus", "12"), "do not fill nodes"),
        (("--gpus", "many"), "--gpus"),
        (("--gpus", "1.5"), "--gpus"),
        (("--gpus", ","), "empty list"),
        (("--accelerators", "H1000"), "did you mean"),
        (("--top", "0"), "--top"),
        (("--budget", "cheap"), "--budget"),
        (("--budget", "-5"), "--budget"),
        (("--deadline", "soon"), "--deadline"),
        (("--memory-margin", "120%"), "--memory-margin"),
        (("--max-nodes", "0"), "--max-nodes"),
        (("--csv", "/nowhere/at/all.csv"), "/nowhere/at/all.csv"),
    ],
)
def test_wrong_input_is_said_in_a_line(capsys, arguments, message):
    code, out, err = run(capsys, *SMALL, *arguments)
    assert code == 2
    assert message in err and not out
    assert "Traceback" not in err


def test_with_events_a_failure_is_an_event(capsys):
    code, out, _ = run(capsys, *SMALL, "--events", "--gpus", "12")
    last = json.loads(out.splitlines()[-1])
    assert code == 2
    assert last["event"] == "failed" and last["exit_code"] == 2


def test_nothing_that_fits_is_an_answer_not_an_error(capsys):
    code, out, _ = run(capsys, "gpt3-175b", "--set", "cluster.nodes=1", "--set", "recipe.global_batch=8")
    assert code == 0
    assert "Nothing fits" in out
