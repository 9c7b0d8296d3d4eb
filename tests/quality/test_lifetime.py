"""A plan's life, put together: sums, the best size, the command."""

from __future__ import annotations

import json

import pytest

from planner import cli
from planner.errors import InputError
from planner.plan import file
from planner.plan.post_training import Stage
from planner.quality.account_figures import TOLD, account_figure
from planner.quality.lifetime import Life, account_json, life_of
from planner.quality.task import compare, scores


@pytest.fixture(scope="module")
def life() -> Life:
    return life_of(file.load("llama-2-70b"))


def test_the_parts_add_up_and_the_best_is_no_dearer(life: Life) -> None:
    cost = life.to_json()["cost_usd"]
    assert cost["total"] == pytest.approx(cost["training"] + cost["post_training"] + cost["serving"])
    assert life.best.total_usd <= life.plan.total_usd
    assert life.best.total_usd <= min(choice.total_usd for choice in life.curve) * (1 + 1e-9)
    assert life.best.parameters < life.compute_optimal.parameters


def test_the_plan_itself_lies_on_the_curve_of_its_loss(life: Life) -> None:
    nearest = min(life.curve, key=lambda choice: abs(choice.parameters - life.plan.parameters))
    assert nearest.parameters == pytest.approx(life.plan.parameters)
    assert nearest.tokens == pytest.approx(life.plan.tokens, rel=1e-6)
    assert nearest.total_usd == pytest.approx(life.plan.total_usd, rel=1e-6)


def test_every_number_of_the_account_has_its_derivation(life: Life) -> None:
    assert life.account is not None and life.drawn is not None
    account = account_json(life.account, life.drawn)
    for row, part in enumerate([*account["parts"], account]):
        for name in (*TOLD, "share"):
            found = account_figure(life, row, name)
            if name not in {**part, "share": 0}:
                assert found is None
                continue
            assert found is not None and found.node is not None
            value = part["usd"] / account["usd"] if name == "share" else part[name]
            assert found.value == pytest.approx(value, rel=1e-12)
            if name != "share" and found.low is not None:
                assert [found.low, found.high] == part["bands"][name]
            waiting, seen = [found.node], set()
            while waiting:
                node = waiting.pop()
                assert node.recombined() == pytest.approx(node.value, rel=1e-12)
                assert node.children or node.source, node.name
                waiting += [one for one in node.children.values() if id(one) not in seen]
                seen |= {id(one) for one in waiting}


@pytest.mark.parametrize("price", [2.0, 0.0])
def test_a_stage_of_which_nothing_is_told_yet_costs_nothing(price: float) -> None:
    empty = Stage(name="Stage 1", kind="evaluation", source="added by hand").model_dump()
    told = [("post_training.stages", [empty]), ("prices.usd_per_gpu_hour", price)]
    found = life_of(file.with_settings(file.load("llama-2-7b"), told))
    stages = found.figures["post_training.stages_usd"]
    assert (stages.value, stages.low) == (0.0, None)
    assert found.to_json()["post_training"]["safety_share_of_post_training"] == 0.0


def test_training_is_what_the_estimate_says(life: Life) -> None:
    assert life.plan.training_usd == pytest.approx(float(life.estimate.outcome.total_usd))


def test_every_figure_is_what_its_derivation_gives(life: Life) -> None:
    for figure in life.figures.values():
        assert figure.node is not None, figure.key
        assert figure.node.recombined() == pytest.approx(figure.value), figure.key


def test_a_life_that_serves_nothing_is_best_compute_optimal() -> None:
    plan = file.with_settings(file.load("llama-2-7b"), [("lifetime.served_tokens", "0")])
    found = life_of(plan)
    assert found.best.parameters == pytest.approx(found.compute_optimal.parameters)


def test_a_law_without_equal_losses_is_refused() -> None:
    with pytest.raises(InputError, match="deepseek"):
        life_of(file.load("llama-2-7b"), "deepseek-2024")


def test_every_call_pays_for_the_prompt() -> None:
    few, many = (
        compare(file.with_settings(file.load("llama-2-70b"), [("lifetime.task.examples", count)]))
        for count in ("4", "32")
    )
    prompted = [float(found.ways[0].usd_per_call) for found in (few, many)]
    assert prompted[1] > 4 * prompted[0]
    assert float(few.ways[1].usd_per_call) == float(many.ways[1].usd_per_call)


