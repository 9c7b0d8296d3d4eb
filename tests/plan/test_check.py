"""What is wrong with a plan: each problem once, with a suggestion that mends it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from planner.estimate import estimate
from planner.plan import file
from planner.plan.check import Problem, check, divisors, nearest_divisor
from planner.plan.plan import Plan
from planner.plan.section import PlanError

LLAMA, MIXTRAL = file.load("llama-2-70b"), file.load("mixtral-8x7b")


def problems(plan: Plan, **changes: Any) -> dict[str, Problem]:
    found = check(plan.replace(**changes))
    assert len({(p.path, p.message) for p in found}) == len(found)
    return {problem.path: problem for problem in found}


@pytest.mark.parametrize(
    ("changes", "path", "severity"),
    [
        ({"layout.tp": 3}, "layout.tp", "error"),
        ({"layout.tp": 7, "layout.pp": 1, "layout.virtual_stages": 1}, "layout.tp", "error"),
        ({"layout.tp": 16}, "layout.tp", "warning"),
        ({"layout.pp": 64, "layout.virtual_stages": 2}, "layout.pp", "error"),
        ({"layout.virtual_stages": 3}, "layout.virtual_stages", "error"),
        ({"layout.pp": 1, "layout.virtual_stages": 2}, "layout.virtual_stages", "error"),
        ({"layout.dp": 7}, "layout.dp", "error"),
        ({"layout.ep": 2}, "layout.ep", "error"),
        ({"layout.cp": 3}, "layout.tp", "error"),
        ({"layout.zero_group": 3}, "layout.zero_group", "error"),
        ({"layout.recompute_layers": 21}, "layout.recompute_layers", "error"),
        ({"layout.micro_batch": 3}, "layout.micro_batch", "error"),
        ({"recipe.global_batch": 1000}, "recipe.global_batch", "error"),
        ({"recipe.sequence_length": 8192}, "recipe.sequence_length", "warning"),
        ({"recipe.tokens": 1000}, "recipe.tokens", "warning"),
        ({"recipe.precision": "fp8"}, "recipe.precision", "error"),
        ({"model.kv_heads": 7}, "model.kv_heads", "error"),
        ({"model.head_dim": 64}, "model.head_dim", "warning"),
        ({"model.experts_per_token": 2}, "model.experts", "error"),
        ({"model.encoder_layers": 4}, "model.encoder_layers", "error"),
        ({"cluster.accelerator.link_bytes_per_s": None}, "cluster.accelerator.link_bytes_per_s", "warning"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_contradiction_is_told_at_its_field(changes: dict[str, Any], path: str, severity: str) -> None:
    problem = problems(LLAMA, **changes)[path]
    assert problem.severity == severity
    assert str(problem).startswith(f"{path}: ")
    assert problem.suggestion


def test_extreme_degrees_are_answered_by_arithmetic_and_not_by_trying_a_billion_clusters() -> None:
    changes = {"cluster.nodes": 11_111, "cluster.gpus_per_node": 9, "layout.tp": 99_999, "layout.cp": 40_008}
    changes |= {"layout.pp": 1, "layout.virtual_stages": 1}
    found = next(one for one in check(LLAMA.replace(**changes)) if "does not divide 99,999 GPUs" in one.message)
    assert found.suggestion.startswith("use 444528888 nodes (4000759992 GPUs)") and not found.changes


def test_a_mixtures_own_contradictions_are_told() -> None:
    assert "layout.ep" in problems(MIXTRAL, **{"layout.ep": 3})
    assert "model.experts_per_token" in problems(MIXTRAL, **{"model.experts_per_token": 9})
    assert "model.dense_layers" in problems(MIXTRAL, **{"model.dense_layers": 33})


def test_errors_come_before_warnings() -> None:
    found = check(LLAMA.replace(**{"recipe.tokens": 1000, "model.kv_heads": 12, "recipe.precision": "fp8"}))
    severities = [problem.severity for problem in found]
    assert severities == sorted(severities) and len(set(severities)) == 2


def test_estimating_a_contradictory_plan_lists_every_error_and_no_warning() -> None:
    with pytest.raises(PlanError) as caught:
        estimate(LLAMA.replace(**{"recipe.tokens": 1000, "model.kv_heads": 12, "recipe.precision": "fp8"}))
    assert {path for path, _ in caught.value.problems} == {"model.kv_heads", "recipe.precision"}


def test_five_contradictions_are_five_problems() -> None:
    found = problems(
        LLAMA,
        **{
            "layout.dp": 7, "layout.ep": 2, "recipe.precision": "fp8", "model.encoder_layers": 4,
            "layout.zero_group": 3,
        },
    )  # fmt: skip
    assert set(found) >= {"layout.dp", "layout.ep", "recipe.precision", "model.encoder_layers", "layout.zero_group"}


@pytest.mark.parametrize("number", [1, 2, 12, 64, 97, 4096, 2**20])
def test_divisors_are_all_divisors(number: int) -> None:
    assert divisors(number) == [d for d in range(1, number + 1) if number % d == 0]


def test_the_nearest_divisor_is_near_in_ratio() -> None:
    assert [nearest_divisor(64, wanted) for wanted in (1, 5, 6, 7, 48, 100)] == [1, 4, 8, 8, 64, 64]


degrees = st.sampled_from([1, 2, 3, 4, 5, 6, 7, 8, 12, 16, 24, 48, 96])
changes = st.fixed_dictionaries(
    {},
    optional={
        "layout.tp": degrees, "layout.pp": degrees, "layout.cp": degrees, "layout.ep": degrees,
        "layout.dp": st.none() | degrees, "layout.virtual_stages": st.integers(1, 6),
        "layout.micro_batch": degrees, "layout.zero_group": st.none() | degrees,
        "layout.recompute_layers": st.none() | st.integers(0, 100), "layout.sequence_parallel": st.booleans(),
        "cluster.nodes": degrees, "cluster.gpus_per_node": st.sampled_from([1, 3, 4, 8, 72]),
        "cluster.accelerator": st.sampled_from(["V100-32GB-SXM", "H100-80GB-SXM", "CPU", "L4"]),
        "recipe.global_batch": st.integers(1, 5000), "recipe.sequence_length": st.integers(1, 10_000),
        "recipe.tokens": st.integers(1, 10**13),
        "recipe.precision": st.sampled_from(["fp32", "bf16", "fp16", "fp8", "nvfp4"]),
        "model.heads": degrees, "model.kv_heads": degrees, "model.head_dim": degrees,
        "model.hidden": st.integers(1, 9000),
        "model.layers": st.integers(1, 130), "model.experts": st.integers(0, 9),
        "model.experts_per_token": st.integers(0, 9),
        "model.dense_layers": st.integers(0, 40), "model.encoder_layers": st.integers(0, 40),
        "model.architecture": st.sampled_from(["decoder", "encoder", "encoder-decoder"]),
        "model.positions": st.sampled_from(["rotary", "learned"]),
    },
)  # fmt: skip


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(st.sampled_from(["llama-2-70b", "gpt2", "mixtral-8x7b", "t5-11b", "llama-2-7b"]), changes)
def test_applying_what_a_problem_suggests_removes_that_problem(name: str, change: dict[str, Any]) -> None:
    plan = file.load(name).replace(**change)
    found = check(plan)
    assert len({(problem.path, problem.message) for problem in found}) == len(found)
    for problem in found:
        if not problem.changes:
            continue
        after = [str(left) for left in check(plan.replace(**problem.changes))]
        assert str(problem) not in after
        assert not any(left.startswith(f"{problem.path}: {problem.message}") for left in after)


@settings(max_examples=100, deadline=None)
@given(st.sampled_from(["llama-2-70b", "gpt2", "mixtral-8x7b", "t5-11b"]), changes)
def test_a_plan_without_errors_can_be_estimated_and_one_with_errors_cannot(name: str, change: dict[str, Any]) -> None:
    plan = file.load(name).replace(**change)
    if any(problem.severity == "error" for problem in check(plan)):
        with pytest.raises(PlanError):
            estimate(plan)
    else:
        assert estimate(plan).outcome.step.total > 0


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["llama-2-70b", "gpt2", "mixtral-8x7b"]), changes)
def test_following_suggestions_ends(name: str, change: dict[str, Any]) -> None:
    plan = file.load(name).replace(**change)
    for _ in range(40):
        mendable = next((problem for problem in check(plan) if problem.severity == "error" and problem.changes), None)
        if mendable is None:
            break
        plan = plan.replace(**mendable.changes)
    assume(not any(problem.severity == "error" and not problem.changes for problem in check(plan)))
    assert not any(problem.severity == "error" for problem in check(plan))
