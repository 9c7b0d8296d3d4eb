"""How the program bears large inputs: memory, live progress, and the time to stop.

python benchmarks/load.py [--only search,folder,profile,runs] [--small 1]

Each case is the program's own command line in a process of its own, once to its end and once stopped by Ctrl+C in the
middle: a search of more than 50 million layouts, a user's folder of 1,000 plans, a measured profile of 100,000 rows, a
table of 50,000 runs. `--small 100` makes each a hundredth as large. The exit code is 1 where a case failed, held more
than 1 GiB, or took longer than 1 s to stop.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planner import library
from planner.plan import file
from planner.timing import profile

ROOT = Path(__file__).resolve().parent.parent
MOST_BYTES = 2**30
LONGEST_STOP_S = 1.0
LAYOUTS, PLANS, ROWS, RUNS = 50_000_000, 1000, 100_000, 50_000
GPUS = (1024, 1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384)
ACCELERATORS = (
    "A100-80GB-SXM", "A100-40GB-SXM", "H100-80GB-SXM", "H100-80GB-PCIe", "H100-NVL", "B200-SXM", "GB200-NVL72",
    "MI300X", "L40S",
)  # fmt: skip
"""Clusters of a search; together they have that many layouts."""


@dataclass(frozen=True)
class Outcome:
    """One process: how long, how much memory at most, how many lines it told, how it ended."""

    seconds: float
    peak_bytes: float
    lines: int
    code: int
    last: str


def run(arguments: Sequence[str], home: Path, stop_after_s: float | None = None) -> Outcome:
    """A command to its end, or to the interrupt: the seconds are then those from the interrupt to the end."""
    with tempfile.TemporaryFile() as out:
        began = time.perf_counter()
        child = subprocess.Popen(
            [sys.executable, "main.py", *arguments], cwd=ROOT, stdout=out, stderr=subprocess.STDOUT,
            env={**os.environ, "TRAINPLAN_HOME": str(home)},
        )  # fmt: skip
        if stop_after_s is not None:
            time.sleep(stop_after_s)
            began = time.perf_counter()
            child.send_signal(signal.SIGINT)
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - began
        out.seek(0)
        lines = out.read().decode("utf-8", "replace").splitlines()
    peak = used.ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return Outcome(seconds, peak, len(lines), child.returncode, lines[-1] if lines else "")


def a_search(home: Path, small: int) -> list[str]:
    """Every layout of Llama 2 70B on several clusters of several accelerators."""
    gpus, kinds = (",".join(map(str, some[: max(1, len(some) // small)])) for some in (GPUS, ACCELERATORS))
    asked = ["--exhaustive", "--objective", "time", "--gpus", gpus, "--accelerators", kinds, "--events"]
    return ["search", "llama-2-70b", *asked]


def a_folder(home: Path, small: int) -> list[str]:
    """So many plans of one's own, listed; the names are read from each."""
    (home / "plans").mkdir()
    plan = file.load("gpt2")
    for number in range(PLANS // small):
        own = plan.model_copy(update={"name": f"Scenario {number}", "notes": "x" * 2000})
        (home / "plans" / f"scenario-{number}.json").write_text(file.to_text(own), "utf-8")
    return ["plans"]


def a_profile(home: Path, small: int) -> list[str]:
    """A plan whose device was measured with so many rows: real ones, at other numbers of tokens."""
    (home / "measured").mkdir()
    seed = profile.load(ROOT / "tests" / "data" / "gpt2-cpu.json")
    rows = []
    for number in range(ROWS // small):
        row = seed.rows[number % len(seed.rows)]
        factor = 1 + number // len(seed.rows)
        times = {name: getattr(row, name) * factor for name in ("median_s", "lower_quartile_s", "upper_quartile_s")}
        work = {name: getattr(row, name) * factor for name in ("batch", "flops", "bytes")}
        rows.append(row.model_copy(update={**times, **work, "samples_s": ()}))
    made = seed.model_copy(update={"name": "large", "rows": tuple(rows)})
    profile.save(made, home / "measured" / "large.json")
    settings = ("cluster.accelerator=CPU", "recipe.precision=fp32", "profile=large")
    return ["estimate", "gpt2", *(word for one in settings for word in ("--set", one)), "--json"]


def a_table(home: Path, small: int) -> list[str]:
    """The published runs, again and again under other names."""
    with (library.SHIPPED / "runs.csv").open(encoding="utf-8", newline="") as stream:
        header, *rows = csv.reader(stream)
    place = header.index("id")
    with (home / "many.csv").open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(header)
        for number in range(RUNS // small):
            row = list(rows[number % len(rows)])
            row[place] = f"{row[place]}-{number}"
            writer.writerow(row)
    return ["validate", "--runs", str(home / "many.csv"), "--events"]


CASES: dict[str, Callable[[Path, int], list[str]]] = {
    "search": a_search, "folder": a_folder, "profile": a_profile, "runs": a_table,
}  # fmt: skip


def tried(name: str, small: int) -> tuple[str, list[str]]:
    """A line of the table, and what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        command = CASES[name](home, small)
        whole = run(command, home)
        stopped = run(command, home, min(5.0, max(0.7, whole.seconds / 2)))
    wrong = []
    if whole.code != 0:
        wrong.append(f"{name}: ended with {whole.code}: {whole.last[:300]}")
    if whole.peak_bytes > MOST_BYTES:
        wrong.append(f"{name}: held {whole.peak_bytes / 2**20:,.0f} MiB")
    if stopped.code not in (0, 130) or "Traceback" in stopped.last or stopped.seconds > LONGEST_STOP_S:
        wrong.append(f"{name}: stopped after {stopped.seconds:.2f} s with {stopped.code}: {stopped.last[:200]}")
    if name == "search" and whole.code == 0:
        evaluated = json.loads(whole.last)["evaluated"]
        name = f"{evaluated:,} layouts"
        if small == 1 and evaluated < LAYOUTS:
            wrong.append(f"search: only {evaluated:,} layouts")
    line = (
        f"{name:22}{whole.seconds:9.1f} s{whole.peak_bytes / 2**20:9,.0f} MiB{whole.lines:9,}{stopped.seconds:9.2f} s"
    )
    return f"{line} ({stopped.code})", wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", metavar="CASE,…", help="cases to run (default: all)")
    parser.add_argument("--small", type=int, default=1, metavar="N", help="each case an Nth as large")
    options = parser.parse_args()
    broken = []
    print(f"{'':22}{'took':>11}{'memory':>13}{'lines':>9}{'to stop':>11}")
    for name in options.only.split(",") if options.only else CASES:
        line, wrong = tried(name, options.small)
        print(line, flush=True)
        broken += wrong
    for one in broken:
        print(f"FAILED {one}")
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
