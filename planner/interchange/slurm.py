"""A Slurm batch script: the plan's training with torchrun, or Trainplan's own profile and verify on that cluster."""

from __future__ import annotations

import shlex

from planner import library
from planner.errors import InputError
from planner.interchange import megatron, torchtitan
from planner.interchange.content import Written
from planner.plan.file import to_text
from planner.plan.plan import Plan

TITLE = "Slurm batch script"
NAMES = (".sbatch", ".slurm")
ENGINES = {"megatron": megatron.write, "torchtitan": torchtitan.write}


def engine_of(plan: Plan) -> str:
    """The engine that trains a plan: torchtitan where its software says so, else Megatron-LM."""
    return "torchtitan" if plan.recipe.framework in ("torchtitan", "fsdp") and _can_torchtitan(plan) else "megatron"


def _can_torchtitan(plan: Plan) -> bool:
    try:
        torchtitan.write(plan)
    except InputError:
        return False
    return True


def write(plan: Plan, *, measure: bool = False) -> Written:
    """The script; with `measure` the one that profiles the cluster. Raises what the engine's own writer raises."""
    head = (
        "#!/usr/bin/env bash\n"
        f"#SBATCH --job-name={job_name(plan)}\n"
        f"#SBATCH --nodes={plan.cluster.nodes if not measure else min(2, plan.cluster.nodes)}\n"
        "#SBATCH --ntasks-per-node=1\n"
        f"#SBATCH --gpus-per-node={plan.cluster.gpus_per_node}\n"
        "#SBATCH --exclusive\n"
        "#SBATCH --output=%x-%j.out\n"
        "set -euo pipefail\n"
    )
    launcher = (
        f'torchrun --nnodes "$SLURM_NNODES" --nproc-per-node {plan.cluster.gpus_per_node} --rdzv-id "$SLURM_JOB_ID" '
        '--rdzv-backend c10d --rdzv-endpoint "$HEAD:29500"'
    )
    if measure:
        first, every = measuring(plan)
        text = f'{head}{_HEAD}export RESULTS="$SLURM_SUBMIT_DIR/measured"\nmkdir -p "$RESULTS"\n{first}'
        return Written(
            f"{text}srun {launcher} --no-python \\\n  {every}\n", measured_files(plan), [PLAN_BESIDE, FETCHED]
        )
    command, beside, notes = training(plan)
    if engine_of(plan) == "megatron":
        notes.append("pretrain_gpt.py is Megatron-LM's: submit the job in its folder")
    return Written(f"{head}{_HEAD}{environment(plan)}srun {launcher} \\\n  {command}\n", beside, notes)


_HEAD = 'HEAD=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)\nexport HEAD\n'
PLAN_FILE = "trainplan-plan.json"
MODEL_FILE = "trainplan-model.json"
PLAN_BESIDE = f"{PLAN_FILE} and {MODEL_FILE} go beside the file: profile and verify read them"
FETCHED = "the profile comes to measured/ of the folder that the job was submitted from; copy its files to `measured` \
of your own folder (trainplan doctor names it), and estimates use them"


def measured_files(plan: Plan) -> dict[str, str]:
    """The plan and its model, which a measuring job reads."""
    return {PLAN_FILE: to_text(plan), MODEL_FILE: plan.model.model_dump_json(indent=2) + "\n"}


def job_name(plan: Plan) -> str:
    """A plan's name in letters, digits, dots and dashes: a batch line and a YAML name hold nothing else."""
    return library.slug(plan.name.encode("ascii", "ignore").decode())[:60].strip("-.") or "plan"


def environment(plan: Plan) -> str:
    """Shell lines that a plan's engine needs before its start."""
    return megatron.environment(plan) if engine_of(plan) == "megatron" else ""


def training(plan: Plan) -> tuple[str, dict[str, str], list[str]]:
    """(what torchrun starts, quoted for a shell; files beside; notes)."""
    if engine_of(plan) == "torchtitan":
        written = torchtitan.write(plan)
        beside = {"torchtitan.toml": written.text, **written.beside}
        return "-m torchtitan.train --job.config_file torchtitan.toml", beside, list(written.notes)
    lines = " \\\n  ".join(megatron.argument_lines(plan))
    return f"pretrain_gpt.py \\\n  {lines}", {}, list(megatron.write(plan).notes)


def measuring(plan: Plan) -> tuple[str, str]:
    """Shell lines that leave their files in $RESULTS: (for the first node: one GPU's kernels and real training beside
    its prediction; for every node: the collectives between all GPUs, to be started by torchrun)."""
    profile = f"trainplan profile --model {MODEL_FILE} --device cuda --suite full --budget 10m --out {_KERNELS}"
    verify = f'trainplan verify {PLAN_FILE} --device cuda --json > "$RESULTS/verify.json"'
    fabric = shlex.quote(plan.cluster.fabric.name)
    collectives = f'trainplan profile --collectives --fabric {fabric} --out "$RESULTS/collectives.json"'
    return f"{profile}\n{verify}\n", collectives


_KERNELS = '"$RESULTS/kernels.json"'
