import json
import time
from pathlib import Path

import numpy as np
import pytest

from planner.errors import CancelledError, InputError
from planner.quality.fit import fit
from planner.quality.frontier import frontier
from planner.quality.laws import law, validated
from planner.quality.points import Points, parse, read

TRUTH = {"E": 1.7, "A": 400.0, "B": 1500.0, "alpha": 0.34, "beta": 0.36}
PUBLISHED = Path(__file__).parents[3] / "shared" / "data" / "chinchilla_points.csv"


def synthetic(noise: float = 0.0, sizes: int = 7, seed: int = 1) -> Points:
    """Points on a grid of sizes and tokens a parameter."""
    N, ratio = (grid.ravel() for grid in np.meshgrid(np.geomspace(5e7, 5e9, sizes), [5.0, 15.0, 40.0, 120.0, 300.0]))
    D = N * ratio
    loss = TRUTH["E"] + TRUTH["A"] / N ** TRUTH["alpha"] + TRUTH["B"] / D ** TRUTH["beta"]
    return Points(N, D, loss * np.exp(noise * np.random.default_rng(seed).standard_normal(len(N))))


def test_noiseless_points_give_their_law_back():
    found = fit(synthetic()).to_json()["parameters"]
    assert found == {name: pytest.approx(value, rel=1e-4) for name, value in TRUTH.items()}


def test_intervals_hold_the_truth_of_noisy_points():
    found = fit(synthetic(noise=0.003), bootstrap=300)
    for name in ("E", "alpha", "beta"):
        low, high = found.intervals[name]
        width = high - low
        assert low - width < TRUTH[name] < high + width
        assert low < found.to_json()["parameters"][name] < high


def test_the_same_points_give_the_same_answer():
    one, two = (fit(synthetic(noise=0.01), bootstrap=50).to_json() for _ in range(2))
    assert {**one, "seconds": 0} == {**two, "seconds": 0}


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published points are not shipped")
def test_the_published_points_give_the_optimum_of_the_published_objective():
    points = read(PUBLISHED)
    found = fit(points)
    expected = {"E": 1.817218, "A": 477.826, "B": 2143.417, "alpha": 0.347311, "beta": 0.367172}
    assert found.to_json()["parameters"] == {name: pytest.approx(value, rel=2e-5) for name, value in expected.items()}
    assert found.objective <= 0.001018274018
    printed = law("besiroglu-2024")
    for name, error in printed.standard_errors.items():
        assert abs(found.to_json()["parameters"][name] - printed.parameters[name]) < error


@pytest.mark.skipif(not PUBLISHED.is_file(), reason="the published points are not shipped")
def test_a_thousand_bootstrap_samples_take_seconds():
    began = time.perf_counter()
    found = fit(read(PUBLISHED), bootstrap=1000)
    assert time.perf_counter() - began < 20
    published = {"E": 0.02566, "A": 124.52, "B": 1293.28, "alpha": 0.01540, "beta": 0.02060}
    assert found.standard_errors == {name: pytest.approx(value, rel=0.15) for name, value in published.items()}


def test_a_fit_is_a_law_with_bands():
    own = fit(synthetic(noise=0.003), bootstrap=200).law("mine")
    again = validated(json.loads(own.model_dump_json()), "mine")
    assert again == own
    point = frontier(1e21, law=again).optimum
    assert point.low < point.perplexity < point.high


def test_bad_points_are_named_by_their_line():
    text = "parameters,tokens,loss\n1e8,1e9,3.0\nnan,1e9,3.0\n1e8,0,3.0\n1e8,1e9,-1\n1e8,,3\n1e8,1e9,inf\n1e8,1e9,abc\n"
    with pytest.raises(InputError) as caught:
        parse(text, "points.csv")
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == [f"points.csv, line {n}" for n in (3, 4, 5, 6, 7, 8)]
    assert "NaN" in lines[0] and "above zero" in lines[1] and "blank" in lines[3] and "infinite" in lines[4]


