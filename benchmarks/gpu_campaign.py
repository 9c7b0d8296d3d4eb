"""Measures a GPU and proves the predictions on it, in one call of at most nine minutes.

    python benchmarks/gpu_campaign.py --out FOLDER [--minutes 9]
    python benchmarks/gpu_campaign.py --out FOLDER --device cpu --smoke    a dry run of every part, about two minutes

The parts are the program's own commands, each in a process of its own with its share of the time: the full suite on
the layers of Llama-2 7B, 13B and 70B; verify on GPT-2 124M, a 1.3B GPT and layers of Llama-2 7B's width, eager and
compiled, with and without recomputation; the tests marked `gpu`. A part that fails or runs out of time is told, and the
next one begins. FOLDER then holds report.md, report.json and the profiles, each of at most 2 MB, to be kept in
profiles/measured.

Needs torch ≥ 2.11 with the packages of requirements.in, without Qt; pytest for the tests.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from planner.errors import TrainplanError
from planner.timing import profile
from planner.writing import write_atomically

ROOT = Path(__file__).resolve().parent.parent
LARGEST_PROFILE = 2_000_000
GRACE_S = 15.0
"""A part that is asked to stop has so long to write what it has."""
FEWEST_S = 10.0
"""With less than this left no part begins."""
GPT_1_3B = {
    "name": "gpt-1.3b", "layers": 24, "hidden": 2048, "heads": 16, "kv_heads": 16, "head_dim": 128, "ffn": 8192,
    "activation": "gelu", "vocabulary": 50257, "tied_embeddings": True, "norm": "layernorm", "norm_bias": True,
    "positions": "learned", "max_sequence": 2048, "qkv_bias": True, "output_bias": True, "ffn_bias": True,
    "source": "GPT-3 paper (arXiv 2005.14165), table 2.1: GPT-3 XL's width with 16 heads of 128",
}  # fmt: skip
TINY = {
    "name": "tiny", "layers": 2, "hidden": 64, "heads": 4, "kv_heads": 2, "head_dim": 16, "ffn": 96, "vocabulary": 160,
    "max_sequence": 512,
}  # fmt: skip


@dataclass
class Part:
    """One command: what it is, at most how long, what became of it."""

    name: str
    arguments: list[str]
    seconds: float
    result: Path | None = None  # what it writes
    status: str = "left out: no time"
    took_s: float = 0.0
    said: str = ""  # the last lines of a failure
    found: dict[str, Any] = field(default_factory=dict)


def main() -> int:
    options = _options()
    out = options.out.resolve()
    (out / "home" / "models").mkdir(parents=True, exist_ok=True)
    for model in (GPT_1_3B, TINY):
        (out / "home" / "models" / f"{model['name']}.json").write_text(json.dumps(model))
    deadline = time.monotonic() + 60 * options.minutes
    parts = smoke(out, options.device) if options.smoke else campaign(out, options.device)
    for part in parts:
        run(part, out, deadline)
        report(parts, out)
        print(f"{part.name}: {part.status} ({part.took_s:.0f} s)", flush=True)
    print(f"wrote {out / 'report.md'}")
    return 0 if all(part.status == "done" for part in parts) else 1


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, metavar="FOLDER")
    parser.add_argument("--minutes", type=float, default=9.0, help="for everything (default: %(default)s)")
    parser.add_argument("--device", default="cuda", choices=("cuda", "cpu"))
    parser.add_argument("--smoke", action="store_true", help="every part in small: is the script itself sound?")
    return parser.parse_args()


def campaign(out: Path, device: str) -> list[Part]:
    """The parts in order of worth: the last ones go when time is short."""
    gpt2, large, wide = ("gpt2", "8", "1024"), ("gpt-1.3b", "4", "2048"), ("llama-2-7b", "1", "4096")
    few_layers = ("--set", "model.layers=8")
    return [
        _profile(out, device, "llama-2-7b", 75),
        _verify(out, device, "gpt2", *gpt2),
        _verify(out, device, "7b-width", *wide, more=few_layers),
        _tests(60),
        _verify(out, device, "1.3b", *large),
        _profile(out, device, "llama-2-70b", 60),
        _verify(out, device, "7b-width-recompute", *wide, more=(*few_layers, "--set", "layout.recompute=full")),
        _verify(out, device, "gpt2-compiled", *gpt2, more=("--set", "recipe.framework=compiled")),
        _profile(out, device, "llama-2-13b", 45),
        _verify(out, device, "gpt2-eight-micro-batches", *gpt2, more=("--micro-batches", "8")),
        _verify(out, device, "7b-width-compiled", *wide, more=(*few_layers, "--set", "recipe.framework=compiled")),
    ]


def smoke(out: Path, device: str) -> list[Part]:
    """The same kinds of parts, tiny."""
    small = ("--memory-limit", "64MiB")
    shape = ("tiny", "2", "32")
    return [
        _profile(out, device, "tiny", 20, suite="quick", budget="2s", more=small),
        _verify(out, device, "tiny", *shape, budget="1s", more=small),
        _verify(out, device, "tiny-recompute", *shape, budget="1s", more=(*small, "--set", "layout.recompute=full")),
        _tests(60),
    ]


def _profile(
    out: Path, device: str, model: str, seconds: int, *, suite: str = "full", budget: str = "",
    more: tuple[str, ...] = (),
) -> Part:  # fmt: skip
    result = out / f"{model}.json"
    arguments = ["profile", "--model", model, "--device", device, "--suite", suite, "--out", str(result)]
    arguments += ["--budget", budget or f"{seconds}s", *more]
    return Part(f"profile {model}", [str(ROOT / "main.py"), *arguments], seconds + GRACE_S, result)


def _verify(
    out: Path, device: str, name: str, model: str, batch: str, sequence: str, *, budget: str = "12s",
    more: tuple[str, ...] = (),
) -> Part:  # fmt: skip
    result = out / f"verify-{name}.json"
    arguments = ["verify", "--model", model, "--device", device, "--micro-batch", batch, "--sequence", sequence]
    arguments += ["--budget", budget, "--keep", "--out", str(result), *more]
    return Part(f"verify {name}", [str(ROOT / "main.py"), *arguments], 75.0, result)


def _tests(seconds: float) -> Part:
    """Without the project's pytest settings, which ask for plugins of the app's tests."""
    arguments = ["-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(ROOT), "--import-mode=importlib",
                 "-W", "ignore", str(ROOT / "tests" / "gpu")]  # fmt: skip
    return Part("tests marked gpu", arguments, seconds)


def run(part: Part, out: Path, deadline: float) -> None:
    """Run one part within its time and what is left of the whole; what became of it is noted in it."""
    room_s = min(part.seconds, deadline - time.monotonic() - GRACE_S)
    if room_s < FEWEST_S:
        return
    environment = {**os.environ, "TRAINPLAN_HOME": str(out / "home"), "PYTHONPATH": str(ROOT)}
    start = time.monotonic()
    with (out / "log.txt").open("a", encoding="utf-8") as log:
        log.write(f"\n# {part.name}: {' '.join(part.arguments)}\n")
        log.flush()
        process = subprocess.Popen([sys.executable, *part.arguments], env=environment, stdout=log, stderr=log, cwd=ROOT)
        code = _wait(process, room_s)
    part.took_s = time.monotonic() - start
    part.status = {0: "done", None: "stopped: out of time"}.get(code, f"failed with code {code}")
    if code != 0:
        part.said = "\n".join((out / "log.txt").read_text("utf-8", "replace").splitlines()[-6:])
    if part.result and part.result.exists():
        _take(part)


def _wait(process: subprocess.Popen[bytes], room_s: float) -> int | None:
    """The exit code, or None for a part that had to be stopped."""
    try:
        return process.wait(room_s)
    except subprocess.TimeoutExpired:
        process.terminate()
    try:
        process.wait(GRACE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    return None


def _take(part: Part) -> None:
    """A profile made small enough to be shipped; a verification's figures."""
    assert part.result is not None
    try:
        if part.name.startswith("profile"):
            part.found = _shrunk(part.result)
        else:
            data = json.loads(part.result.read_text("utf-8"))
            part.found = {key: data[key] for key in ("model", "layers", "device", "precision", "rows", "notes")}
    except (TrainplanError, ValueError, KeyError) as error:
        part.status, part.said = "its result cannot be read", str(error)