def test_a_prompt_cache_brings_prompting_near_the_fine_tuned() -> None:
    plan = file.with_settings(file.load("llama-2-70b"), [("lifetime.task.cached_share", "1")])
    prompted, tuned, *_ = compare(plan).ways
    assert float(prompted.usd_per_call) < 3 * float(tuned.usd_per_call)


def test_at_the_break_even_both_ways_cost_the_same() -> None:
    found = compare(file.load("llama-2-70b"))
    prompted, _, small, _ = found.ways
    calls = found.break_even("prompted", "small")
    assert float(prompted.cost(calls)) == pytest.approx(float(small.cost(calls)))
    assert found.cheapest is small


def test_published_scores_stand_beside_each_way() -> None:
    by_key = {way.key: way for way in compare(file.load("llama-2-70b")).ways}
    assert [score.score for score in by_key["small"].scores] == [69.0]
    assert [score.score for score in by_key["prompted"].scores] == [71.8]
    assert all(row["source"] and row["confidence"] for row in scores(""))


def test_from_scratch_more_labels_and_passes_are_paid_for_and_calls_cost_the_same() -> None:
    *_, small, scratch = compare(file.load("llama-2-70b")).ways
    assert float(scratch.usd_per_call) == float(small.usd_per_call)
    assert float(scratch.fixed_usd) > 25_000 * 0.5 > float(small.fixed_usd)
    asked = [("lifetime.task.scratch_labels", "5000"), ("lifetime.task.scratch_epochs", "3")]
    *_, small, scratch = compare(file.with_settings(file.load("llama-2-70b"), asked)).ways
    assert float(scratch.fixed_usd) == float(small.fixed_usd)


def test_scores_from_scratch_stand_beside_fine_tuned_ones_of_the_same_model() -> None:
    plan = file.with_settings(file.load("llama-2-70b"), [("lifetime.task.quality_task", "SMS spam")])
    by_key = {way.key: way for way in compare(plan).ways}
    (scratch,) = by_key["scratch"].scores
    tuned = {score.model: score.score for score in by_key["small"].scores}
    assert scratch.score < tuned[scratch.model] and not by_key["prompted"].scores


def test_a_plan_of_before_there_were_years_costs_the_same() -> None:
    plan = file.with_settings(file.load("llama-2-7b"), [("lifetime.served_tokens", "100B")])
    old = json.loads(file.to_text(plan))
    del old["lifetime"]["years"]
    again = file.from_data(old)
    assert again == plan and life_of(again).total_usd == life_of(plan).total_usd


def test_both_prices_of_the_pre_training_are_explained_where_they_differ() -> None:
    life = life_of(file.load("llama-2-70b"))
    assert life.account is not None
    hours, usd = float(life.account.pretraining.gpu_hours), float(life.account.pretraining.usd)
    assert usd / hours > 1.2 * life.plan.training_usd / hours
    assert f"${usd / hours:.2f} each" in life.price_words and "same GPU-hours" in life.price_words
    assert not life_of(file.load("llama-2-7b")).price_words


def test_the_command_prints_one_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lifetime", "llama-2-70b", "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert {"serving", "cost_usd", "optimum", "curve", "post_training", "task"} <= set(data)
    assert data["post_training"]["safety_share"] > 0


def test_the_command_prints_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lifetime", "llama-2-7b", "--set", "lifetime.served_tokens=100B"]) == 0
    out, _ = capsys.readouterr()
    assert "lifetime-optimal" in out and "General or specific" in out and "No post-training" in out


def test_an_accelerator_without_bf16_serves_in_fp16_and_refuses_fp8(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lifetime", "bert-large-cased", "--set", "cluster.accelerator=V100-32GB-SXM", "--json"]) == 0
    assert cli.run(["lifetime", "llama-2-7b", "--set", "lifetime.precision=fp8"]) == 2
    assert "lifetime.precision" in capsys.readouterr().err


def test_an_unknown_price_is_told_and_no_number_is_made_up(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["lifetime", "llama-2-7b", "--set", "lifetime.accelerator=L4", "--set", "lifetime.precision=fp8", "--json"]
    code = cli.run(words)
    out, err = capsys.readouterr()
    assert code == 0 and json.loads(out)["serving"]["gpus"] >= 1 and err
