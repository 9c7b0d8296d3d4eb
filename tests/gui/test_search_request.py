"""What is typed into the search's form: checked by field, told to the command line; rows of an answer."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from gui.search_request import Request
from gui.search_rows import basis, changes, is_plans, rows_of
from planner import cli
from planner.estimate import estimate
from planner.plan import file

PLAN = file.load("llama-2-7b").replace(**{"cluster.nodes": 2, "recipe.global_batch": 64})


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("gpus", "many"), ("gpus", "0"), ("gpus", "1.5"), ("gpus", ","), ("accelerators", "H1000"), ("budget", "cheap"),
        ("budget", "-5"), ("deadline", "soon"), ("memory_margin", "120%"), ("max_nodes", "0"), ("max_nodes", "2.5"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_named_by_field(field: str, text: str) -> None:
    assert list(Request(**{field: text}).problems()) == [field]


def test_an_engineers_text_is_read() -> None:
    request = Request(
        "time", "256, 512", "H100-80GB-SXM, a100-80gb-sxm", "$2M", "30 days", "10%", "1k", is_exhaustive=True
    )
    assert request.problems() == {}
    said = request.arguments(Path("plan.json"))
    assert said[:2] == ["search", "plan.json"] and "--events" in said and "--exhaustive" in said
    assert "--max-nodes=1000" in said and "--budget=$2M" in said and "--gpus=256, 512" in said


def test_blank_fields_are_no_limits() -> None:
    assert Request().problems() == {}
    assert not [word for word in Request().arguments(Path("p")) if "=" in word]


@pytest.fixture
def answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> dict:
    file.save(PLAN, tmp_path / "plan.json")
    request = Request(gpus="16, 32", accelerators="A100-80GB-SXM, H100-80GB-SXM")
    assert cli.run(request.arguments(tmp_path / "plan.json")) == 0
    return json.loads(capsys.readouterr().out.splitlines()[-1])


def test_rows_are_the_list_and_the_rest_of_the_front_once_each(answer: dict) -> None:
    rows = rows_of(answer)
    assert [row["rank"] for row in rows[: len(answer["best"])]] == list(range(1, len(answer["best"]) + 1))
    assert sum(row["on_front"] for row in rows) == len(answer["pareto"])
    assert len({(row["gpus"], row["accelerator"], row["words"]) for row in rows}) == len(rows)


def test_a_row_applied_to_the_plan_is_what_the_row_says(answer: dict) -> None:
    rows = rows_of(answer)
    for row in (rows[0], rows[-1], next(row for row in rows if row["accelerator"] == "H100-80GB-SXM")):
        plan = file.with_settings(PLAN, list(changes(row, PLAN).items()))
        assert is_plans(row, plan)
        said = estimate(plan).json
        assert said["train_time_s"] == pytest.approx(row["train_time_s"], rel=1e-9)
        assert said["cost_usd"]["total"] == pytest.approx(row["cost_usd"], rel=1e-9)
        assert said["memory_bytes"]["total"] == pytest.approx(row["memory_bytes"], rel=1e-9)


def test_applying_a_row_leaves_the_search_current_and_another_batch_does_not() -> None:
    varied = Request(gpus="16, 32", accelerators="H100-80GB-SXM")
    moved = PLAN.replace(**{"layout.tp": 2, "cluster.nodes": 4})
    assert basis(PLAN, varied) == basis(moved, varied)
    assert basis(PLAN, Request()) != basis(moved, Request())
    assert basis(PLAN, varied) != basis(PLAN.replace(**{"recipe.global_batch": 128}), varied)
