"""Run by torchrun on two ranks: every layout's losses, as one JSON object on the first rank's stdout."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import torch.distributed as dist

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from planner.plan.plan import Plan
from planner.profiling import training
from planner.profiling.parallel import ParallelTraining
from planner.profiling.timer import clock_for


def main() -> None:
    """argv: the learning rate, the steps, and a file of plans by name."""
    rate, steps, plans = float(sys.argv[1]), int(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())
    training.LEARNING_RATE = rate
    dist.init_process_group("gloo")
    found = {}
    for name, data in plans.items():
        trained = ParallelTraining(Plan.model_validate(data), "cpu")
        spans = training.Spans(clock_for("cpu"))
        losses = [float(trained.step(spans)) for _ in range(steps)]
        found[name] = {"losses": losses, "parameters": trained.parameters}
    if dist.get_rank() == 0:
        print(json.dumps(found), flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
