"""How well a device's measured efficiencies carry to another GPU that is known by its data sheet.

    python benchmarks/carry_kernels.py --data FOLDER [--out profiles/carried.json] [--dry-run]

For every ordered pair of GPUs in kernels_open.csv (products and attention as NVIDIA's aiconfigurator measured them),
the kernels of the one are predicted from the other's constants on its own peaks, bandwidth, multiprocessors and power
limit, as the product carries them; and shape by shape from the other's times by Habitat's wave scaling and by the
ratio of the peaks alone, for comparison. Prints the median error of each pair and writes, with the pairs, the bands
that hold 80 % of the errors: within a family, and from one family to another.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import fit_kernels as kernels_fit

from planner import library
from planner.plan.cluster import Accelerator
from planner.timing import device

CLASSES = (("matmul", "bf16"), ("matmul", "fp8"), ("attention", "bf16"))
WITHIN, ACROSS = "within a family", "between families"
METHODS = ("constants", "wave_scaling", "peaks")


def main() -> None:
    """Predict, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of kernels_open.csv")
    parser.add_argument("--out", type=Path, default=library.SHIPPED / "carried.json", help="where the bands go")
    parser.add_argument("--dry-run", action="store_true", help="print only")
    options = parser.parse_args()
    rows = kernels_fit.read(options.data / "kernels_open.csv")
    pairs = [pair for kind, precision in CLASSES for pair in every_pair(rows, kind, precision)]
    print(report(pairs))
    if not options.dry_run:
        options.out.write_text(json.dumps(file(pairs), indent=2, ensure_ascii=False) + "\n", "utf-8")


def every_pair(rows: pd.DataFrame, kind: str, precision: str) -> Iterator[dict[str, Any]]:
    """One kernel class: errors of each device's kernels as carried from each other device."""
    groups = kernels_fit.part(rows, kind, precision)
    for there, group in groups.items():
        for here, known in groups.items():
            if here != there and precision in device.files()[here].get(kind, {}):
                errors = {"constants": carried(kind, precision, here, there, group)}
                errors |= scaled(kind, precision, here, there, known, group)
                yield {
                    "kind": kind, "precision": precision, "from": here, "to": there, "rows": len(group),
                    "relation": WITHIN if family(here) == family(there) else ACROSS, "errors": errors,
                }  # fmt: skip


def carried(kind: str, precision: str, here: str, there: str, group: pd.DataFrame) -> Any:
    """Relative errors of a device's kernels under the constants of another, looked up as of one family."""
    unit = kernels_fit.accelerator(there)
    known = {here: {**device.files()[here], "family": device.family(unit)}}
    with kernels_fit.knowing(known, device.default()):
        return kernels_fit.carried_error(kind, precision, unit, group)


def scaled(
    kind: str, precision: str, here: str, there: str, known: pd.DataFrame, group: pd.DataFrame
) -> dict[str, Any]:
    """Relative errors of kernels measured on both, from the other's times.

    Wave scaling (Habitat, Yu 2021, arXiv 2102.00527, eqs. 1 and 2, recalled): t·(D/D')^γ·(P/P')^(1 − γ), D bandwidth, P
    peak in the place of wave size and clock, γ the share bound by memory: by the intensity x over the ridge R' of the
    device that it goes to, 1 − x/2R' below it and R'/2x above.
    """
    sizes = ["m", "n", "k"] if kind == "matmul" else ["batch", "seq", "heads", "kv_heads", "qk_dim"]
    both = group.merge(known, on=sizes, suffixes=("", "_known"))
    if both.empty:
        return {}
    from_, to = kernels_fit.accelerator(here), kernels_fit.accelerator(there)
    bandwidths = from_.memory_bandwidth_bytes_per_s / to.memory_bandwidth_bytes_per_s
    peaks = _peak(from_, kind, precision) / _peak(to, kind, precision)
    ridge = _peak(to, kind, precision) / to.memory_bandwidth_bytes_per_s
    over = intensity(kind, precision, both) / ridge
    bound = np.where(over < 1, 1 - over / 2, 0.5 / np.maximum(over, 1))
    times = both.time_s_known.to_numpy(), both.time_s.to_numpy()
    return {
        "wave_scaling": times[0] * bandwidths**bound * peaks ** (1 - bound) / times[1] - 1,
        "peaks": times[0] * peaks / times[1] - 1,
    }


