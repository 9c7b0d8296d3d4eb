"""One command for a machine with a GPU: profile, train for real beside the prediction, run the GPU's tests, report.

    python benchmarks/gpu_campaign.py --out campaign            nine minutes on one GPU, no Qt needed
    python benchmarks/gpu_campaign.py --out try --smoke         everything once, as small as it goes, on any processor

Each part is the program's own command in a process of its own: one that fails, hangs or runs out of memory costs that
part alone, and is told in the report. `--out` then holds `report.md`, `report.json`, what each command printed, and
the profiles, which go to `profiles/measured/` when they are to be shipped.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
MINUTES = 9.0
LEAST_S = 5.0
"""With less time than this left a part is not begun."""
GRACE_S = 25.0
"""What a command may take beyond the budget that it is given: starting, and writing."""
LARGEST_PROFILE_BYTES = 2_000_000


@dataclass
class Part:
    """A command of the program, and the share of the time that it may take."""

    name: str
    kind: str  # profile, verify or tests
    arguments: list[str]
    budget_s: float
    status: str = "not begun: no time left"
    took_s: float = 0.0
    result: dict[str, Any] = field(default_factory=dict)


def parts(device: str, out: Path, *, smoke: bool, seconds: float) -> Iterator[Part]:
    """The campaign in order of worth: what is cut when time is short stands last."""
    models = ("gpt2",) if smoke else ("llama-2-7b", "llama-2-70b", "llama-2-13b")
    shares = {"llama-2-7b": 0.20, "llama-2-70b": 0.12, "llama-2-13b": 0.08, "gpt2": 0.15}
    for model in models:
        budget = max(LEAST_S, shares[model] * seconds)
        suite = ["--suite", "quick" if smoke else "full", "--device", device, "--budget", f"{budget:.0f}s"]
        yield Part(f"profile-{model}", "profile",
                   ["profile", "--model", model, *suite, "--out", str(out / f"{model}.json")], budget)  # fmt: skip
    runs = list(_runs(smoke=smoke))
    for name, model, settings in runs:
        budget = max(LEAST_S, 0.45 * seconds / len(runs))
        arguments = [
            "verify",
            "--model",
            model,
            "--device",
            device,
            *settings,
            "--budget",
            f"{budget / 2:.0f}s",
            "--json",
        ]
        yield Part(f"verify-{name}", "verify", arguments, budget)
    tests = ["-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "gpu", "tests/gpu"]
    yield Part("gpu-tests", "tests", tests, max(LEAST_S, 0.10 * seconds))


def _runs(*, smoke: bool) -> Iterator[tuple[str, str, list[str]]]:
    """(name, model, options) of each real training: sizes, micro-batches, eager and compiled, with recomputation."""
    if smoke:
        yield "gpt2", "gpt2", ["--steps", "2", "--micro-batch", "1", "--sequence", "64", "--set", "model.layers=1"]
        return
    compiled, recompute = ["--set", "recipe.framework=compiled"], ["--set", "layout.recompute=full"]
    for model, batches in (("gpt2", (4, 16)), ("gpt2-xl", (2, 8)), ("llama-2-7b", (1, 2))):
        for batch in batches:
            yield f"{model}-{batch}", model, ["--micro-batch", str(batch)]
        yield f"{model}-{batches[0]}-compiled", model, ["--micro-batch", str(batches[0]), *compiled]
        yield f"{model}-{batches[1]}-recompute", model, ["--micro-batch", str(batches[1]), *recompute]


def run(part: Part, out: Path, left_s: float) -> None:
    """Run a part, at most its budget and a grace, and never beyond what is left; its words go to files."""
    if left_s < LEAST_S:
        return
    head = [] if part.kind == "tests" else [str(ROOT / "main.py")]
    command = [sys.executable, *head, *part.arguments]
    log, printed = out / f"{part.name}.log", out / f"{part.name}.out"
    start = time.monotonic()
    with log.open("w") as errors, printed.open("w") as lines:
        try:
            done = subprocess.run(
                command,
                cwd=ROOT,
                stdout=lines,
                stderr=errors,
                timeout=min(part.budget_s + GRACE_S, left_s),
                check=False,
            )
            part.status = "done" if done.returncode == 0 else f"exit code {done.returncode}: {_last_line(log)}"
        except subprocess.TimeoutExpired:
            part.status = "ended: it took longer than its share"
    part.took_s = time.monotonic() - start
    part.result = _result(part, out, printed)


def _result(part: Part, out: Path, printed: Path) -> dict[str, Any]:
    """What a part found, as JSON: a verification's object, a profile's summary."""
    if part.kind == "verify":
        return _json(printed)
    path = out / f"{part.name.removeprefix('profile-')}.json"
    if part.kind == "profile" and path.is_file():
        profile = _json(path)
        kept = ("device", "software", "dtype", "complete", "elapsed_s", "summary")
        return {**{key: profile.get(key) for key in kept}, "rows": len(profile.get("rows", ())),
                "bytes": path.stat().st_size}  # fmt: skip
    return {}


def _json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _last_line(log: Path) -> str:
    lines = [line for line in log.read_text("utf-8", "replace").splitlines() if line.strip()]
    return lines[-1][:200] if lines else "it said nothing"


def report(done: list[Part]) -> str:
    """The report for a person: predicted against measured first, then profiles, then what went wrong."""
    lines = ["# GPU campaign", "", "| run | step predicted | measured | error | memory predicted | measured | error |",
             "|---|---|---|---|---|---|---|"]  # fmt: skip
    errors: dict[str, list[float]] = {"step time": [], "memory allocated": []}
    for part in done:
        rows = {row["what"]: row for row in part.result.get("rows", ())} if part.kind == "verify" else {}
        if rows:
            for what, found in errors.items():
                if rows[what]["error"] is not None:
                    found.append(abs(rows[what]["error"]))
            lines.append("| " + " | ".join([part.name, *_cells(rows["step time"], 1e3, "ms"),
                                            *_cells(rows["memory allocated"], 2.0**-30, "GiB")]) + " |")  # fmt: skip
    for what, found in errors.items():
        if found:
            lines.append(f"\nMedian error of the {what}: {statistics.median(found):.1%} over {len(found)} runs.")
    lines += ["", "| profile | rows | elapsed | size | summary |", "|---|---|---|---|---|"]
    for part in done:
        if part.kind == "profile" and part.result:
            size = part.result["bytes"]
            large = " (too large to ship)" if size > LARGEST_PROFILE_BYTES else ""
            summary = {key: value for key, value in (part.result["summary"] or {}).items() if key != "comparisons"}
            lines.append(f"| {part.name} | {part.result['rows']} | {part.result['elapsed_s']:.0f} s | "
                         f"{size / 1e6:.2f} MB{large} | {json.dumps(summary)} |")  # fmt: skip
    lines += ["", "| part | took | how it ended |", "|---|---|---|"]
    lines += [f"| {part.name} | {part.took_s:.0f} s | {part.status} |" for part in done]
    return "\n".join(lines) + "\n"


def _cells(row: dict[str, Any], scale: float, unit: str) -> list[str]:
    def shown(value: float | None) -> str:
        return "unknown" if value is None else f"{value * scale:.4g} {unit}"

    error = "" if row["error"] is None else f"{row['error']:+.1%}"
    return [shown(row["predicted"]), shown(row["measured"]), error]


def main() -> int:
    """Run the campaign; 0 where every part ended well."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder for report and profiles")
    parser.add_argument("--minutes", type=float, default=MINUTES, help=f"for everything (default: {MINUTES:g})")
    parser.add_argument("--device", default="auto", choices=("auto", "cuda", "cpu"))
    parser.add_argument("--smoke", action="store_true", help="as small as it goes: does every part run at all?")
    options = parser.parse_args()
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    seconds = 60 * options.minutes
    end = time.monotonic() + seconds
    done = list(parts(options.device, out, smoke=options.smoke, seconds=seconds))
    for part in done:
        run(part, out, end - time.monotonic())
        print(f"{part.name}: {part.status} ({part.took_s:.0f} s)", flush=True)
        (out / "report.json").write_text(json.dumps([asdict(one) for one in done], indent=1) + "\n")
        (out / "report.md").write_text(report(done))
    return 0 if all(part.status == "done" for part in done) else 1


if __name__ == "__main__":
    sys.exit(main())
