"""The outputs shown in the docs, held against those of the program; `make examples` writes them anew.

A page's blocks marked `console` run in their order, in one folder, by the program's own command line in this process:
`$ trainplan …`, then some lines of what it prints, `…` standing for lines left out. Blocks marked `sh` need another
machine, or hours, and are only parsed.
"""

from __future__ import annotations

import contextlib
import difflib
import io
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent))

from planner import cli  # noqa: E402
from planner.errors import InputError  # noqa: E402

BLOCK = re.compile(r"(?<=```console\n).*?(?=^```)", re.DOTALL | re.MULTILINE)
SHELL = re.compile(r"(?<=```sh\n).*?(?=^```)", re.DOTALL | re.MULTILINE)
LEFT_OUT = "…"
NUMBER = re.compile(r"\d[\d,.]*(?:e[+-]?\d+)?")
AGE = re.compile(r"; price \d+ (?:day|month|year)s? old")
"""What the day of reading adds to a verdict: a page would be out of date each month."""
TOLERANCE = 0.02
"""By how much a number in the docs may differ from today's, as a share: a constant that is measured better moves many
a little, and a page that is off by less misleads nobody until it is written anew."""


def pages() -> list[Path]:
    """The pages that were written by hand."""
    return sorted(path for path in DOCS.rglob("*.md") if "generated" not in path.parts)


def with_examples() -> list[Path]:
    """The pages that show what the program prints."""
    return [path for path in pages() if BLOCK.search(path.read_text("utf-8"))]


def written_anew(path: Path) -> str:
    """A page with the outputs that its commands have today."""
    with in_a_folder_of_its_own():
        return BLOCK.sub(lambda block: _block(block[0]), path.read_text("utf-8"))


def differences(shown: str, real: str) -> Iterator[str]:
    """Lines of a page whose words are others today, or whose numbers are off by more than `TOLERANCE`."""
    for line, today in zip(shown.splitlines(), real.splitlines(), strict=True):
        if line != today and not _alike(line, today):
            yield f"{line.strip()!r} is today {today.strip()!r}"


def shell_commands(path: Path) -> list[list[str]]:
    """The arguments of each `trainplan …` in a page's blocks that are only parsed."""
    lines = [line for block in SHELL.findall(path.read_text("utf-8")) for line in _joined(block).splitlines()]
    split = [shlex.split(line, comments=True) for line in lines if "<<" not in line]
    starts = [(words, words.index("trainplan")) for words in split if "trainplan" in words]
    return [_until_redirection(words[start + 1 :]) for words, start in starts]


def output_of(command: str) -> str:
    """What a command prints on a terminal, stdout and stderr together. Raises `InputError` where it fails."""
    words = shlex.split(command)
    if words[:1] != ["trainplan"]:
        raise InputError(f"{command}: a console block runs trainplan only")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = cli.run(words[1:])
    if code:
        raise InputError(f"{command}: exit code {code}: {printed.getvalue()}")
    return AGE.sub("", printed.getvalue())


@contextlib.contextmanager
def in_a_folder_of_its_own() -> Iterator[None]:
    """An empty working folder, and a user's folder that holds nothing."""
    before = os.environ.get("TRAINPLAN_HOME")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        os.environ["TRAINPLAN_HOME"] = str(Path(folder) / "own")
        try:
            yield
        finally:
            os.environ.pop("TRAINPLAN_HOME")
            if before is not None:
                os.environ["TRAINPLAN_HOME"] = before


def _block(text: str) -> str:
    parts = re.split(r"^(?=\$ )", _joined(text, keep=True), flags=re.MULTILINE)
    return "".join(_example(part) for part in parts if part)


def _joined(text: str, *, keep: bool = False) -> str:
    """Lines that go on after a backslash as one; kept as they are written where they are shown again."""
    return text if keep else text.replace("\\\n", " ")


def _example(part: str) -> str:
    lines = part.splitlines()
    head = 1 + next(i for i, line in enumerate(lines) if not line.endswith("\\"))
    command = " ".join(line.rstrip("\\").strip() for line in lines[:head]).removeprefix("$ ")
    real = output_of(command).splitlines()
    return "\n".join([*lines[:head], *_picked(lines[head:], real)]) + "\n"


def _picked(shown: list[str], real: list[str]) -> list[str]:
    """The real lines in the place of the shown ones: each the likest of those after the one before."""
    picked, start = [], 0
    for line in shown:
        if not line.strip() or line.strip() == LEFT_OUT:
            picked.append(line)
            continue
        rest = real[start:]
        if not rest:
            raise InputError(f"{line!r}: the command prints no such line any more")
        likest = max(range(len(rest)), key=lambda i: (_likeness(line, rest[i]), -i))
        picked.append(rest[likest].rstrip())
        start += likest + 1
    return picked


def _likeness(one: str, other: str) -> float:
    words = [" ".join(NUMBER.sub("#", line).split()) for line in (one, other)]
    return difflib.SequenceMatcher(None, *words).ratio() + (one.split() == other.split())


def _alike(one: str, other: str) -> bool:
    if [NUMBER.sub("#", word) for word in one.split()] != [NUMBER.sub("#", word) for word in other.split()]:
        return False
    pairs = zip(map(_number, NUMBER.findall(one)), map(_number, NUMBER.findall(other)), strict=True)
    return all(abs(a - b) <= TOLERANCE * max(abs(a), abs(b)) + 1e-9 for a, b in pairs)


def _number(text: str) -> float:
    return float(text.rstrip(",.").replace(",", ""))


def _until_redirection(words: list[str]) -> list[str]:
    ends = [i for i, word in enumerate(words) if word in (">", "|", "&&", "&", ";")]
    return words[: min(ends, default=len(words))]


def main() -> int:
    """Write every page anew whose outputs have changed."""
    for path in with_examples():
        text, today = path.read_text("utf-8"), written_anew(path)
        if text != today:
            path.write_text(today, "utf-8")
            print(path.relative_to(DOCS.parent))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
