"""Does anything a file may hold break the program? Seeded mutations of real files, through every reader.

python benchmarks/fuzz.py [--inputs 200000] [--seed 1] [--only plan,points] [--keep FOLDER]

Each input is a real file that was damaged or filled with hostile values, or none at all: deep nesting, huge numbers,
NaN, bidi and zero-width text, path traversal, cut and binary files. The reader must answer or raise `TrainplanError`
within 2 s of the processor (or 60 s of waiting), in less than 1 GB. What a reader takes is used: a plan is checked and
estimated, a law asked for a loss. The exit code is 1 where anything was found; `--keep` writes each input that broke
something, to repeat it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from planner import library, units
from planner.errors import TrainplanError
from planner.estimate import estimate
from planner.interchange import formats
from planner.plan import derive, file
from planner.plan.check import check
from planner.plan.plan import Plan
from planner.quality import laws, points
from planner.timing import calibration, profile, selection
from planner.validation import own, table

LONGEST_S, LONGEST_WAIT_S = 2.0, 60.0
_LOOK_EVERY_S = 0.5
MOST_BYTES = 1e9
HOSTILE: list[Any] = [
    float("nan"), float("inf"), -float("inf"), 1e308, -1e308, 5e-324, 0, -0.0, -1, 1, 2**31, 2**63, 2**64 + 1, 10**30,
    10**400, 1e15, 0.1, True, False, None, "", " ", "nan", "Infinity", "1e999", "9" * 5000, "1_000", "٣", "½", "²",
    "=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\u202etxt.exe", "\u200b", "a\u200db", "\ufeff", "\x00",
    "\x1b[2J", "\ud800", "😀" * 300, "../../../etc/passwd", "/dev/zero", "C:\\con", "~", "%s%n", "{0.__class__}",
    '"; rm -rf ~ #', "$(reboot)", "<script>alert(1)</script>", "x" * 100_000, "2T", "80 GiB", "1e400 GB", "-5 h",
    "auto",
    [], {}, [[]], [None], {"": {}}, {"name": "x"}, [1e999] * 50, {"a.b": 1}, "llama-2-7b", "A100-80GB-SXM",
]  # fmt: skip
"""Values put where others stood."""
TEXTS = [str(value) for value in HOSTILE if not isinstance(value, str) and value != 10**400] + [
    value for value in HOSTILE if isinstance(value, str)
]
"""The same as words of a text file."""


UNKNOWN_GPU = profile.Device(kind="cuda", name="none of them", memory_bytes=2**30)
"""Every data sheet is looked at for one of its name."""


@dataclass(frozen=True)
class Reader:
    """One kind of file: real ones to begin with, the name that it has, and what reads it."""

    seeds: list[bytes]
    place: str
    read: Callable[[Path], object]


@dataclass
class Findings:
    """What was run and what broke, the first input of each kind of break."""

    inputs: Counter[str] = field(default_factory=Counter)
    taken: Counter[str] = field(default_factory=Counter)
    slowest_s: dict[str, float] = field(default_factory=dict)
    broken: dict[str, tuple[str, bytes, str]] = field(default_factory=dict)
    """By where it broke: (reader, input, traceback)."""
    keep: Path | None = None
    """Where inputs that broke something are written at once."""

    def add(self, where: str, name: str, content: bytes, told: str) -> None:
        """A break; only the first of its kind is kept."""
        if where not in self.broken:
            self.broken[where] = name, content, told
            if self.keep:
                self.keep.mkdir(parents=True, exist_ok=True)
                (self.keep / library.slug(where)).write_bytes(content)
                (self.keep / f"{library.slug(where)}.txt").write_text(told, "utf-8", "replace")

    @property
    def peak_bytes(self) -> float:
        """Most memory that the process ever held."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


class HangError(BaseException):
    """A reader took longer than it may; no reader's own `except` catches it."""


