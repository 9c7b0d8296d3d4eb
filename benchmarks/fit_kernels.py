"""Fit the devices' constants to a table of measured kernels, and say how well they hold.

    python benchmarks/fit_kernels.py --data FOLDER [--out profiles/devices] [--dry-run]

Reads kernels_open.csv (matrix products, attention and NCCL collectives as NVIDIA's aiconfigurator and SimuMax measured
them, best of sweeps of stas00/ml-engineering), fits a few bounded constants a kernel class and device by robust least
squares of log time, writes one file a device and default.json, and prints the errors: in sample, cross-validated over
shapes, and with the whole device (then its whole family) left out and its constants carried over.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planner import library
from planner.plan.cluster import Accelerator
from planner.timing import collectives, device, kernels
from planner.timing.device import Device

FOLDS = 5
KNEE = 0.05
"""Log residual from which the loss grows linearly."""

Bounds = dict[str, tuple[float, float, float]]
"""Constant → (lowest, start, highest)."""

MATMUL: Bounds = {
    "matmul_efficiency": (0.3, 0.75, 1.0), "matmul_depth": (0, 100, 1000), "matmul_tail": (0, 0.3, 1),
    "matmul_edge": (0, 8, 40), "matmul_split": (0, 1500, 3000), "matmul_memory": (0.4, 0.8, 0.95),
    "matmul_sustained": (0, 0.05, 0.5), "launch_s": (1e-6, 3e-6, 1e-5),
}  # fmt: skip
CAST: Bounds = {"cast_bytes": (0, 6, 20), "cast_s": (0, 1e-5, 3e-5)}
ATTENTION: Bounds = {
    "attention_efficiency": (0.2, 0.6, 1.0), "attention_length": (0, 200, 1000), "attention_tail": (0, 0.4, 1.5),
    "attention_head_dim": (0, 25, 200), "cache_bytes": (0, 3, 8), "query_bytes": (0, 0.5, 4),
    "cache_s": (0, 8e-6, 2e-5),
}  # fmt: skip
BACKWARD: Bounds = {"attention_backward": (0.4, 0.85, 1.1), "attention_backward_tail": (0, 0.4, 1.5)}
COLLECTIVES: Bounds = {
    "share": (0.05, 0.8, 1), "pair": (-0.6, 0.2, 0.6), "all_reduce_gain": (0.8, 1.1, 2),
    "all_reduce_full_gain": (0.8, 1.1, 2),
    "all_to_all_share": (0.4, 0.9, 1.2), "start_s": (1e-6, 6e-6, 2e-5), "step_s": (1e-7, 1e-6, 5e-6),
    "all_to_all_start_s": (0, 3e-6, 1e-5), "ramp": (0, 1, 2),
}  # fmt: skip

ASSUMED = {
    "memory_efficiency": 0.88,
    "attention_backward": 0.82,
    "attention_backward_tail": 0.3,
    "paged": 1.0,
    "cast_bytes": 0.0,
    "cast_s": 0.0,
}
GENERATIONS = {
    "Hopper": {"flash1": 0.35, "flash2": 0.58},
    "Blackwell": {"flash1": 0.2, "flash2": 0.32},
    "Blackwell Ultra": {"flash1": 0.14, "flash2": 0.22},
    "other": {"flash1": 0.55, "flash2": 1.0},
}
MULTIPROCESSORS = {"B300-SXM": 148, "GB200-NVL72": 152, "GB300-NVL72": 152}
"""Where the data sheets give none: as the driver reports them (recalled)."""
SWEEP_SHARE = 0.91
"""Rate of a typical large product over the best of a sweep: median of A100, H100, B200, B300, GB200 (0.86–0.97)."""
LINKS_LEFT_OUT = ("L40S",)
"""The measured host's collectives fall to 2 GB/s a GPU over eight GPUs, cause not stated: not typical."""


