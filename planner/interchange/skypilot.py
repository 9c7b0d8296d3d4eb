"""A SkyPilot task: the plan's training with torchrun, or Trainplan's own profile and verify on rented machines."""

from __future__ import annotations

from typing import Any

import yaml

from planner.errors import InputError
from planner.interchange import megatron
from planner.interchange.content import Written
from planner.interchange.slurm import PLAN_BESIDE, engine_of, environment, job_name, measured_files, measuring, training
from planner.plan.plan import Plan

TITLE = "SkyPilot task"
NAMES = (".sky.yaml",)
ACCELERATORS = {
    "A100-40GB-SXM": "A100", "A100-80GB-SXM": "A100-80GB", "A100-80GB-PCIe": "A100-80GB", "H100-80GB-SXM": "H100",
    "H100-80GB-PCIe": "H100", "H100-NVL": "H100", "H200-SXM": "H200", "B200-SXM": "B200", "B300-SXM": "B300",
    "GH200-96GB": "GH200", "L4": "L4", "L40S": "L40S", "A10G": "A10G", "T4": "T4", "V100-16GB-SXM": "V100",
    "V100-32GB-SXM": "V100-32GB", "MI300X": "MI300X", "RTX 3090": "RTX3090", "RTX 4090": "RTX4090",
    "RTX 5090": "RTX5090", "RTX 6000 Ada": "RTX6000-Ada", "Gaudi2": "Gaudi HL-205",
}  # fmt: skip
"""Our accelerators by the names of SkyPilot's catalogue (`sky gpus list --all`, SkyPilot 0.14)."""


def write(plan: Plan, *, measure: bool = False) -> Written:
    """The task; with `measure` the one that profiles. Raises `InputError` where SkyPilot has no such accelerator."""
    name = plan.cluster.accelerator.name
    if name not in ACCELERATORS:
        known = ", ".join(sorted(ACCELERATORS))
        raise InputError(f"cluster.accelerator: SkyPilot's catalogue has no name for {name}; known: {known}")
    task: dict[str, Any] = {
        "name": job_name(plan), "workdir": ".",
        "num_nodes": min(2, plan.cluster.nodes) if measure else plan.cluster.nodes,
        "resources": {"accelerators": f"{ACCELERATORS[name]}:{plan.cluster.gpus_per_node}"},
    }  # fmt: skip
    head = 'set -euo pipefail\nHEAD=$(echo "$SKYPILOT_NODE_IPS" | head -n 1)\nexport HEAD\n'
    if measure:
        task |= {"setup": "pip install '.[profile]'\n", "run": head + _measuring(plan)}
        fetched = f"rsync -Pavz {job_name(plan)}:sky_workdir/measured/ ."
        notes = [
            PLAN_BESIDE,
            _INSTALLED,
            f"bring the profile back with: sky launch -c {job_name(plan)} FILE && {fetched}",
        ]
        return Written(_dump(task), measured_files(plan), notes)
    command, beside, notes = training(plan)
    head += environment(plan) + ("" if engine_of(plan) == "torchtitan" else "cd Megatron-LM\n")
    task |= {"setup": _setup(plan), "run": f"{head}{_LAUNCHER.format(plan.cluster.gpus_per_node)} \\\n  {command}\n"}
    return Written(_dump(task), beside, notes)


_LAUNCHER = (
    'torchrun --nnodes "$SKYPILOT_NUM_NODES" --nproc-per-node {} --node-rank "$SKYPILOT_NODE_RANK" '
    '--master-addr "$HEAD" --master-port 29500'
)


_INSTALLED = "start it in Trainplan's own source folder, which the machines install (workdir: .)"


def _setup(plan: Plan) -> str:
    if engine_of(plan) == "torchtitan":
        return "pip install 'torchtitan==0.2.2'\n"
    source = f"--branch {megatron.RELEASE} https://github.com/NVIDIA/Megatron-LM"
    return f"git clone --depth 1 {source} && pip install ./Megatron-LM\n"


def _measuring(plan: Plan) -> str:
    first, every = measuring(plan)
    launcher = _LAUNCHER.format(plan.cluster.gpus_per_node)
    return (
        f'export RESULTS="$PWD/measured"\nmkdir -p "$RESULTS"\nif [ "$SKYPILOT_NODE_RANK" = 0 ]; then\n{first}fi\n'
        f"{launcher} --no-python \\\n  {every}\n"
    )


class _Dumper(yaml.SafeDumper):
    """The safe dumper, with a script as a block of lines."""


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def _dump(task: dict[str, Any]) -> str:
    return yaml.dump(task, Dumper=_Dumper, sort_keys=False, allow_unicode=False, width=10_000)