def readers() -> dict[str, Reader]:
    """Every reader by name; its file's name is within the user's folder."""
    base, shipped = file.load("llama-2-7b"), library.SHIPPED
    plans = _files(shipped / "plans", 6)
    config = {
        "model_type": "llama", "hidden_size": 4096, "num_attention_heads": 32, "num_hidden_layers": 32,
        "num_key_value_heads": 8, "intermediate_size": 11008, "vocab_size": 32000, "max_position_embeddings": 4096,
        "hidden_act": "gelu", "activation_function": "gelu", "tie_word_embeddings": False, "ffn_dim": 16384,
        "d_model": 512, "d_kv": 64, "d_ff": 2048, "num_layers": 6, "num_heads": 8, "n_layer": 12, "n_head": 12,
        "n_embd": 768, "n_positions": 1024,
    }  # fmt: skip
    configs = [
        json.dumps(config | {"model_type": name}).encode() for name in ("llama", "gemma", "opt", "t5", "falcon", "gpt2")
    ]
    loss = b"parameters,tokens,loss,run\n" + b"".join(
        b"%de6,%de9,%.2f,a\n" % (n, n * 2, 4 - n / 9) for n in range(1, 9)
    )
    made = Path(__file__).resolve().parent.parent / "tests" / "data" / "gpt2-cpu.json"
    runs = b"".join((shipped / "runs.csv").read_bytes().splitlines(keepends=True)[:12])
    corrected = {
        "format": calibration.FORMAT, "version": calibration.VERSION, "name": "a", "created": "2026-01-01",
        "device": json.loads(made.read_bytes())["device"], "software": "2.11", "framework": "pytorch", "model": "gpt2",
        "shape": "", "precision": "bf16", "profile": "gpt2-cpu", "ratio": 1.1,
    }  # fmt: skip
    recovery = json.dumps({"path": None, "saved_at": "now", "plan": json.loads(plans[0])}).encode()
    shelf = json.dumps({"scenarios": [{"name": "a", "plan": json.loads(plans[0])}]}).encode()
    found = {
        "plan": Reader(plans, "a.json", lambda path: _used(file.load(path))),
        "model": Reader([*configs, *_files(shipped / "models", 4)], "config.json", lambda path: _modelled(base, path)),
        "profile": Reader([made.read_bytes()], "p.json", lambda path: profile.summarize(profile.load(path).rows)),
        "law": Reader(_files(shipped / "laws", 8), "law.json", _asked),
        "points": Reader([loss], "points.csv", lambda path: points.unidentified(points.read(path))),
        "runs": Reader([runs], "runs.csv", table.read),
        "torchtitan": Reader([_launch(base, "torchtitan")], "a.toml", lambda path: formats.read(path, None, base)),
        "megatron": Reader([_launch(base, "megatron")], "a.sh", lambda path: formats.read(path, "megatron", base)),
        "deepspeed": Reader([_launch(base, "deepspeed")], "a.json", lambda path: formats.read(path, "deepspeed", base)),
        "nanotron": Reader([_launch(base, "nanotron")], "a.yaml", lambda path: formats.read(path, "nanotron", base)),
        "any config": Reader(plans + configs, "b.json", formats.is_training_config),
        "own accelerator": Reader(_files(shipped / "accelerators", 6), "accelerators/mine.json", _own_accelerator),
        "own fabric": Reader(_files(shipped / "fabrics", 6), "fabrics/mine.json", lambda path: _own("fabrics", base)),
        "own profile": Reader([made.read_bytes()], "measured/mine.json", lambda path: _measured(base)),
        "own runs": Reader([runs], "runs.csv", lambda path: own.append(base, {"as_of": "today"})),
        "calibration": Reader([json.dumps(corrected).encode()], "calibrations/a.json", lambda path: _calibrated()),
        "quantity": Reader([b"80 GiB", b"2.5e12", b"1,024 MB", b"$3"], "q", _quantity),
        "setting": Reader([b"recipe.tokens=2T", b"layout.dp=auto", b"prices.pue=1.2"], "s", _setting),
    }  # fmt: skip
    with suppress(ImportError):  # the program's window is not needed to plan
        from gui.recovery import leftovers
        from gui.scenario_shelf import Shelf
        from gui.settings import Settings

        def settings(path: Path) -> object:
            made = Settings()
            return made.theme, made.page, made.geometry, made.recent

        ini = b"[General]\ntheme=dark\npage=search\nrecent=/a.json, /b.json\ngeometry=@ByteArray(\\x1\\xd9)\n"
        found["recovery"] = Reader([recovery], "recovery/a.json", lambda path: leftovers())
        found["scenarios"] = Reader([shelf], "scenarios.json", lambda path: Shelf())
        found["settings"] = Reader([ini], "settings.ini", settings)
    return found


def fuzz(
    inputs: int,
    seed: int,
    only: list[str] | None = None,
    progress: Callable[[int, int], None] | None = None,
    keep: Path | None = None,
) -> Findings:
    """Run so many inputs, the same ones for the same seed, in a folder of their own."""
    import scipy.optimize  # noqa: F401 - fits import it late, and an import is not what is timed

    np.seterr(all="ignore")
    findings, dice = Findings(keep=keep), random.Random(seed)
    before = os.environ.get("TRAINPLAN_HOME")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TRAINPLAN_HOME"] = folder
        try:
            known = readers()
            names = [name for name in known if not only or name in only]
            with suppress(KeyboardInterrupt):  # what was run until then is told
                for number in range(inputs):
                    name = names[number % len(names)]
                    _one(name, known[name], damaged(dice, known[name].seeds), Path(folder), findings)
                    if progress and (number + 1) % 5000 == 0:
                        progress(number + 1, len(findings.broken))
        finally:
            os.environ.pop("TRAINPLAN_HOME")
            if before is not None:
                os.environ["TRAINPLAN_HOME"] = before
    return findings


