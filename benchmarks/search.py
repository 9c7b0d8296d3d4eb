"""How fast the search is: layouts a second, 70B on 2,048 GPUs, memory, and the scalar path in the same run.

python benchmarks/search.py [--plan llama-2-70b] [--gpus 2048] [--repeat 5]
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planner.costing.rates import rates
from planner.estimate import compute, machine
from planner.plan.file import load
from planner.plan.plan import Plan
from planner.plan.workload import workload
from planner.search import Result, search

SCALAR_LAYOUTS = 300
CALCULON = "Calculon: 408,200 layouts in 18 min 44 s, 363 a second"


def timed(plan: Plan, gpus: Sequence[int], wide: bool, repeat: int) -> tuple[Result, list[float], float]:
    """The last result, the seconds of each repetition, and the processor seconds of the last."""
    seconds, busy = [], 0.0
    for _ in range(repeat):
        before = time.process_time()
        result = search(plan, gpus=gpus, objective="time", wide=wide)
        busy = time.process_time() - before
        seconds.append(result.seconds)
    return result, seconds, busy


def scalar_rate(plan: Plan, result: Result) -> float:
    """Layouts a second of a loop over the same formulas, one layout at a time (no derivations, no bands)."""
    plans = [found.plan for found in (result.best + result.pareto)]
    plans = (plans * (SCALAR_LAYOUTS // len(plans) + 1))[:SCALAR_LAYOUTS]
    parts, terms = machine(plan), rates(plan)
    started = time.perf_counter()
    for one in plans:
        compute(workload(one), parts, terms)
    return len(plans) / (time.perf_counter() - started)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plan", default="llama-2-70b")
    parser.add_argument("--gpus", type=int, default=2048)
    parser.add_argument("--repeat", type=int, default=5)
    options = parser.parse_args()
    plan = load(options.plan)
    plan = plan.replace(**{"cluster.nodes": options.gpus // plan.cluster.gpus_per_node})
    search(plan)  # reads the shipped data, imports what is imported late
    idle = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}; {plan.name} on {options.gpus:,} GPUs")
    rates_found = []
    for name, wide in (("default space", False), ("exhaustive space", True)):
        result, seconds, busy = timed(plan, [options.gpus], wide, options.repeat)
        rates_found.append(result.evaluated / min(seconds))
        took = f"{statistics.median(seconds):6.3f} s (best {min(seconds):.3f} s)"
        a_second = f"{rates_found[-1]:>10,.0f} a second, {result.evaluated / busy:>10,.0f} a processor second"
        print(f"{name:17} {result.evaluated:>10,} layouts in {took}: {a_second}")
    high = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    alone = scalar_rate(plan, result)
    print(f"scalar path       {alone:,.0f} a second; the search is {rates_found[-1] / alone:,.0f} times as fast")
    print(f"memory            {high:.0f} MiB at most, {high - idle:.0f} MiB above a small search")
    print(CALCULON)


if __name__ == "__main__":
    main()
