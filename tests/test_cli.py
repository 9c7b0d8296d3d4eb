"""The command line as a shell sees it: exit codes, streams, and what is imported."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner import __version__, cli, library
from planner.errors import without_window

ROOT = Path(__file__).resolve().parent.parent
MAIN = str(ROOT / "main.py")
HEAVY = ("torch", "PySide6", "matplotlib", "pandas", "scipy", "quantiphy", "gui")


def trainplan(*arguments: str, folder: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, MAIN, *arguments], capture_output=True, text=True, encoding="utf-8", cwd=folder or ROOT,
        env=os.environ | environment, check=False,
    )  # fmt: skip


def refused(*arguments: str, code: int = 2, **options: Any) -> list[str]:
    """The lines on stderr of a call that must fail cleanly."""
    done = trainplan(*arguments, **options)
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr and "unexpected" not in done.stderr
    assert done.stderr.strip()
    return done.stderr.splitlines()


@pytest.fixture
def broken_plan(tmp_path: Path) -> Path:
    data = json.loads((library.SHIPPED / "plans" / "llama-2-7b.json").read_text("utf-8"))
    data["recipe"] |= {"tokens": -1, "precision": "bf17"}
    data["cluster"] |= {"accelerator": "H1000", "nodes": 0}
    data["layout"] |= {"tensor": 2}
    path = tmp_path / "broken.json"
    path.write_text(json.dumps(data))
    return path


def test_estimate_prints_a_verdict_and_a_table_and_nothing_on_stderr() -> None:
    done = trainplan("estimate", "llama-2-70b")
    assert done.returncode == 0 and done.stderr == ""
    first, _, header, *rows = done.stdout.splitlines()
    assert first.startswith("Fits on 2,048 × A100-80GB-SXM; ")
    assert header.split() == ["section", "figure", "value", "80", "%", "band", "kind"]
    assert any(row.startswith("time") and "GPU-hours" in row and row.endswith("estimated") for row in rows)


@pytest.mark.parametrize("words", [[], ["screenshots", "pictures"]], ids=["window", "screenshots"])
def test_without_qt_one_sentence_says_what_to_install(words: list[str], tmp_path: Path) -> None:
    script = f"import sys; sys.modules['PySide6'] = None; sys.argv[1:] = {words}; import main; sys.exit(main.main())"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"},
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "the window needs Qt, which is missing; install it with: pip install PySide6-Essentials\n"


def test_without_a_library_of_qt_s_the_packages_are_named() -> None:
    error = ImportError("libEGL.so.1: cannot open shared object file", name="PySide6.QtGui", path="/x/QtGui.so")
    assert "apt-get install libegl1" in str(without_window(error))
    with pytest.raises(ImportError, match="ours"):
        without_window(ImportError("ours", name="gui.window"))


def test_a_saved_plan_holds_what_was_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "mine.json"
    assert cli.run(["estimate", "gpt2", "--set", "cluster.nodes=2", "--save", str(path)]) == 0
    first = capsys.readouterr().out
    assert cli.run(["estimate", str(path)]) == 0
    assert capsys.readouterr().out == first and json.loads(path.read_text("utf-8"))["cluster"]["nodes"] == 2


def test_estimate_json_is_one_object_of_plain_numbers_and_imports_nothing_heavy() -> None:
    script = (
        "import sys, json; sys.argv = ['main.py', 'estimate', 'llama-2-70b', '--json'];"
        "import main; code = main.main();"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]), file=sys.stderr); sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    data = json.loads(done.stdout)
    assert data["parameters"] == 68_976_648_192
    assert 0.75 < data["gpu_hours"] / 1_720_320 < 1.25
    assert json.loads(done.stderr) == []


def test_version_answers_without_loading_anything() -> None:
    script = (
        "import sys; sys.argv = ['main.py', '--version']; import main; main.main();"
        "print(sorted(name for name in ('numpy', 'pydantic', 'argparse', 'planner.cli') if name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [f"trainplan {__version__}", "[]"]
    assert trainplan("--version").stdout == f"trainplan {__version__}\n"


def test_settings_and_another_model_change_the_plan_and_say_so_on_stderr() -> None:
    settings = ("--set", "recipe.tokens=1T", "--set", "layout.recompute=full")
    done = trainplan("estimate", "llama-2-70b", "--model", "llama-7b", *settings, "--json")
    data = json.loads(done.stdout)
    assert data["parameters"] == 6_738_415_616
    assert data["steps"] == pytest.approx(1e12 / 2**22, rel=0.01)
    assert data["hardware_flops"] > 1.2 * data["model_flops"]
    assert all(line.startswith("warning: ") for line in done.stderr.splitlines())
    assert "recipe.sequence_length: 4096 → 2048" in done.stderr


def test_a_plan_that_does_not_fit_is_an_answer() -> None:
    one_stage = ("layout.zero_stage=0", "layout.pp=1", "layout.virtual_stages=1")
    done = trainplan("estimate", "llama-2-70b", *(word for text in one_stage for word in ("--set", text)), "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["fits"] is False
    assert done.stderr.startswith("warning: layout: needs ")


def test_five_mistakes_are_five_lines_with_the_field_first(broken_plan: Path) -> None:
    lines = refused("estimate", str(broken_plan))
    assert sorted(line.partition(":")[0] for line in lines) == [
        "cluster.accelerator", "cluster.nodes", "layout.tensor", "recipe.precision", "recipe.tokens",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["estimate", "lama-2-70b"], "llama-2-70b"),
        (["estimate", "no/such/file.json"], "no such file"),
        (["estimate", "llama-2-7b", "--set", "recipe.tokens=-2T"], "recipe.tokens: "),
        (["estimate", "llama-2-7b", "--set", "recipe.tokens=nan"], "recipe.tokens: "),
        (["estimate", "llama-2-7b", "--set", "recipe.tokens=" + "9" * 100_000], "recipe.tokens: "),
        (["estimate", "llama-2-7b", "--set", "cluster.accelerator=H100-SMX"], "H100-80GB-SXM"),
        (["estimate", "llama-2-7b", "--set", "cluster.node=3"], "nodes"),
        (["estimate", "llama-2-7b", "--set", "nonsense"], "KEY=VALUE"),
        (["estimate", "llama-2-7b", "--model", "no-such-model"], "unknown model"),
        (["estimate", "llama-2-7b", "--csv", "/dev/null/report.csv"], "/dev/null/report.csv: cannot be written"),
        (["estimate", "llama-2-7b", "--report", "/dev/null/folder"], "/dev/null/folder: cannot be made"),
        (["estimate"], "PLAN"),
        (["estimat"], "estimate"),
        (["validate", "--runs", "no-such.csv"], "no-such.csv: cannot be read"),
        (["validate", "--runs", "."], "cannot be read"),
        (["screenshots", "out", "--size", "huge"], "WIDTHxHEIGHT"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, list) else "",
)
def test_wrong_input_is_one_clear_message_and_exit_code_2(arguments: list[str], said: str) -> None:
    lines = refused(*arguments)
    assert len(lines) == 1 and said in lines[0] and len(lines[0]) < 700


def test_a_layout_that_contradicts_itself_is_told_line_by_line_with_the_field_first() -> None:
    lines = refused("estimate", "llama-2-7b", "--set", "layout.tp=3")
    assert all(line.startswith(("layout.", "recipe.")) and ("; use " in line or "; switch" in line) for line in lines)
    assert any(line.startswith("layout.tp: tensor parallel 3 does not divide 32 heads; use ") for line in lines)
    assert len(set(lines)) == len(lines)


def test_a_truncated_plan_file_is_named_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "cut.json"
    path.write_text('{"model": "gpt2", "reci')
    (line,) = refused("estimate", str(path))
    assert line.startswith(f"{path}: not a whole JSON file")
    assert path.read_text() == '{"model": "gpt2", "reci'


def test_the_cost_report_is_written_beside_the_table(tmp_path: Path) -> None:
    path = tmp_path / "report.csv"
    done = trainplan("estimate", "llama-2-70b", "--csv", str(path), "--json")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = {(row["section"], row["item"]): row for row in csv.DictReader(stream)}
    assert float(rows["time", "GPU-hours"]["value"]) == json.loads(done.stdout)["gpu_hours"]
    assert done.stderr == f"wrote {path}\n"
    trainplan("estimate", "llama-2-70b", "--csv", str(path), "--wide")
    assert len(path.read_text("utf-8").splitlines()) == 2


def test_an_unknown_price_leaves_its_chart_empty_and_the_report_whole(tmp_path: Path) -> None:
    settings = ("--set", "cluster.accelerator=MI100", "--set", "recipe.precision=fp16")
    done = trainplan("estimate", "gpt2", *settings, "--report", str(tmp_path / "report"))
    assert done.returncode == 0, done.stderr
    assert {one.name for one in (tmp_path / "report").iterdir()} == {
        "report.html", "report.pdf", "cost-report.csv", "plan.json", "memory.png", "step-time.png", "cost.png",
        "size-against-perplexity.png", "networks.png", "cost-over-the-life.png", "general-or-specific.png",
    }  # fmt: skip


def test_an_unwritable_report_leaves_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "report.csv").mkdir()
    (tmp_path / "report.csv" / "kept").write_text("old")
    refused("estimate", "gpt2", "--csv", str(tmp_path / "report.csv"))
    assert [one.name for one in tmp_path.rglob("*")] == ["report.csv", "kept"]


@pytest.mark.parametrize("kind", ["plans", "models", "accelerators"])
def test_listings_name_everything_shipped(kind: str) -> None:
    done = trainplan(kind)
    assert done.returncode == 0 and done.stderr == ""
    listed = done.stdout.splitlines()[1:]
    assert len(listed) == len(library.names(kind))
    assert all(any(line.startswith(f"{name} ") for line in listed) for name in library.names(kind))


def test_the_users_own_plans_are_listed_and_estimated_too(tmp_path: Path) -> None:
    (tmp_path / "plans").mkdir()
    text = (library.SHIPPED / "plans" / "gpt2.json").read_text("utf-8").replace('"gpt2"', '"my-own"', 1)
    (tmp_path / "plans" / "my-own.json").write_text(text, "utf-8")
    assert "my-own" in trainplan("plans", TRAINPLAN_HOME=str(tmp_path)).stdout
    assert (
        json.loads(trainplan("estimate", "my-own", "--json", TRAINPLAN_HOME=str(tmp_path)).stdout)["plan"] == "my-own"
    )


def test_validate_prints_runs_and_scores_and_its_json() -> None:
    done = trainplan("validate")
    assert done.returncode == 0
    assert done.stdout.splitlines()[0].split() == ["run", "source", "metric", "published", "predicted", "error"]
    data = json.loads(trainplan("validate", "--json").stdout)
    assert data["summary"]["n"] > 100 and data["rows"]


def test_validate_takes_a_table_without_anything_to_score(tmp_path: Path) -> None:
    path = tmp_path / "runs.csv"
    path.write_text("gpu,n_layers,hidden,seq_len\nA100-80GB-SXM,12,768,1024\n")
    done = trainplan("validate", "--runs", str(path))
    assert done.returncode == 0 and "no step time to score" in done.stdout


def test_help_lists_every_command_of_the_contract() -> None:
    said = trainplan("--help").stdout
    commands = (
        "plans models accelerators estimate search profile verify validate frontier fit ladder screenshots doctor"
    )
    for command in commands.split():
        assert f"\n    {command} " in said or f"\n    {command}\n" in said, command


def test_a_reader_that_goes_away_is_no_error() -> None:
    done = subprocess.run(
        ["bash", "-c", f"set -o pipefail; '{sys.executable}' '{MAIN}' validate | head -n 1"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "BrokenPipe" not in done.stderr
    assert len(done.stdout.splitlines()) == 1


def test_a_blank_name_of_an_output_is_refused_and_a_full_device_told(tmp_path: Path) -> None:
    assert "blank" in refused("estimate", "gpt2", "--csv", "", folder=tmp_path)[0]
    assert "blank" in refused("estimate", "gpt2", "--report", "", folder=tmp_path)[0]
    if Path("/dev/full").exists():
        with Path("/dev/full").open("w") as full:
            done = subprocess.run([sys.executable, MAIN, "plans"], stdout=full, stderr=subprocess.PIPE, text=True)
        assert done.returncode == 2 and "no space left" in done.stderr and len(done.stderr.splitlines()) == 1


def test_a_broken_file_of_the_users_hides_nothing_else_in_a_listing(tmp_path: Path) -> None:
    (tmp_path / "accelerators").mkdir()
    (tmp_path / "accelerators" / "mine.json").write_text('{"name": "mine", ')
    done = trainplan("accelerators", TRAINPLAN_HOME=str(tmp_path))
    assert done.returncode == 0 and "H100-80GB-SXM" in done.stdout
    assert "mine.json: not a whole JSON file" in done.stderr and len(done.stderr.splitlines()) == 1


def test_screenshots_of_every_page_need_no_screen(tmp_path: Path) -> None:
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM")
    environment = {name: value for name, value in os.environ.items() if name not in screens}
    environment["TRAINPLAN_HOME"] = str(tmp_path / "home")
    done = subprocess.run(
        [sys.executable, MAIN, "screenshots", str(tmp_path), "--theme", "dark", "--size", "900x600"],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    pages = {"model", "hardware", "training", "profile", "results", "search", "perplexity", "compare", "validate"}
    written = {path.stem: path.stat().st_size for path in tmp_path.glob("*.png")}
    assert written.keys() >= pages and min(written.values()) > 10_000