def main() -> None:
    """Fit, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of kernels_open.csv")
    parser.add_argument("--out", type=Path, default=library.SHIPPED / "devices", help="where the files go")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    options = parser.parse_args()
    rows = read(options.data / "kernels_open.csv")
    files = fit_everything(rows)
    errors = leave_out(rows, files)
    print(report(files, errors))
    if not options.dry_run:
        options.out.mkdir(parents=True, exist_ok=True)
        for name, file in files.items():
            path = options.out / f"{library.slug(name)}.json"
            path.write_text(json.dumps(file, indent=2, ensure_ascii=False) + "\n", "utf-8")


# The table.


def read(path: Path) -> pd.DataFrame:
    """Rows with sizes, `time_s`, `kind` (matmul, attention, collectives), `direction` and `origin`."""
    rows = pd.read_csv(path)
    rows["origin"] = np.select(
        [rows.source.str.contains("aiconfigurator"), rows.source.str.contains("SimuMax")],
        ["aiconfigurator", "simumax"], "sweep",
    )  # fmt: skip
    rows["kind"] = np.select(
        [rows.op.str.contains("gemm"), rows.op.str.startswith("attention")], ["matmul", "attention"], "collectives"
    )
    dims = rows.head_dim.astype("string").str.split("/", expand=True)
    rows["qk_dim"], rows["v_dim"] = dims[0].astype(float), dims[1].fillna(dims[0]).astype(float)
    rows["direction"] = np.select(
        [rows.op.str.contains(words) for words in ("dgrad|bwd_grad_act", "wgrad|bwd_grad_w", "_bwd")],
        ["input_gradient", "weight_gradient", "backward"], "forward",
    )  # fmt: skip
    rows["time_s"] = rows.latency_ms * 1e-3
    products = rows.kind == "matmul"
    flops = 2 * rows.m * rows.n * rows.k * rows.batch.fillna(1)
    rows.loc[products & rows.time_s.isna(), "time_s"] = flops / (rows.tflops * 1e12)
    return rows.assign(time_s=rows.time_s.fillna(_simumax_attention_s(rows)))


def _simumax_attention_s(rows: pd.DataFrame) -> pd.Series:
    """SimuMax counts full attention: two products forward, five backward (its core/transformer/dense_module.py)."""
    products = np.where(rows.direction == "backward", 2.5, 1.0)
    flops = 2 * rows.batch * rows.heads * rows.seq**2 * (rows.qk_dim + rows.v_dim) * products
    return flops / (rows.tflops * 1e12)


def accelerator(name: str) -> Accelerator:
    """A shipped accelerator."""
    return Accelerator.model_validate(library.read("accelerators", name))


def part(rows: pd.DataFrame, kind: str, precision: str, origin: str = "aiconfigurator") -> dict[str, pd.DataFrame]:
    """Rows of a kernel class by device."""
    chosen = rows[(rows.kind == kind) & (rows.origin == origin) & (rows.dtype == precision)]
    return {str(name): group.reset_index(drop=True) for name, group in chosen.groupby("gpu")}


# The models: rows and constants in, seconds out; the product's own formulas.

Model = Callable[[Any, pd.DataFrame, dict[str, float]], Any]


def bare(name: str, precision: str) -> Device:
    """A device with its peaks; constants are put in by the models."""
    unit = accelerator(name)
    zeros = {field.name: 0.0 for field in dataclasses.fields(Device)}
    peak, attention = unit.peak(precision), unit.peak("bf16")
    return Device(**{
        **zeros, "peak_flops": peak, "attention_peak_flops": attention,
        "multiprocessors": MULTIPROCESSORS.get(name, unit.multiprocessors),
        "bandwidth_bytes_per_s": unit.memory_bandwidth_bytes_per_s, "element_bytes": 1.0 if precision == "fp8" else 2.0,
        "input_gradient": 1.0, "attention_backward": 1.0, "paged": 1.0, "launch_s": 3e-6, "source": "", "basis": "",
    })  # fmt: skip


def matmul_model(base: Device, rows: pd.DataFrame, constants: dict[str, float]) -> Any:
    """Forward products."""
    return kernels.matmul_s(_with(base, constants), rows.m.to_numpy(), rows.n.to_numpy(), rows.k.to_numpy())


def attention_model(base: Device, rows: pd.DataFrame, constants: dict[str, float]) -> Any:
    """Causal attention forward, as the serving library calls it or (SimuMax) as training does."""
    sizes = [rows[column].to_numpy() for column in ("batch", "heads", "kv_heads", "seq", "seq")]
    dim = ((rows.qk_dim + rows.v_dim) / 2).to_numpy()
    serving = rows.origin.iloc[0] == "aiconfigurator"
    return kernels.attention_s(_with(base, constants), *sizes, dim, causal=True, serving=serving)


def _with(base: Device, constants: dict[str, float]) -> Device:
    return dataclasses.replace(base, **{name: value for name, value in constants.items() if hasattr(base, name)})


def collectives_model(link: float, rows: pd.DataFrame, constants: dict[str, float]) -> Any:
    """NCCL inside a node."""
    c = constants
    links = collectives.Network(
        domain=8.0, inside_bytes_per_s=link * c["share"], inside_pair=c["pair"], all_reduce_gain=c["all_reduce_gain"],
        all_reduce_full_gain=c["all_reduce_full_gain"],
        all_to_all_share=c["all_to_all_share"], start_s=c["start_s"], inside_step_s=c["step_s"],
        all_to_all_start_s=c["all_to_all_start_s"], ramp=c["ramp"], between_bytes_per_s=1e9, between_step_s=0.0,
    )  # fmt: skip
    sizes, ranks = rows.bytes.to_numpy(), rows.gpus.to_numpy(dtype=float)
    time = np.zeros(len(rows))
    for op, function in {
        "all_gather": collectives.all_gather_s, "reduce_scatter": collectives.reduce_scatter_s,
        "all_reduce": collectives.all_reduce_s, "alltoall": collectives.all_to_all_s,
    }.items():  # fmt: skip
        which = (rows.op == f"nccl_{op}").to_numpy()
        time[which] = function(links, sizes[which], ranks[which], ranks[which])
    return time


# Fitting.


def fit(
    model: Model,
    pieces: Sequence[tuple[Any, pd.DataFrame]],
    bounds: Bounds,
    fixed: dict[str, float] | None = None,
    near: dict[str, float] | None = None,
) -> dict[str, float]:
    """Constants of least robust error of log time over all pieces (base, rows), every piece of equal weight; searched
    from two places, or from `near` alone."""
    names = list(bounds)
    low, start, high = (np.array(column) for column in zip(*bounds.values(), strict=True))
    scale = high - low
    usual = (start - low) / scale
    starts = [(np.array([near[name] for name in names]) - low) / scale] if near else [usual, 0.4 * usual]
    weights = [np.sqrt(max(len(rows) for _, rows in pieces) / len(rows)) for _, rows in pieces]

    def residuals(x: Any) -> Any:
        constants = {**(fixed or {}), **dict(zip(names, low + x * scale, strict=True))}
        errors = [
            weight * (np.log(model(base, rows, constants)) - np.log(rows.time_s.to_numpy()))
            for weight, (base, rows) in zip(weights, pieces, strict=True)
        ]
        return np.concatenate([*errors, KNEE * (x - usual)])  # a weak pull holds what the rows leave open

    found = [
        least_squares(residuals, np.clip(place, 0.01, 0.99), bounds=(0, 1), loss="soft_l1", f_scale=KNEE,
                      diff_step=1e-4, xtol=1e-5, ftol=1e-6)
        for place in starts
    ]  # fmt: skip
    best = min(found, key=lambda one: one.cost)
    values = low + best.x * scale
    small = 1e-6 * high
    return {
        name: float(f"{value:.4g}")
        for name, value in zip(names, np.where(np.abs(values) < small, 0, values), strict=True)
    }


def error(model: Model, base: Any, rows: pd.DataFrame, constants: dict[str, float]) -> Any:
    """Relative errors of time."""
    return model(base, rows, constants) / rows.time_s.to_numpy() - 1


def cross_validated(
    model: Model,
    base: Any,
    rows: pd.DataFrame,
    bounds: Bounds,
    fixed: dict[str, float] | None = None,
    near: dict[str, float] | None = None,
    beside: Sequence[tuple[Any, pd.DataFrame]] = (),
) -> Any:
    """Errors of each fifth of the shapes under constants fitted to the other four."""
    fold = np.random.default_rng(0).permutation(len(rows)) % FOLDS
    errors = np.empty(len(rows))
    for one in range(FOLDS):
        constants = {**(fixed or {}), **fit(model, [(base, rows[fold != one]), *beside], bounds, fixed, near)}
        errors[fold == one] = error(model, base, rows[fold == one], constants)
    return errors


def spread(errors: Any) -> dict[str, float]:
    """Median and 90th percentile of the absolute errors, and the signed median."""
    size = np.abs(errors)
    return {
        "median": round(float(np.median(size)), 4),
        "p90": round(float(np.quantile(size, 0.9)), 4),
        "bias": round(float(np.median(errors)), 4),
    }


def band(errors: Any) -> float:
    """Half-width that holds 80 %."""
    return round(float(np.quantile(np.abs(errors), 0.8)), 4)


def section(
    model: Model,
    base: Any,
    rows: pd.DataFrame,
    bounds: Bounds,
    what: str,
    fixed: dict[str, float] | None = None,
    beside: Sequence[tuple[Any, pd.DataFrame]] = (),
) -> dict[str, Any]:
    """A file's section of one kernel class: constants, basis, errors. `beside`: other rows that the constants serve."""
    constants = {**(fixed or {}), **fit(model, [(base, rows), *beside], bounds, fixed)}
    held_out = cross_validated(model, base, rows, bounds, fixed, constants, beside)
    return {
        "constants": constants,
        "basis": f"{len(rows)} {what} measured on it ({rows.source.iloc[0].split(';')[0].split('(')[0].strip()}), "
        f"fitted {date.today().isoformat()}",
        "rows": len(rows),
        "band": band(held_out),
        "in_sample": spread(error(model, base, rows, constants)),
        "cross_validated": spread(held_out),
    }


