"""Fit the memory constants of the software generations (`profiles/frameworks/`, under `memory`) on measured runs.

    python benchmarks/fit_memory.py --data FOLDER [--write] [--leave-out SOURCE …]

Counts of saved tensors are read from source code and stay; what is fitted are bytes of buffers and shares of the
allocator's reserve, within physical bounds, per generation: none a model, a source or a row. Errors are logarithmic
and robust, sources count equally within a generation. Prints errors by source before and after, and who fits.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planner import library
from planner.counting import allocation, memory, parameters
from planner.counting.allocation import Allocation
from planner.formula import Array
from planner.plan.workload import Workload
from planner.validation import run_table, table
from planner.validation.run_table import Runs

BOUNDS = {
    "logit_bytes": (2.0, 18.0),  # bf16 logits alone … bf16, fp32, softmax, gradient and the last micro-batch's
    "spare_gradient_bytes": (0.0, 4.0),  # none … fp32 buckets
    "stream_buffers": (0.0, 12.0),  # gathered input and gradient of a few products under way
    "scratch_layers": (0.0, 2.0),
    "buffer_bytes": (0.05e9, 10e9),
    "reserve_share": (0.0, 0.3),
    "steady_reserve_share": (0.0, 0.5),
    "state_reserve_share": (0.0, 0.5),
    "late_free_share": (0.0, 1.0),
    "context_bytes": (0.4e9, 3e9),
}
FREE = {
    "nanotron": ("logit_bytes", "spare_gradient_bytes", "stream_buffers", "buffer_bytes", "reserve_share",
                 "steady_reserve_share", "state_reserve_share", "late_free_share"),
    "megatron-core": ("logit_bytes", "stream_buffers", "buffer_bytes"),
    "megatron-deepspeed": ("spare_gradient_bytes", "scratch_layers", "buffer_bytes"),
    "torchtitan": ("selective_kept", "logit_bytes", "reserve_share"),
}  # fmt: skip
BOUNDS["selective_kept"] = (0.2, 1.0)
PULL = 0.02
"""Weight of the pull to the start values: a constant that no row speaks of stays where the source code put it."""


def main() -> None:
    options = _options()
    runs = run_table.read(options.data / "runs_open.csv")
    kept = np.isfinite(runs.numbers["mem_gb_per_gpu"]) & (runs.words["mem_definition"] != "analytic")
    runs = runs.where(kept)
    expressed = table.express(runs)
    usable = expressed.skipped == ""
    names, there = expressed.software_names, expressed.of_device(lambda a: a.memory_bytes)
    start = {str(name): allocation.allocation(str(name)) for name in np.unique(names)}
    fitted = dict(start)
    fit_on = usable & ~np.isin(runs.words["source_key"], options.leave_out)
    for name, free in FREE.items():
        rows = fit_on & (names == name)
        if rows.any():
            fitted[name] = _fit(_rows(expressed.workload, rows), runs.where(rows), there[rows], start[name], free)
    for title, constants in (("before", start), ("after", fitted)):
        print(title)
        _report(expressed.workload, runs, names, there, usable, constants)
    for file in ("runs_open.csv", "runs_failed_open.csv"):
        _fits(options.data / file, fitted)
    for name in FREE:
        print(name, {key: float(f"{getattr(fitted[name], key):.4g}") for key in FREE[name]})
        if options.write:
            _write(name, fitted[name])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables of runs")
    parser.add_argument("--leave-out", nargs="*", default=[], metavar="SOURCE", help="sources not fitted on")
    parser.add_argument("--write", action="store_true", help="write the constants into profiles/frameworks")
    return parser.parse_args()


def _rows(w: Workload, mask: NDArray[np.bool_]) -> Workload:
    return Workload(**{name: np.broadcast_to(getattr(w, name), mask.shape)[mask] for name in Workload.__slots__})


def predict(w: Workload, runs: Runs, device_bytes: Array, constants: Allocation) -> Array:
    """What each row's source would print."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        printed = memory.as_printed(w, parameters.count(w), constants, runs.words["mem_definition"], device_bytes)
    return np.broadcast_to(np.asarray(printed), (len(runs),))


