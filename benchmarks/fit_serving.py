"""Fit serving's constants on `profiles/throughputs.csv` and print the error of every row.

    python benchmarks/fit_serving.py

Three numbers are free: the share of the peak in 16 and in 8 bits, and the time a layer takes beside its bytes; the
share of the bandwidth is held at 0.8, which the rows alone do not pin down. Mixtures are left out of the fit. The
results are the constants of `planner/costing/serving.py` and the default of `lifetime.bandwidth_efficiency`.
"""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from scipy.optimize import minimize

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planner import library
from planner.costing import serving
from planner.plan import shipped
from planner.plan.lifetime import Lifetime

BANDWIDTH = 0.8
START = (0.7, 0.45, 60e-6)


def ratio(row: dict[str, str], half: float, eighth: float, launch_s: float) -> float:
    """Predicted over published tokens/s of one row."""
    gpus, cache_bytes = float(row["gpus"]), float(row["cache_bytes"])
    life = Lifetime(precision=row["precision"], cache_bytes=cache_bytes)
    model = serving.served(shipped.model(row["model"]), row["precision"], cache_bytes)
    server = replace(
        serving.server(shipped.accelerator(row["accelerator"]), life, gpus), launch_s=launch_s,
        compute_efficiency=eighth if row["precision"] == "fp8" else half, bandwidth_efficiency=BANDWIDTH,
    )  # fmt: skip
    found = serving.serve(
        model, server, prompt=float(row["prompt_tokens"]), answer=float(row["answer_tokens"]),
        batch=float(row["batch"]), usd_per_gpu_hour=1.0, load=1.0,
    )  # fmt: skip
    return float(found.output_tokens_per_s) / gpus / float(row["output_tokens_per_s_per_gpu"])


def main() -> None:
    """Fit, then print."""
    with (library.SHIPPED / "throughputs.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    dense = [row for row in rows if "mixtral" not in row["model"]]

    def loss(logs: np.ndarray) -> float:
        return float(np.mean([abs(np.log(ratio(row, *np.exp(logs)))) for row in dense]))

    best = minimize(loss, np.log(START), method="Nelder-Mead", options={"maxiter": 200, "xatol": 1e-2, "fatol": 1e-4})
    print("16 bits {:.3f}, 8 bits {:.3f}, launch {:.1e} s; mean |log error| {:.1%}".format(*np.exp(best.x), best.fun))
    print(f"as shipped {START}: {loss(np.log(START)):.1%}")
    for row in rows:
        print(f"{row['id']:50}{ratio(row, *START) - 1:+7.0%}")


if __name__ == "__main__":
    main()
