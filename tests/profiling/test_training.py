"""Real training of a small decoder against PyTorch's plainest loop, and the parts that a step is cut into."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from planner.plan.file import load
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.profiling import training
from planner.profiling.decoder import Decoder
from planner.profiling.timer import clock_for
from planner.profiling.training import Spans, Training

GPT = {"kv_heads": 4, "activation": "gelu", "norm": "layernorm", "norm_bias": True, "positions": "learned",
       "qkv_bias": True, "output_bias": True, "ffn_bias": True, "tied_embeddings": True}  # fmt: skip


@pytest.fixture(autouse=True)
def fast_learning(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps so large that a wrong gradient shows in the next loss."""
    monkeypatch.setattr(training, "LEARNING_RATE", 0.02)


def plan_of(model: Model, **changes: Any) -> Plan:
    fixed = {"model": model.model_dump(), "recipe.sequence_length": 32, "recipe.precision": "fp32",
             "recipe.framework": "pytorch", "cluster.accelerator": "CPU", "layout.micro_batch": 2,
             "recipe.global_batch": 6}  # fmt: skip
    return load("gpt2").replace(**(fixed | changes))


def losses(plan: Plan, steps: int = 4) -> list[float]:
    trained, spans = Training(plan, "cpu"), Spans(clock_for("cpu"))
    return [float(trained.step(spans)) for _ in range(steps)]


def plain_losses(plan: Plan, steps: int = 4) -> list[float]:
    """The same weights and tokens through `Decoder` and AdamW as a tutorial has them, all micro-batches as one."""
    start = Training(plan, "cpu").stage
    decoder = Decoder(plan.model)
    with torch.no_grad():
        for mine, theirs in zip(decoder.parameters(), start.parameters(), strict=True):
            mine.copy_(theirs)
    optimizer = torch.optim.AdamW(decoder.parameters(), lr=training.LEARNING_RATE)
    tokens = training.Tokens(plan, "cpu", seed=0)
    found = []
    for _ in range(steps):
        drawn = [tokens.next() for _ in range(plan.recipe.global_batch // plan.layout.micro_batch)]
        loss = decoder(torch.cat([x for x, _ in drawn]), torch.cat([y for _, y in drawn]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    return found


@pytest.mark.parametrize("kind", [{}, GPT], ids=["llama", "gpt"])
@pytest.mark.parametrize("recompute", ["none", "full"])
def test_it_trains_as_pytorchs_plainest_loop_does(tiny: Model, kind: dict[str, Any], recompute: str) -> None:
    plan = plan_of(tiny.model_copy(update=kind), **{"layout.recompute": recompute})
    found = losses(plan)
    assert found == pytest.approx(plain_losses(plan), rel=1e-4)
    assert abs(found[-1] - found[0]) > 0.05  # the steps are large enough to tell


def test_some_layers_recompute_and_the_loss_stays(tiny: Model) -> None:
    plan = plan_of(tiny, **{"layout.recompute": "full", "layout.recompute_layers": 1})
    assert Training(plan, "cpu").stage.recomputed == 1
    assert losses(plan) == pytest.approx(losses(plan_of(tiny)), rel=1e-5)


def test_mixed_precision_follows_full_precision(tiny: Model) -> None:
    """16-bit weights are rounded from fp32 copies at every step, so errors do not build up."""
    assert losses(plan_of(tiny, **{"recipe.precision": "bf16"})) == pytest.approx(losses(plan_of(tiny)), rel=0.02)


def test_mixed_precision_adds_gradients_up_in_fp32(tiny: Model) -> None:
    trained = Training(plan_of(tiny, **{"recipe.precision": "bf16"}), "cpu")
    tokens, targets = trained.tokens.next()
    for _ in range(2):
        trained.stage(tokens, targets).backward()
    weights = list(trained.stage.parameters())
    copies = [copy for group in trained.updates._optimizer.param_groups for copy in group["params"]]
    assert {weight.dtype for weight in weights} == {torch.bfloat16} and all(weight.grad is None for weight in weights)
    assert {copy.grad.dtype for copy in copies} == {torch.float32}


def test_a_step_is_cut_into_the_parts_of_an_estimate(tiny: Model) -> None:
    trained, spans = Training(plan_of(tiny), "cpu"), Spans(clock_for("cpu"))
    trained.step(spans)
    trained.step(spans)
    steps = spans.read()
    assert len(steps) == 2
    for parts in steps:
        assert set(parts) == {"forward", "backward", "head", "optimizer", "host"}
        assert all(seconds > 0 for seconds in parts.values())


def test_tokens_are_the_same_however_many_ranks_share_them(tiny: Model) -> None:
    alone = training.Tokens(plan_of(tiny, **{"layout.micro_batch": 4, "recipe.global_batch": 4}), "cpu", seed=3)
    shared = plan_of(tiny, **{"cluster.gpus_per_node": 2, "layout.dp": 2, "recipe.global_batch": 4})
    ranks = [training.Tokens(shared, "cpu", seed=3, rank=rank) for rank in range(2)]
    whole, _ = alone.next()
    assert torch.equal(whole, torch.cat([rank.next()[0] for rank in ranks]))
