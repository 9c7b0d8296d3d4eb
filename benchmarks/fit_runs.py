"""Fit the software generations' constants (`profiles/frameworks/`) on tables of measured runs.

    python benchmarks/fit_runs.py --data FOLDER [--only GENERATION] [--write] [--bands]

One set of constants a generation, bounded by physics; none a model, a source or a row. A source counts with the root of
its size; errors are logarithmic and robust. Prints the table of errors before and after.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from planner import library
from planner.counting import parameters
from planner.timing import step
from planner.timing.software import NAMES, Software, software
from planner.validation import run_table, score, table
from planner.validation.run_table import Runs

BOUNDS = {
    "matmul_slowdown": (0.95, 1.5),
    "cast_bytes": (2.0, 10.0),
    "attention_slowdown": (0.7, 2.2),
    "elementwise_passes": (0.4, 4.0),
    "host_s_per_layer": (2e-5, 4e-3),
    "host_s_per_collective": (5e-6, 1e-3),
    "host_s_per_peer": (0.0, 3e-3),
    "host_s_per_micro_batch": (0.0, 0.05),
    "host_s_per_step": (1e-3, 0.3),
    "loss_bytes": (6.0, 120.0),
    "scale_loss": (0.0, 0.03),
    "data_overlap": (0.0, 1.0),
    "shard_overlap": (0.0, 1.0),
    "gather_efficiency": (0.1, 1.0),
    "gather_overlap": (0.0, 1.0),
    "tensor_overlap": (0.0, 0.95),
    "pipeline_overlap": (0.0, 1.0),
    "expert_overlap": (0.0, 0.9),
    "expert_imbalance": (1.0, 1.6),
}
LOGARITHMIC = ("host_s_per_layer", "host_s_per_collective", "host_s_per_step")
LOWEST_MFU = 0.10
"""Rows below are layouts nobody should run; they are scored by rank."""
INEFFICIENT = 0.1
"""What such a row counts of another in the fit: enough to tell what a layout costs that is bound by the host."""
SCALE = 0.08
"""Logarithmic error from which a row pulls linearly, no longer by its square."""
HOST_STARTS = (5e-5, 3e-4, 1e-3, 2e-3)
"""Seconds a layer from which the fit starts in turn."""
PULL = 0.12
"""Weight of the pull to the start values: a constant that no row speaks of stays where the physics put it."""


def read(folder: Path) -> Runs:
    """The open tables as one."""
    return run_table.joined([run_table.read(folder / name) for name in ("runs_open.csv", "runs_vtrain_open.csv")])


def scored(runs: Runs) -> Runs:
    """Rows with a step time to hold a prediction against."""
    words = runs.words
    return runs.where(np.isin(words["kind"], ("benchmark", "run")) & (words["quality"] != "C"))


class Generation:
    """The rows of one software generation, ready to be predicted with changed constants."""

    def __init__(self, name: str, runs: Runs) -> None:
        self.name, self.e = name, table.express(runs)
        with np.errstate(all="ignore"):
            outcome = score.predict(self.e)
        self.counted = parameters.count(self.e.workload)
        self.published = score.measured_step_s(self.e, outcome)
        self.flops = np.asarray(outcome.flops.step_full)
        peak = np.asarray(self.e.machine.device.peak_flops) * np.asarray(self.e.workload.gpus)
        self.mfu = self.flops / self.published / peak
        self.usable = np.isfinite(self.published) & (self.published > 0) & (self.e.skipped == "") & (self.mfu < 1)
        self.sources = runs.words["source_key"]

    def predict(self, constants: Software) -> np.ndarray:
        """Step times with these constants."""
        with np.errstate(all="ignore"):
            times = step.count(self.e.workload, self.counted, self.e.machine.device, self.e.machine.network, constants)
        return np.broadcast_to(np.asarray(times.total), self.published.shape)

    def weights(self, without: tuple[str, ...]) -> np.ndarray:
        """A source counts with the root of its size, rows nobody should run with a tenth of theirs."""
        use = self.usable & ~np.isin(self.sources, without)
        known = self.e.device_sources != "specification"
        if (use & known).any():
            use = use & known  # a device known by its data sheet alone would bend the software's constants
        quality = np.where(self.e.runs.words["quality"] == "A", 1.0, 0.4)
        weights = np.zeros(len(self.sources))
        for source in np.unique(self.sources[use]):
            rows = use & (self.sources == source)
            weights[rows] = quality[rows] / rows.sum() * rows.sum() ** 0.5
        return weights * np.where(self.mfu >= LOWEST_MFU, 1.0, INEFFICIENT)


def documented(name: str) -> set[str]:
    """The constants that a software's own code or paper says."""
    return set(library.read("frameworks", name).get("documented", {}))


