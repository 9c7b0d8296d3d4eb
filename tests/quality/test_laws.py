import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import InputError, UnknownNameError
from planner.formula import Traced, recording
from planner.quality import losses
from planner.quality.laws import DEFAULT, law, names, validated

VECTORS = json.loads((Path(__file__).parent / "vectors.json").read_text("utf-8"))
CHINCHILLA_LAWS = ["hoffmann-2022", "besiroglu-2024", "muennighoff-2023", "gadre-2024", "sardana-2023", "kumar-2024"]


@pytest.mark.parametrize("vector", VECTORS["optima"], ids=lambda v: f"{v['law']}-{v['flops']:.2g}")
def test_optimum_equals_the_test_vectors(vector):
    best = law(vector["law"]).optimum(vector["flops"])
    assert best.parameters == pytest.approx(vector["parameters"], rel=1e-9)
    assert best.tokens == pytest.approx(vector["tokens"], rel=1e-9)
    assert best.loss == pytest.approx(vector["loss"], rel=1e-12)


@pytest.mark.parametrize("vector", VECTORS["repeated_data"])
def test_repeated_data_equals_the_published_code(vector):
    loss = law("muennighoff-2023").loss(vector["parameters"], vector["tokens"], vector["unique_tokens"])
    assert loss == pytest.approx(vector["loss"], abs=1e-12)


@pytest.mark.parametrize("row", VECTORS["hoffmann_table_3"], ids=lambda row: f"{row['parameters']:.2g}")
def test_approach_1_gives_the_printed_table_within_its_rounding(row):
    best = law("hoffmann-2022-approach-1").optimum(row["flops"])
    assert best.parameters == pytest.approx(row["parameters"], rel=0.013)  # the 67B row is rounded hardest
    assert best.tokens == pytest.approx(row["tokens"], rel=0.06)


def test_hoffmann_is_never_shipped_as_printed():
    form = law("hoffmann-2022").chinchilla
    assert form is not None
    assert float(f"{form.alpha:.4g}") == 0.3392 and float(f"{form.A:.6g}") == 406.401
    assert law("hoffmann-2022").optimum(5.76e23).parameters == pytest.approx(40.36e9, rel=1e-3)


def test_kaplan_allocates_as_printed():
    assert law("kaplan-2020").optimum(8.64e19).parameters == pytest.approx(1.3e9)
    best = law("kaplan-2020").optimum(8.64e19)
    assert best.loss == pytest.approx(3.1e8**0.050, rel=0.03)  # L(C_min) of the same paper


def test_deepseek_allocates_as_printed():
    best = law("deepseek-2024").optimum(1e20)
    assert 6 * best.parameters == pytest.approx(0.1715 * 1e20**0.5243)
    assert best.tokens == pytest.approx(5.8316 * 1e20**0.4757, rel=1e-3)
    assert math.isnan(best.loss)


def test_gadre_keeps_its_own_form():
    p, N, D = law("gadre-2024").parameters, 1.4e9, 900e9
    C, M = 6 * N * D, D / N
    printed = p["E"] + (p["a"] * M ** p["eta"] + p["b"] * M ** -p["eta"]) * C ** -p["eta"]
    assert law("gadre-2024").loss(N, D) == pytest.approx(printed)


def test_precision_shares_are_those_of_the_paper():
    p = law("kumar-2024").parameters
    full = 1e3  # bits: as good as exact
    gammas = p["gamma_w"], p["gamma_a"], p["gamma_kv"]
    assert losses.parameters_at_precision(1.0, 8, full, full, *gammas) == pytest.approx(0.950, abs=5e-4)
    assert losses.parameters_at_precision(1.0, 4, full, full, *gammas) == pytest.approx(0.776, abs=5e-4)


def test_critical_batch_is_a_million_tokens_at_three_nats():
    p = law("mccandlish-2018").parameters
    assert losses.critical_batch_tokens(3.0, p["B_star"], p["alpha_B"]) == pytest.approx(1.07e6, rel=5e-3)
    assert losses.critical_batch_tokens(2.5, p["B_star"], p["alpha_B"]) == pytest.approx(2.55e6, rel=5e-3)


def test_embeddings_are_most_of_a_small_model():
    assert losses.with_embeddings(1e9, 32_000) - 1e9 == pytest.approx(47_491 * 1e3, rel=1e-3)


@settings(max_examples=60, deadline=None)
@given(name=st.sampled_from(CHINCHILLA_LAWS), exponent=st.floats(17, 27))
def test_no_other_size_beats_the_closed_form(name, exponent):
    chosen, flops = law(name), 10.0**exponent
    best = chosen.optimum(flops)
    others = float(best.parameters) * np.geomspace(1e-2, 1e2, 2001)
    assert np.all(chosen.loss_within(others, flops) >= best.loss * (1 - 1e-12))
    near = float(best.parameters) * np.array([0.9, 1.1])
    assert np.all(chosen.loss_within(near, flops) > best.loss)
    assert losses.training_flops(best.parameters, best.tokens) == pytest.approx(flops)


@settings(max_examples=40, deadline=None)
@given(name=st.sampled_from(CHINCHILLA_LAWS), exponent=st.floats(18, 26))
def test_cheapest_compute_inverts_the_best_loss(name, exponent):
    best = law(name).optimum(10.0**exponent)
    assert law(name).cheapest(best.loss) == pytest.approx(10.0**exponent, rel=1e-5)


