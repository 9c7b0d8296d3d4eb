"""Any plan becomes one that can be trained here, and what gave way is told."""

from __future__ import annotations

import pytest

from planner.errors import MissingError
from planner.plan.file import load
from planner.plan.model import Model
from planner.plan.section import PlanError
from planner.profiling import trainable
from planner.profiling.trainable import Here, adapted, default, smaller, wanted
from planner.timing.profile import Device

CPU = Here(Device(kind="cpu", name="a processor", memory_bytes=16e9), "fp32")
H100 = Here(Device(kind="cuda", name="NVIDIA H100 80GB HBM3", memory_bytes=85e9), "bf16")


def test_a_plan_of_two_thousand_gpus_becomes_one_of_this_machine() -> None:
    found = adapted(load("llama-2-70b"), H100, whole_step=False)
    plan = found.plan
    assert (plan.cluster.gpus, plan.layout.tp, plan.layout.pp, plan.dp) == (1, 1, 1, 1)
    assert plan.cluster.accelerator.name == "H100-80GB-SXM"
    assert trainable.micro_batches(plan) == trainable.MICRO_BATCHES
    assert any("layout.tp" in note for note in found.notes) and any("micro-batches" in note for note in found.notes)
    assert any("recipe.framework" in note and "PyTorch" in note for note in found.notes)


def test_model_recipe_and_micro_batch_stay() -> None:
    before = load("llama-2-7b")
    after = adapted(before, H100, whole_step=False).plan
    assert after.model == before.model
    assert (after.recipe.precision, after.recipe.sequence_length) == ("bf16", before.recipe.sequence_length)
    assert after.layout.micro_batch == before.layout.micro_batch


def test_a_processor_without_bf16_units_trains_in_fp32_and_says_so() -> None:
    found = adapted(load("gpt2"), CPU, whole_step=False)
    assert found.plan.recipe.precision == "fp32"
    assert any(note.startswith("recipe.precision: bf16 → fp32") for note in found.notes)


def test_a_layout_that_these_ranks_can_have_stays() -> None:
    plan = load("llama-2-7b").replace(**{"layout.tp": 2, "layout.pp": 1})
    here = Here(H100.device, "bf16", ranks=4, ranks_per_node=4)
    after = adapted(plan, here, whole_step=True).plan
    assert (after.layout.tp, after.dp, after.layout.zero_stage) == (2, 2, 2)  # ZeRO-1 is trained as ZeRO-2


def test_tied_weights_over_two_stages_are_refused_with_what_mends_it() -> None:
    plan = load("gpt2").replace(**{"layout.pp": 2, "cluster.gpus_per_node": 2, "layout.micro_batch": 1})
    with pytest.raises(PlanError, match=r"model\.tied_embeddings.*layout\.pp=1"):
        adapted(plan, Here(H100.device, "bf16", ranks=2, ranks_per_node=2), whole_step=True)


def test_a_gpu_without_data_sheet_is_told_how_to_add_one() -> None:
    here = Here(Device(kind="cuda", name="NVIDIA Imaginary 9000", memory_bytes=1e12), "bf16")
    with pytest.raises(MissingError, match=r"NVIDIA Imaginary 9000.*accelerators"):
        default(Model.model_validate(load("gpt2").model.model_dump()), here)


def test_layers_go_first_and_tokens_last() -> None:
    plan = load("gpt2").replace(**{"layout.micro_batch": 4, "recipe.sequence_length": 256})
    plans = [(one.model.layers, one.layout.micro_batch, one.recipe.sequence_length) for one, _ in smaller(plan)]
    assert plans[:3] == [(11, 4, 256), (10, 4, 256), (9, 4, 256)]
    assert plans[10:13] == [(1, 4, 256), (1, 2, 256), (1, 1, 256)][:3]
    assert plans[-1] == (1, 1, 16)


def test_the_users_settings_shape_the_small_plan() -> None:
    plan = wanted(None, "gpt2", CPU, [("layout.micro_batch", 3), ("layout.recompute", "full")], 5)
    assert (plan.layout.micro_batch, plan.recipe.global_batch, plan.layout.recompute) == (3, 15, "full")
    stated = wanted(None, "gpt2", CPU, [("recipe.global_batch", 7)], None)
    assert stated.recipe.global_batch == 7
