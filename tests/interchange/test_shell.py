"""Launch scripts in a real shell, with torchrun and srun replaced by programs that tell what they were called with."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
import yaml

from planner.interchange import formats
from planner.plan.file import load
from planner.plan.plan import Plan

pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
EVIL = [
    '"; rm -rf ~ #',
    "'; touch hacked; '",
    "$(touch hacked)",
    "`touch hacked`",
    "a\ntouch hacked\n#",
    "--out x",
    "\\",
]
STUB = "#!/usr/bin/env python3\nimport json, sys\nprint(json.dumps(sys.argv))\n"


def evil_plan(name: str, accelerator: str = "A100-80GB-SXM") -> Plan:
    changes = {"name": name, "model.name": name, "cluster.fabric.name": name, "layout.zero_stage": 2}
    return load("llama-2-7b").replace(**{"cluster.accelerator": accelerator, **changes})


def ran(script: str, folder: Path) -> list[list[str]]:
    """What the stubs were called with; the script's folder is also its home."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("torchrun", "trainplan"):
        (programs / name).write_text(STUB)
    (programs / "srun").write_text('#!/usr/bin/env bash\nexec "$@"\n')
    (programs / "scontrol").write_text("#!/usr/bin/env bash\necho node1\n")
    for path in programs.iterdir():
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
    (folder / "canary").write_text("alive")
    (folder / "job.sh").write_text(script)
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}", "HOME": str(folder), "SLURM_JOB_NODELIST": "n",
        "SLURM_NNODES": "32",
        "SLURM_JOB_ID": "7", "SLURM_SUBMIT_DIR": str(folder), "SKYPILOT_NODE_IPS": "10.0.0.1",
        "SKYPILOT_NODE_RANK": "0", "SKYPILOT_NUM_NODES": "32",
    }  # fmt: skip
    assert subprocess.run(["bash", "-n", "job.sh"], cwd=folder, check=False).returncode == 0
    done = subprocess.run(
        ["bash", "job.sh"], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (folder / "canary").read_text() == "alive" and not (folder / "hacked").exists()
    return [json.loads(line) for line in done.stdout.splitlines()]


def script_of(plan: Plan, name: str, measure: bool) -> str:
    text = formats.render(plan, name, measure=measure).text
    return str(yaml.safe_load(text)["run"]) if name == "skypilot" else text


@pytest.mark.parametrize(
    ("name", "measure"), [("megatron", False), ("slurm", False), ("slurm", True), ("skypilot", True)]
)
@pytest.mark.parametrize("words", EVIL)
def test_a_script_with_an_evil_name_does_nothing_but_start_the_training(
    tmp_path: Path, name: str, measure: bool, words: str
) -> None:
    calls = ran(script_of(evil_plan(words), name, measure), tmp_path)
    assert calls and all(Path(call[0]).name in ("torchrun", "trainplan") for call in calls)


def test_torchrun_gets_the_plans_layout(tmp_path: Path) -> None:
    plan = load("llama-2-70b")
    [call] = ran(formats.render(plan, "megatron").text, tmp_path)
    said = dict(itertools.pairwise(call))
    assert said["--nnodes"] == str(plan.cluster.nodes) and said["--nproc-per-node"] == "8"
    assert said["--tensor-model-parallel-size"] == "4" and said["--pipeline-model-parallel-size"] == "4"
    assert said["--num-virtual-stages-per-pipeline-rank"] == "5" and "--use-distributed-optimizer" in call


@pytest.mark.parametrize(("changes", "said"), [
    ({}, "export CUDA_DEVICE_MAX_CONNECTIONS=1"), ({"layout.zero_stage": 3}, "unset CUDA_DEVICE_MAX_CONNECTIONS"),
    ({"layout.tp": 1}, None),
])  # fmt: skip
@pytest.mark.parametrize("name", ["megatron", "slurm", "skypilot"])
def test_megatron_is_started_in_the_environment_that_it_insists_on(
    name: str, changes: dict[str, object], said: str | None
) -> None:
    plan = load("llama-2-70b").replace(**{"recipe.framework": "megatron-core", **changes})
    lines = script_of(plan, name, measure=False).splitlines()
    told = [at for at, line in enumerate(lines) if "CUDA_DEVICE_MAX_CONNECTIONS" in line]
    assert [lines[at] for at in told] == ([said] if said else [])
    start = next(at for at, line in enumerate(lines) if line.startswith(("torchrun", "srun")))
    assert all(at < start for at in told)


def test_the_measuring_job_profiles_verifies_and_times_the_collectives_on_every_node(tmp_path: Path) -> None:
    calls = ran(formats.render(load("llama-2-7b"), "slurm", measure=True).text, tmp_path)
    commands = [" ".join(call[1:]) for call in calls[:-1]]
    assert commands[0].startswith("profile --model trainplan-model.json") and f"{tmp_path}/measured" in commands[0]
    assert (tmp_path / "measured" / "verify.json").exists()
    last = " ".join(calls[-1])
    assert "--no-python trainplan profile --collectives --fabric" in last and "--nnodes 32" in last


def test_a_batch_line_holds_no_word_of_the_users_but_letters_digits_dots_and_dashes() -> None:
    lines = formats.render(evil_plan("a b\n#SBATCH --wrap=reboot"), "slurm").text.splitlines()
    names = [line for line in lines if "SBATCH" in line and ("job-name" in line or "wrap" in line)]
    assert names == ["#SBATCH --job-name=a-b-sbatch-wrap-reboot"]