def damaged(dice: random.Random, seeds: list[bytes]) -> bytes:
    """One input: a real file changed in its values, in its words or in its bytes, or something made up."""
    seed = dice.choice(seeds)
    way = dice.random()
    if way < 0.5:
        with suppress(ValueError, RecursionError):
            return _with_other_values(dice, json.loads(seed))
    if way < 0.75:
        return _with_other_words(dice, seed.decode("utf-8", "replace")).encode("utf-8", "surrogatepass")
    if way < 0.95:
        return _with_other_bytes(dice, seed, seeds)
    return _made_up(dice)


def _with_other_values(dice: random.Random, data: Any) -> bytes:
    for _ in range(dice.choice((1, 1, 2, 5))):
        inside, key = _somewhere(dice, data)
        if inside is None:
            return b"null"
        how = dice.random()
        if how < 0.1:
            del inside[key]
        elif how < 0.15 and isinstance(inside, dict):
            inside[str(dice.choice(HOSTILE[:20] + TEXTS))[:200]] = inside.pop(key)
        elif how < 0.3 and isinstance(inside[key], int | float) and not isinstance(inside[key], bool):
            with suppress(OverflowError):
                inside[key] *= dice.choice((-1, 0, 0.5, 1.0000001, 3, 10**6, 10**18))
        else:
            inside[key] = deepcopy(dice.choice(HOSTILE))
    most_digits = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(0)
    text = json.dumps(data, ensure_ascii=dice.random() < 0.5)
    sys.set_int_max_str_digits(most_digits)
    return text.encode("utf-8", "surrogatepass")


def _somewhere(dice: random.Random, data: Any) -> tuple[Any, Any]:
    """A container inside the data and one of its keys."""
    inside, key = None, None
    while isinstance(data, dict | list) and data and (inside is None or dice.random() < 0.8):
        inside, key = data, dice.choice(list(data)) if isinstance(data, dict) else dice.randrange(len(data))
        data = data[key]
    return inside, key


def _with_other_words(dice: random.Random, text: str) -> str:
    for _ in range(dice.choice((1, 1, 2, 5))):
        between = dice.choice((",", " ", "\n", '"', "=", ":"))
        words = text.split(between)
        at = dice.randrange(len(words))
        how = dice.random()
        if how < 0.6:
            words[at] = dice.choice(TEXTS)
        elif how < 0.75:
            del words[at]
        elif how < 0.9:
            words.insert(at, words[at])
        else:
            words.insert(at, dice.choice(("[", "{", "]", "}", '"', "'", "\n", "\r", "\\", "#", "---", "&a", "*a")))
        text = between.join(words)
    return text


def _with_other_bytes(dice: random.Random, seed: bytes, seeds: list[bytes]) -> bytes:
    raw, at = bytearray(seed), dice.randrange(len(seed) + 1)
    how = dice.randrange(5)
    if how == 0:
        return bytes(raw[:at])
    if how == 1:
        raw[at:at] = dice.randbytes(dice.choice((1, 4, 100)))
    elif how == 2:
        for _ in range(dice.choice((1, 3, 20))):
            raw[dice.randrange(len(raw))] = dice.randrange(256)
    elif how == 3:
        raw[at : at + dice.choice((1, 10, 1000))] = b""
    else:
        other = dice.choice(seeds)
        raw[at:] = other[dice.randrange(len(other)) :]
    return bytes(raw)


