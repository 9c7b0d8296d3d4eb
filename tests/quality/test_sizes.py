"""A law's size as a model of the family, and as a plan that can be estimated."""

import pytest

from planner.counting import parameters as counting
from planner.errors import InputError
from planner.estimate import estimate
from planner.plan import file
from planner.plan.check import check
from planner.plan.shipped import model as shipped
from planner.quality.sizes import model_of_size, plan_of_size


@pytest.mark.parametrize("name", ["llama-2-7b", "llama-2-70b", "gpt2", "mixtral-8x7b", "bert-large-cased"])
@pytest.mark.parametrize("parameters", [1.3e9, 2.64e10, 3e11])
def test_a_scaled_model_has_the_size_asked_and_the_familys_proportions(name: str, parameters: float) -> None:
    family = shipped(name)
    model = model_of_size(family, parameters)
    assert float(counting.of_model(model).active) == pytest.approx(parameters, rel=0.05)
    assert model.hidden / model.heads == pytest.approx(family.hidden / family.heads, rel=0.02)
    assert model.ffn / model.hidden == pytest.approx(family.ffn / family.hidden, rel=0.05)
    assert model.heads % model.kv_heads == 0 and model.vocabulary == family.vocabulary
    aspect = model.hidden / model.layers / (family.hidden / family.layers)
    assert 0.5 < aspect < 2


def test_the_familys_own_sizes_come_back_as_models_of_their_size() -> None:
    """Llama 2 70B from the dimensions of Llama 2 7B: Meta took 80 layers of 8,192; 13B took 40 of 5,120."""
    model = model_of_size(shipped("llama-2-7b"), 13.016e9)
    assert (model.layers, model.hidden) == (40, 5120)


def test_a_size_below_the_embeddings_is_refused() -> None:
    with pytest.raises(InputError, match="no model of its proportions"):
        model_of_size(shipped("llama-2-7b"), 1e4)


def test_a_plan_of_another_size_can_be_estimated() -> None:
    plan = plan_of_size(file.load("llama-2-7b"), 2.64e10, 5.1e11)
    assert not [problem for problem in check(plan) if problem.severity == "error"]
    result = estimate(plan)
    assert result.fits and plan.recipe.tokens == 510_000_000_000
    assert float(result.outcome.parameters.total) == pytest.approx(2.64e10, rel=0.05)
