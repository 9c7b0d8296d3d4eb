"""One step: the pipeline by hand, and what each choice of layout must do to it."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.counting import parameters
from planner.estimate import estimate, machine
from planner.plan.file import load
from planner.plan.plan import Plan
from planner.plan.workload import workload
from planner.timing import layer, step
from planner.timing.step import Step


def timed(plan: Plan) -> Step:
    w, parts = workload(plan), machine(plan)
    return step.count(w, parameters.count(w), parts.device, parts.network, parts.software)


def changed(name: str, **changes: Any) -> Step:
    return timed(load(name).replace(**{key.replace("__", "."): value for key, value in changes.items()}))


def test_bubble_of_equal_stages_is_that_of_narayanan() -> None:
    p, v, stage = 8, 2, 3.0
    assert step.bubble_s(p * stage, stage, v) == pytest.approx((p - 1) / v * stage)


def test_the_stage_with_the_head_is_the_slowest() -> None:
    assert step.slowest_stage_s(32, 4, 1.0, 3.0, 0) == 8 + 3


def test_stages_cut_by_cost_give_the_head_fewer_layers() -> None:
    # 28 layers and a head worth 3.5 layers over 8 stages: 31.5/8 = 3.94, so no stage works longer than 4 layers.
    assert step.slowest_stage_s(28, 8, 1.0, 3.5, 1) == 4
    assert step.slowest_stage_s(28, 8, 1.0, 3.5, 0) == 3 + 3.5


def test_parts_add_up_to_the_step() -> None:
    for name in ("llama-2-70b", "mixtral-8x7b", "gpt2", "llama-3.1-405b"):
        result = timed(load(name))
        parts = [float(getattr(result, field.name)) for field in fields(Step) if field.name != "total"]
        assert sum(parts) == pytest.approx(float(result.total), rel=1e-12)
        assert min(parts) >= 0


def test_a_message_sent_in_shares_and_gathered_again_is_shorter() -> None:
    """Scatter and gather between stages, Narayanan 2021 §4.1; with sequence parallelism each rank has but a share."""
    plan = load("llama-2-70b").replace(**{"layout.pp": 2, "layout.tp": 8, "layout.sequence_parallel": False})
    w, parts = workload(plan), machine(plan)
    whole, shares = (
        step.messages_s(w, parts.network, replace(parts.software, scatters_messages=one)) for one in (0.0, 1.0)
    )
    assert 0 < shares < 0.5 * whole
    parallel = workload(plan.replace(**{"layout.sequence_parallel": True}))
    again = step.messages_s(parallel, parts.network, replace(parts.software, scatters_messages=1.0))
    assert again == step.messages_s(parallel, parts.network, replace(parts.software, scatters_messages=0.0))


def test_tensor_parallel_collectives_hide_inside_a_scale_up_domain_only() -> None:
    """NVIDIA/TransformerEngine issue 1071: overlapped products need NVLink between all ranks of the group."""
    for tp, shows in ((8, 0.5), (16, 1.0)):
        plan = load("llama-3.1-405b").replace(**{"layout.tp": tp, "layout.pp": 16, "layout.virtual_stages": 1})
        w, parts = workload(plan), machine(plan)
        open_, hidden = (
            layer.count(w, parts.device, parts.network, replace(parts.software, tensor_overlap=share)).tensor
            for share in (0.0, 0.5)
        )
        assert hidden == pytest.approx(shows * open_)


def test_one_stage_has_no_bubble_and_sends_nothing() -> None:
    result = changed("llama-2-7b", layout__pp=1)
    assert result.bubble == 0 and result.pipeline == 0


def test_one_gpu_communicates_with_nobody() -> None:
    result = timed(load("gpt2"))
    assert result.tensor == result.context == result.experts == result.sharding == result.gradients == 0


def test_full_recompute_costs_one_more_forward() -> None:
    plain, again = changed("llama-2-7b", layout__recompute="none"), changed("llama-2-7b", layout__recompute="full")
    assert float(again.recompute) == pytest.approx(float(plain.forward), rel=1e-9)
    assert plain.recompute == 0


def test_an_optimizer_on_the_host_takes_longer() -> None:
    on_gpu, on_host = timed(load("llama-2-13b")), changed("llama-2-13b", layout__optimizer_offload=True)
    assert on_host.optimizer == 0 and float(on_host.offload) > float(on_gpu.optimizer)
    assert on_gpu.offload == 0


def test_a_slow_host_link_shows_what_a_fast_one_hides() -> None:
    slow, fast = (
        changed("llama-2-13b", layout__activation_offload=True, cluster__accelerator__host_bytes_per_s=rate)
        for rate in (5e9, 450e9)
    )
    assert float(slow.offload) > float(fast.offload)


def test_gathered_context_is_not_faster_than_the_ring() -> None:
    ring = changed("llama-2-70b", layout__cp=2, layout__context_exchange="ring")
    gathered = changed("llama-2-70b", layout__cp=2, layout__context_exchange="all-gather")
    assert float(gathered.context) >= float(ring.context)
    assert float(gathered.context) > 0


def test_dropping_tokens_beyond_a_capacity_of_one_shortens_the_experts_products() -> None:
    dropless, dropping = timed(load("mixtral-8x7b")), changed("mixtral-8x7b", recipe__expert_capacity=1.0)
    assert float(dropping.forward) < float(dropless.forward)


def test_widths_that_fill_whole_lines_run_faster() -> None:
    aligned = changed("gpt3-175b", model__ffn=49152)
    ragged = changed("gpt3-175b", model__ffn=49160)
    assert float(ragged.forward) > float(aligned.forward) * 1.05


@settings(max_examples=25, deadline=None)
@given(st.sampled_from([1, 2, 4, 8]), st.sampled_from([0, 1, 2, 3]))
def test_numbers_and_arrays_agree(tp: int, zero: int) -> None:
    plan = load("llama-2-13b").replace(**{"layout.tp": tp, "layout.pp": 1, "layout.zero_stage": zero})
    w, parts = workload(plan), machine(plan)
    counted = parameters.count(w)
    alone = step.count(w, counted, parts.device, parts.network, parts.software)
    many = w.where(micro_batch=np.array([w.micro_batch] * 3), zero_stage=np.array([float(zero)] * 3))
    together = step.count(many, counted, parts.device, parts.network, parts.software)
    np.testing.assert_allclose(together.total, float(alone.total), rtol=1e-12)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(["llama-2-7b", "llama-2-70b", "mixtral-8x7b"]), st.integers(1, 4))
def test_a_faster_network_never_lengthens_a_step(name: str, doubling: int) -> None:
    plan = load(name)
    rate = plan.cluster.fabric.bits_per_s_per_gpu
    faster = plan.replace(**{"cluster.fabric.bits_per_s_per_gpu": rate * 2**doubling})
    assert float(timed(faster).total) <= float(timed(plan).total) * (1 + 1e-12)


@pytest.mark.parametrize(("name", "hours"), [("llama-3.1-405b", 30.84e6), ("llama-2-70b", 1_720_320)])
def test_published_gpu_hours_of_large_runs_are_met(name: str, hours: float) -> None:
    assert estimate(load(name)).outcome.gpu_hours == pytest.approx(hours, rel=0.15)
