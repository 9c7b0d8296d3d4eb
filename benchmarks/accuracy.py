"""How near the predictions come to measured runs, source by source.

    python benchmarks/accuracy.py --data FOLDER

Step times of the open tables (mean and median absolute error, bias), the ranking inside Ultra-Scale's jobs, memory, and
what is said to fit. Rivals' figures are those measured on the same rows, out of the box.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import numpy as np

from planner.validation import run_table, score, table

RIVALS = {
    "vtrain, 64 GPUs and more": "Calculon 15.4, llm-analysis 17.7, vTrain itself 14.7",
    "vtrain, one node": "SimuMax 30.0, Calculon 39.0, vTrain itself 8.4",
    "llm-foundry": "llm-analysis 18.2",
    "megatron-korthikanti": "Calculon 3.65",
}
SCORED = (
    "llm-foundry", "nemo-24.07", "megatron-sc21", "megatron-korthikanti", "bloom-prequel", "torchtitan", "dgxc",
    "megatron-bridge", "libai", "internevo", "simumax-b200", "ultrascale-tp", "nemo-longctx", "neusight-fp32",
    "dlperf-v100", "bigscience-v100", "pythia", "fms-fsdp",
)  # fmt: skip
LOWEST_MFU = 0.10


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables of runs")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    runs = run_table.joined([run_table.read(options.data / name) for name in ("runs_open.csv", "runs_vtrain_open.csv")])
    runs = runs.where(np.isin(runs.words["kind"], ("benchmark", "run")) & (runs.words["quality"] != "C"))
    expressed = table.express(runs)
    with np.errstate(all="ignore"):
        outcome = score.predict(expressed)
        published = score.measured_step_s(expressed, outcome)
    predicted = np.broadcast_to(np.asarray(outcome.step.total), published.shape)
    error = predicted / published - 1
    usable = np.isfinite(error) & (expressed.skipped == "")
    mfu = np.asarray(outcome.mfu) * predicted / published
    source, gpus = runs.words["source_key"], np.asarray(expressed.workload.gpus)
    groups = {
        "vtrain, 64 GPUs and more": (source == "vtrain") & (gpus >= 64),
        "vtrain, one node": (source == "vtrain") & (gpus < 64),
        **{name: source == name for name in SCORED},
        f"ultrascale, MFU ≥ {LOWEST_MFU:.0%}": (source == "ultrascale") & (mfu >= LOWEST_MFU),
    }
    print(f"{'rows':28}{'n':>6}{'mean':>9}{'median':>9}{'bias':>9}   rivals, mean %")
    for name, rows in groups.items():
        line(name, error[rows & usable], RIVALS.get(name, ""))
    means = [np.abs(error[(source == s) & usable & (mfu >= LOWEST_MFU)]) for s in np.unique(source)]
    means = [m.mean() for m in means if len(m)]
    print(f"\nall {len(means)} sources: median of their means {np.median(means):.1%}")
    print(f"all rows: median {np.median(np.abs(error[usable])):.1%}")
    ranking(source, runs, expressed, published, predicted, usable)


def line(name: str, error: np.ndarray, rivals: str) -> None:
    """One row of the table."""
    size = np.abs(error)
    print(f"{name:28}{len(error):6d}{size.mean():9.1%}{np.median(size):9.1%}{error.mean():+9.1%}   {rivals}")


def ranking(source, runs, expressed, published, predicted, usable) -> None:  # type: ignore[no-untyped-def]
    """Rank correlation inside each model and GPU count of Ultra-Scale, and the regret of the layout picked."""
    ranks, regrets = [], []
    keys = np.array(
        [f"{m}|{g}" for m, g in zip(runs.words["model_name"], np.asarray(expressed.workload.gpus), strict=True)]
    )
    for key in np.unique(keys[source == "ultrascale"]):
        rows = np.flatnonzero((source == "ultrascale") & (keys == key) & usable)
        if len(rows) >= 5:
            a, b = (np.argsort(np.argsort(x[rows])) for x in (published, predicted))
            ranks.append(np.corrcoef(a, b)[0, 1])
            regrets.append(published[rows[np.argmin(predicted[rows])]] / published[rows].min() - 1)
    print(
        f"ultrascale, inside a model and GPU count ({len(ranks)} jobs): median rank correlation {np.median(ranks):.3f}"
    )
    print(f"regret of the layout picked: median {np.median(regrets):.1%}, mean {np.mean(regrets):.1%}")


if __name__ == "__main__":
    main()
