"""Does anything a file may hold break the program? Seeded mutations of real files, through every reader.

python benchmarks/fuzz.py [--inputs 200000] [--seed 1] [--workers 2] [--only plan,points] [--keep FOLDER]

Each input is a real file that was damaged or filled with hostile values, or none at all: deep nesting, huge numbers,
NaN, bidi and zero-width text, path traversal, cut and binary files. The reader must answer or raise `TrainplanError`
within 2 s of the processor (or 60 s of waiting), in less than 1 GB. What a reader takes is used: a plan is checked and
estimated, a law asked for a loss; `fuzz_readers.py` has them all. The exit code is 1 where anything was found; `--keep`
writes each input that broke something, to repeat it. Each worker has inputs of its own, the same ones for the same seed
and as many workers.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import resource
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
sys.path.append(str(Path(__file__).resolve().parent))  # behind the program: one of its scripts is called gui too

import numpy as np
from fuzz_readers import Reader, readers

from planner import library
from planner.errors import TrainplanError

LONGEST_S, LONGEST_WAIT_S = 2.0, 60.0
_LOOK_EVERY_S = 0.5
_TELL_EVERY = 1000
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
    peak_bytes: float = 0.0
    """Most memory that a process ever held."""

    def add(self, where: str, name: str, content: bytes, told: str) -> None:
        """A break; only the first of its kind is kept."""
        if where not in self.broken:
            self.broken[where] = name, content, told
            if self.keep:
                self.keep.mkdir(parents=True, exist_ok=True)
                (self.keep / library.slug(where)).write_bytes(content)
                (self.keep / f"{library.slug(where)}.txt").write_text(told, "utf-8", "replace")

    def join(self, other: Findings) -> None:
        """What another worker found, beside this one's."""
        self.inputs += other.inputs
        self.taken += other.taken
        for name, took in other.slowest_s.items():
            self.slowest_s[name] = max(took, self.slowest_s.get(name, 0.0))
        self.broken = other.broken | self.broken
        self.peak_bytes = max(self.peak_bytes, other.peak_bytes)


class HangError(BaseException):
    """A reader took longer than it may; no reader's own `except` catches it."""


def fuzz(inputs: int, seed: int | str, only: list[str] | None = None, keep: Path | None = None) -> Findings:
    """Run so many inputs, the same ones for the same seed, in a folder of their own."""
    import scipy.optimize  # noqa: F401 - fits import it late, and an import is not what is timed

    np.seterr(all="ignore")  # no words on the terminal either: main.py leaves them out
    warnings.simplefilter("error", RuntimeWarning)  # a library's own words on the terminal tell a user nothing
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
                    if (number + 1) % _TELL_EVERY == 0:
                        _tell(seed, number + 1, findings)
        finally:
            os.environ.pop("TRAINPLAN_HOME")
            if before is not None:
                os.environ["TRAINPLAN_HOME"] = before
    return findings


def shared(inputs: int, seed: int, workers: int, only: list[str] | None, keep: Path | None) -> Findings:
    """The inputs dealt to so many processes, each with a seed made of this one and its own number."""
    found = Findings()
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn")) as pool:
        shares = [inputs // workers + (number < inputs % workers) for number in range(workers)]
        begun = [pool.submit(fuzz, share, f"{seed}/{number}", only, keep) for number, share in enumerate(shares)]
        for one in begun:
            found.join(one.result())
    return found


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
    started = time.process_time()
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
    before, findings.peak_bytes = findings.peak_bytes, _peak_bytes()
    if before <= MOST_BYTES < findings.peak_bytes:
        findings.add(f"{name}: more than 1 GB", name, content, "")


def _peak_bytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1.0 if sys.platform == "darwin" else 1024.0)


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


def report(findings: Findings) -> str:
    """The counts a reader, then what broke."""
    lines = [f"{'reader':24}{'inputs':>9}{'read':>9}{'slowest':>10}"]
    lines += [
        f"{name:24}{count:9,}{findings.taken[name]:9,}{findings.slowest_s[name]:8.2f} s"
        for name, count in findings.inputs.items()
    ]
    total, peak = sum(findings.inputs.values()), findings.peak_bytes / 2**20
    lines.append(f"{total:,} inputs, {len(findings.broken)} kinds of break, peak {peak:.0f} MiB")
    return "\n".join([*lines, *(f"BROKEN {where}\n{told}" for where, (_, _, told) in findings.broken.items())])


def _tell(seed: int | str, done: int, findings: Findings) -> None:
    peak = findings.peak_bytes / 2**20
    told = f"seed {seed}: {done:,} inputs, {len(findings.broken)} kinds of break, peak {peak:.0f} MiB"
    print(told, file=sys.stderr, flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that share the inputs")
    parser.add_argument("--only", metavar="READER,…", help="readers to run (default: all)")
    parser.add_argument("--keep", metavar="FOLDER", type=Path, help="write what broke something here")
    options = parser.parse_args()
    only = options.only.split(",") if options.only else None
    if options.workers > 1:
        findings = shared(options.inputs, options.seed, options.workers, only, options.keep)
    else:
        findings = fuzz(options.inputs, options.seed, only, options.keep)
    print(report(findings))
    return 1 if findings.broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
