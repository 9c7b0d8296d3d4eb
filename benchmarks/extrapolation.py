"""How far a profile reaches: one layer measured, another predicted from it, and measured.

    python benchmarks/extrapolation.py FROM TO... [--device auto] [--suite quick] [--budget 5m] [--keep FOLDER]

FROM and TO are profile files, or names of models, which are then measured here first (`main.py profile`). The layer of
each TO is predicted from FROM's rows alone: another width. Within FROM, rows of longer sequences, larger micro-batches,
tensor-parallel shards and other number formats are predicted from the rest. Rows measured beside other programs are
left out of the errors, where there are others; on a CPU its speed while a row was measured is taken out.

For the proof on a GPU: `python benchmarks/extrapolation.py llama-2-7b llama-2-70b --suite full --budget 20m`.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planner.plan.cluster import Accelerator
from planner.timing import measured, selection
from planner.timing import profile as profiles
from planner.timing.composition import workload_of
from planner.timing.device import device
from planner.timing.measured import Fit
from planner.timing.profile import Profile, Row

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("attention_core", "attention", "feed_forward", "layer")
DIRECTIONS = ("forward", "backward")


def main() -> None:
    """Measure what is not there yet, predict, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("start", metavar="FROM", help="a profile file or a model")
    parser.add_argument("targets", metavar="TO", nargs="*", help="profile files or models")
    parser.add_argument("--device", default="auto", help="of what is measured (default: a GPU if there is one)")
    parser.add_argument("--suite", default="quick", choices=("quick", "full"))
    parser.add_argument("--budget", default="3m", help="for each model that is measured")
    parser.add_argument("--keep", type=Path, default=Path("out/extrapolation"), help="folder of the new profiles")
    options = parser.parse_args()
    source, *others = [found(name, options) for name in (options.start, *options.targets)]
    sheet = selection.data_sheet(source.device)
    if sheet is None:
        sys.exit(f"{source.device.name} is not among the accelerators: there is no data sheet to start from")
    print(f"{'predicted from the rest':42}{'class':24}{'rows':>5}{'median':>8}{'80 %':>8}{'bias':>8}{'in band':>9}")
    for case, known, asked in cases(source, others):
        show(case, known, asked, sheet)


def found(name: str, options: argparse.Namespace) -> Profile:
    """A profile from its file, or measured now."""
    if name.endswith(".json"):
        return profiles.load(Path(name))
    out = options.keep / f"{name}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, str(ROOT / "main.py"), "profile", "--model", name, "--device", options.device]
    command += ["--suite", options.suite, "--budget", options.budget, "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return profiles.load(out)


def cases(source: Profile, others: Sequence[Profile]) -> Iterator[tuple[str, Profile, Profile]]:
    """(what is tried, the profile that is fitted, the profile whose layer is predicted)."""
    for other in others:
        yield f"{source.model.name} → {other.model.name}", source, other
    longest = max(row.sequence for row in source.rows)
    within: dict[str, Callable[[Row], bool]] = {
        f"sequences beyond {longest // 4:,}": lambda row: row.sequence > longest // 4,
        "micro-batches beyond 1": lambda row: row.batch > 1,
        "tensor-parallel shards": lambda row: row.shards > 1,
    }
    for case, is_asked in within.items():
        yield case, kept(source, lambda row, asked=is_asked: not asked(row)), kept(source, is_asked)  # type: ignore[misc]
    for dtype in selection.precisions(source):
        if dtype != source.dtype:
            asked = kept(source, lambda row, dtype=dtype: row.dtype == dtype)  # type: ignore[misc]
            yield f"{source.dtype} → {dtype}", source, asked.model_copy(update={"dtype": dtype})


def kept(profile: Profile, is_kept: Callable[[Row], bool]) -> Profile:
    """A profile of some rows of a layer, with all rows of what has no shape."""
    return profile.model_copy(update={"rows": tuple(row for row in profile.rows if not row.batch or is_kept(row))})


def show(case: str, known: Profile, asked: Profile, sheet: Accelerator) -> None:
    """One line a class; of a case without rows, nothing."""
    if known.dtype not in selection.precisions(known) or asked.dtype not in selection.precisions(asked):
        return
    fit = measured.fit(known, sheet, known.dtype)
    if asked.dtype != known.dtype:
        fit = in_precision(fit, sheet, asked.dtype)
    for operation in PARTS:
        for direction in DIRECTIONS:
            rows = undisturbed([row for row in asked.rows if row.is_plain and row.dtype == asked.dtype
                                and (row.operation, row.direction) == (operation, direction)])  # fmt: skip
            if rows:
                print(f"{case:42}{f'{operation} {direction}':24}{errors_line(fit, known, asked, rows)}", flush=True)


def undisturbed(rows: list[Row]) -> list[Row]:
    """Without those measured beside other programs, where there are others."""
    return [row for row in rows if not row.throttled] or rows


def errors_line(fit: Fit, known: Profile, asked: Profile, rows: list[Row]) -> str:
    """Number of rows, errors, and how many lie in the 80 % band, of rows of one class."""
    part = (rows[0].operation, rows[0].direction)
    times = np.array([row.median_s for row in rows]) / slowing(fit, known, rows)
    errors = measured.predicted_s(fit, part, rows, asked, asked.dtype) / times - 1
    widths = measured.NORMAL_80 * fit.solved.deviation(part, workload_of(rows, asked, asked.dtype))
    inside = np.mean(np.abs(np.log1p(errors)) <= widths)
    size = np.abs(errors)
    return f"{len(rows):5}{np.median(size):8.1%}{np.quantile(size, 0.8):8.1%}{np.median(errors):+8.1%}{inside:9.0%}"


def slowing(fit: Fit, known: Profile, rows: list[Row]) -> Any:
    """By how much a CPU was slower at each row than the fitted profile's rows usually found it; 1 where unknown."""
    usual = [row.condition.reference_s for row in known.rows if row.condition.reference_s]
    if not usual:
        return 1.0
    share = measured.REFERENCE_SHARE + measured.REFERENCE_SPREAD * fit.solved.posterior.constants[-1]
    return np.array([(row.condition.reference_s or np.median(usual)) / np.median(usual) for row in rows]) ** share


def in_precision(fit: Fit, sheet: Accelerator, precision: str) -> Fit:
    """The fit's shares of the peaks at another number format's peaks."""
    here = device(sheet, precision)
    unit = replace(fit.device, peak_flops=here.peak_flops, attention_peak_flops=here.attention_peak_flops,
                   element_bytes=here.element_bytes)  # fmt: skip
    return replace(fit, device=unit)


if __name__ == "__main__":
    main()
