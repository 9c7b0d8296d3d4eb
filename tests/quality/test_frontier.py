import json
import math

import pytest

from planner.errors import InputError
from planner.estimate import estimate
from planner.plan import file
from planner.quality.budget import Budget, Training, editable_budget, parse_budget
from planner.quality.frontier import Demand, compute_ratio, frontier, off_optimum, same_quality_sizes
from planner.quality.frontier_figures import figures
from planner.quality.laws import law, names
from planner.quality.lifetime import demand

SEVEN = Training("seven", 7e9, 2e12, {"USD": 1e6 / 8.4e22, "GPU-hours": 2e5 / 8.4e22, "kg": 3e4 / 8.4e22, "kWh": 0.0})


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [("1e24 FLOP", 1e24, "FLOP"), ("1e24", 1e24, "FLOP"), ("5 ZFLOP", 5e21, "FLOP"), ("$2M", 2e6, "USD"),
     ("2 million dollars", 2e6, "USD"), ("3.3M GPU-hours", 3.3e6, "GPU-hours"), ("30 days", 30 * 86400, "s"),
     ("500 MWh", 5e5, "kWh"), ("31 t CO2e", 31e3, "kg"), ("31 tCO2e", 31e3, "kg")],
)  # fmt: skip
def test_a_budget_is_read_in_an_engineers_words(text, amount, unit):
    assert parse_budget(text) == Budget(pytest.approx(amount), unit)


@pytest.mark.parametrize("unit", ["FLOP", "USD", "GPU-hours", "s", "kWh", "kg"])
@pytest.mark.parametrize("amount", [3.1415, 271.8, 12345.6, 8.09e22])
def test_a_budget_is_typed_as_it_is_read(amount, unit):
    back = parse_budget(editable_budget(amount, unit))
    assert back.unit == unit and back.amount == pytest.approx(amount, rel=0.005)


@pytest.mark.parametrize(
    "text", ["abc", "", "$", "-1e24 FLOP", "0", "nan", "1e999 FLOP", "3 apples", "$-2M", "1" * 500]
)
def test_a_bad_budget_is_quoted(text):
    with pytest.raises(InputError, match="budget"):
        parse_budget(text)


def test_a_budget_in_flops_is_the_laws_own():
    found = frontier(parse_budget("5.76e23 FLOP"), law="hoffmann-2022")
    assert found.optimum.parameters == pytest.approx(4.03609e10, rel=1e-5)
    assert found.optimum.perplexity == pytest.approx(math.exp(1.918412), rel=1e-6)


def test_other_budgets_go_by_what_the_plan_costs_a_flop():
    assert frontier(Budget(2e6, "USD"), training=SEVEN).budget_flops == pytest.approx(1.68e23)
    assert frontier(Budget(1e5, "GPU-hours"), training=SEVEN).budget_flops == pytest.approx(4.2e22)
    assert frontier(training=SEVEN).budget_flops == pytest.approx(6 * 7e9 * 2e12)


def test_an_amount_that_the_plan_does_not_know_is_an_error():
    for unit in ("s", "kWh"):
        with pytest.raises(InputError, match="cannot be turned into FLOPs"):
            frontier(Budget(1e6, unit), training=SEVEN)
    with pytest.raises(InputError, match="must be in FLOP"):
        frontier(Budget(1e6, "USD"))


def test_training_is_read_from_an_estimate_without_its_fixed_sums():
    plan = file.with_settings(file.load("llama-2-7b"), [("prices.staff_usd", 5e5)])
    result = estimate(plan)
    training = Training.of(result)
    spent = result.json["cost_usd"]["total"] - 5e5
    assert training.flops == pytest.approx(6 * result.json["parameters"] * 2e12)
    assert training.budget_flops(Budget(spent, "USD")) == pytest.approx(training.flops)
    amounts = training.amounts(training.flops / 2)
    assert amounts["GPU-hours"] == pytest.approx(result.json["gpu_hours"] / 2) and next(iter(amounts)) == "FLOP"
    assert training.price_source


def test_the_optimum_is_the_lowest_point_of_the_curve():
    found = frontier(1e23)
    lowest = min(found.curve, key=lambda point: point.loss)
    assert lowest.parameters == found.optimum.parameters
    assert all(point.low < point.perplexity < point.high for point in found.curve)
    assert all(6 * point.parameters * point.tokens == pytest.approx(1e23) for point in found.curve)


def test_the_json_is_the_contract():
    data = frontier(1e23, training=SEVEN).to_json()
    assert {"law", "budget_flops", "optimum", "curve", "plan"} <= set(data)
    assert set(data["optimum"]) == {"parameters", "tokens", "loss", "perplexity", "bands"}
    assert {"parameters", "tokens", "loss", "perplexity", "low", "high"} <= set(data["curve"][0])
    assert data["curve"][0]["compute_ratio"] is None  # no amount of data brings so small a size there
    json.dumps(data, allow_nan=False)
    low, high = data["optimum"]["bands"]["parameters"]
    assert low < data["optimum"]["parameters"] < high
    assert data["plan"]["name"] == "seven"


@pytest.mark.parametrize("name", names())
def test_every_law_answers_or_says_why_not(name):
    if not law(name).gives_optimum:
        with pytest.raises(InputError, match="besiroglu-2024"):
            frontier(1e22, law=name, training=SEVEN)
        return
    found = frontier(1e22, law=name, training=SEVEN)
    assert found.optimum.parameters > 0
    assert bool(found.curve) == law(name).gives_loss
    assert (found.optimum.loss is None) != law(name).gives_loss


