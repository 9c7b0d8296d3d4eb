import argparse
import json
import subprocess
import sys

import pytest

from planner.cli import add_plan_arguments, plan_of
from planner.errors import InputError
from planner.quality.command import add_parsers


def run(*words):
    parser = argparse.ArgumentParser()
    add_parsers(parser.add_subparsers(required=True), add_plan_arguments, plan_of)
    args = parser.parse_args(list(words))
    return args.run(args)


@pytest.fixture
def points(tmp_path):
    rows = [(N, N * r, 1.7 + 400 / N**0.34 + 1500 / (N * r) ** 0.36) for N in (1e8, 3e8, 1e9, 3e9) for r in (5, 20, 80)]
    path = tmp_path / "points.csv"
    path.write_text("parameters,tokens,loss\n" + "".join(f"{N},{D},{L}\n" for N, D, L in rows))
    return path


def test_fit_prints_one_json_object_and_nothing_else(points, capsys):
    assert run("fit", str(points), "--bootstrap", "20", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["n"] == 12 and data["parameters"]["alpha"] == pytest.approx(0.34, rel=1e-3)


def test_a_saved_fit_is_a_law_for_frontier(points, tmp_path, capsys):
    assert run("fit", str(points), "--out", str(tmp_path / "mine.json")) == 0
    assert "Best size grows as" in capsys.readouterr().out
    assert run("frontier", "llama-2-7b", "--law", str(tmp_path / "mine.json"), "--json") == 0
    assert json.loads(capsys.readouterr().out)["law"] == "mine"


def test_frontier_prints_a_table_and_warns_on_stderr(capsys):
    assert run("frontier", "llama-2-70b", "--budget", "1e24 FLOP") == 0
    out, err = capsys.readouterr()
    assert "best" in out and "llama-2-70b" in out and "warning:" not in out
    assert "above the range" in err


def test_frontier_takes_dollars(capsys):
    assert run("frontier", "llama-2-7b", "--budget", "$2M", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    assert data["law"] == "besiroglu-2024" and 1e22 < data["budget_flops"] < 1e25
    assert data["plan"]["parameters"] == 6_738_415_616


def test_frontier_takes_models_and_settings_tells_the_price_of_being_off_and_advises(tmp_path, capsys):
    table = tmp_path / "curve.csv"
    settings = ["--set", "recipe.global_batch=16384", "--set", "lifetime.served_tokens=10T"]
    assert run("frontier", "llama-2-7b", "--model", "llama-2-13b", "--csv", str(table), *settings) == 0
    out, _ = capsys.readouterr()
    assert "A 3× larger model costs" in out and "lifetime-optimal" in out and "13.0B parameters" in out
    assert "Critical batch: 67.1M tokens" in out and "smaller one would save compute" in out
    assert "as a plan of its own" in out and "Fits on" in out
    header, *rows = table.read_text().splitlines()
    assert header.split(",")[-2:] == ["kind", "source"] and all("arXiv 2404.10102" in row for row in rows[:100])
    assert run("frontier", "llama-2-7b", "--json") == 0
    data = json.loads(capsys.readouterr().out)
    spent = data["budget"]["USD"]
    assert data["optimum_as_plan"]["cost_usd"]["total"] == pytest.approx(spent, rel=0.35)
    assert data["lifetime_optimum"]["parameters"] < data["optimum"]["parameters"]
    assert data["advice"] and all(hint["source"] for hint in data["advice"])


def test_an_impossible_bootstrap_is_refused(points):
    with pytest.raises(InputError, match="--bootstrap"):
        run("fit", str(points), "--bootstrap", "-1")


def test_registering_the_commands_imports_nothing_heavy():
    code = (
        "import sys; import planner.quality.command;"
        "print([name for name in ('numpy', 'scipy', 'pydantic', 'matplotlib') if name in sys.modules])"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )
