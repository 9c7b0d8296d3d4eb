"""The engines' own parsers on our files; each test is skipped where its engine is not installed.

To run them all: `pip install --no-deps torchtitan==0.2.2 tyro`, `pip install deepspeed skypilot dacite`, and the
repositories of Megatron-LM and nanotron (0.5; PyPI's 0.4 is older) on PYTHONPATH (torchtitan and Megatron-LM import
triton). TRAINPLAN_PYTHON_MEGATRON and the like name a Python of its own for each.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from planner.counting import parameters
from planner.interchange import formats, megatron
from planner.plan.file import load

TORCHTITAN = """
import json, sys, torch
sys.path.insert(0, ".")
from torchtitan.config import ConfigManager
import torchtitan.protocols.train_spec as train_spec
config = ConfigManager().parse_args(["--job.config_file", "plan.toml"])
spec = train_spec.get_train_spec(config.model.name)
args = spec.model_args[config.model.flavor]
args.update_from_config(config)
with torch.device("meta"):
    model = spec.model_cls(args)
told = {"parameters": sum(one.numel() for one in model.parameters()), "parallelism": vars(config.parallelism)}
print(json.dumps(told, default=str))
"""
DEEPSPEED = """
import json, sys
from deepspeed.runtime.config import DeepSpeedConfig
config = DeepSpeedConfig(json.load(open("plan.json")), mpu=None)
print(json.dumps({"stage": int(config.zero_config.stage), "micro": config.train_micro_batch_size_per_gpu,
    "bf16": config.bfloat16_config.enabled}))
"""
MEGATRON = """
import json, os, sys, typing, typing_extensions
typing.override = typing_extensions.override
import torch
torch.cuda.get_device_capability = lambda *_: (9, 0)  # as on Hopper
torch.cuda.get_device_properties = lambda *_: type("Hopper", (), {"major": 9, "minor": 0})
import megatron.core.utils as utils
from packaging.version import Version
utils.get_te_version = lambda: Version("2.14")  # Transformer Engine needs a GPU to be installed
utils.is_te_min_version = lambda *_, **__: True
from megatron.training import arguments
os.environ["WORLD_SIZE"] = sys.argv.pop(1)
parsed = arguments.parse_args()
arguments.validate_args(parsed)
arguments.core_transformer_config_from_args(parsed)
told = vars(parsed)
print(json.dumps({key: value for key, value in told.items() if isinstance(value, int | float | str | bool)}))
"""
NANOTRON = """
import importlib.machinery, json, sys
from unittest.mock import MagicMock
class Kernels:  # that need a GPU to be installed, and no config to be read
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("flash_attn", "flash_attn_2_cuda", "grouped_gemm"):
            return importlib.machinery.ModuleSpec(name, self, is_package=True)
    def create_module(self, spec):
        return MagicMock(__name__=spec.name, __spec__=spec, __path__=[], __version__="2.7")
    def exec_module(self, module):
        pass
sys.meta_path.insert(0, Kernels())
import nanotron.trainer
from nanotron.config import get_config_from_file
config = get_config_from_file("plan.yaml")
print(json.dumps({"dp": config.parallelism.dp, "tp": config.parallelism.tp, "zero": config.optimizer.zero_stage,
    "batch": config.global_batch_size, "layers": config.model.model_config.num_hidden_layers}))
"""
SKYPILOT = """
import json, sky
task = sky.Task.from_yaml("plan.yaml")
print(json.dumps({"nodes": task.num_nodes, "accelerators": [dict(one.accelerators) for one in task.resources]}))
"""


def asked(script: str, *arguments: str, folder: Path, engine: str, before: str = "") -> dict[str, object]:
    """What the engine understood, asked in a process of its own, since some of them change the whole interpreter, and
    in a shell that runs what goes before it."""
    python = os.environ.get(f"TRAINPLAN_PYTHON_{engine.partition('.')[0].upper()}", sys.executable)
    found = subprocess.run(
        [python, "-c", f"import importlib.util as u, sys; sys.exit(u.find_spec('{engine}') is None)"],
        capture_output=True, cwd=folder, check=False,
    )  # fmt: skip
    if found.returncode:
        pytest.skip(f"{engine} is not installed")
    environment = {**os.environ, "DS_ACCELERATOR": "cpu"}
    done = subprocess.run(
        ["bash", "-c", f'{before}exec "$@"', "bash", python, "-c", script, *arguments],
        capture_output=True, text=True, cwd=folder, env=environment, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    told: dict[str, object] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


@pytest.mark.parametrize("name", ["llama-2-7b", "llama-2-70b", "llama-3.1-405b", "llama-33b", "deepseek-v3"])
def test_torchtitan_reads_the_layout_and_builds_the_plans_model(name: str, tmp_path: Path) -> None:
    plan = load(name)
    formats.save(formats.render(plan, "torchtitan"), tmp_path / "plan.toml")
    told = asked(TORCHTITAN, folder=tmp_path, engine="torchtitan")
    assert told["parameters"] == parameters.of_model(plan.model).total
    assert told["parallelism"]["tensor_parallel_degree"] == plan.layout.tp  # type: ignore[index]


def test_deepspeed_reads_the_batch_and_the_sharding(tmp_path: Path) -> None:
    plan = load("llama-2-7b").replace(**{"cluster.nodes": 1, "cluster.gpus_per_node": 1, "layout.tp": 1})
    formats.save(formats.render(plan, "deepspeed"), tmp_path / "plan.json")
    told = asked(DEEPSPEED, folder=tmp_path, engine="deepspeed")
    assert told == {"stage": plan.layout.zero_stage, "micro": plan.layout.micro_batch, "bf16": True}


@pytest.mark.parametrize(("name", "changes"), [
    *((name, {}) for name in ("gpt2", "gpt3-175b", "llama-3.1-405b", "mixtral-8x7b", "deepseek-v3")),
    ("llama-2-7b", {"layout.zero_stage": 3}), ("llama-2-7b", {"layout.zero_stage": 2, "layout.cp": 2}),
    ("llama-2-7b", {"layout.optimizer_offload": True}), ("llama-2-7b", {"recipe.optimizer": "muon"}),
])  # fmt: skip
def test_megatron_takes_every_argument_and_finds_no_contradiction(
    name: str, changes: dict[str, object], tmp_path: Path
) -> None:
    plan = load(name).replace(**changes)
    words = [
        str(plan.cluster.gpus),
        *megatron.arguments(plan),
        "--no-rope-fusion",
    ]  # the fusion is Transformer Engine's
    told = asked(MEGATRON, *words, folder=tmp_path, engine="megatron.training", before=megatron.environment(plan))
    assert told["num_layers"] == plan.model.layers and told["global_batch_size"] == plan.recipe.global_batch


def test_nanotron_reads_the_layout_and_the_model(tmp_path: Path) -> None:
    plan = load("llama-3.1-8b").replace(**{"layout.zero_stage": 1})
    formats.save(formats.render(plan, "nanotron"), tmp_path / "plan.yaml")
    told = asked(NANOTRON, folder=tmp_path, engine="nanotron")
    assert told == {"dp": plan.dp, "tp": plan.layout.tp, "zero": 1, "batch": plan.recipe.global_batch, "layers": 32}


@pytest.mark.parametrize("measure", [False, True])
def test_skypilot_reads_the_task(measure: bool, tmp_path: Path) -> None:
    plan = load("llama-2-7b").replace(**{"name": '"; rm -rf ~ #'})
    formats.save(formats.render(plan, "skypilot", measure=measure), tmp_path / "plan.yaml")
    told = asked(SKYPILOT, folder=tmp_path, engine="sky")
    assert told == {"nodes": 2 if measure else 32, "accelerators": [{"A100-80GB": 8}]}