def test_being_off_the_optimum_has_its_price():
    chosen, flops = law(), 1e23
    best = float(chosen.optimum(flops).parameters)
    assert compute_ratio(chosen, best, best, flops) == pytest.approx(1.0)
    smaller, larger = compute_ratio(chosen, best / 3, best, flops), compute_ratio(chosen, best * 3, best, flops)
    assert smaller == pytest.approx(2.09, abs=0.01) and 1.0 < larger < smaller  # by hand: 6.28 times the tokens over 3
    assert compute_ratio(chosen, best / 1000, best, flops) == math.inf


def test_the_plans_price_is_its_compute_over_the_cheapest():
    standing = frontier(training=SEVEN).plan
    assert standing.compute_ratio > 1
    assert law().optimum(standing.cheapest_flops).loss == pytest.approx(standing.point.loss)


def test_the_optimum_is_flat():
    low, high = same_quality_sizes(law(), 1e23)
    best = float(law().optimum(1e23).parameters)
    assert low < best / 2 and high > best * 2


def test_more_budget_never_gives_a_worse_best_loss():
    losses = [frontier(10.0**exponent).optimum.loss for exponent in range(18, 27)]
    assert losses == sorted(losses, reverse=True)


def test_warnings_name_extrapolation_missing_bands_and_repetition():
    assert any("above the range" in warning for warning in frontier(1e25).warnings)
    found = frontier(1e22, law="muennighoff-2023", unique_tokens=25e9)
    assert any("times over the data" in warning for warning in found.warnings)
    assert any("no bands" in warning for warning in found.warnings)
    assert min(point.loss for point in found.curve) == pytest.approx(found.optimum.loss, rel=1e-6)


@pytest.mark.parametrize("flops", [0.0, 1.0, 1e40, math.inf, math.nan])
def test_an_absurd_budget_is_refused(flops):
    with pytest.raises(InputError, match="budget"):
        frontier(flops)


def test_other_budgets_have_the_perplexity_of_their_own_frontier():
    found = frontier(Budget(1e6, "USD"), training=SEVEN)
    half = next(line for line in found.lines if line.flops == found.budget_flops / 2)
    assert half.label == "$500k"
    best = frontier(half.flops, law=found.law).optimum.perplexity
    assert min(half.perplexity) == pytest.approx(best, rel=1e-3) and min(half.perplexity) >= best


def test_who_serves_much_takes_a_smaller_model_on_more_data_at_the_same_loss():
    """Sardana's condition at the optimum, by hand: (αA/N^α)/(βB/D^β) = 1 + ρ·D_inf/(3·D)."""
    found = frontier(1e23, demand=Demand(1e12, 2.0))
    best, form = found.lifetime, found.law.chinchilla
    assert best.parameters < found.optimum.parameters and best.tokens > found.optimum.tokens
    assert best.perplexity == pytest.approx(found.optimum.perplexity) and best.compute_ratio > 1
    size, data = form.A / best.parameters**form.alpha, form.B / best.tokens**form.beta
    assert form.alpha * size / (form.beta * data) == pytest.approx(1 + 2.0 * 1e12 / (3 * best.tokens), rel=1e-6)
    assert form.E + size + data == pytest.approx(best.loss)
    assert frontier(1e23, demand=Demand(0.0, 2.0)).lifetime.parameters == pytest.approx(found.optimum.parameters)


def test_a_borrowed_band_is_told():
    assert any("not its own" in warning for warning in frontier(1e22, law="hoffmann-2022").warnings)


def test_a_law_asked_absurdly_far_out_gives_no_perplexity_instead_of_an_infinite_one() -> None:
    training = Training("one token", 7e9, 1.0, {"USD": 1e-18})
    found = frontier(training=training)
    assert found.plan is not None and found.plan.point.perplexity is None
    assert all(math.isfinite(point.perplexity or math.inf) for point in found.curve)
    assert all(math.isfinite(value) for line in found.lines for value in line.perplexity)
    assert "one token is 7.00B parameters on 1 tokens" in found.verdict


@pytest.mark.parametrize("name", [name for name in names() if law(name).gives_optimum])
@pytest.mark.parametrize("budget", [None, "$300k"])
def test_every_figure_of_a_frontier_is_derived_by_the_code_that_computed_it(name: str, budget: str | None) -> None:
    """The law asked again with everything recorded gives the frontier's own numbers, whatever the law's form."""
    result = estimate(file.load("llama-2-7b"))
    asked = parse_budget(budget) if budget else None
    found = frontier(asked, law=name, training=Training.of(result), demand=demand(result))
    made = figures(found, result)
    assert found.plan is not None
    points = {"optimum": found.optimum, "plan": found.plan.point, "lifetime": found.lifetime}
    for prefix, point in points.items():
        for what in ("parameters", "tokens", "perplexity"):
            value = getattr(point, what) if point else None
            if value is not None:
                figure = made[f"{prefix}.{what}"]
                assert figure.value == pytest.approx(value, rel=1e-12), figure.key
                assert figure.node is not None and figure.node.recombined() == pytest.approx(value, rel=1e-12)
    for words, ratio in off_optimum(found):
        assert made[f"off.{words}"].value == pytest.approx(ratio, rel=1e-12)
    if found.plan.compute_ratio is not None:
        assert made["plan.ratio"].value == pytest.approx(found.plan.compute_ratio, rel=1e-12)
