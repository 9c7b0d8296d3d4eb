"""Two Gloo ranks train as one process does: same weights, same tokens, same losses, whatever the layout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from planner.errors import InputError
from planner.plan.file import load
from planner.plan.model import Model
from planner.plan.plan import Plan
from planner.profiling import training
from planner.profiling.parallel import layers_of, require_parallel
from planner.profiling.timer import clock_for
from planner.profiling.training import Spans, Training

ROOT = Path(__file__).resolve().parents[2]
RATE, STEPS = 0.02, 3
"""Steps so large that a wrong gradient shows in the next loss."""
GPT = {"kv_heads": 4, "activation": "gelu", "norm": "layernorm", "norm_bias": True, "positions": "learned",
       "qkv_bias": True, "output_bias": True, "ffn_bias": True, "tied_embeddings": True,
       "vocabulary": 161}  # fmt: skip
TENSOR = {"layout.tp": 2, "layout.sequence_parallel": True}
TWO = {"layers": 2}
"""Every layer is split the same way, and splitting is slow work."""
LAYOUTS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "FSDP2": ({}, {"layout.zero_stage": 3}),
    "FSDP2, tied": (GPT, {"layout.zero_stage": 3}),
    "sharded gradients": ({}, {"layout.zero_stage": 2}),
    "whole copies": ({}, {"layout.zero_stage": 0}),
    "FSDP2, recomputed": ({}, {"layout.zero_stage": 3, "layout.recompute": "full"}),
    "tensor parallel": (TWO, TENSOR),
    "tensor parallel, tied, uneven vocabulary": (GPT | TWO, TENSOR),
    "tensor parallel, normed queries": ({"qk_norm": True} | TWO, TENSOR),
    "pipeline": ({}, {"layout.pp": 2}),
    "pipeline, GPipe": ({}, {"layout.pp": 2, "layout.schedule": "gpipe"}),
    "pipeline, interleaved": ({}, {"layout.pp": 2, "layout.virtual_stages": 2}),
}


def plan_of(tiny: Model, model: dict[str, Any], layout: dict[str, Any], ranks: int) -> Plan:
    fixed = {"model": tiny.model_copy(update={"layers": 4, **model}).model_dump(), "recipe.sequence_length": 32,
             "recipe.precision": "fp32", "recipe.framework": "pytorch", "cluster.accelerator": "CPU",
             "cluster.gpus_per_node": ranks, "layout.micro_batch": 2, "recipe.global_batch": 8}  # fmt: skip
    return load("gpt2").replace(**(fixed | layout))


@pytest.fixture(scope="module")
def of_two(tiny: Model, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Losses of every layout, by one pair of ranks."""
    plans = {name: plan_of(tiny, *layout, ranks=2).model_dump(mode="json") for name, layout in LAYOUTS.items()}
    file = tmp_path_factory.mktemp("plans") / "plans.json"
    file.write_text(json.dumps(plans))
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    script = str(ROOT / "tests" / "profiling" / "two_ranks.py")
    command += [script, str(RATE), str(STEPS), str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("name", LAYOUTS)
def test_two_ranks_lose_what_one_process_loses(
    name: str, of_two: dict[str, Any], tiny: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = plan_of(tiny, LAYOUTS[name][0], {}, ranks=1)
    learned, untrained = (alone(plan, rate, monkeypatch) for rate in (RATE, 0.0))
    assert of_two[name]["losses"] == pytest.approx(learned, rel=1e-4)
    assert of_two[name]["parameters"] == Training(plan, "cpu").parameters
    assert abs(learned[-1] - untrained[-1]) > 1e-3 * learned[-1]  # what was learned shows ten times over


def alone(plan: Plan, rate: float, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    monkeypatch.setattr(training, "LEARNING_RATE", rate)
    trained, spans = Training(plan, "cpu"), Spans(clock_for("cpu"))
    return [float(trained.step(spans)) for _ in range(STEPS)]


def test_stages_share_the_layers_evenly(tiny: Model) -> None:
    plan = plan_of(tiny, {"layers": 7}, {"layout.pp": 2, "layout.virtual_stages": 2}, ranks=2)
    dealt = [layers_of(plan, stage) for stage in range(4)]
    assert [layer for stage in dealt for layer in stage] == list(range(7))
    assert {len(stage) for stage in dealt} == {1, 2}


@pytest.mark.parametrize(
    ("model", "layout", "message"),
    [
        ({"experts": 4, "experts_per_token": 2}, TENSOR, "layout.tp"),
        ({"kv_heads": 1}, TENSOR, "key/value heads"),
        ({}, {"layout.pp": 2, "recipe.global_batch": 2}, "--micro-batches"),
    ],
)
def test_what_is_not_laid_out_is_refused_by_field(
    tiny: Model, model: dict[str, Any], layout: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        require_parallel(plan_of(tiny, model, layout, ranks=2))
