"""The entry points of `planner`, and the notebooks in examples/, run cell by cell."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

import planner
from planner.errors import InputError

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"


def test_importing_the_package_loads_nothing_else() -> None:
    script = (
        "import sys, planner; print(sorted(one for one in sys.modules if one.startswith(('planner.', 'pydantic'))))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=EXAMPLES.parent, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("before", ["", "import planner.estimate, planner.search.run"])
def test_estimate_and_search_are_called_whatever_was_imported_first(before: str) -> None:
    script = f"{before}\nfrom planner import Plan, estimate, load, search\nprint(estimate(load('gpt2')).verdict)\n"
    script += "print(search.OBJECTIVES and callable(search), Plan.__name__)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=EXAMPLES.parent, check=True
    )
    assert "Fits on" in done.stdout and done.stdout.endswith("True Plan\n")


def test_a_table_of_settings_becomes_plans_and_a_wrong_cell_names_its_row_and_field() -> None:
    table = pd.DataFrame({"cluster.nodes": [16, 32], "recipe.tokens": ["1T", None]})
    first, second = planner.plans(table, "llama-2-7b")
    assert (first.cluster.nodes, first.recipe.tokens, second.recipe.tokens) == (16, 10**12, 2 * 10**12)
    with pytest.raises(InputError, match=r"row 1: cluster\.nodes"):
        planner.plans(pd.DataFrame({"cluster.nodes": [16, 0]}), "llama-2-7b")


def test_an_estimate_as_a_table_holds_its_own_numbers_with_kind_and_band() -> None:
    answer = planner.estimate(planner.load("llama-2-7b"))
    table = planner.frame(answer)
    assert table.loc["time.training", "value"] == answer.outcome.train_time_s
    row = table.loc["time.training"]
    assert row["low"] < row["value"] < row["high"] and row["kind"] in ("estimated", "measured")


def test_html_of_an_estimate_escapes_every_word_of_the_users() -> None:
    plan = planner.load("gpt2").replace(**{"cluster.accelerator.name": "<script>alert(1)</script>"})
    shown = planner.estimate(plan)._repr_html_()
    assert "<script>" not in shown and "&lt;script&gt;" in shown


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.ipynb")), ids=lambda path: path.name)
def test_a_notebook_runs_from_top_to_bottom(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names: dict[str, object] = {"__name__": "__main__"}
    for number, cell in enumerate(json.loads(path.read_text("utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{path.name}[{number}]", "exec"), names)


def test_a_search_shows_itself_as_a_table_of_its_layouts_and_nothing_floods_a_cell() -> None:
    plan = planner.load("llama-2-7b").replace(**{"cluster.nodes": 1})
    found = planner.search(plan, top=3)
    assert found._repr_html_().count("<tr>") == 4 and "ZeRO" in found._repr_html_()
    assert len(repr(found)) < 200 and len(repr(planner.estimate(plan))) < 300


@pytest.mark.parametrize(("call", "said"), [
    (lambda: planner.estimate("gpt2"), "a Plan is needed, not str; load"),
    (lambda: planner.search({"name": "gpt2"}), "a Plan is needed, not dict"),
    (lambda: planner.search(planner.load("gpt2"), top=0), "top: 0"),
    (lambda: planner.frame(planner.load("gpt2")), "not Plan"),
    (lambda: planner.load("gpt2").replace(**{"recipe.tokens": "2 bananas"}), r"^recipe\.tokens: '2 bananas'"),
    (lambda: planner.load("gpt2").replace(cluster=3), "^cluster: a section"),
])  # fmt: skip
def test_a_wrong_argument_is_told_in_a_sentence(call: Callable[[], object], said: str) -> None:
    with pytest.raises(InputError, match=said):
        call()


def test_types_and_signatures_are_exported() -> None:
    assert (Path(planner.__file__).parent / "py.typed").is_file()
    assert "plan" in inspect.signature(planner.estimate).parameters
    assert "objective" in inspect.signature(planner.search).parameters