def fit(generation: Generation, without: tuple[str, ...] = ()) -> Software:
    """The constants that fit a generation's rows best within their bounds."""
    start = software(generation.name)
    weights = generation.weights(without)
    rows = weights > 0
    if not rows.any():
        return start
    told = documented(generation.name)
    # Not fitted: what the software's own code or paper says, and a habit of one software that others do not show.
    names = [name for name in BOUNDS if name not in told and (name != "host_s_per_peer" or start.host_s_per_peer)]
    low, high = (np.array([_coded(n, BOUNDS[n][i]) for n in names]) for i in (0, 1))
    origin = 1 + np.clip((np.array([_coded(n, getattr(start, n)) for n in names]) - low) / (high - low), 1e-6, 1 - 1e-6)
    root = np.sqrt(weights[rows] / weights[rows].mean() / rows.sum() * 30)
    target = np.log(generation.published[rows])

    def constants(x: np.ndarray) -> Software:
        """x runs from 1 to 2 between the bounds: the solver's steps are shares of x, so none may be near 0."""
        values = low + (x - 1) * (high - low)
        return replace(start, **{n: float(_decoded(n, v)) for n, v in zip(names, values, strict=True)})

    def residuals(x: np.ndarray) -> np.ndarray:
        error = np.log(generation.predict(constants(x))[rows]) - target
        robust = np.sign(error) * np.sqrt(2 * SCALE**2 * (np.sqrt(1 + (error / SCALE) ** 2) - 1))
        return np.concatenate([root * robust, PULL * (x - origin)])

    # max(host, kernels) has no slope on its far side: several starts of the host's time find the right one.
    starts = [origin.copy() for _ in HOST_STARTS]
    for start_at, seconds in zip(starts, HOST_STARTS, strict=True):
        for name, value in (("host_s_per_layer", seconds), ("host_s_per_collective", seconds / 10)):
            place = names.index(name)
            start_at[place] = 1 + (np.log(value) - low[place]) / (high[place] - low[place])
    tried = [least_squares(residuals, x, bounds=(1, 2), diff_step=1e-3, max_nfev=40) for x in starts]
    best = min(tried, key=lambda one: float(one.cost))
    return constants(best.x)


def _coded(name: str, value: float) -> float:
    return float(np.log(value)) if name in LOGARITHMIC else value


def _decoded(name: str, value: float) -> float:
    return float(np.exp(value)) if name in LOGARITHMIC else float(value)


def errors(generation: Generation, constants: Software) -> dict[str, np.ndarray]:
    """Signed relative errors by source, rows of at least `LOWEST_MFU`."""
    signed = generation.predict(constants) / generation.published - 1
    use = generation.usable & (generation.mfu >= LOWEST_MFU)
    return {str(s): signed[use & (generation.sources == s)] for s in np.unique(generation.sources[use])}


@dataclass(frozen=True)
class Held:
    """Step times of one source predicted without it: published over predicted, and what the bands depend on."""

    source: str
    ratio: np.ndarray
    device_source: np.ndarray
    efficient: np.ndarray


def held_out(generation: Generation, neutral: Software) -> list[Held]:
    """Every source of a generation predicted with constants that never saw it; `neutral` where nothing else is left."""
    found, told = [], documented(generation.name)
    for source in np.unique(generation.sources[generation.usable]):
        others = generation.weights((str(source),)) > 0
        constants = (
            fit(generation, (str(source),)) if others.sum() >= 5 else _like(neutral, software(generation.name), told)
        )
        rows = generation.usable & (generation.sources == source)
        ratio = (generation.published / generation.predict(constants))[rows]
        efficient = ((generation.mfu * generation.published / generation.predict(constants)) >= LOWEST_MFU)[rows]
        found.append(Held(str(source), ratio, generation.e.device_sources[rows], efficient))
    return found


def _like(neutral: Software, own: Software, told: set[str]) -> Software:
    """Neutral constants with the traits that no fit chooses (kernel generations, flags, what is documented) as they
    are."""
    return replace(own, **{name: getattr(neutral, name) for name in BOUNDS if name not in told})


def neutral_constants(names: list[str]) -> Software:
    """The middle of the fitted generations: what is expected of a software that was never seen."""
    kinds = [software(name) for name in names]
    return replace(kinds[0], **{n: float(np.median([getattr(k, n) for k in kinds])) for n in BOUNDS})


def bands(held: list[Held]) -> dict[str, tuple[float, float]]:
    """10 % and 90 % quantiles of published over predicted, by how the device's kernels are known."""
    known = ("interpolated", "carried", "specification")
    kinds = {kind: lambda h, kind=kind: h.efficient & (h.device_source == kind) for kind in known}
    kinds["inefficient"] = lambda h: ~h.efficient
    return {name: _quantiles(held, chosen) for name, chosen in kinds.items()}


def _quantiles(held: list[Held], chosen: Callable[[Held], np.ndarray]) -> tuple[float, float]:
    """Weighted quantiles; a source counts by its rows up to thirty, so that no sweep decides alone."""
    values = np.concatenate([h.ratio[chosen(h)] for h in held])
    weights = np.concatenate([np.full(chosen(h).sum(), min(1.0, 30 / max(1, chosen(h).sum()))) for h in held])
    order = np.argsort(values)
    share = np.cumsum(weights[order]) / weights.sum()
    return float(values[order][np.searchsorted(share, 0.1)]), float(values[order][np.searchsorted(share, 0.9)])