def _fit(w: Workload, runs: Runs, device_bytes: Array, start: Allocation, free: tuple[str, ...]) -> Allocation:
    measured = runs.numbers["mem_gb_per_gpu"] * 1e9
    sources, index, counts = np.unique(runs.words["source_key"], return_inverse=True, return_counts=True)
    weight = np.sqrt(len(runs) / len(sources) / counts[index]) / np.sqrt(len(runs))
    low, high = np.array([BOUNDS[key] for key in free]).T
    at = np.clip(np.array([float(getattr(start, key)) for key in free]), low, high)

    def residuals(x: Array) -> Array:
        constants = replace(start, **dict(zip(free, low + x * (high - low), strict=True)))
        errors = np.log(predict(w, runs, device_bytes, constants) / measured)
        pull = PULL * (x - (at - low) / (high - low)) / np.sqrt(len(free))
        return np.concatenate([weight * np.sqrt(2 * (np.sqrt(1 + (errors / SCALE) ** 2) - 1)) * SCALE, pull * SCALE])

    x0 = np.clip((at - low) / (high - low), 0.02, 0.98)
    found = least_squares(residuals, x0, bounds=(0.0, 1.0), x_scale=0.1)
    return replace(start, **dict(zip(free, (float(v) for v in low + found.x * (high - low)), strict=True)))


SCALE = 0.03
"""Errors beyond this count as in a median, below as in a mean."""


def _report(
    w: Workload,
    runs: Runs,
    names: table.Text,
    there: Array,
    usable: NDArray[np.bool_],
    constants: dict[str, Allocation],
) -> None:
    errors = np.full(len(runs), np.nan)
    for name, one in constants.items():
        rows = usable & (names == name)
        if rows.any():
            printed = predict(_rows(w, rows), runs.where(rows), there[rows], one)
            errors[rows] = printed / (runs.numbers["mem_gb_per_gpu"][rows] * 1e9) - 1
    for source in (*np.unique(runs.words["source_key"]), "all"):
        e = errors[((runs.words["source_key"] == source) | (source == "all")) & np.isfinite(errors)]
        if len(e):
            size = np.abs(e)
            spread = f"median {np.median(size):6.1%}  p90 {np.quantile(size, 0.9):6.1%}  bias {np.median(e):+6.1%}"
            print(f"  {source:18} n {len(e):5}  {spread}")


def _fits(path: Path, constants: dict[str, Allocation]) -> None:
    runs = run_table.read(path)
    runs = runs.where((runs.words["kind"] == "benchmark") & np.isin(runs.words["outcome"], ("ran", "failed")))
    expressed = table.express(runs)
    usable = expressed.skipped == ""
    unique, index = np.unique(expressed.software_names, return_inverse=True)
    software = allocation.gather([constants.get(str(n)) or allocation.allocation(str(n)) for n in unique], index)
    there = expressed.of_device(lambda a: a.memory_bytes)
    with np.errstate(all="ignore"):
        counted = memory.count(expressed.workload, parameters.count(expressed.workload), software, there)
    ran = runs.words["outcome"] == "ran"
    for word, mask in (("ran", ran & usable), ("failed", ~ran & usable)):
        if mask.any():
            fits = (np.asarray(counted.total) <= there)[mask]
            print(f"{path.name}: {word}: {mask.sum()}, said to fit {fits.mean():.1%}")
            for source in np.unique(runs.words["source_key"][mask]) if word == "ran" else ():
                mine = runs.words["source_key"][mask] == source
                if not fits[mine].all():
                    print(f"    {source}: {(~fits[mine]).sum()} of {mine.sum()} said not to fit")


def _write(name: str, constants: Allocation) -> None:
    path = library.SHIPPED / "frameworks" / f"{name}.json"
    data = json.loads(path.read_text("utf-8"))
    data["memory"] |= {key: float(f"{getattr(constants, key):.4g}") for key in FREE[name]}
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