def _shrunk(path: Path) -> dict[str, Any]:
    """Without the single runs' times where the file is too large for them."""
    content = profile.load(path)
    if path.stat().st_size > LARGEST_PROFILE:
        rows = tuple(row.model_copy(update={"samples_s": ()}) for row in content.rows)
        profile.save(content.model_copy(update={"rows": rows}), path)
    return {"device": content.device.name, "measured_rows": len(content.rows), "bytes": path.stat().st_size,
            "complete": content.complete}  # fmt: skip


def report(parts: list[Part], out: Path) -> None:
    """report.md and report.json, whole after every part."""
    data = {"host": platform.node(), "python": platform.python_version(), "parts": [_plain(part) for part in parts]}
    write_atomically(out / "report.json", json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    write_atomically(out / "report.md", "\n".join(_lines(parts)) + "\n")


def _plain(part: Part) -> dict[str, Any]:
    return {**asdict(part), "result": part.result.name if part.result else None}


def _lines(parts: list[Part]) -> list[str]:
    """The report for a person."""
    device = next((part.found["device"] for part in parts if part.found.get("device")), "no device")
    lines = [f"# Campaign on {device}", "", "| part | outcome | seconds |", "|---|---|---|"]
    lines += [f"| {part.name} | {part.status} | {part.took_s:.0f} |" for part in parts]
    lines += [
        "",
        "## Predicted against measured",
        "",
        "| run | figure | predicted | measured | error | inside its band |",
    ]
    lines += ["|---|---|---|---|---|---|"]
    for part in parts:
        lines += [_row(part.name.removeprefix("verify "), row) for row in part.found.get("rows", []) if _is_row(row)]
    failures = [part for part in parts if part.said]
    for part in failures:
        lines += ["", f"## {part.name}: {part.status}", "", "```", part.said, "```"]
    return lines


def _is_row(row: Any) -> bool:
    return isinstance(row, dict) and row["measured"] is not None


def _row(name: str, row: dict[str, Any]) -> str:
    inside = {True: "yes", False: "no", None: ""}[row["inside_band"]]
    figures = f"{row['predicted']:.5g} {row['unit']} | {row['measured']:.5g} {row['unit']} | {row['error']:+.1%}"
    return f"| {name} | {row['what']} | {figures} | {inside} |"


if __name__ == "__main__":
    sys.exit(main())