def widened(made: dict[str, tuple[float, float]], by: float) -> dict[str, tuple[float, float]]:
    """Bands whose logarithmic widths are `by` times as wide; that of inefficient layouts is wide enough."""
    powers = {name: 1.0 if name == "inefficient" else by for name in made}
    return {name: (min(1.0, low) ** powers[name], max(1.0, high) ** powers[name]) for name, (low, high) in made.items()}


def coverage(held: list[Held], by: float = 1.0) -> tuple[float, float]:
    """Share of rows inside a band made from the other sources' rows: over all rows, and as a mean over sources."""
    inside = []
    for h in held:
        made = widened(bands([other for other in held if other is not h]), by)
        keys = np.where(h.efficient, h.device_source, "inefficient")
        low, high = (np.array([made[str(k)][side] for k in keys]) for side in (0, 1))
        inside.append((h.ratio >= low) & (h.ratio <= high))
    return float(np.concatenate(inside).mean()), float(np.mean([one.mean() for one in inside]))


def write_bands(held: list[Held]) -> None:
    """`profiles/bands.json` from held-out residuals, and the figures that it stands on."""
    # Few sources a kind: their own quantiles are a little too narrow for the next one. Widen until they hold four of
    # five rows of a source, in the mean over sources. (Of all rows fewer: a third are one sweep of layouts that nobody
    # should run, predicted here as a software never seen.)
    by = next(by for by in np.arange(1.0, 3.0, 0.05) if coverage(held, by)[1] >= 0.80)
    made, (rows, sources) = widened(bands(held), by), coverage(held, by)
    efficient = np.concatenate([np.abs(1 / h.ratio[h.efficient] - 1) for h in held])
    by_source = [float(np.abs(1 / h.ratio[h.efficient] - 1).mean()) for h in held if h.efficient.any()]
    low, high = made["interpolated"]
    factors = {"measured": (low**0.5, high**0.5), **made}
    data = {
        "name": "step time, 80 % interval: published over predicted",
        "factors": {name: [round(value, 3) for value in pair] for name, pair in factors.items()},
        "source": "benchmarks/fit_runs.py --bands: each source of the open runs, predicted without having seen it",
        "measured": "assumed: half the logarithmic width of `interpolated`, the kernels being this device's own",
        "rows": int(sum(len(h.ratio) for h in held)),
        "sources": len(held),
        "widened_by": round(float(by), 2),
        "coverage_of_rows": round(rows, 3),
        "coverage_of_sources": round(sources, 3),
        "median_error_left_out": round(float(np.median(efficient)), 4),
        "mean_of_sources_left_out": round(float(np.mean(by_source)), 4),
        "median_of_sources_left_out": round(float(np.median(by_source)), 4),
    }
    (library.SHIPPED / "bands.json").write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")
    print(json.dumps(data, indent=2, ensure_ascii=False))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the tables of runs")
    parser.add_argument("--write", action="store_true", help="write the constants into profiles/frameworks")
    parser.add_argument("--only", action="append", help="only these generations")
    parser.add_argument(
        "--bands", action="store_true", help="leave each source out in turn and write profiles/bands.json"
    )
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    runs = scored(read(options.data))
    names = table.generations(runs)
    chosen = sorted(set(names.tolist()) & set(options.only or names.tolist()))
    held: list[Held] = []
    for name in chosen:
        generation = Generation(name, runs.where(names == name))
        if options.bands:
            held += held_out(generation, neutral_constants([other for other in chosen if other != name]))
        else:
            _refit(generation, options.write)
    if options.bands:
        write_bands(held)


def _refit(generation: Generation, keep: bool) -> None:
    before, constants = software(generation.name), fit(generation)
    print(f"\n{generation.name}: {int(generation.usable.sum())} rows")
    print("  " + ", ".join(f"{n} {getattr(constants, n):.4g}" for n in NAMES))
    old, new = errors(generation, before), errors(generation, constants)
    for source, signed in new.items():
        print(
            f"  {source:26s} n {len(signed):4d}"
            f"  mean |error| {np.abs(old[source]).mean():6.1%} → {np.abs(signed).mean():6.1%}"
            f"  median {np.median(np.abs(signed)):6.1%}  bias {signed.mean():+6.1%}"
        )
    if keep:
        write(generation.name, constants, generation)


def write(name: str, constants: Software, generation: Generation) -> None:
    """The constants into their file, with what they were fitted on."""
    path = library.paths("frameworks")[name]
    data = json.loads(path.read_text("utf-8"))
    data |= {n: float(f"{getattr(constants, n):.4g}") for n in NAMES}
    rows = generation.weights(()) > 0
    sources = sorted(set(generation.sources[rows].tolist()))
    data["kind"] = "estimated"
    data["source"] = f"fitted by benchmarks/fit_runs.py on {int(rows.sum())} published runs of {', '.join(sources)}"
    signed = np.abs(generation.predict(constants)[rows] / generation.published[rows] - 1)
    data["spread"] = float(f"{np.quantile(signed, 0.8):.3g}")
    path.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    main()
