"""The text that a ladder is trained on: a file of the user's or a shipped one, and which parts of it are held out.

Held out are whole blocks, evenly spread over the text: what is measured is like what was trained on, and no line of it
was seen. Parts are cut before they become tokens, so that none reaches over the edge. What a text itself repeats
(headers, quotations) can still stand on both sides.
"""

from __future__ import annotations

import bz2
import hashlib
from dataclasses import dataclass
from pathlib import Path

from planner import library
from planner.errors import InputError, UnknownNameError, shorten

DEFAULT = "shakespeare"
HELD_OUT_SHARE = 0.02
HELD_OUT_BLOCKS = 16
MOST_HELD_OUT_BYTES = 2**18
"""More makes each measurement slower and hardly surer: the blocks differ more than the rest of them would tell."""
LEAST_BYTES = 100_000
LARGEST_BYTES = 2**30


@dataclass(frozen=True)
class Text:
    """A text, where it is from and under which licence (blank for the user's own)."""

    name: str
    content: str
    source: str
    licence: str = ""

    @property
    def sha256(self) -> str:
        """Of its UTF-8 bytes."""
        return hashlib.sha256(self.content.encode()).hexdigest()


def read(name: str = DEFAULT) -> Text:
    """A shipped text by name, or a file. Raises `InputError` for what is no text in UTF-8 or too short for a ladder."""
    shipped = library.paths("texts").get(library.slug(name))
    text = _shipped(shipped) if shipped is not None else _file(Path(name))
    size = len(text.content.encode())
    if size < LEAST_BYTES:
        raise InputError(f"--text {shorten(name)}: {size:,} bytes; a ladder needs at least {LEAST_BYTES:,}")
    return text


def _shipped(about: Path) -> Text:
    data = library.read_json(about)
    wrong = [name for name in ("name", "file", "sha256", "source", "licence") if not isinstance(data.get(name), str)]
    if wrong or Path(data["file"]).name != data["file"]:
        raise InputError(f"{about}: {', '.join(wrong) or 'file'} must be a text, and `file` a name beside it")
    try:
        packed = library.read_bytes(about.parent / data["file"])
        raw = bz2.BZ2Decompressor().decompress(packed, max_length=library.LARGEST_FILE)  # no more, whatever it claims
    except (OSError, ValueError):
        raise InputError(f"{about.parent / data['file']}: not a whole bzip2 file") from None
    if hashlib.sha256(raw).hexdigest() != data["sha256"]:
        raise InputError(f"{about}: its text is not the one described (another checksum)")
    return Text(data["name"], raw.decode(), data["source"], data["licence"])


def _file(path: Path) -> Text:
    try:
        is_there = path.exists()
    except OSError:  # a name that no file can have
        is_there = False
    if not is_there:
        if path.suffix or path.parent != Path():
            raise InputError(f"--text {shorten(path)}: there is no such file")
        raise UnknownNameError("text", str(path), library.names("texts"))
    content = library.read_text(path, LARGEST_BYTES)
    return Text(path.stem, content, f"your file {path.name}, {len(content.encode()):,} bytes")


def divide(content: str) -> tuple[list[str], list[str]]:
    """The parts trained on and the blocks held out, both in the text's order; cut at line ends where there are some."""
    block = min(HELD_OUT_SHARE * len(content), MOST_HELD_OUT_BYTES) / HELD_OUT_BLOCKS
    trained, held_out, end = [], [], 0
    for index in range(HELD_OUT_BLOCKS):
        middle = (index + 0.5) * len(content) / HELD_OUT_BLOCKS
        begin = _line_end(content, int(middle - block / 2), int(block))
        trained.append(content[end:begin])
        end = _line_end(content, int(begin + block), int(block))
        held_out.append(content[begin:end])
    return [*trained, content[end:]], held_out


def _line_end(content: str, at: int, within: int) -> int:
    """The place after the next line end, or `at` itself where none is near."""
    found = content.find("\n", at, at + within)
    return at if found < 0 else found + 1