def intensity(kind: str, precision: str, rows: pd.DataFrame) -> Any:
    """FLOPs a byte of each kernel's least traffic."""
    element = 1.0 if precision == "fp8" else 2.0
    if kind == "matmul":
        m, n, k = (rows[name].to_numpy() for name in ("m", "n", "k"))
        return 2 * m * n * k / (element * (m * k + n * k) + 2.0 * m * n)
    seq, heads, kv_heads = (rows[name].to_numpy() for name in ("seq", "heads", "kv_heads"))
    return 2 * seq * heads / (2 * element * (heads + kv_heads))  # 2·s²·a·d, half of it seen, over 2·s·(a + k)·d


def _peak(unit: Accelerator, kind: str, precision: str) -> float:
    return float(unit.peak("bf16" if kind == "attention" else precision) or np.nan)


def family(name: str) -> str:
    """Devices of one family share their constants."""
    return device.family(kernels_fit.accelerator(name))


def file(pairs: list[dict[str, Any]]) -> dict[str, Any]:
    """What is shipped: the bands by kernel class, and the pairs that they are of."""
    return {
        "name": "kernel times carried to another GPU, errors",
        "source": "benchmarks/carry_kernels.py: kernels_open.csv, NVIDIA aiconfigurator @095f58a "
        "(Apache-2.0, 2026-08); each GPU's kernels predicted from each other's constants on its own data sheet",
        "as_of": date.today().isoformat(),
        "bands": {f"{kind} {precision}": bands(pairs, kind, precision) for kind, precision in CLASSES},
        "pairs": [
            {
                **{name: pair[name] for name in ("kind", "precision", "from", "to", "relation", "rows")},
                **{
                    f"{method}_median": round(float(np.median(np.abs(pair["errors"][method]))), 4)
                    for method in METHODS
                    if method in pair["errors"]
                },
                "constants_bias": round(float(np.median(pair["errors"]["constants"])), 4),
            }
            for pair in pairs
        ],
    }


def bands(pairs: list[dict[str, Any]], kind: str, precision: str) -> dict[str, float]:
    """Half-width that holds 80 % of the errors of one class, by relation; every pair counts the same."""
    found = {}
    for relation in (WITHIN, ACROSS):
        chosen = [
            pair["errors"]["constants"] for pair in of_class(pairs, kind, precision) if pair["relation"] == relation
        ]
        if chosen:
            found[relation] = round(float(np.mean([np.quantile(np.abs(one), 0.8) for one in chosen])), 4)
    return found


def of_class(pairs: list[dict[str, Any]], kind: str, precision: str) -> list[dict[str, Any]]:
    """The pairs of one kernel class."""
    return [pair for pair in pairs if (pair["kind"], pair["precision"]) == (kind, precision)]


def report(pairs: list[dict[str, Any]]) -> str:
    """Tables, per cent: one a class with a row a device predicted and a column a device carried from, and the means."""
    lines = []
    for kind, precision in CLASSES:
        chosen = of_class(pairs, kind, precision)
        names = list(dict.fromkeys(pair["to"] for pair in chosen))
        at = {(pair["from"], pair["to"]): np.median(np.abs(pair["errors"]["constants"])) for pair in chosen}
        lines += ["", f"{kind} {precision}, median error of constants; to (down) from (across)"]
        lines.append(" " * 24 + "".join(f"{name[:9]:>11}" for name in names))
        for to in names:
            cells = [f"{100 * at[here, to]:11.1f}" if (here, to) in at else " " * 10 + "–" for here in names]
            lines.append(f"{to:24}" + "".join(cells))
        for relation in (WITHIN, ACROSS):
            lines.append(f"{relation:24}" + means([pair for pair in chosen if pair["relation"] == relation]))
        lines.append(f"bands (80 %): {bands(pairs, kind, precision)}")
    return "\n".join(lines)


def means(pairs: list[dict[str, Any]]) -> str:
    """Mean over pairs of the median error, by method."""
    found = []
    for method in METHODS:
        medians = [np.median(np.abs(pair["errors"][method])) for pair in pairs if method in pair["errors"]]
        if medians:
            found.append(f"{method.replace('_', ' ')} {100 * np.mean(medians):.1f}")
    return ", ".join(found)


if __name__ == "__main__":
    main()