def fit_everything(rows: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Files by name, `default` among them."""
    files: dict[str, dict[str, Any]] = {}
    for name, group in part(rows, "matmul", "bf16").items():
        files[name] = head(name)
        files[name]["matmul"] = {"bf16": section(matmul_model, bare(name, "bf16"), group, MATMUL, "bf16 products")}
    for name, group in part(rows, "matmul", "fp8").items():
        files[name]["matmul"]["fp8"] = fit_fp8(name, group, files[name]["matmul"]["bf16"]["constants"])
    for name, group in part(rows, "attention", "bf16").items():
        files[name]["attention"] = {"bf16": fit_attention(rows, name, group)}
    for name, group in part(rows, "collectives", "fp16").items():
        if name not in LINKS_LEFT_OUT:
            files[name]["collectives"] = fit_links(name, group)
    add_backward(rows, files)
    files["A100-80GB-PCIe"] = fit_scaled(rows, "A100-80GB-PCIe", files["A100-80GB-SXM"])
    files["default"] = general(rows, files)
    files |= from_sweeps(rows, files)
    return files


def fit_attention(rows: pd.DataFrame, name: str, group: pd.DataFrame) -> dict[str, Any]:
    """Attention forward: the serving library's kernel, and beside it the training one where SimuMax measured that."""
    what = "causal attention kernels (forward)"
    if name not in TRAINED:
        return section(attention_model, bare(name, "bf16"), group, ATTENTION, what)
    donor = TRAINED[name]
    trained = trained_attention(rows, donor)
    trained = trained[trained.direction == "forward"]
    beside = [(bare(donor, "bf16"), trained)]
    bounds = ATTENTION | {"paged": (0.5, 1, 1.2)}
    found = section(attention_model, bare(name, "bf16"), group, bounds, what, beside=beside)
    errors = error(attention_model, *beside[0], found["constants"])
    return {
        **found,
        "training_kernel": spread(errors),
        "basis": f"{found['basis']}, with {len(trained)} of training (SimuMax, {donor})",
    }


def trained_attention(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """SimuMax's attention rows with one head size for keys and values."""
    chosen = part(rows, "attention", "bf16", "simumax")[name]
    return chosen[chosen.qk_dim == chosen.v_dim].reset_index(drop=True)


TRAINED = {"A100-80GB-SXM": "A100-80GB-PCIe", "B200-SXM": "B200-SXM"}
"""Devices of which SimuMax measured the training kernels, or whose sister's."""


def fit_fp8(name: str, rows: pd.DataFrame, bf16: dict[str, float]) -> dict[str, Any]:
    """fp8 products with the cast of their activations, which is measured with them; the launch is bf16's."""
    bounds = {key: value for key, value in MATMUL.items() if key != "launch_s"} | CAST
    fixed = {"launch_s": bf16["launch_s"]}
    return section(matmul_model, bare(name, "fp8"), rows, bounds, "fp8 products with the cast", fixed)


def fit_links(name: str, rows: pd.DataFrame) -> dict[str, Any]:
    """NCCL on the scale-up link."""
    link = float(accelerator(name).link_bytes_per_s or 0.0)
    found = section(collectives_model, link, rows, COLLECTIVES, "NCCL collectives of 2 to 8 GPUs")
    return {"link": collectives.link_kind(accelerator(name).link), "bytes_per_s": link, **found}


def head(name: str, tables: str = "NVIDIA aiconfigurator @095f58a") -> dict[str, Any]:
    """What a device's file says of the device; `tables`: the published ones that its own rows are of."""
    unit = accelerator(name)
    return {
        "name": name,
        "family": device.family(unit),
        "multiprocessors": MULTIPROCESSORS.get(name, unit.multiprocessors),
        "peak_flops": unit.peak("bf16"),
        "bandwidth_bytes_per_s": unit.memory_bandwidth_bytes_per_s,
        "watt_per_flops": float(f"{device.watt_per_flops(unit):.4g}"),
        "source": "Written by benchmarks/fit_kernels.py from kernels_open.csv: NVIDIA aiconfigurator @095f58a "
        "(Apache-2.0, 2026-08), SimuMax @4dcaae5, stas00/ml-engineering @744d01e",
        "as_of": date.today().isoformat(),
        "tables": tables,
        "tables_as_of": "2026-08",
    }


# Directions: SimuMax measured forward and backward with the training libraries' kernels.


def add_backward(rows: pd.DataFrame, files: dict[str, dict[str, Any]]) -> None:
    """Attention's backward beside its forward: rate and tail of SimuMax's pairs; FlashAttention 3's of its paper."""
    donors = {"Ampere": "A100-80GB-PCIe", "Blackwell": "B200-SXM"}
    found = {key: fit_backward(rows, name, files) for key, name in donors.items()}
    found["Hopper"] = {"attention_backward": 0.82, "attention_backward_tail": 0.35}
    for file in files.values():
        donor = {"Hopper": "Hopper", "Blackwell": "Blackwell", "Blackwell Ultra": "Blackwell"}.get(
            file["family"], "Ampere"
        )
        file["attention"]["bf16"]["constants"] |= found[donor]
        origin = (
            "FlashAttention 3 (arXiv 2407.08608, figure 6, recalled)"
            if donor == "Hopper"
            else f"SimuMax's {donors[donor]} rows"
        )
        file["attention"]["bf16"]["basis"] += f"; backward against forward from {origin}"


def fit_backward(rows: pd.DataFrame, name: str, files: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Rate and tail of the backward, the forward's efficiency fitted beside them so that only the ratio remains."""
    chosen = trained_attention(rows, name)
    like = files[name if name in files else "A100-80GB-SXM"]["attention"]["bf16"]["constants"]
    bounds = {**BACKWARD, "attention_efficiency": ATTENTION["attention_efficiency"]}
    constants = fit(both_ways_model, [(bare(name, "bf16"), chosen)], bounds, like)
    errors = error(both_ways_model, bare(name, "bf16"), chosen, {**like, **constants})
    print(f"attention both ways, SimuMax {name}: {constants} {spread(errors)}")
    return {key: constants[key] for key in BACKWARD}


def both_ways_model(base: Device, rows: pd.DataFrame, constants: dict[str, float]) -> Any:
    """Attention forward and backward as training calls it; head sizes of keys and values may differ."""
    unit = _with(base, constants)
    dim = ((rows.qk_dim + rows.v_dim) / 2).to_numpy()
    sizes = [rows[column].to_numpy() for column in ("batch", "heads", "kv_heads", "seq", "seq")]
    forward = kernels.attention_s(unit, *sizes, dim, causal=True)
    backward = kernels.attention_s(unit, *sizes, dim, causal=True, direction="backward")
    return np.where(rows.direction == "backward", backward, forward)


def directions_model(base: Device, rows: pd.DataFrame, constants: dict[str, float]) -> Any:
    """Products in each direction; the table gives m, n, k as each kernel runs them."""
    unit = _with(base, constants)
    m, n, k, groups = (rows[column].fillna(1).to_numpy() for column in ("m", "n", "k", "batch"))
    forward = kernels.matmul_s(unit, m, n, k, groups=groups)
    inputs = kernels.matmul_s(unit, m, k, n, groups=groups, direction="input_gradient")
    weights = kernels.matmul_s(unit, k, n, m, groups=groups, direction="weight_gradient")
    return np.select(
        [rows.direction == "input_gradient", rows.direction == "weight_gradient"], [inputs, weights], forward
    )


def fit_directions(rows: pd.DataFrame, files: dict[str, dict[str, Any]]) -> dict[str, float]:
    """Rate of the input's gradient, exposed share of the weight gradient's fp32 sum: one pair for all devices, the
    rate of each of SimuMax's two devices fitted beside them."""
    bounds: Bounds = {"input_gradient": (0.7, 1, 1.2), "accumulation": (0, 0.5, 1)}
    found = []
    for name, like in (("A100-80GB-PCIe", "A100-80GB-SXM"), ("B200-SXM", "B200-SXM")):
        chosen = part(rows, "matmul", "bf16", "simumax")[name]
        chosen = chosen[chosen.batch.fillna(1) == 1]
        fixed = files[like]["matmul"]["bf16"]["constants"]
        free = {**bounds, "matmul_efficiency": MATMUL["matmul_efficiency"]}
        constants = fit(directions_model, [(bare(name, "bf16"), chosen)], free, fixed)
        errors = error(directions_model, bare(name, "bf16"), chosen, {**fixed, **constants})
        print(f"products in all directions, SimuMax {name}: {constants} {spread(errors)}")
        found.append(constants)
    return {key: float(f"{np.mean([one[key] for one in found]):.3g}") for key in bounds}


def fit_scaled(rows: pd.DataFrame, name: str, like: dict[str, Any]) -> dict[str, Any]:
    """A device with few rows: its efficiency fitted, the other constants those of a like device."""
    file = head(name, "SimuMax @4dcaae5")
    for kind, model, key in (
        ("matmul", matmul_model, "matmul_efficiency"), ("attention", both_ways_model, "attention_efficiency"),
    ):  # fmt: skip
        chosen = trained_attention(rows, name) if kind == "attention" else part(rows, kind, "bf16", "simumax")[name]
        chosen = chosen[(chosen.direction == "forward") & (chosen.batch.fillna(1) == 1)]
        fixed = like[kind]["bf16"]["constants"]
        bounds = {key: (MATMUL | ATTENTION)[key]}
        found = section(model, bare(name, "bf16"), chosen, bounds, f"{kind} kernels", fixed)
        file[kind] = {"bf16": {**found, "basis": found["basis"] + f", all but the efficiency as on {like['name']}"}}
    return file


# Devices that were not measured.


def general(rows: pd.DataFrame, files: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Constants fitted to all devices at once, and what no row of the table can tell."""
    file: dict[str, Any] = {
        "name": "default",
        "basis": "all measured devices together",
        "source": head("H100-80GB-SXM")["source"],
        "as_of": date.today().isoformat(),
        "multiprocessors": 132,
        "assumed": {**ASSUMED, **fit_directions(rows, files)},
        "assumed_basis": "memory_efficiency: STREAM-like kernels on HBM reach 0.85–0.92 (recalled); input_gradient and "
        "accumulation: SimuMax's B200 and A100-PCIe rows against their forward products",
        "generations": GENERATIONS,
        "generations_basis": "FlashAttention 1, 2 and 3 as in arXiv 2307.08691 (figures 4–7) and 2407.08608 "
        "(figures 5–6), recalled and rounded; on Blackwell FlashAttention 2 is assumed to gain as the peak does",
        "matmul": {"bf16": pooled(rows, "matmul", "bf16", ()), "fp8": pooled(rows, "matmul", "fp8", ())},
        "attention": {"bf16": pooled(rows, "attention", "bf16", ())},
        "collectives": pooled(rows, "collectives", "fp16", ()),
    }
    return file


def pooled(rows: pd.DataFrame, kind: str, precision: str, without: Sequence[str]) -> dict[str, Any]:
    """One set of constants for every device but some."""
    model, bounds = _models(kind, precision)
    groups = {name: group for name, group in part(rows, kind, precision).items() if name not in without}
    if kind == "collectives":
        switched = [name for name in groups if collectives.link_kind(accelerator(name).link) == "switched"]
        groups = {name: groups[name] for name in switched}
    pieces = [
        (_base(kind, name, precision), group.sample(min(len(group), 150), random_state=0))
        for name, group in groups.items()
    ]
    constants = fit(model, pieces, bounds)
    bands = {"carried": 0.0, "specification": 0.0}
    return {
        "bands": bands,
        "constants": constants,
        "basis": f"fitted to {', '.join(groups)} together, {date.today().isoformat()}",
    }


def _base(kind: str, name: str, precision: str) -> Any:
    return accelerator(name).link_bytes_per_s if kind == "collectives" else bare(name, precision)


def _models(kind: str, precision: str) -> tuple[Model, Bounds]:
    if kind == "matmul":
        return matmul_model, MATMUL | (CAST if precision == "fp8" else {})
    return (attention_model, ATTENTION) if kind == "attention" else (collectives_model, COLLECTIVES)


def from_sweeps(rows: pd.DataFrame, files: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Devices of which only the best of a sweep of shapes is known: the default with its efficiency scaled to that."""
    sweeps = rows[(rows.origin == "sweep") & (rows.dtype == "bf16")]
    found = {}
    for row in sweeps.itertuples():
        if row.gpu in files or accelerator(row.gpu).vendor == "NVIDIA":
            continue
        constants = dict(files["default"]["matmul"]["bf16"]["constants"])
        base = dataclasses.replace(bare(row.gpu, "bf16"), multiprocessors=accelerator(row.gpu).multiprocessors or 132)
        predicted = kernels.matmul_s(_with(base, constants), row.m, row.n, row.k)
        reached = 2 * row.m * row.n * row.k / (row.tflops * 1e12) / SWEEP_SHARE
        constants["matmul_efficiency"] = float(f"{constants['matmul_efficiency'] * float(predicted) / reached:.4g}")
        basis = f"general constants, efficiency from the best of a sweep ({row.tflops} TFLOP/s, {row.source})"
        one = {"constants": constants, "basis": basis, "knowledge": "carried", "band": 0.15}
        found[row.gpu] = head(row.gpu, "stas00/ml-engineering @744d01e, best of a sweep") | {"matmul": {"bf16": one}}
    return found


# Errors with a device left out.

Errors = dict[tuple[str, str, str], dict[str, Any]]


def leave_out(rows: pd.DataFrame, files: dict[str, dict[str, Any]]) -> Errors:
    """Errors (kind, precision, device) with the device, then with its family left out; sets the default's bands."""
    errors: Errors = {}
    for kind, precision in (("matmul", "bf16"), ("matmul", "fp8"), ("attention", "bf16"), ("collectives", "fp16")):
        for name, group in part(rows, kind, precision).items():
            if kind in files[name]:
                errors[kind, precision, name] = left_out(rows, files, kind, precision, name, group)
        chosen = [one for key, one in errors.items() if key[:2] == (kind, precision)]
        bands = {
            "carried": band(np.concatenate([one["device"] for one in chosen])),
            "specification": band(np.concatenate([one["family"] for one in chosen])),
        }
        target = files["default"][kind]
        (target if kind == "collectives" else target[precision])["bands"] = bands
    for (kind, precision, name), one in errors.items():
        place = files[name][kind] if kind == "collectives" else files[name][kind][precision]
        place["device_left_out"], place["family_left_out"] = spread(one["device"]), spread(one["family"])
    return errors


def left_out(
    rows: pd.DataFrame, files: dict[str, dict[str, Any]], kind: str, precision: str, name: str, group: pd.DataFrame
) -> dict[str, Any]:
    """Errors of a device's rows under constants that its own rows had no part in."""
    unit = accelerator(name)
    relatives = [other for other in files if other != "default" and files[other].get("family") == device.family(unit)]
    without = pooled(rows, kind, precision, relatives)
    if kind == "collectives":
        alike = [other for other in files if files[other].get(kind, {}).get("link") == collectives.link_kind(unit.link)]
        without = pooled(rows, kind, precision, alike if len(alike) < 3 else [name])
    default = {
        **files["default"],
        kind: without if kind == "collectives" else {**files["default"][kind], precision: without},
    }
    others = {other: file for other, file in files.items() if other not in ("default", name)}
    if "A100-80GB-PCIe" in others and name == "A100-80GB-SXM":  # its other constants lean on the one left out
        like = {**default, kind: {precision: without}, "name": "default"}
        others["A100-80GB-PCIe"] = fit_scaled(rows, "A100-80GB-PCIe", like)
    result = {}
    for scope, known in (("device", others), ("family", {k: v for k, v in others.items() if k not in relatives})):
        with knowing(known, default):
            result[scope] = carried_error(kind, precision, unit, group)
    return result


def carried_error(kind: str, precision: str, unit: Accelerator, group: pd.DataFrame) -> Any:
    """Errors of the product's own look-up."""
    model, _ = _models(kind, precision)
    if kind == "collectives":
        return error(model, unit.link_bytes_per_s, group, dict(collectives.inside(unit)))
    base = dataclasses.replace(
        device.device(unit, precision), multiprocessors=bare(unit.name, precision).multiprocessors
    )
    return error(model, base, group, {})


@contextlib.contextmanager
def knowing(files: dict[str, dict[str, Any]], default: dict[str, Any]) -> Iterator[None]:
    """The product with other files."""
    saved = device.files, device.default
    device.files, device.default = (lambda: files), (lambda: default)  # type: ignore[assignment]
    try:
        yield
    finally:
        device.files, device.default = saved


def report(files: dict[str, dict[str, Any]], errors: Errors) -> str:
    """A table, per cent."""
    lines = [
        f"{'class':24}{'device':24}{'rows':>6}{'in sample':>14}{'cross-valid.':>14}{'device out':>14}{'family out':>14}"
    ]
    for name, file in files.items():
        for kind in ("matmul", "attention", "collectives"):
            held = file.get(kind, {})
            for precision, one in ({"fp16": held} if kind == "collectives" else held).items():
                if "in_sample" not in one:
                    continue
                columns = [
                    one.get(key) for key in ("in_sample", "cross_validated", "device_left_out", "family_left_out")
                ]
                cells = [f"{c['median'] * 100:.1f} / {c['p90'] * 100:.1f}" if c else "–" for c in columns]
                lines.append(
                    f"{kind + ' ' + precision:24}{name:24}{one['rows']:6}" + "".join(f"{cell:>14}" for cell in cells)
                )
    return "\n".join(sorted(lines[1:]) and [lines[0], *sorted(lines[1:])])


if __name__ == "__main__":
    main()