@pytest.mark.parametrize("name", ["besiroglu-2024", "kaplan-2020", "gadre-2024"])
def test_arrays_and_scalars_agree(name):
    sizes = np.array([1e8, 1e9, 1e10])
    together = law(name).loss_within(sizes, 1e21)
    assert together == pytest.approx([law(name).loss_within(size, 1e21) for size in sizes])
    assert law(name).optimum(np.array([1e20, 1e22])).parameters[1] == pytest.approx(law(name).optimum(1e22).parameters)


def test_an_unreachable_loss_costs_infinitely_much():
    chosen = law()
    assert chosen.cheapest(chosen.parameters["E"]) == math.inf
    assert losses.tokens_for_loss(1.9, 1e6, *chosen.chinchilla) == math.inf


def test_more_data_than_there_is_moves_the_optimum_to_more_epochs():
    best = law("muennighoff-2023").optimum(1e22, 25e9)
    assert best.parameters == pytest.approx(7.026e9, rel=1e-3)
    assert best.tokens / 25e9 == pytest.approx(9.49, rel=1e-3)
    assert best.loss > law("muennighoff-2023").optimum(1e22).loss


def test_a_law_without_repeated_data_refuses_them():
    with pytest.raises(InputError, match="muennighoff-2023"):
        law().loss(1e9, 1e12, 1e11)


def test_outside_its_range_a_law_says_so():
    assert law().outside(1e9, 20e9, 1.2e20) == []
    sentences = law().outside(70e9, 2e12, 8.4e26)
    assert len(sentences) == 3 and "above" in sentences[0] and "far extrapolation" in sentences[2]


def test_every_shipped_law_names_its_source_and_works():
    assert DEFAULT in names() and len(names()) >= 12
    for name in names():
        one = law(name)
        assert one.name == name and one.source and one.as_of and one.title
        if one.gives_loss:
            assert 1 < one.loss(1e9, 20e9) < 5
    assert [name for name in names() if law(name).recommended] == [DEFAULT]


def test_bands_follow_the_bootstrap_of_the_points():
    draws = law().samples(4000)
    sizes = losses.optimal_parameters(5.76e23, draws.A, draws.B, draws.alpha, draws.beta)
    low, high = np.quantile(sizes, [0.1, 0.9])
    assert low == pytest.approx(5.74e10, rel=0.05) and high == pytest.approx(9.71e10, rel=0.05)


def test_unknown_and_incomplete_laws_are_refused():
    with pytest.raises(UnknownNameError, match="besiroglu-2024"):
        law("besiroglu")
    with pytest.raises(InputError, match="alpha"):
        validated({**law().model_dump(), "parameters": {"E": 1}}, "x.json")


def test_a_loss_explains_itself():
    with recording():
        value = losses.perplexity(law().loss(1e9, 20e9))
    assert isinstance(value, Traced)
    assert value.node.children["loss"].expression.startswith("L = E + A/N")
    assert value.node.recombined() == pytest.approx(float(value))


@pytest.mark.parametrize(
    ("name", "changes", "said"),
    [
        ("besiroglu-2024", {"alpha": 1e308}, r"parameters\.alpha = 1e\+308: an exponent from 0\.001 to 10"),
        ("besiroglu-2024", {"beta": -0.3}, r"parameters\.beta = -0\.3: an exponent"),
        ("besiroglu-2024", {"A": 0.0, "E": -1.0}, r"parameters\.A = 0: must be above zero; parameters\.E = -1"),
        ("besiroglu-2024", {"A": 1e300, "alpha": 0.001, "beta": 0.001}, "no finite number"),
        ("kaplan-2020", {"a": 73.0}, r"parameters\.a = 73"),
        ("mccandlish-2018", {"alpha_B": 1e-300}, r"parameters\.alpha_B"),
        ("step-law-2025", {"lr_N": 400.0}, "no finite number"),
    ],
)
def test_a_law_that_no_measurement_gives_is_refused_by_its_parameter(name, changes, said):
    data = law(name).model_dump()
    with pytest.raises(InputError, match=said):
        validated({**data, "parameters": data["parameters"] | changes}, "x.json")


def test_a_range_from_nothing_and_a_covariance_without_end_are_refused():
    data = law().model_dump()
    with pytest.raises(InputError, match=r"valid\.tokens"):
        validated({**data, "valid": {"tokens": (0.0, 1e12)}}, "x.json")
    with pytest.raises(InputError, match=r"covariance\.matrix"):
        validated({**data, "covariance": {"matrix": [[float("nan")] * 5] * 5, "source": "s"}}, "x.json")


@pytest.mark.parametrize("off_diagonal", [(2e-4, 2e-4), (1e-5, -1e-5)], ids=["no variance", "not symmetric"])
def test_a_covariance_that_nothing_can_be_drawn_from_is_refused(off_diagonal):
    matrix = np.diag([1e-4] * 5)
    matrix[0, 1], matrix[1, 0] = off_diagonal
    with pytest.raises(InputError, match="covariance"):
        validated({**law().model_dump(), "covariance": {"matrix": matrix.tolist(), "source": "s"}}, "x.json")