def _made_up(dice: random.Random) -> bytes:
    depth = dice.choice((10, 1000, 100_000))
    return dice.choice((
        b"", b"\xef\xbb\xbf", b"\x00" * depth, b"[" * depth, b'{"a":' * depth, b"[" * depth + b"]" * depth,
        b'{"model":' * depth + b"1" + b"}" * depth, b"a = " + b"[" * depth, b"a." * depth + b"b = 1", b"- " * depth,
        b"9" * depth, b"1e" + b"9" * depth, b'"' + b"a" * depth, b"\n" * depth, b"," * depth, b"--x " * depth,
        "名前".encode("utf-16"), b"PK\x03\x04" + dice.randbytes(200), b"\x1f\x8b" + dice.randbytes(200),
        b"\x80\x04\x95cos\nsystem\n(S'reboot'\ntR.", dice.randbytes(depth // 10), b"a: &a [*a]", b"? " * (depth // 10),
        b"!!python/object/apply:os.system ['reboot']", b'{"a":1,"a":2}', b"null", b"NaN", b'"x"', b"[1, 2]",
    ))  # fmt: skip


def _one(name: str, reader: Reader, content: bytes, home: Path, findings: Findings) -> None:
    path = home / reader.place
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    before, started = findings.peak_bytes, time.process_time()
    try:
        with _limited(LONGEST_S):
            reader.read(path)
        findings.taken[name] += 1
    except TrainplanError:
        pass
    except (Exception, HangError) as error:
        step = traceback.extract_tb(error.__traceback__)[-1]
        where = f"{name}: {type(error).__name__} in {Path(step.filename).name}:{step.lineno}"
        findings.add(where, name, content, traceback.format_exc())
    finally:
        path.unlink(missing_ok=True)
    findings.inputs[name] += 1
    took = time.process_time() - started
    findings.slowest_s[name] = max(took, findings.slowest_s.get(name, 0.0))
    if before <= MOST_BYTES < findings.peak_bytes:
        findings.add(f"{name}: more than 1 GB", name, content, "")


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """So many seconds of the processor: those in which the machine does something else are not the reader's."""
    started, looks = time.process_time(), iter(range(int(LONGEST_WAIT_S / _LOOK_EVERY_S)))

    def look(*_: object) -> None:
        if time.process_time() - started > seconds or next(looks, None) is None:
            raise HangError(f"longer than {seconds:g} s")

    old = signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, min(seconds, _LOOK_EVERY_S), _LOOK_EVERY_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, old)


def _files(folder: Path, most: int) -> list[bytes]:
    paths = sorted(folder.glob("*.json"))
    return [path.read_bytes() for path in paths[:: max(1, len(paths) // most)]]


def _launch(plan: Plan, name: str) -> bytes:
    return formats.render(plan.replace(**{"layout.zero_stage": 1}), name).text.encode()


def _used(plan: Plan) -> object:
    """What the program does with a plan that it has read."""
    if any(problem.severity == "error" for problem in check(plan)):
        return None
    return estimate(plan).figures


def _modelled(base: Plan, path: Path) -> object:
    return _used(derive.with_model(base, str(path))[0])


def _calibrated() -> object:
    return calibration.load("a")


def _asked(path: Path) -> object:
    law, found = laws.law(path), []
    if law.gives_loss:
        found += [law.perplexity(N, D) for N in (1e3, 7e9, 1e18) for D in (1e3, 2e12, 1e18)]
        found += [law.loss_within(7e9, 1e36), law.cheapest(2.0)]
        samples = law.samples(8)
        found += [samples.alpha] if samples else []
    if law.gives_optimum:
        found += [law.optimum(flops).parameters for flops in (1e9, 1e23, 1e36)]
    return found, law.words, law.outside(7e9, 2e12, 1e23)


def _own(kind: str, base: Plan) -> object:
    library.names(kind)
    section = kind.removesuffix("s")
    return _used(file.with_settings(base, [(f"cluster.{section}", "mine")]))


def _own_accelerator(path: Path) -> object:
    base = file.load("llama-2-7b")
    selection.data_sheet(UNKNOWN_GPU)
    return _own("accelerators", base)


def _measured(base: Plan) -> object:
    plan = file.with_settings(base, [("cluster.accelerator", "CPU"), ("recipe.precision", "fp32")])
    found = selection.known(plan)  # as the profile that is chosen, or left out with a warning
    return _used(plan.model_copy(update={"profile": "mine"})) if found.fit else selection.why_not(plan, "mine")


def _quantity(path: Path) -> object:
    return units.parse(path.read_text("utf-8", "replace"), "B")


def _setting(path: Path) -> object:
    name, _, value = path.read_text("utf-8", "replace").partition("=")
    return file.with_settings(file.load("llama-2-7b"), [(name, value)])


def report(findings: Findings) -> str:
    """The counts a reader, then what broke."""
    lines = [f"{'reader':18}{'inputs':>9}{'read':>9}{'slowest':>10}"]
    lines += [
        f"{name:18}{count:9,}{findings.taken[name]:9,}{findings.slowest_s[name]:8.2f} s"
        for name, count in findings.inputs.items()
    ]
    total, peak = sum(findings.inputs.values()), findings.peak_bytes / 2**20
    lines.append(f"{total:,} inputs, {len(findings.broken)} kinds of break, peak {peak:.0f} MiB")
    return "\n".join([*lines, *(f"BROKEN {where}\n{told}" for where, (_, _, told) in findings.broken.items())])


def _tell(done: int, broken: int) -> None:
    print(f"{done:,} inputs, {broken} kinds of break", file=sys.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="READER,…", help="readers to run (default: all)")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="write what broke something here")
    options = parser.parse_args()
    only = options.only.split(",") if options.only else None
    findings = fuzz(options.inputs, options.seed, only, _tell, options.keep)
    print(report(findings))
    return 1 if findings.broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