def test_a_repeated_point_counts_once_and_is_named():
    points = parse("parameters,tokens,loss\n1e8,1e9,3.0\n1e8,2e9,2.9\n1e8,1e9,3.0\n")
    assert len(points) == 2
    assert points.warnings == ("points, line 4: the same point as in line 2; it is counted once",)


def test_other_columns_and_their_order_do_not_matter():
    points = parse("note,loss, tokens ,run,parameters\nhello,3.0,1e9,a,1e8\n")
    assert (points.parameters[0], points.tokens[0], points.loss[0], points.runs) == (1e8, 1e9, 3.0, ("a",))


@pytest.mark.parametrize("text", ["", "parameters,loss\n1,2\n", "a\tb\n"])
def test_missing_columns_are_named(text):
    with pytest.raises(InputError, match="tokens"):
        parse(text)


def test_a_missing_file_is_one_clear_message(tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read(tmp_path / "none.csv")


def refused(points: Points) -> str:
    with pytest.raises(InputError) as caught:
        fit(points)
    return str(caught.value)


def test_too_few_points_or_sizes_are_refused():
    full = synthetic()
    assert "at least 6" in refused(Points(full.parameters[:5], full.tokens[:5], full.loss[:5]))
    assert "model sizes" in refused(synthetic(sizes=2))


def test_one_ratio_of_tokens_to_parameters_is_refused():
    N = np.geomspace(1e8, 1e10, 12)
    assert "same tokens a parameter" in refused(Points(N, 20 * N, 1.7 + 400 / N**0.34 + 1500 / (20 * N) ** 0.36))


def test_a_loss_that_does_not_follow_the_size_is_refused():
    full = synthetic()
    loss = 1.7 + 1500 / full.tokens**0.36
    noise = np.random.default_rng(0).standard_normal(len(loss))
    assert "not identified" in refused(Points(full.parameters, full.tokens, loss * np.exp(1e-3 * noise)))


def test_pure_noise_is_refused():
    full = synthetic()
    loss = 3 + np.random.default_rng(3).uniform(size=len(full))
    assert "not identified" in refused(Points(full.parameters, full.tokens, loss))


def test_no_irreducible_loss_is_a_warning():
    full = synthetic()
    loss = 400 / full.parameters**0.2 + 1500 / full.tokens**0.25
    assert any("E is" in warning for warning in fit(Points(full.parameters, full.tokens, loss)).warnings)


def test_few_points_are_a_warning():
    full = synthetic(noise=1e-4, sizes=5)
    few = slice(None, None, 3)
    found = fit(Points(full.parameters[few], full.tokens[few], full.loss[few]))
    assert any("only 9 points" in warning for warning in found.warnings)


def test_points_of_one_run_are_resampled_together():
    full = synthetic(noise=0.003)
    runs = tuple(f"run {size:.3g}" for size in full.parameters)
    alone = fit(full, bootstrap=200).standard_errors["beta"]
    together = fit(Points(full.parameters, full.tokens, full.loss, runs), bootstrap=200).standard_errors["beta"]
    assert together != alone


def test_a_cancelled_bootstrap_stops():
    with pytest.raises(CancelledError):
        fit(synthetic(noise=0.01), bootstrap=1000, cancelled=lambda: True)


def test_the_json_is_the_contract():
    data = fit(synthetic(noise=0.003), bootstrap=20).to_json()
    assert list(data) == ["parameters", "standard_errors", "intervals", "objective", "n", "seconds", "warnings"]
    assert list(data["parameters"]) == list(data["standard_errors"]) == ["E", "A", "B", "alpha", "beta"]
    json.dumps(data, allow_nan=False)


def test_the_default_law_is_not_touched_by_fits():
    assert law().name == "besiroglu-2024"


def test_a_control_character_beside_a_number_is_no_part_of_it():
    found = parse("parameters,tokens,loss,run\n1e9,\x1f4e9,3.2 \x1f,a\n")
    assert found.tokens.tolist() == [4e9] and found.loss.tolist() == [3.2]
