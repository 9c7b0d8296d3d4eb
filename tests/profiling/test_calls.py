"""The timed calls do the work that they are said to do: against torch's own counter, autograd and plain versions."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from planner.plan.model import Model
from planner.profiling import calls, decoder, demand, float8, operations, points
from planner.profiling.demand import Demand
from planner.profiling.points import Point

MIXTURE = {"experts": 4, "experts_per_token": 2, "expert_ffn": 48, "shared_experts": 1}


def demand_of(model: Model, **changes: Any) -> Demand:
    return Demand(model, "cpu", "fp32", 1e9, {"fp32": 1e10, "fp8": 1e10}, 1e10, **changes)


@pytest.mark.parametrize("changes", [{}, {"kv_heads": 4, "gated": False}, MIXTURE])
@pytest.mark.parametrize("operation", ["attention_core", *demand.KINDS])
def test_flops_are_those_that_torch_counts(tiny: Model, operation: Any, changes: dict[str, Any]) -> None:
    model = tiny.model_copy(update=changes)
    for point in (Point("layer", 2, 32), Point("layer", 1, 64, shards=2)):
        with torch.device("meta"):
            module = demand.KINDS[operation](model, point.shards) if operation in demand.KINDS else None
        run, _ = calls.call(operation, model, module, point, "meta", torch.float32)
        with FlopCounterMode(display=False) as counter:
            output = run()
            forward = float(counter.get_total_flops())
            output.sum().backward()
        backward = float(counter.get_total_flops()) - forward
        assert demand_of(model).flops_of(operation, point) == (forward, backward)


def losses(tiny: Model, *variants: str) -> list[tuple[Any, Any, Any]]:
    """Loss and gradients of input and head by variant."""
    torch.manual_seed(0)
    module = decoder.build(decoder.HeadLoss, tiny, device="cpu", dtype=torch.float32)
    found = []
    for variant in variants:
        module.zero_grad()
        torch.manual_seed(1)
        point = Point("head_loss", 2, 48, variant=variant)
        run, (x,) = calls.call("head_loss", tiny, module, point, "cpu", torch.float32)
        loss = run()
        loss.backward()
        found.append((loss.detach(), x.grad, module.head.project.weight.grad))
    return found


def test_the_chunked_loss_is_the_loss(tiny: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "CHUNK_TOKENS", 40)  # does not divide the 96 tokens
    plain, chunked = losses(tiny, "", "chunked")
    for one, other in zip(plain, chunked, strict=True):
        torch.testing.assert_close(other, one)


def test_fp8_products_are_those_of_bf16_but_for_rounding() -> None:
    torch.manual_seed(0)
    exact, eighth = (torch.nn.Linear(64, 32, dtype=torch.bfloat16) for _ in range(2))
    eighth.load_state_dict(exact.state_dict())
    float8.convert(torch.nn.Sequential(eighth))
    x, gradient = torch.randn(2, 48, 64, dtype=torch.bfloat16), torch.randn(2, 48, 32, dtype=torch.bfloat16)
    found = []
    for module in (exact, eighth):
        given = x.clone().requires_grad_()
        output = module(given)
        output.backward(gradient)
        found.append((output.detach(), given.grad, module.weight.grad, module.bias.grad))
    for one, other in zip(*found, strict=True):
        error = float((one.float() - other.float()).norm() / one.float().norm())
        assert error < 0.08, "three bits of mantissa round by up to a sixteenth, the gradient's two by an eighth"
    assert float((found[0][0] - found[1][0]).abs().max()) > 0


def test_fp8_leaves_sizes_alone_that_the_product_refuses() -> None:
    module = float8.convert(torch.nn.Sequential(torch.nn.Linear(64, 24), torch.nn.Linear(64, 32)))
    assert [type(part) for part in module] == [torch.nn.Linear, float8.Float8Linear]


def marks(subject: calls.Subject) -> int:
    """How many stages' boundaries a run marks."""
    found: list[int] = []
    subject.once(lambda: found.append(1))
    return len(found)


@pytest.mark.parametrize(
    "point",
    [
        Point("layer", 1, 32, compiled=True), Point("layer", 1, 32, recompute=True),
        Point("layer", 1, 32, flushed=True), Point("layer", 1, 32, dtype="fp8", variant="tensorwise"),
        Point("attention_core", 1, 32, sdpa="math"),
    ],
    ids=str,
)  # fmt: skip
def test_every_manner_runs_forward_and_backward(tiny: Model, point: Point, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "COMPILER", "eager")
    bench = operations.Bench(demand_of(tiny, flush_bytes=2**20))
    for task in bench.tasks(point):
        subject = task.prepare()
        assert marks(subject) == 3 and len(subject.bytes) == len(task.directions) == 2
    bench.clear()


def test_other_forms_are_as_wide_and_never_the_models_own(tiny: Model) -> None:
    model = tiny.model_copy(update={"heads": 16, "kv_heads": 16, "head_dim": 64, "hidden": 1024})
    forms = points.forms(model)
    assert set(forms) == {"grouped", "head size 128"}
    assert {(form.heads * form.head_dim, form.kv_heads) for form in forms.values()} == {(1024, 2), (1024, 8)}
    assert set(points.forms(forms["grouped"])) == {"multi-head", "head size 128"}
